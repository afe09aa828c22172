"""Conversion of omitted arguments."""

from typing import TypeVar

import strawberry

T = TypeVar("T")


def unset_to_none(value: T | None) -> T | None:
    """Return the value of an argument; None if it is null or omitted, which mean the same everywhere in the schema."""
    return None if value is strawberry.UNSET else value
