"""JSON responses outside of the graph, shaped like GraphQL's so that clients parse errors in one way."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from starlette.responses import Response

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class JsonResponse(Response):
    """A JSON body that is never cached: it depends on the caller and the time."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> None:
        super().__init__(orjson.dumps(content), status_code, {"Cache-Control": "no-store", **headers})


def error_response(
    status: int, code: str, message: str, *, headers: Mapping[str, str] = NO_HEADERS, **extensions: Any
) -> JsonResponse:
    """Return a response with one error."""
    return JsonResponse({"errors": [error_entry(code, message, **extensions)]}, status, headers)


def error_entry(code: str, message: str, **extensions: Any) -> dict[str, Any]:
    """Return an entry of `errors` that belongs to no field of the graph."""
    return {"message": message, "extensions": {"code": code, **extensions}}


def not_found(graphql_path: str) -> JsonResponse:
    """Return the response for an unknown address."""
    message = f"There is nothing at this address. GraphQL is at {graphql_path}."
    return error_response(404, "NOT_FOUND", message, headers={"Vary": "Accept"})
