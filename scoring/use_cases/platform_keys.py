"""Rules of the platform's keys and of text that every store takes."""

import re
from collections.abc import Sequence

from scoring.use_cases.input_errors import InputRefused, too_many_error

MAX_KEY_LENGTH = 200
"""As in the import format."""

MAX_RECORDS = 1_000
"""Records, or keys of records, that one call may send."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def is_valid_key(value: str) -> bool:
    """Return whether a platform key can look like this; no store need be asked for one that cannot."""
    return 1 <= len(value) <= MAX_KEY_LENGTH and is_storable_text(value)


def is_storable_text(value: str) -> bool:
    """Return whether every store takes this text: PostgreSQL refuses NUL, and UTF-8 has no lone surrogates."""
    return "\x00" not in value and (value.isascii() or _LONE_SURROGATE.search(value) is None)


def possible_keys(keys: Sequence[str]) -> list[str]:
    """Return those of at most `MAX_RECORDS` keys, each once, that can name something."""
    if len(keys) > MAX_RECORDS:
        raise InputRefused(too_many_error("keys", len(keys), MAX_RECORDS))
    return [key for key in dict.fromkeys(keys) if is_valid_key(key)]
