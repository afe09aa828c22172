"""Finds what no log may hold, in the output of the servers and in the records of a whole test run."""

import logging
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from db.redaction import redact
from gateway.settings import Settings

FORBIDDEN = {
    "a token": re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\."),
    "a session id": re.compile(r"\bs1\.[\w-]{20,}"),
    "an Authorization header": re.compile(r"\b(?:Bearer|Basic) [\w+/=-]{12,}"),
    "parameters of a statement": re.compile(r"\[parameters: "),
    "a row that PostgreSQL quotes": re.compile(r"DETAIL: +(?:Key|Failing row)|Failing row contains"),
    "a URL with a password": re.compile(r"\w+://[^\s/@]*:[^\s/@]+@|[?&;](?:password|passfile)=[^\s&…]"),
}

SHORTEST_SECRET = 8


def leaks(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """Name what a text holds that no log may hold, each with the line that holds it."""
    found = [f"{what}: {line}" for line in text.splitlines() for what, form in FORBIDDEN.items() if form.search(line)]
    return found + [f"{secret!r}: {line}" for secret in secrets for line in text.splitlines() if secret in line]


def secrets_of(settings: Mapping[str, str]) -> set[str]:
    """Give the secrets among a server's environment variables: whole ones, and the passwords of URLs."""
    whole = {
        value
        for name, value in settings.items()
        if (field := Settings.model_fields.get(name.lower())) and "SecretStr" in str(field.annotation)
    }
    passwords = {password for value in settings.values() if "://" in value and (password := urlsplit(value).password)}
    return {secret for secret in whole | passwords if len(secret) >= SHORTEST_SECRET}


class LeakHandler(logging.Handler):
    """Remembers what the records of this process hold that no log may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record, its traceback included. The gateway's own events are redacted when they are written."""
        text = self.format(record)
        self.found += leaks(redact(text) if isinstance(record.msg, dict) else text)
