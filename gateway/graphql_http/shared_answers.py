"""Answers that all anonymous callers share, kept in this process for a second.

Concurrent requests for one answer run its operation once, and are all refused if it is refused in an overload. Only
complete answers are kept, without an error and with every store available. An answer can be a second older than a
change that another process has made.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from graphql import ExecutionResult

from gateway.load_shedding import Overloaded

FRESH_S = 1.0
"""Seconds for which an answer is kept, from the start of its operation. Its counters are never older than this."""

MAX_BYTES = 16 * 1024**2
"""Size of all kept answers: 600 pages of 30 cards."""

MAX_SHARED = 1_000
"""Number of answers that are known to have been shared."""

DIGEST_BYTES = 12

AnswerKey = tuple[str, str | None, bytes, bool]
"""The text of the document, the name of the operation, the variables as JSON, and whether the caller opted out."""


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    """The result of an operation. `data` is its JSON if the answer is complete, else None.

    The result of a complete answer should hold the JSON only (`orjson.Fragment`), because answers are counted by it.
    """

    result: ExecutionResult
    data: bytes | None
    tag: str = field(init=False)  # the entity tag

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", f'W/"{blake2b(self.data or b"", digest_size=DIGEST_BYTES).hexdigest()}"')


RunOperation = Callable[[bool], Coroutine[Any, Any, SharedAnswer]]
"""Runs an operation, given whether its answer has been shared before and is made to be shared again."""


@dataclass(slots=True)
class _Running:
    """A running operation, the time of its start, and the number of requests that wait for it."""

    task: asyncio.Task[SharedAnswer]
    started: float
    requests: int = 0

    @property
    def error(self) -> BaseException | None:
        """The error with which the operation has ended."""
        return self.task.exception() if self.task.done() and not self.task.cancelled() else None

    @property
    def is_complete(self) -> bool:
        """Whether the operation has ended with a complete answer."""
        task = self.task
        return task.done() and not task.cancelled() and self.error is None and task.result().data is not None


class SharedAnswers:
    """The complete answers of the last second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answers: OrderedDict[AnswerKey, tuple[SharedAnswer, float]] = OrderedDict()
        self._running: dict[AnswerKey, _Running] = {}
        self._shared: OrderedDict[int, None] = OrderedDict()  # hashes of keys, by the time of the last sharing

    def recall(self, key: AnswerKey) -> SharedAnswer | None:
        """Return the kept answer."""
        oldest = self._clock() - FRESH_S
        self._remove_older_than(oldest)
        kept = self._answers.get(key)
        # A slow operation is added behind faster ones that started later, so it can be too old here.
        if kept is None or kept[1] < oldest:
            return None
        self._note_shared(key)
        return kept[0]

    async def find(self, key: AnswerKey, run: RunOperation) -> SharedAnswer:
        """Return the answer of a running operation for it, or else run the operation. `recall` has found none.

        The operation goes on if its request is canceled, and is canceled with the last request that waits for it.
        """
        running = self._running.get(key)
        is_first = running is None
        if running is None:
            task = asyncio.create_task(run(hash(key) in self._shared))
            running = self._running[key] = _Running(task, self._clock())
            task.add_done_callback(lambda _, running=running: self._finish(key, running))  # type: ignore[misc]
        else:
            self._note_shared(key)
        running.requests += 1
        try:
            await asyncio.wait([running.task])
        finally:
            running.requests -= 1
            if not running.requests and not running.task.done():
                self._stop_sharing(key, running)  # before `cancel`, so that a new request does not wait for it
                running.task.cancel()
        if is_first or running.is_complete or isinstance(running.error, Overloaded):
            return running.task.result()
        return await run(False)  # for this request only

    def discard(self) -> None:
        """Forget all answers, also those that are still being made, after a change that must be visible at once."""
        self._answers.clear()
        self._running.clear()
        self._bytes = 0

    def _note_shared(self, key: AnswerKey) -> None:
        self._shared[hash(key)] = None
        self._shared.move_to_end(hash(key))
        if len(self._shared) > MAX_SHARED:
            self._shared.popitem(last=False)

    def _finish(self, key: AnswerKey, running: _Running) -> None:
        """Keep a complete answer, unless it was discarded while it was made."""
        is_complete = running.is_complete  # retrieves the exception, which nobody may be waiting for
        if self._stop_sharing(key, running) and is_complete:
            answer = running.task.result()
            self._remove(key)
            self._answers[key] = (answer, running.started)
            self._bytes += len(answer.data or b"")
            self._remove_older_than(self._clock() - FRESH_S)

    def _stop_sharing(self, key: AnswerKey, running: _Running) -> bool:
        """Let no further request wait for an operation; return whether any could until now."""
        is_current = self._running.get(key) is running
        if is_current:
            del self._running[key]
        return is_current

    def _remove_older_than(self, time_s: float) -> None:
        """Remove old answers, and the oldest ones while there are too many bytes."""
        while self._answers:
            _, started = next(iter(self._answers.values()))
            if started >= time_s and self._bytes <= self._max_bytes:
                return
            self._remove(next(iter(self._answers)))

    def _remove(self, key: AnswerKey) -> None:
        removed = self._answers.pop(key, None)
        if removed is not None:
            self._bytes -= len(removed[0].data or b"")
