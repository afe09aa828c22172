"""Errors of the database drivers: which make the database unavailable, and removal of stored values from all of them.

PostgreSQL quotes rows in ``DETAIL``, and values in messages of data exceptions (class 22). asyncpg quotes arguments
that it cannot encode. Error types and names of constraints, tables and columns are kept.
"""

import re
from enum import Enum
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from db.errors import Store, StoreBusy, StoreMisconfigured, StoreUnavailable, WritesRefused

_DRIVER_MODULES = ("asyncpg", "sqlalchemy", "sqlite3")
_MESSAGE_WITHOUT_VALUE = "a value does not fit its type"


class Fault(Enum):
    """Reason why a database cannot run a statement that is correct."""

    LOST = "the connection or the server has ended"
    READ_ONLY = "the server or the file accepts no writes; connections to it are discarded"
    CONFLICT = "another transaction held a lock, or the statement ran too long; a repetition may succeed"
    EXHAUSTED = "connections, memory or the disk are used up"
    DAMAGED = "the system or the files have an error"
    LOGIN = "check user and password in DATABASE_URL"
    NO_DATABASE = "create the database, or correct its name in DATABASE_URL"
    NO_TABLE = "run `explore migrate`, or correct DATABASE_URL"
    PRIVILEGE = "a privilege is missing"


FAULTS = {
    "08": Fault.LOST,
    "25006": Fault.READ_ONLY,  # read_only_sql_transaction
    "25P03": Fault.LOST,  # idle_in_transaction_session_timeout
    "25P04": Fault.LOST,  # transaction_timeout
    "28": Fault.LOGIN,
    "3D000": Fault.NO_DATABASE,
    "3F000": Fault.PRIVILEGE,  # invalid_schema_name: no schema of the search path can be used
    "40": Fault.CONFLICT,  # serialization_failure, deadlock_detected
    "42501": Fault.PRIVILEGE,
    "42P01": Fault.NO_TABLE,
    "53": Fault.EXHAUSTED,  # disk_full, out_of_memory, too_many_connections
    "55000": Fault.CONFLICT,  # object_not_in_prerequisite_state, as during recovery
    "55006": Fault.CONFLICT,  # object_in_use
    "55P03": Fault.CONFLICT,  # lock_not_available: lock_timeout
    "57014": Fault.CONFLICT,  # query_canceled: statement_timeout
    "57P": Fault.LOST,  # admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout
    "58": Fault.DAMAGED,  # io_error
    "XX001": Fault.DAMAGED,
    "XX002": Fault.DAMAGED,
    "SQLITE_BUSY": Fault.CONFLICT,
    "SQLITE_LOCKED": Fault.CONFLICT,
    "SQLITE_PROTOCOL": Fault.CONFLICT,
    "SQLITE_INTERRUPT": Fault.CONFLICT,
    "SQLITE_READONLY": Fault.READ_ONLY,
    "SQLITE_FULL": Fault.EXHAUSTED,
    "SQLITE_NOMEM": Fault.EXHAUSTED,
    "SQLITE_IOERR": Fault.DAMAGED,
    "SQLITE_CANTOPEN": Fault.DAMAGED,
    "SQLITE_PERM": Fault.DAMAGED,
    "SQLITE_CORRUPT": Fault.DAMAGED,
    "SQLITE_NOTADB": Fault.DAMAGED,
}
"""Faults by SQLSTATE or a prefix of it, and by SQLite's names of errors. Other errors are defects of the gateway."""

_ANSWERED = {Fault.READ_ONLY, Fault.CONFLICT, Fault.EXHAUSTED}
"""Faults that do not open the circuit, because the database answers other statements."""

_UNTIL_CORRECTED = {Fault.LOGIN, Fault.NO_DATABASE, Fault.NO_TABLE, Fault.PRIVILEGE}

_DENIED = re.compile(r'permission denied for (?P<kind>schema|table|sequence|database) "?(?P<name>[^"]+)')
_GRANTS = {
    "schema": "USAGE ON SCHEMA {name}",
    "table": "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public",
    "sequence": "USAGE ON ALL SEQUENCES IN SCHEMA public",
    "database": "CONNECT ON DATABASE {name}",
}


