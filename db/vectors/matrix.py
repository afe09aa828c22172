"""The projects of one embedding space as arrays in memory: a matrix of vectors, and what filters look at.

A `Matrix` never changes, so that any number of threads can search one while the next is made. Growing appends past the
rows that older ones see; a changed project gets a new row and its old row is no longer alive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.vectors.base import HitFeatures, Hits, Ids, Vector, VectorFilter

Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]

ANONYMOUS_VIEWER = -1
"""Stands for "no owner". Ids of the truth start at 1."""

SCORE_DECIMALS = 6
"""Scores are whole millionths. Equal vectors can differ in the last bit of their products, which would break ties."""

SPARSE = 4
"""If fewer than one row in so many passes a filter, only those are gathered and multiplied. At 100,000 x 256 this costs
15 ms for one in 3, 9 for one in 4, 4 for one in 8; multiplying all costs 12."""

GROWTH = 1.25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOST_DEAD = 0.25
"""The share of rows no longer alive at which a matrix is made anew."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Projects on their way from the file into a matrix, column by column.

    `terms` is flat, and `term_counts` cuts it; `lengths` are of the texts, in terms that keyword search knows.
    """

    ids: Ids
    owners: Ids
    created: NDArray[np.int64]
    types: Sequence[str]
    keys: Sequence[str]
    terms: Ids
    term_counts: NDArray[np.int64]
    vectors: Vector
    lengths: NDArray[np.int32]


class _Buffer:
    """An array that grows at its end, with room to spare. What was appended is never written again."""

    def __init__(self, width: int | None, dtype: type[np.generic]) -> None:
        self._rows = np.empty((0,) if width is None else (0, width), dtype)
        self.used = 0

    def reserve(self, capacity: int) -> None:
        if capacity > len(self._rows):
            # Older matrices keep looking at the array that is left behind.
            grown = np.empty((capacity, *self._rows.shape[1:]), self._rows.dtype)
            grown[: self.used] = self._rows[: self.used]
            self._rows = grown

    def append(self, rows: NDArray[np.generic]) -> None:
        end = self.used + len(rows)
        if end > len(self._rows):
            self.reserve(max(end, int(self.used * GROWTH)))
        self._rows[self.used : end] = rows
        self.used = end

    @property
    def rows(self) -> NDArray[Any]:
        view = self._rows[: self.used]
        view.flags.writeable = False
        return view


class Columns:
    """The growing arrays behind a line of matrices. Only one thread at a time may grow them."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._ids = _Buffer(None, np.int64)
        self._owners = _Buffer(None, np.int64)
        self._created = _Buffer(None, np.int64)
        self._types = _Buffer(None, np.int32)
        self._keys = _Buffer(None, np.object_)
        self._terms = _Buffer(None, np.int64)
        self._term_slots = _Buffer(None, np.int32)
        self._vectors = _Buffer(dimension, np.float32)
        self._lengths = _Buffer(None, np.int32)
        self._codes: dict[str, int] = {}

    def append(self, rows: Rows) -> None:
        """Append rows at the end."""
        first = self._ids.used
        self._term_slots.append(np.repeat(np.arange(first, first + len(rows.ids)), rows.term_counts))
        self._terms.append(rows.terms)
        self._types.append(np.array([self._codes.setdefault(name, len(self._codes)) for name in rows.types], np.int32))
        self._keys.append(np.array(rows.keys, np.object_))
        self._owners.append(rows.owners)
        self._created.append(rows.created)
        self._vectors.append(rows.vectors)
        self._lengths.append(rows.lengths)
        self._ids.append(rows.ids)

    def reserve(self, count: int) -> None:
        """Make room for `count` rows at once, so that loading many does not copy them again and again."""
        of_each = (self._ids, self._owners, self._created, self._types, self._keys, self._vectors, self._lengths)
        for buffer in of_each:
            buffer.reserve(count)

    def matrix(self, alive: Mask) -> "Matrix":
        """Give what there is as a matrix."""
        return Matrix(
            columns=self,
            alive=alive,
            ids=self._ids.rows,
            owners=self._owners.rows,
            created=self._created.rows,
            types=self._types.rows,
            keys=self._keys.rows,
            codes=dict(self._codes),
            terms=self._terms.rows,
            term_slots=self._term_slots.rows,
            vectors=self._vectors.rows,
            lengths=self._lengths.rows,
        )


