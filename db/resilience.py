"""What stands between a request and a store that fails: a deadline, a circuit breaker, and an observer.

A guarded store answers within its deadline or raises `StoreUnavailable`; after several failures it raises at once,
until a probe finds that the store is back. What to do without the store is for the floors above.
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
"""Within `WINDOW_S`: one lost connection or a slow minute of a few calls shall not cut a store off."""

WINDOW_S = 10.0

PROBE_INTERVAL_S = 2.0
"""From opening to the first probe, and from one failed probe to the next; keep it at 5 s or less: what comes back is to
be noticed within 15 s (this pause, a probe's deadline, and the 5 s that a degraded ranking lives)."""

CANCELLATION_COUNTS_AFTER_S = 0.2
"""A caller who gives up after this long counts as a failure of the store: a feed's own deadline may be shorter than
ours, and a store that swallows everything would never open its circuit. Sooner, the caller just went away."""


class CircuitState(StrEnum):
    """Of a circuit: CLOSED lets all calls through, OPEN none, HALF_OPEN one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CallOutcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    UNAVAILABLE = "unavailable"  # the store said so, or nothing listens
    TIMEOUT = "timeout"  # our deadline, or that of a caller with patience
    REJECTED = "rejected"  # not asked: the circuit is open
    REFUSED = "refused"  # it answered, and refuses what it was given
    FAILED = "failed"  # an error that nobody foresaw
    CANCELLED = "cancelled"  # the caller went away


OnChange = Callable[[Store, CircuitState, str], None]
OnCall = Callable[[Store, str, CallOutcome, float], None]

_SAYS_AWAY = {CallOutcome.UNAVAILABLE, CallOutcome.TIMEOUT}
_SAYS_THERE = {CallOutcome.OK, CallOutcome.REFUSED}


@dataclass(slots=True)
class CircuitBreaker:
    """The circuit of one store.

    Attributes
    ----------
    failures, window_s
        So many failures within so many seconds open it.
    probe_interval_s
        From opening to the first probe, and between probes.
    clock
        Seconds that only go forward.
    """

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
        """Whether all calls go through."""
        return self._opened_at is None

    def admit(self) -> bool:
        """Tell whether a call may go to the store; whoever may must report how it ended."""
        state = self.state
        if state is CircuitState.HALF_OPEN and not self._probing:
            self._probing = True
            return True
        return state is CircuitState.CLOSED

    def report(self, outcome: CallOutcome, admitted_at: float) -> None:
        """Learn how an admitted call ended.

        Parameters
        ----------
        admitted_at
            When it was let through, by the same clock: what was sent before the circuit opened tells nothing new.
        """
        if self._opened_at is None:
            if outcome in _SAYS_AWAY:
                self._note_failure()
        elif admitted_at >= self._opened_at + self.probe_interval_s:
            self._probing = False
            if outcome in _SAYS_THERE:
                self._opened_at = None
                self._failed_at.clear()
            elif outcome in _SAYS_AWAY:
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
    """Calls one store.

    Parameters
    ----------
    store
        Which.
    deadline_s
        What a call may take; None sets no bound.
    deadlines_s
        Deadlines of single operations that differ, by name: bulk writes take longer than reads.
    breaker
        The store's circuit.
    cancellation_counts_after_s
        A caller who gives up after this long counts as a failure of the store.
    on_change
        Called with the store, its new state and the reason whenever the circuit opens or closes; logs by default.
    on_call
        Called with the store, the operation, its outcome and the seconds it took, after each call.
    """

    def __init__(
        self,
        store: Store,
        deadline_s: float | None,
        *,
        deadlines_s: Mapping[str, float | None] | None = None,
        breaker: CircuitBreaker | None = None,
        cancellation_counts_after_s: float = CANCELLATION_COUNTS_AFTER_S,
        on_change: OnChange | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self.store = store
        self.breaker = CircuitBreaker() if breaker is None else breaker
        self._deadline_s = deadline_s
        self._deadlines_s = dict(deadlines_s or {})
        self._patience_s = cancellation_counts_after_s
        self._on_change = log_circuit_change if on_change is None else on_change
        self._on_call = on_call

    async def call(self, operation: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store.

        Raises
        ------
        StoreUnavailable
            It is away, it took longer than the deadline, or its circuit is open.
        """
        if not self.breaker.admit():
            self._note(operation, CallOutcome.REJECTED, 0.0)
            raise StoreUnavailable(self.store, f"{operation}: not asked, it failed a moment ago")
        admitted_at, outcome, reason = self.breaker.clock(), CallOutcome.FAILED, ""
        try:
            answer = await self._within_deadline(operation, ask)
            outcome = CallOutcome.OK
        except TimeoutError:
            outcome, reason = CallOutcome.TIMEOUT, f"{operation}: no answer within {self._deadline_of(operation)} s"
            raise StoreUnavailable(self.store, reason) from None
        except StoreUnavailable as away:
            outcome, reason = CallOutcome.UNAVAILABLE, away.reason
            raise
        except DatabaseLayerError:
            outcome = CallOutcome.REFUSED
            raise
        except asyncio.CancelledError:
            waited_s = self.breaker.clock() - admitted_at
            outcome = CallOutcome.TIMEOUT if waited_s >= self._patience_s else CallOutcome.CANCELLED
            reason = f"{operation}: a caller gave up after {waited_s:.1f} s"
            raise
        finally:
            self._report(operation, outcome, admitted_at, reason)
        return answer

    def _deadline_of(self, operation: str) -> float | None:
        return self._deadlines_s.get(operation, self._deadline_s)

    async def _within_deadline(self, operation: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Wait for a task of its own: some clients go on for seconds after they were canceled."""
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
"""What need not ask the store at all: its success must not close the circuit of one that is away."""


def guarded(store: S, guard: Guard) -> S:
    """Give a store whose every method goes through the guard: a vector store, an embedder, a cache.

    Properties are passed on as they are, and so is what does not ask the store (`_UNGUARDED`).
    """
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

        self.__dict__[name] = through  # found at once the next time
        return through


def _abandon(task: asyncio.Future[Any]) -> None:
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_forget)


_abandoned: set[asyncio.Future[Any]] = set()
"""Tasks that were told to stop: the loop itself holds them weakly."""


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.debug("an abandoned call ended with %r", task.exception())


def log_circuit_change(store: Store, state: CircuitState, reason: str) -> None:
    """Write into the log that a circuit has opened or closed."""
    if state is CircuitState.CLOSED:
        log.info("%s is back", store.value)
    else:
        log.warning("%s failed too often and is not asked until a probe succeeds: %s", store.value, reason)
