"""Somebody who is deleted is nowhere in a Redis and a Weaviate either: every key, value and object is searched."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import redis

from db.cache.redis import RedisCache
from db.database.engine import Database
from db.embeddings.wordllama import WordLlamaEmbedder
from db.models import InteractionType
from db.privacy.projection_erasure import finish_erasures
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.weaviate import Address, WeaviateVectorStore
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from tests.db.privacy.test_erasure import AFTER, WORDS, a_full_life, erase
from tests.doubles.weaviate import WeaviateDouble, running_weaviate
from tests.servers import running_redis
from tests.world import MOMENT, World

Everything = Callable[[], str]


@pytest.fixture
async def world_and_everything(database: Database) -> AsyncIterator[tuple[World, Everything]]:
    """Give a world whose shadows are a real Redis and Weaviate's double, and a way to read all that both hold."""
    embedder = WordLlamaEmbedder()
    with running_redis() as server, running_weaviate() as double:
        cache = RedisCache(server.url, deadline_s=5.0)
        vectors = WeaviateVectorStore(Address(double.url, double.grpc_url), drop_after_s=0.0)
        await vectors.prepare(embedder.model, embedder.dimension)
        stores = Stores(database, vectors, embedder, cache)
        feeds = Feeds(stores, clock=lambda: MOMENT, deadlines=PATIENT)
        world = World(stores, feeds, IndexSynchronizer(database, vectors, embedder))
        await world.add_users("author", *(f"painter-{n}" for n in range(6)))
        await world.add_projects(30, topics=("daily",), owner="author")
        for n in range(6):
            await world.act(f"painter-{n}", InteractionType.LIKE, "p0000", "p0006")
        yield world, lambda: in_redis(server.url) + in_weaviate(double)
        await vectors.close()
        await cache.close()
        await embedder.close()


def in_redis(url: str) -> str:
    """Read every key of every kind, whatever prefix it has."""
    with redis.Redis.from_url(url) as client:
        read = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers}
        read[b"zset"] = lambda key: client.zrange(key, 0, -1, withscores=True)
        read[b"list"] = lambda key: client.lrange(key, 0, -1)
        return "\n".join(f"redis {key!r} {read[client.type(key)](key)!r}" for key in client.scan_iter())


def in_weaviate(double: WeaviateDouble) -> str:
    """Read every object of every collection with all its properties."""
    return "\n".join(
        f"weaviate {name} {uuid} {held.properties!r}"
        for name, collection in double.state.collections.items()
        for uuid, held in collection.objects.items()
    )


def traces(everything: str, actor: int) -> list[str]:
    told = (*WORDS, f"actor:{actor}:", f'"actor":{actor},', f"'actor_key': '{actor}'", f"'key': '{actor}'")
    return [line[:80] for line in everything.splitlines() if any(word in line.lower() for word in told)]


async def test_whoever_is_deleted_is_in_no_key_no_value_and_no_object(
    world_and_everything: tuple[World, Everything], tmp_path: Path
) -> None:
    world, everything = world_and_everything
    actor, _ = await a_full_life(world)
    before = traces(everything(), actor)
    assert {line.partition(" ")[0] for line in before} == {"redis", "weaviate"}, before
    assert any("UserProfile" in line for line in before), before
    await erase(world)
    await world.settle()
    assert await finish_erasures(world.stores, at=AFTER) == 1
    assert traces(everything(), actor) == []
    assert "weaviate" in everything()
