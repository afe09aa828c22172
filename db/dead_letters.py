"""Dead letters: outbox rows that an available store rejected too often, to be retried or dropped by an operator."""

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
    """An outbox row that is not retried until an operator asks for it or the database changes."""

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
    """Return the oldest dead letters, with the store's reasons."""
    rows = await database.fetch(_DEAD, {"limit": limit})
    return [
        DeadLetter(OutboxKind(row.kind), row.key, row.enqueued_at, row.attempts, row.last_error or "") for row in rows
    ]


async def retry(database: Database, names: Sequence[str] = ()) -> list[str]:
    """Revive the dead letters named ``kind:key``, or all of them without a name, and return their names.

    Raises `InvalidRecord` if a name is not of this form.
    """
    given = {"names": _checked(names)} if names else {}
    async with database.write() as connection:
        return list(await connection.scalars(_RETRY if names else _RETRY_ALL, given | {"now": now()}))


async def drop(database: Database, names: Sequence[str]) -> list[str]:
    """Delete the dead letters named ``kind:key``, leaving their index documents unchanged, and return their names.

    Raises `InvalidRecord` if a name is not of this form.
    """
    async with database.write() as connection:
        return list(await connection.scalars(_DROP, {"names": _checked(names)}))


def _checked(names: Sequence[str]) -> list[str]:
    for name in names:
        kind, _, key = name.partition(":")
        if kind not in _KINDS or not key:
            kinds = ", ".join(_KINDS)
            raise InvalidRecord(f"{name!r} is not an outbox row; write KIND:KEY, where KIND is one of {kinds}")
    return list(names)
