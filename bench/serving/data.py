"""Catalogs and interactions of a given size, written straight into the tables, and the vector index of the catalog.

A data set is made once in SQLite, with the product's own nightly jobs, and kept in a folder. `copy_to_postgresql`
copies its tables. Texts and terms are those of the demo; times are relative to the day on which the set was made.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Column, Table, Text

from db import schema
from db.cache.embedded import EmbeddedCache
from db.database.column_types import UtcDateTime
from db.database.engine import Database
from db.demo import generate
from db.embeddings.wordllama import WordLlamaEmbedder
from db.models import ENGAGEMENT_BIT, Base, InteractionType, OutboxKind, now
from db.partitions import prepare_partitions
from db.private_files import DataFile
from db.stores import Stores
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.index_writer import IndexWriter
from db.vectors.embedded import EmbeddedVectorStore
from gateway.background.tasks import build_scheduler
from gateway.settings import Settings
from scoring.onboarding.generated_questions import refresh_questions

Int = NDArray[np.int64]

INTERACTIONS_PER_PROJECT, MAX_INTERACTIONS = 13, 10_000_000
HEAVY_VIEWERS = 64
"""The first users; each has at least `heavy_interactions_of` interactions."""
SAME_TASTE = 0.6
"""Share of a user's interactions with projects of the one category that they prefer."""
TYPES = {
    InteractionType.VIEW: 0.62,
    InteractionType.CLICK: 0.12,
    InteractionType.IMPRESSION: 0.11,
    InteractionType.LIKE: 0.1,
    InteractionType.SAVE: 0.05,
}
DAY_US = 86_400_000_000
INDEX_BATCH = 2_000
SLOW_READ_S = 3_600.0


