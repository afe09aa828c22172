"""Answers that anonymous callers share: one operation a second, however many requests."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from graphql import ExecutionResult

from gateway.graphql_http.shared_answers import (
    FRESH_S,
    MAX_SHARED,
    AnswerKey,
    RunOperation,
    SharedAnswer,
    SharedAnswers,
)
from gateway.load_shedding import CallerClass, LoadShedder, Overloaded, Priority

KEY: AnswerKey = ("{ thing }", None, b"null", False)


class Runs:
    """An operation that counts how often it runs."""

    def __init__(self, data: bytes | None = b'{"thing":1}') -> None:
        self.count = 0
        self.data = data
        self.were_shared: list[bool] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, is_shared: bool) -> SharedAnswer:
        self.count += 1
        self.were_shared.append(is_shared)
        await self.may_end.wait()
        return SharedAnswer(ExecutionResult({"thing": self.count}, None), self.data)


async def find(answers: SharedAnswers, key: AnswerKey, run: RunOperation) -> SharedAnswer:
    return answers.recall(key) or await answers.find(key, run)


async def test_an_answer_is_kept_for_a_second_from_the_start_of_its_operation() -> None:
    time = 100.0
    answers, run = SharedAnswers(clock=lambda: time), Runs()
    first = await find(answers, KEY, run)
    time += FRESH_S
    assert await find(answers, KEY, run) is first
    time += 0.01
    assert await find(answers, KEY, run) is not first
    assert run.count == 2


async def test_concurrent_requests_run_the_operation_once() -> None:
    answers, run = SharedAnswers(), Runs()
    run.may_end.clear()
    requests = [asyncio.create_task(find(answers, KEY, run)) for _ in range(20)]
    other = asyncio.create_task(find(answers, ("{ other }", None, b"null", False), run))
    await asyncio.sleep(0)
    requests[3].cancel()  # its client has gone; the others still get the answer
    run.may_end.set()
    found = await asyncio.gather(*requests, other, return_exceptions=True)
    assert run.count == 2
    assert isinstance(found[3], asyncio.CancelledError)
    assert {id(answer) for answer in found[:3] + found[4:20]} == {id(found[0])}


async def test_an_incomplete_answer_is_not_shared() -> None:
    answers, run = SharedAnswers(), Runs(data=None)
    run.may_end.clear()
    requests = [asyncio.create_task(find(answers, KEY, run)) for _ in range(3)]
    await asyncio.sleep(0)
    run.may_end.set()
    await asyncio.gather(*requests)
    assert run.count == 3


async def test_a_request_runs_the_operation_itself_if_the_first_one_fails() -> None:
    answers, run = SharedAnswers(), Runs()

    async def fail(_: bool) -> SharedAnswer:
        await asyncio.sleep(0)
        raise TimeoutError

    first = asyncio.create_task(find(answers, KEY, fail))
    await asyncio.sleep(0)
    second = asyncio.create_task(find(answers, KEY, run))
    with pytest.raises(TimeoutError):
        await first
    assert (await second).data == run.data


async def test_a_refusal_in_an_overload_is_given_to_all_who_wait() -> None:
    answers, run = SharedAnswers(), Runs()

    async def refuse(_: bool) -> SharedAnswer:
        await asyncio.sleep(0)
        raise Overloaded

    first = asyncio.create_task(find(answers, KEY, refuse))
    await asyncio.sleep(0)
    others = [asyncio.create_task(find(answers, KEY, run)) for _ in range(3)]
    found = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(error) for error in found] == [Overloaded] * 4
    assert run.count == 0


async def test_an_operation_counts_as_shared_after_a_second_request_for_it() -> None:
    time = 100.0
    answers, alone, together, kept = SharedAnswers(clock=lambda: time), Runs(), Runs(data=None), Runs()
    together_key, kept_key = (("{ other }", None, b"null", False), ("{ kept }", None, b"null", False))
    for _ in range(2):
        await find(answers, KEY, alone)
        await asyncio.gather(*(find(answers, together_key, together) for _ in range(2)))
        await find(answers, kept_key, kept)
        await find(answers, kept_key, kept)
        time += 2 * FRESH_S
    assert alone.were_shared == [False, False]
    assert together.were_shared == [False, False, True, False]  # the second of each pair repeats an incomplete answer
    assert kept.were_shared == [False, True]


async def test_the_known_shared_answers_are_bounded() -> None:
    answers = SharedAnswers()
    for number in range(MAX_SHARED + 1):
        for _ in range(2):
            await find(answers, (str(number), None, b"null", False), Runs())
    assert len(answers._shared) == MAX_SHARED


async def test_the_kept_answers_are_bounded() -> None:
    answers = SharedAnswers(max_bytes=100)
    for number in range(30):
        await find(answers, (str(number), None, b"null", False), Runs())
    assert answers._bytes <= 100
    assert sum(len(answer.data or b"") for answer, _ in answers._answers.values()) == answers._bytes


async def test_anonymous_posts_share_an_answer_and_get_sessions_of_their_own(client) -> None:
    body = {"query": "{ thing { name size } whose }"}
    replies = [await client.post("/graphql", json=body) for _ in range(4)]
    assert len({reply.headers["x-session-id"] for reply in replies}) == 4
    assert [reply.json()["data"]["thing"] for reply in replies] == [{"name": "a", "size": 1}] * 4
    assert "session_key=None" in replies[3].json()["data"]["whose"]  # the document is known: the answer is shared
    assert all(reply.headers["cache-control"] == "no-store" for reply in replies)
    assert all("asked" in reply.json()["extensions"]["cost"] for reply in replies)


async def test_an_operation_has_the_priority_of_shared_answers_only_if_it_is_shared(client, monkeypatch) -> None:
    classes = list[CallerClass]()
    turn = LoadShedder.turn

    def record(self: LoadShedder, priority: Priority) -> AbstractAsyncContextManager[None]:
        classes.append(priority.caller)
        return turn(self, priority)

    async def run_twice(_self: SharedAnswers, _key: AnswerKey, run: RunOperation) -> SharedAnswer:
        await run(False)
        return await run(True)

    body = {"query": "{ thing { name size } whose }"}
    await client.post("/graphql", json=body)  # the document is unknown before
    monkeypatch.setattr(LoadShedder, "turn", record)
    monkeypatch.setattr(SharedAnswers, "recall", lambda *_: None)
    monkeypatch.setattr(SharedAnswers, "find", run_twice)
    await client.post("/graphql", json=body)
    assert classes == [CallerClass.ANONYMOUS, CallerClass.SHARED]


async def test_a_known_caller_never_gets_a_shared_answer(client, authority) -> None:
    body = {"query": "{ thing { name } whose }"}
    for _ in range(3):
        session = (await client.post("/graphql", json=body)).headers["x-session-id"]
    for headers in ({"X-Session-Id": session}, {"Authorization": f"Bearer {authority.issue('ada')}"}):
        whose = (await client.post("/graphql", json=body, headers=headers)).json()["data"]["whose"]
        assert "user_key=None, session_key=None" not in whose


async def test_a_slow_answer_behind_a_faster_one_is_not_kept_for_longer() -> None:
    time = 100.0
    answers, slow, fast = SharedAnswers(clock=lambda: time), Runs(), Runs()
    slow.may_end.clear()
    first = asyncio.create_task(find(answers, KEY, slow))
    await asyncio.sleep(0)
    time += 0.9
    await find(answers, ("{ other }", None, b"null", False), fast)
    slow.may_end.set()
    await first
    time += 0.2
    assert await find(answers, KEY, slow) is not await first
    assert slow.count == 2


async def test_an_operation_goes_on_for_the_others_if_the_first_request_is_canceled() -> None:
    answers, run = SharedAnswers(), Runs()
    run.may_end.clear()
    requests = [asyncio.create_task(find(answers, KEY, run)) for _ in range(10)]
    await asyncio.sleep(0)
    requests[0].cancel()
    await asyncio.wait(requests[:1])
    run.may_end.set()
    found = await asyncio.gather(*requests[1:])
    assert run.count == 1
    assert {id(answer) for answer in found} == {id(found[0])}


async def test_an_operation_is_canceled_with_the_last_request_that_waits_for_it() -> None:
    answers, canceled = SharedAnswers(), list[str]()

    async def run(_: bool) -> SharedAnswer:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            canceled.append("run")
            raise
        raise AssertionError

    requests = [asyncio.create_task(find(answers, KEY, run)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for number, request in enumerate(requests):
        assert canceled == [], number
        request.cancel()
        await asyncio.wait([request])
    anew = asyncio.create_task(find(answers, KEY, Runs()))
    await asyncio.wait([anew])
    assert (canceled, anew.result().data) == (["run"], b'{"thing":1}')


async def test_a_discarded_answer_is_not_given_even_if_it_was_being_made() -> None:
    answers, run = SharedAnswers(), Runs()
    before = await find(answers, KEY, run)
    answers.discard()
    run.may_end.clear()
    running = asyncio.create_task(find(answers, KEY, run))
    await asyncio.sleep(0)
    answers.discard()
    later = asyncio.create_task(find(answers, KEY, run))
    await asyncio.sleep(0)
    run.may_end.set()
    found = [before, await running, await later]
    assert run.count == 3
    assert len({id(answer) for answer in found}) == 3
    assert await find(answers, KEY, run) is found[2]
    assert answers._bytes == len(found[2].data or b"")
