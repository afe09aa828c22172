from functools import cache
from types import SimpleNamespace

import pytest
from sqlalchemy import delete, insert, update

from db.demo import DEMO_VIEWERS
from db.demo.data import SEED, demo_users
from db.models import Role, User
from gateway.settings import Settings
from tests.gateway.conftest import FakeRuntime

AT_HOME = {"Host": "127.0.0.1:8000"}
SHOWN = [viewer.key for viewer in DEMO_VIEWERS if viewer.key != "administrator"]


@cache
def rows_of_people():
    """Make the people of the demo, which takes 0.1 s."""
    return [
        {
            "key": person.record.key,
            "username": person.record.username,
            "role": (person.record.role or Role.VIEWER).value,
        }
        for person in demo_users(SEED)
    ]


async def people(database):
    """Write the people of the demo, without anything that they did."""
    async with database.write() as connection:
        await connection.execute(insert(User), rows_of_people())


@pytest.fixture
def runtime(database):
    return FakeRuntime(SimpleNamespace(database=database))


@pytest.fixture
async def demo(gateway, runtime, database):
    """A client of a gateway in demo mode on a store that holds the demo."""
    await people(database)
    async with gateway(runtime, demo_viewers=True) as client:
        yield client


async def keys(client, **headers):
    answer = await client.get("/demo/viewers", headers={**AT_HOME, **headers})
    assert answer.status_code == 200
    return [viewer["key"] for viewer in answer.json()["viewers"]]


async def test_a_page_at_home_gets_a_token_for_a_day_of_each_demo_viewer_but_the_administrator(demo, authority):
    answer = await demo.get("/demo/viewers", headers=AT_HOME)
    viewers = answer.json()["viewers"]
    assert [viewer["key"] for viewer in viewers] == SHOWN
    assert answer.headers["cache-control"] == "no-store"
    for viewer in viewers:
        claims = await authority.read(f"Bearer {viewer['token']}")
        assert (claims.user_key, claims.role) == (viewer["key"], Role.VIEWER)
        assert claims.expires_at <= authority.rules.clock.now() + 86_400 + authority.rules.leeway_s


async def test_somebody_else_with_a_demo_viewers_key_and_somebody_with_a_role_are_not_given_away(demo, database):
    async with database.write() as connection:
        await connection.execute(update(User).where(User.key == "heavy").values(username="a person of the platform"))
        await connection.execute(update(User).where(User.key == "owner").values(role=Role.SERVICE.value))
        await connection.execute(delete(User).where(User.key == "quiz"))
    assert await keys(demo) == ["newcomer", "narrow"]


async def test_a_store_that_is_not_the_demos_has_no_demo_viewers(gateway, runtime, database):
    async with database.write() as connection:
        named = [{"key": viewer.key, "username": viewer.username} for viewer in DEMO_VIEWERS]
        await connection.execute(insert(User), named)
    async with gateway(runtime, demo_viewers=True) as client:
        assert await keys(client) == []


async def test_where_the_secret_signs_no_token_there_are_none(gateway, runtime, database):
    await people(database)
    async with gateway(runtime, demo_viewers=True, token_jwks_url="https://login.example.com/keys") as client:
        assert await keys(client) == []


@pytest.mark.parametrize(
    "peer", [("192.0.2.7", 9), ("172.17.0.1", 9), ("::ffff:10.0.0.1", 9), ("fe80::1%eth0", 9), None]
)
async def test_a_connection_from_elsewhere_gets_none_whatever_host_it_names(demo, peer):
    demo._transport.client = peer
    for host in ("localhost:8000", "127.0.0.1", "[::1]"):
        assert await keys(demo, Host=host) == []


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_each_loopback_address_is_home(demo, peer):
    demo._transport.client = (peer, 9)
    assert await keys(demo) == SHOWN


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "X-Real-IP",
        "Via", "CF-Connecting-IP", "CF-Ray", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "Client-IP",
        "Fastly-Client-IP", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Original-Host", "CDN-Loop",
        "Tailscale-User-Login",
    ],
)  # fmt: skip
async def test_a_request_that_a_proxy_has_forwarded_gets_none(demo, name):
    for value in ("", "127.0.0.1"):
        assert await keys(demo, **{name: value}) == []


async def test_a_request_of_http_1_0_gets_none(demo):
    """nginx forwards so with `proxy_pass` and nothing else: from this machine, with our own name in `Host`."""
    app = demo._transport.app

    async def as_http_1_0(scope, receive, send):
        await app({**scope, "http_version": "1.0"}, receive, send)

    demo._transport.app = as_http_1_0
    assert await keys(demo) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:8000"},
        {"Host": "localhost.example"},
        {"Host": "127.0.0.2:8000"},
        {"Host": "192.168.1.5:8000"},
        {"Host": "[::1"},
        {"Host": "[::1].evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": "localhost:"},
        {"Host": ""},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_from_elsewhere_gets_none(demo, headers):
    assert await keys(demo, **headers) == []


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
async def test_each_name_of_this_machine_is_home(demo, host):
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert await keys(demo, **headers) == SHOWN


async def test_without_the_demo_there_are_none(gateway, runtime, database):
    await people(database)
    async with gateway(runtime) as client:
        assert await keys(client) == []
    assert Settings(_env_file=None).demo_viewers is False
