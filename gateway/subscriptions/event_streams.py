"""A subscription as an event stream (SSE), as the protocol graphql-sse has it for distinct connections."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from typing import Any

import orjson
from graphql import Executor, GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.callers.authentication import Authentication, Authenticator
from gateway.callers.clock import Clock
from gateway.graphql_http.media_types import EVENTS
from gateway.json_responses import error_entry
from gateway.subscriptions.execution import ResponsePayload, SubscriptionExecutor
from gateway.subscriptions.stream_limits import StreamLimits

KEEP_ALIVE_S = 15.0
"""Between two comments on a stream that has nothing to tell: proxies cut what is silent for 30 or 60 seconds."""

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until a buffer is full
}


_TOKEN_ENDED = b"event: next\ndata: %s\n\n" % orjson.dumps(
    {"errors": [error_entry("UNAUTHENTICATED", "The token has expired. Subscribe again with a new one.")]}
)


class EventStream(Response):
    """An answer that goes on until the subscription ends, the client goes, or its token expires.

    Parameters
    ----------
    results
        What there is to tell.
    seat
        What is given back at the end.
    token_end
        Waits for the moment from which the token is refused.
    ending
        Set when the server stops: it waits for its streams to end.
    """

    media_type = EVENTS

    def __init__(
        self,
        results: AsyncGenerator[ResponsePayload, None],
        seat: ExitStack,
        token_end: Callable[[], Coroutine[Any, Any, None]],
        ending: asyncio.Event,
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._results = results
        self._seat = seat
        self._token_end = token_end
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell what there is to tell."""
        scope["state"]["is_stream"] = True
        with self._seat:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
            telling = asyncio.create_task(self._tell(send))
            token_end = asyncio.create_task(self._token_end())
            others = [token_end, *(asyncio.create_task(work) for work in (_gone(receive), self._ending.wait()))]
            try:
                await asyncio.wait({telling, *others}, return_when=asyncio.FIRST_COMPLETED)
                has_token_ended = token_end.done()
            finally:
                for task in (telling, *others):
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    await telling
            with suppress(OSError):  # whoever has gone away is told nothing
                if has_token_ended:
                    await send({"type": "http.response.body", "body": _TOKEN_ENDED, "more_body": True})
                await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n", "more_body": False})

    async def _tell(self, send: Send) -> None:
        async with aclosing(self._results):
            async for event in _kept_alive(self._results):
                await send({"type": "http.response.body", "body": event, "more_body": True})


async def _kept_alive(results: AsyncGenerator[ResponsePayload, None]) -> AsyncGenerator[bytes, None]:
    """Write each result as an event, and a comment whenever there was none for a while."""
    while True:
        following = asyncio.ensure_future(anext(results))
        try:
            while not (await asyncio.wait({following}, timeout=KEEP_ALIVE_S))[0]:
                yield b":\n\n"
            yield b"event: next\ndata: " + orjson.dumps(following.result()) + b"\n\n"
        except StopAsyncIteration:
            return
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await following


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStreams:
    """Answers subscriptions that come by HTTP.

    Parameters
    ----------
    subscriptions
        Who begins what is asked for.
    visitors, seats
        Who knows the address of a request, and how many streams may be open.
    ending
        Set when the server stops.
    clock
        Says when a token ends.
    """

    def __init__(
        self,
        subscriptions: SubscriptionExecutor,
        visitors: Authenticator,
        seats: StreamLimits,
        ending: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._subscriptions = subscriptions
        self._visitors = visitors
        self._seats = seats
        self._ending = ending
        self._clock = clock

    async def begin(
        self, request: Request, authentication: Authentication, prepared: Executor[Any] | list[GraphQLError]
    ) -> EventStream:
        """Begin a subscription that was let in.

        Raises
        ------
        TooManyStreams
            If too many are open.
        DocumentRefused
            If its variables do not fit.
        """
        with ExitStack() as stack:
            stack.enter_context(self._seats.for_address(str(self._visitors.client_address(request))))
            stack.enter_context(self._seats.for_caller(authentication.caller))
            results = await self._subscriptions.begin(request, authentication, prepared)
            token_end = partial(self._clock.until, authentication.expires_at)
            return EventStream(results, stack.pop_all(), token_end, self._ending)
