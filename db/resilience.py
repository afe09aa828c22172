"""Protection against failing stores: a deadline, a circuit breaker and an observer for each.

A guarded store answers within its deadline or raises `StoreUnavailable`; after several failures it raises at once,
until a probe succeeds. The layers above decide what to do without the store.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from db.errors import DatabaseLayerError, Store, StoreUnavailable

T = TypeVar("T")
S = TypeVar("S")
log = logging.getLogger(__name__)

FAILURES = 5
"""Within `WINDOW_S`, so that one lost connection or a few slow calls do not open the circuit."""

WINDOW_S = 10.0

PROBE_INTERVAL_S = 2.0
"""At most 5 s, so that a recovery shows within 15 s (this interval, a probe's deadline, and the 5 s of a degraded
ranking)."""

CANCELLATION_COUNTS_AFTER_S = 0.2
"""A call canceled after this long counts as a failure: a feed's own deadline may be shorter than the store's, and a
hanging store would never open its circuit. An earlier cancellation means that the client left."""


class CircuitState(StrEnum):
    """State of a circuit: CLOSED admits all calls, OPEN none, HALF_OPEN one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CallOutcome(StrEnum):
    """Outcome of a call."""

    OK = "ok"
    UNAVAILABLE = "unavailable"  # the store said so, or cannot be reached
    TIMEOUT = "timeout"  # the deadline, or a late cancellation
    REJECTED = "rejected"  # not called: the circuit is open
    REFUSED = "refused"  # the store refused the input
    FAILED = "failed"  # an unexpected error
    CANCELLED = "cancelled"  # the caller left


OnChange = Callable[[Store, CircuitState, str], None]
OnCall = Callable[[Store, str, CallOutcome, float], None]

_FAILURES = {CallOutcome.UNAVAILABLE, CallOutcome.TIMEOUT}
_SUCCESSES = {CallOutcome.OK, CallOutcome.REFUSED}


