"""Answers that are the same for all anonymous callers. No other answer may be cached by proxies.

Three conditions must hold. The request has neither token nor session. Each selected field is shared
(`resolvers.common.field_costs`): a field with a resolver declares this, and an attribute is always shared. The answer
is complete: it has no error, and every store was available. Proxies may cache the answer to a GET.
"""

from typing import Any

from graphql import (
    BREAK,
    FieldNode,
    GraphQLField,
    GraphQLSchema,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    VisitorAction,
    visit,
)
from orjson import Fragment
from starlette.requests import Request
from starlette.responses import Response

from gateway.assets import has_tag
from gateway.documents.document import Document
from gateway.graphql_http.request_parsing import READ_METHODS
from gateway.graphql_http.responses import GraphQLResponse
from gateway.graphql_http.shared_answers import SharedAnswer
from resolvers.common.compat import field_definition
from resolvers.common.field_costs import SHARED

VARY = "Accept, Authorization, X-Session-Id"
"""Headers by which caches distinguish answers (`Vary`). A caller who sends one of the last two gets a personal
answer."""


class PublicCaching:
    """Decides which answers may be cached. A cache may serve them for `max_age_s` seconds without revalidation."""

    def __init__(self, schema: GraphQLSchema, max_age_s: int = 0) -> None:
        self._schema = schema
        self._control = f"public, max-age={max_age_s}" if max_age_s else "public, no-cache"

    def is_shared(self, request: Request, document: Document) -> bool:
        """Return whether all anonymous callers get the same answer to a valid document.

        The check takes a millisecond, so a new document in a POST counts as not shared.
        """
        if document.is_shared is None and (request.method in READ_METHODS or document.is_cached):
            document.is_shared = _is_shared(self._schema, document)
        return bool(document.is_shared)

    def response(self, answer: SharedAnswer, data: bytes, media: str, request: Request) -> Response:
        """Return the response to a GET that caches may keep; a client that has it gets 304 without a body."""
        headers = {"Cache-Control": self._control, "ETag": answer.tag, "Vary": VARY}
        if has_tag(request, answer.tag):
            return Response(status_code=304, headers=headers)
        return GraphQLResponse({"data": Fragment(data)}, media, headers=headers)


def _is_shared(schema: GraphQLSchema, document: Document) -> bool:
    if any(operation.operation is not OperationType.QUERY for operation in document.operations):
        return False
    types = TypeInfo(schema)
    fields = _SharedFields(types)
    visit(document.node, TypeInfoVisitor(types, fields))
    return fields.all_shared


class _SharedFields(Visitor):
    """Checks each field of a document, in all its operations and fragments."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.all_shared = True

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        if node.name.value == "__typename" or _is_shared_field(self._types.get_field_def()):
            return None
        self.all_shared = False
        return BREAK


def _is_shared_field(field: GraphQLField | None) -> bool:
    """Return whether a field is declared as shared. Fields of introspection are not."""
    definition = None if field is None else field_definition(field)
    return definition is not None and (definition.base_resolver is None or bool(definition.metadata.get(SHARED)))
