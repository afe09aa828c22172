"""Use of the connections to a database: waits for a free one, and statements that are not answered."""

import asyncio
import time
from collections import deque
from types import TracebackType
from typing import Any
from weakref import WeakSet

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, ExceptionContext

from db.errors import Store, StoreBusy

_DEADLINE, _TIMER = "statement deadline", "statement timer"


class ConnectionSlots:
    """An asynchronous context manager that at most `count` tasks are in, one for each connection of a pool.

    A wait of more than `longest_wait_s` raises `StoreBusy`. It is an overload of this process and not a fault of the
    database, so it must end before a deadline of the database begins.
    """

    def __init__(self, count: int, longest_wait_s: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._longest_wait_s = longest_wait_s
        self._waiting_since: deque[float] = deque()

    @property
    def wait_s(self) -> float:
        """Seconds for which the first of the waiting tasks has waited; 0 if none waits."""
        return time.monotonic() - self._waiting_since[0] if self._waiting_since else 0.0

    async def __aenter__(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        since = time.monotonic()
        self._waiting_since.append(since)
        try:
            async with asyncio.timeout(self._longest_wait_s):
                await self._free.acquire()
        except TimeoutError:
            reason = f"no connection was free within {self._longest_wait_s:g} s"
            raise StoreBusy(Store.DATABASE, reason) from None
        finally:
            self._waiting_since.remove(since)

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._free.release()


class OpenConnections:
    """The asyncpg connections of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._connections: WeakSet[Any] = WeakSet()
        event.listen(engine, "connect", self._add)

    def _add(self, connection: Any, _record: Any) -> None:
        self._connections.add(connection.driver_connection)

    def abort(self) -> None:
        """Close all connections without notifying the server. Statements that wait for an answer fail at once."""
        for connection in list(self._connections):
            connection.terminate()


def limit_statements(engine: Engine) -> None:
    """Abort the connection of a transaction with `set_deadline` whose statement, commit or rollback is not answered."""
    event.listen(engine, "before_cursor_execute", _start_timer)
    event.listen(engine, "commit", _start_timer)
    event.listen(engine, "rollback", _start_timer)
    event.listen(engine, "after_cursor_execute", _stop_timer)
    event.listen(engine, "handle_error", _stop_timer_after_error)


def set_deadline(connection: Connection, seconds: float | None) -> None:
    """Set the deadline of each statement of a connection from now on; None: no deadline."""
    if not connection.invalidated:
        _stop_timer(connection)
        connection.info[_DEADLINE] = seconds


def _start_timer(connection: Connection, *_: Any) -> None:
    deadline_s = None if connection.invalidated else connection.info.get(_DEADLINE)
    if deadline_s is not None:
        _stop_timer(connection)
        abort = connection.connection.driver_connection.terminate  # type: ignore[union-attr]  # it is checked out
        connection.info[_TIMER] = asyncio.get_running_loop().call_later(deadline_s, abort)


def _stop_timer(connection: Connection, *_: Any) -> None:
    timer = connection.info.pop(_TIMER, None)
    if timer is not None:
        timer.cancel()


def _stop_timer_after_error(context: ExceptionContext) -> None:
    if context.connection is not None and not context.connection.invalidated:
        _stop_timer(context.connection)
