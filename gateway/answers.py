"""The JSON that the edge itself answers with, shaped like GraphQL's so that clients need one way to read errors."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from starlette.responses import Response

from gateway.errors import RequestRefused


class JsonAnswer(Response):
    """A JSON body, never cached: answers depend on who asks and on the second they were asked."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", **headers})

    def render(self, content: Any) -> bytes:
        """Encode the body."""
        return orjson.dumps(content)


def error_answer(
    status: int, code: str, message: str, *, headers: Mapping[str, str] = MappingProxyType({}), **extensions: Any
) -> JsonAnswer:
    """Give an answer that holds one error and nothing else."""
    body = {"errors": [{"message": message, "extensions": {"code": code, **extensions}}]}
    return JsonAnswer(body, status, headers)


def refusal(refused: RequestRefused) -> JsonAnswer:
    """Give the answer to a request that was refused."""
    return error_answer(refused.status, refused.code, refused.message, headers=refused.headers, **refused.extensions)
