"""Reasons of a page, found by a table of finders. Each finder explains the contributions of some signals."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from db.catalog.project_cards import ProjectFeatures
from db.models import EngagementKind, InteractionType
from db.stores import Stores
from scoring import tunables
from scoring.deadlines import SERVING, Deadlines
from scoring.explanation import reasons
from scoring.explanation.page_evidence import (
    CO_VIEWER_SIGNALS,
    INTEREST_SIGNALS,
    NEIGHBOR_SIGNALS,
    OWNER_SIGNALS,
    TEXT_SIGNALS,
    WINDOW_OF_SIGNAL,
    PageEvidence,
    load_page_evidence,
    total_contribution,
)
from scoring.explanation.reasons import Reason, SimilarityBasis
from scoring.features import all_terms
from scoring.mathematics.signals import TASTE_SIGNALS, Signal
from scoring.mathematics.velocity import Window
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import ScoredProject


class _ExplainedProject(NamedTuple):
    """Project of the page, and the evidence of the whole page."""

    scored: ScoredProject
    feature: ProjectFeatures
    evidence: PageEvidence


Reasons = Iterator[Reason]
Finder = Callable[[_ExplainedProject], Reasons]


def _weigh_sum(explained: _ExplainedProject, signals: tuple[Signal, ...]) -> int:
    return total_contribution(explained.scored, signals) or -1


def _weigh_any_contribution(explained: _ExplainedProject, signals: tuple[Signal, ...]) -> int:
    """Return at least 0 if a signal contributed. A new project is called new even if its age lowers the score."""
    has_contribution = any(explained.scored.contribution(signal) for signal in signals)
    return max(total_contribution(explained.scored, signals), 0) if has_contribution else -1


def _weigh_exploration(explained: _ExplainedProject, _: tuple[Signal, ...]) -> int:
    """Return a weight above all other weights if exploration drew the project."""
    positive_sum = sum(contribution for contribution in explained.scored.contributions if contribution > 0)
    return -1 if explained.scored.propensity is None else positive_sum + 1


class ReasonFinder(NamedTuple):
    """Finder of one kind of reason, which explains the contributions of `signals` if there is evidence.

    `weigh` returns the weight that orders the finders, in millionths of score; below 0 the finder is left out.
    """

    signals: tuple[Signal, ...]
    find: Finder
    weigh: Callable[[_ExplainedProject, tuple[Signal, ...]], int] = _weigh_sum


async def find_reasons(
    stores: Stores,
    profile: Profile,
    scored_projects: Sequence[ScoredProject],
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> dict[int, tuple[Reason, ...]]:
    """Return the reasons of a page's projects by project id, the largest contributions first.

    Only `page_evidence.load_page_evidence` calls stores.
    """
    evidence = await load_page_evidence(stores, profile, scored_projects, at, deadlines)
    reasons_by_project: dict[int, tuple[Reason, ...]] = {}
    for project in scored_projects:
        if (feature := evidence.features.get(project.project_id)) is not None:
            explained = _ExplainedProject(project, feature, evidence)
            weighted_finders = [(finder.weigh(explained, finder.signals), finder) for finder in REASON_FINDERS]
            best_finders = sorted((pair for pair in weighted_finders if pair[0] >= 0), key=lambda pair: -pair[0])
            reasons_by_project[project.project_id] = tuple(
                r for _, finder in best_finders for r in finder.find(explained)
            )
    return reasons_by_project


def _interests(explained: _ExplainedProject) -> Reasons:
    terms = set(all_terms([explained.feature.terms]))
    for tag in explained.evidence.profile.interests:
        if tag.term_id in terms:
            id_ = f"interest:{tag.kind}:{tag.key}"
            text = f"Matches your interest in {tag.name}"
            yield reasons.StatedInterest(id_, text, tag.term_id, tag.key, tag.name, tag.kind, tag.confidence)


ACTIONS = {
    EngagementKind.LIKE: (InteractionType.LIKE, "liked"),
    EngagementKind.SAVE: (InteractionType.SAVE, "saved"),
    EngagementKind.COMMENT: (InteractionType.COMMENT, "commented on"),
    EngagementKind.FOLLOW: (InteractionType.FOLLOW, "followed"),
    EngagementKind.VIEW: (InteractionType.VIEW, "viewed"),
    EngagementKind.CLICK: (InteractionType.CLICK, "opened"),
}
"""Interaction types and their past tense, the strongest first."""


def strongest_action(kinds: int) -> tuple[InteractionType, str]:
    """Return the type of a viewer's strongest interaction with a project, and its past tense."""
    return next(action for kind, action in ACTIONS.items() if kinds & kind)


def _similar(basis: SimilarityBasis) -> Finder:
    def find(explained: _ExplainedProject) -> Reasons:
        for seed, engagement, similarity, seed_basis in explained.evidence.similar.get(explained.feature.id, ()):
            if seed_basis is basis:
                action, verb = strongest_action(engagement.kinds)
                if basis is SimilarityBasis.TEXT:
                    id_, text = f"similar:{seed.key}", f"Similar to “{seed.title}”, which you {verb}"
                else:
                    id_, text = f"neighbor:{seed.key}", f"People who viewed “{seed.title}” also viewed this"
                project = reasons.ReferencedProject(seed)
                yield reasons.SimilarToProject(id_, text, project, similarity, basis, action, engagement.last_at)

    return find


