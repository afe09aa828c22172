"""Results of bulk upserts: new, changed, unchanged and refused records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from db.errors import InvalidRecord


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused record: its index in the batch, and the error."""

    index: int
    error: InvalidRecord


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """Numbers of new, changed, unchanged and refused records; their sum is the number of records in the batch.

    If several records have the same key, the last one is written and the others count as unchanged. `added_keys` and
    `changed_keys` are empty for records without a key.
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
        """The platform's own id of the object."""


R = TypeVar("R", bound=HasKey)


def last_record_by_key(records: Iterable[R]) -> list[R]:
    """Return the last record of each key, sorted by key.

    Concurrent batches insert in the same order, so that they do not deadlock.
    """
    by_key = {record.key: record for record in records}
    return [by_key[key] for key in sorted(by_key)]


T = TypeVar("T")


def accepted(records: Iterable[T], refused: Iterable[Refusal]) -> list[T]:
    """Return the records that are not refused."""
    refused_indexes = {refusal.index for refusal in refused}
    return [record for index, record in enumerate(records) if index not in refused_indexes]


def upsert_result(
    total: int, added: Iterable[str] = (), changed: Iterable[str] = (), refused: Sequence[Refusal] = ()
) -> UpsertResult:
    """Return the result of a batch of `total` records; records in no other argument are unchanged."""
    added_keys, changed_keys = frozenset(added), frozenset(changed)
    unchanged = total - len(added_keys) - len(changed_keys) - len(refused)
    return UpsertResult(len(added_keys), len(changed_keys), unchanged, tuple(refused), added_keys, changed_keys)
