"""The state of an index that is far behind the database, which searches do not use."""

from dataclasses import dataclass

from db.errors import Store, StoreUnavailable

MAX_MISSING, MAX_MISSING_SHARE = 100, 0.05
"""Number and share of the documents of a kind by which an index may be behind the database."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Counts of a kind of documents of which the index holds too few or too many."""

    kind: str  # "project" or "tool"
    total: int  # in the database
    indexed: int
    waiting: int = 0  # rows of the outbox that are not dead
    dead: int = 0  # dead letters: documents that the index rejects

    @property
    def needs_repair(self) -> bool:
        """Whether the difference exceeds a limit, even if every row of the outbox explains one document."""
        unexplained = abs(self.total - self.indexed) - self.waiting - self.dead
        return unexplained > min(MAX_MISSING, MAX_MISSING_SHARE * self.total)

    @property
    def is_large(self) -> bool:
        """Whether searches must not use the index: it needs a repair, or many documents wait in the outbox."""
        missing = self.total - self.indexed - self.dead
        return self.needs_repair or missing > max(MAX_MISSING, MAX_MISSING_SHARE * self.total)

    def __str__(self) -> str:
        return f"the index holds {self.indexed:,} of {self.total:,} {self.kind}s; it is being filled"


class IndexCoverage:
    """Whether this process may search the index, as of its last check."""

    def __init__(self) -> None:
        self.shortfall: Shortfall | None = None

    def require(self) -> None:
        """Raise `StoreUnavailable` if the index was far behind the database at the last check."""
        if self.shortfall is not None:
            raise StoreUnavailable(Store.VECTORS, str(self.shortfall))
