"""First pages of viewers without a history.

With onboarding answers, For You ranks by `scoring.models.model_presets.ONBOARDING`. Without, it shows the popular
ranking, diversified so that the first page shows the breadth of the platform.
"""

from dataclasses import replace
from datetime import datetime

import numpy as np

from db.catalog.project_cards import ProjectFilter, read_features
from db.database.engine import Database
from db.models import FeedKind
from scoring import tunables
from scoring.features import feature_table
from scoring.mathematics.additive_model import Model, scores
from scoring.mathematics.diversity import diversify
from scoring.models.model_presets import ONBOARDING
from scoring.pipelines import popular
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Ranking, adjustments_of

DIVERSE_POPULAR = "diverse_popular"  # model name of the ranking for unknown viewers


def model_for(profile: Profile, model: Model) -> Model:
    """Return the onboarding model for a viewer with answers and no history, else the given model."""
    return ONBOARDING if profile.has_only_answers else model


async def rank_diverse_popular(database: Database, where: ProjectFilter, at: datetime) -> Ranking:
    """Rank the popular projects, diversified, for unknown viewers: two statements, not personal."""
    ranking = await popular.rank(database, where, at)
    depth = ranking.ids[: tunables.DIVERSITY_DEPTH].tolist()
    features = {feature.id: feature for feature in await read_features(database, depth, None)}
    if len(features) < len(depth):  # a project was deleted between the two statements
        return replace(ranking, kind=FeedKind.FOR_YOU)
    table = feature_table([features[id_] for id_ in depth], at)
    attributes = table.diversity_attributes(np.arange(table.n))
    score = scores(ranking.contributions[: len(depth)])
    order, changes = diversify(score, attributes, tunables.UNKNOWN_VIEWER_DIVERSITY)
    served = ranking.take(order + list(range(len(depth), ranking.ids.size)))
    return replace(served, kind=FeedKind.FOR_YOU, adjustments=adjustments_of(changes, ranking.ids))
