"""The constants in service rank, come back from what is stored as they were, and nonsense never ranks."""

from typing import Any

import numpy as np
import pytest

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.activity_time import UNIFORM_CLOCK, WEEK_H, ActivityClock
from db.trained_models.registry import activate_constants, active_constants, all_constants, store_constants
from scoring.errors import InvalidModel
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS
from scoring.models.active_model import ActiveTrendConstants, constants_as_data, constants_from_data

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