def _from_owner(explained: _ExplainedProject) -> Reasons:
    if explained.feature.id in explained.evidence.owners:
        owner, count = explained.evidence.owners[explained.feature.id]
        others = "another project" if count == 1 else f"{count} other projects"
        text = f"By {owner.username}, who made {others} you viewed"
        yield reasons.FromOwner(f"owner:{owner.key}", text, owner, count)


def _similar_people_like(explained: _ExplainedProject) -> Reasons:
    value = explained.scored.values[explained.scored.signals.index(Signal.COLLABORATIVE)]
    count = round(value * tunables.LIKES_FOR_FULL_COLLABORATION)
    amount = f"{count} or more" if count >= tunables.LIKES_FOR_FULL_COLLABORATION else str(count)
    yield reasons.PeopleLikeYou("people", f"{amount} people with similar taste like this", count)


def _similar_people_viewed(id_: str, signals: tuple[Signal, ...], words: str) -> Finder:
    def find(explained: _ExplainedProject) -> Reasons:
        count = explained.evidence.similar_people.get(signals, {}).get(explained.feature.id, 0)
        if count >= tunables.ANONYMITY_FLOOR:
            yield reasons.PeopleLikeYou(id_, f"{count} {words}", count)

    return find


def _popular(explained: _ExplainedProject) -> Reasons:
    if explained.feature.like_count >= tunables.ANONYMITY_FLOOR:
        yield reasons.Popular(
            "popular", f"{explained.feature.like_count} people like this", explained.feature.like_count
        )


_PHRASE_BY_WINDOW = {Window.HOUR: "in the last hour", Window.DAY: "today", Window.WEEK: "this week"}

_FAR_MORE, _MORE = 4.0, 1.25
"""Ratios of visitors to the visitors of an average earlier window from which the text says "far more than usual" and
"more than usual". At the inverse of the second, it says "fewer than usual"."""


def _trending(explained: _ExplainedProject) -> Reasons:
    window_count = explained.evidence.engagement_counts.get(explained.feature.id)
    if window_count is not None and window_count[1].actors >= tunables.ANONYMITY_FLOOR:
        window, (people, usual) = window_count
        text = f"{people} visitors {_PHRASE_BY_WINDOW[window]}, {_compared(people, usual)}"
        yield reasons.TrendingNow("trending", text, people, window, usual)


def _compared(visitors: int, usual: float) -> str:
    if visitors >= _FAR_MORE * usual:
        return "far more than usual"
    if visitors >= _MORE * usual:
        return "more than usual"
    return "about as many as usual" if visitors * _MORE >= usual else "fewer than usual"


def _words(explained: _ExplainedProject) -> Reasons:
    words = explained.evidence.words.get(explained.feature.id)
    if words:
        yield reasons.KeywordMatch("keywords", f"Contains {', '.join(f'“{word}”' for word in words)}", words)


def _fresh(explained: _ExplainedProject) -> Reasons:
    age = max(explained.evidence.at - explained.feature.created_at, timedelta())
    if age <= timedelta(days=tunables.FRESH_DAYS):
        text = f"Added {age.days} day{'s' if age.days > 1 else ''} ago" if age.days else "Added today"
        yield reasons.Fresh("fresh", text, age / timedelta(days=1))


def _exploration(explained: _ExplainedProject) -> Reasons:
    if explained.scored.propensity is not None:
        yield reasons.Exploration("exploration", "New here; we're testing interest", explained.scored.propensity)


_TASTE = "people with similar taste viewed this recently"
_SESSION = "people who viewed your recent projects also viewed this"

REASON_FINDERS: tuple[ReasonFinder, ...] = (
    ReasonFinder(INTEREST_SIGNALS, _interests),
    ReasonFinder(TEXT_SIGNALS, _similar(SimilarityBasis.TEXT)),
    ReasonFinder(NEIGHBOR_SIGNALS, _similar(SimilarityBasis.PEOPLE)),
    ReasonFinder(OWNER_SIGNALS, _from_owner),
    ReasonFinder((Signal.KEYWORD_MATCH,), _words),
    ReasonFinder((Signal.COLLABORATIVE,), _similar_people_like),
    ReasonFinder(TASTE_SIGNALS, _similar_people_viewed("people:taste", TASTE_SIGNALS, _TASTE)),
    ReasonFinder(CO_VIEWER_SIGNALS, _similar_people_viewed("people:company", CO_VIEWER_SIGNALS, _SESSION)),
    ReasonFinder((Signal.POPULARITY, Signal.LIKES, Signal.RECENT_POPULARITY), _popular),
    ReasonFinder(tuple(WINDOW_OF_SIGNAL), _trending),
    ReasonFinder(
        (Signal.FRESHNESS, Signal.AGE, Signal.EVENTS_SINCE_CREATION, Signal.GRAVITY), _fresh, _weigh_any_contribution
    ),
    ReasonFinder((), _exploration, _weigh_exploration),
)
"""Finders of all kinds of reasons. Finders with equal weights keep this order."""
