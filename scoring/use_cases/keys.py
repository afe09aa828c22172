"""Rules of the platform's keys and of text that every store takes."""

import re

MAX_KEY_LENGTH = 200
"""Characters of the longest platform key, as in the import format."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def is_valid_key(value: str) -> bool:
    """Return whether a platform key can look like this; no store need be asked for one that cannot."""
    return 1 <= len(value) <= MAX_KEY_LENGTH and is_storable_text(value)


def is_storable_text(value: str) -> bool:
    """Return whether every store takes this text: PostgreSQL refuses NUL, and UTF-8 has no lone surrogates."""
    return "\x00" not in value and (value.isascii() or _LONE_SURROGATE.search(value) is None)
