"""Begins a subscription, and gives what there is to tell as it goes over the wire."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import ExecutionResult, GraphQLError, subscribe
from starlette.requests import HTTPConnection

from gateway.callers.visitors import Visitor
from gateway.documents.document import Document, DocumentRefused
from gateway.graphql_http.request import GraphQLRequest
from gateway.masking import INPUT, visible
from resolvers.foundations.context import Asker

Told = Mapping[str, Any]
"""A GraphQL response: `data`, and `errors` if there are any."""


class Subscriptions:
    """Begins subscriptions.

    Parameters
    ----------
    graph
        The schema.
    open_context
        Makes the context of one operation for one asker.
    """

    def __init__(self, graph: strawberry.Schema, open_context: Callable[[HTTPConnection, Asker], Any]) -> None:
        self._graph = graph
        self._open_context = open_context

    async def begin(
        self, connection: HTTPConnection, visitor: Visitor, document: Document, asked: GraphQLRequest
    ) -> AsyncGenerator[Told, None]:
        """Begin a subscription that was let in. Raises `DocumentRefused` if its variables do not fit."""
        begun = subscribe(
            self._graph._schema,
            document.node,
            context_value=self._open_context(connection, visitor.asker),
            variable_values=asked.variables,
            operation_name=asked.operation_name,
        )
        results = await begun if isawaitable(begun) else begun
        if isinstance(results, ExecutionResult):
            raise DocumentRefused(results.errors or [], INPUT)
        return _told(results, connection.state.request_id)


async def _told(results: Any, request_id: str) -> AsyncGenerator[Told, None]:
    try:
        async with aclosing(results):
            async for result in results:
                yield _response(result, request_id)
    except Exception as error:  # the edge of the graph: the fault is logged there, once, and a client sees an id
        fault = error if isinstance(error, GraphQLError) else GraphQLError("", path=[], original_error=error)
        yield {"data": None, "errors": [visible(fault, request_id)]}


def _response(result: ExecutionResult, request_id: str) -> Told:
    if not result.errors:
        return {"data": result.data}
    return {"data": result.data, "errors": [visible(error, request_id) for error in result.errors]}
