"""Single flight: a missing value is computed once, however many tasks and workers want it at the same time.

In one process the callers share a task. Between processes a lock in the cache selects the one that computes. The others
poll until the value exists, the lock is free, or the lock would have expired, and then compute the value themselves.
Without the cache each process computes for itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from db.cache.base import Cache
from db.errors import StoreUnavailable

log = logging.getLogger(__name__)

FIRST_POLL_S, LAST_POLL_S = 0.005, 0.05
"""Polling intervals grow from 5 ms to 50 ms: a ranking takes about 40 ms."""

T = TypeVar("T")
Compute = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Computed(Generic[T]):
    """A value, and in the process that computed it the object that it encodes.

    Attributes
    ----------
    value
        Bytes for the cache.
    ttl_s
        Time to live.
    decoded
        The decoded object; None if the value was found in the cache.
    """

    value: bytes
    ttl_s: float
    decoded: T | None = None


Make = Callable[[], Awaitable[Computed[T]]]


@dataclass(slots=True)
class _Flight:
    """A running computation and the number of callers that wait for it."""

    task: asyncio.Task[Computed[Any]]
    callers: int = 0


# By cache and key. A task references its cache, so the cache's id cannot be reused meanwhile.
_flights: dict[tuple[int, str], _Flight] = {}


async def compute_once(cache: Cache, key: str, compute: Compute, *, ttl_s: float, lock_s: float) -> bytes:
    """Return the value of a key, computed once if the cache does not hold it, with a fixed time to live.

    See `get_or_compute` for the parameters.
    """

    async def make() -> Computed[None]:
        return Computed(await compute(), ttl_s)

    return (await get_or_compute(cache, key, make, lock_s=lock_s)).value


async def get_or_compute(
    cache: Cache, key: str, make: Make[T], *, lock_s: float, cancel_when_abandoned: bool = False
) -> Computed[T]:
    """Return the value of a key, computed once if the cache does not hold it.

    The computation is a separate task: the cancellation of a caller does not affect the others.

    Parameters
    ----------
    make
        Computes the value and its time to live. Its error reaches all callers of this process; other processes then
        compute the value themselves.
    lock_s
        Maximum wait for another process; longer than the computation ever takes.
    cancel_when_abandoned
        Whether the computation is canceled once every caller of this process has been; otherwise it completes.
    """
    cached = await _get(cache, key)
    if cached is not None:
        return Computed(cached, 0.0)
    name = (id(cache), key)
    flight = _flights.get(name)
    if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
        flight = _flights[name] = _start(name, _fly(cache, key, make, lock_s))
    flight.callers += 1
    try:
        return await asyncio.shield(flight.task)
    finally:
        flight.callers -= 1
        if cancel_when_abandoned and not flight.callers and not flight.task.done():
            _forget(name, flight)  # first: a new caller must not wait for a canceled task
            flight.task.cancel()


def _start(name: tuple[int, str], fly: Coroutine[Any, Any, Computed[Any]]) -> _Flight:
    flight = _Flight(asyncio.create_task(fly, name=f"single flight of {name[1]}"))
    flight.task.add_done_callback(lambda _: _land(name, flight))
    return flight


def _land(name: tuple[int, str], flight: _Flight) -> None:
    _forget(name, flight)
    if not flight.task.cancelled() and flight.task.exception() is not None:  # retrieved: all callers may be gone
        log.debug("%s failed: %r", flight.task.get_name(), flight.task.exception())


def _forget(name: tuple[int, str], flight: _Flight) -> None:
    if _flights.get(name) is flight:
        del _flights[name]


async def _fly(cache: Cache, key: str, make: Make[T], lock_s: float) -> Computed[T]:
    lock, token = f"{key}:lock", secrets.token_bytes(16)
    try:
        found = await _wait(cache, key, lock, token, lock_s)
        if found is not None:
            return Computed(found, 0.0)
        made = await make()
        await _keep(cache, key, made)
        return made
    finally:
        await _release(cache, lock, token)


async def _wait(cache: Cache, key: str, lock: str, token: bytes, lock_s: float) -> bytes | None:
    """Return the value of another process, or None if this one is to compute it."""
    clock = asyncio.get_running_loop().time
    deadline, probe_interval_s = clock() + lock_s, FIRST_POLL_S
    try:
        while clock() < deadline:
            if await cache.add(lock, token, lock_s):
                # Another process may have stored the value between the caller's read and this lock.
                return await cache.get(key)
            await asyncio.sleep(probe_interval_s)
            probe_interval_s = min(LAST_POLL_S, probe_interval_s * 1.5)
            found = await cache.get_many([key, lock])
            if key in found or found.get(lock) == token:  # ours: the response to `add` was lost
                return found.get(key)
    except StoreUnavailable:
        return None
    log.warning("another process has not computed %s within %s s; computing it here too", key, lock_s)
    return None


async def _get(cache: Cache, key: str) -> bytes | None:
    try:
        return await cache.get(key)
    except StoreUnavailable:
        return None


async def _keep(cache: Cache, key: str, made: Computed[Any]) -> None:
    try:
        await cache.put(key, made.value, made.ttl_s)
    except StoreUnavailable as away:
        log.debug("%s was computed and not cached: %s", key, away)


async def _release(cache: Cache, lock: str, token: bytes) -> None:
    """Release the lock if it is still ours. If it passes to another process in between, one more process computes."""
    try:
        if await cache.get(lock) == token:
            await cache.delete(lock)
    except StoreUnavailable as away:
        log.debug("%s was not released and will expire: %s", lock, away)
