"""Popular: decayed actors of the last weeks, likes, and freshness to break ties, spread by owner and category."""

from datetime import datetime

import numpy as np

from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.interactions.decayed_counters import Floats
from db.interactions.velocity_queries import recently_popular
from db.models import FeedKind
from scoring import tunables
from scoring.features import FeatureTable, feature_table
from scoring.mathematics import signals
from scoring.mathematics.additive_model import order_by_score, scores
from scoring.mathematics.signals import MILLIONTHS, Signal
from scoring.ranking import Ranking, Strategy

NAME = "popular"
"""Model name of the ranking."""

SIGNALS = (Signal.RECENT_POPULARITY, Signal.LIKES, Signal.FRESHNESS)
"""score = log(1 + actors decayed at 14 days) + .1 log(1 + all-time likes) + .01 freshness. After an import
without times, only likes and freshness count."""


async def rank(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the public projects, spread by owner and category, in one statement."""
    features, actors = await recently_popular(
        database, tunables.ALL_TIME_LIKES_WEIGHT, tunables.ANONYMITY_FLOOR, at, tunables.SNAPSHOT_RANKS, where
    )
    table = feature_table(features, at)
    ranking = _scored(table, actors, at)
    order = order_by_score(scores(ranking.contributions), table.keys)
    return ranking.take(order).spread(table.diversity_attributes(order))


def _scored(table: FeatureTable, actors: Floats, at: datetime) -> Ranking:
    """Return the scores of projects in the order of `table`."""
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
