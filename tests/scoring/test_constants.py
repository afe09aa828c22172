"""The constants in service rank, come back from what is stored as they were, and nonsense never ranks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from db.activity.busy import FLAT, WEEK_H, Clock
from db.engine import Database
from db.errors import InvalidRecord
from db.velocity_constants import all_constants, constants_in_service, keep_constants, put_constants_in_service
from scoring.constants import ConstantsInService, as_data, from_data
from scoring.errors import ModelInvalid
from scoring.velocity import CONSTANTS

OTHERS = {window: replace(one, gravity=0.125) for window, one in CONSTANTS.items()}
CLOCK = Clock(tuple((np.arange(1, WEEK_H + 1) / 84.5).tolist()))


async def keep(database: Database, data: dict[str, Any]) -> int:
    async with database.write() as connection:
        kept = await keep_constants(connection, data, {"why": "a test"})
        await put_constants_in_service(connection, kept, FLAT)
    return kept


def test_what_is_written_is_read_again() -> None:
    assert from_data(as_data(OTHERS, CLOCK)) == (OTHERS, CLOCK)
    assert from_data(as_data(CONSTANTS, FLAT))[1] is FLAT


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
    data = as_data(OTHERS, CLOCK)
    data["windows"]["day"][place] = value
    with pytest.raises(ModelInvalid, match="train anew"):
        from_data(data)


@pytest.mark.parametrize("rates", [[1.0] * 167, [0.0] * 168, [float("nan")] * 168, "fast"])
def test_a_clock_that_cannot_run_is_refused(rates: object) -> None:
    with pytest.raises(ModelInvalid, match="train anew"):
        from_data(as_data(OTHERS, CLOCK) | {"clock": rates})


async def test_a_server_takes_up_what_is_put_in_service_without_a_restart(database: Database) -> None:
    time = [0.0]
    current = ConstantsInService(database, fresh_s=30, clock=lambda: time[0])
    assert await current() == CONSTANTS
    kept = await keep(database, as_data(OTHERS, FLAT))
    assert await current() == CONSTANTS
    time[0] = 31
    assert await current() == OTHERS
    await keep(database, {"windows": {}})
    time[0] = 62
    assert await current() == OTHERS, "the last good ones rank on"
    async with database.write() as connection:
        await put_constants_in_service(connection, kept, FLAT)
    assert [one.in_service for one in await all_constants(database)] == [False, True]
    async with database.write() as connection:
        await put_constants_in_service(connection, None, FLAT)
    assert await constants_in_service(database) is None
    time[0] = 93
    assert await current() == CONSTANTS


async def test_a_set_that_is_not_there_changes_nothing(database: Database) -> None:
    kept = await keep(database, as_data(OTHERS, FLAT))

    async def put() -> None:
        async with database.write() as connection:
            await put_constants_in_service(connection, 999, CLOCK)

    with pytest.raises(InvalidRecord, match="number 999"):
        await put()
    stored = await constants_in_service(database)
    assert stored is not None
    assert stored.id == kept
