"""The gateway holds no more connections, descriptors, threads and keys after many requests than before."""

import asyncio
import random
from pathlib import Path

import pytest

from bench.reliability.client import FEEDS, Client
from bench.reliability.gateway import Gateway
from bench.reliability.ledger import Ledger
from bench.reliability.load import Load, feed_variables
from bench.soak import Sampler, temporary_files, trends
from tests.servers import running_redis

COUNTED = ("descriptors", "threads", "temporary files", "PostgreSQL connections", "Redis connections")
REQUESTS, VARIETY = 120, 10
"""Likes of a round, each with three feeds, and different searches."""

POOLED = 40
"""What the pools of PostgreSQL and Redis may still open in the second round; one in ten requests would leave 48."""


async def ask(load: Load) -> None:
    """Send feeds of a few kinds and likes, several at a time."""

    async def some(first: int) -> None:
        for number in range(first, REQUESTS, 8):
            for kind in FEEDS:
                answer = await load.client.feed(kind, f"fan{number % 4}", **feed_variables(kind, number % VARIETY))
                assert not answer.problem
            await load.write("like")

    await asyncio.gather(*map(some, range(8)))


@pytest.mark.servers
async def test_many_requests_leave_no_descriptor_connection_thread_or_key_behind(tmp_path: Path, make_url):
    with running_redis() as redis, temporary_files(tmp_path / "tmp") as temporary:
        async with make_url("postgresql") as url:
            gateway = Gateway(tmp_path, {"DATABASE_URL": url, "REDIS_URL": redis.url})
            client = Client(gateway.url)
            sampler = Sampler(gateway, gateway.settings(), temporary)
            try:
                await gateway.start()
                load = Load(client, Ledger(), random.Random(1))
                await load.fill()
                await ask(load)
                before = await sampler.sample()
                await ask(load)
                after = await sampler.sample()
            finally:
                await sampler.close()
                await client.close()
                gateway.stop()
    assert {name: after[name] for name in COUNTED if after[name] > before[name] + POOLED} == {}
    # Rankings live for half an hour in Redis, so each change of a viewer adds some; searches and filters add none.
    assert after["Redis keys"] - before["Redis keys"] <= 2 * REQUESTS


def test_a_figure_is_flat_if_the_second_half_of_its_samples_does_not_rise():
    hours = [0.0, 0.1, 0.2, 0.3]
    samples = [{"threads": threads, "memory MB": mb} for threads, mb in ((1, 100), (9, 200), (9, 300), (9, 300.5))]
    threads, memory = trends(hours, samples)
    assert threads.is_flat
    assert memory.is_flat
    rising, _ = trends(hours, [{"threads": n, "memory MB": 1} for n in (1, 2, 3, 4)])
    assert not rising.is_flat
    assert rising.per_hour == pytest.approx(10.0)
