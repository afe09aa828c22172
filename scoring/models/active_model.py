"""Providers of the active ranking model and of the active trend constants.

A model or set of constants is active from its activation to the next. Before the first activation, the shipped one is
active.
"""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from db.database.engine import Database
from db.errors import StoreUnavailable
from db.interactions.activity_time import UNIFORM_CLOCK, WEEK_H, ActivityClock, store_clock
from db.interactions.velocity_queries import last_week_by_hour, refresh_velocities
from db.time_units import ACTIVE_HALF_LIVES_H
from db.trained_models.registry import active_constants, active_model
from db.trend_constants import TrendConstants
from scoring import tunables
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import Model
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.models.model_presets import DEFAULT, from_data

log = logging.getLogger(__name__)

T = TypeVar("T")

ModelProvider = Callable[[], Awaitable[Model]]


def fixed_model(model: Model) -> ModelProvider:
    """Return a provider that always returns the same model."""

    async def provide() -> Model:
        return model

    return provide


class ActiveValue(ABC, Generic[T]):
    """Cached value of the database, read again after `refresh_s` seconds, so that a rollback needs no restart.

    While the database is unavailable or the stored value is invalid, the last valid value remains in use.
    """

    shipped: T
    """Value before the first activation."""

    def __init__(
        self,
        database: Database,
        refresh_s: float = tunables.MODEL_FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._value = self.shipped
        self._refresh_s = refresh_s
        self._clock = clock
        self._read_again_at = clock()

    async def __call__(self) -> T:
        """Return the active value, or the shipped one if none was activated."""
        if self._clock() >= self._read_again_at:
            self._read_again_at = self._clock() + self._refresh_s  # before the read, so that only one request reads
            try:
                stored = await self._read()
                self._value = self.shipped if stored is None else stored
            except StoreUnavailable as error:
                log.debug("%s cannot be read: %s", type(self).__name__, error)
            except InvalidModel as error:
                log.warning("%s is invalid, the previous value remains in use: %s", type(self).__name__, error)
        return self._value

    @abstractmethod
    async def _read(self) -> T | None:
        """Read the active value; None if none was activated."""


class ActiveModel(ActiveValue[Model]):
    """Provider of the active ranking model."""

    shipped = DEFAULT

    async def _read(self) -> Model | None:
        stored = await active_model(self._database)
        return None if stored is None else from_data(stored.name, stored.curves)


ConstantsByWindow = Mapping[Window, TrendConstants]


class ActiveTrends(NamedTuple):
    """The active constants of trending, and the clock that was fitted with them."""

    constants: ConstantsByWindow
    clock: ActivityClock


TrendConstantsProvider = Callable[[], Awaitable[ConstantsByWindow]]
SHIPPED_TRENDS = ActiveTrends(DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK)


async def default_trend_constants() -> ConstantsByWindow:
    """Return the shipped constants."""
    return DEFAULT_TREND_CONSTANTS


class ActiveTrendConstants(ActiveValue[ConstantsByWindow]):
    """Provider of the active constants of trending."""

    shipped = DEFAULT_TREND_CONSTANTS

    async def _read(self) -> ConstantsByWindow | None:
        stored = await active_constants(self._database)
        return None if stored is None else constants_from_data(stored.constants)[0]


async def read_active_trends(database: Database) -> ActiveTrends:
    """Read the active constants and clock. Without an active set that can be read, return the built-in ones."""
    stored = await active_constants(database)
    try:
        return constants_from_data(stored.constants) if stored else SHIPPED_TRENDS
    except InvalidModel as error:
        log.warning("the active trend constants are invalid, the built-in ones are used: %s", error)
        return SHIPPED_TRENDS


async def refresh_trends(
    database: Database,
    at: datetime,
    before_commit: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    *,
    adapts_clock: bool = True,
) -> None:
    """Adapt the activity clock to the last week, and recount the velocity of every project (`refresh_velocities`).

    The adaptation locks and rewrites the counters of all projects.
    """
    active = await read_active_trends(database)
    if adapts_clock and active.clock is not UNIFORM_CLOCK:
        adapted = active.clock.adapted(await last_week_by_hour(database, at))
        async with database.write() as connection:
            await store_clock(connection, adapted)
            if before_commit is not None:
                await before_commit(connection)
    await refresh_velocities(database, active.constants[Window.DAY], at, before_commit)


def constants_as_data(constants: ConstantsByWindow, clock: ActivityClock) -> dict[str, Any]:
    """Return constants and their clock as plain data."""
    windows = {window.value: values._asdict() for window, values in constants.items()}
    return {"windows": windows, "clock": list(clock.rates)}


def constants_from_data(data: Mapping[str, Any]) -> ActiveTrends:
    """Read the result of `constants_as_data`.

    Raises `InvalidModel` if a window or a number is missing or out of range.
    """
    try:
        constants = {window: _constants(data["windows"][window.value]) for window in Window}
        rates = tuple(float(rate) for rate in data["clock"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"stored constants of trends cannot be read ({error}); train anew") from error
    if len(rates) != WEEK_H or not all(0 < rate < WEEK_H for rate in rates):
        raise InvalidModel(f"a clock of trends needs {WEEK_H} rates above 0; train anew")
    return ActiveTrends(constants, UNIFORM_CLOCK if rates == UNIFORM_CLOCK.rates else ActivityClock(rates))


def _constants(data: Mapping[str, Any]) -> TrendConstants:
    shares = tuple(float(share) for share in data["shares"])
    numbers = {name: float(data[name]) for name in TrendConstants._fields if name != "shares"}
    if len(shares) != len(ACTIVE_HALF_LIVES_H):
        raise ValueError(f"{len(shares)} shares, not {len(ACTIVE_HALF_LIVES_H)}")
    if not all(math.isfinite(number) and number >= 0 for number in (*shares, *numbers.values())):
        raise ValueError("a number is negative or not finite")
    if min(numbers["offset_h"], numbers["background"]) <= 0:
        raise ValueError("offset_h and background must be above 0")
    return TrendConstants(shares=shares, **numbers)
