"""Two gateways on one truth: what is done at one is told at the other, at once through Redis and soon without it."""

import asyncio
from pathlib import Path

import httpx

from tests.servers import running_redis, stop_redis
from tests.waiting import until


async def test_an_act_at_one_is_told_at_the_other_through_redis_and_without_it(serve, tmp_path: Path) -> None:
    with running_redis() as redis:
        one, other = (serve(redis_url=redis.url, var_dir=tmp_path / name) for name in ("one", "other"))
        async with one as here, other as there, there.socket(there.bearer("ada")) as talk:
            await until(lambda: here.receives_remote and there.receives_remote)
            await talk.subscribe()
            began = asyncio.get_running_loop().time()
            version = await here.like("ada", "p0001")
            assert (await talk.told())["version"] == version
            # Who hears looks by itself every 15 s only: it was a hint. The machine may be slow, not that slow.
            assert asyncio.get_running_loop().time() - began < 12
            stop_redis(redis)
            later = await here.like("ada", "p0002")
            assert (await talk.told())["version"] == later
            async with httpx.AsyncClient() as client:
                ready = (await client.get(there.url.replace("graphql", "readyz"))).json()
            assert ready["status"] == "degraded"


async def test_without_redis_two_gateways_on_one_truth_find_out_by_looking(serve, tmp_path: Path) -> None:
    one, other = (serve(var_dir=tmp_path / name) for name in ("one", "other"))
    async with one as here, other as there, there.socket(there.bearer("ada")) as talk:
        await talk.subscribe()
        version = await here.like("ada", "p0001")
        assert (await talk.told())["version"] == version
