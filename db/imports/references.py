"""References between import records: keys resolved to ids in batches, and checked without writing."""

import math
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.cache.last_known import LastKnownValues
from db.catalog.catalog_entries import unknown_owner
from db.database.column_types import UNKNOWN_TIME, TextList, in_list
from db.database.engine import Database
from db.errors import UnknownReference
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, Project, User
from db.records import InteractionRecord, ProjectRecord, UserRecord
from db.upsert_results import Refusal, UpsertResult, upsert_result

MAX_KNOWN = 50_000
"""Recently used keys of each kind kept in memory: about 8 MB, more than a batch ever names."""

_KEYS = bindparam("keys", type_=TextList())
_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id).where(in_list(User.key, _KEYS))
_PROJECTS = select(Project.key, Project.id).where(in_list(Project.key, _KEYS))
_USERS = select(User.key).where(in_list(User.key, _KEYS))


class InteractionWriter:
    """Writes interaction records, whose users and projects are given by platform key."""

    def __init__(self) -> None:
        self._actors = LastKnownValues[str, int](MAX_KNOWN, math.inf)
        self._projects = LastKnownValues[str, int](MAX_KNOWN, math.inf)

    async def __call__(self, connection: AsyncConnection, records: Sequence[InteractionRecord]) -> UpsertResult:
        """Write a batch; a record of an unknown user or project is refused."""
        actors = await _find(connection, _ACTORS, self._actors, {given.user for given in records})
        projects = await _find(connection, _PROJECTS, self._projects, {given.project for given in records})
        refused = _dangling(records, actors, projects)
        refused_at = {refusal.index for refusal in refused}
        events = [
            NewInteraction(actors[given.user], projects[given.project], given.type, given.at or UNKNOWN_TIME)
            for index, given in enumerate(records)
            if index not in refused_at
        ]
        new = await record_interactions(connection, events)
        return UpsertResult(new, 0, len(events) - new, tuple(refused))


async def _find(
    connection: AsyncConnection, statement: Select[str, int], known: LastKnownValues[str, int], keys: set[str]
) -> dict[str, int]:
    """Return the ids of existing keys; those not known from earlier batches are looked up in one statement."""
    found = known.recall(keys)
    if missing := sorted(keys - found.keys()):
        found |= {row.key: row.id for row in await connection.execute(statement, {"keys": missing})}
    known.remember(found)
    return found


def _dangling(records: Sequence[InteractionRecord], users: Container[str], projects: Container[str]) -> list[Refusal]:
    refused = []
    for index, given in enumerate(records):
        if given.user not in users:
            refused.append(Refusal(index, UnknownReference(f"there is no user {given.user!r}", ("user",))))
        elif given.project not in projects:
            refused.append(Refusal(index, UnknownReference(f"there is no project {given.project!r}", ("project",))))
    return refused


class Checker:
    """Checks references against the files read so far and the database, without writing.

    The keys of the files are kept in a temporary SQLite file, so that memory is bounded.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = tempfile.TemporaryDirectory(prefix="explore-import-")
        self._keys = sqlite3.connect(Path(self._folder.name) / "keys.sqlite", isolation_level=None)
        self._keys.execute("PRAGMA journal_mode = OFF")
        self._keys.execute("PRAGMA synchronous = OFF")
        self._keys.execute("CREATE TABLE known (kind TEXT, key TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID")

    def close(self) -> None:
        """Delete the temporary file."""
        self._keys.close()
        self._folder.cleanup()

    def consumers(self) -> dict[str, Callable[[Sequence[Any]], Awaitable[UpsertResult]]]:
        """Return, for each kind of record, a function that checks a batch."""
        return {
            "tools": self._accept,
            "categories": self._accept,
            "users": self._check_users,
            "projects": self._check_projects,
            "interactions": self._check_interactions,
        }

    async def _accept(self, records: Sequence[Any]) -> UpsertResult:
        return UpsertResult(unchanged=len(records))

    async def _check_users(self, records: Sequence[UserRecord]) -> UpsertResult:
        self._add("user", (given.key for given in records))
        return UpsertResult(unchanged=len(records))

    async def _check_projects(self, records: Sequence[ProjectRecord]) -> UpsertResult:
        """Refuse projects whose owner is unknown, and add the others to the known ones."""
        owners = await self._known("user", _USERS, {given.owner for given in records if given.owner is not None})
        refused = [
            Refusal(index, unknown_owner(given.owner))
            for index, given in enumerate(records)
            if given.owner is not None and given.owner not in owners
        ]
        refused_at = {refusal.index for refusal in refused}
        self._add("project", (given.key for index, given in enumerate(records) if index not in refused_at))
        return upsert_result(len(records), refused=refused)

    async def _check_interactions(self, records: Sequence[InteractionRecord]) -> UpsertResult:
        """Refuse interactions of unknown users and with unknown projects."""
        users = await self._known("user", _USERS, {given.user for given in records})
        projects = await self._known("project", _PROJECTS, {given.project for given in records})
        return upsert_result(len(records), refused=_dangling(records, users, projects))

    def _add(self, kind: str, keys: Iterable[str]) -> None:
        self._keys.execute("BEGIN")
        self._keys.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", ((kind, key) for key in keys))
        self._keys.execute("COMMIT")

    async def _known(self, kind: str, statement: Select[str, int] | Select[str], keys: set[str]) -> set[str]:
        query = "SELECT key FROM known WHERE kind = ? AND key IN (SELECT value FROM json_each(?))"
        known = {key for (key,) in self._keys.execute(query, (kind, orjson.dumps(sorted(keys)).decode()))}
        if missing := sorted(keys - known):
            known |= {row.key for row in await self._database.fetch(statement, {"keys": missing})}
        return known
