"""Popular: decayed actors of the last weeks, all-time likes, and freshness to break ties, spread by owner and category.

For You shows the same projects to viewers without any data, diversified so that the first page shows the breadth of the
platform.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from db.catalog.project_cards import ProjectFilter, read_features
from db.database.engine import Database
from db.interactions.decayed_counters import Floats, decayed_counts
from db.interactions.velocity_queries import recently_popular
from db.models import FeedKind
from scoring import tunables
from scoring.features import FeatureTable, feature_table
from scoring.mathematics import signals
from scoring.mathematics.additive_model import order_by_score, scores
from scoring.mathematics.diversity import DiversityAttributes, diversify
from scoring.mathematics.signals import MILLIONTHS, Signal
from scoring.ranking import Ranking, ScoredProject, Strategy, adjustments_of

NAME = "popular"
DIVERSIFIED = "diverse_popular"
"""Model names of both rankings."""

SIGNALS = (Signal.RECENT_POPULARITY, Signal.LIKES, Signal.FRESHNESS)
"""score = log(1 + actors decayed at 14 days) + .1 log(1 + all-time likes) + .01 freshness. After an import
without times, only likes and freshness count."""


async def rank(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the public projects, spread by owner and category, in one statement."""
    ranking, attributes = await _ranked(database, where, at)
    return ranking.spread(attributes)


async def rank_diversified(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the popular projects for For You, diversified, in one statement."""
    ranking, attributes = await _ranked(database, where, at)
    order, changes = diversify(scores(ranking.contributions), attributes, tunables.UNKNOWN_VIEWER_DIVERSITY)
    diversified = ranking.take(order)
    return replace(diversified, kind=FeedKind.FOR_YOU, adjustments=adjustments_of(changes, ranking.ids))


async def _ranked(database: Database, where: ProjectFilter, at: datetime) -> tuple[Ranking, DiversityAttributes]:
    """Return the projects in score order, and their attributes."""
    features, actors = await recently_popular(
        database, tunables.ALL_TIME_LIKES_WEIGHT, at, tunables.SNAPSHOT_RANKS, where
    )
    table = feature_table(features, at)
    ranking = _scored(table, actors, at)
    order = order_by_score(scores(ranking.contributions), table.keys)
    return ranking.take(order), table.diversity_attributes(order)


async def explain(database: Database, ids: Sequence[int], at: datetime) -> dict[int, ScoredProject]:
    """Score projects outside of the feed as the feed would score them."""
    features = await read_features(database, ids, None)
    actors = (await decayed_counts(database, [feature.id for feature in features], at))[:, -1]
    return _scored(feature_table(features, at), actors, at).scored_projects()


def _scored(table: FeatureTable, actors: Floats, at: datetime) -> Ranking:
    """Return the scores of projects in the order of `table`."""
    values = np.column_stack([actors, table.likes.astype(np.float64), signals.freshness(table.age_days)])
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
