"""Rules of the outbox: no change is lost, no row is processed forever, no newer change is deleted."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select, update

from db import outbox
from db.database.engine import Database
from db.models import OutboxKind, OutboxRow, now
from tests.conftest import CountStatements

PROJECT, PROFILE, TOOL = OutboxKind.PROJECT, OutboxKind.PROFILE, OutboxKind.TOOL
LEASE_S = 60.0


async def enqueue(database: Database, *keys: str, kind: OutboxKind = PROJECT, urgent: bool = False) -> None:
    async with database.write() as connection:
        await outbox.enqueue(connection, kind, keys, urgent=urgent)


async def rows(database: Database) -> Sequence[Row[Any]]:
    return await database.fetch(select(OutboxRow.__table__).order_by(OutboxRow.kind, OutboxRow.key))


async def end_all_leases(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(update(OutboxRow).values(available_at=now() - timedelta(seconds=1)))


async def test_a_new_row_waits_with_version_1(database: Database):
    await enqueue(database, "a", "b", "a")
    assert [(row.kind, row.key, row.version, row.urgent) for row in await rows(database)] == [
        ("project", "a", 1, False),
        ("project", "b", 1, False),
    ]


async def test_one_key_of_two_kinds_is_two_rows(database: Database):
    await enqueue(database, "1", kind=TOOL)
    await enqueue(database, "1", kind=PROFILE)
    assert [row.kind for row in await rows(database)] == ["profile", "tool"]


async def test_a_key_enqueued_again_has_a_higher_version_and_the_newest_urgency(database: Database):
    await enqueue(database, "a", "b", urgent=True)
    await enqueue(database, "a", "c")
    assert [(row.key, row.version, row.urgent) for row in await rows(database)] == [
        ("a", 2, False),
        ("b", 1, True),
        ("c", 1, False),
    ]


async def test_many_keys_are_one_statement_and_none_is_no_statement(database: Database, statements: CountStatements):
    with statements(database) as issued:
        await enqueue(database, *(f"key {number}" for number in range(5_000)))
        await enqueue(database)
    assert len(issued) == 1
    assert len(await rows(database)) == 5_000


async def test_a_change_that_is_rolled_back_leaves_no_row(database: Database):
    async with database.write() as connection:
        await outbox.enqueue(connection, PROJECT, ["a"])
        await connection.rollback()
    assert await rows(database) == []


async def test_urgent_rows_are_taken_first_and_then_the_oldest(database: Database):
    for key in ("first", "second", "third"):
        await enqueue(database, key)
    await enqueue(database, "urgent", urgent=True)
    assert [lease.key for lease in await outbox.take(database, 2, LEASE_S)] == ["urgent", "first"]
    assert [lease.key for lease in await outbox.take(database, 9, LEASE_S)] == ["second", "third"]


async def test_a_row_in_somebodys_hands_is_free_again_when_the_lease_ends(database: Database):
    await enqueue(database, "a")
    assert len(await outbox.take(database, 9, LEASE_S)) == 1
    assert await outbox.take(database, 9, LEASE_S) == []
    await end_all_leases(database)
    assert len(await outbox.take(database, 9, LEASE_S)) == 1


async def test_a_check_for_rows_sees_those_that_can_be_taken_and_takes_no_lock(database: Database):
    assert not await outbox.has_available(database)
    await enqueue(database, "p1")
    async with database.write() as connection:
        await connection.execute(select(OutboxRow.key).with_for_update())
        assert await outbox.has_available(database)
    (lease,) = await outbox.take(database, 10, 60)
    assert not await outbox.has_available(database)
    await outbox.release(database, [lease])
    assert await outbox.has_available(database)
    async with database.write() as connection:
        await connection.execute(update(OutboxRow).values(dead=True))
    assert not await outbox.has_available(database)


async def test_a_settled_row_is_gone(database: Database):
    await enqueue(database, "a", "b")
    await enqueue(database, "a", kind=TOOL)
    await outbox.settle(database, await outbox.take(database, 9, LEASE_S))
    assert await rows(database) == []


async def test_a_row_whose_version_moved_is_not_deleted(database: Database):
    await enqueue(database, "a", "b")
    leases = await outbox.take(database, 9, LEASE_S)
    await enqueue(database, "a")
    await outbox.settle(database, leases)
    assert [row.key for row in await rows(database)] == ["a"]
    assert [lease.key for lease in await outbox.take(database, 9, LEASE_S)] == ["a"]


async def test_a_row_deleted_and_made_anew_with_the_same_version_is_not_deleted(database: Database):
    await enqueue(database, "a")
    slow = await outbox.take(database, 9, LEASE_S)
    await end_all_leases(database)
    await outbox.settle(database, await outbox.take(database, 9, LEASE_S))
    await enqueue(database, "a")
    await outbox.settle(database, slow)
    assert [row.key for row in await rows(database)] == ["a"]


async def test_two_workers_on_one_key_lead_to_one_more_pass_by_one(database: Database):
    await enqueue(database, "a")
    slow = await outbox.take(database, 9, LEASE_S)
    await enqueue(database, "a")
    fast = await outbox.take(database, 9, LEASE_S)
    assert [lease.version for lease in (*slow, *fast)] == [1, 2]
    await outbox.settle(database, slow)
    assert await outbox.take(database, 9, LEASE_S) == []  # still in the hands of the other
    await outbox.settle(database, fast)
    last = await outbox.take(database, 9, LEASE_S)
    assert [lease.key for lease in last] == ["a"]
    await outbox.settle(database, last)
    assert await rows(database) == []


async def test_a_row_that_another_may_still_hold_is_not_deleted_until_that_one_has_settled(database: Database):
    await enqueue(database, "a")
    slow = await outbox.take(database, 9, LEASE_S)
    await enqueue(database, "a")
    await outbox.settle(database, await outbox.take(database, 9, LEASE_S))
    assert [row.key for row in await rows(database)] == ["a"]
    assert await outbox.take(database, 9, LEASE_S) == []  # the slow one may write yet
    await outbox.settle(database, slow)
    last = await outbox.take(database, 9, LEASE_S)
    assert [lease.key for lease in last] == ["a"]
    await outbox.settle(database, last)
    assert await rows(database) == []


async def test_a_row_whose_slow_holder_was_killed_comes_up_once_more_when_that_lease_ends(database: Database):
    await enqueue(database, "a")
    await outbox.take(database, 9, LEASE_S)  # killed: never settles
    await enqueue(database, "a")
    await outbox.settle(database, await outbox.take(database, 9, LEASE_S))
    assert await outbox.take(database, 9, LEASE_S) == []
    await end_all_leases(database)
    last = await outbox.take(database, 9, LEASE_S)
    assert [lease.key for lease in last] == ["a"]
    await outbox.settle(database, last)
    assert await rows(database) == []


async def test_only_urgent_rows_are_taken_on_request(database: Database):
    await enqueue(database, "a")
    await enqueue(database, "b", urgent=True)
    assert [lease.key for lease in await outbox.take(database, 9, LEASE_S, only_urgent=True)] == ["b"]
    assert await outbox.take(database, 9, LEASE_S, only_urgent=True) == []


async def test_what_is_claimed_is_in_our_hands_and_gone_when_settled(database: Database):
    claimed = await outbox.claim(database, PROJECT, ["b", "a", "b"], LEASE_S)
    assert sorted(lease.key for lease in claimed) == ["a", "b"]
    assert await outbox.take(database, 9, LEASE_S) == []
    await outbox.settle(database, claimed)
    assert await rows(database) == []
    assert await outbox.claim(database, PROJECT, [], LEASE_S) == []


async def test_a_change_pulls_a_row_out_of_a_claim_which_then_asks_for_one_more_pass(database: Database):
    claimed = await outbox.claim(database, PROJECT, ["a"], LEASE_S)
    await enqueue(database, "a")
    newer = await outbox.take(database, 9, LEASE_S)
    assert [lease.version for lease in newer] == [2]
    await outbox.settle(database, newer)
    await outbox.settle(database, claimed)
    assert [lease.key for lease in await outbox.take(database, 9, LEASE_S)] == ["a"]


async def test_a_row_that_is_there_cannot_be_claimed_but_comes_up_at_once(database: Database):
    await enqueue(database, "a", "b")
    held = await outbox.take(database, 1, LEASE_S)
    assert await outbox.claim(database, PROJECT, ["a", "b"], LEASE_S) == []
    newer = await outbox.take(database, 9, LEASE_S)
    assert sorted(lease.key for lease in newer) == ["a", "b"]
    await outbox.settle(database, newer)
    assert [row.key for row in await rows(database)] == ["a"]  # its first holder may write yet
    await outbox.settle(database, held)
    assert [lease.key for lease in await outbox.take(database, 9, LEASE_S)] == ["a"]


async def test_a_claim_brings_a_dead_row_to_life(database: Database):
    await enqueue(database, "a")
    async with database.write() as connection:
        await connection.execute(update(OutboxRow).values(dead=True, attempts=3, available_at=now()))
    assert await outbox.claim(database, PROJECT, ["a"], LEASE_S) == []
    assert [lease.key for lease in await outbox.take(database, 9, LEASE_S)] == ["a"]
    assert [row.attempts for row in await rows(database)] == [0]


async def test_a_refused_row_rests_as_long_as_it_is_told_and_deaths_are_counted(database: Database):
    await enqueue(database, "a")
    died = []
    for _ in range(outbox.MAX_ATTEMPTS):
        leases = await outbox.take(database, 9, LEASE_S)
        died.append(await outbox.reject(database, leases, "too long", timedelta()))
    assert died == [0, 0, 1]


async def test_what_is_pending_says_whether_it_is_dead(database: Database):
    await enqueue(database, "a", "b", "c")
    await enqueue(database, "d", kind=TOOL)
    async with database.write() as connection:
        await connection.execute(update(OutboxRow).where(OutboxRow.key == "b").values(dead=True))
    assert await outbox.pending(database, PROJECT, ["a", "b", "d", "e"]) == {"a": False, "b": True}
    assert await outbox.pending(database, PROJECT, []) == {}


async def test_a_released_row_is_free_at_once_and_counts_no_try(database: Database):
    await enqueue(database, "a")
    for _ in range(5):
        leases = await outbox.take(database, 9, LEASE_S)
        assert len(leases) == 1
        await outbox.release(database, leases)
    assert [(row.attempts, row.dead) for row in await rows(database)] == [(0, False)]
    await outbox.release(database, await outbox.take(database, 9, LEASE_S), delay_s=60)
    assert await outbox.take(database, 9, LEASE_S) == []


async def test_a_row_refused_three_times_is_dead_until_the_truth_changes(database: Database):
    await enqueue(database, "a")
    for _ in range(outbox.MAX_ATTEMPTS):
        await outbox.reject(database, await outbox.take(database, 9, LEASE_S), "too long")
        assert await outbox.take(database, 9, LEASE_S) == []
        await end_all_leases(database)
    assert [(row.dead, row.last_error) for row in await rows(database)] == [(True, "too long")]
    assert await outbox.take(database, 9, LEASE_S) == []
    await enqueue(database, "a")
    assert len(await outbox.take(database, 9, LEASE_S)) == 1
    assert [(row.attempts, row.dead, row.last_error) for row in await rows(database)] == [(0, False, None)]


async def test_what_moved_meanwhile_is_neither_released_nor_refused(database: Database):
    await enqueue(database, "a")
    leases = await outbox.take(database, 9, LEASE_S)
    await enqueue(database, "a")
    other = await outbox.take(database, 9, LEASE_S)
    await outbox.release(database, leases)
    await outbox.reject(database, leases, "too long")
    assert await outbox.take(database, 9, LEASE_S) == []
    await outbox.settle(database, other)
    assert await outbox.take(database, 9, LEASE_S) == []
    assert [(row.attempts, row.dead) for row in await rows(database)] == [(0, False)]  # for one pass after that lease


async def test_the_backlog_counts_what_waits_and_what_is_dead(database: Database):
    assert await outbox.backlog(database) == outbox.Backlog(0, 0.0, 0)
    await enqueue(database, "a", "b", "c")
    async with database.write() as connection:
        await connection.execute(update(OutboxRow).values(enqueued_at=now() - timedelta(seconds=30)))
        await connection.execute(update(OutboxRow).where(OutboxRow.key == "c").values(dead=True))
    await outbox.take(database, 1, LEASE_S)
    backlog = await outbox.backlog(database)
    assert (backlog.rows, backlog.dead) == (2, 1)
    assert 30 <= backlog.lag_s < 60


async def test_workers_at_once_take_each_row_once(database: Database):
    keys = [f"key {number}" for number in range(200)]
    await enqueue(database, *keys)
    taken: list[str] = []

    async def work() -> None:
        while leases := await outbox.take(database, 7, LEASE_S):
            taken.extend(lease.key for lease in leases)
            await outbox.settle(database, leases)

    await asyncio.gather(*(work() for _ in range(4)))
    assert Counter(taken) == Counter(keys)
    assert await rows(database) == []


async def test_the_shadow_ends_like_the_truth_whatever_the_order_of_workers_and_writers(database: Database):
    seed = random.Random(7)
    truth: dict[str, int] = dict.fromkeys("abc", 0)
    shadow: dict[str, int] = {}

    async def write() -> None:
        for _ in range(15):
            key = seed.choice("abc")
            truth[key] += 1
            await enqueue(database, key)
            await asyncio.sleep(seed.random() * 0.02)

    async def work(idle: int = 3) -> None:
        while idle:
            leases = await outbox.take(database, 2, LEASE_S)
            idle = idle if leases else idle - 1
            read = {lease.key: truth[lease.key] for lease in leases}
            await asyncio.sleep(seed.random() * 0.03)  # slow enough for another to overtake
            shadow.update(read)
            await outbox.settle(database, leases)

    await asyncio.gather(write(), work(), work(), work())
    await work(idle=1)
    assert shadow == truth
    assert await rows(database) == []