@dataclass(frozen=True, eq=False)
class Matrix:
    """All projects of one space at one moment; a row is a slot, and only slots that are alive count."""

    columns: Columns
    alive: Mask
    ids: Ids
    owners: Ids
    created: NDArray[np.int64]
    types: NDArray[np.int32]
    keys: NDArray[np.object_]
    codes: dict[str, int]
    terms: Ids
    term_slots: NDArray[np.int32]
    vectors: Vector = field(repr=False)
    lengths: NDArray[np.int32]

    @classmethod
    def of(cls, dimension: int, chunks: Iterable[Rows], expected: int = 0) -> "Matrix":
        """Make a matrix of rows that come in chunks, each id once; `expected` of them in all, as far as is known."""
        columns = Columns(dimension)
        columns.reserve(int(expected * GROWTH))  # room that was never touched costs no memory
        count = 0
        for rows in chunks:
            columns.append(rows)
            count += len(rows.ids)
        return columns.matrix(np.ones(count, np.bool_))

    def without(self, ids: Ids) -> "Matrix":
        """Give the matrix without some ids."""
        alive = self.alive.copy()
        alive[self._slots(ids)] = False
        return replace(self, alive=alive)

    def with_rows(self, rows: Rows) -> "Matrix":
        """Give the matrix with rows written, in place of older ones. Only the newest of a line may grow."""
        alive = np.concatenate([self.alive, np.ones(len(rows.ids), np.bool_)])
        alive[self._slots(rows.ids)] = False
        self.columns.append(rows)
        grown = self.columns.matrix(alive)
        return grown if alive.sum() >= len(alive) * (1 - MOST_DEAD) else grown._compacted()

    def near(self, vector: Vector, limit: int, where: VectorFilter) -> Hits:
        """Find the nearest by cosine, ties by id."""
        hits = self.nearest(vector, limit, self.passing(where))
        return replace(hits, features=self.features(hits.ids))

    def nearest(self, vector: Vector, limit: int, passing: Mask) -> Hits:
        """Find the nearest of those slots that pass, without their features."""
        if limit <= 0 or not vector.any():
            return Hits()
        slots = np.flatnonzero(passing)
        if len(slots) * SPARSE < len(self.alive):
            products = self.vectors[slots] @ vector
        else:
            products = (self.vectors @ vector)[slots]
        return best(self.ids[slots], products.round(SCORE_DECIMALS), limit)

    def features(self, ids: Ids) -> tuple[HitFeatures, ...]:
        """Give what is known of projects that are all here."""
        slots = self._slots(ids)
        names = {code: name for name, code in self.codes.items()}
        # Slots were appended in their order, so that a slot's terms stand together.
        first, last = np.searchsorted(self.term_slots, slots), np.searchsorted(self.term_slots, slots, "right")
        return tuple(
            HitFeatures(
                key=self.keys[slot],
                type=names[self.types[slot]],
                owner_id=None if self.owners[slot] == ANONYMOUS_VIEWER else int(self.owners[slot]),
                created_at=_EPOCH + timedelta(microseconds=int(self.created[slot])),
                term_ids=tuple(self.terms[start:end].tolist()),
            )
            for slot, start, end in zip(slots.tolist(), first.tolist(), last.tolist(), strict=True)
        )

    def keys_of(self, ids: Ids) -> list[str]:
        """Give the platform keys of projects that are all here."""
        keys: list[str] = self.keys[self._slots(ids)].tolist()
        return keys

    def lengths_of(self, ids: Ids) -> NDArray[np.int32]:
        """Give the lengths of the texts of projects that are all here."""
        return self.lengths[self._slots(ids)]

    @cached_property
    def mean_length(self) -> float:
        """The terms in the mean text; 0 if there is none."""
        return float(self.lengths[self.alive].mean()) if self.alive.any() else 0.0

    def pass_of(self, ids: Ids, passing: Mask) -> Mask:
        """Tell which ids are here and pass."""
        passes = self._holds(ids)
        passes[passes] = passing[self._slots(ids)]
        return passes

    def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Give each project's cosine to the vector; NaN for one that is not here."""
        here = self._holds(ids)
        scores = np.full(ids.shape, np.nan, np.float32)
        scores[here] = (self.vectors[self._slots(ids[here])] @ vector).round(SCORE_DECIMALS)
        return scores

    def vectors_of(self, ids: Ids) -> tuple[Ids, Vector]:
        """Give the ids that are here, and their vectors."""
        known = ids[self._holds(ids)]
        return known, self.vectors[self._slots(known)]

    def passing(self, where: VectorFilter) -> Mask:
        """Tell which slots are alive and satisfy a filter."""
        passing = self.alive.copy()
        if where.exclude_owner is not None:
            passing &= self.owners != where.exclude_owner
        if where.exclude_ids:
            passing[self._slots(np.fromiter(where.exclude_ids, np.int64, len(where.exclude_ids)))] = False
        if where.types:
            passing &= np.isin(self.types, [self.codes[name] for name in where.types if name in self.codes])
        for group in where.any_terms:
            carries = np.zeros(len(passing), np.bool_)
            carries[self.term_slots[np.isin(self.terms, list(group))]] = True
            passing &= carries
        if where.created_after is not None:
            passing &= self.created >= microseconds(where.created_after)
        if where.created_before is not None:
            passing &= self.created < microseconds(where.created_before)
        if where.owner is not None:
            passing &= self.owners == where.owner
        return passing

    @cached_property
    def _by_id(self) -> tuple[Ids, Slots]:
        """All ids that are alive, sorted, and the slot of each. Ids mostly rise already: 1 ms at 100,000."""
        slots = np.flatnonzero(self.alive)
        order = np.argsort(self.ids[slots], kind="stable")
        return self.ids[slots][order], slots[order]

    def _holds(self, ids: Ids) -> Mask:
        known, _ = self._by_id
        places = np.searchsorted(known, ids)
        holds: Mask = np.zeros(ids.shape, np.bool_)
        inside = places < len(known)
        holds[inside] = known[places[inside]] == ids[inside]
        return holds

    def _slots(self, ids: Ids) -> Slots:
        """Give the slots of those ids that are here."""
        known, slots = self._by_id
        return slots[np.searchsorted(known, ids[self._holds(ids)])]

    def _compacted(self) -> "Matrix":
        """Give the same matrix in arrays of its own, without the rows that are no longer alive."""
        slots = np.flatnonzero(self.alive)
        names = {code: name for name, code in self.codes.items()}
        kept = self.alive[self.term_slots]
        rows = Rows(
            ids=self.ids[slots],
            owners=self.owners[slots],
            created=self.created[slots],
            types=[names[code] for code in self.types[slots].tolist()],
            keys=self.keys[slots].tolist(),
            terms=self.terms[kept],
            term_counts=np.bincount(self.term_slots[kept], minlength=len(self.alive))[slots],
            vectors=self.vectors[slots],
            lengths=self.lengths[slots],
        )
        return Matrix.of(self.columns.dimension, [rows], len(slots))


def best(ids: Ids, scores: Vector, limit: int) -> Hits:
    """Give the `limit` highest scores, best first, ties by id, without sorting the rest."""
    if limit < len(ids):
        last = len(ids) - limit
        threshold = np.partition(scores, last)[last]
        above, level = np.flatnonzero(scores > threshold), np.flatnonzero(scores == threshold)
        level = level[np.argsort(ids[level])][: limit - len(above)]
        chosen = np.concatenate([above, level])
        ids, scores = ids[chosen], scores[chosen]
    order = np.lexsort((ids, -scores))
    return Hits(ids[order], scores[order])


def microseconds(at: datetime) -> int:
    """Turn a time into whole microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)
