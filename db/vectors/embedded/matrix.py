"""Projects of one generation as arrays in memory: a matrix of vectors, and columns for filters.

A `Matrix` is immutable, so that threads can search it while the next matrix is built. Matrices share arrays: new rows
are appended after the rows of older matrices. A changed project gets a new row; its old row stays in the arrays, marked
as dead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.time_units import microseconds
from db.vectors.base import SCORE_DECIMALS, Hits, Ids, Vector, VectorFilter

Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]

SPARSE_DIVISOR = 4
"""If less than 1 / `SPARSE_DIVISOR` of the rows pass a filter, only these rows are copied and multiplied.

At 100,000 x 256 this takes 15 ms for 1/3 of the rows, 9 ms for 1/4, and 4 ms for 1/8. Multiplying all rows takes 12 ms.
"""

GROWTH_FACTOR = 1.25
"""Factor by which the capacity of a full array grows."""

MAX_DEAD_SHARE = 0.25
"""Maximum share of dead rows; beyond it, the matrix is copied without them."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Projects read from the file, one array for each column.

    `terms` concatenates the term ids of all projects, `term_counts` has their number for each project. `lengths` are
    the numbers of terms of the texts.
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
    """An append-only array with spare capacity."""

    def __init__(self, width: int | None, dtype: type[np.generic]) -> None:
        self._rows = np.empty((0,) if width is None else (0, width), dtype)
        self.used = 0

    def reserve(self, capacity: int) -> None:
        if capacity > len(self._rows):
            # Older matrices keep the previous array.
            grown = np.empty((capacity, *self._rows.shape[1:]), self._rows.dtype)
            grown[: self.used] = self._rows[: self.used]
            self._rows = grown

    def append(self, rows: NDArray[np.generic]) -> None:
        end = self.used + len(rows)
        if end > len(self._rows):
            self.reserve(max(end, int(self.used * GROWTH_FACTOR)))
        self._rows[self.used : end] = rows
        self.used = end

    @property
    def rows(self) -> NDArray[Any]:
        view = self._rows[: self.used]
        view.flags.writeable = False
        return view


