"""Latent factors of actors and projects as columns."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from db.columns.project_columns import Floats, Ids
from db.database.column_types import ID_RANGE
from db.database.engine import Database
from db.models import ItemFactors, TasteCluster, UserFactors
from db.trained_models.collaborative_data import NO_FACTORS, Vector

Half = NDArray[np.float16]

_Actor = tuple[int, bytes, int]  # id, vector, cluster or 0
_Row = tuple[int, bytes]

_SLICE = 20_000
_ACTORS = (
    select(UserFactors.actor_id, UserFactors.vector, func.coalesce(UserFactors.cluster, 0))
    .where(UserFactors.actor_id.between(*ID_RANGE))
    .order_by(UserFactors.actor_id)
)
_ITEMS = (
    select(ItemFactors.project_id, ItemFactors.vector)
    .where(ItemFactors.project_id.between(*ID_RANGE))
    .order_by(ItemFactors.project_id)
)
_CLUSTERS = select(TasteCluster.id, TasteCluster.vector).order_by(TasteCluster.id)
_LAST_ACTOR, _LAST_ITEM = select(func.max(UserFactors.actor_id)), select(func.max(ItemFactors.project_id))


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Vectors of k numbers by ascending id: (n,) ids and (n, k) rows."""

    ids: Ids
    rows: Half

    def of(self, id_: int) -> Vector:
        """Return the vector of an id; empty if there is none."""
        index = int(np.searchsorted(self.ids, id_))
        if index == self.ids.size or self.ids[index] != id_:
            return NO_FACTORS
        vector: Vector = self.rows[index].astype(np.float32)
        return vector

    def find(self, ids: Ids) -> tuple[Ids, Ids]:
        """Return the indexes of the ids that have a vector, and the rows of these vectors."""
        if not self.ids.size:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), self.ids.size - 1)
        known = np.flatnonzero(self.ids[rows] == ids)
        return known, rows[known]

    def similarities(self, ids: Ids, vector: Vector) -> Floats:
        """Return the dot product of the vector of each of (m,) ids with a vector; 0 for an unknown id."""
        products = np.zeros(ids.size)
        if vector.size:
            known, rows = self.find(ids)
            products[known] = self.rows[rows].astype(np.float32) @ vector
        return products


@dataclass(frozen=True, eq=False)
class FactorColumns:
    """Factors of actors, projects and taste clusters, and the cluster (0: none) of each actor."""

    actors: Vectors
    clusters_of_actors: Ids
    items: Vectors
    clusters: Vectors

    def similarities_of_clusters(self, actors: Ids, vector: Vector) -> Floats:
        """Return the dot product of a vector with the taste cluster of each of (m,) actors."""
        clusters = np.zeros(actors.size, np.int64)
        known, rows = self.actors.find(actors)
        clusters[known] = self.clusters_of_actors[rows]
        return self.clusters.similarities(clusters, vector)


async def read_factors(database: Database) -> FactorColumns:
    """Read all factors, in slices."""
    actors: list[_Actor] = []
    items: list[_Row] = []
    for statement, last, rows in ((_ACTORS, _LAST_ACTOR, actors), (_ITEMS, _LAST_ITEM, items)):
        last_id = (await database.fetch(last))[0][0] or 0
        for first_id in range(1, last_id + 1, _SLICE):
            bounds = {"first_id": first_id, "last_id": first_id + _SLICE - 1}
            rows.extend(tuple(row) for row in await database.fetch(statement, bounds))
    clusters: list[_Row] = [(row[0], row[1]) for row in await database.fetch(_CLUSTERS)]
    return await asyncio.to_thread(_columns, actors, items, clusters)


def _columns(actors: list[_Actor], items: list[_Row], clusters: list[_Row]) -> FactorColumns:
    length = Counter(len(row[1]) for row in actors).most_common(1)[0][0] if actors else 0
    # Vectors of another length are of an earlier training.
    actors = [row for row in actors if len(row[1]) == length]
    return FactorColumns(
        _vectors(actors, length),
        np.array([row[2] for row in actors], np.int64),
        _vectors([row for row in items if len(row[1]) == length], length),
        _vectors([row for row in clusters if len(row[1]) == length], length),
    )


def _vectors(rows: Sequence[tuple[int, bytes, *tuple[object, ...]]], length: int) -> Vectors:
    packed = np.frombuffer(b"".join(row[1] for row in rows), "<f2")
    return Vectors(np.array([row[0] for row in rows], np.int64), packed.reshape(len(rows), length // 2))
