"""Redis beyond the contract: outages, deadlines, passwords, TLS, and a cluster that loses a node."""

import asyncio
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio.cluster import RedisCluster

from db.cache.base import entries
from db.cache.redis import RedisCache
from db.errors import Store, StoreMisconfigured, StoreUnavailable
from tests.db.cache.conftest import MakeRedis
from tests.doubles.proxy import FaultProxy
from tests.servers import RedisServer, free_port, running_redis, start_redis, stop_redis
from tests.waiting import until

pytestmark = pytest.mark.servers

DEADLINE_S = 1.0
"""Time limit that some calls must exceed and others keep, also on a loaded machine."""
PROMPTLY_S = 25
"""Without a deadline these calls would never end; this bound only distinguishes the two, on a machine however busy."""


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: FaultProxy, make_redis: MakeRedis) -> RedisCache:
    return make_redis(f"redis://127.0.0.1:{proxy.port}/0", DEADLINE_S)


async def recovered(cache: RedisCache, within_s: float = 5.0) -> bool:
    """Put until it succeeds."""
    started = time.monotonic()
    while time.monotonic() - started < within_s:
        try:
            await cache.put("again", b"value", 60)
        except StoreUnavailable:
            await asyncio.sleep(0.05)
        else:
            return await cache.get("again") == b"value"
    return False


class TestOutages:
    async def test_a_black_hole_costs_the_deadline_and_no_more(self, behind: RedisCache, proxy: FaultProxy) -> None:
        await behind.put("key", b"value", 60)
        proxy.black_hole()
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"no answer within 1\.0 s") as caught:
            await behind.get("key")
        assert time.monotonic() - started < PROMPTLY_S
        assert caught.value.store is Store.CACHE
        await proxy.forward()
        assert await behind.get("key") == b"value"

    async def test_connecting_into_a_black_hole_costs_the_deadline(self, behind: RedisCache, proxy: FaultProxy) -> None:
        proxy.black_hole()
        started = time.monotonic()
        answers = await asyncio.gather(*(behind.get("key") for _ in range(50)), return_exceptions=True)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert time.monotonic() - started < PROMPTLY_S
        await proxy.forward()
        assert await recovered(behind)

    async def test_connections_that_were_reset_are_made_anew_without_an_error(
        self, behind: RedisCache, proxy: FaultProxy
    ) -> None:
        await behind.put("key", b"value", 60)
        proxy.reset_open()
        assert await behind.get("key") == b"value"

    async def test_a_reset_of_all_pooled_connections_costs_no_call(self, behind: RedisCache, proxy: FaultProxy) -> None:
        await behind.put("key", b"value", 60)
        await asyncio.gather(*(behind.get("key") for _ in range(100)))
        pooled = [*behind._client.connection_pool._available_connections]
        assert len(pooled) > 10
        proxy.reset_open()
        await until(lambda: all(connection._writer.transport.is_closing() for connection in pooled))
        assert await asyncio.gather(*(behind.get("key") for _ in range(100))) == [b"value"] * 100
        assert await behind.get_many(["key"]) == {"key": b"value"}

    @pytest.mark.parametrize("error", [RuntimeError("the handler is closed"), AttributeError("x"), ValueError("x")])
    async def test_whatever_the_client_raises_is_an_outage_of_the_cache(
        self, behind: RedisCache, error: Exception
    ) -> None:
        async def fail(_client: object) -> None:
            raise error

        with pytest.raises(StoreUnavailable) as caught:
            await behind.run(fail)
        assert caught.value.store is Store.CACHE

    async def test_a_server_that_resets_or_refuses_is_unavailable_until_it_is_back(
        self, behind: RedisCache, proxy: FaultProxy
    ) -> None:
        await behind.put("key", b"value", 60)
        proxy.reset()
        with pytest.raises(StoreUnavailable):
            await behind.get("key")
        await proxy.refuse()
        with pytest.raises(StoreUnavailable):
            await behind.get_many(["key"])
        await proxy.forward()
        assert await behind.get("key") == b"value"

    async def test_an_answer_cut_short_is_unavailable(self, behind: RedisCache, proxy: FaultProxy) -> None:
        await behind.put("key", bytes(100_000), 60)
        proxy.cut_after(50_000)
        with pytest.raises(StoreUnavailable):
            await behind.get("key")
        await proxy.forward()
        assert await behind.get("key") == bytes(100_000)

    async def test_a_late_answer_is_never_given_to_the_next_question(
        self, behind: RedisCache, proxy: FaultProxy
    ) -> None:
        keys = [f"key{number}" for number in range(20)]
        await behind.put_many(entries({key: key.encode() for key in keys}, 60))
        proxy.delay(DEADLINE_S * 4)
        late = await asyncio.gather(*map(behind.get, keys), return_exceptions=True)
        assert all(isinstance(answer, StoreUnavailable) for answer in late)
        await proxy.forward()
        for _ in range(3):
            assert await asyncio.gather(*map(behind.get, keys)) == [key.encode() for key in keys]

    async def test_many_more_callers_than_connections_are_served(
        self, make_redis: MakeRedis, proxy: FaultProxy
    ) -> None:
        cache = make_redis(f"redis://127.0.0.1:{proxy.port}")
        await asyncio.gather(*(cache.put(f"key{number}", b"value", 60) for number in range(500)))
        assert proxy.connections <= 33  # one asked whether it is a cluster

    async def test_a_server_that_was_started_anew_is_found_again(self, make_redis: MakeRedis, tmp_path: Path) -> None:
        server = start_redis(tmp_path)
        cache = make_redis(server.url, DEADLINE_S)
        await cache.put("key", b"value", 60)
        stop_redis(server)
        with pytest.raises(StoreUnavailable):
            await cache.get("key")
        server = start_redis(tmp_path, port=server.port)
        try:
            assert await recovered(cache)
            assert await cache.get("key") is None
        finally:
            stop_redis(server)

    async def test_a_server_that_is_full_is_unavailable_to_writers(self, make_redis: MakeRedis) -> None:
        with running_redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as server:
            cache = make_redis(server.url)
            with pytest.raises(StoreUnavailable, match="memory"):
                await cache.put_many(entries({f"key{number}": bytes(200_000) for number in range(9)}, 60))


