"""Kinds of settings: numbers with a range, names, and lists of texts."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from db.text_rules import text_fault


def number(default: float | None, lowest: float, highest: float, description: str) -> Any:
    """Return the field of a number between two bounds, which its description states."""
    return Field(default, ge=lowest, le=highest, description=f"{description} From {lowest} to {highest}.")


def _check_name(value: str) -> str:
    if (fault := text_fault(value)) is not None:
        raise ValueError(fault)
    return value


StoredName = Annotated[str, AfterValidator(_check_name)]
"""A name that the stores keep, without control characters."""


def split(value: Any) -> Any:
    """Split a comma-separated text, and return any other value unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
