"""What a client gets to see of an error: its own faults in full, ours as a request id."""

import re
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from db.errors import InvalidRecord, StoreUnavailable, UnknownReference

log = structlog.get_logger(__name__)

INTERNAL = "The gateway failed on this one. The request id finds the fault in its log."

_INPUT = re.compile(r"(Variable '\$\w+'|Argument '\w+'|Expected value of type '\w+')")
_OUTPUT = re.compile(r"(Int|Float|String|Boolean|ID|Enum '\w+') cannot represent ")
_PYTHON = re.compile(r", but encountered error .*", re.DOTALL)


def visible(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """Give the entry of `errors` for one error, and log it once if the fault is ours.

    Returns
    -------
    The entry as GraphQL writes it, always with `extensions.code`.
    """
    cause = _root(error)
    match cause:
        case GraphQLError() if not _is_bad_output(error):
            return _entry(error, error.message, {"code": _code(error, cause), **(error.extensions or {})})
        case InvalidRecord():
            code = "NOT_FOUND" if isinstance(cause, UnknownReference) else "BAD_USER_INPUT"
            return _entry(error, cause.message, {"code": code, **({"input": list(cause.path)} if cause.path else {})})
        case StoreUnavailable():
            log.warning("store away", store=cause.store.value, reason=cause.reason, path=error.path)
            message = f"The {cause.store.value} of the gateway cannot be reached. Try again in a moment."
            return _entry(error, message, {"code": "STORE_UNAVAILABLE", "store": cause.store.name})
        case _ if error.path is None and _INPUT.match(error.message):
            # A scalar's parser raised something of Python's own: say where, not what.
            return _entry(error, _PYTHON.sub(".", error.message), {"code": "BAD_USER_INPUT"})
        case _:
            log.error("request failed", path=error.path, exc_info=cause)
            return _entry(error, INTERNAL, {"code": "INTERNAL", "requestId": request_id})


def _root(error: GraphQLError) -> BaseException:
    """Follow the chain of wrapped errors to its beginning."""
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _entry(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    return {**error.formatted, "message": message, "extensions": extensions}


def _is_bad_output(error: GraphQLError) -> bool:
    """Whether graphql-core could not write what a resolver of ours returned, which it reports like a client's fault."""
    is_unnamed = error.path is not None and not (error.extensions or {}).get("code")
    return is_unnamed and _OUTPUT.match(error.message) is not None


def _code(error: GraphQLError, cause: GraphQLError) -> str:
    if isinstance(cause, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    if error.path is not None or _INPUT.match(error.message):
        return "BAD_USER_INPUT"
    return "GRAPHQL_VALIDATION_FAILED"
