"""Answers that anonymous callers share: one operation a second, however many requests."""

import asyncio

import pytest
from graphql import ExecutionResult

from gateway.graphql_http.shared_answers import FRESH_S, AnswerKey, SharedAnswer, SharedAnswers

KEY: AnswerKey = ("{ thing }", None, b"null", False)


class Runs:
    """An operation that counts how often it runs."""

    def __init__(self, data: bytes | None = b'{"thing":1}') -> None:
        self.count = 0
        self.data = data
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> SharedAnswer:
        self.count += 1
        await self.may_end.wait()
        return SharedAnswer(ExecutionResult({"thing": self.count}, None), self.data)


async def test_an_answer_is_kept_for_a_second_from_the_start_of_its_operation() -> None:
    time = 100.0
    answers, run = SharedAnswers(clock=lambda: time), Runs()
    first = await answers.find(KEY, run)
    time += FRESH_S
    assert await answers.find(KEY, run) is first
    time += 0.01
    assert await answers.find(KEY, run) is not first
    assert run.count == 2


async def test_concurrent_requests_run_the_operation_once() -> None:
    answers, run = SharedAnswers(), Runs()
    run.may_end.clear()
    requests = [asyncio.create_task(answers.find(KEY, run)) for _ in range(20)]
    other = asyncio.create_task(answers.find(("{ other }", None, b"null", False), run))
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
    requests = [asyncio.create_task(answers.find(KEY, run)) for _ in range(3)]
    await asyncio.sleep(0)
    run.may_end.set()
    await asyncio.gather(*requests)
    assert run.count == 3


async def test_a_request_runs_the_operation_itself_if_the_first_one_fails() -> None:
    answers, run = SharedAnswers(), Runs()

    async def fail() -> SharedAnswer:
        await asyncio.sleep(0)
        raise TimeoutError

    first = asyncio.create_task(answers.find(KEY, fail))
    await asyncio.sleep(0)
    second = asyncio.create_task(answers.find(KEY, run))
    with pytest.raises(TimeoutError):
        await first
    assert (await second).data == run.data


async def test_the_kept_answers_are_bounded() -> None:
    answers = SharedAnswers(max_bytes=100)
    for number in range(30):
        await answers.find((str(number), None, b"null", False), Runs())
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
    first = asyncio.create_task(answers.find(KEY, slow))
    await asyncio.sleep(0)
    time += 0.9
    await answers.find(("{ other }", None, b"null", False), fast)
    slow.may_end.set()
    await first
    time += 0.2
    assert await answers.find(KEY, slow) is not await first
    assert slow.count == 2


async def test_an_operation_goes_on_for_the_others_if_the_first_request_is_canceled() -> None:
    answers, run = SharedAnswers(), Runs()
    run.may_end.clear()
    requests = [asyncio.create_task(answers.find(KEY, run)) for _ in range(10)]
    await asyncio.sleep(0)
    requests[0].cancel()
    await asyncio.wait(requests[:1])
    run.may_end.set()
    found = await asyncio.gather(*requests[1:])
    assert run.count == 1
    assert {id(answer) for answer in found} == {id(found[0])}


async def test_an_operation_is_canceled_with_the_last_request_that_waits_for_it() -> None:
    answers, canceled = SharedAnswers(), list[str]()

    async def run() -> SharedAnswer:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            canceled.append("run")
            raise
        raise AssertionError

    requests = [asyncio.create_task(answers.find(KEY, run)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for number, request in enumerate(requests):
        assert canceled == [], number
        request.cancel()
        await asyncio.wait([request])
    anew = asyncio.create_task(answers.find(KEY, Runs()))
    await asyncio.wait([anew])
    assert (canceled, anew.result().data) == (["run"], b'{"thing":1}')


async def test_a_discarded_answer_is_not_given_even_if_it_was_being_made() -> None:
    answers, run = SharedAnswers(), Runs()
    before = await answers.find(KEY, run)
    answers.discard()
    run.may_end.clear()
    running = asyncio.create_task(answers.find(KEY, run))
    await asyncio.sleep(0)
    answers.discard()
    later = asyncio.create_task(answers.find(KEY, run))
    await asyncio.sleep(0)
    run.may_end.set()
    found = [before, await running, await later]
    assert run.count == 3
    assert len({id(answer) for answer in found}) == 3
    assert await answers.find(KEY, run) is found[2]
    assert answers._bytes == len(found[2].data or b"")
