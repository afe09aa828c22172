"""Removal of stored values and parameters from errors of the database drivers.

PostgreSQL quotes rows in ``DETAIL``, and values in messages of data exceptions (class 22). asyncpg quotes arguments
that it cannot encode. Error types and names of constraints, tables and columns are kept.
"""

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

_DRIVER_MODULES = ("asyncpg", "sqlalchemy", "sqlite3")
_MESSAGE_WITHOUT_VALUE = "a value does not fit its type"


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
