"""Behavior evidence by array operations over the columns."""

from datetime import datetime, timedelta

import numpy as np

from db.columns.project_columns import positions
from db.time_units import DAY_S, MICROSECONDS, microseconds
from scoring import tunables
from scoring.features import FeatureTable
from scoring.mathematics.behavior_evidence import (
    BehaviorEvidence,
    FirstInteractions,
    History,
    NeighborKind,
    PlatformActivity,
    count_same_owner,
    neighbor_links,
)
from scoring.mathematics.signals import look_up
from scoring.profiles.viewer_columns import ViewerColumns
from scoring.profiles.viewer_profile import Profile


async def column_evidence(view: ViewerColumns, profile: Profile, table: FeatureTable, at: datetime) -> BehaviorEvidence:
    """Compute the evidence of candidates, which are in the columns. Reads only the neighbor lists, in one statement."""
    columns, history, actor_id = view.columns, profile.engaged, profile.viewer.actor_id or 0
    projects, factors = columns.projects, columns.factors
    rows = projects.rows_of(table.ids)
    viewer_factors = factors.actors.of(actor_id)
    lists = await view.neighbor_lists(history) if history else {}
    recent = columns.engagement.since(microseconds(at - timedelta(days=tunables.RECENT_INTERACTION_DAYS)))
    candidate_row = positions(recent.projects, table.ids)
    chosen = np.flatnonzero((candidate_row >= 0) & (recent.actors != actor_id))[-tunables.MAX_RECENT_INTERACTIONS :]
    actors, interaction_rows, at_s = recent.actors[chosen], candidate_row[chosen], recent.at_us[chosen] / MICROSECONDS
    by_actor, by_cluster = factors.similarities_of_actors(actors, viewer_factors)
    neighbors, shared = view.session_neighbors(history, at)
    by_session = look_up(actors, neighbors, shared.astype(np.float64))
    is_neighbor = by_session > 0
    history_owners = projects.owners[projects.rows_of(np.array(history, np.int64))]
    last_s = [engagement.last_at.timestamp() for engagement in profile.engagements if engagement.kinds]
    activity = columns.engagement.counts
    return BehaviorEvidence(
        at_s=at.timestamp(),
        created_s=at.timestamp() - table.age_days * DAY_S,
        actors=projects.decayed_counts(rows, at),
        engagements=History(np.array(history, dtype=np.int64), np.array(last_s)),
        links={NeighborKind.COSINE: neighbor_links(table.ids, history, lists)},
        interactions=FirstInteractions(interaction_rows, actors, by_actor, at_s),
        clusters=FirstInteractions(interaction_rows, actors, by_cluster, at_s),
        session_neighbors=FirstInteractions(
            interaction_rows[is_neighbor], actors[is_neighbor], by_session[is_neighbor], at_s[is_neighbor]
        ),
        platform_activity=PlatformActivity(*activity),
        item_similarity=factors.items.similarities(table.ids, viewer_factors),
        owner_similarity=np.where(table.owners >= 0, factors.by_user.similarities(table.owners, viewer_factors), 0.0),
        same_owner_count=count_same_owner(table.owners, history_owners),
    )
