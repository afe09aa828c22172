"""Errors of the ranking."""


class ScoringError(Exception):
    """Base of the errors of this layer."""


class BadRequest(ScoringError):
    """Invalid argument of a request. The message says how to fix it."""

    code = "BAD_REQUEST"


class InvalidPageRequest(BadRequest):
    """Invalid size or cursor of a page."""

    code = "BAD_PAGE"


class FirstOutOfRange(InvalidPageRequest):
    """`first` is negative or above the largest page."""

    code = "FIRST_OUT_OF_RANGE"


class CursorMalformed(InvalidPageRequest):
    """Text that is not a cursor of this service."""

    code = "BAD_CURSOR"


class ForeignCursor(InvalidPageRequest):
    """Cursor of another viewer, feed or filter."""

    code = "FOREIGN_CURSOR"


class SnapshotExpired(InvalidPageRequest):
    """Expired ranking of a cursor or edge."""

    code = "SNAPSHOT_EXPIRED"


class UnknownPosition(InvalidPageRequest):
    """Rank that the ranking of an edge does not have."""

    code = "BAD_ID"


class ForeignPosition(InvalidPageRequest):
    """Edge of another viewer's ranking."""

    code = "FOREIGN_ID"


class InvalidQuery(BadRequest):
    """Empty or too long search text, or `alpha` out of range."""

    code = "BAD_QUERY"


class InvalidModel(ScoringError):
    """Ranking model with unknown signals or invalid curves."""


class InsufficientData(ScoringError):
    """Too little data for the requested evaluation or training."""
