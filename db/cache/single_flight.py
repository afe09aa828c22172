"""Single flight: a missing value is computed once, however many tasks and workers want it at the same time.

In one process the callers share a task. Between processes a lock in the cache selects the one that computes. The others
poll until the value exists, the lock is free, or the lock would have expired, and then compute the value themselves.
Without the cache each process computes for itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from db.cache.base import Cache
from db.errors import StoreUnavailable

log = logging.getLogger(__name__)

FIRST_POLL_S, LAST_POLL_S = 0.005, 0.05
"""Polling intervals grow from 5 ms to 50 ms: a ranking takes about 40 ms."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Computed(Generic[T]):
    """A value, and in the process that computed it the object that it encodes."""

    value: bytes
    ttl_s: float
    decoded: T | None = None  # the decoded object; None if the value was found in the cache


Compute = Callable[[], Awaitable[Computed[T]]]


@dataclass(slots=True)
class _Flight:
    """A running computation and the number of callers that wait for it."""

    task: asyncio.Task[Computed[Any]]
    callers: int = 0


# By cache and key. A task references its cache, so the cache's id cannot be reused meanwhile.
_flights: dict[tuple[int, str], _Flight] = {}


async def get_or_compute(
    cache: Cache, key: str, compute: Compute[T], *, lock_s: float, cancel_when_abandoned: bool = False
) -> Computed[T]:
    """Return the value of a key, computed once if the cache does not hold it.

    The computation is a separate task: the cancellation of a caller does not affect the others.

    Parameters
    ----------
    compute
        Computes the value and its time to live. Its error reaches all callers of this process; other processes then
        compute the value themselves.
    lock_s
        Maximum wait for another process; longer than the computation ever takes.
    cancel_when_abandoned
        Whether the computation is canceled once every caller of this process has been; otherwise it completes.
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
        flight = _Flight(asyncio.create_task(_fly(cache, key, compute, lock_s), name=f"single flight of {key}"))
        flight.task.add_done_callback(lambda _, flight=flight: _land(name, flight))  # type: ignore[misc]
        _flights[name] = flight
    flight.callers += 1
    try:
        return await asyncio.shield(flight.task)
    finally:
        flight.callers -= 1
        if cancel_when_abandoned and not flight.callers and not flight.task.done():
            _forget(name, flight)  # first: a new caller must not wait for a canceled task
            flight.task.cancel()


def _land(name: tuple[int, str], flight: _Flight) -> None:
    _forget(name, flight)
    if not flight.task.cancelled() and flight.task.exception() is not None:  # retrieved: all callers may be gone
        log.debug("%s failed: %r", flight.task.get_name(), flight.task.exception())


def _forget(name: tuple[int, str], flight: _Flight) -> None:
    if _flights.get(name) is flight:
        del _flights[name]


async def _fly(cache: Cache, key: str, compute: Compute[T], lock_s: float) -> Computed[T]:
    lock, token = f"{key}:lock", secrets.token_bytes(16)
    try:
        found = await _wait(cache, key, lock, token, lock_s)
        if found is not None:
            return Computed(found, 0.0)
        computed = await compute()
        try:
            await cache.put(key, computed.value, computed.ttl_s)
        except StoreUnavailable as error:
            log.debug("%s was computed and not cached: %s", key, error)
        return computed
    finally:
        await _release(cache, lock, token)


async def _wait(cache: Cache, key: str, lock: str, token: bytes, lock_s: float) -> bytes | None:
    """Return the value of another process, or None if this one is to compute it."""
    clock = asyncio.get_running_loop().time
    deadline, pause_s = clock() + lock_s, FIRST_POLL_S
    try:
        while clock() < deadline:
            if await cache.add(lock, token, lock_s):
                # Another process may have stored the value between the caller's read and this lock.
                return await cache.get(key)
            await asyncio.sleep(pause_s)
            pause_s = min(LAST_POLL_S, pause_s * 1.5)
            found = await cache.get_many([key, lock])
            if key in found or found.get(lock) == token:  # ours: the response to `add` was lost
                return found.get(key)
    except StoreUnavailable:
        return None
    log.warning("another process has not computed %s within %s s; computing it here too", key, lock_s)
    return None


async def _release(cache: Cache, lock: str, token: bytes) -> None:
    """Release the lock if it is still ours. If it passes to another process in between, one more process computes."""
    try:
        if await cache.get(lock) == token:
            await cache.delete(lock)
    except StoreUnavailable as error:
        log.debug("%s was not released and will expire: %s", lock, error)
