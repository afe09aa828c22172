"""Durations in seconds, and half-lives of decayed counters. Plain numbers that every layer can import."""

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S

ACTOR_HALF_LIVES_H = (1.0, 6.0, 72.0, 336.0)
"""Half-lives of the decayed counters in wall-clock hours: 1 h, 6 h, 3 days, 14 days."""
ACTIVE_HALF_LIVES_H = (1.0, 6.0, 36.0, 168.0)
"""Half-lives of the decayed counters in active hours (`db.interactions.activity_time`)."""
