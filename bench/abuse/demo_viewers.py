# ruff: noqa: E501 (a probe is a line)
"""Attempts to get tokens of demo viewers from another site or another machine."""

from bench.abuse.probe import Answer, Headers, Probe, raw, request


def none(answer: Answer) -> str | None:
    """Check that the response has no token."""
    return None if answer.json == {"viewers": []} else f"gives viewers: {answer.body[:200]!r}"


def nobody(name: str, headers: Headers) -> Probe:
    """Return a probe that must not get a token."""
    return request(
        name,
        (200, 400),
        path="/demo/viewers",
        headers=headers,
        check=lambda answer: none(answer) if answer.status == 200 else None,
    )


def but_the_administrator(answer: Answer) -> str | None:
    """Check that the response has viewers, and not the administrator."""
    keys = [viewer["key"] for viewer in answer.json["viewers"]]
    return None if "heavy" in keys and "administrator" not in keys else f"gives {keys}"


PROXIES = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via", "CF-Connecting-IP", "True-Client-IP")

PROBES: list[Probe] = [
    nobody("a host of somebody else's", {"Host": "evil.example"}),
    nobody("a host that begins like ours", {"Host": "localhost.evil.example"}),
    nobody("a host that begins with our address", {"Host": "127.0.0.1.nip.io"}),
    nobody("a host with a user", {"Host": "localhost@evil.example"}),
    nobody("a host with a path", {"Host": "localhost/@evil.example"}),
    nobody("a host in a bracket", {"Host": "[::1].evil.example"}),
    nobody("a host that is no address", {"Host": "[::1"}),
    nobody("a host that is empty", {"Host": ""}),
    nobody("another address of this machine", {"Host": "127.0.0.2"}),
    nobody("an address in another notation", {"Host": "2130706433"}),
    nobody("the address of everything", {"Host": "0.0.0.0"}),  # noqa: S104
    nobody("a page of another site", {"Origin": "https://evil.example"}),
    nobody("a sandboxed page", {"Origin": "null"}),
    nobody("an origin that is no address", {"Origin": "http://[::1"}),
    nobody("a page of another port", {"Origin": "http://127.0.0.1:1"}),
    nobody("a request across sites", {"Sec-Fetch-Site": "cross-site"}),
    nobody("a request of the same site", {"Sec-Fetch-Site": "same-site"}),
    request("a POST", (405,), method="POST", path="/demo/viewers"),
    request("a host of ours in a parameter", (200,), path="/demo/viewers?host=localhost", headers={"Host": "evil.example"}, check=none),
    request("demo viewers for a page at home", (200,), path="/demo/viewers", check=but_the_administrator),
    *(nobody(f"demo viewers by way of {name}", {name: "127.0.0.1"}) for name in PROXIES),
    raw("demo viewers over HTTP/1.0", (200,), b"GET /demo/viewers HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", check=lambda answer: None if answer.json == {"viewers": []} else f"gives {answer.body[:200]!r}"),
]  # fmt: skip
