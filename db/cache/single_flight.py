"""Single flight: concurrent requests for a missing cache value share one computation.

Within a process, the callers wait for the same task. Among processes, a lock in the cache selects the process that
computes. The others poll the cache until it holds the value. If the lock is released or has expired without a value,
another process takes over. If the cache is unavailable, each process computes the value itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from db.cache.base import Cache, Entry
from db.errors import StoreUnavailable

log = logging.getLogger(__name__)

FIRST_POLL_S, LAST_POLL_S = 0.005, 0.05
"""The polling interval grows from 5 ms to 50 ms; computing a ranking takes about 40 ms."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Computed(Generic[T]):
    """An encoded value, with the decoded object if this process computed it."""

    value: bytes
    ttl_s: float
    decoded: T | None = None  # None if the value was read from the cache
    others: Mapping[str, Entry] = field(default_factory=dict)  # entries that are stored with the value, in one call
    is_stored: bool = True  # False if the cache was unavailable


Compute = Callable[[], Awaitable[Computed[T]]]


@dataclass(slots=True)
class _Flight:
    """A running computation, and the number of callers that wait for it."""

    task: asyncio.Task[Computed[Any]]
    callers: int = 0


_releases: set[asyncio.Task[None]] = set()
"""Running releases of locks. The event loop holds only weak references."""

# By id of the cache and key. A task references its cache, so that the id is not reused while the task runs.
_flights: dict[tuple[int, str], _Flight] = {}


async def get_or_compute(
    cache: Cache, key: str, compute: Compute[T], *, lock_s: float | None, cancel_when_abandoned: bool = False
) -> Computed[T]:
    """Return the value of a key, computed once if the cache does not hold it.

    The computation is a separate task, so that canceling one caller does not affect the others.

    Parameters
    ----------
    compute
        Computes the value and its TTL. An exception is raised in all callers of this process; another process then
        computes the value.
    lock_s
        Maximum wait for another process, in seconds; longer than any computation takes. None: processes do not wait
        for each other, which saves five calls where two of them rarely compute the same value at once.
    cancel_when_abandoned
        Whether the computation is canceled when all callers of this process have been canceled.
    """
    try:
        cached = await cache.get(key)
    except StoreUnavailable:
        cached = None
    if cached is not None:
        return Computed(cached, 0.0)
    name = (id(cache), key)
    flight = _flights.get(name)
    if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
        flight = _Flight(
            asyncio.create_task(_compute_once(cache, key, compute, lock_s), name=f"single flight of {key}")
        )
        flight.task.add_done_callback(lambda _, flight=flight: _finish_flight(name, flight))  # type: ignore[misc]
        _flights[name] = flight
    flight.callers += 1
    try:
        return await asyncio.shield(flight.task)
    finally:
        flight.callers -= 1
        if cancel_when_abandoned and not flight.callers and not flight.task.done():
            _remove_flight(name, flight)  # before `cancel`, so that a new caller does not wait for a canceled task
            flight.task.cancel()


def _finish_flight(name: tuple[int, str], flight: _Flight) -> None:
    _remove_flight(name, flight)
    # The exception is retrieved here, because all callers may have been canceled.
    if not flight.task.cancelled() and flight.task.exception() is not None:
        log.debug("%s failed: %r", flight.task.get_name(), flight.task.exception())


def _remove_flight(name: tuple[int, str], flight: _Flight) -> None:
    if _flights.get(name) is flight:
        del _flights[name]


async def _compute_once(cache: Cache, key: str, compute: Compute[T], lock_s: float | None) -> Computed[T]:
    if lock_s is None:
        return await _compute_and_put(cache, key, compute)
    lock, token = f"{key}:lock", secrets.token_bytes(16)
    try:
        value = await _wait_for_other_process(cache, key, lock, token, lock_s)
        if value is not None:
            return Computed(value, 0.0)
        return await _compute_and_put(cache, key, compute)
    finally:
        # A caller that hangs up meanwhile does not cancel the release: other processes would wait for the lock's end.
        release = asyncio.create_task(_release_lock(cache, lock, token))
        _releases.add(release)
        release.add_done_callback(_releases.discard)
        await asyncio.shield(release)


async def _compute_and_put(cache: Cache, key: str, compute: Compute[T]) -> Computed[T]:
    computed = await compute()
    try:
        await put_computed(cache, key, computed)
    except StoreUnavailable as error:
        log.debug("%s was computed and not cached: %s", key, error)
        return replace(computed, is_stored=False)
    return computed


async def put_computed(cache: Cache, key: str, computed: Computed[Any]) -> None:
    """Store a computed value and the entries that belong to it, in one call."""
    await cache.put_many({**computed.others, key: Entry(computed.value, computed.ttl_s)})


async def _wait_for_other_process(cache: Cache, key: str, lock: str, token: bytes, lock_s: float) -> bytes | None:
    """Return the value that another process computed, or None if this process must compute it."""
    clock = asyncio.get_running_loop().time
    deadline, pause_s = clock() + lock_s, FIRST_POLL_S
    try:
        while clock() < deadline:
            if await cache.add(lock, token, lock_s):
                # Another process may have stored the value between the caller's read and this lock.
                return await cache.get(key)
            await asyncio.sleep(pause_s)
            pause_s = min(LAST_POLL_S, pause_s * 1.5)
            values = await cache.get_many([key, lock])
            # If the lock holds the token, this process has the lock: the response to `add` was lost.
            if key in values or values.get(lock) == token:
                return values.get(key)
    except StoreUnavailable:
        return None
    log.warning("another process has not computed %s within %s s; this process computes it too", key, lock_s)
    return None


async def _release_lock(cache: Cache, lock: str, token: bytes) -> None:
    """Release the lock if this process still holds it.

    Reading and deleting are not atomic: if the lock expires in between, one more process may compute the value.
    """
    try:
        if await cache.get(lock) == token:
            await cache.delete(lock)
    except StoreUnavailable as error:
        log.debug("lock %s was not released and will expire: %s", lock, error)
