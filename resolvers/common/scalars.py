"""The scalars of the graph that are not GraphQL's own."""

from datetime import UTC, datetime
from typing import Any

import strawberry
from graphql import GraphQLError

_TIME_FORMAT_HINT = 'Write an ISO 8601 time, as in "2026-11-23T09:30:00Z".'


def _read_time(value: Any) -> datetime:
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise GraphQLError(f"This is no time. {_TIME_FORMAT_HINT}") from None


def _write_time(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


ANY_JSON = strawberry.scalar(
    name="JSON",
    description=(
        "Any JSON value: an object, a list, text, a number, true, false or null. The field that has it says what is in "
        "it. As an argument write it as a GraphQL value, or send it as a variable."
    ),
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259",
)

DATE_TIME = strawberry.scalar(
    name="DateTime",
    description=(
        'A time as ISO 8601 text, for example `"2026-11-23T09:30:00Z"`. Times come back in UTC. '
        "A time that you send without a zone is read as UTC."
    ),
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=_write_time,
    parse_value=_read_time,
)