class Columns:
    """The append-only arrays that a series of matrices shares. Only one thread at a time may append."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._by_row = {
            "ids": _Buffer(None, np.int64),
            "owners": _Buffer(None, np.int64),
            "created": _Buffer(None, np.int64),
            "types": _Buffer(None, np.int32),
            "keys": _Buffer(None, np.object_),
            "vectors": _Buffer(dimension, np.float32),
            "lengths": _Buffer(None, np.int32),
        }
        self._by_term = {"terms": _Buffer(None, np.int64), "term_slots": _Buffer(None, np.int32)}
        self._codes: dict[str, int] = {}

    def append(self, rows: Rows) -> None:
        """Append rows at the end."""
        first = self._by_row["ids"].used
        slots = np.arange(first, first + len(rows.ids))
        codes = [self._codes.setdefault(name, len(self._codes)) for name in rows.types]
        converted = {"types": np.array(codes, np.int32), "keys": np.array(rows.keys, np.object_)}
        for name, buffer in self._by_row.items():
            buffer.append(converted[name] if name in converted else getattr(rows, name))
        self._by_term["terms"].append(rows.terms)
        self._by_term["term_slots"].append(np.repeat(slots, rows.term_counts))

    def reserve(self, count: int) -> None:
        """Reserve capacity for `count` rows, so that appending many chunks does not copy the arrays repeatedly."""
        for buffer in self._by_row.values():
            buffer.reserve(count)

    def matrix(self, alive: Mask) -> "Matrix":
        """Return the current rows as a matrix."""
        arrays = {name: buffer.rows for name, buffer in (self._by_row | self._by_term).items()}
        return Matrix(columns=self, alive=alive, codes=dict(self._codes), **arrays)


@dataclass(frozen=True, eq=False)
class Matrix:
    """All projects of a generation at one time. A slot is the index of a row; slots that are not alive are ignored."""

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
    def from_chunks(cls, dimension: int, chunks: Iterable[Rows], expected: int = 0) -> "Matrix":
        """Build a matrix from chunks of rows with unique ids. `expected` is the estimated number of rows."""
        columns = Columns(dimension)
        columns.reserve(int(expected * GROWTH_FACTOR))  # unused capacity does not occupy memory
        count = 0
        for rows in chunks:
            columns.append(rows)
            count += len(rows.ids)
        return columns.matrix(np.ones(count, np.bool_))

    def without_projects(self, ids: Ids) -> "Matrix":
        """Return the matrix without these projects."""
        alive = self.alive.copy()
        alive[self._slots(ids)] = False
        return replace(self, alive=alive)

    def with_rows(self, rows: Rows) -> "Matrix":
        """Return the matrix with rows added or replaced. Call it on the newest matrix of a series only."""
        alive = np.concatenate([self.alive, np.ones(len(rows.ids), np.bool_)])
        alive[self._slots(rows.ids)] = False
        self.columns.append(rows)
        grown = self.columns.matrix(alive)
        return grown if alive.sum() >= len(alive) * (1 - MAX_DEAD_SHARE) else grown._without_dead_rows()

    def nearest(self, vector: Vector, limit: int, mask: Mask) -> Hits:
        """Return the nearest projects that `mask` selects by cosine, ties by id."""
        if limit <= 0 or not vector.any():
            return Hits()
        slots = np.flatnonzero(mask)
        if len(slots) * SPARSE_DIVISOR < len(self.alive):
            products = self.vectors[slots] @ vector
        else:
            products = (self.vectors @ vector)[slots]
        return best_hits(self.ids[slots], products.round(SCORE_DECIMALS), limit)

    def keys_of(self, ids: Ids) -> list[str]:
        """Return the platform keys of existing projects."""
        keys: list[str] = self.keys[self._slots(ids)].tolist()
        return keys

    def lengths_of(self, ids: Ids) -> NDArray[np.int32]:
        """Return the number of terms of the text of each project."""
        return self.lengths[self._slots(ids)]

    @cached_property
    def mean_length(self) -> float:
        """Mean number of terms of a text; 0 without any project."""
        return float(self.lengths[self.alive].mean()) if self.alive.any() else 0.0

    def are_selected(self, ids: Ids, mask: Mask) -> Mask:
        """Return whether each project exists and `mask` selects it."""
        passes = self._existing(ids)
        passes[passes] = mask[self._slots(ids)]
        return passes

    def similarities(self, vector: Vector, ids: Ids) -> Vector:
        """Return the cosine of each project to a vector; NaN for an unknown project."""
        existing = self._existing(ids)
        scores = np.full(ids.shape, np.nan, np.float32)
        scores[existing] = (self.vectors[self._slots(ids[existing])] @ vector).round(SCORE_DECIMALS)
        return scores

    def vectors_of(self, ids: Ids) -> tuple[Ids, Vector]:
        """Return the existing ids and their vectors."""
        known_ids = ids[self._existing(ids)]
        return known_ids, self.vectors[self._slots(known_ids)]

    def filter_mask(self, where: VectorFilter) -> Mask:
        """Return whether each slot is alive and satisfies a filter."""
        mask = self.alive.copy()
        if where.exclude_owner is not None:
            mask &= self.owners != where.exclude_owner
        if where.exclude_ids:
            mask[self._slots(np.fromiter(where.exclude_ids, np.int64, len(where.exclude_ids)))] = False
        if where.types:
            mask &= np.isin(self.types, [self.codes[name] for name in where.types if name in self.codes])
        for group in where.any_terms:
            has_term = np.zeros(len(mask), np.bool_)
            has_term[self.term_slots[np.isin(self.terms, list(group))]] = True
            mask &= has_term
        if where.created_after is not None:
            mask &= self.created >= microseconds(where.created_after)
        if where.created_before is not None:
            mask &= self.created < microseconds(where.created_before)
        if where.owner is not None:
            mask &= self.owners == where.owner
        return mask

    @cached_property
    def _by_id(self) -> tuple[Ids, Slots]:
        """Ids of all alive slots, sorted, and their slots. The ids are almost sorted: 1 ms for 100,000."""
        slots = np.flatnonzero(self.alive)
        order = np.argsort(self.ids[slots], kind="stable")
        return self.ids[slots][order], slots[order]

    def _existing(self, ids: Ids) -> Mask:
        sorted_ids, _ = self._by_id
        indices = np.searchsorted(sorted_ids, ids)
        exists: Mask = np.zeros(ids.shape, np.bool_)
        inside = indices < len(sorted_ids)
        exists[inside] = sorted_ids[indices[inside]] == ids[inside]
        return exists

    def _slots(self, ids: Ids) -> Slots:
        """Return the slots of the existing ids."""
        sorted_ids, slots = self._by_id
        return slots[np.searchsorted(sorted_ids, ids[self._existing(ids)])]

    def _without_dead_rows(self) -> "Matrix":
        """Return the same matrix in new arrays, without dead rows."""
        slots = np.flatnonzero(self.alive)
        names = {code: name for name, code in self.codes.items()}
        is_kept = self.alive[self.term_slots]
        rows = Rows(
            ids=self.ids[slots],
            owners=self.owners[slots],
            created=self.created[slots],
            types=[names[code] for code in self.types[slots].tolist()],
            keys=self.keys[slots].tolist(),
            terms=self.terms[is_kept],
            term_counts=np.bincount(self.term_slots[is_kept], minlength=len(self.alive))[slots],
            vectors=self.vectors[slots],
            lengths=self.lengths[slots],
        )
        return Matrix.from_chunks(self.columns.dimension, [rows], len(slots))


def best_hits(ids: Ids, scores: Vector, limit: int) -> Hits:
    """Return the projects with the `limit` highest scores, best first, ties by id. The other scores are not sorted."""
    if limit < len(ids):
        split = len(ids) - limit
        threshold = np.partition(scores, split)[split]
        better, ties = np.flatnonzero(scores > threshold), np.flatnonzero(scores == threshold)
        ties = ties[np.argsort(ids[ties])][: limit - len(better)]
        selected = np.concatenate([better, ties])
        ids, scores = ids[selected], scores[selected]
    order = np.lexsort((ids, -scores))
    return Hits(ids[order], scores[order])
