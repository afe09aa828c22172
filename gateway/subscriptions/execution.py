"""Execution of a subscription, and the format of its results."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLError, create_source_event_stream, map_source_to_response_event
from starlette.requests import HTTPConnection

from gateway.admission import Prepared
from gateway.callers.authentication import Authentication
from gateway.documents.document import DocumentRefused
from gateway.masking import INPUT, error_for_client, result_payload

ResponsePayload = Mapping[str, Any]
"""A GraphQL response: `data`, and `errors` if there are any."""


async def begin_subscription(
    connection: HTTPConnection, authentication: Authentication, prepared: Prepared
) -> AsyncGenerator[ResponsePayload, None]:
    """Start an admitted subscription. Raises `DocumentRefused` if its variables are wrong."""
    if isinstance(prepared, list):
        raise DocumentRefused(prepared, INPUT)
    prepared.context_value = connection.app.state.runtime.open_context(caller=authentication.caller)
    source = create_source_event_stream(prepared)
    events = await source if isawaitable(source) else source
    if isinstance(events, ExecutionResult):
        raise DocumentRefused(events.errors or [], INPUT)
    return _payloads(map_source_to_response_event(prepared, events), connection.state.request_id)


async def _payloads(results: Any, request_id: str) -> AsyncGenerator[ResponsePayload, None]:
    try:
        async with aclosing(results):
            async for result in results:
                yield result_payload(result, request_id)
    except Exception as error:  # every error is logged here once, and the client gets the request id
        fault = error if isinstance(error, GraphQLError) else GraphQLError("", path=[], original_error=error)
        yield {"data": None, "errors": [error_for_client(fault, request_id)]}
