"""The outbox: rows that name index documents to be updated, taken by workers under a lease, deleted when processed.

Rules:

- A row is written in the transaction of the change, has no payload, and is unique for (kind, key).
- Taking a row moves `available_at` to the end of the lease. No transaction is held while a worker works.
- `settle` deletes a row only if neither its version nor its lease has changed. Otherwise another worker has processed
  the same key meanwhile, or will, and the index state is unknown: the row stays (or is restored) for one more pass.
  That pass waits for the other lease, so two workers cannot wake each other forever.
- A change pulls a row out of its lease: it need not wait for a slow worker. That worker may still write, and may be
  killed before it reads the database again, so the row is not deleted before it has settled or its lease has expired
  (`held_until`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Boolean,
    SQLColumnExpression,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.dml import Insert

from db.database.column_types import TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.models import OutboxKind, OutboxRow, now

MAX_ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=60)
"""Three attempts, 60 s apart, as specified."""

MAX_ERROR_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class Lease:
    """One outbox row taken by a worker, until a time at which others may take it."""

    kind: OutboxKind
    key: str
    version: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of unprocessed rows."""

    rows: int  # rows that wait or are being processed
    lag_s: float  # age of the oldest of them in seconds; 0 without any
    dead: int  # rows that were rejected too often and wait for an operator


def _upsert(values: dict[str, Any]) -> dict[str, Insert]:
    """Build, for each engine, the insert of a row for each key, or its update to a higher version."""
    given = [
        bindparam("kind", type_=String()),
        bindparam("now", type_=UtcDateTime()),
        bindparam("free_at", type_=UtcDateTime()),
        bindparam("urgent", type_=Boolean()),
    ]
    keys = bindparam("keys", type_=TextList())
    listed = func.json_each(keys).table_valued("value")
    sources: dict[str, tuple[Any, Any]] = {
        "postgresql": (postgresql.insert(OutboxRow), select(func.unnest(keys), *given)),
        # Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
        "sqlite": (sqlite.insert(OutboxRow), select(listed.c.value, *given).where(true())),
    }
    columns = ["key", "kind", "enqueued_at", "available_at", "urgent"]
    changed = {"version": OutboxRow.version + 1} | values
    return {
        dialect: insert.from_select(columns, rows).on_conflict_do_update(index_elements=["kind", "key"], set_=changed)
        for dialect, (insert, rows) in sources.items()
    }


