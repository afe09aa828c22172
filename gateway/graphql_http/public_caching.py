"""Answers that are the same for everybody whom nobody knows: those alone may lie in a cache between us and the client.

Three things must hold. The request is a GET of somebody without token and session. Each field that the document asks
for is shared (`resolvers.common.field_costs`): a field with a resolver says so itself, an attribute is as shared as
the field above it. And the answer is whole: an error, or a store that was away, is of this moment only.
"""

from hashlib import blake2b
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
from starlette.requests import Request
from starlette.responses import Response

from gateway.documents.document import Document
from gateway.graphql_http.request_parsing import READING
from resolvers.common.field_costs import SHARED

DEPENDS_ON = "Accept, Authorization, X-Session-Id"
"""The headers by which caches tell answers apart: who sends one of the last two gets an answer of their own."""

DIGEST_BYTES = 12


class PublicCaching:
    """Says which answers may be kept, and for how long.

    Parameters
    ----------
    schema
        The graph, whose fields say whether they are shared.
    fresh_s
        Seconds for which a cache may serve an answer without asking.
    """

    def __init__(self, schema: GraphQLSchema, fresh_s: int = 0) -> None:
        self._schema = schema
        self._control = f"public, max-age={fresh_s}" if fresh_s else "public, no-cache"

    def is_shared(self, request: Request, document: Document) -> bool:
        """Tell whether a valid document, asked for by somebody unknown, may be answered for all of them at once."""
        if request.method not in READING:
            return False
        if document.is_shared is None:
            document.is_shared = _is_shared(self._schema, document)
        return document.is_shared

    def mark(self, response: Response, request: Request) -> Response:
        """Let caches keep an answer; who has it already gets 304 and no body."""
        tag = f'W/"{blake2b(response.body, digest_size=DIGEST_BYTES).hexdigest()}"'
        response.headers.update({"Cache-Control": self._control, "ETag": tag, "Vary": DEPENDS_ON})
        if not _has_it(request, tag):
            return response
        kept = {name: response.headers[name] for name in ("Cache-Control", "ETag", "Vary")}
        return Response(status_code=304, headers=kept)


def _has_it(request: Request, tag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or tag.removeprefix("W/") in (
        part.strip().removeprefix("W/") for part in known.split(",")
    )


def _is_shared(schema: GraphQLSchema, document: Document) -> bool:
    if any(operation.operation is not OperationType.QUERY for operation in document.operations):
        return False
    types = TypeInfo(schema)
    asked = _Shared(types)
    visit(document.node, TypeInfoVisitor(types, asked))
    return asked.all_shared


class _Shared(Visitor):
    """Looks at each field of a document, of all its operations and fragments."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.all_shared = True

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        if node.name.value == "__typename" or _may_be_shared(self._types.get_field_def()):
            return None
        self.all_shared = False
        return BREAK


def _may_be_shared(field: GraphQLField | None) -> bool:
    """Tell what a field says of itself; one of introspection says nothing, and is not."""
    definition = None if field is None else field.extensions.get("strawberry-definition")
    if definition is None:
        return False
    return definition.base_resolver is None or bool(definition.metadata.get(SHARED))
