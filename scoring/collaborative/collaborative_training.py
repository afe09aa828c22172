"""Nightly training of item neighbors, latent factors and taste clusters, read from and written to the database."""

import asyncio

import numpy as np

from db.database.engine import Database
from db.models import ItemFactors, ItemNeighbors, TasteCluster, UserFactors
from db.trained_models import collaborative_data as stored
from scoring.mathematics.behavior_evidence import CollaborativeModel, EventLog, NeighborKind
from scoring.mathematics.neighbors import build_collaborative_model


async def train_collaborative_model(database: Database) -> CollaborativeModel:
    """Train on all engagement and replace the stored model in one transaction; readers see the old or the new one."""
    rows = await stored.read_engagement(database)
    actor_ids, actor = np.unique(rows.actors, return_inverse=True)
    project_ids, project = np.unique(rows.projects, return_inverse=True)
    log = EventLog.from_events(
        actor.astype(np.int64), project.astype(np.int64), rows.at_s, actor_ids.size, project_ids.size
    )
    model = await asyncio.to_thread(build_collaborative_model, log, log.at_s.size)
    factors, neighbor_lists = model.factors, model.lists[NeighborKind.COSINE]
    async with database.write() as connection:
        first_cluster_id = await stored.next_cluster_id(connection)
        clusters = [
            {"id": first_cluster_id + row, "vector": stored.pack_factors(mean)}
            for row, mean in enumerate(factors.clusters[:-1])
        ]
        actor_rows = [
            {
                "actor_id": id_,
                "vector": stored.pack_factors(factors.actors[row]),
                "cluster": None if cluster < 0 else first_cluster_id + cluster,
            }
            for row, (id_, cluster) in enumerate(zip(actor_ids.tolist(), factors.cluster_of.tolist(), strict=True))
        ]
        project_rows = [
            {"project_id": int(project_ids[row]), "vector": stored.pack_factors(factors.projects[row])}
            for row in np.flatnonzero(np.abs(factors.projects).sum(axis=1) > 0)
        ]
        list_rows = [
            {
                "project_id": int(project_ids[row]),
                "neighbors": project_ids[neighbor_lists.ids[span]].astype("<i8").tobytes(),
                "similarity": neighbor_lists.similarity[span].astype("<f4").tobytes(),
            }
            for row in np.flatnonzero(np.diff(neighbor_lists.starts))
            for span in [slice(neighbor_lists.starts[row], neighbor_lists.starts[row + 1])]
        ]
        await stored.replace_all(connection, TasteCluster, clusters)
        await stored.replace_all(connection, UserFactors, actor_rows)
        await stored.replace_all(connection, ItemFactors, project_rows)
        await stored.replace_all(connection, ItemNeighbors, list_rows)
    return model
