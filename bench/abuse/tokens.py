# ruff: noqa: E501 (a probe is a line)
"""Tokens and session ids that are forged, expired, malformed or sent in the wrong header."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from bench.abuse.probe import Answer, Probe, Target, asking, raw, request

VIEWER = "{ viewer { role user { key } } }"
ADMINISTRATION = 'mutation { removeProjects(keys: ["p1"]) { userErrors { code } } }'


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a valid token, some replaced; None removes a claim."""
    now = int(time.time())
    given = {"sub": "heavy", "iss": "explore-gateway", "aud": "explore", "iat": now, "exp": now + 3_600, **changed}
    return {name: value for name, value in given.items() if value is not None}


def bearer(target: Target, **changed: Any) -> str:
    """Return a signed token."""
    return jwt.encode(claims(**changed), target.secret, "HS256")


def signed(**changed: Any) -> Callable[[Target], Mapping[str, str]]:
    """Return a function that makes an `Authorization` header with a token of these claims."""
    return lambda target: {"Authorization": f"Bearer {bearer(target, **changed)}"}


def forged(make: Callable[[Target], str]) -> Callable[[Target], Mapping[str, str]]:
    """Return a function that makes an `Authorization` header."""
    return lambda target: {"Authorization": make(target)}


def part(content: object) -> str:
    """Encode one part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def resigned(target: Target, header: dict[str, Any], payload: str) -> str:
    """Sign a header and payload with the right secret."""
    text = f"{part(header)}.{payload}"
    signature = base64.urlsafe_b64encode(hmac.digest(target.secret.encode(), text.encode(), "sha256")).rstrip(b"=")
    return f"Bearer {text}.{signature.decode()}"


def is_nobody(answer: Answer) -> str | None:
    """Check that the caller is treated as anonymous."""
    viewer = (answer.json.get("data") or {}).get("viewer") or {}
    return None if viewer.get("user") is None else f"somebody: {viewer}"


def is_viewer(answer: Answer) -> str | None:
    """Check that the caller is a viewer without further permissions."""
    viewer = (answer.json.get("data") or {}).get("viewer") or {}
    return None if viewer.get("role") in ("VIEWER", None) else f"a role: {viewer}"


HS256 = {"alg": "HS256", "typ": "JWT"}
BAD: dict[str, Callable[[Target], Mapping[str, str]]] = {
    "of another secret": forged(lambda _: f"Bearer {jwt.encode(claims(), 'another secret of thirty-two bytes', 'HS256')}"),
    "that has expired": signed(exp=int(time.time()) - 3_600),
    "that is not valid yet": signed(nbf=int(time.time()) + 3_600),
    "of the year 10^18": signed(exp=10**30, nbf=10**30),
    "that expires at 10^320": signed(exp=10**320),
    "that expires at minus 10^320": signed(exp=-(10**320)),
    "that expires at infinity": signed(exp=float("inf")),
    "that expires at a text": signed(exp="soon"),
    "that expires at a list": signed(exp=[1]),
    "that never expires": signed(exp=None),
    "without a subject": signed(sub=None),
    "with an empty subject": signed(sub=""),
    "with a subject of 10,000 letters": signed(sub="a" * 5_000),
    "with NUL as subject": signed(sub="a\x00"),
    "of another issuer": signed(iss="https://evil.example"),
    "for another audience": signed(aud="other"),
    "for nobody": signed(aud=None),
    "with a role that is not there": signed(role="root"),
    "with a role that is an object": signed(role={"administrator": True}),
    "with the algorithm none": forged(lambda _: f"Bearer {part({'alg': 'none'})}.{part(claims())}."),
    "with the algorithm NONE and a signature": forged(lambda target: resigned(target, {"alg": "NONE"}, part(claims()))),
    "with the algorithm HS512": forged(lambda target: f"Bearer {jwt.encode(claims(), target.secret * 3, 'HS512')}"),
    "with the algorithm RS256 and our secret": forged(lambda target: resigned(target, {"alg": "RS256"}, part(claims()))),
    "with a key of its own": forged(lambda _: f"Bearer {jwt.encode(claims(), 'x' * 40, 'HS256', {'jwk': {'kty': 'oct', 'k': 'eHh4'}})}"),
    "with a key at an address": forged(lambda _: f"Bearer {jwt.encode(claims(), 'x' * 40, 'HS256', {'jku': 'http://127.0.0.1:1/keys'})}"),
    "with a kid that is a path": forged(lambda _: f"Bearer {jwt.encode(claims(), 'x' * 40, 'HS256', {'kid': '../../../dev/null'})}"),
    "with critical extensions": forged(lambda target: resigned(target, {**HS256, "crit": ["exp"], "b64": False}, part(claims()))),
    "whose payload is a list": forged(lambda target: resigned(target, HS256, part([1, 2]))),
    "whose payload is nested deep": forged(lambda target: resigned(target, HS256, base64.urlsafe_b64encode(b"[" * 3_000).decode().rstrip("="))),
    "with four parts": forged(lambda target: f"Bearer {bearer(target)}.x"),
    "of dots": forged(lambda _: "Bearer " + "." * 5_000),
    "by the scheme Basic": forged(lambda _: "Basic YWRtaW46YWRtaW4="),
    "without a scheme": forged(bearer),
    "with two in one header": forged(lambda target: f"Bearer {bearer(target)}, Bearer {bearer(target)}"),
}  # fmt: skip
"""Tokens that are refused, by what is wrong with them."""

SESSIONS = {
    "made up": "s1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "of 50,000 letters": "s1." + "A" * 50_000,
    "with a NUL in it": "s1.%00.%00",
    "that is a path": "../../../etc/passwd",
    "that is SQL": "' OR 1=1 --",
    "that is a token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJoZWF2eSJ9.",
    "of a later version": "s2.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
}

PROBES: list[Probe] = [
    *(asking(f"a token {name}", VIEWER, "UNAUTHENTICATED", statuses=(401,), headers=make) for name, make in BAD.items()),
    *(asking(f"a session {name}", VIEWER, None, statuses=(200,), headers={"X-Session-Id": value}, check=is_nobody) for name, value in SESSIONS.items()),
    raw("a token that is not ASCII", (401,), b"GET /graphql?query={a} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xe4\xff\xfe\r\nConnection: close\r\n\r\n"),
    asking("a token in a variable", "query($authorization: String) { viewer { role user { key } } }", "GRAPHQL_VALIDATION_FAILED", variables={"authorization": "Bearer x"}),
    request("a token in the address", (200,), path="/graphql?query={viewer{role%20user{key}}}&access_token=eyJ.eyJ.x&authorization=Bearer%20x", headers={"X-Explore-Request": "1"}, check=is_nobody),
    asking("a token in a cookie", VIEWER, None, statuses=(200,), headers=lambda target: {"Cookie": f"authorization=Bearer {bearer(target)}; token={bearer(target)}"}, check=is_nobody),
    asking("a user in the headers of a proxy", VIEWER, None, statuses=(200,), headers={"X-Forwarded-User": "administrator", "X-Remote-User": "administrator", "X-User-Id": "administrator", "X-Role": "administrator"}, check=is_nobody),
    asking("a viewer who removes projects", ADMINISTRATION, "FORBIDDEN", statuses=(200,), headers=signed()),
    asking("somebody unknown who removes projects", ADMINISTRATION, "UNAUTHENTICATED", statuses=(200,)),
    asking("a role beside the claims", VIEWER, None, statuses=(200,), headers=signed(roles=["administrator"], scope="administrator", is_admin=True), check=is_viewer),
    asking("a service that appoints an administrator", 'mutation { upsertUsers(users: [{key: "x1", username: "x", role: ADMINISTRATOR}]) { results { userErrors { code } } } }', None, statuses=(200,), headers=signed(role="service"), check=lambda answer: None if b"FORBIDDEN" in answer.body else "appointed"),
    asking("an export by a session that is no account", "mutation { exportMyData { __typename } }", None, statuses=(200,), headers={"X-Session-Id": SESSIONS["made up"]}, check=lambda _: None),
    asking("a claim of a session that is made up", f'mutation {{ claimSession(session: "{SESSIONS["made up"]}") {{ __typename }} }}', None, statuses=(200, 400), headers=signed(), check=lambda _: None),
]  # fmt: skip
