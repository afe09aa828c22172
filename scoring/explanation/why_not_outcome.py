"""Diagnosis of a project that is missing from For You: the stage of the pipeline that removed it, or its rank."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from db.actors.users import Viewer
from db.catalog.project_cards import ProjectFeatures, ProjectFilter, read_features, term_ids
from db.errors import Store
from db.stores import Stores
from scoring.mathematics.additive_model import scores
from scoring.pipelines.feed_filters import Filter, removing_filter
from scoring.ranking import Ranking, ScoredProject


class Outcome(StrEnum):
    """Stages of the pipeline that a project can reach."""

    UNKNOWN = "unknown"
    FILTERED = "filtered"
    NOT_A_CANDIDATE = "not_a_candidate"
    RANKED = "ranked"


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Stage that a project reached, with its rank, its scores and the unavailable stores."""

    outcome: Outcome
    filter: Filter | None = None  # filter that removed the project
    rank: int | None = None  # from 1; None unless the project was ranked
    rank_by_score: int | None = None  # by score alone, also for a project that was no candidate
    ranked: int = 0  # number of ranked projects
    scored: ScoredProject | None = None  # as ranked, or as it would be scored as a candidate
    degraded: tuple[Store, ...] = ()  # stores that were unavailable to the ranking, which may be the cause
    read_at: datetime | None = None  # last engagement with a project that is hidden because it was read
    hidden_until: datetime | None = None  # end of hiding it


UNKNOWN = WhyNot(Outcome.UNKNOWN)


async def excluding_filter(
    stores: Stores, viewer: Viewer, project_id: int, where: ProjectFilter
) -> tuple[ProjectFeatures | None, Filter | None]:
    """Return a project, and the filter that keeps it out of a viewer's For You now, or None, in two statements."""
    features = await read_features(stores.database, [project_id], viewer.actor_id)
    terms = await term_ids(stores.database, where)
    return next(
        ((feature, removing_filter(feature, viewer.user_id, where, terms)) for feature in features), (None, None)
    )


def hidden_read(ranking: Ranking, feature: ProjectFeatures | None) -> WhyNot | None:
    """Return the outcome of a project that the ranking hides because the viewer has read it; None for others."""
    hidden = ranking.hidden
    if hidden is None or feature is None or feature.last_at is None or not hidden.hides(feature):
        return None
    if feature.id in ranking.ids:  # read since the ranking was made
        return None
    hidden_until = feature.last_at + (ranking.generated_at - hidden.since)
    return WhyNot(Outcome.FILTERED, Filter.READ, read_at=feature.last_at, hidden_until=hidden_until)


def locate_project(ranking: Ranking, project_id: int, unranked: ScoredProject | None) -> WhyNot:
    """Locate a project in a ranking; `unranked` is the scored project if the ranking does not contain it."""
    index = next(iter((ranking.ids == project_id).nonzero()[0].tolist()), None)
    scored = unranked if index is None else ranking.scored_project(index)
    return WhyNot(
        Outcome.NOT_A_CANDIDATE if index is None else Outcome.RANKED,
        rank=None if index is None else index + 1,
        rank_by_score=None if scored is None else 1 + int((scores(ranking.contributions) > scored.score).sum()),
        ranked=ranking.ids.size,
        scored=scored,
        degraded=ranking.degraded,
    )
