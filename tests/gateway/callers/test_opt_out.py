"""The header `Sec-GPC` is read where a caller is recognized, on every way in."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from gateway.callers.authentication import Authenticator
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.callers.session_ids import SessionIds
from gateway.callers.token_authority import TokenAuthority
from tests.gateway.conftest import SECRET

SESSIONS = SessionIds(SECRET.encode())


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(("value", "opted_out"), [("1", True), ("0", False), ("", False), (None, False)])
async def test_an_opt_out_belongs_to_the_caller_however_it_is_known(
    authority: TokenAuthority, kind: str, value: str | None, opted_out: bool
) -> None:
    visitors = Authenticator(authority, SESSIONS)
    session = (SESSION_HEADER.lower().encode(), SESSIONS.issue()[1].encode())
    token = (b"authorization", f"Bearer {authority.issue('ada')}".encode())
    for known in ([token], [session], [token, session], []):
        headers = [*known, *([] if value is None else [(b"sec-gpc", value.encode())])]
        scope: dict[str, Any] = {"type": kind, "headers": headers, "client": ("192.0.2.1", 5000)}
        authentication = await visitors.authenticate(HTTPConnection(scope))
        assert authentication.caller.opted_out is opted_out


async def test_an_answer_that_is_made_for_everybody_is_not_counted_as_shown_to_one_who_opted_out(client: Any) -> None:
    ask = {"params": {"query": "{ whose }"}, "headers": {"X-Explore-Request": "1"}}
    assert "opted_out=False" in (await client.get("/graphql", **ask)).json()["data"]["whose"]
    ask["headers"]["Sec-GPC"] = "1"
    assert "opted_out=True" in (await client.get("/graphql", **ask)).json()["data"]["whose"]
