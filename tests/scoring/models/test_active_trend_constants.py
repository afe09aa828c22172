"""The constants in service rank, come back from what is stored as they were, and nonsense never ranks."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.activity_time import UNIFORM_CLOCK, WEEK_H, ActivityClock
from db.interactions.interactions import NewInteraction
from db.interactions.velocity_queries import last_week_by_hour
from db.models import ActivityRate, InteractionType
from db.trained_models.registry import activate_constants, active_constants, all_constants, store_constants
from scoring.errors import InvalidModel
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS
from scoring.models.active_model import (
    SHIPPED_TRENDS,
    ActiveTrendConstants,
    constants_as_data,
    constants_from_data,
    read_active_trends,
    refresh_trends,
)
from tests.db.interactions.test_interactions import NOON, populate, write

OTHERS = {window: one._replace(gravity=0.125) for window, one in DEFAULT_TREND_CONSTANTS.items()}
CLOCK = ActivityClock(tuple((np.arange(1, WEEK_H + 1) / 84.5).tolist()))


async def keep(database: Database, data: dict[str, Any]) -> int:
    async with database.write() as connection:
        kept = await store_constants(connection, data, {"why": "a test"})
        await activate_constants(connection, kept, UNIFORM_CLOCK)
    return kept


def test_what_is_written_is_read_again() -> None:
    assert constants_from_data(constants_as_data(OTHERS, CLOCK)) == (OTHERS, CLOCK)
    assert constants_from_data(constants_as_data(DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK))[1] is UNIFORM_CLOCK


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("gravity", float("nan")),
        ("gravity", -1.0),
        ("background", 0.0),
        ("offset_h", "soon"),
        ("shares", [1.0]),
        ("shares", [float("inf"), 0, 0, 0]),
        ("oldest_h", None),
    ],
)
def test_constants_that_cannot_rank_are_refused(place: str, value: object) -> None:
    data = constants_as_data(OTHERS, CLOCK)
    data["windows"]["day"][place] = value
    with pytest.raises(InvalidModel, match="train anew"):
        constants_from_data(data)


@pytest.mark.parametrize("rates", [[1.0] * 167, [0.0] * 168, [float("nan")] * 168, "fast"])
def test_a_clock_that_cannot_run_is_refused(rates: object) -> None:
    with pytest.raises(InvalidModel, match="train anew"):
        constants_from_data(constants_as_data(OTHERS, CLOCK) | {"clock": rates})


async def test_a_server_takes_up_what_is_put_in_service_without_a_restart(database: Database) -> None:
    time = [0.0]
    current = ActiveTrendConstants(database, refresh_s=30, clock=lambda: time[0])
    assert await current() == DEFAULT_TREND_CONSTANTS
    kept = await keep(database, constants_as_data(OTHERS, UNIFORM_CLOCK))
    assert await current() == DEFAULT_TREND_CONSTANTS
    time[0] = 31
    assert await current() == OTHERS
    await keep(database, {"windows": {}})
    time[0] = 62
    assert await current() == OTHERS, "the last good ones rank on"
    async with database.write() as connection:
        await activate_constants(connection, kept, UNIFORM_CLOCK)
    assert [one.is_active for one in await all_constants(database)] == [False, True]
    async with database.write() as connection:
        await activate_constants(connection, None, UNIFORM_CLOCK)
    assert await active_constants(database) is None
    time[0] = 93
    assert await current() == DEFAULT_TREND_CONSTANTS


async def test_the_clock_in_service_adapts_to_the_last_week_and_an_old_set_leaves_it(database: Database) -> None:
    await keep(database, constants_as_data(OTHERS, CLOCK))
    actors, (one, two, *_) = await populate(database, 12)
    await write(database, *(NewInteraction(actor, one, InteractionType.VIEW, NOON) for actor in actors))
    early = NOON - timedelta(days=8)
    await write(database, *(NewInteraction(actor, two, InteractionType.VIEW, early) for actor in actors))
    counts = np.zeros(WEEK_H)
    counts[NOON.weekday() * 24 + NOON.hour] = 12
    at = NOON + timedelta(hours=1)
    assert (await last_week_by_hour(database, at)).tolist() == counts.tolist(), "engagements of the week before are out"
    await refresh_trends(database, at)
    assert await rates_of(database) == pytest.approx(CLOCK.adapted(counts).rates) != pytest.approx(CLOCK.rates)
    await refresh_trends(database, at + timedelta(days=8))
    assert await rates_of(database) == pytest.approx(CLOCK.rates), "nobody came, so nothing is known of the week"
    await keep(database, {"windows": {"day": {"shares": [1.0, 0, 0, 0]}}})  # as an older version stored it
    assert await read_active_trends(database) == SHIPPED_TRENDS
    await refresh_trends(database, at)
    assert await rates_of(database) == list(UNIFORM_CLOCK.rates)


async def rates_of(database: Database) -> list[float]:
    return [row.rate for row in await database.fetch(select(ActivityRate.rate).order_by(ActivityRate.hour))]


async def test_a_set_that_is_not_there_changes_nothing(database: Database) -> None:
    kept = await keep(database, constants_as_data(OTHERS, UNIFORM_CLOCK))

    async def put() -> None:
        async with database.write() as connection:
            await activate_constants(connection, 999, CLOCK)

    with pytest.raises(InvalidRecord, match="number 999"):
        await put()
    stored = await active_constants(database)
    assert stored is not None
    assert stored.id == kept