@dataclass(slots=True)
class CircuitBreaker:
    """The circuit of one store: `failures` within `window_s` seconds open it, and probes may close it again."""

    failures: int = FAILURES
    window_s: float = WINDOW_S
    probe_interval_s: float = PROBE_INTERVAL_S
    clock: Callable[[], float] = time.monotonic
    _failed_at: deque[float] = field(default_factory=deque)
    _opened_at: float | None = None
    _probing: bool = False

    @property
    def state(self) -> CircuitState:
        """The state now."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self.clock() < self._opened_at + self.probe_interval_s else CircuitState.HALF_OPEN

    @property
    def is_closed(self) -> bool:
        """Whether all calls are admitted."""
        return self._opened_at is None

    def admit(self) -> bool:
        """Tell whether a call may go to the store; an admitted call must be reported."""
        state = self.state
        if state is CircuitState.HALF_OPEN and not self._probing:
            self._probing = True
            return True
        return state is CircuitState.CLOSED

    def report(self, outcome: CallOutcome, admitted_at: float) -> None:
        """Record the outcome of an admitted call.

        `admitted_at`: the time of admission, by the same clock: a call from before the circuit opened tells nothing
        new.
        """
        if self._opened_at is None:
            if outcome in _FAILURES:
                self._note_failure()
        elif admitted_at >= self._opened_at + self.probe_interval_s:
            self._probing = False
            if outcome in _SUCCESSES:
                self._opened_at = None
                self._failed_at.clear()
            elif outcome in _FAILURES:
                self._opened_at = self.clock()

    def _note_failure(self) -> None:
        now = self.clock()
        self._failed_at.append(now)
        while self._failed_at[0] < now - self.window_s:
            self._failed_at.popleft()
        if len(self._failed_at) >= self.failures:
            self._opened_at = now
            self._probing = False


class Guard:
    """The guard of one store.

    It calls `on_change` when the circuit opens or closes (logs by default), and `on_call` after each call.
    """

    def __init__(
        self,
        store: Store,
        deadline_s: float | None,  # of a call; None sets none
        *,
        deadlines_s: Mapping[str, float | None] | None = None,  # of single operations, by name
        breaker: CircuitBreaker | None = None,
        cancellation_counts_after_s: float = CANCELLATION_COUNTS_AFTER_S,
        on_change: OnChange | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self.store = store
        self.breaker = CircuitBreaker() if breaker is None else breaker
        self._deadline_s = deadline_s
        self._deadlines_s = dict(deadlines_s or {})
        self._cancellation_counts_after_s = cancellation_counts_after_s
        self._on_change = log_circuit_change if on_change is None else on_change
        self._on_call = on_call

    async def call(self, operation: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Call the store.

        Raises `StoreUnavailable` if it cannot be reached, exceeded the deadline, or its circuit is open.
        """
        if not self.breaker.admit():
            self._note(operation, CallOutcome.REJECTED, 0.0)
            raise StoreUnavailable(self.store, f"{operation}: not called, the circuit is open")
        admitted_at, outcome, reason = self.breaker.clock(), CallOutcome.FAILED, ""
        try:
            answer = await self._within_deadline(operation, ask)
            outcome = CallOutcome.OK
        except TimeoutError:
            outcome, reason = CallOutcome.TIMEOUT, f"{operation}: no answer within {self._deadline_of(operation)} s"
            raise StoreUnavailable(self.store, reason) from None
        except StoreUnavailable as error:
            outcome, reason = CallOutcome.UNAVAILABLE, error.reason
            raise
        except DatabaseLayerError:
            outcome = CallOutcome.REFUSED
            raise
        except asyncio.CancelledError:
            waited_s = self.breaker.clock() - admitted_at
            outcome = CallOutcome.TIMEOUT if waited_s >= self._cancellation_counts_after_s else CallOutcome.CANCELLED
            reason = f"{operation}: canceled after {waited_s:.1f} s"
            raise
        finally:
            self._report(operation, outcome, admitted_at, reason)
        return answer

    def _deadline_of(self, operation: str) -> float | None:
        return self._deadlines_s.get(operation, self._deadline_s)

    async def _within_deadline(self, operation: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Run a separate task: some clients go on for seconds after a cancellation."""
        task = asyncio.ensure_future(ask())
        try:
            await asyncio.wait({task}, timeout=self._deadline_of(operation))
        except asyncio.CancelledError:
            _abandon(task)
            raise
        if not task.done():
            _abandon(task)
            raise TimeoutError
        return task.result()

    def _report(self, operation: str, outcome: CallOutcome, admitted_at: float, reason: str) -> None:
        self._note(operation, outcome, self.breaker.clock() - admitted_at)
        was_closed = self.breaker.is_closed
        self.breaker.report(outcome, admitted_at)
        if self.breaker.is_closed is not was_closed:
            self._on_change(self.store, self.breaker.state, reason)

    def _note(self, operation: str, outcome: CallOutcome, seconds: float) -> None:
        if self._on_call is not None:
            self._on_call(self.store, operation, outcome, seconds)


_UNGUARDED = ("close", "preload")
"""Methods that may succeed without the store, and so must not close its circuit."""


def guarded(store: S, guard: Guard) -> S:
    """Return a proxy of a store whose coroutine methods, except `_UNGUARDED`, go through the guard."""
    return cast(S, _Guarded(store, guard))


class _Guarded:
    def __init__(self, store: object, guard: Guard) -> None:
        self._store = store
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._store, name)
        if name in _UNGUARDED or not iscoroutinefunction(attribute):
            return attribute

        @wraps(attribute)
        async def through(*arguments: Any, **named: Any) -> Any:
            return await self._guard.call(name, lambda: attribute(*arguments, **named))

        self.__dict__[name] = through  # found without __getattr__ next time
        return through


def _abandon(task: asyncio.Future[Any]) -> None:
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_forget)


_abandoned: set[asyncio.Future[Any]] = set()
"""Canceled tasks, which the event loop references only weakly."""


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.debug("an abandoned call ended with %r", task.exception())


def log_circuit_change(store: Store, state: CircuitState, reason: str) -> None:
    """Log that a circuit has opened or closed."""
    if state is CircuitState.CLOSED:
        log.info("%s is available again", store.value)
    else:
        log.warning("%s failed too often and is not called until a probe succeeds: %s", store.value, reason)
