"""What can go wrong in the ranking.

```
ScoringError
├── BadRequest            what was asked for cannot be served; the text says how to mend it
│   ├── BadPage           the page that was asked for cannot be cut
│   │   ├── FirstOutOfRange   `first` is negative or above the largest page
│   │   ├── CursorMalformed   the cursor was not made by this service, or was cut short
│   │   ├── CursorElsewhere   the cursor belongs to another viewer, feed or filter
│   │   ├── SnapshotExpired   the ranking behind the cursor or the place is gone
│   │   ├── PlaceUnknown      no ranking has the place that an id names
│   │   └── PlaceElsewhere    the place is in another viewer's ranking
│   └── BadQuery          a search that cannot be made: nothing to look for, too long, alpha out of range
├── ModelInvalid          a ranking model that cannot serve
└── NotEvaluable          data that cannot be evaluated or trained on as asked; the text says what is missing
```
"""


class ScoringError(Exception):
    """Base of every error that this floor raises on purpose."""


class BadRequest(ScoringError):
    """What was asked for cannot be served. The text says how to mend the request."""

    code = "BAD_REQUEST"


class InvalidPageRequest(BadRequest):
    """The page that was asked for cannot be cut."""

    code = "BAD_PAGE"


class FirstOutOfRange(InvalidPageRequest):
    """`first` is negative or above the largest page."""

    code = "FIRST_OUT_OF_RANGE"


class CursorMalformed(InvalidPageRequest):
    """The cursor was not made by this service, or was cut short."""

    code = "BAD_CURSOR"


class ForeignCursor(InvalidPageRequest):
    """The cursor belongs to another viewer, feed or filter."""

    code = "FOREIGN_CURSOR"


class SnapshotExpired(InvalidPageRequest):
    """The ranking behind the cursor or the place is gone."""

    code = "SNAPSHOT_EXPIRED"


class UnknownPosition(InvalidPageRequest):
    """No ranking has the place that an id names."""

    code = "BAD_ID"


class ForeignPosition(InvalidPageRequest):
    """The place is in another viewer's ranking."""

    code = "FOREIGN_ID"


class InvalidQuery(BadRequest):
    """A search that cannot be made."""

    code = "BAD_QUERY"


class InvalidModel(ScoringError):
    """A ranking model that cannot serve."""


class InsufficientData(ScoringError):
    """Data that cannot be evaluated or trained on in the way that was asked for."""
