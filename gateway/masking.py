"""Errors as clients see them: an error of the client in full, an internal error as a request id.

Messages of graphql-core show values as Python writes them (`True`, `None`, `{'a': 1}`). Clients get them as JSON.
"""

import ast
import re
from typing import Any

import orjson
import structlog
from graphql import ExecutionResult, GraphQLError

from db.errors import InvalidRecord, StoreBusy, StoreUnavailable, UnknownReference, WritesRefused
from gateway.repeated_lines import RepeatedLines

log = structlog.get_logger(__name__)
_lines = RepeatedLines()

INTERNAL = "Internal error. The gateway's log has the details under this request id."

PARSING, VALIDATING, INPUT = "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"
"""Codes of errors that graphql-core finds while parsing, while validating, and in values."""

OVERLOADED, OVERLOADED_MESSAGE = "OVERLOADED", "The gateway is overloaded. Try again in a moment."

MAX_MESSAGE = 600
"""Characters of a message to a client."""

MAX_QUOTE = 100
"""Characters of a client's value that a message repeats."""

_INPUT = re.compile(r"(Variable '\$\w+'|Argument '[\w.(:)]+'|Expected value of type '\w+')")
_QUOTED = re.compile(r"(?P<before>.*?)(?P<link>, found: | Found: |(?<!invalid) value: )(?P<value>.*?)\.?", re.DOTALL)
_ENCOUNTERED_ERROR = re.compile(r", but encountered error .*", re.DOTALL)
_OUTPUT = re.compile(r"(Int|Float|String|Boolean|ID|Enum '\w+') cannot represent ")


def result_payload(result: ExecutionResult, request_id: str) -> dict[str, Any]:
    """Return `data`, and `errors` if there are any, for the client of an executed operation."""
    if not result.errors:
        return {"data": result.data}
    return {"data": result.data, "errors": [error_for_client(error, request_id) for error in result.errors]}


def error_for_client(error: GraphQLError, request_id: str, default_code: str = INPUT) -> dict[str, Any]:
    """Return the entry of `errors` for an error of graphql-core, and log the error if it is internal.

    The entry always has `extensions.code`: `default_code` for a client's error that has no code of its own.
    """
    cause = _root_cause(error)
    match cause:
        case GraphQLError() if not _is_bad_output(error):
            return _entry(error, _message(error), {"code": default_code, **(error.extensions or {})})
        case InvalidRecord():
            code = "NOT_FOUND" if isinstance(cause, UnknownReference) else "BAD_USER_INPUT"
            return _entry(error, cause.message, {"code": code, **({"input": list(cause.path)} if cause.path else {})})
        case StoreBusy():
            _log_unavailable(cause)
            return _entry(error, OVERLOADED_MESSAGE, {"code": OVERLOADED})
        case StoreUnavailable():
            _log_unavailable(cause)
            state = "refuses this for now" if isinstance(cause, WritesRefused) else "cannot be reached"
            message = f"The {cause.store.value} of the gateway {state}. Try again in a moment."
            return _entry(error, message, {"code": "STORE_UNAVAILABLE", "store": cause.store.name})
        case _ if error.path is None and _INPUT.match(error.message):
            # A scalar's parser raised a Python error: report where the value stands, not the Python error.
            return _entry(error, plain_message(error.message), {"code": default_code})
        case _:
            log.error("request failed", path=error.path, exc_info=cause)
            return _entry(error, INTERNAL, {"code": "INTERNAL", "requestId": request_id})


def _log_unavailable(error: StoreUnavailable) -> None:
    left_out = _lines.left_out(f"{error.store} {type(error).__name__}")
    if left_out is not None:
        log.warning("store unavailable", store=error.store.value, reason=error.reason, lines_left_out=left_out)


def _root_cause(error: GraphQLError) -> BaseException:
    """Return the first error of a chain of wrapped errors."""
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _entry(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    return {**error.formatted, "message": _shorten(message), "extensions": extensions}


def _shorten(message: str) -> str:
    """Shorten a message, which may quote a name of 60,000 letters."""
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} …"


def _is_bad_output(error: GraphQLError) -> bool:
    """Return whether graphql-core could not serialize a resolver's value.

    It reports this internal error like a client's error.
    """
    is_unnamed = error.path is not None and not (error.extensions or {}).get("code")
    return is_unnamed and _OUTPUT.match(error.message) is not None


def _message(error: GraphQLError) -> str:
    """Return a message of the gateway unchanged, and a message of graphql-core in plain words."""
    return error.message if (error.extensions or {}).get("code") else plain_message(error.message)


def plain_message(message: str) -> str:
    """Return a message of graphql-core about an input as a sentence without Python's notation."""
    message = _ENCOUNTERED_ERROR.sub(".", message).replace(" not to be None", " not to be null")
    # Messages that do not begin with a variable quote values as GraphQL writes them.
    quoted = _QUOTED.fullmatch(message) if message.startswith("Variable '$") else None
    if quoted is None:
        return message if message.endswith((".", "?", "!")) else f"{message}."
    value = _as_json(quoted["value"])
    end = "." if quoted["link"] != " Found: " else ""
    return f"{quoted['before']}{quoted['link']}{value}." if value else f"{quoted['before']}{end}"


def _as_json(quote: str) -> str | None:
    """Return the value as JSON, or None if graphql-core has truncated it, or it is long."""
    try:
        value = orjson.dumps(ast.literal_eval(quote)).decode()
    except (ValueError, SyntaxError, TypeError):  # TypeError: an integer of more than 64 bits
        return None
    return value if len(value) <= MAX_QUOTE else None
