"""Statements that write a batch of rows, for SQLite and PostgreSQL.

A batch is one bound value, a JSON text. A statement is compiled once for any number of rows, and the limit on bound
variables (32,766 on SQLite, 32,767 on PostgreSQL) does not apply.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Delete, Dialect, Table, Text, bindparam, delete, select, true, tuple_
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.dialects.postgresql.dml import Insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql import ColumnElement, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from db.database.column_types import engine_function

Row = Sequence[Any]
"""Values of one row, in the order of the batch's columns."""


class BatchRows(TypeDecorator[Sequence[Row]]):
    """Rows encoded as one JSON text, with times in the database's format."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Row] | None, dialect: Dialect) -> str | None:
        """Encode the rows for the driver."""
        if value is None:
            return None
        encode_time = _sqlite_time if dialect.name == "sqlite" else _iso_time
        return orjson.dumps(value, default=encode_time, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _sqlite_time(value: Any) -> str:
    return _utc(value).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _iso_time(value: Any) -> str:
    return _utc(value).isoformat()


def _utc(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError(f"a {type(value).__name__} cannot be part of a batch")
    return value.astimezone(UTC)


_unpacked = engine_function(
    "unpacked", JSON(), sqlite="json_each({0})", postgresql="jsonb_array_elements(CAST({0} AS JSONB))"
)
"""The batch as a table with one column, `value`, which holds a JSON array for each row."""


class _Item(ColumnElement[Any]):
    """The value at `position` of a row."""

    __visit_name__ = "batch_item"
    _traverse_internals = [  # noqa: RUF012 (SQLAlchemy reads it from the class)
        ("row", InternalTraversal.dp_clauseelement),
        ("position", InternalTraversal.dp_plain_obj),
        ("type", InternalTraversal.dp_type),
    ]

    def __init__(self, row: ColumnElement[Any], position: int, type_: TypeEngine[Any]) -> None:
        self.row = row
        self.position = position
        self.type = type_


@compiles(_Item, "postgresql")
def _item_postgresql(element: _Item, compiler: SQLCompiler, **kw: Any) -> str:
    row = compiler.process(element.row, **kw)
    if isinstance(element.type.dialect_impl(compiler.dialect), JSON | JSONB):
        return f"({row} -> {element.position})"
    type_ = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST({row} ->> {element.position} AS {type_})"


@compiles(_Item)
def _item_sqlite(element: _Item, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_extract({compiler.process(element.row, **kw)}, '$[{element.position}]')"


def batch(columns: Mapping[str, TypeEngine[Any]], name: str = "rows") -> Select[Any]:
    """Select the rows of the batch bound to the parameter `name`; `columns` maps column names to types, in order."""
    arrays = _unpacked(bindparam(name, type_=BatchRows())).table_valued("value", name="batch")
    items = (_Item(arrays.c.value, position, type_) for position, type_ in enumerate(columns.values()))
    return select(*(item.label(column) for column, item in zip(columns, items, strict=True))).select_from(arrays)


def columns_of(model: type[DeclarativeBase], *names: str) -> dict[str, TypeEngine[Any]]:
    """Return the types of the named columns of a table, by name."""
    table = table_of(model)
    return {name: table.c[name].type for name in names}


def insert_batch(model: type[DeclarativeBase], *names: str) -> Insert:
    """Return an insert of a batch whose values are in the order of `names`; callers add an ``on_conflict_…`` clause.

    The construct is PostgreSQL's and compiles on SQLite too, which has the same syntax.
    """
    # Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
    rows = batch(columns_of(model, *names)).where(true())
    return insert(table_of(model)).from_select(list(names), rows, include_defaults=False)


def upsert_batch(model: type[DeclarativeBase], *names: str, key: Sequence[str], keep: Sequence[str] = ()) -> Insert:
    """Return an insert of a batch.

    A row with an existing `key` overwrites the stored row, except its columns in `keep`.
    """
    statement = insert_batch(model, *names)
    overwritten = {name: statement.excluded[name] for name in names if name not in key and name not in keep}
    return statement.on_conflict_do_update(index_elements=list(key), set_=overwritten)


def delete_batch(model: type[DeclarativeBase], *names: str) -> Delete:
    """Return a deletion of the rows that have, in the columns `names`, the values of a row of the batch."""
    table, rows = table_of(model), batch(columns_of(model, *names)).subquery("rows")
    return delete(table).where(tuple_(*(table.c[name] for name in names)).in_(select(*rows.c)))


def table_of(model: type[DeclarativeBase]) -> Table:
    """Return the table of a model, typed as `Table`."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 (no model is mapped to anything else)
    return table
