from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from db.demo import DEMO_VIEWERS
from db.models import User
from gateway.settings import Settings
from tests.gateway.conftest import FakeRuntime

AT_HOME = {"Host": "127.0.0.1:8000"}


@pytest.fixture
async def demo(gateway, database):
    """A client of a gateway in demo mode whose truth holds two demo viewers, one of them under another's name."""
    async with database.write() as connection:
        await connection.execute(
            insert(User),
            [
                {"key": DEMO_VIEWERS[0].key, "username": DEMO_VIEWERS[0].username},
                {"key": DEMO_VIEWERS[1].key, "username": "a person of the platform"},
            ],
        )
    async with gateway(FakeRuntime(SimpleNamespace(database=database)), demo_viewers=True) as client:
        yield client


async def test_a_page_at_home_gets_a_good_token_of_each_demo_viewer(demo, authority):
    answer = await demo.get("/demo/viewers", headers=AT_HOME)
    (viewer,) = answer.json()["viewers"]
    assert (viewer["key"], viewer["username"]) == (DEMO_VIEWERS[0].key, DEMO_VIEWERS[0].username)
    claims = await authority.read(f"Bearer {viewer['token']}")
    assert claims.user_key == DEMO_VIEWERS[0].key
    assert answer.headers["cache-control"] == "no-store"


async def test_somebody_of_the_platform_with_a_demo_viewers_key_is_not_given_away(demo):
    answer = await demo.get("/demo/viewers", headers=AT_HOME)
    assert DEMO_VIEWERS[1].key not in [viewer["key"] for viewer in answer.json()["viewers"]]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:8000"},
        {"Host": "localhost.example"},
        {"Host": "192.168.1.5:8000"},
        {**AT_HOME, "Origin": "https://elsewhere.example"},
        {**AT_HOME, "Origin": "http://127.0.0.1:9000"},
        {**AT_HOME, "Origin": "null"},
        {**AT_HOME, "Sec-Fetch-Site": "cross-site"},
        {**AT_HOME, "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_nobody_from_elsewhere_gets_a_token(demo, headers):
    assert (await demo.get("/demo/viewers", headers=headers)).json() == {"viewers": []}


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
async def test_each_name_of_this_machine_is_home(demo, host):
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert len((await demo.get("/demo/viewers", headers=headers)).json()["viewers"]) == 1


async def test_without_the_demo_there_are_none(client):
    assert (await client.get("/demo/viewers", headers=AT_HOME)).json() == {"viewers": []}
    assert Settings(_env_file=None).demo_viewers is False
