"""The outbox: rows that name index documents to update. Workers lease rows, and delete them when processed.

Rules:

- A row is written in the transaction that changes the data. It has no payload, and is unique by (kind, key).
- Leasing a row moves `available_at` to the end of the lease. No transaction is open while a worker works.
- `settle` deletes a row only if neither its version nor its lease has changed. Otherwise another worker has processed
  or will process the same key, and the index state is unknown. The row is then kept or restored, and processed once
  more after the other lease has ended. Two workers can therefore not make each other process a row forever.
- A change ends the lease of a row early, so that the change does not wait for a slow worker. The slow worker may still
  write an old document. The row is therefore deleted only after that worker has settled or its lease has expired
  (`held_until`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Row,
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
from sqlalchemy.sql.dml import ReturningInsert, Update

from db.database.column_types import TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.models import OutboxKind, OutboxRow, now

MAX_ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=60)
"""Interval between attempts to process a row."""

MAX_ERROR_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class Lease:
    """One outbox row leased by a worker. Other workers can lease it after `lease_end`."""

    kind: OutboxKind
    key: str
    version: int
    lease_end: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """Counts and age of the unprocessed rows."""

    rows: int  # rows that wait or are leased, dead ones excluded
    lag_s: float  # age of the oldest such row in seconds; 0 if there is none
    dead: int  # dead letters: rows rejected `MAX_ATTEMPTS` times


def _upsert(values: dict[str, Any]) -> dict[str, ReturningInsert[Any]]:
    """Return, by dialect, the statement that inserts a row for each key, or updates the row and raises its version."""
    shared_columns = [
        bindparam("kind", type_=String()),
        bindparam("now", type_=UtcDateTime()),
        bindparam("available_from", type_=UtcDateTime()),
        bindparam("urgent", type_=Boolean()),
    ]
    keys = bindparam("keys", type_=TextList())
    key_rows = func.json_each(keys).table_valued("value")
    sources: dict[str, tuple[Any, Any]] = {
        "postgresql": (postgresql.insert(OutboxRow), select(func.unnest(keys), *shared_columns)),
        # Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
        "sqlite": (sqlite.insert(OutboxRow), select(key_rows.c.value, *shared_columns).where(true())),
    }
    columns = ["key", "kind", "enqueued_at", "available_at", "urgent"]
    updated_values = {"version": OutboxRow.version + 1} | values
    return {
        dialect: insert.from_select(columns, rows)
        .on_conflict_do_update(index_elements=["kind", "key"], set_=updated_values)
        .returning(OutboxRow.key, OutboxRow.version)
        for dialect, (insert, rows) in sources.items()
    }


def _later_of(time: SQLColumnExpression[Any], other_time: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """Return the later of two times; `other_time` may be null."""
    return case((other_time > time, other_time), else_=time)


_NOW = bindparam("now", type_=UtcDateTime())
_LEASE_END = bindparam("lease_end", type_=UtcDateTime())
_AVAILABLE_AT = bindparam("available_from", type_=UtcDateTime())

_IS_LEASED = OutboxRow.available_at > _NOW
_RESET: dict[str, Any] = {
    "held_until": case(
        (_IS_LEASED, _later_of(OutboxRow.available_at, OutboxRow.held_until)), else_=OutboxRow.held_until
    ),
    "available_at": _NOW,
    "attempts": 0,
    "dead": False,
    "last_error": None,
}
_ENQUEUE = _upsert(_RESET | {"urgent": bindparam("urgent", type_=Boolean())})
_REPROCESS = _upsert(
    {
        "available_at": case((OutboxRow.available_at == _LEASE_END, _NOW), else_=OutboxRow.available_at),
        "held_until": case((OutboxRow.held_until == _LEASE_END, null()), else_=OutboxRow.held_until),
    }
)
_CLAIM = _upsert(_RESET)


def _lease_rows(*conditions: ColumnElement[bool]) -> Update:
    """Return the statement that leases available rows: urgent ones first, then the oldest."""
    available_rows = (
        select(OutboxRow.kind, OutboxRow.key)
        .where(~OutboxRow.dead, OutboxRow.available_at <= _NOW, *conditions)
        .order_by(OutboxRow.urgent.desc(), OutboxRow.available_at)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
        .cte("available_rows")
    )
    return (
        update(OutboxRow)
        .where(tuple_(OutboxRow.kind, OutboxRow.key).in_(select(available_rows.c.kind, available_rows.c.key)))
        .values(available_at=_LEASE_END)
        .returning(OutboxRow.kind, OutboxRow.key, OutboxRow.version, OutboxRow.urgent, OutboxRow.enqueued_at)
    )


_LEASE_ROWS = _lease_rows(or_(OutboxRow.urgent, ~bindparam("only_urgent", type_=Boolean())))
_LEASE_KEYS = _lease_rows(
    OutboxRow.kind == bindparam("row_kind"), in_list(OutboxRow.key, bindparam("keys", type_=TextList()))
)

_VERSIONED_KEY = cast(OutboxRow.version, String) + " " + OutboxRow.key
_HELD_ROWS = (
    select(OutboxRow.key)
    .where(
        OutboxRow.kind == bindparam("row_kind"),
        in_list(OutboxRow.key, bindparam("keys", type_=TextList())),
        in_list(_VERSIONED_KEY, bindparam("versions_and_keys", type_=TextList())),
        OutboxRow.available_at == _LEASE_END,
    )
    .order_by(OutboxRow.key)  # the locking order of `enqueue`, so that no deadlock is possible
    .with_for_update()
    .cte("held_rows")
)
_IS_HELD = (OutboxRow.kind == bindparam("row_kind")) & OutboxRow.key.in_(select(_HELD_ROWS.c.key))
_WAIT_FOR_OTHER_LEASE = (
    update(OutboxRow)
    .where(_IS_HELD, OutboxRow.held_until > _NOW)
    .values(available_at=OutboxRow.held_until, held_until=None)
    .returning(OutboxRow.key)
)
_DELETE = delete(OutboxRow).where(_IS_HELD).returning(OutboxRow.key)
_RELEASE = update(OutboxRow).where(_IS_HELD).values(available_at=_AVAILABLE_AT)
_REJECT = (
    update(OutboxRow)
    .where(_IS_HELD)
    .values(
        available_at=_AVAILABLE_AT,
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
_COUNTS = select(
    OutboxRow.kind,
    func.count().filter(~OutboxRow.dead).label("waiting"),
    func.count().filter(OutboxRow.dead).label("dead"),
).group_by(OutboxRow.kind)
_ANY_AVAILABLE = select(OutboxRow.version).where(~OutboxRow.dead, OutboxRow.available_at <= _NOW).limit(1)
_PENDING = select(OutboxRow.key, OutboxRow.dead).where(
    OutboxRow.kind == bindparam("row_kind"), in_list(OutboxRow.key, bindparam("keys", type_=TextList()))
)


async def enqueue(connection: AsyncConnection, kind: OutboxKind, keys: Sequence[str], *, urgent: bool = False) -> None:
    """Enqueue index documents for an update, in the transaction of the change.

    A key is the platform key of a project or tool, or the id of an actor as text. Urgent rows (removals from the index)
    are processed first; the last call for a key decides whether it is urgent.
    """
    enqueued_at = now()
    await _run_upsert(
        connection, _ENQUEUE, kind, set(keys), {"now": enqueued_at, "available_from": enqueued_at, "urgent": urgent}
    )


async def take(database: Database, limit: int, lease_s: float, *, only_urgent: bool = False) -> list[Lease]:
    """Lease up to `limit` available rows for `lease_s` seconds: urgent rows first, then the oldest."""
    return await _take(database, _LEASE_ROWS, {"limit": limit, "only_urgent": only_urgent}, lease_s)


async def take_keys(database: Database, kind: OutboxKind, keys: Sequence[str], lease_s: float) -> list[Lease]:
    """Lease the available rows of these keys."""
    return await _take(database, _LEASE_KEYS, {"limit": len(keys), "row_kind": kind.value, "keys": list(keys)}, lease_s)


async def _take(database: Database, statement: Update, parameters: dict[str, Any], lease_s: float) -> list[Lease]:
    taken_at = now()
    lease_end = taken_at + timedelta(seconds=lease_s)
    async with database.write() as connection:
        result = await connection.execute(statement, parameters | {"now": taken_at, "lease_end": lease_end})
        rows = sorted(
            result.all(),
            key=lambda row: (not row.urgent, row.enqueued_at, row.kind, row.key),
        )
    return [Lease(OutboxKind(row.kind), row.key, row.version, lease_end) for row in rows]


async def claim(database: Database, kind: OutboxKind, keys: Sequence[str], lease_s: float) -> list[Lease]:
    """Create and lease rows for the keys that have none, and return the created rows.

    An existing row becomes available to the next worker, even if it is leased or dead, because its document must be
    written again after this call.
    """
    claimed_at = now()
    lease_end = claimed_at + timedelta(seconds=lease_s)
    parameters = {"now": claimed_at, "available_from": lease_end, "urgent": False}
    async with database.write() as connection:
        rows = await _run_upsert(connection, _CLAIM, kind, set(keys), parameters)
    return [Lease(kind, row.key, row.version, lease_end) for row in rows if row.version == 1]


async def settle(database: Database, rows: Sequence[Lease]) -> None:
    """Delete processed rows. A row that changed, or that another worker may hold, is kept to be processed again."""
    for leases, parameters in _group_by_lease(rows):
        settled_at = now()
        reprocess_parameters = {
            "now": settled_at,
            "available_from": settled_at,
            "lease_end": parameters["lease_end"],
            "urgent": False,
        }
        async with database.write() as connection:
            waiting_keys = set(await connection.scalars(_WAIT_FOR_OTHER_LEASE, parameters | {"now": settled_at}))
            deleted_keys = set(await connection.scalars(_DELETE, parameters))
            changed_keys = {row.key for row in leases} - deleted_keys - waiting_keys
            await _run_upsert(connection, _REPROCESS, leases[0].kind, changed_keys, reprocess_parameters)


async def release(database: Database, rows: Sequence[Lease], delay_s: float = 0.0) -> None:
    """End leases without counting an attempt. The rows are available again after `delay_s` seconds."""
    for _, parameters in _group_by_lease(rows):
        async with database.write() as connection:
            await connection.execute(_RELEASE, parameters | {"available_from": now() + timedelta(seconds=delay_s)})


async def reject(database: Database, rows: Sequence[Lease], error: str, retry_after: timedelta = RETRY_AFTER) -> int:
    """Record that an available store rejected rows, and return how many became dead by reaching `MAX_ATTEMPTS`."""
    dead_rows = 0
    for _, parameters in _group_by_lease(rows):
        rejection = {"available_from": now() + retry_after, "error": error[:MAX_ERROR_LENGTH]}
        async with database.write() as connection:
            dead_rows += sum(await connection.scalars(_REJECT, parameters | rejection))
    return dead_rows


async def has_available(database: Database) -> bool:
    """Return whether `take` would find a row: one read of an index, without a transaction."""
    return bool(await database.fetch_short(_ANY_AVAILABLE, {"now": now()}))


async def backlog(database: Database) -> Backlog:
    """Return counts and age of the unprocessed rows."""
    row = (await database.fetch(_BACKLOG))[0]
    return Backlog(row.rows, (now() - row.oldest).total_seconds() if row.oldest is not None else 0.0, row.dead)


async def count_rows(database: Database) -> dict[OutboxKind, tuple[int, int]]:
    """Return the numbers of unprocessed and of dead rows by kind."""
    return {OutboxKind(row.kind): (row.waiting, row.dead) for row in await database.fetch(_COUNTS)}


async def pending(database: Database, kind: OutboxKind, keys: Sequence[str]) -> dict[str, bool]:
    """Return, for each key that has an outbox row, whether the row is dead."""
    if not keys:
        return {}
    rows = await database.fetch(_PENDING, {"row_kind": kind.value, "keys": list(keys)})
    return {row.key: row.dead for row in rows}


async def _run_upsert(
    connection: AsyncConnection,
    statements: dict[str, ReturningInsert[Any]],
    kind: OutboxKind,
    keys: set[str],
    parameters: dict[str, Any],
) -> Sequence[Row[Any]]:
    """Insert or update the rows of the keys, and return (key, version) of each."""
    if not keys:
        return []
    # Sorted, so that all transactions lock in the same order; unique, so that no statement updates a row twice.
    parameters = {"kind": kind.value, "keys": sorted(keys)} | parameters
    rows: Sequence[Row[Any]] = (await connection.execute(statements[connection.dialect.name], parameters)).all()
    return rows


def _group_by_lease(rows: Sequence[Lease]) -> Iterator[tuple[list[Lease], dict[str, Any]]]:
    """Yield the rows of each kind and lease with their parameters.

    A transaction for each never locks rows of two kinds.
    """
    groups: dict[tuple[OutboxKind, datetime], list[Lease]] = defaultdict(list)
    for row in rows:
        groups[row.kind, row.lease_end].append(row)
    for (kind, lease_end), leases in groups.items():
        yield (
            leases,
            {
                "row_kind": kind.value,
                "lease_end": lease_end,
                "keys": [row.key for row in leases],
                "versions_and_keys": [f"{row.version} {row.key}" for row in leases],
            },
        )
