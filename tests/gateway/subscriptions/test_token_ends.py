"""A token is accepted, and refused, at the same moment by requests, WebSockets and event streams."""

from datetime import UTC, datetime

import httpx

from tests.doubles.clock import ManualClock
from tests.gateway.callers.test_token_authority import signed
from tests.gateway.callers.test_token_rules import OLD
from tests.gateway.subscriptions.conftest import WAIT_AT_MOST_S, Running, Serve
from tests.gateway.subscriptions.test_event_streams import stream

LIFE_S = 60.0
LEEWAY_S = 30.0
ENDED = (4403, "Forbidden: the token has expired")


async def status(gateway: Running, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
        return (await client.post(gateway.url, json={"query": "{ viewer { role } }"}, headers=headers)).status_code


async def test_all_three_ways_accept_a_token_up_to_one_moment_and_then_end_and_refuse_it(serve: Serve) -> None:
    clock = ManualClock()
    bearer = {"Authorization": f"Bearer {signed(exp=clock.now() + LIFE_S)}"}
    async with (
        serve(clock, token_leeway_s=LEEWAY_S) as gateway,
        gateway.socket(bearer) as silent,
        gateway.socket(bearer) as busy,
        stream(gateway.url, bearer) as heard,
    ):
        await busy.subscribe()
        clock.advance(LIFE_S + LEEWAY_S - 0.5)
        assert await status(gateway, bearer) == 200
        async with gateway.socket(bearer) as late, stream(gateway.url, bearer) as late_heard:
            await busy.say(type="ping")
            await busy.hear("pong")
            clock.advance(0.5)
            for talk in (silent, busy, late):
                assert await talk.closed() == ENDED
            for one in (heard, late_heard):
                name, data = await one.event()
                assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
                assert await one.event() == ("complete", None)
        assert await status(gateway, bearer) == 401
        async with stream(gateway.url, bearer) as refused:
            assert refused.answer.status_code == 401
        async with gateway.socket(init=False) as talk:
            await talk.say(type="connection_init", payload=bearer)
            code, reason = await talk.closed()
            assert (code, reason.partition(".")[0]) == (4403, "Forbidden: The token has expired")


async def test_what_the_previous_secret_opened_ends_with_it(serve: Serve) -> None:
    clock = ManualClock()
    until = datetime.fromtimestamp(clock.now() + LIFE_S, UTC)
    async with (
        serve(clock, token_secret_previous=OLD, token_secret_previous_until=until) as gateway,
        gateway.socket({"Authorization": f"Bearer {signed(OLD)}"}) as old,
        gateway.socket({"Authorization": f"Bearer {signed()}"}) as new,
    ):
        clock.advance(LIFE_S)
        assert await old.closed() == ENDED
        await new.say(type="ping")
        await new.hear("pong")


async def test_a_socket_without_a_token_goes_on(serve: Serve) -> None:
    clock = ManualClock()
    async with serve(clock) as gateway, gateway.socket() as talk:
        clock.advance(10.0**9)
        await talk.say(type="ping")
        await talk.hear("pong")
