"""Single flight: a cold key is computed once, however many tasks and workers want it at the same moment.

In one process the callers share a task. Between processes a lock in the cache decides who computes; the others look
for the value until it is there, until the lock is free, or until the lock would have expired, and then do it
themselves. A cache that is away costs the sharing between processes, never the answer.
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

FIRST_LOOK_S = 0.005
LAST_LOOK_S = 0.05
"""Followers look again after 5 ms, then ever later, up to 50 ms: a ranking takes about 40 ms."""

T = TypeVar("T")
Compute = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Computed(Generic[T]):
    """A value, and for the callers of the process that computed it the thing that it stands for.

    Attributes
    ----------
    value
        What the cache holds.
    ttl_s
        How long it lives.
    decoded
        What was made; None if the value was found in the cache.
    """

    value: bytes
    ttl_s: float
    decoded: T | None = None


Make = Callable[[], Awaitable[Computed[T]]]


@dataclass(slots=True)
class _Flight:
    """What is being made, and how many callers wait for it."""

    task: asyncio.Task[Computed[Any]]
    callers: int = 0


# By cache and key. A task holds its cache, so that the cache's id cannot become another's meanwhile.
_flights: dict[tuple[int, str], _Flight] = {}


async def compute_once(cache: Cache, key: str, compute: Compute, *, ttl_s: float, lock_s: float) -> bytes:
    """Give the value of a key; if the cache does not hold it, see to it that it is computed once (see `get_or_compute`).

    Parameters
    ----------
    compute
        Makes the value. What it raises reaches all callers of this process; other processes then try themselves.
    ttl_s
        How long the value lives.
    lock_s
        How long others wait for whoever computes, at most; longer than computing ever takes.
    """

    async def make() -> Computed[None]:
        return Computed(await compute(), ttl_s)

    return (await get_or_compute(cache, key, make, lock_s=lock_s)).value


async def get_or_compute(
    cache: Cache, key: str, make: Make[T], *, lock_s: float, cancel_when_abandoned: bool = False
) -> Computed[T]:
    """Give what a key names; if the cache does not hold it, see to it that it is made once.

    Making is a task of its own: a caller who is canceled, the first one too, takes nobody along.

    Parameters
    ----------
    make
        Makes the value and says how long it lives: what was made in a bad moment may live for less. What it raises
        reaches all callers of this process; other processes then try themselves.
    lock_s
        As for `compute_once`.
    cancel_when_abandoned
        Whether it is given up once every caller of this process has been canceled; else the next one finds it made.
    """
    held = await _look(cache, key)
    if held is not None:
        return Computed(held, 0.0)
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
            _forget(name, flight)  # at once: whoever comes now must not wait for what is being stopped
            flight.task.cancel()


def _start(name: tuple[int, str], fly: Coroutine[Any, Any, Computed[Any]]) -> _Flight:
    flight = _Flight(asyncio.create_task(fly, name=f"single flight of {name[1]}"))
    flight.task.add_done_callback(lambda _: _land(name, flight))
    return flight


def _land(name: tuple[int, str], flight: _Flight) -> None:
    _forget(name, flight)
    if not flight.task.cancelled() and flight.task.exception() is not None:  # looked at: its callers may all have gone
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
    """Wait for another's value, or give None to whoever shall compute it: the lock is free, or the cache is away."""
    clock = asyncio.get_running_loop().time
    deadline, probe_interval_s = clock() + lock_s, FIRST_LOOK_S
    try:
        while clock() < deadline:
            if await cache.add(lock, token, lock_s):
                # Between the caller's look and this lock another may have been through with it.
                return await cache.get(key)
            await asyncio.sleep(probe_interval_s)
            probe_interval_s = min(LAST_LOOK_S, probe_interval_s * 1.5)
            found = await cache.get_many([key, lock])
            if key in found or found.get(lock) == token:  # ours: an answer to `add` was lost on its way
                return found.get(key)
    except StoreUnavailable:
        return None
    log.warning("whoever computes %s has not come up with it in %s s; it is computed here too", key, lock_s)
    return None


async def _look(cache: Cache, key: str) -> bytes | None:
    try:
        return await cache.get(key)
    except StoreUnavailable:
        return None


async def _keep(cache: Cache, key: str, made: Computed[Any]) -> None:
    try:
        await cache.put(key, made.value, made.ttl_s)
    except StoreUnavailable as away:
        log.debug("%s was computed and not kept: %s", key, away)


async def _release(cache: Cache, lock: str, token: bytes) -> None:
    """Free the lock if it is still ours. In between it may pass to another: then one more computes, nothing worse."""
    try:
        if await cache.get(lock) == token:
            await cache.delete(lock)
    except StoreUnavailable as away:
        log.debug("%s was not freed and expires by itself: %s", lock, away)
