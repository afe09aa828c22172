"""What is built of everybody's engagement at night: tastes, circles and neighbor lists, from the truth and into it."""

import asyncio

import numpy as np

from db.database.engine import Database
from db.models import ItemFactors, ItemNeighbors, TasteCluster, UserFactors
from db.trained_models import collaborative_data as stored
from scoring.mathematics.behavior_evidence import CollaborativeModel, EventLog, NeighborLists
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.mathematics.signals import Integers


async def train_collaborative_model(database: Database) -> CollaborativeModel:
    """Build tastes and neighbor lists of everybody from the truth, and put them in the place of the old ones.

    Safe to run again, and while feeds are served: readers see the old ones until the transaction ends.
    """
    parts = [part async for part in stored.stream_engagement(database)]
    if not parts:
        parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    actors, projects, at_s = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    actor_ids, actor = np.unique(actors, return_inverse=True)
    project_ids, project = np.unique(projects, return_inverse=True)
    log = EventLog.of(actor.astype(np.int64), project.astype(np.int64), at_s, actor_ids.size, project_ids.size)
    built = await asyncio.to_thread(build_collaborative_model, log, log.at_s.size, timed=False)
    async with database.write() as connection:
        cluster = await stored.next_cluster_id(connection)
        await stored.replace_all(connection, TasteCluster, _circle_rows(built, cluster))
        await stored.replace_all(connection, UserFactors, _actor_rows(built, actor_ids, cluster))
        await stored.replace_all(connection, ItemFactors, _project_rows(built, project_ids))
        await stored.replace_all(connection, ItemNeighbors, _list_rows(built, project_ids))
    return built


def _circle_rows(built: CollaborativeModel, first: int) -> list[dict[str, object]]:
    means = built.tastes.clusters[:-1]
    return [{"id": first + row, "vector": stored.pack_factors(mean)} for row, mean in enumerate(means)]


def _actor_rows(built: CollaborativeModel, ids: Integers, first_circle: int) -> list[dict[str, object]]:
    lists, cluster_of = built.actors, built.tastes.cluster_of.tolist()
    return [
        {
            "actor_id": int(id_),
            "vector": stored.pack_factors(built.tastes.actors[row]),
            "cluster": None if cluster_of[row] < 0 else first_circle + cluster_of[row],
            **_blobs(lists, row, ids),
        }
        for row, id_ in enumerate(ids)
    ]


def _project_rows(built: CollaborativeModel, ids: Integers) -> list[dict[str, object]]:
    known = np.flatnonzero(np.abs(built.tastes.projects).sum(axis=1) > 0)
    return [{"project_id": int(ids[row]), "vector": stored.pack_factors(built.tastes.projects[row])} for row in known]


def _list_rows(built: CollaborativeModel, ids: Integers) -> list[dict[str, object]]:
    return [
        {"project_id": int(ids[row]), "kind": kind.value, **_blobs(lists, int(row), ids)}
        for kind, lists in built.lists.items()
        for row in np.flatnonzero(np.diff(lists.starts))
    ]


def _blobs(lists: NeighborLists, row: int, ids: Integers) -> dict[str, bytes]:
    span = slice(lists.starts[row], lists.starts[row + 1])
    return {
        "neighbors": ids[lists.ids[span]].astype("<i8").tobytes(),
        "likeness": lists.similarity[span].astype("<f4").tobytes(),
    }
