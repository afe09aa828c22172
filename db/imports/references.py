"""What import files refer to: keys found in the truth, set-based, with the last ones used kept at hand."""

import sqlite3
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import orjson
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.catalog_entries import unknown_owner
from db.database.column_types import TextList, in_list
from db.database.engine import Database
from db.errors import UnknownReference
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, Project, User
from db.records import InteractionRecord, ProjectRecord, UserRecord
from db.upsert_results import Refusal, UpsertResult

KEPT = 50_000
"""Keys of each kind kept at hand: about 8 MB, more than a batch ever names."""

_KEYS = bindparam("keys", type_=TextList())
_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id).where(in_list(User.key, _KEYS))
_PROJECTS = select(Project.key, Project.id).where(in_list(Project.key, _KEYS))
_USERS = select(User.key).where(in_list(User.key, _KEYS))


class KnownIds:
    """Ids by platform key: those used last are kept, the others are looked up together in one statement."""

    def __init__(self, statement: Select[str, int], kept: int = KEPT) -> None:
        self._statement = statement
        self._kept = kept
        self._ids: OrderedDict[str, int] = OrderedDict()

    async def find(self, connection: AsyncConnection, keys: Iterable[str]) -> dict[str, int]:
        """Give the ids of those keys that name something."""
        asked = set(keys)
        found = {key: self._ids[key] for key in asked if key in self._ids}
        if missing := sorted(asked - found.keys()):
            rows = await connection.execute(self._statement, {"keys": missing})
            found |= {row.key: row.id for row in rows}
        self._keep(found)
        return found

    def _keep(self, found: dict[str, int]) -> None:
        for key, id_ in found.items():
            self._ids[key] = id_
            self._ids.move_to_end(key)
        while len(self._ids) > self._kept:
            self._ids.popitem(last=False)


class InteractionWriter:
    """Writes interaction records, whose users and projects are named by the platform's keys."""

    def __init__(self, kept: int = KEPT) -> None:
        self._actors = KnownIds(_ACTORS, kept)
        self._projects = KnownIds(_PROJECTS, kept)

    async def __call__(self, connection: AsyncConnection, records: Sequence[InteractionRecord]) -> UpsertResult:
        """Write a batch; a record of an unknown user or project is refused by name."""
        actors = await self._actors.find(connection, (record_interactions.user for record_interactions in records))
        projects = await self._projects.find(
            connection, (record_interactions.project for record_interactions in records)
        )
        refused = _dangling(records, actors.keys(), projects.keys())
        left_out = {refusal.index for refusal in refused}
        events = [
            _event(record_interactions, actors[record_interactions.user], projects[record_interactions.project])
            for index, record_interactions in enumerate(records)
            if index not in left_out
        ]
        new = await record_interactions(connection, events)
        return UpsertResult(new, 0, len(events) - new, tuple(refused))


def _event(given: InteractionRecord, actor_id: int, project_id: int) -> NewInteraction:
    if given.at is None:
        return NewInteraction(actor_id, project_id, given.type)
    return NewInteraction(actor_id, project_id, given.type, given.at)


class Contains(Protocol):
    """Whatever can say whether a key is known."""

    def __contains__(self, key: object, /) -> bool:
        """Tell whether the key is known."""


def _dangling(records: Sequence[InteractionRecord], users: Contains, projects: Contains) -> list[Refusal]:
    refused = []
    for index, given in enumerate(records):
        if given.user not in users:
            refused.append(Refusal(index, UnknownReference(f"there is no user {given.user!r}", ("user",))))
        elif given.project not in projects:
            refused.append(Refusal(index, UnknownReference(f"there is no project {given.project!r}", ("project",))))
    return refused


class Checker:
    """Looks for references that name nothing, without writing: neither in the files read so far nor in the truth.

    The keys of the files lie in a temporary SQLite file, so that memory stays flat however many there are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = tempfile.TemporaryDirectory(prefix="explore-import-")
        self._keys = sqlite3.connect(Path(self._folder.name) / "keys.sqlite", isolation_level=None)
        self._keys.execute("PRAGMA journal_mode = OFF")
        self._keys.execute("PRAGMA synchronous = OFF")
        self._keys.execute("CREATE TABLE known (kind TEXT, key TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID")

    def close(self) -> None:
        """Throw the temporary file away."""
        self._keys.close()
        self._folder.cleanup()

    async def check_users(self, records: Sequence[UserRecord]) -> list[Refusal]:
        """Note the users."""
        self._note("user", (record_interactions.key for record_interactions in records))
        return []

    async def check_projects(self, records: Sequence[ProjectRecord]) -> list[Refusal]:
        """Note the projects, and refuse those whose owner is unknown."""
        users = await self._known(
            "user",
            _USERS,
            (record_interactions.owner for record_interactions in records if record_interactions.owner is not None),
        )
        refused = [
            Refusal(index, unknown_owner(given.owner))
            for index, given in enumerate(records)
            if given.owner is not None and given.owner not in users
        ]
        left_out = {refusal.index for refusal in refused}
        self._note("project", (given.key for index, given in enumerate(records) if index not in left_out))
        return refused

    async def check_interactions(self, records: Sequence[InteractionRecord]) -> list[Refusal]:
        """Refuse the events of unknown users and projects."""
        users = await self._known("user", _USERS, (record_interactions.user for record_interactions in records))
        projects = await self._known(
            "project", _PROJECTS, (record_interactions.project for record_interactions in records)
        )
        return _dangling(records, users, projects)

    def _note(self, kind: str, keys: Iterable[str]) -> None:
        self._keys.execute("BEGIN")
        self._keys.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", ((kind, key) for key in keys))
        self._keys.execute("COMMIT")

    async def _known(self, kind: str, statement: Select[str, int] | Select[str], keys: Iterable[str]) -> set[str]:
        asked = sorted(set(keys))
        query = "SELECT key FROM known WHERE kind = ? AND key IN (SELECT value FROM json_each(?))"
        found = {key for (key,) in self._keys.execute(query, (kind, orjson.dumps(asked).decode()))}
        if missing := sorted(set(asked) - found):
            found |= {row.key for row in await self._database.fetch(statement, {"keys": missing})}
        return found
