"""Projects as columns, and the selection of candidates by array operations."""

import asyncio
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Executable, case, func, select

from db.catalog.project_cards import ProjectFilter
from db.catalog.visibility import PUBLIC
from db.database.column_types import ID_RANGE, IDS, SINCE, in_list, micros
from db.database.engine import Database
from db.interactions.decayed_counters import HALF_LIVES_S, WALL_COLUMNS, decay
from db.models import DecayedCounters, Project, ProjectTerm, Term, TermKind
from db.time_units import microseconds

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

KINDS = tuple(TermKind)
SLICE = 2_000
"""Number of ids per statement, so that none occupies the event loop or the database for long."""


class _Terms(NamedTuple):
    """The association of projects with terms: (m,) pairs, ascending by project."""

    projects: Ids
    terms: Ids


@dataclass(frozen=True, eq=False)
class ProjectColumns:
    """All projects: (n,) columns by ascending id, and (m,) pairs of project id and term id.

    `kind_of_term` is the index in `KINDS` of each term id.
    """

    ids: Ids
    keys: NDArray[np.object_]
    types: NDArray[np.object_]
    owners: Ids  # user ids, −1 for none
    public: Mask
    created_us: Ids  # Unix microseconds
    likes: Ids
    velocity: Floats
    counts: Floats  # (n, 4) decayed actors at the time `counted_at_s`
    counted_at_s: Floats
    pairs: _Terms
    kind_of_term: NDArray[np.int8]

    @cached_property
    def starts(self) -> Ids:
        """(n + 1,) index in `pairs` at which the terms of each project start."""
        return np.append(np.searchsorted(self.pairs.projects, self.ids), self.pairs.projects.size)

    @cached_property
    def public_rows(self) -> Ids:
        """Rows of the public projects, the newest first; of equally old ones, the one with the greater id."""
        rows = np.flatnonzero(self.public)[::-1]
        return rows[np.argsort(-self.created_us[rows], kind="stable")]

    def rows_of(self, ids: Ids) -> Ids:
        """Return the row of each id; ids that are not there are left out."""
        if not self.ids.size:
            return np.empty(0, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
        found: Ids = rows[self.ids[rows] == ids]
        return found

    def terms_of(self, rows: Ids) -> tuple[Ids, Ids]:
        """Return the terms of (r,) rows as (p,) indexes into `rows` and term ids."""
        sizes = self.starts[rows + 1] - self.starts[rows]
        index = np.repeat(np.arange(rows.size), sizes)
        offset = np.arange(index.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return index, self.pairs.terms[self.starts[rows][index] + offset]

    def have_term(self, rows: Ids, terms: Collection[int]) -> Mask:
        """Return whether each of (r,) rows has one of the terms."""
        index, ids = self.terms_of(rows)
        mask = np.zeros(rows.size, np.bool_)
        mask[index[contained(ids, terms)]] = True
        return mask

    def matching(self, rows: Ids, where: ProjectFilter, term_groups: Iterable[Collection[int]]) -> Ids:
        """Return the rows that a filter keeps; a project needs a term of each group."""
        created = self.created_us
        if where.types:
            rows = rows[np.isin(self.types[rows], where.types)]
        if where.owner_id is not None:
            rows = rows[self.owners[rows] == where.owner_id]
        if where.created_after is not None:
            rows = rows[created[rows] >= microseconds(where.created_after)]
        if where.created_before is not None:
            rows = rows[created[rows] < microseconds(where.created_before)]
        if where.excluded_ids:
            rows = rows[~contained(self.ids[rows], where.excluded_ids)]
        for group in term_groups:
            rows = rows[self.have_term(rows, group)]
        return rows

    def count_terms(self, terms: Collection[int]) -> Ids:
        """Return the (n,) numbers of these terms that each project has."""
        return self.count(self.pairs.projects[contained(self.pairs.terms, terms)])

    def count(self, ids: Ids) -> Ids:
        """Return the (n,) numbers of times that each project is among the ids."""
        if not self.ids.size:
            return np.empty(0, np.int64)
        return np.bincount(ids, minlength=int(self.ids[-1]) + 1)[self.ids]

    def decayed_counts(self, rows: Ids, at: datetime) -> Floats:
        """Return the (r, 4) decayed actors of projects at a time, as `decayed_counts` does."""
        return decay(self.counts[rows], self.counted_at_s[rows, None], at.timestamp(), np.array(HALF_LIVES_S))


def best(rows: Ids, values: NDArray[Any], limit: int) -> Ids:
    """Return the `limit` rows with the greatest of (r,) values, best first; ties keep the order of the rows."""
    if rows.size > limit:
        least = np.partition(values, rows.size - limit)[rows.size - limit]
        above = np.flatnonzero(values > least)
        kept = np.sort(np.concatenate([above, np.flatnonzero(values == least)[: limit - above.size]]))
        rows, values = rows[kept], values[kept]
    best_rows: Ids = rows[np.argsort(-values, kind="stable")]
    return best_rows


def contained(ids: Ids, wanted: Collection[int]) -> Mask:
    """Return whether each id is among the wanted ones. Ids are small numbers of the database."""
    if not ids.size or not wanted:
        return np.zeros(ids.size, np.bool_)
    chosen = np.zeros(int(ids.max()) + 2, np.bool_)
    listed = np.fromiter(wanted, np.int64, len(wanted))
    chosen[listed[(listed >= 0) & (listed < chosen.size)]] = True
    return chosen[ids]


def positions(ids: Ids, wanted: Ids) -> Ids:
    """Return the index in (w,) wanted ids of each id, −1 for others. Ids are small numbers of the database."""
    if not ids.size:
        return np.empty(0, np.int64)
    index = np.full(int(ids.max()) + 1, -1, np.int64)
    known = wanted < index.size
    index[wanted[known]] = np.flatnonzero(known)
    return index[ids]


_COLUMNS = (
    select(
        Project.id,
        Project.key,
        Project.type,
        func.coalesce(Project.owner_id, -1),
        case((PUBLIC, 1), else_=0),
        micros(Project.created_at),
        Project.like_count,
        Project.engagement_velocity,
        *(func.coalesce(getattr(DecayedCounters, name), 0.0) for name in WALL_COLUMNS),
        func.coalesce(DecayedCounters.as_of_s, 0.0),
    )
    .outerjoin(DecayedCounters, DecayedCounters.project_id == Project.id)
    .order_by(Project.id)
)
_PAIRS = select(ProjectTerm.project_id, ProjectTerm.term_id).order_by(ProjectTerm.project_id, ProjectTerm.term_id)
_OF_RANGE = _COLUMNS.where(Project.id.between(*ID_RANGE))
_PAIRS_OF_RANGE = _PAIRS.where(ProjectTerm.project_id.between(*ID_RANGE))
_OF_IDS = _COLUMNS.where(in_list(Project.id, IDS))
_PAIRS_OF_IDS = _PAIRS.where(in_list(ProjectTerm.project_id, IDS))
_CHANGED = select(Project.id).where(Project.updated_at >= SINCE)
_NO_KINDS = np.zeros(1, np.int8)
_LAST_ID = select(func.max(Project.id))
_KINDS = select(Term.id, Term.kind)


async def changed_since(database: Database, since: datetime) -> list[int]:
    """Read the ids of the projects whose card changed since a time."""
    return [row.id for row in await database.fetch(_CHANGED, {"since": since})]


async def read_projects(database: Database) -> ProjectColumns:
    """Read all projects, in slices of `SLICE`."""
    last_id = (await database.fetch(_LAST_ID))[0][0] or 0
    parts = []
    for first_id in range(1, last_id + 1, SLICE):
        bounds = {"first_id": first_id, "last_id": first_id + SLICE - 1}
        parts.append(await _read(database, _OF_RANGE, _PAIRS_OF_RANGE, bounds))
    return await asyncio.to_thread(_joined, parts or [_from_rows([], [])], await _kinds(database))


async def with_projects(columns: ProjectColumns, database: Database, ids: Sequence[int]) -> ProjectColumns:
    """Return the columns with these projects read anew; a project that is no longer there is left out."""
    slices = [ids[start : start + SLICE] for start in range(0, len(ids), SLICE)]
    parts = [await _read(database, _OF_IDS, _PAIRS_OF_IDS, {"ids": part}) for part in slices]
    kinds = await _kinds(database)
    return await asyncio.to_thread(lambda: _joined([_without(columns, ids), *parts], kinds))


async def _read(
    database: Database, of_projects: Executable, of_pairs: Executable, values: Mapping[str, Any]
) -> ProjectColumns:
    rows, pairs = await database.fetch(of_projects, values), await database.fetch(of_pairs, values)
    return await asyncio.to_thread(_from_rows, rows, pairs)


async def _kinds(database: Database) -> NDArray[np.int8]:
    rows = await database.fetch(_KINDS)
    kinds = np.zeros(max((row.id for row in rows), default=0) + 1, np.int8)
    for row in rows:
        kinds[row.id] = KINDS.index(TermKind(row.kind))
    return kinds


_ROW_COLUMNS = tuple(field.name for field in fields(ProjectColumns))[:-2]
_DTYPES: tuple[type, ...] = (np.int64, np.object_, np.object_, np.int64, np.bool_, np.int64, np.int64, np.float64)
_PLAIN = len(_DTYPES)


def _from_rows(rows: Sequence[Any], pairs: Sequence[Any]) -> ProjectColumns:
    columns = list(zip(*rows, strict=True)) or [()] * (_PLAIN + len(WALL_COLUMNS) + 1)
    columns[2] = tuple(map(sys.intern, columns[2]))  # a few types, shared by all projects
    read: list[NDArray[Any]] = [
        np.array(column, dtype) for column, dtype in zip(columns[:_PLAIN], _DTYPES, strict=True)
    ]
    read.append(np.array(columns[_PLAIN:-1], np.float64).T)
    read.append(np.array(columns[-1], np.float64))
    return _columns(
        dict(zip(_ROW_COLUMNS, read, strict=True)),
        [np.array(column, np.int64) for column in list(zip(*pairs, strict=True)) or [(), ()]],
    )


def _without(columns: ProjectColumns, ids: Sequence[int]) -> ProjectColumns:
    kept, kept_pairs = ~contained(columns.ids, ids), ~contained(columns.pairs.projects, ids)
    return _columns(
        {name: getattr(columns, name)[kept] for name in _ROW_COLUMNS}, [column[kept_pairs] for column in columns.pairs]
    )


def _joined(parts: Sequence[ProjectColumns], kind_of_term: NDArray[np.int8]) -> ProjectColumns:
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ROW_COLUMNS}
    order = np.argsort(joined["ids"], kind="stable")
    pairs = [np.concatenate(column) for column in zip(*(part.pairs for part in parts), strict=True)]
    by_project = np.argsort(pairs[0], kind="stable")
    columns = _columns(
        {name: column[order] for name, column in joined.items()}, [column[by_project] for column in pairs], kind_of_term
    )
    _ = columns.starts, columns.public_rows  # computed here, and not during a request
    return columns


def _columns(
    rows: Mapping[str, NDArray[Any]], pairs: Iterable[Ids], kind_of_term: NDArray[np.int8] = _NO_KINDS
) -> ProjectColumns:
    return ProjectColumns(**rows, pairs=_Terms(*pairs), kind_of_term=kind_of_term)
