"""The platform's clock: busy hours, which pass as fast as the platform is busy.

Nights and weekends bring few people to anything, so a trend of Friday evening is hardly older on Monday morning: age
and decay are counted in hours of a usual week's activity. An hour of the week (UTC, from Monday 00:00) has a rate; a
week has 168 busy hours whatever the rates. The clock stands in the truth, `active_hours`, so that every process that
writes or ranks reads the same one, in the statement that needs it. Until an installation has fitted its own, all rates
are 1.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import Float, Integer, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from db.database.batches import insert_batch
from db.models import ActivityRate, DecayedCounters

HOUR_S, WEEK_H = 3_600.0, 168
WEEK_S = WEEK_H * HOUR_S
FIRST_MONDAY_S = 4 * 86_400.0
"""Unix seconds of the first Monday, 00:00 UTC: busy hours are counted from there."""


@dataclass(frozen=True)
class ActivityClock:
    """The clock as numbers, for what is computed outside of the truth.

    Attributes
    ----------
    rates
        168 numbers, above 0, of mean 1.
    """

    rates: tuple[float, ...] = (1.0,) * WEEK_H

    @cached_property
    def starts_h(self) -> NDArray[np.float64]:
        """(168,) busy hours of a week at the beginning of each of its hours."""
        return np.concatenate([[0.0], np.cumsum(self.rates)[:-1]])

    def hours(self, at_s: ArrayLike) -> NDArray[np.float64]:
        """Give the busy hours of Unix seconds, an array of any shape."""
        since_s = np.asarray(at_s, dtype=np.float64) - FIRST_MONDAY_S
        week = np.floor(since_s / WEEK_S)
        within_h = (since_s - week * WEEK_S) / HOUR_S
        hour = np.minimum(within_h.astype(np.int64), WEEK_H - 1)
        given: NDArray[np.float64] = (
            week * WEEK_H + self.starts_h[hour] + np.array(self.rates)[hour] * (within_h - hour)
        )
        return given


UNIFORM_CLOCK = ActivityClock()
"""The wall's clock."""

Seconds = ColumnElement[float] | InstrumentedAttribute[float]

_REAL = Float(53)


def hour_of_week(at_s: Seconds) -> ColumnElement[int]:
    """Give the row of `ActivityRate` that Unix seconds fall into, in SQL."""
    return func.floor(_within_s(at_s) / HOUR_S).cast(Integer)


def active_hours(at_s: Seconds) -> ColumnElement[float]:
    """Give the busy hours of Unix seconds, in a statement that joins `ActivityRate` on `hour_of_week`."""
    week = func.floor((at_s - FIRST_MONDAY_S) / WEEK_S, type_=_REAL)
    return (
        week * float(WEEK_H) + ActivityRate.start_h + ActivityRate.rate * (_within_s(at_s) / HOUR_S - ActivityRate.hour)
    )


def active_hours_of(at_s: Seconds) -> ColumnElement[float]:
    """Give the busy hours of Unix seconds, in a statement of any kind."""
    return select(active_hours(at_s)).where(ActivityRate.hour == hour_of_week(at_s)).scalar_subquery()


def _within_s(at_s: Seconds) -> ColumnElement[float]:
    return at_s - FIRST_MONDAY_S - func.floor((at_s - FIRST_MONDAY_S) / WEEK_S, type_=_REAL) * WEEK_S


_CLEAR = delete(ActivityRate)
_SET = insert_batch(ActivityRate, "hour", "start_h", "rate")
_CARRY = update(DecayedCounters).values(as_of_active_h=active_hours_of(DecayedCounters.as_of_s))


async def store_clock(connection: AsyncConnection, clock: ActivityClock) -> None:
    """Let the platform's clock run like this from now on; the sums that halve by it are counted at the next mend."""
    await connection.execute(_CLEAR)
    rows = zip(range(WEEK_H), clock.starts_h.tolist(), clock.rates, strict=True)
    await connection.execute(_SET, {"rows": list(rows)})
    await connection.execute(_CARRY)
