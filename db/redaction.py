"""Redaction of secrets in what is written for people: log lines, tracebacks, messages of commands.

There are two ways, and what is written takes both. `display_url` names an address by what is safe to show. `redact` is
applied to every text where it leaves the process: it shortens each URL in it, and removes the secrets that
`remember_secrets` has been told, in every spelling in which a library may repeat them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "…"

SHORTEST_SECRET = 4
"""Characters. Removing a shorter one would remove half of every text; nothing so short is a secret."""

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
"""A URL that can be read in one way only: an ``@`` ends the user information and stands nowhere else."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>`”“]+", re.IGNORECASE | re.ASCII)
_HARMLESS = frozenset({"ssl", "sslmode", "host", "port", "db", "protocol", "application_name"})
"""Names in a URL's query whose values are no secret."""

_secrets: dict[str, None] = {}
"""Every spelling of every secret of this process."""


def display_url(url: str) -> str:
    """Return what may be shown of a URL: scheme, hosts, ports and path.

    The user information, the query and the fragment are left out. Of a URL that can be read in more than one way, as
    with a password in which an ``@`` or a ``/`` is not percent-encoded, only the scheme is shown.
    """
    if found := _URL.fullmatch(url):
        return f"{found['scheme']}://{found['hosts']}{found['path']}"
    scheme = _SCHEME.match(url)
    return f"{scheme[0] if scheme else ''}{HIDDEN}"


def redact(text: str) -> str:
    """Return a text without known secrets and without what `display_url` hides of the URLs in it."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    return _IN_TEXT.sub(lambda found: display_url(found[0]), text) if "://" in text else text


def remember_secrets(*, secrets: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
    """Let `redact` remove these secrets from now on, and what the URLs hold as user information or in their query."""
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
    """Return the ways in which a library may write a secret: percent-encoded or decoded, escaped in JSON or Python."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    plain |= {quote(one, safe="") for one in plain} | {quote_plus(one) for one in plain}
    escaped = {json.dumps(one, ensure_ascii=ascii_)[1:-1] for one in plain for ascii_ in (True, False)}
    return plain | escaped | {repr(one)[1:-1] for one in plain}
