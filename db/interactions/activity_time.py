"""Activity time: a clock in active hours, which runs faster while the platform is busier.

Each hour of the week (UTC, from Monday 00:00) has a rate, in active hours per wall-clock hour. The mean rate is 1, so a
week has 168 active hours. At quiet times, ages in active hours grow slowly: a trend of Friday evening is hardly older
on Monday morning. The rates are in the table `activity_rates`, which statements join. All rates are 1 until training
fits them. From then on, a job adapts them to the last week every six hours, so that the clock is slow on a holiday too.
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
from db.time_units import DAY_S, HOUR_S, WEEK_S

WEEK_H = 168
FIRST_MONDAY_S = 4 * DAY_S
"""Unix seconds of the first Monday, 00:00 UTC: the origin of active hours."""
CONSTANT_SPEED_SHARE = 0.05
"""Share of the clock's speed that is the same in every hour, so that the clock never stops."""
SMOOTHING = (0.125, 0.25, 0.5, 1.0, 0.5, 0.25, 0.125)
"""Weights of the three hours before an hour of the week, of this hour, and of the three hours after it. On the deskdrop
data, all widths from .3 to 2 hours are equally good."""
LAST_WEEK_SHARE = 0.35
"""Largest weight of the last week in an adapted clock."""
LAST_WEEK_PRIOR = 200.0
"""Number of first engagements in the last week at which it has half of its largest weight."""


@dataclass(frozen=True)
class ActivityClock:
    """The rates of the clock, for computations outside the database."""

    rates: tuple[float, ...] = (1.0,) * WEEK_H  # for each hour of the week; positive, mean 1

    @classmethod
    def from_counts(cls, counts: NDArray[np.float64]) -> "ActivityClock":
        """Make the clock of (168,) first engagements by hour of the week, of which one at least is above 0."""
        half_width = len(SMOOTHING) // 2
        smooth = sum(weight * np.roll(counts, shift - half_width) for shift, weight in enumerate(SMOOTHING))
        rates = CONSTANT_SPEED_SHARE + (1.0 - CONSTANT_SPEED_SHARE) * smooth / np.mean(smooth)
        return cls(tuple((rates / rates.mean()).tolist()))

    def adapted(self, counts: NDArray[np.float64]) -> "ActivityClock":
        """Return this clock mixed with that of the last week, whose (168,) first engagements are `counts`.

        The clock without training, `UNIFORM_CLOCK`, is not adapted.
        """
        n = float(counts.sum())
        if self is UNIFORM_CLOCK or n == 0.0:
            return self
        share = LAST_WEEK_SHARE * n / (n + LAST_WEEK_PRIOR)
        rates = (1.0 - share) * np.array(self.rates) + share * np.array(ActivityClock.from_counts(counts).rates)
        return ActivityClock(tuple(rates.tolist()))

    @cached_property
    def starts_h(self) -> NDArray[np.float64]:
        """(168,) active hours from the start of the week to the start of each hour."""
        return np.concatenate([[0.0], np.cumsum(self.rates)[:-1]])

    def hours(self, at_s: ArrayLike) -> NDArray[np.float64]:
        """Convert Unix seconds, an array of any shape, to active hours."""
        since_s = np.asarray(at_s, dtype=np.float64) - FIRST_MONDAY_S
        week = np.floor(since_s / WEEK_S)
        within_h = (since_s - week * WEEK_S) / HOUR_S
        hour = np.minimum(within_h.astype(np.int64), WEEK_H - 1)
        hours: NDArray[np.float64] = (
            week * WEEK_H + self.starts_h[hour] + np.array(self.rates)[hour] * (within_h - hour)
        )
        return hours


UNIFORM_CLOCK = ActivityClock()
"""The clock whose active hours equal wall-clock hours."""


def count_by_hour_of_week(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count Unix seconds by the hour of the week; returns (168,) counts."""
    hours = ((at_s - FIRST_MONDAY_S) // HOUR_S).astype(np.int64) % WEEK_H
    return np.bincount(hours, minlength=WEEK_H).astype(np.float64)


Seconds = ColumnElement[float] | InstrumentedAttribute[float]

_REAL = Float(53)


def hour_of_week(at_s: Seconds) -> ColumnElement[int]:
    """Return `ActivityRate.hour` of a time, in SQL."""
    return func.floor(_since_week_start_s(at_s) / HOUR_S).cast(Integer)


def active_hours(at_s: Seconds) -> ColumnElement[float]:
    """Convert Unix seconds to active hours in a statement that joins `ActivityRate` on `hour_of_week`."""
    week = func.floor((at_s - FIRST_MONDAY_S) / WEEK_S, type_=_REAL)
    within_h = _since_week_start_s(at_s) / HOUR_S
    return week * float(WEEK_H) + ActivityRate.start_h + ActivityRate.rate * (within_h - ActivityRate.hour)


def active_hours_of(at_s: Seconds) -> ColumnElement[float]:
    """Convert Unix seconds to active hours by a subquery, in a statement that does not join `ActivityRate`."""
    return select(active_hours(at_s)).where(ActivityRate.hour == hour_of_week(at_s)).scalar_subquery()


def _since_week_start_s(at_s: Seconds) -> ColumnElement[float]:
    return at_s - FIRST_MONDAY_S - func.floor((at_s - FIRST_MONDAY_S) / WEEK_S, type_=_REAL) * WEEK_S


_INSERT = insert_batch(ActivityRate, "hour", "start_h", "rate")
_UPDATE_TIMES = update(DecayedCounters).values(as_of_active_h=active_hours_of(DecayedCounters.as_of_s))


# In the order in which batches of first engagements lock the rows, so that neither waits for the other in a circle.
_LOCK = select(DecayedCounters.project_id).order_by(DecayedCounters.project_id).with_for_update()
_LOCK_COUNTERS = select(func.count()).select_from(_LOCK.subquery("locked"))


async def store_clock(connection: AsyncConnection, clock: ActivityClock) -> None:
    """Replace the rates. The next hourly job recounts the sums that decay in active hours."""
    await connection.execute(_LOCK_COUNTERS)
    await connection.execute(delete(ActivityRate))
    rows = zip(range(WEEK_H), clock.starts_h.tolist(), clock.rates, strict=True)
    await connection.execute(_INSERT, {"rows": list(rows)})
    await connection.execute(_UPDATE_TIMES)
