"""Addresses of Redis: what the client takes works, what would break the cache is refused by a sentence."""

import inspect
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from db.cache.redis import RedisCache
from db.cache.redis_address import node_options
from db.errors import StoreMisconfigured
from db.redis_feed_change_notifier import RedisFeedChangeNotifier
from gateway.commands.doctor import Verdict, run_checks
from gateway.commands.prepare import migrate_only, prepare
from gateway.errors import CannotStart
from gateway.settings import Settings
from tests.db.test_redis_feed_change_notifier import at_work, hear, hears
from tests.servers import RedisServer, running_redis

NAMES = [*inspect.signature(Redis.__init__).parameters, "timeout", "path", "nonsense"]
VALUES = st.one_of(
    st.sampled_from(["true", "false", "0", "1", "none", "utf-8", "3", "/nowhere"]), st.text(min_size=1, max_size=9)
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=2), st.sampled_from(["redis", "rediss"]))
def test_any_parameter_of_the_client_is_taken_or_refused_by_a_sentence(values: dict[str, str], scheme: str) -> None:
    query = "&".join(f"{name}={quote(value, safe='', errors='replace')}" for name, value in values.items())
    try:
        options = node_options(f"{scheme}://127.0.0.1/0?{query}")[0]
    except StoreMisconfigured as refused:
        reason = refused.reason
    else:
        Redis(**options).connection_pool.make_connection()  # takes each of them
        reason = "REDIS_URL"
    assert "REDIS_URL" in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://h/0?decode_responses=true", "decode_responses of REDIS_URL is 'true'; write false, or remove it"),
        ("redis://h/0?encoding=latin-1", "encoding of REDIS_URL is 'latin-1'; write utf-8"),
        ("redis://h/0?max_connections=1", "max_connections of REDIS_URL is not supported; remove it"),
        ("redis://h/0?ssl_cert_reqs=none", "ssl_cert_reqs of REDIS_URL is for TLS; write rediss://"),
        ("rediss://h/0?ssl_cert_reqs=no", "ssl_cert_reqs of REDIS_URL is 'no'; write required"),
        ("rediss://h/0?ssl_ca_certs=/nowhere", "ssl_ca_certs in REDIS_URL cannot be used (No such file or directory)"),
        ("redis://h/cache", "the path of REDIS_URL is the number of a database; write /0"),
        ("redis://h/0?db=first", "REDIS_URL cannot be read"),
        ("redis+sentinel://h/0", "REDIS_URL cannot be read"),
    ],
)
def test_a_refusal_names_the_parameter_and_the_fix(url: str, says: str) -> None:
    with pytest.raises(StoreMisconfigured) as refused:
        RedisCache(url)
    assert says in refused.value.reason


async def assert_refused_alike(settings: Settings, says: str) -> None:
    """Doctor and a start refuse the address in the same words."""
    await migrate_only(settings)
    broken = [finding.message for finding in await run_checks(settings) if finding.verdict is Verdict.BROKEN]
    assert [says in message for message in broken] == [True]
    with pytest.raises((StoreMisconfigured, CannotStart)) as refused:
        await prepare(settings, demo=False, say=print)
    assert says in str(refused.value)


async def test_doctor_and_a_start_agree_on_an_address(tmp_path: Path) -> None:
    url = "redis://h/0?decode_responses=true"
    settings = Settings(_env_file=None, var_dir=tmp_path, redis_url=url)
    await assert_refused_alike(settings, "decode_responses of REDIS_URL is 'true'; write false")


async def test_a_database_that_the_server_does_not_have_is_named(tmp_path: Path, redis_server: RedisServer) -> None:
    settings = Settings(_env_file=None, var_dir=tmp_path, redis_url=f"redis://127.0.0.1:{redis_server.port}/99")
    await assert_refused_alike(settings, "correct the number in REDIS_URL")


@pytest.mark.servers
async def test_a_unix_socket_carries_values_and_notifications(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with running_redis("--unixsocket", str(path)):
        url = f"unix://{path}?db=1&client_name=ours&socket_timeout=3&protocol=3&decode_responses=false"
        cache = RedisCache(url)
        await cache.put("key", b"value", 60)
        assert await cache.get("key") == b"value"
        await cache.close()
        one, other = RedisFeedChangeNotifier(url), RedisFeedChangeNotifier(url)
        async with at_work(one), at_work(other) as heard:
            await hear(one, other)
            heard.clear()
            one.notify()
            await hears(heard)
