"""Training of the trend constants on this installation's log, and activation of constants."""

import asyncio

from db.database.engine import Database
from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from db.interactions.velocity_queries import refresh_velocities
from db.models import now
from db.trained_models.registry import activate_constants, active_constants, all_constants, store_constants
from scoring.errors import InvalidModel
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.models.active_trend_constants import ConstantsByWindow, as_data, from_data
from scoring.pipelines.trending import formula_of
from scoring.training.training_data import read_training_data
from scoring.training.trend_training import TrendVerdict, fit_and_judge_trends


async def train_trends(database: Database, seed: int = 0) -> TrendVerdict:
    """Fit activity clock and constants to this installation's log, store them, and activate them if they are better.

    Raises `InsufficientData` if the log is too small; nothing has changed.
    """
    data = await read_training_data(database)
    constants, clock = await _active(database)
    verdict = await asyncio.to_thread(fit_and_judge_trends, data.dataset, constants, clock, seed)
    async with database.write() as connection:
        number = await store_constants(connection, as_data(verdict.constants, verdict.clock), verdict.report)
        if verdict.accepted:
            await activate_constants(connection, number, verdict.clock)
    if verdict.accepted:
        await _refresh(database, verdict.constants)
    return verdict


async def activate_trends(database: Database, number: int) -> None:
    """Activate a stored set of constants, or with the number 0 the built-in constants.

    Raises
    ------
    InvalidRecord
        If no set has this number.
    InvalidModel
        If the set cannot be read; the active constants stay.
    """
    stored = {constant_set.id: constant_set for constant_set in await all_constants(database)}
    constants: ConstantsByWindow = DEFAULT_TREND_CONSTANTS
    clock = UNIFORM_CLOCK
    if number in stored:
        constants, clock = from_data(stored[number].constants)
    async with database.write() as connection:
        await activate_constants(connection, number or None, clock)
    await _refresh(database, constants)


async def _active(database: Database) -> tuple[ConstantsByWindow, ActivityClock]:
    """Read the active constants; the built-in constants if no set is active, or if the active set cannot be read."""
    stored = await active_constants(database)
    try:
        return from_data(stored.constants) if stored else (DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK)
    except InvalidModel:
        return DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK


async def _refresh(database: Database, constants: ConstantsByWindow) -> None:
    """Recompute the velocity of every project with the new clock and constants."""
    await refresh_velocities(database, formula_of(constants[Window.DAY]), now())
