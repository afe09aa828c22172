"""Protection against failing stores: each store has a deadline, a circuit breaker and an observer of calls.

A call to a guarded store returns within the deadline or raises `StoreUnavailable`. After several failures every call
raises at once, until a probe succeeds. The callers decide how to continue without the store.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from inspect import iscoroutinefunction
from math import inf
from typing import Any, NoReturn, TypeVar, cast

from db.deadlines import deadline_has_passed
from db.errors import (
    DatabaseLayerError,
    Store,
    StoreBusy,
    StoreMisconfigured,
    StoreTimeout,
    StoreUnavailable,
    WritesRefused,
)

T = TypeVar("T")
S = TypeVar("S")
log = logging.getLogger(__name__)

FAILURES = 5
"""Number of failures within `WINDOW_S` that opens the circuit. One lost connection or a few slow calls do not open
it."""

WINDOW_S = 10.0

PROBE_INTERVAL_S = 2.0
"""Delay before a call probes a store whose circuit is open. Feeds recover within 15 s after an outage: this delay, plus
the deadline of the probe, plus the 5 s for which a degraded ranking is reused."""

CANCELLATION_COUNTS_AFTER_S = 0.2
"""Seconds after which a call counts as a failure if a deadline of its caller cancels it (`db.deadlines`). A feed's
deadline may be shorter than the deadline of the store; without this rule, a store that never answers would not open its
circuit. Any other cancellation says nothing about the store: the client has disconnected, for example."""


class CircuitState(StrEnum):
    """State of a circuit: CLOSED admits all calls, OPEN admits none, HALF_OPEN admits one probe at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CallOutcome(StrEnum):
    """Outcome of a call to a store."""

    OK = "ok"
    UNAVAILABLE = "unavailable"  # the store cannot be reached, or reports that it is unavailable
    TIMEOUT = "timeout"  # its deadline has passed, or one of its caller's after `CANCELLATION_COUNTS_AFTER_S`
    NOT_SENT = "rejected"  # the circuit is open
    INPUT_REJECTED = "refused"  # the store is available and rejected the input
    BUSY = "busy"  # all connections to the store are in use
    FAILED = "failed"  # unexpected error
    CANCELLED = "cancelled"  # canceled by the caller for another reason, or early


OnChange = Callable[[Store, CircuitState, str], None]
OnCall = Callable[[Store, str, CallOutcome, float], None]

_FAILED_OUTCOMES = {CallOutcome.UNAVAILABLE, CallOutcome.TIMEOUT}
_SUCCESSFUL_OUTCOMES = {CallOutcome.OK, CallOutcome.INPUT_REJECTED}
_OUTCOMES = {
    StoreTimeout: CallOutcome.TIMEOUT,
    StoreBusy: CallOutcome.BUSY,
    WritesRefused: CallOutcome.INPUT_REJECTED,
    StoreMisconfigured: CallOutcome.INPUT_REJECTED,
}


