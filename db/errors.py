"""What can go wrong in the stores.

```
DatabaseFloorError
├── StoreUnavailable     a store did not answer in time, or is not there: the caller may go on without it
│   └── StoreMisconfigured  it will not heal by itself: a refused key, an unknown model; the message says what to set
├── InvalidRecord        a record breaks a rule of the model: the caller's fault; the message says how to mend it
│   ├── UnknownReference a key that names nothing
│   ├── ProtectedUser    an administrator, whom only administrators may demote or delete
│   └── RefusedObjects   a store that is there refuses some of the objects it was given; it names each and why
├── MigrationPending     the schema of the truth is older than this code
├── TurnLost             a periodic job is somebody else's by now; the late runner stops
└── IndexIncomplete      a rebuilt index differs from the truth, and was not put into service
```
"""

from collections.abc import Mapping
from enum import StrEnum


class Store(StrEnum):
    """The four stores a request may have to do without."""

    DATABASE = "database"
    VECTORS = "vectors"
    EMBEDDINGS = "embeddings"
    CACHE = "cache"


class DatabaseLayerError(Exception):
    """Base of every error that this floor raises on purpose."""


class StoreUnavailable(DatabaseLayerError):
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


class StoreMisconfigured(StoreUnavailable):
    """A store that will not heal by itself: it refuses our key, or does not know the model we ask for.

    A request goes on without it, as without any store that is away; at start-up the reason is printed: it is one
    sentence that says what to set.
    """


class InvalidRecord(DatabaseLayerError):
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


class ProtectedUser(InvalidRecord):
    """A user who is an administrator: only administrators may change that user's role, or delete the user."""


class RefusedObjects(InvalidRecord):
    """A store that is there refuses some of the objects it was given; it took the others.

    Parameters
    ----------
    refused
        The key of each refused object, and the store's reason.
    """

    def __init__(self, refused: Mapping[str, str]) -> None:
        reasons = "; ".join(f"{key}: {reason}" for key, reason in refused.items())
        super().__init__(f"{len(refused)} refused: {reasons}")
        self.refused = dict(refused)


class MigrationPending(DatabaseLayerError):
    """The schema of the truth is older than this code; `explore migrate` mends it."""


class LeaseLost(DatabaseLayerError):
    """The lease of a periodic job has run out, and somebody else may have taken it: its late runner stops."""


class IndexIncomplete(DatabaseLayerError):
    """A rebuilt index does not hold what the truth says, so it was not put into service; the message says what."""
