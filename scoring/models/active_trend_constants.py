"""The constants that rank trends now: those that `explore train` put in service, else those that ship."""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from db.database.engine import Database
from db.errors import StoreUnavailable
from db.interactions.activity_time import UNIFORM_CLOCK, WEEK_H, ActivityClock
from db.interactions.decayed_counters import ACTIVE_HALF_LIVES_H
from db.trained_models.velocity_constants import active_constants
from scoring import weights
from scoring.errors import InvalidModel
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, TrendConstants, Window

ConstantsByWindow = Mapping[Window, TrendConstants]

TrendConstantsProvider = Callable[[], Awaitable[ConstantsByWindow]]
"""Gives the constants that rank trends at this moment."""

log = logging.getLogger(__name__)


async def default_trend_constants() -> ConstantsByWindow:
    """Rank trends by what ships, whatever is in service."""
    return DEFAULT_TREND_CONSTANTS


class ActiveTrendConstants:
    """Reads the constants in service from the truth, anew every `fresh_s` seconds: a new set needs no restart.

    While the truth is away, or holds constants that cannot rank, the last good ones do.
    """

    def __init__(
        self,
        database: Database,
        fresh_s: float = weights.MODEL_FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._constants: ConstantsByWindow = DEFAULT_TREND_CONSTANTS
        self._fresh_s = fresh_s
        self._clock = clock
        self._read_again_at = clock()

    async def __call__(self) -> ConstantsByWindow:
        """Give the constants of each window at this moment."""
        if self._clock() >= self._read_again_at:
            self._read_again_at = self._clock() + self._fresh_s  # first, so that one request reads them, not all
            await self._read()
        return self._constants

    async def _read(self) -> None:
        try:
            stored = await active_constants(self._database)
            self._constants = DEFAULT_TREND_CONSTANTS if stored is None else from_data(stored.constants)[0]
        except StoreUnavailable as away:
            log.debug("the constants of trends in service cannot be read: %s", away)
        except InvalidModel as error:
            log.warning("the constants of trends before rank on: %s", error)


def as_data(constants: ConstantsByWindow, clock: ActivityClock) -> dict[str, Any]:
    """Write constants and their clock as plain data."""
    windows = {window.value: asdict(one) for window, one in constants.items()}
    return {"windows": windows, "clock": list(clock.rates)}


def from_data(data: Mapping[str, Any]) -> tuple[ConstantsByWindow, ActivityClock]:
    """Read what `as_data` wrote.

    Raises
    ------
    InvalidModel
        If a window or a number is missing, or is none that can rank.
    """
    try:
        constants = {window: _read(data["windows"][window.value]) for window in Window}
        rates = tuple(float(rate) for rate in data["clock"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"stored constants of trends cannot be read ({error}); train anew") from error
    if len(rates) != WEEK_H or not all(0 < rate < WEEK_H for rate in rates):
        raise InvalidModel(f"a clock of trends needs {WEEK_H} rates above 0; train anew")
    return constants, UNIFORM_CLOCK if rates == UNIFORM_CLOCK.rates else ActivityClock(rates)


def _read(given: Mapping[str, Any]) -> TrendConstants:
    shares = tuple(float(share) for share in given["shares"])
    rest = {one.name: float(given[one.name]) for one in fields(TrendConstants) if one.name != "shares"}
    made = TrendConstants(shares=shares, **rest)
    sound = all(math.isfinite(one) and one >= 0 for one in (*shares, *rest.values()))
    if len(shares) != len(ACTIVE_HALF_LIVES_H) or not sound:
        raise ValueError("a number is negative, not finite, or one too many")
    if min(made.offset_h, made.background) <= 0:
        raise ValueError("offset_h and background must be above 0")
    return made
