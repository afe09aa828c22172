"""What a client gets to see of an error: its own faults in full, ours as a request id."""

import re
from typing import Any

import structlog
from graphql import GraphQLError

from db.errors import InvalidRecord, StoreUnavailable, UnknownReference
from gateway.graphql_messages import plain_message

log = structlog.get_logger(__name__)

INTERNAL = "The gateway failed on this one. The request id finds the fault in its log."

PARSING, VALIDATING, INPUT = "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"
"""What a fault that graphql-core finds is called, by when it finds it."""

LONGEST_MESSAGE = 600
"""Characters of a message that a client gets to see."""

_INPUT = re.compile(r"(Variable '\$\w+'|Argument '[\w.(:)]+'|Expected value of type '\w+')")
_OUTPUT = re.compile(r"(Int|Float|String|Boolean|ID|Enum '\w+') cannot represent ")


def error_for_client(error: GraphQLError, request_id: str, found_while: str = INPUT) -> dict[str, Any]:
    """Give the entry of `errors` for one error, and log it once if the fault is ours.

    Parameters
    ----------
    error
        As graphql-core gives it.
    request_id
        What a client is told of a fault of ours.
    found_while
        What it is called if it is the client's and has no code of its own.

    Returns
    -------
    The entry as GraphQL writes it, always with `extensions.code`.
    """
    cause = _root(error)
    match cause:
        case GraphQLError() if not _is_bad_output(error):
            return _entry(error, _message(error), {"code": found_while, **(error.extensions or {})})
        case InvalidRecord():
            code = "NOT_FOUND" if isinstance(cause, UnknownReference) else "BAD_USER_INPUT"
            return _entry(error, cause.message, {"code": code, **({"input": list(cause.path)} if cause.path else {})})
        case StoreUnavailable():
            log.warning("store away", store=cause.store.value, reason=cause.reason, path=error.path)
            message = f"The {cause.store.value} of the gateway cannot be reached. Try again in a moment."
            return _entry(error, message, {"code": "STORE_UNAVAILABLE", "store": cause.store.name})
        case _ if error.path is None and _INPUT.match(error.message):
            # A scalar's parser raised something of Python's own: say where, not what.
            return _entry(error, plain_message(error.message), {"code": found_while})
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
    return {**error.formatted, "message": _shortened(message), "extensions": extensions}


def _shortened(message: str) -> str:
    """Keep a message from repeating the whole of what was sent: a name may have 60,000 letters."""
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …"


def _is_bad_output(error: GraphQLError) -> bool:
    """Whether graphql-core could not write what a resolver of ours returned, which it reports like a client's fault."""
    is_unnamed = error.path is not None and not (error.extensions or {}).get("code")
    return is_unnamed and _OUTPUT.match(error.message) is not None


def _message(error: GraphQLError) -> str:
    """Give a message of ours as it stands, and one of graphql-core's in plain words."""
    return error.message if (error.extensions or {}).get("code") else plain_message(error.message)
