"""Kinds of settings: numbers with a range, and lists of texts."""

from typing import Any

from pydantic import Field


def number(default: float | None, lowest: float, highest: float, description: str) -> Any:
    """Return the field of a number between two bounds, which its description states."""
    return Field(default, ge=lowest, le=highest, description=f"{description} From {lowest} to {highest}.")


def split(value: Any) -> Any:
    """Split a comma-separated text, and return any other value unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
