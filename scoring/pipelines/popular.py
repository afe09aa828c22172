"""Popular: decayed actors of the last weeks, all-time likes, and freshness to break ties.

For You shows the same projects to viewers without any data, diversified so that the first page shows the breadth of the
platform.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from db.catalog.project_cards import ProjectFeatures, ProjectFilter, read_features
from db.database.engine import Database
from db.interactions.decayed_counters import Floats, decayed_counts
from db.interactions.velocity_queries import recently_popular
from db.models import FeedKind
from db.time_units import MIN_COUNTED_ACTORS
from scoring import tunables
from scoring.features import feature_table
from scoring.mathematics import signals
from scoring.mathematics.additive_model import order_by_score, scores
from scoring.mathematics.diversity import diversify
from scoring.mathematics.signals import MILLIONTHS, Signal
from scoring.ranking import Ranking, ScoredProject, Strategy, adjustments_of

NAME = "popular"
DIVERSIFIED = "diverse_popular"
"""Model names of both rankings."""

SIGNALS = (Signal.RECENT_POPULARITY, Signal.LIKES, Signal.FRESHNESS)
"""score = log(1 + actors decayed at 14 days) + .1 log(1 + all-time likes) + .01 freshness. After an import
without times, only likes and freshness count."""


async def rank(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the public projects, in one statement."""
    features, actors = await recently_popular(
        database, tunables.ALL_TIME_LIKES_WEIGHT, tunables.ANONYMITY_FLOOR, at, tunables.SNAPSHOT_RANKS, where
    )
    ranking = _scored(features, actors, at)
    keys = np.array([feature.key for feature in features], dtype=np.str_)
    return ranking.take(order_by_score(scores(ranking.contributions), keys))


async def rank_diversified(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the popular projects for For You, diversified, in two statements."""
    ranking = await rank(database, where, at)
    depth = ranking.ids[: tunables.DIVERSITY_DEPTH].tolist()
    features = {feature.id: feature for feature in await read_features(database, depth, None)}
    if len(features) < len(depth):  # a project was deleted between the two statements
        return replace(ranking, kind=FeedKind.FOR_YOU)
    table = feature_table([features[id_] for id_ in depth], at)
    attributes = table.diversity_attributes(np.arange(table.n))
    score = scores(ranking.contributions[: len(depth)])
    order, changes = diversify(score, attributes, tunables.UNKNOWN_VIEWER_DIVERSITY)
    diversified = ranking.take(order + list(range(len(depth), ranking.ids.size)))
    return replace(diversified, kind=FeedKind.FOR_YOU, adjustments=adjustments_of(changes, ranking.ids))


async def explain(database: Database, ids: Sequence[int], at: datetime) -> dict[int, ScoredProject]:
    """Score projects outside of the feed as the feed would score them."""
    features = await read_features(database, ids, None)
    actors = (await decayed_counts(database, [feature.id for feature in features], at))[:, -1]
    return _scored(features, np.where(actors >= MIN_COUNTED_ACTORS, actors, 0.0), at).scored_projects()


def _scored(features: Sequence[ProjectFeatures], actors: Floats, at: datetime) -> Ranking:
    """Return the scores of projects in the order of `features`."""
    table = feature_table(features, at)
    values = np.column_stack(
        [actors, signals.counted_likes(table.likes).astype(np.float64), signals.freshness(table.age_days)]
    )
    weights = np.array([1.0, tunables.ALL_TIME_LIKES_WEIGHT, tunables.FRESHNESS_TIEBREAK])
    parts = weights * np.column_stack([np.log1p(values[:, :2]), values[:, 2]])
    return Ranking(
        kind=FeedKind.POPULAR,
        strategy=Strategy.POPULAR,
        model=NAME,
        signals=SIGNALS,
        ids=table.ids,
        values=values.astype(np.float32),
        contributions=np.rint(parts * MILLIONTHS).astype(np.int64),
        generated_at=at,
    )
