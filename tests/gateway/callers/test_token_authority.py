import base64
import json
import os
import stat
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from db.models import Role
from db.text_rules import normal_form
from gateway.callers.token_authority import TokenAuthority, signing_secret
from gateway.callers.token_claims import TokenClaims
from gateway.errors import CannotStart, Unauthenticated
from gateway.settings import Settings
from tests.gateway.conftest import SECRET
from tests.preloaded import Program

QUERY = {"query": "{ caller }"}


def claims(**changes):
    good = {"sub": "ada", "iss": "explore-gateway", "aud": "explore", "exp": int(time.time()) + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def signed(secret=SECRET, algorithm="HS256", **changes):
    return jwt.encode(claims(**changes), secret, algorithm)


def unsigned(header, payload):
    """A token put together by hand, as a forger would."""

    def part(data):
        return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(payload)}."


def signed_with(headers, **changes):
    return jwt.encode(claims(**changes), SECRET, "HS256", headers)


def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def altered():
    head, body, signature = signed().split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**payload, "sub": "eve"}).encode()).rstrip(b"=").decode()
    return f"{head}.{forged}.{signature}"


REFUSED = {
    "expired": (lambda: f"Bearer {signed(exp=int(time.time()) - 60)}", "expired"),
    "no expiry": (lambda: f"Bearer {signed(exp=...)}", "lacks the claim exp"),
    "no subject": (lambda: f"Bearer {signed(sub=...)}", "lacks the claim sub"),
    "no issuer": (lambda: f"Bearer {signed(iss=...)}", "lacks the claim iss"),
    "no audience": (lambda: f"Bearer {signed(aud=...)}", "lacks the claim aud"),
    "wrong issuer": (lambda: f"Bearer {signed(iss='somebody')}", "TOKEN_ISSUER"),
    "wrong audience": (lambda: f"Bearer {signed(aud='others')}", "TOKEN_AUDIENCE"),
    "not yet valid": (lambda: f"Bearer {signed(nbf=int(time.time()) + 600)}", "not valid yet"),
    "another secret": (lambda: f"Bearer {signed('x' * 40)}", "another secret"),
    "altered": (lambda: f"Bearer {altered()}", "altered"),
    "algorithm none": (lambda: f"Bearer {unsigned({'alg': 'none', 'typ': 'JWT'}, claims())}", "HS256"),
    "HS512": (lambda: f"Bearer {signed('x' * 64, 'HS512')}", "HS256"),
    "RS256": (lambda: f"Bearer {signed(rsa_key(), 'RS256')}", "HS256"),
    "empty subject": (lambda: f"Bearer {signed(sub='')}", "subject"),
    "endless subject": (lambda: f"Bearer {signed(sub='a' * 201)}", "subject"),
    "NUL in the subject": (lambda: f"Bearer {signed(sub=chr(0))}", "subject"),
    "half a character": (lambda: f"Bearer {signed(sub=chr(0xD800))}", "subject"),
    "subject is a number": (lambda: f"Bearer {unsigned({'alg': 'HS256'}, claims(sub=7))}x", "token"),
    "unknown role": (lambda: f"Bearer {signed(role='king')}", "role"),
    "role is a number": (lambda: f"Bearer {signed(role=7)}", "role"),
    "no JWT": (lambda: "Bearer abc", "cannot be read"),
    "nothing after Bearer": (lambda: "Bearer ", "must read: Bearer TOKEN"),
    "empty header": (lambda: "", "must read: Bearer TOKEN"),
    "another scheme": (lambda: "Basic YWRhOmFkYQ==", "must read: Bearer TOKEN"),
    "two tokens": (lambda: "Bearer a b", "must read: Bearer TOKEN"),
    "nested header": (lambda: "Bearer " + base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.x", "cannot be read"),
    "two tokens joined by a proxy": (lambda: f"Bearer {signed()}, Bearer {signed()}", "must read: Bearer TOKEN"),
    "tab in between": (lambda: f"Bearer\t{signed()}", "must read: Bearer TOKEN"),
    "no-break space": (lambda: f"Bearer \xa0{signed()}".encode("latin-1"), "must read: Bearer TOKEN"),
    "quotes": (lambda: f'Bearer "{signed()}"', "must read: Bearer TOKEN"),
    "critical header": (lambda: f"Bearer {signed_with({'crit': ['exp'], 'exp': 1})}", "cannot be read"),
    "key id is a number": (lambda: f"Bearer {unsigned({'alg': 'HS256', 'kid': 7}, claims())}", "cannot be read"),
    "payload is a list": (lambda: f"Bearer {unsigned({'alg': 'HS256'}, [])}", "altered"),
    "10 KB": (lambda: "Bearer " + "a" * 10_000, "longer than"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_bad_token_is_refused_with_a_sentence_that_says_what_to_do(client, case):
    make, words = REFUSED[case]
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": make()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert words in error["message"]
    assert "Error" not in error["message"]
    assert "Traceback" not in error["message"]


async def test_two_authorization_headers_are_refused(client, authority):
    headers = [("Authorization", f"Bearer {authority.issue('ada')}"), ("Authorization", "Bearer x")]
    answer = await client.post("/graphql", json=QUERY, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_names_the_user(client, authority, scheme):
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"{scheme} {authority.issue('ada')}"})
    assert answer.json()["data"] == {"caller": "ada|None|None"}


@pytest.mark.parametrize("role", Role)
async def test_a_role_in_the_token_reaches_the_graph(client, authority, role):
    token = authority.issue("batch", role)
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["data"]["caller"] == f"batch|None|{role.value}"


async def test_a_clock_that_is_a_few_seconds_off_does_no_harm(client):
    token = signed(exp=int(time.time()) - 10)
    answer = await client.post("/graphql", json=QUERY, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


@given(st.text(min_size=1, max_size=200, alphabet=st.characters(exclude_categories=["C", "Z"])))
async def test_every_platform_key_survives_the_way_through_a_token(key):
    authority = TokenAuthority(SECRET.encode(), "i", "a")
    assert await authority.read(f"Bearer {authority.issue(key)}") == TokenClaims(normal_form(key), None)


@given(st.text(max_size=300))
async def test_no_header_whatever_brings_the_reader_down(header):
    authority = TokenAuthority(SECRET.encode(), "i", "a")
    with pytest.raises(Unauthenticated):
        await authority.read(header)


def test_a_token_for_a_key_that_is_none_is_not_made(authority):
    with pytest.raises(CannotStart):
        authority.issue("a" * 201)


def settings_in(folder, **changes):
    return Settings(_env_file=None, var_dir=folder, **changes)


def test_the_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    folder = tmp_path / "var"
    first = signing_secret(settings_in(folder))
    path = folder / "token_secret"
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing_secret(settings_in(folder)) == first
    assert [entry.name for entry in folder.iterdir()] == ["token_secret"]


def test_workers_that_start_at_once_agree_on_one_secret(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom gateway.callers.token_authority import signing_secret\n"
        "from gateway.settings import Settings\n"
        "print(signing_secret(Settings(_env_file=None, var_dir=Path(sys.argv[1]))).decode())"
    )
    with (tmp_path / "printed").open("w+") as printed:
        started = [Program([str(tmp_path)], tmp_path, os.environ, printed, printed, code) for _ in range(6)]
        assert [process.wait(60) for process in started] == [0] * 6
        printed.seek(0)
        secrets = printed.read().split()
    assert len(secrets) == 6
    assert len(set(secrets)) == 1
    assert len(secrets[0]) >= 32


def test_a_given_secret_is_used_and_none_is_written(tmp_path):
    assert signing_secret(settings_in(tmp_path, token_secret=SECRET)) == SECRET.encode()
    assert list(tmp_path.iterdir()) == []


def test_a_secret_file_that_was_cut_short_is_refused(tmp_path):
    (tmp_path / "token_secret").write_text("short")
    with pytest.raises(CannotStart, match="fewer than 32 bytes; delete it"):
        signing_secret(settings_in(tmp_path))


def test_a_secret_that_is_a_folder_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "token_secret").mkdir()
    with pytest.raises(CannotStart, match="cannot be read: is a directory"):
        signing_secret(settings_in(tmp_path))
