"""The first pages: for a viewer who has answered the quiz and done nothing yet, and for one of whom nothing is known.

With answers, projects are ranked by how many of the chosen tools and categories they carry, each counted once, and by
how near they are to the text of the answers; both are contributions, as everywhere. Without, by the people of the last
weeks, spread out over owners, categories and tools so that the first page shows the breadth of the platform.
"""

from dataclasses import replace
from datetime import datetime

from db.catalog.project_cards import ProjectFilter, read_features
from db.database.engine import Database
from db.models import FeedKind, TermKind
from scoring import weights
from scoring.features import feature_table
from scoring.mathematics.additive_model import Curve, Model, scores
from scoring.mathematics.diversity import DiversityAttributes, diversify
from scoring.mathematics.exploration import NOTHING
from scoring.pipelines import popular
from scoring.pipelines.for_you import adjustments_of
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking
from scoring.weights import Signal

_MATCHES = weights.ANSWER_MATCH_SCORES

MODEL = Model(
    "onboarding",
    {
        Signal.ANSWER_MATCHES: Curve(tuple(float(n) for n in range(len(_MATCHES))), _MATCHES),
        Signal.VECTOR_SIMILARITY: Curve.linear(weights.ANSWER_SIMILARITY),
        Signal.POPULARITY: Curve.linear(weights.ANSWER_POPULARITY),
        Signal.FRESHNESS: Curve.linear(weights.ANSWER_FRESHNESS),
    },
)
"""Ranks for a viewer of whom only the answers are known."""

DIVERSE_POPULAR = "diverse_popular"
"""The name of the ranking for a viewer of whom nothing is known."""


def model_for(profile: Profile, otherwise: Model) -> Model:
    """Give what ranks for this viewer: the answers' own model while there is nothing else."""
    return MODEL if profile.has_only_answers else otherwise


async def rank_diverse_popular(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank for a viewer of whom nothing is known: popular, spread out. Two statements, the same for everybody.

    What stands lower than its people would put it carries an adjustment that says so.
    """
    ranking = await popular.rank(database, where, at)
    depth = ranking.ids[: weights.DIVERSITY_DEPTH].tolist()
    found = {one.id: one for one in await read_features(database, depth, None)}
    if len(found) < len(depth):  # one was deleted between the two statements
        return replace(ranking, kind=FeedKind.FOR_YOU)
    table = feature_table([found[id_] for id_ in depth], at)
    attributes = DiversityAttributes(table.owners, table.terms[TermKind.CATEGORY], table.terms[TermKind.TOOL])
    order, moved = diversify(scores(ranking.contributions[: len(depth)]), attributes, weights.UNKNOWN_VIEWER_DIVERSITY)
    served = order + list(range(len(depth), ranking.ids.size))
    return replace(
        ranking,
        kind=FeedKind.FOR_YOU,
        ids=ranking.ids[served],
        values=ranking.values[served],
        contributions=ranking.contributions[served],
        adjustments=adjustments_of(moved, ranking.ids, NOTHING),
    )
