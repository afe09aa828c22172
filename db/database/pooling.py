"""Connections to PostgreSQL, directly or through a pooler such as PgBouncer.

In PgBouncer's transaction mode, each transaction of a client may run on another connection of the server. A statement
that was prepared before the transaction is then missing, or its name is that of another client's statement.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.engine import URL

from db.errors import InvalidRecord, Store, StoreMisconfigured

PARAMETER = "pgbouncer"
"""Parameter of DATABASE_URL: `true` if the URL leads to a pooler, else `false`, the default."""

_VALUES = {"true": True, "false": False}


def split_pooling(url: URL) -> tuple[URL, bool]:
    """Return the URL without `PARAMETER`, and whether it leads to a pooler. Raises `InvalidRecord`."""
    value = url.query.get(PARAMETER, "false")
    if value not in _VALUES:
        raise InvalidRecord(f"the parameter {PARAMETER} of DATABASE_URL is {value!r}; write true or false")
    return url.difference_update_query([PARAMETER]), _VALUES[str(value)]


def statement_options(*, is_pooled: bool) -> Mapping[str, Any]:
    """Return the arguments for SQLAlchemy's connections that concern prepared statements.

    Through a pooler, prepared statements have no name: each is prepared again before it is used, in its transaction.
    """
    if not is_pooled:
        return {}
    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: "",
    }


async def refuse_pooler(connection: "asyncpg.Connection[Any]") -> "asyncpg.Connection[Any]":
    """Return a connection to a server. Raises `StoreMisconfigured` if it leads to a pooler instead."""
    # A pooler gives its clients process ids of its own. A statement without parameters is not prepared.
    is_own_id = f"SELECT 1 WHERE pg_backend_pid() = {int(connection.get_server_pid())}"
    try:
        is_direct = await connection.execute(is_own_id) == "SELECT 1"
    except BaseException:
        connection.terminate()
        raise
    if not is_direct:
        await connection.close()
        raise StoreMisconfigured(
            Store.DATABASE,
            "DATABASE_URL leads to a connection pooler such as PgBouncer. Append ?pgbouncer=true to it "
            "(&pgbouncer=true after other parameters), or give the address of PostgreSQL itself",
        )
    return connection
