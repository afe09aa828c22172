"""Errors of the stores.

```
DatabaseLayerError
├── StoreUnavailable     a store did not answer in time or cannot be reached; the caller may go on without it
│   └── StoreMisconfigured  a refused key or an unknown model; the message says what to set
├── InvalidRecord        a record breaks a rule of the model; the message says how to correct it
│   ├── UnknownReference a key of nothing that exists
│   ├── ProtectedUser    an administrator, whom only administrators may demote or delete
│   └── RefusedObjects   a store refuses some of the objects; the error names each with the reason
├── MigrationPending     the schema of the database is not the one of this version
├── LeaseLost            the lease of a periodic job has expired; its runner stops
└── IndexIncomplete      a rebuilt index differs from the database, and was not activated
```
"""

from collections.abc import Mapping
from enum import StrEnum


class Store(StrEnum):
    """The stores that a request may have to do without."""

    DATABASE = "database"
    VECTORS = "vectors"
    EMBEDDINGS = "embeddings"
    CACHE = "cache"


class DatabaseLayerError(Exception):
    """Base of every error that this layer raises on purpose."""


class StoreUnavailable(DatabaseLayerError):
    """A store did not answer in time, or cannot be reached; `reason` is for the log, never shown to a client."""

    def __init__(self, store: Store, reason: str) -> None:
        super().__init__(f"{store.value}: {reason}")
        self.store = store
        self.reason = reason


class StoreMisconfigured(StoreUnavailable):
    """A store that stays unavailable until its settings change; the reason, printed at start-up, says what to set."""


class InvalidRecord(DatabaseLayerError):
    """A record breaks a rule of the model; the message says how to correct it.

    `path` is the position in the caller's input, outermost first: ``("projects", 3, "title")``.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class UnknownReference(InvalidRecord):
    """A key of nothing that exists."""


class ProtectedUser(InvalidRecord):
    """An administrator, whose role only administrators may change, and whom only they may delete."""


class RefusedObjects(InvalidRecord):
    """A store refused some of the given objects and took the others; `refused` has the reason by key."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        reasons = "; ".join(f"{key}: {reason}" for key, reason in refused.items())
        super().__init__(f"{len(refused)} refused: {reasons}")
        self.refused = dict(refused)


class MigrationPending(DatabaseLayerError):
    """The schema of the database is not the one that this version needs."""


class LeaseLost(DatabaseLayerError):
    """The lease of a periodic job has expired, and another worker may hold it."""


class IndexIncomplete(DatabaseLayerError):
    """A rebuilt index differs from the database, and was not activated; the message says how."""
