"""What a set-based write tells its caller: how many records were new, changed or the same, and which were refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from db.errors import InvalidRecord


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not written: its place in the caller's sequence, and what is wrong with it."""

    index: int
    error: InvalidRecord


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What became of the records of one batch. The four add up to the records given.

    Attributes
    ----------
    added, changed, unchanged
        How many were new, differed from what was there, or said what was there already. Of several records with one
        key the last one counts; those before it are unchanged.
    refused
        Those that were not written, in the order of their places.
    added_keys, changed_keys
        The keys of the new and of the changed records; empty for records without a key.
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

    Every batch inserts in that order, so that two concurrent ones wait for each other instead of blocking each other.
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
