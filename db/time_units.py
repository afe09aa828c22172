"""Durations in seconds, Unix microseconds, and numbers of decayed counters, which every layer can import."""

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

MICROSECONDS = 1_000_000
"""Microseconds of a second."""


def microseconds(time: datetime) -> int:
    """Return a time as Unix microseconds."""
    return (time - EPOCH) // timedelta(microseconds=1)


def time_of(at_us: int) -> datetime:
    """Return the time of Unix microseconds."""
    return EPOCH + timedelta(microseconds=at_us)
