"""Nightly training of item neighbors, latent factors and taste clusters: from the database and into it."""

import asyncio

import numpy as np

from db.database.engine import Database
from db.models import ItemFactors, ItemNeighbors, TasteCluster, UserFactors
from db.trained_models import collaborative_data as stored
from scoring.mathematics.behavior_evidence import CollaborativeModel, EventLog, NeighborKind
from scoring.mathematics.neighbors import build_collaborative_model


async def train_collaborative_model(database: Database) -> CollaborativeModel:
    """Train on all engagement and replace the stored result in one transaction, so that readers see one of the two."""
    parts = [part async for part in stored.stream_engagement(database)]
    if not parts:
        parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    actors, projects, at_s = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    actor_ids, actor = np.unique(actors, return_inverse=True)
    project_ids, project = np.unique(projects, return_inverse=True)
    log = EventLog.from_events(actor.astype(np.int64), project.astype(np.int64), at_s, actor_ids.size, project_ids.size)
    built = await asyncio.to_thread(build_collaborative_model, log, log.at_s.size)
    factors, lists = built.factors, built.lists[NeighborKind.COSINE]
    async with database.write() as connection:
        first = await stored.next_cluster_id(connection)
        clusters = [
            {"id": first + row, "vector": stored.pack_factors(mean)} for row, mean in enumerate(factors.clusters[:-1])
        ]
        actor_rows = [
            {
                "actor_id": id_,
                "vector": stored.pack_factors(factors.actors[row]),
                "cluster": None if factors.cluster_of[row] < 0 else first + int(factors.cluster_of[row]),
            }
            for row, id_ in enumerate(actor_ids.tolist())
        ]
        project_rows = [
            {"project_id": int(project_ids[row]), "vector": stored.pack_factors(factors.projects[row])}
            for row in np.flatnonzero(np.abs(factors.projects).sum(axis=1) > 0)
        ]
        list_rows = [
            {
                "project_id": int(project_ids[row]),
                "neighbors": project_ids[lists.ids[span]].astype("<i8").tobytes(),
                "similarity": lists.similarity[span].astype("<f4").tobytes(),
            }
            for row in np.flatnonzero(np.diff(lists.starts))
            for span in [slice(lists.starts[row], lists.starts[row + 1])]
        ]
        await stored.replace_all(connection, TasteCluster, clusters)
        await stored.replace_all(connection, UserFactors, actor_rows)
        await stored.replace_all(connection, ItemFactors, project_rows)
        await stored.replace_all(connection, ItemNeighbors, list_rows)
    return built