class TestWhoMayIn:
    async def test_a_password_in_the_url_is_used(self, make_redis: MakeRedis) -> None:
        with running_redis("--requirepass", "s3cret@/:") as server:
            cache = make_redis(f"redis://:s3cret%40%2F%3A@127.0.0.1:{server.port}/0")
            await cache.put("key", b"value", 60)
            assert await cache.get("key") == b"value"
            for url in (server.url, f"redis://:wr0ng@127.0.0.1:{server.port}"):
                with pytest.raises(StoreMisconfigured, match="check user and password in REDIS_URL") as caught:
                    await make_redis(url).get("key")
                assert "wr0ng" not in str(caught.value)

    async def test_tls_is_spoken_when_the_url_says_so(self, make_redis: MakeRedis, tmp_path: Path) -> None:
        certificate, key = _self_signed(tmp_path)
        port = free_port()
        options = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key)
        with running_redis(*options, "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"):
            cache = make_redis(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
            await cache.put("key", b"value", 60)
            assert await cache.get("key") == b"value"
            with pytest.raises(StoreUnavailable, match="certificate"):
                await make_redis(f"rediss://127.0.0.1:{port}/0").get("key")

    @pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "redis://127.0.0.1:port", ""])
    def test_a_url_that_is_none_is_one_sentence(self, url: str) -> None:
        with pytest.raises(StoreMisconfigured, match="REDIS_URL cannot be read; write redis://"):
            RedisCache(url)

    async def test_what_is_no_redis_is_unavailable(self, make_redis: MakeRedis) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(StoreUnavailable):
                await make_redis(f"redis://127.0.0.1:{port}", DEADLINE_S).get("key")


