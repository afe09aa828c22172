"""The rules for every token: its times, an administrator's longest life, a secret that is replaced."""

import json
import math
from datetime import UTC, datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.models import Role
from gateway.callers.token_authority import MAX_TOKEN, TokenAuthority, bearer_token, token_authority
from gateway.callers.token_claims import TokenClaims
from gateway.callers.token_rules import LATEST_TIME_S, PreviousSecret, TokenRules
from gateway.errors import CannotStart, Unauthenticated
from gateway.settings import Settings
from tests.doubles.clock import ManualClock
from tests.gateway.callers.test_token_authority import QUERY, claims, signed
from tests.gateway.conftest import SECRET

OLD = "the secret before it, long enough for HS256 too"
DAY_S = 86_400

NO_TIMES = {
    "text": "1900000000",
    "words": "soon",
    "true": True,
    "negative": -1,
    "minus zero point five": -0.5,
    "NaN": math.nan,
    "infinite": math.inf,
    "minus infinite": -math.inf,
    "milliseconds": 1_900_000_000_000,
    "after the year 9999": LATEST_TIME_S + 1,
    "more than 64 bits": 2**64,
    "10^320": 10**320,
    "10^4200": 10**4200,
    "a list": [1_900_000_000],
    "an object": {"seconds": 1_900_000_000},
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.mark.parametrize("case", NO_TIMES)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
async def test_a_time_that_is_none_is_refused_with_a_sentence(client, name, case):
    token = jwt.encode(claims(**{name: NO_TIMES[case]}), SECRET, "HS256")
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert f"The token's {name} must be a number of seconds since 1970" in error["message"]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
async def test_a_time_that_is_null_is_refused(client, name):
    token = jwt.encode(claims(**{name: None}), SECRET, "HS256")
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


async def test_a_number_that_json_cannot_hold_is_refused(client):
    """Python's JSON reader gives up at 4,300 digits, and reads 1e999 as infinite."""
    text = json.dumps(claims(exp="*"))
    for number in ("9" * 4_400, "1e999"):
        token = jwt.api_jws.encode(text.replace('"*"', number).encode(), SECRET)
        answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat"]), st.integers() | st.floats() | st.text() | st.booleans()))
async def test_whatever_its_times_say_a_token_is_accepted_or_refused(times):
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
    try:
        found = await authority.read(f"Bearer {jwt.encode(claims(**times), SECRET, 'HS256')}")
    except Unauthenticated:
        return
    assert found is not None
    assert math.isfinite(found.expires_at)


async def test_a_time_may_be_a_fraction(client):
    now = datetime.now(UTC).timestamp()
    token = signed(exp=now + 60.5, nbf=now - 0.5, iat=now - 0.5)
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def times_at(clock, **offsets):
    payload = {name: clock.now() + offset for name, offset in offsets.items()}
    return TokenRules(leeway_s=30, clock=clock).times(payload)


def test_the_leeway_is_the_same_at_both_ends(clock):
    assert times_at(clock, exp=-29.9).expires_at == pytest.approx(clock.now() + 0.1, rel=0, abs=0.001)
    for offsets in ({"exp": -30}, {"exp": 60, "nbf": 30.1}, {"exp": 60, "iat": 30.1}):
        with pytest.raises(Unauthenticated):
            times_at(clock, **offsets)
    assert times_at(clock, exp=60, nbf=29.9, iat=29.9)


# The header.


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER   abc", " Bearer abc\t", "Bearer abc=="])
def test_a_header_of_one_token_is_read(header):
    assert bearer_token(header).startswith("abc")


@given(st.text(max_size=40) | st.from_regex(r"\A[Bb]earer\s.*\Z"))
def test_what_a_header_holds_is_one_token_or_refused(header):
    try:
        found = bearer_token(header)
    except Unauthenticated:
        return
    assert not set(found) & set(" \t\r\n,;\"'")


def test_a_token_may_be_so_long_and_no_longer():
    assert len(bearer_token("Bearer " + "a" * MAX_TOKEN)) == MAX_TOKEN
    with pytest.raises(Unauthenticated, match="longer than"):
        bearer_token("Bearer " + "a" * (MAX_TOKEN + 1))


# An administrator's token.


def administrators(clock, life_s, **changes):
    now = int(clock.now())
    return signed(**{"role": "administrator", "iat": now, "exp": now + life_s, **changes})


async def test_an_administrators_token_lives_a_day_at_most(clock):
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore", rules=TokenRules(clock=clock))
    assert await authority.read(f"Bearer {administrators(clock, DAY_S)}") == TokenClaims("ada", Role.ADMINISTRATOR)
    for life_s in (DAY_S + 1, 30 * DAY_S):
        with pytest.raises(Unauthenticated, match="is valid for at most 24 hours"):
            await authority.read(f"Bearer {administrators(clock, life_s)}")
    with pytest.raises(Unauthenticated, match="must have the claim iat"):
        await authority.read(f"Bearer {administrators(clock, 60, iat=...)}")
    # The last day of a token that lives longer is no different.
    early = int(clock.now()) - 29 * DAY_S
    with pytest.raises(Unauthenticated, match="is valid for at most 24 hours"):
        await authority.read(f"Bearer {administrators(clock, 60, iat=early)}")


async def test_tokens_of_other_roles_live_as_long_as_their_issuer_says(clock):
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore", rules=TokenRules(clock=clock))
    for role in (Role.VIEWER, Role.SERVICE):
        token = administrators(clock, 300 * DAY_S, role=role.value)
        assert await authority.read(f"Bearer {token}") == TokenClaims("ada", role)


async def test_a_setting_says_how_long_an_administrators_token_lives(tmp_path):
    settings = Settings(_env_file=None, var_dir=tmp_path, token_secret=SECRET, token_administrator_hours=2)
    authority = token_authority(settings)
    assert await authority.read(f"Bearer {authority.issue('ada', Role.ADMINISTRATOR, 2)}")
    with pytest.raises(CannotStart, match="is valid for at most 2 hours, not 24; give --hours 2 or less"):
        authority.issue("ada", Role.ADMINISTRATOR, 24)
    assert authority.issue("ada", Role.SERVICE, 24)


async def test_the_edge_says_whether_a_token_is_short_lived_enough_for_an_administrators_row(clock):
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore", rules=TokenRules(clock=clock))
    for changes, may in (({}, True), ({"exp": int(clock.now()) + 2 * DAY_S}, False), ({"iat": ...}, False)):
        found = await authority.read(f"Bearer {administrators(clock, DAY_S, **{'role': ..., **changes})}")
        assert (found.role, found.is_short_lived) == (None, may)


# A secret that is replaced.


def rotated(clock, until):
    previous = PreviousSecret(OLD.encode(), until)
    rules = TokenRules(leeway_s=0, clock=clock)
    return TokenAuthority(SECRET.encode(), "explore-gateway", "explore", rules=rules, previous=previous)


async def test_the_previous_secret_is_accepted_until_the_stated_time(clock):
    authority = rotated(clock, clock.now() + 300)
    old, new = signed(OLD), signed(SECRET)
    found = await authority.read(f"Bearer {old}")
    assert found == TokenClaims("ada", None)
    assert found.expires_at == clock.now() + 300  # and so do the sockets that it opened
    with pytest.raises(Unauthenticated, match="another secret"):
        await authority.read(f"Bearer {signed('x' * 40)}")
    clock.advance(300)
    with pytest.raises(Unauthenticated, match="another secret"):
        await authority.read(f"Bearer {old}")
    assert await authority.read(f"Bearer {new}") == TokenClaims("ada", None)


async def test_the_previous_secret_signs_nothing_new_and_loosens_no_rule(clock):
    authority = rotated(clock, clock.now() + 300)
    assert jwt.decode(authority.issue("ada"), SECRET, ["HS256"], audience="explore")["sub"] == "ada"
    for changes, words in (({"exp": int(clock.now()) - 1}, "expired"), ({"aud": "others"}, "TOKEN_AUDIENCE")):
        with pytest.raises(Unauthenticated, match=words):
            await authority.read(f"Bearer {signed(OLD, **changes)}")


@pytest.mark.parametrize("given", [{"token_secret_previous": OLD}, {"token_secret_previous_until": datetime.now(UTC)}])
def test_a_previous_secret_without_a_time_does_not_start(tmp_path, given):
    with pytest.raises(CannotStart, match="go together"):
        token_authority(Settings(_env_file=None, var_dir=tmp_path, token_secret=SECRET, **given))