def fault_of(error: BaseException | None) -> Fault | None:
    """Return the fault that an error of a driver or of SQLAlchemy reports, or None for an error of another kind."""
    if isinstance(error, (OSError, PoolTimeout)):
        return Fault.LOST
    original = error.orig if isinstance(error, DBAPIError) else error
    code = str(getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None) or "")
    fault = next((fault for prefix, fault in FAULTS.items() if code.startswith(prefix)), None)
    if fault is None and code == "SQLITE_ERROR" and str(original).startswith("no such table"):
        return Fault.NO_TABLE
    if fault is None and isinstance(error, DBAPIError) and error.connection_invalidated:
        return Fault.LOST
    return fault


def translate(error: SQLAlchemyError | OSError, role: str) -> Exception:
    """Return `StoreUnavailable` (or a subclass) for a fault, and the error itself if it has another reason.

    The reason of a `StoreMisconfigured` says what to correct; `role` is the role that needs a missing privilege.
    """
    fault = fault_of(error)
    if fault is None:
        return error
    reason = _first_line((error.orig if isinstance(error, DBAPIError) else None) or error)
    if isinstance(error, PoolTimeout):
        return StoreBusy(Store.DATABASE, reason)
    if fault in _ANSWERED:
        return WritesRefused(Store.DATABASE, reason)
    if fault not in _UNTIL_CORRECTED:
        return StoreUnavailable(Store.DATABASE, reason)
    fix = _missing_grant(error, reason, role) if fault is Fault.PRIVILEGE else fault.value
    return StoreMisconfigured(Store.DATABASE, f"{reason}; {fix}")


def _missing_grant(error: Any, reason: str, role: str) -> str:
    """Return the statement that grants a missing privilege."""
    to = role if re.fullmatch(r"[a-z_][a-z0-9_]*", role) else '"{}"'.format(role.replace('"', '""'))
    if "no schema has been selected" in reason:
        return f"as a superuser or the owner: GRANT USAGE ON SCHEMA public TO {to};"
    denied = _DENIED.search(reason)
    if denied is None:  # "must be owner of table …", or a server that speaks another language
        return f"run this as the owner of the tables, or grant the privilege to {to} (docs/operations.md)"
    privilege = _GRANTS[denied["kind"]].format(name=denied["name"])
    statement = str(getattr(error, "statement", None) or "").lstrip().upper()
    if denied["kind"] == "schema" and statement.startswith(("CREATE", "ALTER")):
        privilege = f"CREATE, {privilege}"
    return f"as a superuser or the owner: GRANT {privilege} TO {to};"


def hide_values_in_errors(engine: Engine) -> None:
    """Remove stored values and parameters from every error that this engine raises."""

    @event.listens_for(engine, "handle_error")
    def _hide(context: ExceptionContext) -> None:
        quotes_value = False
        error: BaseException | None = context.original_exception
        while error is not None:
            quotes_value |= _hide_values(error)
            error = error.__cause__
        wrapped = context.sqlalchemy_exception
        if wrapped is not None and wrapped.args:
            wrapped.args = (_MESSAGE_WITHOUT_VALUE if quotes_value else _first_line(wrapped.args[0]), *wrapped.args[1:])


def _hide_values(error: BaseException) -> bool:
    """Remove values from an error; return whether its message quoted a value."""
    if not type(error).__module__.startswith(_DRIVER_MODULES) or not error.args:
        return False
    for name in ("detail", "hint", "context"):
        if isinstance(getattr(error, name, None), str):
            setattr(error, name, None)
    quotes_value = str(getattr(error, "sqlstate", None) or "").startswith("22") or "invalid input" in str(error.args[0])
    error.args = (_MESSAGE_WITHOUT_VALUE if quotes_value else _first_line(error.args[0]),)
    if quotes_value:
        error.__cause__ = error.__context__ = None  # the encoder's error quotes the value
    return quotes_value


def _first_line(message: object) -> str:
    return str(message).partition("\n")[0]
