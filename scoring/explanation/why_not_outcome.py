"""Diagnosis of a project that is missing from For You: the stage of the pipeline that removed it, or its rank."""

from dataclasses import dataclass
from enum import StrEnum

from db.actors.users import Viewer
from db.catalog.project_cards import ProjectFilter, read_features, term_ids
from db.errors import Store
from db.stores import Stores
from scoring.mathematics.additive_model import scores
from scoring.pipelines.feed_filters import Filter, select
from scoring.ranking import Ranking, ScoredProject


class Outcome(StrEnum):
    """The stage that a project reached."""

    UNKNOWN = "unknown"
    FILTERED = "filtered"
    NOT_A_CANDIDATE = "not_a_candidate"
    RANKED = "ranked"


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The stage that a project reached, with its rank and numbers."""

    outcome: Outcome
    filter: Filter | None = None  # the filter that removed it, if any
    rank: int | None = None  # its rank, from 1; None unless it was ranked
    # The rank that its score alone would give it, also for a project that was no candidate.
    rank_by_score: int | None = None
    ranked: int = 0  # the number of ranked projects
    scored: ScoredProject | None = None  # the numbers that ranked it, or that it would have as a candidate
    degraded: tuple[Store, ...] = ()  # the stores that the ranking had to do without, and that may be the cause


UNKNOWN = WhyNot(Outcome.UNKNOWN)


async def excluding_filter(stores: Stores, viewer: Viewer, project_id: int, where: ProjectFilter) -> Filter | None:
    """Return the filter that keeps a project out of a viewer's For You now, or None, in two statements."""
    found = await read_features(stores.database, [project_id], viewer.actor_id)
    removed = select(found, viewer.user_id, where, await term_ids(stores.database, where)).removed
    return next((filter_ for filter_, ids in removed.items() if ids), None)


def locate_project(ranking: Ranking, project_id: int, otherwise: ScoredProject | None) -> WhyNot:
    """Locate a project in a ranking; `otherwise` holds its numbers if it is not in it."""
    index = next(iter((ranking.ids == project_id).nonzero()[0].tolist()), None)
    scored = otherwise if index is None else ranking.scored_project(index)
    return WhyNot(
        Outcome.NOT_A_CANDIDATE if index is None else Outcome.RANKED,
        rank=None if index is None else index + 1,
        rank_by_score=None if scored is None else _rank_of(scored, ranking),
        ranked=ranking.ids.size,
        scored=scored,
        degraded=ranking.degraded,
    )


def _rank_of(scored: ScoredProject, ranking: Ranking) -> int:
    return 1 + int((scores(ranking.contributions) > scored.score).sum())
