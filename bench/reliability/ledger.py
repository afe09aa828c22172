"""Acknowledged writes, and their comparison with the database and the index."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from db import outbox
from db.database.engine import Database
from db.models import Actor, Dismissal, Interaction, Like, Project, Save, User
from db.stores import Stores
from db.synchronization.reindex import Reindex

STATES = {"like": Like, "save": Save, "dismiss": Dismissal}
Pair = tuple[str, str]
"""Keys of a user and of a project."""


@dataclass
class Verdict:
    """Writes that are missing, or there more often than once, and documents of the index that differ."""

    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    index: list[str] = field(default_factory=list)
    dead: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.doubled or self.index or self.dead)


@dataclass
class Ledger:
    """The writes that the gateway has acknowledged. Each pair of user and project is used once for each kind."""

    pairs: dict[str, set[Pair]] = field(default_factory=lambda: {kind: set() for kind in (*STATES, "view")})
    projects: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    """The acknowledged input of each project; None if its removal was acknowledged."""

    @property
    def count(self) -> int:
        """Number of acknowledged writes that must be there."""
        return sum(map(len, self.pairs.values())) + len(self.projects)

    async def verify(self, stores: Stores) -> Verdict:
        """Compare with the database and the index; the outbox must be drained."""
        database, verdict = stores.database, Verdict()
        for kind, table in STATES.items():
            found = await _pairs(database, table)
            verdict.missing += [f"{kind} {pair}" for pair in self.pairs[kind] - found.keys()]
        recorded = await _recorded(database)
        for kind, pairs in self.pairs.items():
            verdict.missing += [f"event {kind} {pair}" for pair in pairs if not recorded[kind, *pair]]
        verdict.doubled += [f"{name} is there {count} times" for name, count in recorded.items() if count > 1]
        verdict.doubled += await _wrong_counts(database)
        verdict.missing += await self._different_projects(database)
        found_differences = await Reindex(database, stores.vectors, stores.embedder).compare()
        verdict.index = [f"{kind.value}:{key}" for kind, key in found_differences]
        verdict.dead = (await outbox.backlog(database)).dead
        return verdict

    async def _different_projects(self, database: Database) -> list[str]:
        rows = await database.fetch(select(Project.key, Project.title, Project.private, Project.archived))
        stored = {row.key: (row.title, row.private, row.archived) for row in rows}
        different = []
        for key, sent in self.projects.items():
            expected = sent and (sent["title"], sent.get("private", False), sent.get("archived", False))
            if stored.get(key) != expected:
                different.append(f"project {key}: {stored.get(key)} instead of {expected}")
        return different


async def drained(stores: Stores, within_s: float = 300.0) -> float:
    """Wait until the outbox has only dead rows; return the seconds waited. Raises `TimeoutError`."""
    began = time.monotonic()
    while (await outbox.backlog(stores.database)).rows:
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"the outbox was not drained within {within_s:.0f} s")
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def _pairs(database: Database, table: Any) -> dict[Pair, int]:
    """Return the stored pairs of a table."""
    statement = (
        select(User.key.label("user"), Project.key.label("project"))
        .join_from(table, Actor, Actor.id == table.actor_id)
        .join(User, User.id == Actor.user_id)
        .join(Project, Project.id == table.project_id)
    )
    return Counter((row.user, row.project) for row in await database.fetch(statement))


async def _recorded(database: Database) -> Counter[tuple[str, str, str]]:
    """Return how often each event is stored, by type, user and project."""
    statement = (
        select(Interaction.type, User.key.label("user"), Project.key.label("project"), func.count().label("n"))
        .join_from(Interaction, Actor, Actor.id == Interaction.actor_id)
        .join(User, User.id == Actor.user_id)
        .join(Project, Project.id == Interaction.project_id)
        .where(Interaction.type.in_((*STATES, "view")))
        .group_by(Interaction.type, User.key, Project.key)
    )
    return Counter({(row.type, row.user, row.project): row.n for row in await database.fetch(statement)})


async def _wrong_counts(database: Database) -> list[str]:
    """Return the projects whose counter of likes differs from the stored likes."""
    liked = select(Like.project_id, func.count().label("n")).group_by(Like.project_id).subquery()
    count = func.coalesce(liked.c.n, 0)
    statement = (
        select(Project.key, Project.like_count, count.label("likes"))
        .outerjoin(liked, liked.c.project_id == Project.id)
        .where(Project.like_count != count)
    )
    return [f"{row.key} counts {row.like_count} likes of {row.likes}" for row in await database.fetch(statement)]
