"""Export of everything stored about an actor, as plain data in pages.

Tables with an actor's rows are read by their metadata, so that new ones are included. Ids of projects, terms, users
and questions become the platform's keys; bytes become base64.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, bindparam, or_, select, tuple_
from sqlalchemy.sql import Select

from db.database.column_types import BigIntId, IntegerList, UtcDateTime, in_list
from db.database.engine import Database
from db.models import Actor, OnboardingQuestion, Project, Term, User
from db.privacy.erasure import PERSONAL
from db.stores import Stores

MAX_EXPORT_ROWS = 5_000
"""Rows of one page: about a megabyte of JSON."""

_KEYED = {model.__tablename__: model for model in (Project, Term, User, OnboardingQuestion)}

_IDS = bindparam("ids", type_=IntegerList())
_ACTOR = bindparam("actor", type_=BigIntId)
_ACCOUNT = (
    select(
        User.key, User.username, User.bio, User.tier, User.points, User.role, User.created_at, Actor.id.label("actor"),
        Actor.session_key, Actor.claim_ends_at, Actor.settings, Actor.version,
        Actor.created_at.label("known_since"),
    )
    .select_from(Actor)
    .outerjoin(User, User.id == Actor.user_id)
    .where(or_(Actor.id == _ACTOR, Actor.merged_into == _ACTOR))
    .order_by(Actor.id)
)  # fmt: skip
_OWN_PROJECTS = (
    select(
        Project.key, Project.title, Project.description, Project.type, Project.url, Project.image_url, Project.private,
        Project.archived, Project.source, Project.created_at,
    )
    .join(Actor, Actor.user_id == Project.owner_id)
    .where(Actor.id == _ACTOR)
    .order_by(Project.id)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportCursor:
    """The position after the row with this primary key of a table."""

    table: str
    behind: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Rows by table, and the position of the next page; None at the end."""

    data: Mapping[str, Any]
    next: ExportCursor | None


async def export_personal_data(
    stores: Stores, actor_id: int, limit: int = MAX_EXPORT_ROWS, after: ExportCursor | None = None
) -> ExportPage:
    """Read a page of the data of an actor and of its claimed sessions; the first has accounts, projects and vector."""
    accounts = await stores.database.fetch(_ACCOUNT, {"actor": actor_id})
    ids = [row.actor for row in accounts]
    data: dict[str, Any] = {}
    if after is None:
        vector = await stores.vectors.profile(actor_id)
        data["accounts"] = [_plain(row._mapping) for row in accounts]
        data["projects"] = [
            _plain(row._mapping) for row in await stores.database.fetch(_OWN_PROJECTS, {"actor": actor_id})
        ]
        data["vector"] = None if vector is None else [round(float(number), 6) for number in vector]
    left = limit
    for table in PERSONAL[_position(after) :]:
        behind = after.behind if after is not None and after.table == table.name else None
        rows = await _rows(stores.database, table, ids, left + 1, behind)
        data[str(table.name)] = [_plain(row._mapping, hidden=("_key",)) for row in rows[:left]]
        if len(rows) > left:
            place = ExportCursor(table.name, tuple(rows[left - 1][: len(table.primary_key)]) if left else behind or ())
            return ExportPage(data, place)
        left -= len(rows)
    return ExportPage(data, None)


def key_types(table: str) -> Sequence[type]:
    """Return the Python types of a personal table's primary key, to parse a cursor; raises `KeyError`."""
    found = {one.name: one for one in PERSONAL}[table]
    return [
        datetime if isinstance(column.type, UtcDateTime) else column.type.python_type for column in found.primary_key
    ]


def _position(after: ExportCursor | None) -> int:
    return 0 if after is None else [table.name for table in PERSONAL].index(after.table)


async def _rows(
    database: Database, table: Table, ids: Sequence[int], limit: int, behind: tuple[Any, ...] | None
) -> Sequence[Any]:
    statement, given = _STATEMENTS[table.name], {"ids": list(ids), "limit": limit}
    if behind:
        statement = statement.where(tuple_(*table.primary_key) > tuple_(*_bound(table)))
        given |= {f"behind_{place}": value for place, value in enumerate(behind)}
    return await database.fetch(statement, given)


def _bound(table: Table) -> list[Any]:
    return [
        bindparam(f"behind_{place}", type_=UtcDateTime() if isinstance(column.type, UtcDateTime) else column.type)
        for place, column in enumerate(table.primary_key)
    ]


def _statement(table: Table) -> Select[Any]:
    """Select a table's primary key for the cursor, then its columns, with keys in place of ids."""
    source: Any = table
    shown: list[Any] = [column.label(f"_key{place}") for place, column in enumerate(table.primary_key)]
    for column in table.columns:
        if column.name == "actor_id":
            continue
        keyed = _keyed(column)
        if keyed is None:
            shown.append(column)
            continue
        other = keyed.__table__.alias(f"of_{column.name}")
        source = source.outerjoin(other, other.c.id == column)
        name = column.name.removesuffix("_id")
        shown.append(other.c.key.label(name))
        if keyed is Term:
            shown.append(other.c.kind.label(f"{name}_kind"))
    return (
        select(*shown)
        .select_from(source)
        .where(in_list(table.c.actor_id, _IDS))
        .order_by(*table.primary_key)
        .limit(bindparam("limit", type_=BigIntId))
    )


def _keyed(column: Column[Any]) -> Any:
    """Return the model that a column refers to, if its rows have a key."""
    return next((_KEYED.get(key.column.table.name) for key in column.foreign_keys), None)


def _plain(row: Mapping[str, Any], hidden: tuple[str, ...] = ()) -> dict[str, Any]:
    # A column's name is a `str` of SQLAlchemy's own kind, which not every JSON encoder takes for a key.
    return {str(name): _value(value) for name, value in row.items() if not name.startswith(hidden)}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_STATEMENTS = {table.name: _statement(table) for table in PERSONAL}
