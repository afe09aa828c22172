"""Results of bulk upserts: new, changed, unchanged and refused records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from db.errors import InvalidRecord


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not written: its index in the batch, and the error."""

    index: int
    error: InvalidRecord


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """Numbers of new, changed, unchanged and refused records of a batch, which add up to the records given.

    Of several records with one key the last one counts; those before it are unchanged. `added_keys` and `changed_keys`
    are empty for records without a key.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()
    added_keys: frozenset[str] = field(default=frozenset(), compare=False)
    changed_keys: frozenset[str] = field(default=frozenset(), compare=False)


class HasKey(Protocol):
    """A record with the platform's key."""

    @property
    def key(self) -> str:
        """The platform's own id."""


R = TypeVar("R", bound=HasKey)


def last_record_by_key(records: Iterable[R]) -> list[R]:
    """Keep the last record of each key, sorted by key.

    Sorted inserts of concurrent batches wait for each other instead of deadlocking.
    """
    by_key = {record.key: record for record in records}
    return [by_key[key] for key in sorted(by_key)]


def upsert_result(
    given: int, added: Iterable[str] = (), changed: Iterable[str] = (), refused: Sequence[Refusal] = ()
) -> UpsertResult:
    """Return the result of a batch of `given` records; all others than those named are unchanged."""
    new, different = frozenset(added), frozenset(changed)
    unchanged = given - len(new) - len(different) - len(refused)
    return UpsertResult(len(new), len(different), unchanged, tuple(refused), new, different)
