"""The JSON that the edge itself answers with, shaped like GraphQL's so that clients need one way to read errors."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """A JSON body, never cached: answers depend on who asks and on the second they were asked."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", **headers})

    def render(self, content: Any) -> bytes:
        """Encode the body."""
        return orjson.dumps(content)


def error_response(
    status: int, code: str, message: str, *, headers: Mapping[str, str] = MappingProxyType({}), **extensions: Any
) -> JsonResponse:
    """Give an answer that holds one error and nothing else."""
    return JsonResponse({"errors": [error_entry(code, message, **extensions)]}, status, headers)


def error_entry(code: str, message: str, **extensions: Any) -> dict[str, Any]:
    """Give the entry of `errors` for a fault that no field of the graph has."""
    return {"message": message, "extensions": {"code": code, **extensions}}


def not_found() -> JsonResponse:
    """Give the answer for an address where nothing is."""
    message = "There is nothing at this address. GraphQL is at /graphql."
    return error_response(404, "NOT_FOUND", message, headers={"Vary": "Accept"})
