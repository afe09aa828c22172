"""The popular ranking: most likes, then newest. It also serves For You while nothing is known of a viewer."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from db.engine import Database
from db.models import FeedKind
from db.projects import ProjectFilter, features
from db.projects import popular as most_liked
from scoring import signals, weights
from scoring.blend import Curve, Model, order_by_score, scores
from scoring.features import FeatureTable, feature_table
from scoring.ranking import Explained, Ranking, Strategy
from scoring.signals import Floats
from scoring.weights import Signal

_MANY_LIKES = 1e9

MODEL = Model(
    "popular",
    {
        Signal.LIKES: Curve.straight(1.0, 0.0, _MANY_LIKES),
        Signal.FRESHNESS: Curve.straight(weights.FRESHNESS_IN_LIKES),
    },
)
"""The score is the number of likes; freshness is worth less than one of them, so it only parts equals."""


async def rank(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the most liked public projects in one statement."""
    table = feature_table(await most_liked(database, weights.STORED_RANKS, where), at)
    matrix = _matrix(table)
    contributions = MODEL.contributions(matrix)
    order = order_by_score(scores(contributions), table.keys)
    return Ranking(
        kind=FeedKind.POPULAR,
        strategy=Strategy.POPULAR,
        model=MODEL.name,
        signals=MODEL.signals,
        ids=table.ids[order],
        values=matrix[order].astype(np.float32),
        contributions=contributions[order],
        adjustments={},
        generated_at=at,
    )


async def explain(database: Database, ids: Sequence[int], at: datetime) -> dict[int, Explained]:
    """Score projects met outside of the feed as the feed would score them."""
    table = feature_table(await features(database, ids, None), at)
    matrix = _matrix(table)
    contributions, values = MODEL.contributions(matrix), matrix.astype(np.float32).tolist()
    return {
        int(id_): Explained(int(id_), MODEL.signals, tuple(values[row]), tuple(contributions[row].tolist()))
        for row, id_ in enumerate(table.ids)
    }


def _matrix(table: FeatureTable) -> Floats:
    return np.column_stack([table.likes.astype(np.float64), signals.freshness(table.age_days)])
