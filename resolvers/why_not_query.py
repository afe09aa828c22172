"""The query `whyNot`, which explains the absence of a project from `forYou`."""

from datetime import datetime
from typing import Annotated

import strawberry

from db.catalog.project_cards import ProjectCard, ProjectFilter
from db.errors import Store
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import object_type
from resolvers.common.field_costs import Cost, computed
from resolvers.common.references import ProjectId, ProjectKey, key_of
from resolvers.feeds.explanation import Explanation, ExplanationRow
from resolvers.feeds.feed_connection import Where, read_filter
from resolvers.feeds.project import Project
from resolvers.preferences.viewer import Mute
from scoring.explanation import why_not_outcome
from scoring.explanation.why_not_outcome import Outcome
from scoring.pipelines.feed_filters import Filter
from scoring.tunables import FIRST_PAGE_SIZE

_FILTER_SUMMARIES = {
    Filter.PRIVATE: "The project is private: feeds do not show it, even to its owner.",
    Filter.ARCHIVED: "The project is archived.",
    Filter.OWN: "The project is yours: For You shows only projects of others.",
    Filter.DISMISSED: "You dismissed the project; `undoDismissal` reverts this.",
    Filter.MUTED: "You muted its owner, or one of its tools, categories or topics (`mutes`); `unmute` reverts this.",
    Filter.WHERE: "The project does not match `where`.",
    Filter.READ: "You read the project on {:%-d %B %Y}, so For You hides it until {:%-d %B %Y}. The setting `showRead` "
    "shows read projects again.",
}


@object_type
class WhyNot:
    """The outcome of a project in the ranking of your `forYou`: unknown, filtered, not a candidate, or ranked."""

    outcome: Annotated[Outcome, "The outcome."]
    summary: Annotated[str, "The answer in one sentence."]
    filter: Annotated[Filter | None, "The filter that removes the project; null unless `outcome` is FILTERED."]
    rank: Annotated[int | None, "The current rank, from 1; null unless `outcome` is RANKED."]
    rank_by_score: Annotated[
        int | None,
        "The rank in the order of scores. For a project that is not a candidate, the rank that it would have. Null "
        "without a score.",
    ]
    ranked_count: Annotated[int, "The number of ranked projects."]
    explanation: Annotated[
        Explanation | None,
        "The parts of the score. For a project that is not a candidate, the parts that its score would have. Null if "
        "the project is unknown or filtered.",
    ]
    project: Annotated[Project | None, "The project; null if `outcome` is UNKNOWN."]
    mutes: Annotated[list[Mute], "Your mutes that remove the project."]
    read_at: Annotated[datetime | None, "When you last interacted with the project; null unless `filter` is READ."]
    hidden_until: Annotated[datetime | None, "Until when the project is hidden; null unless `filter` is READ."]
    degraded: Annotated[
        list[Store], "The stores that were unavailable; their absence may be the reason. Empty in the normal case."
    ]


@strawberry.type
class WhyNotQuery:
    @computed(Cost(100, points_once=250))
    async def why_not(
        self, info: Info, key: ProjectKey = None, id: ProjectId = None, where: Where = None
    ) -> WhyNot | None:
        """Explain why a project is not in your `forYou`, or return its rank.

        The outcome is UNKNOWN for a project that does not exist and for a project that you may not see. Null only on
        error.
        """
        card = await info.context.loaders.cards_by_key.load(key_of("Project", key, id))
        if card is None:
            return _why_not(why_not_outcome.UNKNOWN, None, [])
        project_filter = await read_filter(info.context, where)
        outcome = await info.context.feeds.why_not(await info.context.viewer(), card.id, project_filter)
        mutes = await _mutes_of(info.context, card) if outcome.filter is Filter.MUTED else []
        return _why_not(outcome, card, mutes, project_filter)


def _why_not(
    why_not: why_not_outcome.WhyNot, card: ProjectCard | None, mutes: list[Mute], where: ProjectFilter | None = None
) -> WhyNot:
    return WhyNot(
        outcome=why_not.outcome,
        summary=_summary(why_not),
        filter=why_not.filter,
        rank=why_not.rank,
        rank_by_score=why_not.rank_by_score,
        ranked_count=why_not.ranked,
        explanation=None if why_not.scored is None else Explanation.of(ExplanationRow(why_not.scored, where)),
        project=None if card is None else Project.of(card),
        mutes=mutes,
        read_at=why_not.read_at,
        hidden_until=why_not.hidden_until,
        degraded=list(why_not.degraded),
    )


def _summary(why_not: why_not_outcome.WhyNot) -> str:
    if why_not.filter is not None:
        return _FILTER_SUMMARIES[why_not.filter].format(why_not.read_at, why_not.hidden_until)
    if why_not.rank is not None:
        on_page = ", on the first page" if why_not.rank <= FIRST_PAGE_SIZE else ""
        return f"The project is at rank {why_not.rank} of {why_not.ranked}{on_page}."
    if why_not.outcome is Outcome.UNKNOWN:
        return "The project does not exist, or you may not see it."
    return (
        "No candidate source returned the project: it is not close to your interests, and not new, popular or "
        f"trending. In the feed, it follows the {why_not.ranked} ranked projects."
    )


async def _mutes_of(context: Context, card: ProjectCard) -> list[Mute]:
    """Read the viewer's mutes that remove a project."""
    project_terms = await context.loaders.terms_by_project.load(card.id)
    terms = {(term.kind.value, term.id) for kind in project_terms or () for term in kind}
    subjects = terms | {("owner", card.owner_id)}
    return [
        Mute.from_muted(muted) for muted in await context.mutes() if (muted.kind.value, muted.subject_id) in subjects
    ]
