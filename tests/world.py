"""A small world for tests of the ranking: the four stores as the embedded defaults, and short ways to fill them."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db.actors.users import Viewer, ensure_actor, find_viewer, upsert_users
from db.cache.embedded import EmbeddedCache
from db.catalog.catalog_entries import upsert_projects
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import InteractionType, Project, now
from db.records import InterestRecord, ProjectRecord, UserRecord
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.embedded import EmbeddedVectorStore
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.ranking import Page
from tests.templates import Fill, Template, opened

ANYTHING = ProjectFilter()
BEGIN = now()
"""The present of these worlds. Not the clock's: a long run of tests would leave the feeds' moment behind."""

MOMENT = BEGIN + timedelta(seconds=30)
"""When the feeds of these tests are ranked: one moment, so that no age moves between two calls."""

EMBEDDER = WordLlamaEmbedder()
"""One for all worlds of this process: to load the model takes 0.1 s of CPU."""

SUBJECTS = ("painting", "speech", "robots", "cooking", "finance", "chess")


def feeds_of(stores: Stores) -> Feeds:
    """Make the feeds of these tests, as a new process would."""
    return Feeds(stores, clock=lambda: MOMENT, deadlines=PATIENT)


@dataclass
class World:
    """The stores, the feeds over them, and what keeps the index in step."""

    stores: Stores
    feeds: Feeds
    synchronizer: IndexSynchronizer

    async def add_users(self, *keys: str, tags: Sequence[InterestRecord] = ()) -> None:
        async with self.stores.database.write() as connection:
            await upsert_users(
                connection, [UserRecord(key=key, username=key.title(), interests=tuple(tags)) for key in keys]
            )

    async def add_projects(self, n: int, *, start: int = 0, **fields: Any) -> list[str]:
        """Add projects p0000, p0001, … of six subjects in turn, each a day older than the one before."""
        records = [self.project(number, **fields) for number in range(start, start + n)]
        async with self.stores.database.write() as connection:
            result = await upsert_projects(connection, records)
        assert not result.refused
        return [one.key for one in records]

    @staticmethod
    def project(number: int, **fields: Any) -> ProjectRecord:
        subject = SUBJECTS[number % len(SUBJECTS)]
        described = {
            "title": f"{subject} with models, part {number}",
            "description": f"How we use a model for {subject} every day.",
            "type": "article",
            "tools": (f"tool-{number % 7}",),
            "categories": (subject,),
            "created_at": BEGIN - timedelta(days=number, minutes=1),
        }
        return ProjectRecord(key=f"p{number:04}", **described | fields)

    async def viewer(self, key: str) -> Viewer:
        """Read a viewer, with an actor to hang things on."""
        found = await find_viewer(self.stores.database, user_key=key)
        if found.actor_id is None:
            async with self.stores.database.write() as connection:
                await ensure_actor(connection, found)
            found = await find_viewer(self.stores.database, user_key=key)
        return found

    async def ids(self, keys: Iterable[str]) -> list[int]:
        keys = list(keys)
        rows = await self.stores.database.fetch(select(Project.key, Project.id).where(Project.key.in_(keys)))
        found = {row.key: row.id for row in rows}
        return [found[key] for key in keys]

    async def act(self, user: str, type_: InteractionType, *keys: str, at: datetime | None = None) -> None:
        times = [(at or BEGIN) - timedelta(seconds=second) for second in range(len(keys))]
        await self.act_all([(user, type_, key, time) for key, time in zip(keys, times, strict=True)])

    async def act_all(self, acts: Sequence[tuple[str, InteractionType, str, datetime]]) -> None:
        """Record what several users do with projects at these times."""
        actors = {user: (await self.viewer(user)).actor_id for user in dict.fromkeys(user for user, *_ in acts)}
        keys = list(dict.fromkeys(key for _, _, key, _ in acts))
        ids = dict(zip(keys, await self.ids(keys), strict=True))
        events = [NewInteraction(actors[user] or 0, ids[key], type_, time) for user, type_, key, time in acts]
        async with self.stores.database.write() as connection:
            await record_interactions(connection, events)

    async def settle(self) -> None:
        """Bring the index into step with the truth."""
        while await self.synchronizer.drain():
            pass

    async def for_you(self, user: str, first: int = 30, after: str | None = None) -> Page:
        """Ask for a page as this user, read anew from the truth."""
        return await self.feeds.for_you(await self.viewer(user), first, after, ANYTHING)


def keys_of(page: Page) -> list[str]:
    """The platform keys of a page, in order."""
    return [page.projects[entry.project_id].content.key for entry in page.entries]


@asynccontextmanager
async def embedded_world(database: Database, folder: Path) -> AsyncIterator[World]:
    """Open a world on this database, with its index and cache in `folder`."""
    vectors = EmbeddedVectorStore(folder / "vectors.sqlite")
    await vectors.prepare(EMBEDDER.model, EMBEDDER.dimension)
    stores = Stores(database, vectors, EMBEDDER, EmbeddedCache(folder / "cache.sqlite"))
    try:
        # A machine that also runs a browser and two servers may be slow: only a test of deadlines has a short one.
        yield World(stores, feeds_of(stores), IndexSynchronizer(database, vectors, EMBEDDER))
    finally:
        await vectors.close()
        await stores.cache.close()


@asynccontextmanager
async def demo_world(demo_data: Path, folder: Path) -> AsyncIterator[World]:
    """Open a world on a copy of the demo data, learned from and indexed."""
    shutil.copytree(demo_data, folder, dirs_exist_ok=True)
    async with opened(f"sqlite:///{folder / 'explore.sqlite'}") as database, embedded_world(database, folder) as world:
        yield world


@cache
def filling(fill: Callable[[World], Awaitable[None]]) -> Fill:
    """Make what fills a template out of what fills a world."""

    async def fill_stores(database: Database, folder: Path) -> None:
        async with embedded_world(database, folder) as world:
            await fill(world)

    return fill_stores


def world_fixture(fill: Callable[[World], Awaitable[None]]) -> Callable[..., AsyncIterator[World]]:
    """Make a fixture that gives a world as a function has filled it: once for each worker, and a copy for each test.

    It runs on each engine, or on the one whose `template` a test module gives.
    """

    @pytest.fixture
    async def world(template: Template, tmp_path: Path) -> AsyncIterator[World]:
        filled = await template.filled(filling(fill))
        async with filled.copy(tmp_path) as database, embedded_world(database, tmp_path) as world:
            yield world

    return world
