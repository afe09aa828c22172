"""Load shedding: a limit on concurrent operations that follows the measured delay, and a short queue by priority.

The limit is adapted by additive increase and multiplicative decrease (Chiu and Jain, 1989). As in CoDel (RFC 8289), the
signal is the smallest delay of an interval: a burst raises single delays, and only a standing queue raises all of them.
A machine that is busy with other processes raises all of them too. Therefore the limit falls below `FIRST_LIMIT` only
while operations wait for it, and returns to it when none does: an idle or slow process does not refuse a burst.
An operation waits for its turn as in "Fail at Scale" (Maurer, ACM Queue 13(8), 2015): longer if the queue was empty a
moment ago, and hardly at all in an overload, so that a refusal comes at once.
"""

import asyncio
import time
from bisect import insort
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import structlog
from graphql import OperationType

from gateway.callers.authentication import Authentication
from gateway.errors import RequestRefused
from gateway.masking import OVERLOADED, OVERLOADED_MESSAGE
from gateway.repeated_lines import RepeatedLines
from gateway.telemetry import count_shed_request, record_load

FIRST_LIMIT, MIN_LIMIT, MAX_LIMIT = 32, 8, 256
"""Concurrent operations of a server process: at the start, and the bounds of the limit. Without an overload a burst of
30 waits for nothing, and even in an overload the five requests that a browser's page sends at once run at once."""

TARGET_DELAY_S = 0.02
"""Standing delay above which the limit falls. Below half of it, the limit rises if operations wait for it."""

DECREASE = 0.8

SAMPLE_S, INTERVAL_S, MIN_SAMPLES = 0.02, 0.1, 3
"""Seconds between two samples of the delay, and the least seconds and samples between two changes of the limit. With
one sample, a single block of the event loop for 0.1 s would look like a standing queue."""

BURST_WAIT_S, OVERLOAD_WAIT_S = 1.0, 0.03
"""Longest wait for a turn: normally, and in an overload. At `MIN_LIMIT`, the last of 30 operations waits for 22 others,
which take 1 s if each takes 45 ms of CPU. Longer waits would end in answers that come too late. A heavy overload fills
the queue (`MAX_WAITING`) and thus begins earlier."""

CALM_AFTER_S = 1.0
"""Seconds without a refusal after which an overload has ended."""

MAX_WAITING = 200
"""Operations in the queue. A further one takes the place of the one with the lowest priority."""

RETRY_AFTER_S = 1

log = structlog.get_logger(__name__)


class CallerClass(IntEnum):
    """Classes of callers; the last is refused first."""

    SHARED = 0  # an answer that several anonymous callers asked for, made once for all
    SERVICE = 1  # a token with the role service or administrator
    VIEWER = 2  # any other token
    ANONYMOUS = 3  # a session, or nothing

    @classmethod
    def of(cls, authentication: Authentication) -> "CallerClass":
        """Return the class of a caller."""
        if authentication.is_privileged:
            return cls.SERVICE
        return cls.ANONYMOUS if authentication.caller.user_key is None else cls.VIEWER


class Priority(NamedTuple):
    """Order of operations: by class of the caller, mutations before others, the cheap before the expensive."""

    caller: CallerClass
    is_query: bool
    points: int


class Overloaded(RequestRefused):
    """The server process has more work than it can do in time."""

    def __init__(self) -> None:
        super().__init__(503, OVERLOADED, OVERLOADED_MESSAGE, {"Retry-After": str(RETRY_AFTER_S)})


@dataclass(order=True, slots=True)
class _Waiter:
    priority: Priority
    number: int  # first come, first served among equals
    since_s: float = field(compare=False)
    turn: asyncio.Future[bool] = field(compare=False)


