"""Training finds what makes a trend here, and what it finds serves; too small a log changes nothing."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from sqlalchemy import select, text

from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import ActivityRate, DecayedCounters, InteractionType, Project
from db.records import ProjectRecord
from db.trained_models.registry import active_constants
from gateway.commands.train_commands import run_train_trends, run_trends
from scoring.errors import InsufficientData
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.models.active_model import ActiveTrendConstants, constants_from_data
from scoring.training.trend_training import train_trends
from tests.db.interactions.test_interactions import populate

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
PEOPLE, PROJECTS, DAYS = 300, 70, 130


async def lively(database: Database) -> None:
    """Fill with people who come in office hours, to a few old projects as gladly as to the new ones."""
    chance = np.random.default_rng(7)
    actors, _ = await populate(database, PEOPLE, 1)
    records = [
        ProjectRecord(key=f"q{n}", title="q", type="article", created_at=MONDAY + timedelta(days=1.8 * n))
        for n in range(PROJECTS)
    ]
    async with database.write() as connection:
        await upsert_projects(connection, records)
    rows = await database.fetch(select(Project.id).where(Project.key.like("q%")).order_by(Project.id))
    ids, worth = [row.id for row in rows], chance.pareto(1.0, PROJECTS)
    events = []
    for day in (day for day in range(DAYS) if day % 7 < 5):
        there = [n for n in range(PROJECTS) if 1.8 * n < day]
        if not there:
            continue
        drawn = chance.choice(there, 60, p=worth[there] / worth[there].sum())
        times = MONDAY + day * timedelta(days=1) + chance.uniform(9, 17, 60) * timedelta(hours=1)
        who = chance.choice(actors, 60)
        triples = zip(who.tolist(), drawn.tolist(), times.tolist(), strict=True)
        events += [NewInteraction(actor, ids[n], InteractionType.VIEW, at) for actor, n, at in triples]
    async with database.write() as connection:
        await record_interactions(connection, events)


async def clock_of(database: Database) -> list[float]:
    return [row.rate for row in await database.fetch(select(ActivityRate.rate).order_by(ActivityRate.hour))]


async def test_what_is_trained_serves_if_it_foresees_better(database: Database) -> None:
    await lively(database)
    output = StringIO()
    await run_train_trends(database, 0, Console(file=output, width=200))
    assert "new constants are active: NDCG@10" in output.getvalue()
    stored = await active_constants(database)
    assert stored is not None
    constants, clock = constants_from_data(stored.constants)
    assert await ActiveTrendConstants(database)() == constants != DEFAULT_TREND_CONSTANTS
    assert constants[Window.DAY].gravity < DEFAULT_TREND_CONSTANTS[Window.DAY].gravity, "age says nothing here"
    assert await clock_of(database) == pytest.approx(list(clock.rates))
    assert clock.rates[10] > 3
    assert clock.rates[5 * 24 + 10] < 0.2
    (pulse,) = await database.fetch(select(DecayedCounters.as_of_s, DecayedCounters.as_of_active_h).limit(1))
    assert pulse.as_of_active_h == pytest.approx(float(clock.hours(pulse.as_of_s)))
    again = await train_trends(database, 0)
    assert not again.accepted, again.because
    await back_to_what_ships(database)


async def back_to_what_ships(database: Database) -> None:
    output = StringIO()
    await run_trends(database, 0, Console(file=output, width=200))
    assert await active_constants(database) is None
    assert await clock_of(database) == list(UNIFORM_CLOCK.rates)
    await run_trends(database, None, Console(file=output, width=200))
    assert "the built-in constants are active" in output.getvalue()
    with pytest.raises(InvalidRecord, match="number 77"):
        await run_trends(database, 77, Console(file=output))


async def test_a_small_log_changes_nothing_and_says_so(database: Database) -> None:
    output = StringIO()
    await run_train_trends(database, 0, Console(file=output, width=200))
    assert "nothing to train on" in output.getvalue()
    actors, (one, *_) = await populate(database)
    async with database.write() as connection:
        await record_interactions(
            connection, [NewInteraction(actor, one, InteractionType.VIEW, MONDAY) for actor in actors]
        )
    with pytest.raises(InsufficientData, match="the active constants stay"):
        await train_trends(database, 0)
    assert await active_constants(database) is None
    assert await clock_of(database) == list(ActivityClock().rates)
    assert not (await database.fetch(text("SELECT 1 FROM velocity_constants")))
