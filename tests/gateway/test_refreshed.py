"""A report that takes long is answered as it was last made, for a while."""

import asyncio

from gateway import refreshed
from gateway.refreshed import MAX_AGE_S, Refreshed


class Reports:
    """Numbered reports; each is made when `release` is set."""

    def __init__(self) -> None:
        self.now, self.made, self.release = 100.0, 0, asyncio.Event()
        self.release.set()
        self.refreshed: Refreshed[int] = Refreshed(lambda: self.now)

    async def make(self) -> int:
        await self.release.wait()
        self.made += 1
        return self.made

    async def get(self) -> int:
        return await self.refreshed.get(self.make)


async def test_a_quick_report_is_new_each_time() -> None:
    reports = Reports()
    assert [await reports.get() for _ in range(3)] == [1, 2, 3]


async def test_a_slow_report_is_answered_as_it_was_and_is_made_once(monkeypatch) -> None:
    monkeypatch.setattr(refreshed, "ANSWER_WITHIN_S", 0.0)
    reports = Reports()
    reports.refreshed._kept = (reports.now, await reports.make())
    reports.release.clear()
    assert await asyncio.gather(*(reports.get() for _ in range(5))) == [1] * 5
    reports.now += 2 * MAX_AGE_S
    waiting = asyncio.create_task(reports.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    reports.release.set()
    assert await waiting == 2
    assert reports.made == 2


async def test_a_report_that_fails_fails_for_who_waits_and_is_made_anew() -> None:
    reports = Reports()

    async def fail() -> int:
        raise ValueError

    assert isinstance((await asyncio.gather(reports.refreshed.get(fail), return_exceptions=True))[0], ValueError)
    assert await reports.get() == 1
