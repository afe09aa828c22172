"""Private parts of uvicorn, websockets and Strawberry that the gateway uses.

`resolvers.common.compat` has the other private parts of Strawberry, and the private parts of graphql-core.
`tests/gateway/test_compat.py` fails with a sentence for each part that a new version has changed.
"""

import strawberry
from graphql import GraphQLSchema
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = [
    "HttpToolsProtocol",
    "MaybeNullValidationRule",
    "OneOfInputValidationRule",
    "RequestResponseCycle",
    "WebSocketsSansIOProtocol",
    "graphql_schema",
    "optimized_is_awaitable",
]

TESTED = {"uvicorn": (0, 54), "websockets": (17,), "strawberry-graphql": (0, 341)}
"""Versions for which the gateway is tested, as the beginning of the version number."""

USED_ATTRIBUTES: dict[type, str] = {
    HttpToolsProtocol: "_should_upgrade _start_asgi_task _unset_keepalive_if_required handle_websocket_upgrade "
    "on_response_complete on_message_begin on_header on_headers_complete on_body on_message_complete parser access_log "
    "timeout_keep_alive loop client app flow pipeline cycle transport server_state scope url headers logger "
    "access_logger expect_100_continue",
    RequestResponseCycle: "response_started response_complete keep_alive transport waiting_for_100_continue "
    "disconnected message_event",
    WebSocketsSansIOProtocol: "writable transport read_paused conn handshake_initiated",
    strawberry.Schema: "_schema execution_context_class",
}
"""Attributes of each class that the gateway uses."""


def graphql_schema(graph: strawberry.Schema) -> GraphQLSchema:
    """Return the graphql-core schema behind a Strawberry schema."""
    return graph._schema
