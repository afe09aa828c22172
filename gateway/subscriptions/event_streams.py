"""Subscriptions as event streams (SSE): the protocol graphql-sse, distinct connections mode."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.admission import Prepared
from gateway.callers.authentication import Authentication, Authenticator
from gateway.callers.clock import Clock
from gateway.graphql_http.disconnection import wait_for_disconnect
from gateway.graphql_http.media_types import EVENTS
from gateway.json_responses import error_entry
from gateway.subscriptions.execution import ResponsePayload, begin_subscription
from gateway.subscriptions.stream_limits import StreamLimits

KEEP_ALIVE_S = 15.0
"""Interval of comments on a silent stream: proxies cut connections that are silent for 30 or 60 seconds."""

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until a buffer is full
}

_TOKEN_EXPIRED = b"event: next\ndata: %s\n\n" % orjson.dumps(
    {"errors": [error_entry("UNAUTHENTICATED", "The token has expired. Subscribe again with a new one.")]}
)


class EventStream(Response):
    """A response that ends when the subscription ends, the client disconnects, the token expires, or the server stops.

    At its end it closes `held_counts`, so that `StreamLimits` no longer counts the stream. `token_end` waits until the
    token expires.
    """

    media_type = EVENTS

    def __init__(
        self,
        results: AsyncGenerator[ResponsePayload, None],
        held_counts: ExitStack,
        token_end: Callable[[], Coroutine[Any, Any, None]],
        shutting_down: asyncio.Event,
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._results = results
        self._held_counts = held_counts
        self._token_end = token_end
        self._shutting_down = shutting_down

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        scope["state"]["is_stream"] = True
        with self._held_counts:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
            sending = asyncio.create_task(self._send_events(send))
            token_end = asyncio.create_task(self._token_end())
            ends = [token_end, *map(asyncio.create_task, (wait_for_disconnect(receive), self._shutting_down.wait()))]
            try:
                await asyncio.wait({sending, *ends}, return_when=asyncio.FIRST_COMPLETED)
                has_expired = token_end.done()
            finally:
                for task in (sending, *ends):
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    await sending
            with suppress(OSError):  # the client may be gone
                if has_expired:
                    await send({"type": "http.response.body", "body": _TOKEN_EXPIRED, "more_body": True})
                await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n", "more_body": False})

    async def _send_events(self, send: Send) -> None:
        async with aclosing(self._results):
            async for event in _events(self._results):
                await send({"type": "http.response.body", "body": event, "more_body": True})


async def _events(results: AsyncGenerator[ResponsePayload, None]) -> AsyncGenerator[bytes, None]:
    """Format each result as an event, and send comments while there is no result."""
    while True:
        next_result = asyncio.ensure_future(anext(results))
        try:
            while not (await asyncio.wait({next_result}, timeout=KEEP_ALIVE_S))[0]:
                yield b":\n\n"
            yield b"event: next\ndata: " + orjson.dumps(next_result.result()) + b"\n\n"
        except StopAsyncIteration:
            return
        finally:
            next_result.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await next_result


class EventStreams:
    """Answers subscriptions over HTTP. `shutting_down` is set when the server stops."""

    def __init__(
        self, authenticator: Authenticator, stream_limits: StreamLimits, shutting_down: asyncio.Event, clock: Clock
    ) -> None:
        self._authenticator = authenticator
        self._stream_limits = stream_limits
        self._shutting_down = shutting_down
        self._clock = clock

    async def begin(self, request: Request, authentication: Authentication, prepared: Prepared) -> EventStream:
        """Start an admitted subscription.

        Raises `TooManyStreams` if too many are open. Raises `DocumentRefused` if its variables are wrong.
        """
        with ExitStack() as stack:
            stack.enter_context(self._stream_limits.for_address(str(self._authenticator.client_address(request))))
            stack.enter_context(self._stream_limits.for_caller(authentication.caller))
            results = await begin_subscription(request, authentication, prepared)
            token_end = partial(self._clock.sleep_until, authentication.expires_at)
            return EventStream(results, stack.pop_all(), token_end, self._shutting_down)
