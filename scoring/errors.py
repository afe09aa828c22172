"""What can go wrong in the ranking.

```
ScoringError
├── BadPage               the page that was asked for cannot be cut
│   ├── FirstOutOfRange   `first` is negative or above the largest page
│   ├── CursorMalformed   the cursor was not made by this service, or was cut short
│   ├── CursorElsewhere   the cursor belongs to another viewer, feed or filter
│   └── SnapshotExpired   the ranking behind the cursor is gone: start again without a cursor
└── ModelInvalid          a ranking model that cannot serve
```
"""


class ScoringError(Exception):
    """Base of every error that this floor raises on purpose."""


class BadPage(ScoringError):
    """The page that was asked for cannot be cut. The text says how to mend the request."""

    code = "BAD_PAGE"


class FirstOutOfRange(BadPage):
    """`first` is negative or above the largest page."""

    code = "FIRST_OUT_OF_RANGE"


class CursorMalformed(BadPage):
    """The cursor was not made by this service, or was cut short."""

    code = "BAD_CURSOR"


class CursorElsewhere(BadPage):
    """The cursor belongs to another viewer, feed or filter."""

    code = "FOREIGN_CURSOR"


class SnapshotExpired(BadPage):
    """The ranking behind the cursor is gone."""

    code = "SNAPSHOT_EXPIRED"


class ModelInvalid(ScoringError):
    """A ranking model that cannot serve."""