class TestCluster:
    async def test_keys_lie_on_all_nodes_and_those_of_a_tag_on_one(
        self, redis_cluster: list[RedisServer], make_redis: MakeRedis
    ) -> None:
        cache = make_redis(redis_cluster[0].url)
        await cache.put_many(entries({f"{{viewer:1}}:{number}": b"value" for number in range(60)}, 60))
        client: RedisCluster = cache._client
        slots = {client.keyslot(cache._name(f"{{viewer:1}}:{number}")) for number in range(60)}
        assert len(slots) == 1
        nodes = {client.get_node_from_key(cache._name(f"key{number}")).port for number in range(60)}
        assert nodes == {server.port for server in redis_cluster}

    async def test_many_who_come_first_at_once_are_all_sent_to_the_right_node(
        self, redis_cluster: list[RedisServer], make_redis: MakeRedis
    ) -> None:
        before = _moved(redis_cluster)
        cache = make_redis(redis_cluster[0].url)
        await asyncio.gather(*(cache.put(f"key{number}", b"value", 60) for number in range(200)))
        assert _moved(redis_cluster) == before

    async def test_several_nodes_in_the_url_are_each_a_way_in(
        self, redis_cluster: list[RedisServer], make_redis: MakeRedis
    ) -> None:
        cache = make_redis(f"redis://127.0.0.1:{free_port()},127.0.0.1:{redis_cluster[1].port}/0")
        await cache.put("key", b"value", 60)
        assert await make_redis(redis_cluster[2].url).get("key") == b"value"

    async def test_a_reset_of_all_pooled_connections_costs_no_call(
        self, redis_cluster: list[RedisServer], make_redis: MakeRedis
    ) -> None:
        cache = make_redis(redis_cluster[0].url)
        keys = [f"key{number}" for number in range(90)]
        await asyncio.gather(*(cache.put(key, b"value", 60) for key in keys))
        for node in cache._client.get_nodes():
            for connection in node._connections:
                connection._writer.transport.abort()
        await asyncio.sleep(0)  # the event loop notices it
        assert await asyncio.gather(*map(cache.get, keys)) == [b"value"] * len(keys)

    async def test_a_node_that_hangs_costs_its_own_keys_the_deadline_and_others_nothing(
        self, redis_cluster: list[RedisServer], make_redis: MakeRedis
    ) -> None:
        cache = make_redis(redis_cluster[0].url, DEADLINE_S)
        keys = [f"key{number}" for number in range(30)]
        await cache.put_many(entries(dict.fromkeys(keys, b"value"), 60))
        there = {key: cache._client.get_node_from_key(cache._name(key)).port for key in keys}
        hanging = redis_cluster[2]
        hanging.process.send_signal(signal.SIGSTOP)
        try:
            started = time.monotonic()
            answers = await asyncio.gather(*map(cache.get, keys), return_exceptions=True)
            assert time.monotonic() - started < PROMPTLY_S
        finally:
            hanging.process.send_signal(signal.SIGCONT)
        away = {key for key, answer in zip(keys, answers, strict=True) if isinstance(answer, StoreUnavailable)}
        assert away == {key for key in keys if there[key] == hanging.port}
        assert {answer for answer in answers if not isinstance(answer, Exception)} == {b"value"}
        assert await recovered(cache)
        assert await asyncio.gather(*map(cache.get, keys)) == [b"value"] * 30


def _moved(servers: list[RedisServer]) -> int:
    """Count the redirections to another node."""
    told = 0
    for server in servers:
        with Redis(port=server.port) as client:
            told += client.info("errorstats").get("errorstat_MOVED", {"count": 0})["count"]
    return told


def _self_signed(folder: Path) -> tuple[str, str]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    assert ssl.create_default_context(cafile=str(certificate))
    return str(certificate), str(key)
