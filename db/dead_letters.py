"""Outbox rows that a present store refused too often: they wait for an operator, who tries them again or drops them."""

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
    """A row that was refused for good, until somebody says otherwise or the truth changes."""

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
    """Give the dead rows that have waited longest, and why the store refused them."""
    rows = await database.fetch(_DEAD, {"limit": limit})
    return [
        DeadLetter(OutboxKind(row.kind), row.key, row.enqueued_at, row.attempts, row.last_error or "") for row in rows
    ]


async def retry(database: Database, names: Sequence[str] = ()) -> list[str]:
    """Bring dead rows back to life: those named ``kind:key``, or without a name all of them. Gives their names.

    Raises
    ------
    InvalidRecord
        If a name is not of this form.
    """
    given = {"names": _checked(names)} if names else {}
    async with database.write() as connection:
        return list(await connection.scalars(_RETRY if names else _RETRY_ALL, given | {"now": now()}))


async def drop(database: Database, names: Sequence[str]) -> list[str]:
    """Forget dead rows named ``kind:key``: their shadows stay as they are. Gives the names of those that were dead.

    Raises
    ------
    InvalidRecord
        If a name is not of this form.
    """
    async with database.write() as connection:
        return list(await connection.scalars(_DROP, {"names": _checked(names)}))


def _checked(names: Sequence[str]) -> list[str]:
    for name in names:
        kind, _, key = name.partition(":")
        if kind not in _KINDS or not key:
            kinds = ", ".join(_KINDS)
            raise InvalidRecord(f"{name!r} names no outbox row; write KIND:KEY, where KIND is one of {kinds}")
    return list(names)
