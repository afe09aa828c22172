"""Errors of the stores."""

from enum import StrEnum


class Store(StrEnum):
    """Stores that can be unavailable."""

    DATABASE = "database"
    VECTORS = "vectors"
    EMBEDDINGS = "embeddings"
    CACHE = "cache"


class DatabaseLayerError(Exception):
    """Base class of the errors that `db` raises."""


class StoreUnavailable(DatabaseLayerError):
    """A store did not answer in time or cannot be reached. `reason` is for the log and is not sent to clients."""

    def __init__(self, store: Store, reason: str) -> None:
        super().__init__(f"{store.value}: {reason}")
        self.store = store
        self.reason = reason


class WritesRefused(StoreUnavailable):
    """A store answers and refuses this call for now: it is read-only or full, a lock is held, or a table is missing."""


class StoreTimeout(StoreUnavailable):
    """A store did not answer within the deadline of a call."""


class StoreBusy(StoreUnavailable):
    """All connections to a store are in use by this process. The store itself may be well."""


class StoreMisconfigured(StoreUnavailable):
    """A store is unavailable until settings or privileges change. The reason says what to correct."""


class StoreDamaged(StoreUnavailable):
    """The file of an embedded store is damaged."""


class InvalidRecord(DatabaseLayerError):
    """A record violates a rule; the message says how to correct it.

    `path` is the path in the caller's input: ``("projects", 3, "title")``.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class UnknownReference(InvalidRecord):
    """A record refers to a key that does not exist."""


class ProtectedUser(InvalidRecord):
    """The user is an administrator, and only an administrator may change the user's role or delete the user."""


class MigrationPending(DatabaseLayerError):
    """The database schema belongs to another version of this program."""


class LeaseLost(DatabaseLayerError):
    """The lease of a periodic job has expired, so another worker may be running the job."""


class IndexIncomplete(DatabaseLayerError):
    """A rebuilt index was not activated because it differs from the database; the message lists the differences."""
