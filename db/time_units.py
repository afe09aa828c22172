"""Durations, Unix microseconds, times as text, and numbers of decayed counters, which every layer can import."""

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S

ACTOR_HALF_LIVES_H = (1.0, 6.0, 72.0, 336.0)
"""Half-lives of the decayed counters in wall-clock hours: 1 h, 6 h, 3 days, 14 days."""
ACTIVE_HALF_LIVES_H = (1.0, 6.0, 36.0, 168.0)
"""Half-lives of the decayed counters in active hours (`db.interactions.activity_time`)."""
MIN_COUNTED_ACTORS = 4.5
"""Minimum count at the longest half-life for a project's counters to contribute to a ranking.

Each user counts at most 1, and all unclaimed sessions of a project together less than .5, so that four people never
reach it. The counts of five users decay below it after two days without another user."""

FIRST_ENGAGEMENT_BUCKET_S = 300.0
"""Interval in which the platform's first engagements are counted: 4,032 intervals in two weeks."""

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<clock>\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)

MICROSECONDS = 1_000_000
"""Microseconds of a second."""


def parse_time(text: object, *, assume_utc: bool = False) -> datetime:
    """Return the time that a text in ISO 8601 names.

    With `assume_utc`, a date is its start, and a time without a zone is in UTC. Raises `ValueError` otherwise, and for
    every other text or value; the message is the end of a sentence that says what to write.

    >>> parse_time("2026-05-04T14:30:00+02:00").isoformat()
    '2026-05-04T14:30:00+02:00'
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('must be a time in ISO 8601; write it as "2026-05-04T12:30:00Z"')
    date, clock, zone = match["date"], match["clock"] or "00:00:00", match["zone"]
    if zone is None and not assume_utc:
        missing = "time zone" if match["clock"] else "time of day"
        raise ValueError(f'has no {missing}; for UTC, write "{date}T{clock}Z"')
    try:
        return datetime.fromisoformat(f"{date}T{clock}{(zone or 'Z').upper()}")
    except ValueError as error:
        raise ValueError(f"is not an existing time: {error}") from None


def microseconds(time: datetime) -> int:
    """Return a time as Unix microseconds."""
    return (time - EPOCH) // timedelta(microseconds=1)


def time_of(at_us: int) -> datetime:
    """Return the time of Unix microseconds."""
    return EPOCH + timedelta(microseconds=at_us)
