"""Finds the reasons behind a page: one table that says which signals a reason speaks for, and how it is found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.catalog.project_cards import ProjectFeatures
from db.models import EngagementKind, InteractionType
from db.stores import Stores
from scoring import weights
from scoring.deadlines import SERVING, Deadlines
from scoring.explanation import page_evidence
from scoring.explanation.page_evidence import PageEvidence, SimilarProject, load_page_evidence, total_contribution
from scoring.explanation.reasons import (
    Basis,
    Exploration,
    Fresh,
    FromOwner,
    KeywordMatch,
    PeopleLikeYou,
    Popular,
    Reason,
    SimilarToProject,
    StatedInterest,
    TrendingNow,
)
from scoring.features import incidences
from scoring.mathematics.velocity import Window
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import ScoredProject
from scoring.weights import Signal

Found = Iterator[Reason]


@dataclass(frozen=True, slots=True)
class ReasonFinder:
    """How one kind of reason is found.

    Attributes
    ----------
    signals
        The signals that it speaks for.
    find
        Gives the reasons, if the evidence bears any.
    weighted_sum
        Gives the reason's weight, in millionths of score; below 0 there is none.
    """

    signals: tuple[Signal, ...]
    find: Callable[[ScoredProject, ProjectFeatures, PageEvidence], Found]
    weighted_sum: Callable[[ScoredProject, tuple[Signal, ...]], int] = lambda explained, signals: (
        total_contribution(explained, signals) or -1
    )


def _even_against(explained: ScoredProject, signals: tuple[Signal, ...]) -> int:
    """Let a reason be told, last, even where its signals only took something off.

    A new project is new even under a model in which age costs every project something.
    """
    counted = any(explained.contribution(signal) for signal in signals)
    return max(total_contribution(explained, signals), 0) if counted else -1


def _before_all(explained: ScoredProject, _: tuple[Signal, ...]) -> int:
    """Let it be told first if the project was drawn for its place: nothing else put it there."""
    added = sum(contribution for contribution in explained.contributions if contribution > 0)
    return -1 if explained.propensity is None else added + 1


async def find_reasons(
    stores: Stores,
    profile: Profile,
    explained: Sequence[ScoredProject],
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> dict[int, tuple[Reason, ...]]:
    """Find the reasons of a page's projects, set-based (see `page_evidence.load_page_evidence` for what it costs).

    Returns
    -------
    Reasons by project id, those behind the largest contribution first.
    """
    evidence = await load_page_evidence(stores, profile, explained, at, deadlines)
    return {
        one.project_id: _reasons(one, evidence.features[one.project_id], evidence)
        for one in explained
        if one.project_id in evidence.features
    }


def _reasons(explained: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> tuple[Reason, ...]:
    weighed = [(finder.weighted_sum(explained, finder.signals), finder) for finder in REASON_FINDERS]
    spoken = sorted((pair for pair in weighed if pair[0] >= 0), key=lambda pair: -pair[0])
    return tuple(reason for _, finder in spoken for reason in finder.find(explained, feature, evidence))


# --- what the viewer said and did -----------------------------------------------------------------------------------


def _interests(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
    carried = {int(id_) for part in incidences([feature.terms]).values() for id_ in part.terms}
    for tag in evidence.profile.tags:
        if tag.term_id in carried:
            id_ = f"interest:{tag.kind}:{tag.key}"
            text = f"Matches your interest in {tag.name}"
            yield StatedInterest(id_, text, tag.term_id, tag.key, tag.name, tag.kind, tag.confidence)


ACTIONS = {
    EngagementKind.LIKE: (InteractionType.LIKE, "liked"),
    EngagementKind.SAVE: (InteractionType.SAVE, "saved"),
    EngagementKind.COMMENT: (InteractionType.COMMENT, "commented on"),
    EngagementKind.FOLLOW: (InteractionType.FOLLOW, "followed"),
    EngagementKind.VIEW: (InteractionType.VIEW, "viewed"),
    EngagementKind.CLICK: (InteractionType.CLICK, "opened"),
}
"""The most telling action first."""


def strongest_action(kinds: int) -> tuple[InteractionType, str]:
    """Give the most telling of what a viewer did with a project, and its past tense."""
    return next(told for kind, told in ACTIONS.items() if kinds & kind)


def _similar_by(basis: Basis) -> Callable[[ScoredProject, ProjectFeatures, PageEvidence], Found]:
    def find(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
        for likeness in evidence.alike.get(feature.id, ()):
            if likeness.basis is basis:
                yield _similar(likeness)

    return find


def _similar(likeness: SimilarProject) -> SimilarToProject:
    action, verb = strongest_action(likeness.engagement.kinds)
    seed, engagement, basis = likeness.seed, likeness.engagement, likeness.basis
    by_text = basis is Basis.TEXT
    text = (
        f"Similar to “{seed.title}”, which you {verb}"
        if by_text
        else f"People who viewed “{seed.title}” also viewed this"
    )
    id_ = f"{'similar' if by_text else 'neighbour'}:{seed.key}"
    return SimilarToProject(id_, text, seed.id, likeness.similarity, basis, action, engagement.last_at)


def _from_owner(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
    if feature.id in evidence.owners:
        owner, count = evidence.owners[feature.id]
        others = "another project" if count == 1 else f"{count} other projects"
        text = f"By {owner.username}, who made {others} you viewed"
        yield FromOwner(f"owner:{owner.key}", text, owner.id, count)


# --- other people ---------------------------------------------------------------------------------------------------


def _neighbours(explained: ScoredProject, _: ProjectFeatures, __: PageEvidence) -> Found:
    value = explained.values[explained.signals.index(Signal.COLLABORATIVE)]
    count = round(value * weights.LIKES_FOR_FULL_COLLABORATION)
    many = f"{count} or more" if count >= weights.LIKES_FOR_FULL_COLLABORATION else str(count)
    yield PeopleLikeYou("people", f"{many} people with similar taste like this", count)


def _crowd(
    id_: str, signals: tuple[Signal, ...], words: str
) -> Callable[[ScoredProject, ProjectFeatures, PageEvidence], Found]:
    def find(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
        count = evidence.crowds.get(signals, {}).get(feature.id, 0)
        if count >= weights.ANONYMITY_FLOOR:
            yield PeopleLikeYou(id_, f"{count} {words}", count)

    return find


def _popular(_: ScoredProject, feature: ProjectFeatures, __: PageEvidence) -> Found:
    if feature.like_count >= weights.ANONYMITY_FLOOR:
        yield Popular("popular", f"{feature.like_count} people like this", feature.like_count)


_WITHIN = {Window.HOUR: "in the last hour", Window.DAY: "today", Window.WEEK: "this week"}

_FAR_MORE = 4.0
"""Visitors of a window over those of such a window on average from which on it is called far more."""

_MORE = 1.25
"""The same for more; below it, the number is as usual."""


def _trending(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
    moving = evidence.moving.get(feature.id)
    if moving is not None and moving.count_first_engagements.people >= weights.ANONYMITY_FLOOR:
        window, (people, usual) = moving
        text = f"{people} visitors {_WITHIN[window]}, {_compared(people, usual)}"
        yield TrendingNow("trending", text, people, window, usual)


def _compared(people: int, usual: float) -> str:
    if people >= _FAR_MORE * usual:
        return "far more than usual"
    if people >= _MORE * usual:
        return "more than usual"
    return "about as many as usual" if people * _MORE >= usual else "fewer than usual"


# --- words, time and lot ----------------------------------------------------------------------------------------------


def _words(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
    words = evidence.words.get(feature.id)
    if words:
        yield KeywordMatch("keywords", f"Contains {', '.join(f'“{word}”' for word in words)}", words)


def _fresh(_: ScoredProject, feature: ProjectFeatures, evidence: PageEvidence) -> Found:
    age_days = max((evidence.at - feature.created_at).total_seconds() / 86_400, 0.0)
    if age_days <= weights.FRESH_DAYS:
        days = int(age_days)
        text = "Added today" if days == 0 else f"Added {days} day{'s' if days > 1 else ''} ago"
        yield Fresh("fresh", text, age_days)


def _exploration(explained: ScoredProject, _: ProjectFeatures, __: PageEvidence) -> Found:
    if explained.propensity is not None:
        yield Exploration("exploration", "New here; we're testing interest", explained.propensity)


REASON_FINDERS: tuple[ReasonFinder, ...] = (
    ReasonFinder((Signal.EXPLICIT_PREFERENCES, Signal.ANSWER_MATCHES), _interests),
    ReasonFinder(page_evidence.TEXT_SIGNALS, _similar_by(Basis.TEXT)),
    ReasonFinder(page_evidence.NEIGHBOR_SIGNALS, _similar_by(Basis.PEOPLE)),
    ReasonFinder(page_evidence.OWNER_SIGNALS, _from_owner),
    ReasonFinder((Signal.KEYWORD_MATCH,), _words),
    ReasonFinder((Signal.COLLABORATIVE,), _neighbours),
    ReasonFinder(
        page_evidence.TASTE_SIGNALS,
        _crowd("people:taste", page_evidence.TASTE_SIGNALS, "people with similar taste viewed this recently"),
    ),
    ReasonFinder(
        page_evidence.CO_VIEWER_SIGNALS,
        _crowd(
            "people:company", page_evidence.CO_VIEWER_SIGNALS, "people who viewed your recent projects also viewed this"
        ),
    ),
    ReasonFinder(
        page_evidence.USER_NEIGHBOR_SIGNALS,
        _crowd("people:alike", page_evidence.USER_NEIGHBOR_SIGNALS, "of the people most similar to you viewed this"),
    ),
    ReasonFinder((Signal.POPULARITY, Signal.LIKES, Signal.RECENT_POPULARITY), _popular),
    ReasonFinder(tuple(page_evidence.WINDOW_OF_SIGNAL), _trending),
    ReasonFinder((Signal.FRESHNESS, Signal.AGE, Signal.EVENTS_SINCE_CREATION, Signal.GRAVITY), _fresh, _even_against),
    ReasonFinder((), _exploration, _before_all),
)
"""Every kind of reason. Of two with the same weight, the one further up is told first."""