def users_of(projects: int) -> int:
    """Return the number of users of a data set."""
    return min(max(1_000, projects // 5), projects)


def heavy_interactions_of(projects: int) -> int:
    """Return the least number of interactions of a heavy viewer."""
    return min(300, projects // 4)


async def data_set(folder: Path, projects: int, seed: int, *, trains: bool = True) -> Path:
    """Return the VAR_DIR of a data set in a folder; make it if it is not there, with `trains` by all nightly jobs."""
    made = folder / f"{projects}-{seed}"
    if not made.exists():
        unfinished = folder / f"{projects}-{seed}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        await _make(unfinished, projects, seed, trains=trains)
        unfinished.rename(made)
    return made


async def _make(folder: Path, projects: int, seed: int, *, trains: bool) -> None:
    path = folder / DataFile.DATABASE
    stores = Stores(
        Database(f"sqlite:///{path}", read_deadline_s=SLOW_READ_S),
        EmbeddedVectorStore(folder / DataFile.VECTORS),
        WordLlamaEmbedder(),
        EmbeddedCache(folder / DataFile.CACHE),
    )
    try:
        await schema.migrate(stores.database)
        await asyncio.to_thread(_write, path, projects, seed)
        if trains:
            await build_scheduler(stores, Settings(_env_file=None, var_dir=folder)).catch_up()
        else:
            await refresh_questions(stores.database)
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        reader = IndexDocumentReader(stores.database, (stores.embedder.model, stores.embedder.dimension))
        writer = IndexWriter(stores.vectors, stores.embedder)
        for kind in OutboxKind:
            async for keys in _pages(reader, kind):
                await writer.write({kind: await reader.read(kind, keys)}, [None])
    finally:
        await stores.close()


async def _pages(reader: IndexDocumentReader, kind: OutboxKind) -> AsyncIterator[list[str]]:
    after = 0
    while page := await reader.page(kind, after, INDEX_BATCH):
        after = page[-1][0]
        yield [key for _, key in page]


def _write(path: Path, projects: int, seed: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table, columns, rows in _tables(projects, np.random.default_rng(seed)):
            marks = ", ".join("?" * len(columns.split(",")))
            connection.executemany(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608
            connection.commit()
        connection.execute("ANALYZE")
        connection.commit()


def _texts(us: Int) -> list[str]:
    """Return Unix microseconds as SQLite stores them."""
    return [text.replace("T", " ") for text in np.datetime_as_string(us.astype("datetime64[us]")).tolist()]


def _tables(projects: int, chance: np.random.Generator) -> Iterator[tuple[str, str, Iterable[tuple[object, ...]]]]:
    at = now()
    at_us = int(at.timestamp()) * 1_000_000
    demo = generate(at, seed=7)
    users, today = users_of(projects), _texts(np.array([at_us]))[0]
    users_rows = ((n, f"u{n}", f"User {n}", today, today) for n in range(1, users + 1))
    yield "users", "id, key, username, created_at, updated_at", users_rows
    yield "actors", "id, user_id, created_at", ((n, n, today) for n in range(1, users + 1))

    terms = [("tool", tool.key, tool.name) for tool in demo.tools]
    terms += [("category", category.key, category.name) for category in demo.categories]
    terms += [("topic", key, key) for key in sorted({key for one in demo.projects for key in one.topics})]
    ids = {(kind, key): number for number, (kind, key, _) in enumerate(terms, 1)}
    yield "terms", "id, kind, key, name, listed", ((ids[kind, key], kind, key, name, True) for kind, key, name in terms)
    yield "tools", "term_id, tagline", ((ids["tool", tool.key], tool.tagline) for tool in demo.tools)
    terms_of = [
        sorted(
            {ids["tool", key] for key in one.tools}
            | {ids["category", key] for key in one.categories}
            | {ids["topic", key] for key in one.topics}
        )
        for one in demo.projects
    ]

    created = at_us - (DAY_US * np.where(chance.random(projects) < 0.1, 60, 400) * chance.random(projects)).astype(int)
    category = np.array([ids["category", one.categories[0]] if one.categories else 0 for one in demo.projects])
    category_of = category[np.arange(projects) % len(demo.projects)]
    actors, met, kinds, times = _interactions(projects, users, category_of, created, at_us, chance)
    likes, saves, views = (kinds == list(TYPES).index(InteractionType(name)) for name in ("like", "save", "view"))
    like_pairs, save_pairs = (np.unique(actors[some] * (projects + 1) + met[some]) for some in (likes, saves))
    like_counts = np.bincount(like_pairs % (projects + 1), minlength=projects + 1)[1:].tolist()
    view_counts = np.bincount(met[views], minlength=projects + 1)[1:].tolist()
    owners, second = chance.integers(1, users + 1, projects).tolist(), chance.integers(0, len(demo.projects), projects)
    yield (
        "projects",
        "id, key, title, description, type, owner_id, url, like_count, view_count, created_at, updated_at",
        (
            (
                n + 1, f"p{n + 1}", f"{one.title} ({n + 1})", f"{one.description} {demo.projects[other].title}",
                one.type, owners[n], f"https://example.org/projects/{n + 1}", like_counts[n], view_counts[n],
                made, made,
            )
            for n, (made, other) in enumerate(zip(_texts(created), second.tolist(), strict=True))
            for one in (demo.projects[n % len(demo.projects)],)
        ),
    )  # fmt: skip
    yield (
        "project_terms",
        "project_id, term_id",
        ((n + 1, term) for n in range(projects) for term in terms_of[n % len(terms_of)]),
    )
    names = np.array(list(TYPES))[kinds].tolist()
    columns = actors.tolist(), met.tolist(), names, (texts := _texts(times)), texts
    yield "interactions", "actor_id, project_id, type, at, recorded_at", zip(*columns, strict=True)
    yield (
        "engagement",
        "actor_id, project_id, kinds, first_at, last_at",
        _engagement(projects, actors, met, kinds, times),
    )
    for table, pairs in (("likes", like_pairs), ("saves", save_pairs)):
        row = ((actor, project, today) for actor, project in (divmod(pair, projects + 1) for pair in pairs.tolist()))
        yield table, "actor_id, project_id, created_at", row
    stated = zip(np.arange(1, users + 1).repeat(3).tolist(), chance.integers(1, len(terms) + 1, 3 * users).tolist())  # noqa: B905
    tags = ((actor, term, 1.0, "imported", today, today) for actor, term in stated)
    yield "user_tags", "actor_id, term_id, confidence, source, created_at, updated_at", tags


def _interactions(
    projects: int, users: int, category_of: Int, created: Int, at_us: int, chance: np.random.Generator
) -> tuple[Int, Int, Int, Int]:
    """Draw actors, projects, indices of types and times (µs); popularity and activity have long tails."""
    rest = min(INTERACTIONS_PER_PROJECT * projects, MAX_INTERACTIONS)
    heavy = np.arange(1, HEAVY_VIEWERS + 1).repeat(heavy_interactions_of(projects))
    actors = np.concatenate([heavy, (users * chance.power(0.6, rest)).astype(int) + 1])
    by_category = np.lexsort((chance.random(projects), category_of))
    taste = chance.choice(np.unique(category_of), users + 1)[actors]
    first, last = (np.searchsorted(category_of[by_category], taste, side) for side in ("left", "right"))
    drawn = chance.power(0.5, actors.size)
    same = by_category[np.minimum(first + ((last - first) * drawn).astype(int), projects - 1)]
    popular = chance.permutation(projects)[np.minimum((projects * drawn).astype(int), projects - 1)]
    met = np.where(chance.random(actors.size) < SAME_TASTE, same, popular)
    ages = (60 * DAY_US * chance.power(0.7, actors.size)).astype(int)
    times = np.minimum(np.maximum(at_us - ages, created[met] + 1), at_us)
    return actors, met + 1, chance.choice(len(TYPES), actors.size, p=list(TYPES.values())), times


def _engagement(projects: int, actors: Int, met: Int, kinds: Int, times: Int) -> Iterable[tuple[object, ...]]:
    bits = np.array([int(ENGAGEMENT_BIT.get(type_, 0)) for type_ in TYPES])[kinds]
    engaged = bits > 0
    pairs, bits, times = (actors * (projects + 1) + met)[engaged], bits[engaged], times[engaged]
    order = np.argsort(pairs, kind="stable")
    pairs, starts = np.unique(pairs[order], return_index=True)
    folded = (
        np.bitwise_or.reduceat(bits[order], starts).tolist(),
        _texts(np.minimum.reduceat(times[order], starts)),
        _texts(np.maximum.reduceat(times[order], starts)),
    )
    actor, project = np.divmod(pairs, projects + 1)
    return zip(actor.tolist(), project.tolist(), *folded, strict=True)


async def copy_to_postgresql(path: Path, url: str) -> None:
    """Migrate an empty PostgreSQL database, and copy all tables of an SQLite file into it."""
    database = Database(url)
    await schema.migrate(database)
    with closing(sqlite3.connect(path)) as source:
        months = source.execute("SELECT min(at) FROM interactions GROUP BY substr(at, 1, 7)").fetchall()
        await prepare_partitions(database, [_time(month) for (month,) in months])
        await database.close()
        target = await asyncpg.connect(url)
        try:
            await target.execute("SET session_replication_role = replica")  # the rows keep the foreign keys' promises
            for table in Base.metadata.sorted_tables:
                await target.execute(f"TRUNCATE {table.name} CASCADE")
                await target.copy_records_to_table(
                    table.name, records=_rows(source, table), columns=[column.name for column in table.columns]
                )
                if isinstance(table.columns.get("id", Column("", Text)).type, BigInteger):
                    sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                    await target.execute(f"SELECT setval({sequence}, coalesce(max(id), 1)) FROM {table.name}")  # noqa: S608
            await target.execute("VACUUM ANALYZE")
        finally:
            await target.close()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _rows(source: sqlite3.Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    converters: list[Callable[[Any], Any] | None] = [
        _time if isinstance(column.type, UtcDateTime) else bool if isinstance(column.type, Boolean) else None
        for column in table.columns
    ]
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    for row in source.execute(f"SELECT {names} FROM {table.name}"):  # noqa: S608
        yield tuple(
            value if convert is None or value is None else convert(value)
            for convert, value in zip(converters, row, strict=True)
        )
