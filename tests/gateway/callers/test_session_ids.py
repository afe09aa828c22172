import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.session_ids import HEADER, SessionId, SessionIds
from gateway.settings import Settings
from tests.doubles.clock import ManualClock

OLD = "the secret before it, long enough for HS256 too"
SESSIONS = SessionIds(b"x" * 32)
QUERY = {"query": "{ caller }"}


async def test_a_visitor_without_an_id_gets_one_and_is_that_session_at_once(client):
    answer = await client.post("/graphql", json=QUERY)
    issued = answer.headers[HEADER]
    assert re.fullmatch(r"s1\.[\w-]{22}\.[\w-]{43}", issued)
    assert answer.json()["data"]["caller"] == f"None|{issued.split('.')[1]}|None"


async def test_a_visitor_who_sends_the_id_back_is_the_same_session_and_gets_no_new_one(client):
    issued = (await client.post("/graphql", json=QUERY)).headers[HEADER]
    again = await client.post("/graphql", json=QUERY, headers={HEADER: issued})
    assert HEADER not in again.headers
    assert again.json()["data"]["caller"] == f"None|{issued.split('.')[1]}|None"


async def test_a_forged_id_is_worth_nothing_and_a_good_one_is_given_instead(client):
    issued = (await client.post("/graphql", json=QUERY)).headers[HEADER]
    version, key, signature = issued.split(".")
    other = "A" * 22
    for forged in (f"{version}.{other}.{signature}", f"{version}.{key}.{'A' * 43}", "nonsense", "", issued + "x"):
        answer = await client.post("/graphql", json=QUERY, headers={HEADER: forged})
        assert answer.status_code == 200
        assert answer.headers[HEADER] not in (issued, forged)
        assert other not in answer.json()["data"]["caller"]


async def test_a_signed_in_user_may_bring_a_session_along_and_gets_none(client, authority):
    issued = (await client.post("/graphql", json=QUERY)).headers[HEADER]
    token = {"Authorization": f"Bearer {authority.issue('ada')}"}
    alone = await client.post("/graphql", json=QUERY, headers=token)
    together = await client.post("/graphql", json=QUERY, headers={**token, HEADER: issued})
    assert HEADER not in alone.headers
    assert alone.json()["data"]["caller"] == "ada|None|None"
    assert together.json()["data"]["caller"] == f"ada|{issued.split('.')[1]}|None"


def test_an_issued_id_is_read_as_its_key():
    key, signed = SESSIONS.issue()
    assert SESSIONS.read(signed) == SessionId(key)
    assert SESSIONS.sign(key) == signed


async def test_an_id_of_the_previous_secret_is_the_same_session_and_is_signed_anew_until_the_stated_time(gateway):
    clock = ManualClock()
    key, old = SessionIds(OLD.encode()).issue()
    until = datetime.fromtimestamp(clock.now() + 3_600, UTC)
    async with gateway(clock=clock, token_secret_previous=OLD, token_secret_previous_until=until) as client:
        answer = await client.post("/graphql", json=QUERY, headers={HEADER: old})
        renewed = answer.headers[HEADER]
        assert answer.json()["data"]["caller"] == f"None|{key}|None"
        assert answer.json()["extensions"]["cost"]["limit"] == Settings(_env_file=None).rate_limit  # not a stranger's
        clock.advance(3_600)
        late = await client.post("/graphql", json=QUERY, headers={HEADER: old})
        assert key not in late.json()["data"]["caller"]
        again = await client.post("/graphql", json=QUERY, headers={HEADER: renewed})
        assert again.json()["data"]["caller"] == f"None|{key}|None"
        assert HEADER not in again.headers


def test_another_gateways_id_is_not_ours():
    assert SessionIds(b"y" * 32).read(SESSIONS.issue()[1]) is None


def test_no_two_ids_are_alike():
    assert len({SESSIONS.issue()[0] for _ in range(1000)}) == 1000


@given(st.text() | st.from_regex(r"s1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_an_id_that_was_made_up_is_never_ours(made_up):
    assert SESSIONS.read(made_up) is None
