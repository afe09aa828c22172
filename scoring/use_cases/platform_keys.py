"""Validation of the platform's keys, and of text that all stores accept."""

from collections.abc import Sequence

from db.text_rules import key_fault, normal_form, text_fault
from scoring.use_cases.input_errors import InputRefused, too_many_error

MAX_KEY_LENGTH = 200
"""Maximum length of a key, as in the import format."""

MAX_RECORDS = 1_000
"""Maximum number of records, or of keys of records, per call."""


def is_valid_key(value: str) -> bool:
    """Return whether a text can be a platform key. Invalid keys need no database lookup."""
    return len(value) <= MAX_KEY_LENGTH and key_fault(value) is None


def is_storable_text(value: str) -> bool:
    """Return whether a text has no character that records may not contain."""
    return text_fault(value) is None


def distinct_valid_keys(keys: Sequence[str]) -> list[str]:
    """Return the distinct valid keys in their normal form. Raises `InputRefused` for more than `MAX_RECORDS` keys."""
    if len(keys) > MAX_RECORDS:
        raise InputRefused(too_many_error("keys", MAX_RECORDS))
    return [key for key in dict.fromkeys(map(normal_form, keys)) if is_valid_key(key)]
