"""Validation of the platform's keys, and of text that all stores accept."""

import re
from collections.abc import Sequence

from scoring.use_cases.input_errors import InputRefused, too_many_error

MAX_KEY_LENGTH = 200
"""Maximum length of a key, as in the import format."""

MAX_RECORDS = 1_000
"""Maximum number of records, or of keys of records, per call."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def is_valid_key(value: str) -> bool:
    """Return whether a text can be a platform key. Invalid keys need no database lookup."""
    return 1 <= len(value) <= MAX_KEY_LENGTH and is_storable_text(value)


def is_storable_text(value: str) -> bool:
    """Return whether all stores accept a text: PostgreSQL rejects NUL, and UTF-8 cannot encode lone surrogates."""
    return "\x00" not in value and (value.isascii() or _LONE_SURROGATE.search(value) is None)


def distinct_valid_keys(keys: Sequence[str]) -> list[str]:
    """Return the distinct valid keys. Raises `InputRefused` for more than `MAX_RECORDS` keys."""
    if len(keys) > MAX_RECORDS:
        raise InputRefused(too_many_error("keys", MAX_RECORDS))
    return [key for key in dict.fromkeys(keys) if is_valid_key(key)]
