"""Dead letters: outbox rows that the index or embedding model rejected `MAX_ATTEMPTS` times (see `db.outbox`).

Operators retry or drop them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.sql import ColumnElement

from db.database.column_types import TextList, UtcDateTime, in_list
from db.database.engine import Database
from db.errors import InvalidRecord
from db.models import OutboxKind, OutboxRow, now


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An outbox row that is retried only after an operator's command or a change of its data."""

    kind: OutboxKind
    key: str
    enqueued_at: datetime
    attempts: int
    error: str


_KINDS = tuple(kind.value for kind in OutboxKind)

_NAME = OutboxRow.kind + ":" + OutboxRow.key
_IS_NAMED: ColumnElement[bool] = in_list(_NAME, bindparam("names", type_=TextList()))

_DEAD = (
    select(OutboxRow.kind, OutboxRow.key, OutboxRow.enqueued_at, OutboxRow.attempts, OutboxRow.last_error)
    .where(OutboxRow.dead)
    .order_by(OutboxRow.enqueued_at, OutboxRow.kind, OutboxRow.key)
    .limit(bindparam("limit"))
)
_RETRY_ALL = (
    update(OutboxRow)
    .where(OutboxRow.dead)
    .values(dead=False, attempts=0, available_at=bindparam("now", type_=UtcDateTime()))
    .returning(_NAME)
)
_RETRY = _RETRY_ALL.where(_IS_NAMED)
_DROP = delete(OutboxRow).where(OutboxRow.dead, _IS_NAMED).returning(_NAME)


async def list_dead_letters(database: Database, limit: int) -> list[DeadLetter]:
    """Return up to `limit` dead letters, oldest first, each with the error of its last attempt."""
    rows = await database.fetch(_DEAD, {"limit": limit})
    return [
        DeadLetter(OutboxKind(row.kind), row.key, row.enqueued_at, row.attempts, row.last_error or "") for row in rows
    ]


async def retry(database: Database, names: Sequence[str] = ()) -> list[str]:
    """Retry the dead letters named ``kind:key``, or all if `names` is empty, and return their names.

    Raises `InvalidRecord` if a name has another form.
    """
    parameters = {"names": _check_names(names)} if names else {}
    async with database.write() as connection:
        return list(await connection.scalars(_RETRY if names else _RETRY_ALL, parameters | {"now": now()}))


async def drop(database: Database, names: Sequence[str]) -> list[str]:
    """Delete the dead letters named ``kind:key``, leaving their index documents unchanged, and return their names.

    Raises `InvalidRecord` if a name has another form.
    """
    async with database.write() as connection:
        return list(await connection.scalars(_DROP, {"names": _check_names(names)}))


def _check_names(names: Sequence[str]) -> list[str]:
    for name in names:
        kind, _, key = name.partition(":")
        if kind not in _KINDS or not key:
            kinds = ", ".join(_KINDS)
            raise InvalidRecord(f"{name!r} is not an outbox row; write KIND:KEY, where KIND is one of {kinds}")
    return list(names)
