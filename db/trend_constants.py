"""Constants of the trending score. Plain numbers that every layer can import."""

from typing import NamedTuple


class TrendConstants(NamedTuple):
    """Constants of the trending score (`scoring.mathematics.velocity`). `explore train` fits them to a log."""

    shares: tuple[float, ...]  # weight of the log counter of each half-life in `ACTIVE_HALF_LIVES_H`; ≥ 0, sum 1
    gravity: float  # weight of the logarithm of age
    offset_h: float = 0.7  # active hours; a much smaller age lowers the score little
    background: float = 0.5  # actors; a much smaller count raises the score little
    oldest_h: float = 168.0  # active hours; greater ages count as this age, so that a rediscovered project can trend
