"""Cost of the hourly recalculation of all velocities: seconds, statements and memory.

    python -m bench.velocity [--projects 100000] [--events 5000000] [--postgresql URL_OF_AN_EMPTY_DATABASE]

The interactions are first views of projects by actors in 60 days, with long-tailed popularity. They are inserted
directly into the tables. Both formulas are measured, then one trending ranking of all projects.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import event, text

from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.interactions.velocity_queries import refresh_velocities
from db.models import now
from db.schema import migrate
from db.time_units import DAY_S
from db.trend_constants import TrendConstants
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window
from scoring.pipelines import popular, trending


def peak_mb() -> int:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def fill(database: Database, projects: int, events: int) -> None:
    """Write actors, projects and engagement."""
    people, at, chance = max(events // 30, 1), now(), np.random.default_rng(1)
    async with database.write() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None  # noqa: S101 (a connection that is open has a driver)
        users = ((n, f"u{n}", "u", at, at) for n in range(1, people + 1))
        actors = ((n, n, at) for n in range(1, people + 1))
        ages_s = enumerate(chance.uniform(0, 90 * DAY_S, projects).tolist(), start=1)
        made = ((n, f"p{n}", "t", "article", at - timedelta(seconds=age_s), at) for n, age_s in ages_s)
        met = meetings(chance, projects, events, at)
        tables: dict[str, tuple[str, Iterator[tuple[object, ...]]]] = {
            "users": ("id, key, username, created_at, updated_at", users),
            "actors": ("id, user_id, created_at", actors),
            "projects": ("id, key, title, type, created_at, updated_at", made),
            "engagement": ("actor_id, project_id, first_at, last_at, kinds, weight", met),
        }
        for table, (columns, rows) in tables.items():
            if database.is_sqlite:
                marks = ", ".join("?" * len(columns.split(",")))
                statement = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 (names of ours)
                await raw.executemany(statement, (tuple(map(_stored, row)) for row in rows))
            else:
                await raw.copy_records_to_table(table, records=rows, columns=columns.split(", "))
    async with database.write() as connection:
        await connection.execute(text("ANALYZE"))


def _stored(value: object) -> object:
    return value.replace(tzinfo=None).isoformat(" ", "microseconds") if isinstance(value, datetime) else value


def meetings(
    chance: np.random.Generator, projects: int, events: int, at: datetime
) -> Iterator[tuple[int, int, datetime, datetime, int, float]]:
    """Draw first views: each pair of actor and project once, projects by a long-tailed distribution."""
    made = person = 0
    while made < events:
        person += 1
        met = np.unique((projects * chance.power(0.35, 60)).astype(int) + 1)[: min(50, events - made)]
        for project, seconds in zip(met.tolist(), chance.uniform(0, 60 * DAY_S, met.size).tolist(), strict=True):
            time_ = at - timedelta(seconds=seconds)
            yield person, min(project, projects), time_, time_, 1, 1.0
        made += met.size


async def measure(database: Database, projects: int, events: int) -> None:
    """Fill the database, recalculate velocities, and rank."""
    await migrate(database)
    started = time.perf_counter()
    await fill(database, projects, events)
    took_s = time.perf_counter() - started
    print(f"{projects:,} projects, {events:,} first meetings written in {took_s:.0f} s, {peak_mb()} MB", flush=True)
    issued: list[str] = []
    event.listen(database.engines[-1], "before_cursor_execute", lambda *call: issued.append(call[2]))
    shipped = DEFAULT_TREND_CONSTANTS[Window.DAY]
    formulas: dict[str, TrendConstants | None] = {
        "ours": shipped,
        "ours again": shipped,
        "the plan's": None,
    }
    for name, formula in formulas.items():
        issued.clear()
        started, cpu = time.perf_counter(), time.process_time()
        await refresh_velocities(database, formula, now())
        print(
            f"{name:<12} {time.perf_counter() - started:6.1f} s  {time.process_time() - cpu:5.1f} s CPU of this process"
            f"  {len(issued)} statements  {peak_mb()} MB",
            flush=True,
        )
    for name in ("trending", "trending", "popular", "popular"):
        started = time.perf_counter()
        rank = (
            trending.rank(database, Window.DAY, ProjectFilter(), now())
            if name == "trending"
            else popular.rank(database, ProjectFilter(), now())
        )
        ranked = await rank
        took_ms = 1_000 * (time.perf_counter() - started)
        print(f"{name:<12} {took_ms:6.0f} ms for {ranked.ids.size} ranks of {projects:,}", flush=True)


async def main() -> None:
    """Measure on SQLite, or on the given PostgreSQL database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--postgresql")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(given.postgresql or f"sqlite:///{folder}/truth.sqlite", read_deadline_s=120)
        await measure(database, given.projects, given.events)
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
