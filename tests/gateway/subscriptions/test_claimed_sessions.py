"""The session id of a claimed session, over real HTTP and WebSockets: for how long it stands for the account."""

import httpx
import pytest

from gateway.callers.session_ids import HEADER
from tests.gateway.subscriptions.conftest import WAIT_AT_MOST_S, Running, Serve

LIKE = 'mutation { likeProject(key: "p0001") { viewer { kind key version } } }'
CLAIM = "mutation { claimSession { status } }"
REVOKE = "mutation { revokeSessions { revoked userErrors { code } } }"
VIEWER = "{ viewer { kind key version } }"


async def ask(gateway: Running, query: str, headers: dict[str, str]) -> tuple[dict, str | None]:
    """Give the data of the one field, and the session id that the answer carries."""
    async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
        answer = await client.post(gateway.url, json={"query": query}, headers=headers)
    (found,) = answer.json()["data"].values()
    return found, answer.headers.get(HEADER)


async def guest(gateway: Running) -> dict[str, str]:
    _, session = await ask(gateway, LIKE, {})
    assert session is not None
    return {HEADER: session}


@pytest.mark.parametrize("hours", [0, 1])
async def test_a_claimed_id_stands_for_the_account_for_as_long_as_the_setting_says(serve: Serve, hours: int) -> None:
    async with serve(claimed_session_hours=hours) as gateway:
        session = await guest(gateway)
        assert (await ask(gateway, CLAIM, {**session, **gateway.bearer("ada")}))[0] == {"status": "CLAIMED"}
        found, new = await ask(gateway, VIEWER, session)
        if hours:
            assert (found["kind"], new) == ("USER", None)
        else:
            assert (found["kind"], found["version"]) == ("SESSION", 0)
            assert new not in (None, session[HEADER])


async def test_an_id_that_was_revoked_goes_on_as_a_new_session_that_does_things_of_its_own(serve: Serve) -> None:
    async with serve() as gateway:
        ada, session, other = gateway.bearer("ada"), await guest(gateway), await guest(gateway)
        for one in (session, other):
            await ask(gateway, CLAIM, {**one, **ada})
        version = (await ask(gateway, VIEWER, ada))[0]["version"]
        assert (await ask(gateway, REVOKE, session))[0] == {"revoked": 1, "userErrors": []}  # only itself
        assert (await ask(gateway, VIEWER, other))[0]["kind"] == "USER"
        liked, new = await ask(gateway, LIKE, session)
        assert (liked["viewer"]["kind"], liked["viewer"]["version"]) == ("SESSION", 1)
        assert new not in (None, session[HEADER])
        assert (await ask(gateway, VIEWER, {HEADER: new or ""}))[0]["version"] == 1
        assert (await ask(gateway, VIEWER, ada))[0]["version"] == version
        assert (await ask(gateway, REVOKE, ada))[0] == {"revoked": 1, "userErrors": []}
        assert (await ask(gateway, VIEWER, other))[0]["kind"] == "SESSION"
        # Claiming it again carries over what there is, and gives it no second life.
        assert (await ask(gateway, CLAIM, {**session, **ada}))[0] == {"status": "ALREADY"}
        assert (await ask(gateway, VIEWER, session))[0]["kind"] == "SESSION"
        assert (await ask(gateway, REVOKE, {HEADER: new or ""}))[0]["revoked"] == 0


async def test_a_socket_of_a_revoked_id_hears_nothing_more_of_the_account(serve: Serve) -> None:
    async with serve() as gateway:
        session = await guest(gateway)
        await ask(gateway, CLAIM, {**session, **gateway.bearer("ada")})
        async with gateway.socket(session) as talk:
            await talk.subscribe()
            await ask(gateway, REVOKE, gateway.bearer("ada"))
            assert (await talk.told())["version"] == 0  # the id stands for nobody now
            await gateway.like("ada", "p0003")
            await talk.subscribe("2", since=7)  # told at once, after a look at the database
            assert (await talk.told("2"))["version"] == 0
