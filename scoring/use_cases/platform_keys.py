"""Validation of keys that name stored objects."""

from collections.abc import Sequence

from db.text_rules import is_storable, normal_form
from scoring.use_cases.input_errors import InputRefused, too_many_error

MAX_KEY_LENGTH = 200
"""Maximum length of a key, as in the import format."""

MAX_RECORDS = 1_000
"""Maximum number of records, or of keys of records, per call."""


def is_valid_key(value: str) -> bool:
    """Return whether a stored key can be this text. Other texts need no database lookup.

    Earlier versions stored keys with characters that `db.text_rules.key_fault` refuses in new keys.
    """
    return 1 <= len(value) <= MAX_KEY_LENGTH and is_storable(value)


def distinct_valid_keys(keys: Sequence[str]) -> list[str]:
    """Return the distinct valid keys in their normal form. Raises `InputRefused` for more than `MAX_RECORDS` keys."""
    if len(keys) > MAX_RECORDS:
        raise InputRefused(too_many_error("keys", MAX_RECORDS))
    return [key for key in dict.fromkeys(map(normal_form, keys)) if is_valid_key(key)]
