"""HTTP responses of GraphQL results and errors."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from starlette.responses import Response

from gateway.errors import RequestRefused
from gateway.graphql_http.media_types import GRAPHQL
from gateway.json_responses import error_entry
from gateway.masking import INPUT, error_for_client, result_payload

NO_EXTENSIONS: Mapping[str, Any] = MappingProxyType({})


class GraphQLResponse(Response):
    """A GraphQL response in one of the media types, not cached by default: it depends on the caller and the time."""

    def __init__(
        self, content: Mapping[str, Any], media: str, status: int = 200, headers: Mapping[str, str] = NO_EXTENSIONS
    ) -> None:
        super().__init__(
            orjson.dumps(content),
            status,
            {"Cache-Control": "no-store", "Vary": "Accept", **headers},
            media_type=f"{media}; charset=utf-8" if media == GRAPHQL else media,
        )


def result_response(
    result: ExecutionResult, media: str, request_id: str, extensions: Mapping[str, Any] = NO_EXTENSIONS
) -> GraphQLResponse:
    """Return the response of an executed operation.

    An error in the variables, found before a field is executed, is a request error: the response has no `data`.
    """
    if result.data is None and result.errors and all(error.path is None for error in result.errors):
        return request_error_response(result.errors, media, request_id, extensions=extensions)
    content = result_payload(result, request_id)
    return GraphQLResponse({**content, "extensions": dict(extensions)} if extensions else content, media)


def request_error_response(
    errors: Sequence[GraphQLError],
    media: str,
    request_id: str,
    default_code: str = INPUT,
    extensions: Mapping[str, Any] = NO_EXTENSIONS,
) -> GraphQLResponse:
    """Return the response of an operation that did not run, without `data`: with 400 for `GRAPHQL`, else 200."""
    content: dict[str, Any] = {"errors": [error_for_client(error, request_id, default_code) for error in errors]}
    if extensions:
        content["extensions"] = dict(extensions)
    return GraphQLResponse(content, media, 400 if media == GRAPHQL else 200)


def refusal_response(refusal: RequestRefused, media: str) -> GraphQLResponse:
    """Return the response of a refused request."""
    content = {"errors": [error_entry(refusal.code, refusal.message, **refusal.extensions)]}
    return GraphQLResponse(content, media, refusal.status, refusal.headers)
