"""What can go wrong in the stores.

```
DatabaseFloorError
├── StoreUnavailable     a store did not answer in time, or is not there: the caller may go on without it
├── InvalidRecord        a record breaks a rule of the model: the caller's fault; the message says how to mend it
│   └── UnknownReference a key that names nothing
└── MigrationPending     the schema of the truth is older than this code
```
"""

from enum import StrEnum


class Store(StrEnum):
    """The four stores a request may have to do without."""

    DATABASE = "database"
    VECTORS = "vectors"
    EMBEDDINGS = "embeddings"
    CACHE = "cache"


class DatabaseFloorError(Exception):
    """Base of every error that this floor raises on purpose."""


class StoreUnavailable(DatabaseFloorError):
    """A store did not answer in time, or is not there.

    Parameters
    ----------
    store
        Which of the four.
    reason
        One line for the log; never shown to a client.
    """

    def __init__(self, store: Store, reason: str) -> None:
        super().__init__(f"{store.value}: {reason}")
        self.store = store
        self.reason = reason


class InvalidRecord(DatabaseFloorError):
    """A record breaks a rule of the model.

    Parameters
    ----------
    message
        One sentence that says what is wrong and how to mend it.
    path
        Where in the caller's input it is, outermost first: ``("projects", 3, "title")``.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class UnknownReference(InvalidRecord):
    """A key that names nothing in the truth."""


class MigrationPending(DatabaseFloorError):
    """The schema of the truth is older than this code; `explore migrate` mends it."""
