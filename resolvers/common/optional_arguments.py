"""Reading what a client may leave out."""

from typing import TypeVar

import strawberry

T = TypeVar("T")


def unset_to_none(value: T | None) -> T | None:
    """Give an argument's value; None if it was left out or is null, which mean the same everywhere in this graph."""
    return None if value is strawberry.UNSET else value
