# ruff: noqa: E501 (a probe is a line)
"""Rules for all transports: times and lifetime of tokens, their header, and claimed sessions."""

import json
import math
import time
from collections.abc import Callable
from typing import Any

from bench.abuse.probe import Answer, Headers, Probe, Target, answer_of, asking, posting, raw
from bench.abuse.streams import FEED, INIT, talking
from bench.abuse.tokens import ADMINISTRATION, bearer, claims, signed
from db.time_units import DAY_S

VIEWER = "{ viewer { kind role } }"
LIKE = 'mutation { likeProject(key: "%s") { userErrors { code } } }'
KEYS = "{ newest(first: 1) { edges { node { key } } } }"
CLAIM = "mutation { claimSession { status } }"
REVOKE = "mutation { revokeSessions { revoked } }"


def days_old(days: float, life_days: float, **claimed: Any) -> Headers:
    """Return a function that makes the header of a token with this age and lifetime."""
    issued = int(time.time() - days * DAY_S)
    return signed(iat=issued, exp=issued + int(life_days * DAY_S), **claimed)


def is_role(role: str) -> Callable[[Answer], str | None]:
    """Check the role of the caller in the response."""
    return lambda answer: None if answer.json["data"]["viewer"]["role"] == role else f"a role: {answer.body!r}"


def headed(name: str, status: int, make: Callable[[str], bytes]) -> Probe:
    """Return a probe whose headers are made from a valid token."""

    def send(target: Target) -> Answer:
        body = json.dumps({"query": VIEWER}).encode()
        head = b"POST /graphql HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n\r\n"
        return raw("", (), head % (len(body), make(bearer(target))) + body).send(target)

    return Probe(name, (status,), send, "UNAUTHENTICATED" if status == 401 else None)


def with_session(
    name: str,
    then: Callable[[Callable[..., Answer], dict[str, str], dict[str, str]], Answer],
    check: Callable[[Answer], str | None],
    requests: int,
) -> Probe:
    """Make a probe of requests with a session that a user has claimed: it is given `ask`, the session, and the token."""

    def send(target: Target) -> Answer:
        def ask(query: str, **headers: str) -> Answer:
            return answer_of(target.client.post("/graphql", json={"query": query}, headers=headers))

        key = ask(KEYS).json["data"]["newest"]["edges"][0]["node"]["key"]
        session = {"X-Session-Id": ask(LIKE % key).headers["x-session-id"]}
        token = {"Authorization": f"Bearer {bearer(target, sub='narrow')}"}
        ask(CLAIM, **session, **token)
        return then(ask, session, token)

    return Probe(name, (200,), send, check=check, requests=requests)


def says(**expected: object) -> Callable[[Answer], str | None]:
    """Check the value of the only field in the response."""

    def check(answer: Answer) -> str | None:
        (found,) = (answer.json.get("data") or {"": None}).values()
        wrong = {name: (found or {}).get(name) for name, value in expected.items() if (found or {}).get(name) != value}
        return f"says {wrong} instead of {expected}" if wrong else None

    return check


NO_TIMES: dict[str, Any] = {
    "10^320": 10**320,
    "true": True,
    "a text": "1900000000",
    "minus one": -1,
    "in milliseconds": 1_900_000_000_000,
    "NaN": math.nan,
}

PROBES: list[Probe] = [
    *(asking(f"{name} {text}", VIEWER, "UNAUTHENTICATED", statuses=(401,), headers=signed(**{name: value})) for name in ("exp", "nbf", "iat") for text, value in NO_TIMES.items()),
    # an administrator's life
    asking("an administrator for a day", VIEWER, None, statuses=(200,), headers=days_old(0, 1, role="administrator"), check=is_role("ADMINISTRATOR")),
    asking("an administrator for 30 days", VIEWER, "UNAUTHENTICATED", statuses=(401,), headers=days_old(0, 30, role="administrator")),
    asking("an administrator on the last of 30 days", VIEWER, "UNAUTHENTICATED", statuses=(401,), headers=days_old(29.9, 30, role="administrator")),
    asking("an administrator of no date", VIEWER, "UNAUTHENTICATED", statuses=(401,), headers=signed(role="administrator", iat=None)),
    asking("an administrator's row for 30 days", ADMINISTRATION, "FORBIDDEN", statuses=(200,), headers=days_old(0, 30, sub="administrator")),
    asking("an administrator's row and no date", VIEWER, None, statuses=(200,), headers=signed(sub="administrator", iat=None), check=is_role("VIEWER")),
    # the header
    headed("two good headers", 401, lambda token: f"Authorization: Bearer {token}\r\nAuthorization: Bearer {token}".encode()),
    headed("a tab before the token", 401, lambda token: f"Authorization: Bearer\t{token}".encode()),
    headed("a no-break space before the token", 401, lambda token: f"Authorization: Bearer \xa0{token}".encode("latin-1")),
    headed("a token in quotes", 401, lambda token: f'Authorization: Bearer "{token}"'.encode()),
    headed("8,193 characters", 401, lambda token: f"Authorization: Bearer {token}{'a' * (8_193 - len(token))}".encode()),
    headed("spaces around the token", 200, lambda token: f"authorization:   bEARER   {token}  ".encode()),
    # sockets and event streams
    talking("a socket until 10^320", (4403,), lambda target: {**INIT, "payload": {"Authorization": f"Bearer {bearer(target, exp=10**320)}"}}),
    talking("a socket of an administrator for 30 days", (4403,), lambda target: {**INIT, "payload": {"Authorization": f"Bearer {bearer(target, role='administrator', exp=claims()['exp'] + 30 * DAY_S)}"}}),
    posting("an event stream until 10^320", json.dumps({"query": FEED}).encode(), "UNAUTHENTICATED", (401,), headers=lambda target: {"Accept": "text/event-stream", "Authorization": f"Bearer {bearer(target, exp=10**320)}"}),
    # claimed sessions
    with_session("a revoked session", lambda ask, session, token: (ask(REVOKE, **token), ask(VIEWER, **session))[-1], says(kind="SESSION"), 6),
    with_session("a session that revokes itself", lambda ask, session, token: (ask(REVOKE, **session), ask(VIEWER, **session))[-1], says(kind="SESSION"), 6),
    with_session("a revoked session that is claimed again", lambda ask, session, token: (ask(REVOKE, **token), ask(CLAIM, **session, **token), ask(VIEWER, **session))[-1], says(kind="SESSION"), 7),
    with_session("a stranger who revokes a session", lambda ask, session, token: ask(REVOKE, **{"X-Session-Id": "s1.AAAA"}), says(revoked=0), 5),
    with_session("an export by a claimed session", lambda ask, session, token: ask("mutation { exportMyData { data userErrors { code } } }", **session), says(userErrors=[{"code": "FORBIDDEN"}]), 5),
]  # fmt: skip
