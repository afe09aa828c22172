"""Removal of secrets from everything written for people: log lines, tracebacks, messages of commands.

`display_url` returns the safe parts of an address. `redact`, applied to every text that leaves the process, shortens
each URL in it and removes the secrets given to `remember_secrets`, in every spelling that a library may use.
"""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "…"

SHORTEST_SECRET = 4
"""Characters. Removing shorter ones would destroy the text, and no secret is so short."""

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
"""An unambiguous URL: its only ``@`` ends the user information."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>`”“]+", re.IGNORECASE | re.ASCII)
_HARMLESS = frozenset({"ssl", "sslmode", "host", "port", "db", "protocol", "application_name"})
"""Query parameters whose values are no secret."""

_secrets: dict[str, None] = {}
"""Every spelling of every secret of this process."""


def display_url(url: str) -> str:
    """Return the parts of a URL that may be shown: scheme, hosts, ports and path.

    Of an ambiguous URL, such as one whose password has an ``@`` or ``/`` that is not percent-encoded, only the scheme.
    """
    if found := _URL.fullmatch(url):
        return f"{found['scheme']}://{found['hosts']}{found['path']}"
    scheme = _SCHEME.match(url)
    return f"{scheme[0] if scheme else ''}{HIDDEN}"


def redact(text: str) -> str:
    """Return a text without known secrets, and with each URL in it as `display_url`."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    return _IN_TEXT.sub(lambda found: display_url(found[0]), text) if "://" in text else text


def remember_secrets(*, secrets: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
    """Let `redact` remove these secrets, and the user information and query values of these URLs."""
    spelled = {spelling for secret in (*secrets, *_secrets_of(urls)) for spelling in _spellings(secret)}
    known = {*_secrets, *(one for one in spelled if len(one) >= SHORTEST_SECRET)}
    _secrets.clear()
    _secrets.update(dict.fromkeys(sorted(known, key=lambda one: (-len(one), one))))  # a longer one may hold a shorter


def _secrets_of(urls: Iterable[str]) -> Iterator[str]:
    for url in urls:
        rest = url.partition("://")[2]
        if "@" in rest:
            account = rest.rpartition("@")[0]
            yield account
            name, colon, password = account.partition(":")
            yield password if colon else name
        for pair in re.split("[?&#;]", rest)[1:]:
            name, equals, value = pair.partition("=")
            if name.lower() not in _HARMLESS:
                yield value if equals else name


def _spellings(secret: str) -> set[str]:
    """Return the spellings of a secret: percent-encoded or decoded, escaped in JSON or Python."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    plain |= {quote(one, safe="") for one in plain} | {quote_plus(one) for one in plain}
    escaped = {json.dumps(one, ensure_ascii=ascii_)[1:-1] for one in plain for ascii_ in (True, False)}
    return plain | escaped | {repr(one)[1:-1] for one in plain}
