"""Optional arguments."""

from typing import TypeVar

import strawberry

T = TypeVar("T")


def unset_to_none(value: T | None) -> T | None:
    """Return an argument's value; None if it is null or left out, which mean the same in every field of the graph."""
    return None if value is strawberry.UNSET else value
