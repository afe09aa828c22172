"""Export of all data of an actor, as pages of plain data.

All tables with a foreign key `actor_id` are exported, so that new tables are included. Ids of projects, terms, users
and questions are replaced by the platform's keys. Bytes are encoded in base64.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, bindparam, or_, select, tuple_
from sqlalchemy.sql import Select

from db.database.column_types import ACTOR_ID, IDS, BigIntId, UtcDateTime, in_list
from db.database.engine import Database
from db.models import Actor, OnboardingQuestion, Project, Term, User
from db.privacy.erasure import PERSONAL
from db.stores import Stores

MAX_EXPORT_ROWS = 5_000
"""Maximum number of rows of a page, about a megabyte of JSON."""

_TABLES = {table.name: table for table in PERSONAL}
_MODELS_WITH_KEY = {model.__tablename__: model for model in (Project, Term, User, OnboardingQuestion)}

_ACCOUNT = (
    select(
        User.key, User.username, User.bio, User.tier, User.points, User.role, User.created_at, Actor.id.label("actor"),
        Actor.session_key, Actor.claim_ends_at, Actor.settings, Actor.version,
        Actor.created_at.label("known_since"),
    )
    .select_from(Actor)
    .outerjoin(User, User.id == Actor.user_id)
    .where(or_(Actor.id == ACTOR_ID, Actor.merged_into == ACTOR_ID))
    .order_by(Actor.id)
)  # fmt: skip
_OWN_PROJECTS = (
    select(
        Project.key, Project.title, Project.description, Project.type, Project.url, Project.image_url, Project.private,
        Project.archived, Project.source, Project.created_at,
    )
    .join(Actor, Actor.user_id == Project.owner_id)
    .where(Actor.id == ACTOR_ID)
    .order_by(Project.id)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportCursor:
    """The position after the row of `table` with this primary key."""

    table: str
    primary_key: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Rows by table, and the position of the next page; None after the last page."""

    data: Mapping[str, Any]
    next: ExportCursor | None


async def export_personal_data(
    stores: Stores, actor_id: int, limit: int = MAX_EXPORT_ROWS, after: ExportCursor | None = None
) -> ExportPage:
    """Read a page of the data of an actor and its claimed sessions.

    Without `after`, the page also has accounts, projects and the profile vector.
    """
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
    remaining = limit
    for table in PERSONAL[0 if after is None else list(_TABLES).index(after.table) :]:
        previous_key = after.primary_key if after is not None and after.table == table.name else None
        rows = await _rows(stores.database, table, ids, remaining + 1, previous_key)
        data[str(table.name)] = [_plain(row._mapping, hidden=("_key",)) for row in rows[:remaining]]
        if len(rows) > remaining:
            last_key = tuple(rows[remaining - 1][: len(table.primary_key)]) if remaining else previous_key or ()
            return ExportPage(data, ExportCursor(table.name, last_key))
        remaining -= len(rows)
    return ExportPage(data, None)


def key_types(table: str) -> Sequence[type]:
    """Return the Python types of a table's primary key, to parse a cursor. Raises `KeyError` for other tables."""
    return [
        datetime if isinstance(column.type, UtcDateTime) else column.type.python_type
        for column in _TABLES[table].primary_key
    ]


async def _rows(
    database: Database, table: Table, ids: Sequence[int], limit: int, previous_key: tuple[Any, ...] | None
) -> Sequence[Any]:
    statement, parameters = _STATEMENTS[table.name], {"ids": list(ids), "limit": limit}
    if previous_key:
        names = [f"previous_{index}" for index in range(len(previous_key))]
        previous = [bindparam(name, type_=column.type) for name, column in zip(names, table.primary_key, strict=True)]
        statement = statement.where(tuple_(*table.primary_key) > tuple_(*previous))
        parameters |= dict(zip(names, previous_key, strict=True))
    return await database.fetch(statement, parameters)


def _statement(table: Table) -> Select[Any]:
    """Return a query of the primary key of a table (for the cursor) and its columns, with keys in place of ids."""
    source: Any = table
    selected: list[Any] = [column.label(f"_key{index}") for index, column in enumerate(table.primary_key)]
    for column in table.columns:
        if column.name == "actor_id":
            continue
        model = _model_with_key(column)
        if model is None:
            selected.append(column)
            continue
        other = model.__table__.alias(f"of_{column.name}")
        source = source.outerjoin(other, other.c.id == column)
        name = column.name.removesuffix("_id")
        selected.append(other.c.key.label(name))
        if model is Term:
            selected.append(other.c.kind.label(f"{name}_kind"))
    return (
        select(*selected)
        .select_from(source)
        .where(in_list(table.c.actor_id, IDS))
        .order_by(*table.primary_key)
        .limit(bindparam("limit", type_=BigIntId))
    )


def _model_with_key(column: Column[Any]) -> Any:
    """Return the model that a column refers to if the model has platform keys, otherwise None."""
    return next((_MODELS_WITH_KEY.get(key.column.table.name) for key in column.foreign_keys), None)


def _plain(row: Mapping[str, Any], hidden: tuple[str, ...] = ()) -> dict[str, Any]:
    # SQLAlchemy's column names are a subclass of str, which some JSON encoders do not accept as keys.
    return {str(name): _value(value) for name, value in row.items() if not name.startswith(hidden)}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_STATEMENTS = {table.name: _statement(table) for table in PERSONAL}