@dataclass(slots=True)
class CircuitBreaker:
    """The circuit of one store. `failures` within `window_s` seconds open it, and a successful probe closes it.

    With `consecutive`, a success forgets all failures, and a failure does not count if another call has succeeded
    since it was admitted: then the call was slow and not the store.
    """

    failures: int = FAILURES
    window_s: float = WINDOW_S
    probe_interval_s: float = PROBE_INTERVAL_S
    clock: Callable[[], float] = time.monotonic
    consecutive: bool = False
    _succeeded_at: float = -inf
    _failed_at: deque[float] = field(default_factory=deque)
    _opened_at: float | None = None
    _probing: bool = False

    @property
    def state(self) -> CircuitState:
        """State of the circuit at this moment; an open circuit becomes half-open with time."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self.clock() < self._opened_at + self.probe_interval_s else CircuitState.HALF_OPEN

    def admit(self) -> bool:
        """Return whether a call may be sent. After True, the caller must call `report`."""
        state = self.state
        if state is CircuitState.HALF_OPEN and not self._probing:
            self._probing = True
            return True
        return state is CircuitState.CLOSED

    def report(self, outcome: CallOutcome, admitted_at: float) -> None:
        """Record the outcome of an admitted call.

        `admitted_at` is the admission time by `clock`. Calls admitted before the circuit opened are ignored.
        """
        if self._opened_at is None:
            if outcome in _SUCCESSFUL_OUTCOMES and self.consecutive:
                self._succeeded_at = self.clock()
                self._failed_at.clear()
            elif outcome in _FAILED_OUTCOMES and admitted_at >= self._succeeded_at:
                self._record_failure()
        elif admitted_at >= self._opened_at + self.probe_interval_s:
            self._probing = False
            if outcome in _SUCCESSFUL_OUTCOMES:
                self._opened_at = None
                self._failed_at.clear()
            elif outcome in _FAILED_OUTCOMES:
                self._opened_at = self.clock()

    def _record_failure(self) -> None:
        now = self.clock()
        self._failed_at.append(now)
        while self._failed_at[0] < now - self.window_s:
            self._failed_at.popleft()
        if len(self._failed_at) >= self.failures:
            self._opened_at = now
            self._probing = False


class Guard:
    """Sends calls to one store, with a deadline and a circuit breaker.

    `on_change` is called when the circuit opens or closes (default: log it), `on_call` after each call, and `on_open`
    when the circuit opens: the owner of the connections sets it, to abort those that no longer answer.
    """

    on_open: Callable[[], None] | None = None

    def __init__(
        self,
        store: Store,
        deadline_s: float | None,  # of a call; None: no deadline
        *,
        deadlines_s: Mapping[str, float | None] | None = None,  # exceptions for operations, by method name
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

    async def call(self, operation: str, request: Callable[[], Awaitable[T]]) -> T:
        """Send a call to the store, and return its result.

        Raises `StoreUnavailable` if the store cannot be reached, the deadline has passed, or the circuit is open.
        """
        deadline_s = self._deadlines_s.get(operation, self._deadline_s)
        with self.watch(operation):
            try:
                return await _run_until_deadline(request, deadline_s)
            except TimeoutError:
                raise StoreTimeout(self.store, f"{operation}: no answer within {deadline_s:g} s") from None

    def note_success(self) -> None:
        """Note that the store has answered a call that was not watched."""
        if self.breaker.state is CircuitState.CLOSED:
            self.breaker.report(CallOutcome.OK, self.breaker.clock())

    def refuse(self, operation: str) -> NoReturn:
        """Count a call that is not sent. Raises `StoreUnavailable`."""
        self._observe(operation, CallOutcome.NOT_SENT, 0.0)
        raise StoreUnavailable(self.store, f"{operation}: not called, the circuit is open")

    @contextmanager
    def watch(self, operation: str) -> Iterator[None]:
        """Admit the call that the block makes, and record its outcome. Raises `StoreUnavailable` as `refuse`."""
        if not self.breaker.admit():
            self.refuse(operation)
        admitted_at, outcome, reason = self.breaker.clock(), CallOutcome.FAILED, ""
        try:
            yield
            outcome = CallOutcome.OK
        except StoreUnavailable as error:
            if error.store is self.store:  # the block of a transaction may call another store
                outcome, reason = _OUTCOMES.get(type(error), CallOutcome.UNAVAILABLE), error.reason
            raise
        except DatabaseLayerError:
            outcome = CallOutcome.INPUT_REJECTED
            raise
        except asyncio.CancelledError:
            waited_s = self.breaker.clock() - admitted_at
            is_timeout = waited_s >= self._cancellation_counts_after_s and deadline_has_passed()
            outcome = CallOutcome.TIMEOUT if is_timeout else CallOutcome.CANCELLED
            reason = f"{operation}: canceled after {waited_s:.1f} s"
            raise
        finally:
            self._report(operation, outcome, admitted_at, reason)

    def _report(self, operation: str, outcome: CallOutcome, admitted_at: float, reason: str) -> None:
        self._observe(operation, outcome, self.breaker.clock() - admitted_at)
        was_closed = self.breaker.state is CircuitState.CLOSED
        self.breaker.report(outcome, admitted_at)
        state = self.breaker.state
        if (state is CircuitState.CLOSED) is not was_closed:
            self._on_change(self.store, state, reason)
            if was_closed and self.on_open is not None:
                self.on_open()

    def _observe(self, operation: str, outcome: CallOutcome, seconds: float) -> None:
        if self._on_call is not None:
            self._on_call(self.store, operation, outcome, seconds)


_UNGUARDED = ("close", "preload", "server_start")
"""Methods that can succeed without contacting the store. Their success must not close the circuit."""


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
        async def guarded_method(*arguments: Any, **keyword_arguments: Any) -> Any:
            return await self._guard.call(name, lambda: attribute(*arguments, **keyword_arguments))

        self.__dict__[name] = guarded_method  # the next access does not call __getattr__
        return guarded_method


async def _run_until_deadline(request: Callable[[], Awaitable[T]], deadline_s: float | None) -> T:
    """Run the call as a separate task, because some client libraries continue for seconds after a cancellation."""
    task = asyncio.ensure_future(request())
    try:
        await asyncio.wait({task}, timeout=deadline_s)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if not task.done():
        _abandon(task)
        raise TimeoutError
    return task.result()


def _abandon(task: asyncio.Future[Any]) -> None:
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_discard_abandoned)


_abandoned: set[asyncio.Future[Any]] = set()
"""Strong references to canceled tasks, because the event loop holds only weak references."""


def _discard_abandoned(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.debug("a call ended after its deadline with %r", task.exception())


def log_circuit_change(store: Store, state: CircuitState, reason: str) -> None:
    """Log that a circuit has opened or closed."""
    if state is CircuitState.CLOSED:
        log.info("%s is available again", store.value)
    else:
        log.warning("%s failed too often and is not called until a probe succeeds: %s", store.value, reason)
