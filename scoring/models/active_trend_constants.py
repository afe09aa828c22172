"""Provider of the active constants of trending: the last activated set, or the shipped one."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from db.interactions.activity_time import UNIFORM_CLOCK, WEEK_H, ActivityClock
from db.time_units import ACTIVE_HALF_LIVES_H
from db.trained_models.registry import active_constants
from scoring.errors import InvalidModel
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, TrendConstants, Window
from scoring.models.active_model import ActiveValue

ConstantsByWindow = Mapping[Window, TrendConstants]

TrendConstantsProvider = Callable[[], Awaitable[ConstantsByWindow]]
"""Function that returns the constants for a trending ranking."""


async def default_trend_constants() -> ConstantsByWindow:
    """Return the shipped constants."""
    return DEFAULT_TREND_CONSTANTS


class ActiveTrendConstants(ActiveValue[ConstantsByWindow]):
    """Provider of the active constants of trending."""

    shipped = DEFAULT_TREND_CONSTANTS

    async def _read(self) -> ConstantsByWindow | None:
        stored = await active_constants(self._database)
        return None if stored is None else from_data(stored.constants)[0]


def as_data(constants: ConstantsByWindow, clock: ActivityClock) -> dict[str, Any]:
    """Return constants and their clock as plain data."""
    windows = {window.value: asdict(values) for window, values in constants.items()}
    return {"windows": windows, "clock": list(clock.rates)}


def from_data(data: Mapping[str, Any]) -> tuple[ConstantsByWindow, ActivityClock]:
    """Read the result of `as_data`.

    Raises `InvalidModel` if a window or a number is missing or out of range.
    """
    try:
        constants = {window: _constants(data["windows"][window.value]) for window in Window}
        rates = tuple(float(rate) for rate in data["clock"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"stored constants of trends cannot be read ({error}); train anew") from error
    if len(rates) != WEEK_H or not all(0 < rate < WEEK_H for rate in rates):
        raise InvalidModel(f"a clock of trends needs {WEEK_H} rates above 0; train anew")
    return constants, UNIFORM_CLOCK if rates == UNIFORM_CLOCK.rates else ActivityClock(rates)


def _constants(data: Mapping[str, Any]) -> TrendConstants:
    shares = tuple(float(share) for share in data["shares"])
    numbers = {field.name: float(data[field.name]) for field in fields(TrendConstants) if field.name != "shares"}
    if len(shares) != len(ACTIVE_HALF_LIVES_H):
        raise ValueError(f"{len(shares)} shares, not {len(ACTIVE_HALF_LIVES_H)}")
    if not all(math.isfinite(number) and number >= 0 for number in (*shares, *numbers.values())):
        raise ValueError("a number is negative or not finite")
    if min(numbers["offset_h"], numbers["background"]) <= 0:
        raise ValueError("offset_h and background must be above 0")
    return TrendConstants(shares=shares, **numbers)
