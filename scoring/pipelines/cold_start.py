"""The first pages: for a viewer who has answered the quiz and done nothing yet, and for one of whom nothing is known.

With answers, projects are ranked by how many of the chosen tools and categories they carry, each counted once, and by
how near they are to the text of the answers; both are contributions, as everywhere. Without, by the people of the last
weeks, spread out over owners, categories and tools so that the first page shows the breadth of the platform.
"""

from dataclasses import replace
from datetime import datetime

from db.engine import Database
from db.models import FeedKind, TermKind
from db.projects import ProjectFilter, features
from scoring import weights
from scoring.blend import Curve, Model, scores
from scoring.diversity import Attributes, spread
from scoring.exploration import NOTHING
from scoring.features import feature_table
from scoring.pipelines import popular
from scoring.pipelines.for_you import adjustments_of
from scoring.stored.ranking import Ranking
from scoring.viewers.profile import Profile
from scoring.weights import Signal

_MATCHES = weights.ANSWER_WORTH

MODEL = Model(
    "onboarding",
    {
        Signal.ANSWER_MATCHES: Curve(tuple(float(n) for n in range(len(_MATCHES))), _MATCHES),
        Signal.VECTOR_SIMILARITY: Curve.straight(weights.ANSWER_SIMILARITY),
        Signal.POPULARITY: Curve.straight(weights.ANSWER_POPULARITY),
        Signal.FRESHNESS: Curve.straight(weights.ANSWER_FRESHNESS),
    },
)
"""Ranks for a viewer of whom only the answers are known."""

BREADTH = "breadth"
"""The name of the ranking for a viewer of whom nothing is known."""


def model_for(profile: Profile, otherwise: Model) -> Model:
    """Give what ranks for this viewer: the answers' own model while there is nothing else."""
    return MODEL if profile.is_quiz_only else otherwise


async def rank_breadth(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank for a viewer of whom nothing is known: popular, spread out. Two statements, the same for everybody.

    What stands lower than its people would put it carries an adjustment that says so.
    """
    ranking = await popular.rank(database, where, at)
    depth = ranking.ids[: weights.DIVERSITY_DEPTH].tolist()
    found = {one.id: one for one in await features(database, depth, None)}
    if len(found) < len(depth):  # one was deleted between the two statements
        return replace(ranking, kind=FeedKind.FOR_YOU)
    table = feature_table([found[id_] for id_ in depth], at)
    attributes = Attributes(table.owners, table.terms[TermKind.CATEGORY], table.terms[TermKind.TOOL])
    order, moved = spread(scores(ranking.contributions[: len(depth)]), attributes, weights.BREADTH_STRENGTH)
    served = order + list(range(len(depth), ranking.ids.size))
    return replace(
        ranking,
        kind=FeedKind.FOR_YOU,
        ids=ranking.ids[served],
        values=ranking.values[served],
        contributions=ranking.contributions[served],
        adjustments=adjustments_of(moved, ranking.ids, NOTHING),
    )
