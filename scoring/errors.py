"""Errors of the ranking.

```
ScoringError
├── BadRequest                invalid argument; the message says how to fix it
│   ├── InvalidPageRequest    page that cannot be cut
│   │   ├── FirstOutOfRange   `first` is negative or above the largest page
│   │   ├── CursorMalformed   not a cursor of this service
│   │   ├── ForeignCursor     cursor of another viewer, feed or filter
│   │   ├── SnapshotExpired   expired ranking of a cursor or place
│   │   ├── UnknownPosition   place that no ranking has
│   │   └── ForeignPosition   place of another viewer's ranking
│   └── InvalidQuery          empty or too long search, or alpha out of range
├── InvalidModel              ranking model that cannot serve
└── InsufficientData          too little data to evaluate or train on; the message says what is missing
```
"""


class ScoringError(Exception):
    """Base of the errors of this layer."""


class BadRequest(ScoringError):
    """Invalid argument of a request. The message says how to fix it."""

    code = "BAD_REQUEST"


class InvalidPageRequest(BadRequest):
    """Page that cannot be cut."""

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
    """Expired ranking of a cursor or place."""

    code = "SNAPSHOT_EXPIRED"


class UnknownPosition(InvalidPageRequest):
    """Place that no ranking has."""

    code = "BAD_ID"


class ForeignPosition(InvalidPageRequest):
    """Place of another viewer's ranking."""

    code = "FOREIGN_ID"


class InvalidQuery(BadRequest):
    """Search that cannot be made."""

    code = "BAD_QUERY"


class InvalidModel(ScoringError):
    """Ranking model that cannot serve."""


class InsufficientData(ScoringError):
    """Too little data to evaluate or train on as requested."""
