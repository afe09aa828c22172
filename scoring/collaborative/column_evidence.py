"""Behavior evidence by array operations over the columns."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from db.columns.engagement_columns import EngagementColumns
from db.columns.project_columns import positions
from db.time_units import DAY_S, MICROSECONDS
from scoring import tunables
from scoring.features import FeatureTable
from scoring.mathematics.batched_release import BY_CLUSTER, first_needed_s
from scoring.mathematics.behavior_evidence import (
    BehaviorEvidence,
    History,
    NeighborKind,
    PlatformActivity,
    RecentInteractions,
    count_same_owner,
    neighbor_links,
    with_shared,
)
from scoring.mathematics.signals import Integers
from scoring.profiles.viewer_columns import ViewerColumns
from scoring.profiles.viewer_profile import Profile


async def column_evidence(view: ViewerColumns, profile: Profile, table: FeatureTable, at: datetime) -> BehaviorEvidence:
    """Compute the evidence of candidates, which are in the columns. Reads only the neighbor lists, in one statement."""
    columns, history, actor_id = view.columns, profile.engaged, profile.viewer.actor_id or 0
    projects, factors = columns.projects, columns.factors
    rows = projects.rows_of(table.ids)
    viewer_factors = factors.actors.of(actor_id)
    lists = await view.neighbor_lists(history) if history else {}
    recent = _interactions(view, table.ids, at)
    released = recent.released(actor_id, at.timestamp())
    of_clusters = recent.released(actor_id, at.timestamp(), BY_CLUSTER)
    by_actor = factors.actors.similarities(released.actors, viewer_factors)
    by_cluster = factors.similarities_of_clusters(of_clusters.actors, viewer_factors)
    history_owners = projects.owners[projects.rows_of(np.array(history, np.int64))]
    last_s = [engagement.last_at.timestamp() for engagement in profile.engagements if engagement.kinds]
    return BehaviorEvidence(
        at_s=at.timestamp(),
        created_s=at.timestamp() - table.age_days * DAY_S,
        actors=projects.decayed_counts(rows, at),
        engagements=History(np.array(history, dtype=np.int64), np.array(last_s)),
        links={NeighborKind.COSINE: neighbor_links(table.ids, history, lists)},
        interactions=recent.live(actor_id, at.timestamp()),
        similar_actors=released._replace(similarity=by_actor),
        clusters=of_clusters._replace(similarity=by_cluster),
        session_neighbors=with_shared(released, *_session_neighbors(view, history, actor_id, at)),
        platform_activity=_activity(columns.engagement, at),
        item_similarity=factors.items.similarities(table.ids, viewer_factors),
        same_owner_count=count_same_owner(table.owners, history_owners),
    )


def _interactions(view: ViewerColumns, ids: Integers, at: datetime) -> RecentInteractions:
    """Return the interactions of users with these projects from which released ones are known."""
    recent = view.columns.engagement.since(int(first_needed_s(at.timestamp()) * MICROSECONDS))
    rows = positions(recent.projects, ids)
    chosen = np.flatnonzero((rows >= 0) & recent.by_users)[-tunables.MAX_RECENT_INTERACTIONS :]
    rows, actors, at_s = rows[chosen], recent.actors[chosen], recent.at_us[chosen] / MICROSECONDS
    return RecentInteractions(rows, actors, at_s)


def _session_neighbors(
    view: ViewerColumns, history: Sequence[int], viewer: int, at: datetime
) -> tuple[Integers, Integers]:
    """Return the session neighbors by released interactions, and their numbers of shared projects."""
    latest = _interactions(view, np.array(history[: tunables.SESSION_PROJECTS], np.int64), at)
    return latest.session_neighbors(viewer, at.timestamp())


def _activity(engagement: EngagementColumns, at: datetime) -> PlatformActivity:
    times_s, counts = engagement.counts
    first = np.searchsorted(times_s, at.timestamp() - tunables.RECENT_INTERACTION_DAYS * DAY_S)
    return PlatformActivity(times_s[first:], counts[first:])
