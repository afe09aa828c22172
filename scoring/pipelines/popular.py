"""The popular ranking: whom people came to in the last weeks, with a long memory for likes; the newest of equals first.

It also serves For You while nothing is known of a viewer.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from db.activity.pulse import Floats, pulses
from db.activity.velocity import popular_lately
from db.engine import Database
from db.models import FeedKind
from db.projects import Feature, ProjectFilter, features
from scoring import signals, weights
from scoring.blend import order_by_score, scores
from scoring.features import feature_table
from scoring.signals import Integers
from scoring.stored.ranking import Explained, Ranking, Strategy
from scoring.weights import MILLIONTHS, Signal

NAME = "popular"

SIGNALS = (Signal.PEOPLE_LATELY, Signal.LIKES, Signal.FRESHNESS)
"""score = log(1 + people, halved every 14 days) + .1 log(1 + likes ever) + .01 freshness. Where no event has a time, as
after an import without any, likes decide alone; freshness parts what is equal."""


async def rank(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the public projects that are most popular now, in one statement."""
    found, people = await popular_lately(database, weights.LIKES_MEMORY, at, weights.STORED_RANKS, where)
    values, contributions = _scored(found, people, at)
    order = order_by_score(scores(contributions), np.array([one.key for one in found], dtype=np.str_))
    return Ranking(
        kind=FeedKind.POPULAR,
        strategy=Strategy.POPULAR,
        model=NAME,
        signals=SIGNALS,
        ids=np.array([one.id for one in found], dtype=np.int64)[order],
        values=values[order].astype(np.float32),
        contributions=contributions[order],
        adjustments={},
        generated_at=at,
    )


async def explain(database: Database, ids: Sequence[int], at: datetime) -> dict[int, Explained]:
    """Score projects met outside of the feed as the feed would score them."""
    found = await features(database, ids, None)
    people = (await pulses(database, [one.id for one in found], at))[:, -1]
    values, contributions = _scored(found, people, at)
    shown = values.astype(np.float32).tolist()
    return {
        one.id: Explained(one.id, SIGNALS, tuple(shown[row]), tuple(contributions[row].tolist()))
        for row, one in enumerate(found)
    }


def _scored(found: Sequence[Feature], people: Floats, at: datetime) -> tuple[Floats, Integers]:
    """Give (n, 3) values and contributions."""
    table = feature_table(found, at)
    values = np.column_stack([people, table.likes.astype(np.float64), signals.freshness(table.age_days)])
    parts = np.column_stack(
        [
            np.log1p(values[:, 0]),
            weights.LIKES_MEMORY * np.log1p(values[:, 1]),
            weights.FRESHNESS_OF_EQUALS * values[:, 2],
        ]
    )
    return values, np.rint(parts * MILLIONTHS).astype(np.int64)
