"""Answers that are the same for all anonymous callers.

Three conditions must hold. The request has neither token nor session. Each selected field is shared
(`resolvers.common.field_costs`): a field with a resolver declares this, and an attribute is always shared. The answer
is complete: it has no error, and every store was available. Proxies may cache the answer to a GET if each field is
public; an answer with marks of the viewer is kept by the gateway only.
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
from resolvers.common.field_costs import SHARING, Sharing

VARY = "Accept, Authorization, X-Session-Id"
"""Headers by which caches distinguish answers (`Vary`). A caller who sends one of the last two gets a personal
answer."""


class PublicCaching:
    """Decides which answers may be cached. A cache may serve them for `max_age_s` seconds without revalidation."""

    def __init__(self, schema: GraphQLSchema, max_age_s: int = 0) -> None:
        self._schema = schema
        self._control = f"public, max-age={max_age_s}" if max_age_s else "public, no-cache"

    def sharing(self, request: Request, document: Document) -> Sharing:
        """Return the callers who get the same answer to a valid document.

        The check takes a millisecond, so a new document in a POST counts as not shared.
        """
        if document.sharing is None and (request.method in READ_METHODS or document.is_cached):
            document.sharing = _sharing(self._schema, document)
        return document.sharing or Sharing.NONE

    def response(self, answer: SharedAnswer, data: bytes, media: str, request: Request) -> Response:
        """Return the response to a GET that caches may keep; a client that has it gets 304 without a body."""
        headers = {"Cache-Control": self._control, "ETag": answer.tag, "Vary": VARY}
        if has_tag(request, answer.tag):
            return Response(status_code=304, headers=headers)
        return GraphQLResponse({"data": Fragment(data)}, media, headers=headers)


def _sharing(schema: GraphQLSchema, document: Document) -> Sharing:
    if any(operation.operation is not OperationType.QUERY for operation in document.operations):
        return Sharing.NONE
    types = TypeInfo(schema)
    fields = _SharedFields(types)
    visit(document.node, TypeInfoVisitor(types, fields))
    return fields.sharing


class _SharedFields(Visitor):
    """Finds the least sharing of the fields of a document, in all its operations and fragments."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.sharing = Sharing.PUBLIC

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        if node.name.value != "__typename":
            self.sharing = min(self.sharing, _sharing_of_field(self._types.get_field_def()))
        return None if self.sharing else BREAK


def _sharing_of_field(field: GraphQLField | None) -> Sharing:
    """Return the declared sharing of a field: public for an attribute, and none for a field of introspection."""
    definition = None if field is None else field_definition(field)
    if definition is None:
        return Sharing.NONE
    default = Sharing.PUBLIC if definition.base_resolver is None else Sharing.NONE
    sharing: Sharing = definition.metadata.get(SHARING, default)
    return sharing
