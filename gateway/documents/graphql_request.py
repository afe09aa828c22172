"""The parameters of a GraphQL request, from a JSON body, a URL or a WebSocket message."""

from dataclasses import dataclass
from typing import Any

from gateway.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """Parameters of a GraphQL request whose document has not been parsed."""

    # The document's text, or None if it is named by `document_id` or by the extension `persistedQuery`.
    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None  # JSON objects whose content has not been checked
    extensions: dict[str, Any] | None = None
    document_id: str | None = None  # the id of a trusted or registered document
    allows_mutation: bool = True  # whether the request may run a mutation, because it is a POST


def parse_graphql_request(data: Any, *, allows_mutation: bool) -> GraphQLRequest:
    """Read the parameters from JSON. Raises `RequestRefused` (400) for another shape."""
    if isinstance(data, list):
        raise bad_request("The body is a JSON array. Batches are not supported: send one object.")
    if not isinstance(data, dict):
        raise bad_request('The body must be a JSON object with a query, as in {"query": "{ __typename }"}.')
    for field in ("query", "operationName", "documentId"):
        if not isinstance(data.get(field), str | None):
            raise bad_request(f"The {field} must be a string or null.")
    for field in ("variables", "extensions"):
        if not isinstance(data.get(field), dict | None):
            raise bad_request(f"The {field} must be a JSON object or null.")
    return GraphQLRequest(
        query=data["query"] if (data.get("query") or "").strip() else None,
        operation_name=data.get("operationName") or None,
        variables=data.get("variables"),
        extensions=data.get("extensions"),
        document_id=data.get("documentId") or None,
        allows_mutation=allows_mutation,
    )


def bad_request(message: str) -> RequestRefused:
    """Return the refusal of a malformed request."""
    return RequestRefused(400, "BAD_REQUEST", message)
