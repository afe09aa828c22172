"""Durations in seconds. Plain numbers, so that every layer may import them."""

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
