"""`explore train` for trends, and `explore trends`: what makes a trend here, fitted, kept, served, taken back."""

import asyncio

from rich.console import Console
from rich.table import Table

from db.database.engine import Database
from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from db.interactions.velocity_queries import refresh_velocities
from db.models import now
from db.trained_models.velocity_constants import activate_constants, active_constants, all_constants, store_constants
from scoring.errors import InsufficientData, InvalidModel
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.models.active_trend_constants import ConstantsByWindow, as_data, from_data
from scoring.pipelines.trending import formula_of
from scoring.training.training_data import read_training_data
from scoring.training.trend_training import TrendVerdict, fit_and_judge_trends


async def train_trends(database: Database, seed: int) -> TrendVerdict:
    """Fit clock and constants to this installation's log, judge them, keep them, and let them serve if they are better.

    Raises
    ------
    InsufficientData
        If the log holds too little; those in service stay.
    """
    truth = await read_training_data(database)
    serving, clock = await _serving(database)
    verdict = await asyncio.to_thread(fit_and_judge_trends, truth.dataset, serving, clock, seed)
    async with database.write() as connection:
        kept = await store_constants(connection, as_data(verdict.constants, verdict.clock), verdict.report)
        if verdict.accepted:
            await activate_constants(connection, kept, verdict.clock)
    if verdict.accepted:
        await _count_anew(database, verdict.constants)
    return verdict


async def run_train_trends(database: Database, seed: int, output: Console) -> None:
    """Train once, and say what became of it; too small a log is no failure."""
    try:
        verdict = await train_trends(database, seed)
    except InsufficientData as too_little:
        _say(output, f"trends: {too_little}")
        return
    became = "new constants serve now" if verdict.accepted else "new constants are kept, those in service stay"
    _say(output, f"trends: {became}: {verdict.because}")


async def run_trends(database: Database, use: int | None, output: Console) -> None:
    """List the constants of trends, or put a set in service; 0 for those that ship.

    Raises
    ------
    InvalidRecord
        If there is no such set.
    InvalidModel
        If it cannot be used; what is in service stays.
    """
    stored = {one.id: one for one in await all_constants(database)}
    if use is not None:
        constants, clock = (
            from_data(stored[use].constants) if use in stored else (DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK)
        )
        async with database.write() as connection:
            await activate_constants(connection, use or None, clock)
        await _count_anew(database, constants)
        _say(output, f"constants {use} serve now" if use else "the constants that ship serve now")
        return
    table = Table("constants", "made", "in service", "NDCG@10 when judged", "against")
    for one in stored.values():
        judged = one.report.get("ndcg@10", {})
        made, serves = f"{one.created_at:%Y-%m-%d %H:%M} UTC", "yes" if one.is_active else ""
        table.add_row(str(one.id), made, serves, str(judged.get("new", "")), str(judged.get("active", "")))
    output.print(table)
    if not any(one.is_active for one in stored.values()):
        _say(output, "the constants that ship serve")


async def _serving(database: Database) -> tuple[ConstantsByWindow, ActivityClock]:
    """Read what serves; what ships, if that cannot."""
    stored = await active_constants(database)
    try:
        return from_data(stored.constants) if stored else (DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK)
    except InvalidModel:
        return DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK


async def _count_anew(database: Database, constants: ConstantsByWindow) -> None:
    """Count the sums by the new clock, and write every velocity by the new constants."""
    await refresh_velocities(database, formula_of(constants[Window.DAY]), now())


def _say(output: Console, sentence: str) -> None:
    output.print(sentence, markup=False, highlight=False, soft_wrap=True)
