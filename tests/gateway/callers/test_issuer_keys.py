"""Tokens of an issuer with keys of its own, over real HTTP: rotation, outages, and what a forger may try."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from db.models import Role
from gateway.callers import issuer_keys
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.token_authority import TokenAuthority, token_authority
from gateway.callers.token_claims import RoleClaim, TokenClaims
from gateway.commands.doctor import Verdict, run_checks
from gateway.commands.prepare import migrate_only
from gateway.errors import CannotStart, IssuerUnavailable, Unauthenticated
from gateway.settings import Settings, load_settings
from tests.doubles.issuer import NAME, IssuerDouble, ec_key, ed_key, published, rsa_key, running_issuer, signed
from tests.gateway.conftest import SECRET
from tests.servers import free_port

ALGORITHMS = ("HS256", "RS256", "PS256", "ES256", "EdDSA")


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[IssuerDouble]:
    with running_issuer() as double:
        double.add(rsa_key(1), "one")
        yield double


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def authority(issuer: IssuerDouble, clock: Clock) -> AsyncIterator[TokenAuthority]:
    keys = IssuerKeys(issuer.url, clock=clock)
    yield TokenAuthority(SECRET.encode(), NAME, "explore", keys=keys, algorithms=ALGORITHMS)
    await keys.close()


async def read(authority: TokenAuthority, token: str) -> TokenClaims | None:
    return await authority.read(f"Bearer {token}")


async def settled(authority: TokenAuthority) -> None:
    """Wait for the question that is under way, if there is one."""
    keys = authority.keys
    assert keys is not None
    if keys._fetch_task is not None:
        await keys._fetch_task


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [(lambda: rsa_key(1), "RS256"), (lambda: rsa_key(1), "PS256"), (ec_key, "ES256"), (ed_key, "EdDSA")],
    ids=["RS256", "PS256", "ES256", "EdDSA"],
)
async def test_a_token_signed_by_the_issuer_names_its_user(authority, issuer, make, algorithm):
    key = issuer.add(make(), "its own")
    assert await read(authority, signed(key, algorithm, "its own")) == TokenClaims("ada", None)


async def test_a_token_of_our_own_secret_is_good_beside_the_issuers(authority, issuer):
    assert await read(authority, authority.issue("ada", Role.SERVICE)) == TokenClaims("ada", Role.SERVICE)
    assert issuer.asked == 0


async def test_a_hundred_tokens_at_once_ask_the_issuer_once(authority, issuer):
    issuer.probe_interval_s = 0.1
    found = await asyncio.gather(*(read(authority, signed(rsa_key(1), "RS256", "one")) for _ in range(100)))
    assert set(found) == {TokenClaims("ada", None)}
    assert issuer.asked == 1


async def test_the_loop_goes_on_while_the_issuer_thinks(authority, issuer):
    issuer.probe_interval_s = 0.5
    reading = asyncio.create_task(read(authority, signed(rsa_key(1), "RS256", "one")))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5  # a blocked loop would give one


async def test_a_token_without_a_key_id_is_good_only_where_there_is_no_choice(authority, issuer, clock):
    token = signed(rsa_key(1), "RS256")
    assert await read(authority, token) == TokenClaims("ada", None)
    issuer.add(rsa_key(2), "two")
    clock.now += 2 * issuer_keys.REFRESH_AFTER_S + 1
    with pytest.raises(Unauthenticated, match="has no key with this kid"):
        await read(authority, token)


async def test_after_a_rotation_the_new_key_is_good_at_once_and_the_one_taken_back_is_refused(authority, issuer, clock):
    old, new = signed(rsa_key(1), "RS256", "one"), signed(rsa_key(2), "RS256", "two")
    assert await read(authority, old)
    issuer.keys.clear()
    issuer.add(rsa_key(2), "two")
    clock.now += issuer_keys.RETRY_AFTER_S
    assert await read(authority, new) == TokenClaims("ada", None)
    with pytest.raises(Unauthenticated, match="has no key with this kid"):
        await read(authority, old)


async def test_a_key_that_was_taken_back_is_refused_though_no_new_one_was_met(authority, issuer, clock):
    issuer.add(rsa_key(2), "two")
    token = signed(rsa_key(1), "RS256", "one")
    assert await read(authority, token)
    del issuer.keys[0]
    clock.now += issuer_keys.REFRESH_AFTER_S + 1
    assert await read(authority, token)  # the old keys, while new ones are fetched beside it
    await settled(authority)
    with pytest.raises(Unauthenticated):
        await read(authority, token)


async def test_after_a_quiet_hour_the_keys_are_fetched_before_a_token_is_believed(authority, issuer, clock):
    issuer.add(rsa_key(2), "two")
    token = signed(rsa_key(1), "RS256", "one")
    assert await read(authority, token)
    del issuer.keys[0]
    clock.now += 3_600
    with pytest.raises(Unauthenticated):
        await read(authority, token)


async def test_however_many_unknown_keys_are_named_the_issuer_is_asked_once_in_ten_seconds(authority, issuer, clock):
    assert await read(authority, signed(rsa_key(1), "RS256", "one"))
    clock.now += issuer_keys.RETRY_AFTER_S
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await read(authority, signed(rsa_key(2), "RS256", f"unknown {number}"))
    assert issuer.asked == 2


async def test_the_last_known_keys_hold_for_a_day_while_the_issuer_is_away(authority, issuer, clock):
    token = signed(rsa_key(1), "RS256", "one")
    assert await read(authority, token)
    issuer.status = 503
    for _ in range(10):
        clock.now += 8_000
        assert await read(authority, token) == TokenClaims("ada", None)
        await settled(authority)
    assert authority.keys.fault == "it answers 503"
    clock.now += 8_000
    with pytest.raises(IssuerUnavailable) as away:
        await read(authority, token)
    assert away.value.status == 503
    issuer.status = 200
    clock.now += issuer_keys.RETRY_AFTER_S
    assert await read(authority, token) == TokenClaims("ada", None)
    assert authority.keys.fault is None


async def test_nobody_waits_for_an_issuer_that_did_not_answer_last_time(authority, issuer, clock):
    token = signed(rsa_key(1), "RS256", "one")
    assert await read(authority, token)
    issuer.status, clock.now = 503, clock.now + 3_600
    assert await read(authority, token)
    issuer.probe_interval_s, clock.now = 2.0, clock.now + issuer_keys.RETRY_AFTER_S
    assert await read(authority, token)
    assert not authority.keys._fetch_task.done()


async def test_a_token_of_an_issuer_that_never_answered_is_a_503_and_no_refusal(gateway):
    url = f"http://user:hunter2@127.0.0.1:{free_port()}/jwks.json?key=hunter2"
    async with gateway(token_jwks_url=url, token_issuer=NAME) as client:
        headers = {"Authorization": f"Bearer {signed(rsa_key(1), 'RS256', 'one')}"}
        answer = await client.post("/graphql", json={"query": "{ caller }"}, headers=headers)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert answer.json()["errors"][0]["extensions"]["code"] == "ISSUER_UNAVAILABLE"
        assert "hunter2" not in answer.text
        told = await client.get("/readyz")
        assert "the reason is in the log" in told.json()["stores"]["issuer"]
        assert (await client.post("/graphql", json={"query": "{ caller }"})).status_code == 200


async def test_a_token_of_the_issuer_reaches_the_graph(gateway, issuer):
    async with gateway(token_jwks_url=issuer.url, token_issuer=NAME) as client:
        token = signed(rsa_key(1), "RS256", "one", role="service")
        answer = await client.post(
            "/graphql", json={"query": "{ caller }"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.json()["data"] == {"caller": "ada|None|service"}
        assert (await client.get("/readyz")).json()["stores"]["issuer"] == "ok"


async def test_keys_may_lie_in_a_file(tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [published(rsa_key(1), kid="one")]}))
    authority = TokenAuthority(SECRET.encode(), NAME, "explore", keys=IssuerKeys(str(file)), algorithms=ALGORITHMS)
    assert await read(authority, signed(rsa_key(1), "RS256", "one"))


# What a forger may try.


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def by_hand(header: Any, payload: Any, secret: bytes | None) -> str:
    """Put a token together, signed with HMAC if there is a secret: PyJWT refuses to make some of these."""
    parts = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload))
    signature = hmac.digest(secret, parts, sha256) if secret is not None else b""
    return (parts + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def payload(**claims: Any) -> dict[str, Any]:
    return {"sub": "ada", "iss": NAME, "aud": "explore", "exp": int(time.time()) + 600, **claims}


def soon(seconds: int) -> int:
    return int(time.time()) + seconds


def with_key(**members: Any) -> str:
    """A token that brings its own key along."""
    return signed(rsa_key(3), "RS256", members.pop("kid", "one"), headers=members)


THEIRS = published(rsa_key(3), kid="theirs")
FORGED = {
    "HS256 signed with the public key": lambda: by_hand(
        {"alg": "HS256", "kid": "one"}, payload(), public_pem(rsa_key(1))
    ),
    "HS256 signed with the published key's text": lambda: by_hand(
        {"alg": "HS256", "kid": "one"}, payload(), json.dumps(published(rsa_key(1), kid="one")).encode()
    ),
    "HS256 with an empty secret": lambda: by_hand({"alg": "HS256"}, payload(), b"\0"),
    "none": lambda: by_hand({"alg": "none"}, payload(), None),
    "None": lambda: by_hand({"alg": "None", "kid": "one"}, payload(), None),
    "no algorithm": lambda: by_hand({"kid": "one"}, payload(), None),
    "algorithm is a list": lambda: by_hand({"alg": ["RS256"]}, payload(), None),
    "an algorithm that is switched off": lambda: signed(rsa_key(1), "RS512", "one"),
    "a signature cut off": lambda: signed(rsa_key(1), "RS256", "one").rpartition(".")[0] + ".",
    "another RSA key": lambda: signed(rsa_key(3), "RS256", "one"),
    "another RSA key, no key id": lambda: signed(rsa_key(3), "RS256"),
    "a key of another type": lambda: signed(ec_key(), "ES256", "one"),
    "an unknown key id": lambda: signed(rsa_key(1), "RS256", "two"),
    "a key id that is a path": lambda: by_hand({"alg": "HS256", "kid": "../../../../dev/null"}, payload(), b"\0"),
    "a key id that is SQL": lambda: signed(rsa_key(3), "RS256", "one' UNION SELECT 'key"),
    "a key id that is a number": lambda: by_hand({"alg": "RS256", "kid": 1}, payload(), None),
    "jku": lambda: with_key(jku="http://127.0.0.1:1/theirs.json", kid="theirs"),
    "x5u": lambda: with_key(x5u="http://127.0.0.1:1/theirs.pem"),
    "jwk": lambda: with_key(jwk=THEIRS),
    "x5c": lambda: with_key(x5c=[base64.b64encode(public_pem(rsa_key(3))).decode()]),
    "crit": lambda: signed(rsa_key(1), "RS256", "one", headers={"crit": ["exp"], "exp": soon(600)}),
    "expired": lambda: signed(rsa_key(1), "RS256", "one", exp=soon(-60)),
    "not yet valid": lambda: signed(rsa_key(1), "RS256", "one", nbf=soon(600)),
    "issued in the future": lambda: signed(rsa_key(1), "RS256", "one", iat=soon(600)),
    "wrong issuer": lambda: signed(rsa_key(1), "RS256", "one", iss="https://login.example.org"),
    "wrong audience": lambda: signed(rsa_key(1), "RS256", "one", aud=["others", "explore2"]),
    "no subject": lambda: signed(rsa_key(1), "RS256", "one", sub=...),
    "no expiry": lambda: signed(rsa_key(1), "RS256", "one", exp=...),
    "a role that there is not": lambda: signed(rsa_key(1), "RS256", "one", role="root"),
    "20 KB": lambda: signed(rsa_key(1), "RS256", "one", filling="x" * 20_000),
}


@pytest.mark.parametrize("case", FORGED)
async def test_a_forged_token_is_refused(authority, issuer, case):
    with pytest.raises(Unauthenticated) as refused:
        await read(authority, FORGED[case]())
    assert refused.value.status == 401
    assert "Error" not in refused.value.message


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "jku", "b64"]),
        st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2),
    )
)
async def test_no_header_whatever_makes_a_token_good(header):
    async def fetched() -> bytes:
        return json.dumps({"keys": [published(rsa_key(1), kid="one")]}).encode()

    authority = TokenAuthority(SECRET.encode(), NAME, "explore", keys=IssuerKeys("", fetched), algorithms=ALGORITHMS)
    with pytest.raises(Unauthenticated):
        await read(authority, by_hand(header, payload(), b"\0"))


# What an issuer may publish.

GOOD = published(rsa_key(1), kid="one")
UNUSABLE = {
    "no JSON": b"<html>",
    "a list": b"[]",
    "no keys": b'{"keys": []}',
    "keys are text": b'{"keys": "one"}',
    "a key is text": b'{"keys": ["one"]}',
    "symmetric": {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "one"},
    "for encryption": {**GOOD, "use": "enc"},
    "for signing only": {**GOOD, "key_ops": ["sign"]},
    "operations are text": {**GOOD, "key_ops": "verify"},
    "another algorithm": {**GOOD, "alg": "RS512"},
    "algorithm is a number": {**GOOD, "alg": 7},
    "a private key": {**GOOD, "d": "AQAB"},
    "512 bits": published(rsa_key(1, 1024), kid="one"),
    "cut short": {**GOOD, "n": "AQ"},
    "no modulus": {name: value for name, value in GOOD.items() if name != "n"},
    "modulus is a number": {**GOOD, "n": 7},
    "another curve": published(ec_key(ec.SECP384R1()), kid="one"),
    "key id is a list": {**GOOD, "kid": ["one"]},
    "larger than it may be": b"[" + b" " * issuer_keys.MAX_BYTES + b"]",
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_what_is_no_public_key_for_signatures_is_not_used(authority, issuer, case):
    given = UNUSABLE[case]
    issuer.body = given if isinstance(given, bytes) else json.dumps({"keys": [given]}).encode()
    for algorithm, key in (("RS256", rsa_key(1)), ("ES256", ec_key())):
        with pytest.raises((Unauthenticated, IssuerUnavailable)):
            await read(authority, signed(key, algorithm, "one"))


async def test_a_bad_key_does_not_keep_the_good_ones_out(authority, issuer):
    issuer.keys[:0] = [{"kty": "RSA"}, {"kty": "oct", "k": "AA", "kid": "one"}, {"kid": "one"}]
    assert await read(authority, signed(rsa_key(1), "RS256", "one"))


async def test_an_answer_that_cannot_be_used_leaves_the_keys_as_they_were(authority, issuer, clock):
    token = signed(rsa_key(1), "RS256", "one")
    assert await read(authority, token)
    issuer.body, clock.now = b'{"keys": []}', clock.now + 3_600
    assert await read(authority, token)
    assert authority.keys.fault == "its answer holds no public key for signatures"


async def test_no_redirect_is_followed(authority, issuer):
    with running_issuer() as other:
        other.add(rsa_key(1), "one")
        issuer.status, issuer.location = 302, other.url
        with pytest.raises(IssuerUnavailable):
            await read(authority, signed(rsa_key(1), "RS256", "one"))
        assert other.asked == 0


# What a token lets its bearer do.


@pytest.mark.parametrize(
    ("claim", "payload", "role"),
    [
        (RoleClaim(), {}, None),
        (RoleClaim(), {"role": "administrator"}, Role.ADMINISTRATOR),
        (RoleClaim(), {"role": ["viewer", "service", "offline_access"]}, Role.SERVICE),
        (RoleClaim(), {"role": ["offline_access", 7]}, None),
        (RoleClaim("realm_access.roles"), {"realm_access": {"roles": ["service"]}}, Role.SERVICE),
        (RoleClaim("realm_access.roles"), {"realm_access": "roles", "role": "administrator"}, None),
        (RoleClaim("https://example.com/role"), {"https://example.com/role": "service"}, Role.SERVICE),
        (RoleClaim("groups", {"ops": Role.ADMINISTRATOR}), {"groups": ["ops", "administrator"]}, Role.ADMINISTRATOR),
        (RoleClaim("groups", {"ops": Role.SERVICE}), {"groups": ["administrator"]}, None),
    ],
)
def test_the_role_is_read_where_the_issuer_writes_it(claim, payload, role):
    assert claim.read(payload) is role


@pytest.mark.parametrize("given", ["root", 7, True, {"service": True}, "Administrator", ""])
def test_a_role_that_is_none_is_refused(given):
    with pytest.raises(Unauthenticated, match="viewer, service, administrator"):
        RoleClaim().read({"role": given})


async def test_a_token_of_our_own_says_its_role_in_the_issuers_words():
    words = {"ops": Role.ADMINISTRATOR, "sync": Role.SERVICE}
    authority = TokenAuthority(SECRET.encode(), "i", "a", role=RoleClaim("realm.groups", words))
    assert await read(authority, authority.issue("ada", Role.SERVICE)) == TokenClaims("ada", Role.SERVICE)


# Settings and the doctor.


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(_env_file=None, **{"var_dir": folder, "token_secret": SECRET, **given})


def test_settings_of_an_issuer_are_read_from_text(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN_ALGORITHMS", "RS256, ES256")
    monkeypatch.setenv("TOKEN_ROLE_NAMES", "explore-admins=administrator, sync=service")
    read = load_settings()
    assert read.token_algorithms == ("RS256", "ES256")
    assert dict(read.token_role_names) == {"explore-admins": Role.ADMINISTRATOR, "sync": Role.SERVICE}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TOKEN_ALGORITHMS", "RS256,none", "TOKEN_ALGORITHMS is 'none', which cannot be used"),
        ("TOKEN_ROLE_NAMES", "admins", "TOKEN_ROLE_NAMES is 'admins'"),
        ("TOKEN_ROLE_NAMES", "a=king", "TOKEN_ROLE_NAMES is 'king'"),
        ("TOKEN_JWKS_URL", "ftp://user:hunter2@x/y", "TOKEN_JWKS_URL is no address that keys can be trusted from"),
        ("TOKEN_JWKS_URL", "http://user:hunter2@login.example.com/y", "http:// only from this machine"),
        ("TOKEN_JWKS_URL", "http://localhost.example.com/y", "http:// only from this machine"),
        ("TOKEN_JWKS_URL", "http://127.0.0.1@login.example.com/y", "http:// only from this machine"),
        ("TOKEN_JWKS_URL", "http://", "http:// only from this machine"),
        ("TOKEN_JWKS_URL", "HTTP://login.example.com/y", "http:// only from this machine"),
        ("TOKEN_JWKS_URL", "https://", "TOKEN_JWKS_URL is no address"),
        ("TOKEN_ADMINISTRATOR_HOURS", "0", "TOKEN_ADMINISTRATOR_HOURS is '0'"),
        (
            "TOKEN_SECRET_PREVIOUS",
            "hunter2",
            "TOKEN_SECRET_PREVIOUS has 7 bytes; give the previous secret",
        ),
        ("TOKEN_SECRET_PREVIOUS_UNTIL", "2027-01-31", "TOKEN_SECRET_PREVIOUS_UNTIL is '2027-01-31'"),
        ("CLAIMED_SESSION_HOURS", "-1", "CLAIMED_SESSION_HOURS is '-1'"),
        ("TOKEN_LEEWAY_S", "-1", "TOKEN_LEEWAY_S is '-1'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(monkeypatch, tmp_path, name, value, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(CannotStart) as refused:
        load_settings()
    assert words in refused.value.message
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.8.8.8:80", "[::1]:9"])
def test_keys_may_come_over_plain_http_from_this_machine(tmp_path, host):
    assert settings(tmp_path, token_jwks_url=f"http://{host}/keys").token_jwks_url


def test_a_gateway_where_nobody_could_sign_in_does_not_start(tmp_path):
    with pytest.raises(CannotStart, match="nobody could sign in"):
        token_authority(settings(tmp_path, token_algorithms=("RS256",)))
    with pytest.raises(CannotStart, match="needs an algorithm"):
        token_authority(settings(tmp_path, token_jwks_url="https://x/y", token_algorithms=("HS256",)))


def test_where_only_the_issuers_tokens_count_none_of_our_own_is_made(tmp_path):
    authority = token_authority(settings(tmp_path, token_jwks_url="https://x/y"))
    with pytest.raises(CannotStart, match="name HS256 in TOKEN_ALGORITHMS"):
        authority.issue("ada")


async def test_with_an_issuers_keys_the_secret_signs_no_token_unless_a_setting_says_so(issuer, tmp_path):
    of_secret = by_hand({"alg": "HS256"}, payload(), SECRET.encode())
    given = {"token_jwks_url": issuer.url, "token_issuer": NAME}
    with pytest.raises(Unauthenticated, match="must be signed with RS256 or ES256 or EdDSA"):
        await read(token_authority(settings(tmp_path, **given)), of_secret)
    both = token_authority(settings(tmp_path, **given, token_algorithms=("HS256", "RS256")))
    assert await read(both, of_secret) == TokenClaims("ada", None)
    assert await read(both, signed(rsa_key(1), "RS256", "one")) == TokenClaims("ada", None)


async def test_keys_on_this_machine_are_fetched_past_the_proxies_of_the_environment(authority, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert await read(authority, signed(rsa_key(1), "RS256", "one"))


async def test_the_doctor_looks_at_the_issuers_keys(issuer, tmp_path):
    def made(**given: Any) -> Settings:
        return settings(tmp_path, token_issuer=NAME, **{"token_jwks_url": issuer.url, **given})

    async def found(made: Settings) -> tuple[Verdict, str]:
        one = next(one for one in await run_checks(made) if one.subject == "token keys")
        return one.verdict, one.message

    await migrate_only(made())
    assert await found(made()) == (Verdict.OK, f"1 at {issuer.url}")
    verdict, words = await found(made(token_algorithms=("ES256",)))
    assert verdict is Verdict.BROKEN
    assert "none of the 1 keys" in words
    issuer.status = 404
    assert await found(made()) == (
        Verdict.BROKEN,
        f"{issuer.url}: it answers 404; correct TOKEN_JWKS_URL, or check the issuer",
    )
    file = tmp_path / "keys.json"
    assert (await found(made(token_jwks_url=str(file))))[1].startswith(f"{file}: no such file or directory;")
    file.write_text(json.dumps({"keys": issuer.keys}))
    assert await found(made(token_jwks_url=str(file))) == (Verdict.OK, f"1 at {file}")
