"""References between import records: resolving platform keys to ids, and checking keys without writing."""

import math
import sqlite3
import tempfile
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.cache.last_known import LastKnownValues
from db.catalog.catalog_entries import refuse_projects
from db.custom_types import NO_CUSTOM_TYPES, CustomTypes
from db.database.column_types import KEYS, UNKNOWN_TIME, in_list
from db.database.engine import Database
from db.errors import UnknownReference
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, Project, User
from db.platform_inputs import EmbeddingSpace
from db.records import InteractionRecord, ProjectRecord
from db.upsert_results import Refusal, UpsertResult, accepted, upsert_result

MAX_CACHED_KEYS = 50_000
"""Maximum cached keys of users and of projects: about 8 MB each, more keys than one batch can contain."""

_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id).where(in_list(User.key, KEYS))
_PROJECTS = select(Project.key, Project.id).where(in_list(Project.key, KEYS))
_USERS = select(User.key).where(in_list(User.key, KEYS))


class InteractionWriter:
    """Writes interaction records. Resolves the platform keys of users and projects to ids."""

    def __init__(self, custom_types: CustomTypes = NO_CUSTOM_TYPES) -> None:
        self._custom_types = custom_types
        self._actors = LastKnownValues[str, int](MAX_CACHED_KEYS, math.inf)
        self._projects = LastKnownValues[str, int](MAX_CACHED_KEYS, math.inf)

    async def __call__(self, connection: AsyncConnection, records: Sequence[InteractionRecord]) -> UpsertResult:
        """Write a batch. Records with an unknown user or project are refused."""
        actor_ids = await _find_ids(connection, _ACTORS, self._actors, {record.user for record in records})
        project_ids = await _find_ids(connection, _PROJECTS, self._projects, {record.project for record in records})
        refusals = _refuse_unknown_references(records, actor_ids, project_ids)
        events = [
            NewInteraction(
                actor_ids[record.user],
                project_ids[record.project],
                record.type,
                record.at or UNKNOWN_TIME,
                **self._custom_types.attributes(record.type, record.value),
            )
            for record in accepted(records, refusals)
        ]
        added = len(await record_interactions(connection, events))
        return UpsertResult(added, 0, len(events) - added, tuple(refusals))


async def _find_ids(
    connection: AsyncConnection, statement: Select[str, int], cache: LastKnownValues[str, int], keys: set[str]
) -> dict[str, int]:
    """Return the ids of existing keys. Keys that are not cached are read from the database in one statement."""
    ids = cache.recall(keys)
    if missing_keys := sorted(keys - ids.keys()):
        ids |= {row.key: row.id for row in await connection.execute(statement, {"keys": missing_keys})}
    cache.remember(ids)
    return ids


def _refuse_unknown_references(
    records: Sequence[InteractionRecord], user_keys: Container[str], project_keys: Container[str]
) -> list[Refusal]:
    refusals = []
    for index, record in enumerate(records):
        if record.user not in user_keys:
            refusals.append(Refusal(index, UnknownReference(f"there is no user {record.user!r}", ("user",))))
        elif record.project not in project_keys:
            refusals.append(Refusal(index, UnknownReference(f"there is no project {record.project!r}", ("project",))))
    return refusals


class ReferenceChecker:
    """Checks that references exist in an earlier file or in the database, without writing.

    The keys of the files are stored in a temporary SQLite file, so that memory is bounded.
    """

    def __init__(self, database: Database, embedding_space: EmbeddingSpace | None = None) -> None:
        self._database = database
        self._embedding_space = embedding_space
        self._folder = tempfile.TemporaryDirectory(prefix="explore-import-")
        self._key_file = sqlite3.connect(Path(self._folder.name) / "keys.sqlite", isolation_level=None)
        self._key_file.execute("PRAGMA journal_mode = OFF")
        self._key_file.execute("PRAGMA synchronous = OFF")
        self._key_file.execute("CREATE TABLE known (kind TEXT, key TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID")

    def close(self) -> None:
        """Delete the temporary file."""
        self._key_file.close()
        self._folder.cleanup()

    async def check(self, kind: str, records: Sequence[Any]) -> UpsertResult:
        """Check a batch of a kind of records. Records with an unknown reference are refused."""
        match kind:
            case "users":
                self._add_keys("user", (record.key for record in records))
            case "projects":
                return await self._check_projects(records)
            case "interactions":
                return await self._check_interactions(records)
        return UpsertResult(unchanged=len(records))

    async def _check_projects(self, records: Sequence[ProjectRecord]) -> UpsertResult:
        owner_keys = await self._existing_keys(
            "user", _USERS, {record.owner for record in records if record.owner is not None}
        )
        refusals = refuse_projects(records, owner_keys, self._embedding_space)
        self._add_keys("project", (record.key for record in accepted(records, refusals)))
        return upsert_result(len(records), refused=refusals)

    async def _check_interactions(self, records: Sequence[InteractionRecord]) -> UpsertResult:
        users = await self._existing_keys("user", _USERS, {record.user for record in records})
        projects = await self._existing_keys("project", _PROJECTS, {record.project for record in records})
        return upsert_result(len(records), refused=_refuse_unknown_references(records, users, projects))

    def _add_keys(self, kind: str, keys: Iterable[str]) -> None:
        self._key_file.execute("BEGIN")
        self._key_file.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", ((kind, key) for key in keys))
        self._key_file.execute("COMMIT")

    async def _existing_keys(self, kind: str, statement: Select[str, int] | Select[str], keys: set[str]) -> set[str]:
        query = "SELECT key FROM known WHERE kind = ? AND key IN (SELECT value FROM json_each(?))"
        existing_keys = {key for (key,) in self._key_file.execute(query, (kind, orjson.dumps(sorted(keys)).decode()))}
        if missing_keys := sorted(keys - existing_keys):
            existing_keys |= {row.key for row in await self._database.fetch(statement, {"keys": missing_keys})}
        return existing_keys
