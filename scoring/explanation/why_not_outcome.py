"""Why a project is not on a viewer's page: how far it came through the stages of For You, and where it fell out."""

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
    """How far a project came."""

    UNKNOWN = "unknown"
    FILTERED = "filtered"
    NOT_A_CANDIDATE = "not_a_candidate"
    RANKED = "ranked"


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Where a project fell out of a ranking, or where it stands.

    Attributes
    ----------
    filter
        What removed it, if something did.
    rank
        Where it stands, from 1, if it was ranked.
    rank_by_score
        Where its score alone would put it among the ranked projects; also for one that was no candidate.
    ranked
        How many projects were ranked.
    explained
        Its numbers: those that ranked it, or those that it would have had.
    degraded
        The stores that the ranking had to do without: what is missing may be their fault.
    """

    outcome: Outcome
    filter: Filter | None = None
    rank: int | None = None
    rank_by_score: int | None = None
    ranked: int = 0
    explained: ScoredProject | None = None
    degraded: tuple[Store, ...] = ()


UNKNOWN = WhyNot(Outcome.UNKNOWN)


async def excluding_filter(stores: Stores, viewer: Viewer, project_id: int, where: ProjectFilter) -> Filter | None:
    """Tell what keeps a project out of a viewer's For You now, in two statements; None if nothing does."""
    found = await read_features(stores.database, [project_id], viewer.actor_id)
    removed = select(found, viewer.user_id, where, await term_ids(stores.database, where)).removed
    return next((filter_ for filter_, ids in removed.items() if ids), None)


def locate_project(ranking: Ranking, project_id: int, otherwise: ScoredProject | None) -> WhyNot:
    """Find a project in a ranking; `otherwise` are the numbers that it would have, were it a candidate."""
    index = next(iter((ranking.ids == project_id).nonzero()[0].tolist()), None)
    explained = otherwise if index is None else ranking.explained(index)
    higher = None if explained is None else int((scores(ranking.contributions) > explained.score).sum())
    return WhyNot(
        Outcome.NOT_A_CANDIDATE if index is None else Outcome.RANKED,
        rank=None if index is None else index + 1,
        rank_by_score=None if higher is None else higher + 1,
        ranked=ranking.ids.size,
        explained=explained,
        degraded=ranking.degraded,
    )