class LoadShedder:
    """Admits operations of one process to their execution, and refuses those that would wait too long.

    `connection_wait` returns for how long the oldest waiting statement has waited for a connection to the database.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, connection_wait: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._clock = clock
        self.connection_wait = connection_wait
        self.limit = float(FIRST_LIMIT)
        self._running = 0
        self._waiting: list[_Waiter] = []
        self._count = 0
        self._overloaded_until = clock()
        self._was_full = False  # whether the limit was reached in this interval
        self._delays_s: list[float] = []  # the samples of this interval
        self._interval_ends = clock() + INTERVAL_S
        self._lines = RepeatedLines(clock)

    @property
    def is_overloaded(self) -> bool:
        """Whether an operation was refused a moment ago."""
        return self._clock() < self._overloaded_until

    @asynccontextmanager
    async def turn(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for the turn of an operation, and count it while it runs. Raises `Overloaded`."""
        if self._waiting or self._running >= int(self.limit):
            await self._wait(priority)
        else:
            self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._admit_next()

    def refuse_early(self, caller: CallerClass) -> None:
        """Refuse a request before its body is read if enough operations of better classes wait. Raises `Overloaded`."""
        if self.is_overloaded and sum(one.priority.caller < caller for one in self._waiting) >= self.limit:
            self._count_shed(Priority(caller, True, 0))
            raise Overloaded

    async def run(self, stop: asyncio.Event) -> None:
        """Measure the delay of the event loop, and adapt the limit."""
        while not stop.is_set():
            due = self._clock() + SAMPLE_S
            await asyncio.sleep(SAMPLE_S)
            self.observe(max(self._clock() - due, self.connection_wait()))

    def observe(self, delay_s: float) -> None:
        """Take a sample of the delay that runnable operations wait; at the end of an interval, adapt the limit."""
        now = self._clock()
        self._delays_s.append(delay_s)
        if self.is_overloaded:
            self._expire(now - OVERLOAD_WAIT_S)
        if now < self._interval_ends or len(self._delays_s) < MIN_SAMPLES:
            return
        self._adapt(min(self._delays_s))
        self._delays_s, self._interval_ends = [], now + INTERVAL_S

    def _adapt(self, delay_s: float) -> None:
        is_needed = bool(self._waiting) or self.is_overloaded
        if not is_needed and self.limit < FIRST_LIMIT:
            self.limit += 1
        elif delay_s > TARGET_DELAY_S:
            lower = min(self.limit, self._running + 1) * DECREASE
            self.limit = max(MIN_LIMIT if is_needed else FIRST_LIMIT, lower)
        elif delay_s < TARGET_DELAY_S / 2 and self._was_full:
            self.limit = min(MAX_LIMIT, self.limit + 1)
        self._was_full = bool(self._waiting)
        record_load(self.limit, delay_s)
        self._admit_next()

    async def _wait(self, priority: Priority) -> None:
        self._was_full = True
        now = self._clock()
        self._count += 1
        waiter = _Waiter(priority, self._count, now, asyncio.get_running_loop().create_future())
        insort(self._waiting, waiter)
        if len(self._waiting) > MAX_WAITING:
            self._refuse(self._waiting[-1])
        wait_s = OVERLOAD_WAIT_S if self.is_overloaded else BURST_WAIT_S
        expiry = asyncio.get_running_loop().call_later(wait_s, self._refuse, waiter)
        try:
            is_admitted = await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.result():
                self._running -= 1  # admitted and canceled at once
            self._remove(waiter)
            self._admit_next()
            raise
        finally:
            expiry.cancel()
        if not is_admitted:
            self._count_shed(priority)
            raise Overloaded

    def _admit_next(self) -> None:
        while self._waiting and self._running < int(self.limit):
            waiter = self._waiting.pop(0)
            if not waiter.turn.done():
                self._running += 1
                waiter.turn.set_result(True)

    def _expire(self, before_s: float) -> None:
        for waiter in [one for one in self._waiting if one.since_s < before_s]:
            self._refuse(waiter)

    def _refuse(self, waiter: _Waiter) -> None:
        if not waiter.turn.done():
            waiter.turn.set_result(False)
        self._remove(waiter)

    def _remove(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def _count_shed(self, priority: Priority) -> None:
        self._overloaded_until = self._clock() + CALM_AFTER_S
        name = priority.caller.name.lower()
        count_shed_request(name)
        left_out = self._lines.left_out(name)
        if left_out is not None:
            load = {"limit": int(self.limit), "running": self._running}
            log.warning("overloaded: request refused", caller=name, lines_left_out=left_out, **load)


def priority_of(authentication: Authentication, kind: OperationType, points: int) -> Priority:
    """Return the priority of an operation."""
    return Priority(CallerClass.of(authentication), kind is not OperationType.MUTATION, points)
