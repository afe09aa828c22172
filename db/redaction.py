"""Removal of secrets from log lines, tracebacks and messages of commands.

`display_url` returns the parts of a URL without secrets. `redact` is applied to every text that the process writes: it
shortens each URL and removes the secrets that were passed to `remember_secrets`, also quoted, escaped or encoded.
"""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "…"

SHORTEST_SECRET = 4
"""Minimum length of a removed secret in characters. Removing shorter texts would make messages unreadable."""

_HOST = r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_URL = re.compile(
    r"""(?P<shown>
        (?P<scheme>[a-z][a-z0-9+.-]*)://
        (?:[^/?#@]*@)?
        (?P<hosts>(?:HOST(?:,HOST)*)?)
        (?P<path>(?:/[\w.~+:-]*)*)
    )(?:[?#][^@]*)?""".replace("HOST", _HOST),
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
"""Pattern of an unambiguous URL. It has at most one ``@``, which ends the user information."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_URL_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>`”“]+", re.IGNORECASE | re.ASCII)
_PUBLIC_PARAMETERS = frozenset(
    {"ssl", "sslmode", "sslnegotiation", "sslrootcert", "sslcert", "host", "port", "dbname", "application_name"}
    | {"target_session_attrs", "connect_timeout", "channel_binding", "gssencmode", "client_encoding", "pgbouncer"}
    | {"db", "protocol", "decode_responses", "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile"}
)
"""Query parameters whose values are not secret. Hiding a value such as `true` would hide it in every log line."""

_ROLE = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
"""A plain role of PostgreSQL: without a password it is no secret, and messages name the role that lacks a privilege."""

_secrets: dict[str, None] = {}
"""All spellings of the secrets of this process. A dict is used, because a set has no order."""


def display_url(url: str) -> str:
    """Return scheme, hosts, ports and path of a URL.

    Return only the scheme of an ambiguous URL, such as one whose password contains an unencoded ``@`` or ``/``.
    """
    if match := _URL.fullmatch(url):
        return f"{match['scheme']}://{match['hosts']}{match['path']}"
    scheme = _SCHEME.match(url)
    return f"{scheme[0] if scheme else ''}{HIDDEN}"


def redact(text: str) -> str:
    """Return a text without the remembered secrets, with `display_url` applied to each URL."""
    text = _without_secrets(text)
    return _URL_IN_TEXT.sub(lambda match: display_url(match[0]), text) if "://" in text else text


def _without_secrets(text: str) -> str:
    """Hide each occurrence of each secret. Occurrences of two secrets can overlap, so all are found first."""
    parts, end = [], 0
    for start, stop in sorted(span for secret in _secrets for span in _occurrences(secret, text)):
        if start >= end:
            parts += [text[end:start], HIDDEN]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _occurrences(secret: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(secret)
    while start >= 0:
        yield start, start + len(secret)
        start = text.find(secret, start + 1)


def remember_secrets(*, secrets: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
    """Make `redact` remove these secrets, and the user information and query values of these URLs."""
    spellings = {spelling for secret in (*secrets, *_secrets_of(urls)) for spelling in _spellings(secret)}
    _secrets.update(dict.fromkeys(sorted(spelling for spelling in spellings if len(spelling) >= SHORTEST_SECRET)))


def _secrets_of(urls: Iterable[str]) -> Iterator[str]:
    for url in urls:
        rest = url.partition("://")[2]
        if "@" in rest:
            account = rest.rpartition("@")[0]
            name, colon, password = account.partition(":")
            if colon or not (url.startswith("postgres") and _ROLE.fullmatch(name)):
                yield account
                yield password if colon else name
        for pair in re.split("[?&#;]", rest)[1:]:
            name, equals, value = pair.partition("=")
            if name.lower() not in _PUBLIC_PARAMETERS:
                yield value if equals else name


def _spellings(secret: str) -> set[str]:
    """Return a secret percent-encoded, decoded, and escaped as in JSON and Python."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    plain |= {quote(text, safe="") for text in plain} | {quote_plus(text) for text in plain}
    escaped = {json.dumps(text, ensure_ascii=ascii_)[1:-1] for text in plain for ascii_ in (True, False)}
    return plain | escaped | {repr(text)[1:-1] for text in plain}
