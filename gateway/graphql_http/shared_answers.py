"""Answers that all anonymous callers share, kept in this process for a second.

Concurrent requests for one answer run its operation once. Only complete answers are kept, without an error and with
every store available. An answer can be a second older than a change that another process has made.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from graphql import ExecutionResult

FRESH_S = 1.0
"""Seconds for which an answer is kept, from the start of its operation. Its counters are never older than this."""

MAX_BYTES = 16 * 1024**2
"""Size of all kept answers: 600 pages of 30 cards."""

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


RunOperation = Callable[[], Awaitable[SharedAnswer]]


class SharedAnswers:
    """The complete answers of the last second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answers: OrderedDict[AnswerKey, tuple[SharedAnswer, float]] = OrderedDict()
        self._running: dict[AnswerKey, asyncio.Future[SharedAnswer | None]] = {}

    async def find(self, key: AnswerKey, run: RunOperation) -> SharedAnswer:
        """Return the kept answer, or the answer of a running request for it, or else run the operation."""
        started = self._clock()
        self._remove_older_than(started - FRESH_S)
        kept = self._answers.get(key)
        # A slow operation is added behind faster ones that started later, so it can be too old here.
        if kept is not None and kept[1] >= started - FRESH_S:
            return kept[0]
        while (running := self._running.get(key)) is not None:
            await asyncio.wait([running])
            if not running.cancelled():
                return running.result() or await run()
        return await self._run(key, run, started)

    def discard(self) -> None:
        """Forget all answers, also those that are still being made, after a change that must be visible at once."""
        self._answers.clear()
        self._running.clear()
        self._bytes = 0

    async def _run(self, key: AnswerKey, run: RunOperation, started: float) -> SharedAnswer:
        running = self._running[key] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await run()
        except asyncio.CancelledError:
            running.cancel()  # another request runs the operation for all that wait
            raise
        else:
            return answer
        finally:
            is_current = self._running.get(key) is running
            if is_current:
                del self._running[key]
            is_complete = answer is not None and answer.data is not None
            if not running.done():
                running.set_result(answer if is_complete else None)
            if is_current and answer is not None and answer.data is not None:
                self._remove(key)
                self._answers[key] = (answer, started)
                self._bytes += len(answer.data)
                self._remove_older_than(self._clock() - FRESH_S)

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
