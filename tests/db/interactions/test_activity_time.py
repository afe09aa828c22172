"""The platform's clock says the same in SQL and in numbers, and sums halve by it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Float, bindparam, select

from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.interactions.activity_time import UNIFORM_CLOCK, WEEK_H, ActivityClock, active_hours_of, store_clock
from db.interactions.decayed_counters import recount_slices
from db.interactions.interactions import NewInteraction
from db.interactions.velocity_queries import trending_projects
from db.models import DecayedCounters, InteractionType
from db.time_units import HOUR_S
from db.trend_constants import TrendConstants
from tests.db.interactions.test_interactions import NOON, populate, write

VIEW = InteractionType.VIEW
HOUR = timedelta(hours=1)
LUNCH = ActivityClock(tuple(np.where(np.arange(WEEK_H) % 24 == 12, 12.5, 0.5).tolist()))
"""An hour after noon is worth 12.5, every other hour half of one."""
RISING = ActivityClock(tuple((np.arange(1, WEEK_H + 1) / 84.5).tolist()))

_HOURS = select(active_hours_of(bindparam("at_s", type_=Float(53))))


@pytest.mark.parametrize("clock", [UNIFORM_CLOCK, LUNCH, RISING])
async def test_sql_reads_the_clock_as_numbers_do(database: Database, clock: ActivityClock) -> None:
    if clock is not UNIFORM_CLOCK:  # the migration set that one
        async with database.write() as connection:
            await store_clock(connection, clock)
    monday = datetime(2026, 5, 4, tzinfo=UTC)
    for at in (monday, monday - timedelta(microseconds=1), NOON, NOON + 0.4 * HOUR, datetime(1969, 5, 4, tzinfo=UTC)):
        rows = await database.fetch(_HOURS, {"at_s": at.timestamp()})
        assert rows[0][0] == pytest.approx(float(clock.hours(at.timestamp())), abs=1e-6)


def test_the_clock_adapts_to_a_holiday_of_the_last_week() -> None:
    usual = np.repeat([40.0, 40.0, 40.0, 40.0, 40.0, 1.0, 1.0], 24)
    clock, last_week = ActivityClock.from_counts(usual), usual.copy()
    last_week[24:48] = 0.0  # nobody came on Tuesday
    adapted = clock.adapted(last_week)
    assert adapted.rates[36] == pytest.approx(0.68 * clock.rates[36], abs=0.02)
    assert adapted.rates[84] > clock.rates[84]
    assert np.mean(adapted.rates) == pytest.approx(1.0)
    assert clock.adapted(usual).rates == pytest.approx(clock.rates)
    assert clock.adapted(np.zeros(WEEK_H)) is clock
    assert clock.adapted(last_week / 1_000).rates == pytest.approx(clock.rates, abs=0.02), "few events say little"
    assert UNIFORM_CLOCK.adapted(last_week) is UNIFORM_CLOCK


@given(st.floats(-1e10, 1e10), st.floats(0, 1e7))
def test_the_clock_never_goes_back(at_s: float, more_s: float) -> None:
    for clock in (UNIFORM_CLOCK, LUNCH, RISING):
        assert clock.hours(at_s + more_s) >= clock.hours(at_s) - 1e-6


async def test_people_halve_by_the_busy_hours_that_pass(database: Database) -> None:
    actors, (one, *_) = await populate(database, 8)
    async with database.write() as connection:
        await store_clock(connection, LUNCH)
    await write(database, *(NewInteraction(actor, one, VIEW, NOON - 2 * HOUR) for actor in actors[:4]))
    await write(database, NewInteraction(actors[4], one, VIEW, NOON + HOUR))
    # From ten to noon one busy hour passes, from noon to one 12.5, from one to three one.
    hours = np.array([1 + 12.5 + 1, 1])
    for _ in range(2):
        sums = await people(database, NOON + 3 * HOUR)
        assert sums[0] == pytest.approx([np.array([4, 1]) @ 2.0 ** (-hours / half) for half in (1, 6, 36, 168)])
        async for _ in recount_slices(database, NOON + 2 * HOUR):
            pass


async def test_a_new_clock_carries_the_sums_on_until_they_are_counted(database: Database) -> None:
    actors, (one, *_) = await populate(database, 8)
    await write(database, *(NewInteraction(actor, one, VIEW, NOON) for actor in actors))
    async with database.write() as connection:
        await store_clock(connection, RISING)
    rows = await database.fetch(select(DecayedCounters.as_of_active_h))
    assert rows[0].as_of_active_h == pytest.approx(float(RISING.hours(NOON.timestamp())))
    passed_h = float(RISING.hours(NOON.timestamp() + 5 * HOUR_S) - RISING.hours(NOON.timestamp()))
    assert (await people(database, NOON + 5 * HOUR))[0, 1] == pytest.approx(8 * 2 ** (-passed_h / 6))


async def people(database: Database, at: datetime) -> np.ndarray:
    formula = TrendConstants((0.5, 0.5, 0.0, 0.0), gravity=1.0, offset_h=1.0, background=1.0, oldest_h=168.0)
    _, sums = await trending_projects(
        database, formula, at, floor=0.0, floor_half_life=0, limit=9, where=ProjectFilter()
    )
    return sums
