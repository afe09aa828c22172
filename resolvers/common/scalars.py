"""Custom scalars, and the normal form of built-in ones."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, GraphQLScalarType

from db.text_rules import normal_form
from db.time_units import parse_time

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME_FORMAT_HINT = 'Write an ISO 8601 time, as in "2026-11-23T09:30:00Z".'


def _read_time(value: Any) -> datetime:
    try:
        return parse_time(value, assume_utc=True).astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError(f"This is not a time. {_TIME_FORMAT_HINT}") from None


def _read_date(value: Any) -> date:
    try:
        # `fromisoformat` also reads digits without hyphens, and weeks.
        return date.fromisoformat(value if _DATE.fullmatch(value) else "")
    except (TypeError, ValueError):
        raise GraphQLError('This is not a date. Write an ISO 8601 date, as in "2026-11-23".') from None


def _read_url(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise GraphQLError('This is not a URL. Write text, as in "https://example.org/a".')


def _write_time(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def normalize_texts(scalar: GraphQLScalarType) -> None:
    """Let a scalar read texts in Unicode's NFC, in which keys are stored."""
    for name in ("coerce_input_value", "coerce_input_literal"):
        setattr(scalar, name, _normalizing(getattr(scalar, name)))


def _normalizing(coerce: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: normal_form(coerce(value))


ANY_JSON = strawberry.scalar(
    name="JSON",
    description=(
        "Any JSON value: an object, a list, a string, a number, true, false or null. As an argument, write it as "
        "a GraphQL value or send it as a variable."
    ),
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259",
)

URL = NewType("URL", str)
"""The Python type of the scalar `URL`."""

URL_SCALAR = strawberry.scalar(
    name="URL",
    description='An absolute HTTP or HTTPS address, for example `"https://example.org/a"`.',
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3986",
    serialize=str,
    parse_value=_read_url,
)

DATE = strawberry.scalar(
    name="Date",
    description='A date in ISO 8601, for example `"2026-11-23"`.',
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=date.isoformat,
    parse_value=_read_date,
)

DATE_TIME = strawberry.scalar(
    name="DateTime",
    description=(
        'A time in ISO 8601, for example `"2026-11-23T09:30:00Z"`. Returned in UTC. An input without a time zone '
        "is read as UTC."
    ),
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=_write_time,
    parse_value=_read_time,
)