def _later(one: SQLColumnExpression[Any], other: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """Return the later of two times; the second may be null."""
    return case((other > one, other), else_=one)


_NOW = bindparam("now", type_=UtcDateTime())
_UNTIL = bindparam("until", type_=UtcDateTime())
_FREE_AT = bindparam("free_at", type_=UtcDateTime())

_IS_PULLED_OUT = OutboxRow.available_at > _NOW
_RESET: dict[str, Any] = {
    "held_until": case(
        (_IS_PULLED_OUT, _later(OutboxRow.available_at, OutboxRow.held_until)), else_=OutboxRow.held_until
    ),
    "available_at": _NOW,
    "attempts": 0,
    "dead": False,
    "last_error": None,
}
_ENQUEUE = _upsert(_RESET | {"urgent": bindparam("urgent", type_=Boolean())})
_REPROCESS = _upsert(
    {
        "available_at": case((OutboxRow.available_at == _UNTIL, _NOW), else_=OutboxRow.available_at),
        "held_until": case((OutboxRow.held_until == _UNTIL, null()), else_=OutboxRow.held_until),
    }
)
_CLAIM = {
    dialect: statement.returning(OutboxRow.key, OutboxRow.version) for dialect, statement in _upsert(_RESET).items()
}

_FREE = (
    select(OutboxRow.kind, OutboxRow.key)
    .where(~OutboxRow.dead, OutboxRow.available_at <= _NOW)
    .where(or_(OutboxRow.urgent, ~bindparam("only_urgent", type_=Boolean())))
    .order_by(OutboxRow.urgent.desc(), OutboxRow.available_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("free")
)
_TAKE = (
    update(OutboxRow)
    .where(tuple_(OutboxRow.kind, OutboxRow.key).in_(select(_FREE.c.kind, _FREE.c.key)))
    .values(available_at=_UNTIL)
    .returning(OutboxRow.kind, OutboxRow.key, OutboxRow.version, OutboxRow.urgent, OutboxRow.enqueued_at)
)

_STAMP = cast(OutboxRow.version, String) + " " + OutboxRow.key
_HELD = (
    select(OutboxRow.key)
    .where(
        OutboxRow.kind == bindparam("of_kind"),
        in_list(OutboxRow.key, bindparam("keys", type_=TextList())),
        in_list(_STAMP, bindparam("stamps", type_=TextList())),
        OutboxRow.available_at == _UNTIL,
    )
    .order_by(OutboxRow.key)  # the order in which `enqueue` locks, so that the two cannot block each other
    .with_for_update()
    .cte("held")
)
_IS_HELD = (OutboxRow.kind == bindparam("of_kind")) & OutboxRow.key.in_(select(_HELD.c.key))
_WAIT_FOR_OTHER = (
    update(OutboxRow)
    .where(_IS_HELD, OutboxRow.held_until > _NOW)
    .values(available_at=OutboxRow.held_until, held_until=None)
    .returning(OutboxRow.key)
)
_DELETE = delete(OutboxRow).where(_IS_HELD).returning(OutboxRow.key)
_RELEASE = update(OutboxRow).where(_IS_HELD).values(available_at=_FREE_AT)
_REFUSE = (
    update(OutboxRow)
    .where(_IS_HELD)
    .values(
        available_at=_FREE_AT,
        attempts=OutboxRow.attempts + 1,
        dead=OutboxRow.attempts + 1 >= MAX_ATTEMPTS,
        last_error=bindparam("error"),
    )
    .returning(OutboxRow.dead)
)

_BACKLOG = select(
    func.count().filter(~OutboxRow.dead).label("rows"),
    func.min(OutboxRow.enqueued_at).filter(~OutboxRow.dead).label("oldest"),
    func.count().filter(OutboxRow.dead).label("dead"),
).select_from(OutboxRow)
_PENDING = select(OutboxRow.key, OutboxRow.dead).where(
    OutboxRow.kind == bindparam("of_kind"), in_list(OutboxRow.key, bindparam("keys", type_=TextList()))
)


async def enqueue(connection: AsyncConnection, kind: OutboxKind, keys: Sequence[str], *, urgent: bool = False) -> None:
    """Request the update of index documents, in the transaction of the change.

    A key is a project's or tool's platform key, or an actor's id as text. Urgent rows, for removals from the index, are
    processed before others; the last call counts.
    """
    at = now()
    await _run_upsert(connection, _ENQUEUE, kind, set(keys), {"now": at, "free_at": at, "urgent": urgent})


async def take(database: Database, limit: int, lease_s: float, *, only_urgent: bool = False) -> list[Lease]:
    """Take up to `limit` free rows for `lease_s` seconds: urgent ones first, then the oldest."""
    at = now()
    until = at + timedelta(seconds=lease_s)
    given = {"now": at, "until": until, "limit": limit, "only_urgent": only_urgent}
    async with database.write() as connection:
        rows = sorted(
            (await connection.execute(_TAKE, given)).all(),
            key=lambda row: (not row.urgent, row.enqueued_at, row.kind, row.key),
        )
    return [Lease(OutboxKind(row.kind), row.key, row.version, until) for row in rows]


async def claim(database: Database, kind: OutboxKind, keys: Sequence[str], lease_s: float) -> list[Lease]:
    """Take keys without a row by creating their rows; existing rows are left to the next worker.

    An existing row is pulled out of its lease, as by a change: its holder took it before this call, and one more pass
    is needed. A dead row is revived. Returns the created rows.
    """
    at = now()
    until = at + timedelta(seconds=lease_s)
    if not keys:
        return []
    async with database.write() as connection:
        given = {"kind": kind.value, "keys": sorted(set(keys)), "now": at, "free_at": until, "urgent": False}
        rows = (await connection.execute(_CLAIM[connection.dialect.name], given)).all()
    return [Lease(kind, row.key, row.version, until) for row in rows if row.version == 1]


async def settle(database: Database, rows: Sequence[Lease]) -> None:
    """Delete processed rows; one that changed meanwhile, or that another worker may hold, is processed again."""
    for kind, until, held in _by_lease(rows):
        at = now()
        given = _parameters(kind, until, held)
        again = {"now": at, "free_at": at, "until": until, "urgent": False}
        async with database.write() as connection:
            waiting = set(await connection.scalars(_WAIT_FOR_OTHER, given | {"now": at}))
            deleted = set(await connection.scalars(_DELETE, given))
            await _run_upsert(connection, _REPROCESS, kind, {row.key for row in held} - deleted - waiting, again)


async def release(database: Database, rows: Sequence[Lease], delay_s: float = 0.0) -> None:
    """Return rows without counting an attempt, to be taken again after `delay_s` seconds."""
    for kind, until, held in _by_lease(rows):
        async with database.write() as connection:
            await connection.execute(
                _RELEASE, _parameters(kind, until, held) | {"free_at": now() + timedelta(seconds=delay_s)}
            )


async def refuse(database: Database, rows: Sequence[Lease], error: str, after: timedelta = RETRY_AFTER) -> int:
    """Count a failed attempt of rows that an available store rejects, and return how many are dead after the third."""
    died = 0
    for kind, until, held in _by_lease(rows):
        given = {"free_at": now() + after, "error": error[:MAX_ERROR_LENGTH]}
        async with database.write() as connection:
            died += sum(await connection.scalars(_REFUSE, _parameters(kind, until, held) | given))
    return died


async def backlog(database: Database) -> Backlog:
    """Return the number of unprocessed rows."""
    row = (await database.fetch(_BACKLOG))[0]
    return Backlog(row.rows, (now() - row.oldest).total_seconds() if row.oldest is not None else 0.0, row.dead)


async def pending(database: Database, kind: OutboxKind, keys: Sequence[str]) -> dict[str, bool]:
    """Return the keys with an outbox row, and whether it is dead."""
    if not keys:
        return {}
    rows = await database.fetch(_PENDING, {"of_kind": kind.value, "keys": list(keys)})
    return {row.key: row.dead for row in rows}


async def _run_upsert(
    connection: AsyncConnection,
    statements: dict[str, Insert],
    kind: OutboxKind,
    keys: set[str],
    parameters: dict[str, Any],
) -> None:
    # Sorted and unique: transactions lock in one order, and a statement updates no row twice.
    if keys:
        statement = statements[connection.dialect.name]
        await connection.execute(statement, {"kind": kind.value, "keys": sorted(keys)} | parameters)


def _by_lease(rows: Sequence[Lease]) -> Iterator[tuple[OutboxKind, datetime, list[Lease]]]:
    """Group rows for one transaction each, so that no two kinds are locked at once."""
    for (kind, until), group in groupby(sorted(rows, key=_lease_of), key=_lease_of):
        yield kind, until, list(group)


def _lease_of(row: Lease) -> tuple[OutboxKind, datetime]:
    return row.kind, row.until


def _parameters(kind: OutboxKind, until: datetime, rows: Sequence[Lease]) -> dict[str, Any]:
    return {
        "of_kind": kind.value,
        "until": until,
        "keys": [row.key for row in rows],
        "stamps": [f"{row.version} {row.key}" for row in rows],
    }
