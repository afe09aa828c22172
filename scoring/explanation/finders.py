"""Finds the reasons behind a page: one table that says which signals a reason speaks for, and how it is found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.models import EngagementKind, InteractionType
from db.projects import Feature
from db.stores import Stores
from scoring import weights
from scoring.deadlines import SERVING, Deadlines
from scoring.explanation import page_evidence
from scoring.explanation.page_evidence import Likeness, PageEvidence, gained, look_up
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
from scoring.stored.ranking import Explained
from scoring.velocity import Window
from scoring.viewers.profile import Profile
from scoring.weights import Signal

Found = Iterator[Reason]


@dataclass(frozen=True, slots=True)
class Finder:
    """How one kind of reason is found.

    Attributes
    ----------
    signals
        The signals that it speaks for.
    find
        Gives the reasons, if the evidence bears any.
    weigh
        Gives the reason's weight, in millionths of score; below 0 there is none.
    """

    signals: tuple[Signal, ...]
    find: Callable[[Explained, Feature, PageEvidence], Found]
    weigh: Callable[[Explained, tuple[Signal, ...]], int] = lambda explained, signals: gained(explained, signals) or -1


def _even_against(explained: Explained, signals: tuple[Signal, ...]) -> int:
    """Let a reason be told, last, even where its signals only took something off.

    A new project is new even under a model in which age costs every project something.
    """
    counted = any(explained.contribution(signal) for signal in signals)
    return max(gained(explained, signals), 0) if counted else -1


def _before_all(explained: Explained, _: tuple[Signal, ...]) -> int:
    """Let it be told first if the project was drawn for its place: nothing else put it there."""
    added = sum(contribution for contribution in explained.contributions if contribution > 0)
    return -1 if explained.propensity is None else added + 1


async def find_reasons(
    stores: Stores,
    profile: Profile,
    explained: Sequence[Explained],
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> dict[int, tuple[Reason, ...]]:
    """Find the reasons of a page's projects, set-based (see `page_evidence.look_up` for what it costs).

    Returns
    -------
    Reasons by project id, those behind the largest contribution first.
    """
    evidence = await look_up(stores, profile, explained, at, deadlines)
    return {
        one.project_id: _reasons(one, evidence.features[one.project_id], evidence)
        for one in explained
        if one.project_id in evidence.features
    }


def _reasons(explained: Explained, feature: Feature, evidence: PageEvidence) -> tuple[Reason, ...]:
    weighed = [(finder.weigh(explained, finder.signals), finder) for finder in FINDERS]
    spoken = sorted((pair for pair in weighed if pair[0] >= 0), key=lambda pair: -pair[0])
    return tuple(reason for _, finder in spoken for reason in finder.find(explained, feature, evidence))


# --- what the viewer said and did -----------------------------------------------------------------------------------


def _interests(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
    carried = {int(id_) for part in incidences([feature.terms]).values() for id_ in part.terms}
    for tag in evidence.profile.tags:
        if tag.term_id in carried:
            id_ = f"interest:{tag.kind}:{tag.key}"
            text = f"Matches your interest in {tag.name}"
            yield StatedInterest(id_, text, tag.term_id, tag.key, tag.name, tag.kind, tag.confidence)


ACTIONS = {
    EngagementKind.LIKE: (InteractionType.LIKE, "liked"),
    EngagementKind.BOOKMARK: (InteractionType.BOOKMARK, "saved"),
    EngagementKind.COMMENT: (InteractionType.COMMENT, "commented on"),
    EngagementKind.FOLLOW: (InteractionType.FOLLOW, "followed"),
    EngagementKind.VIEW: (InteractionType.VIEW, "viewed"),
    EngagementKind.CLICK: (InteractionType.CLICK, "opened"),
}
"""The most telling action first."""


def strongest_action(kinds: int) -> tuple[InteractionType, str]:
    """Give the most telling of what a viewer did with a project, and its past tense."""
    return next(told for kind, told in ACTIONS.items() if kinds & kind)


def _similar_by(basis: Basis) -> Callable[[Explained, Feature, PageEvidence], Found]:
    def find(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
        for likeness in evidence.alike.get(feature.id, ()):
            if likeness.basis is basis:
                yield _similar(likeness)

    return find


def _similar(likeness: Likeness) -> SimilarToProject:
    action, verb = strongest_action(likeness.touch.kinds)
    seed, touch, basis = likeness.seed, likeness.touch, likeness.basis
    by_text = basis is Basis.TEXT
    text = (
        f"Similar to “{seed.title}”, which you {verb}"
        if by_text
        else f"People who viewed “{seed.title}” also viewed this"
    )
    id_ = f"{'similar' if by_text else 'neighbour'}:{seed.key}"
    return SimilarToProject(id_, text, seed.id, likeness.similarity, basis, action, touch.last_at)


def _from_owner(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
    if feature.id in evidence.owners:
        owner, count = evidence.owners[feature.id]
        others = "another project" if count == 1 else f"{count} other projects"
        text = f"By {owner.username}, who made {others} you viewed"
        yield FromOwner(f"owner:{owner.key}", text, owner.id, count)


# --- other people ---------------------------------------------------------------------------------------------------


def _neighbours(explained: Explained, _: Feature, __: PageEvidence) -> Found:
    value = explained.values[explained.signals.index(Signal.COLLABORATIVE)]
    count = round(value * weights.LIKES_FOR_FULL_COLLABORATION)
    many = f"{count} or more" if count >= weights.LIKES_FOR_FULL_COLLABORATION else str(count)
    yield PeopleLikeYou("people", f"{many} people with similar taste like this", count)


def _crowd(id_: str, signals: tuple[Signal, ...], words: str) -> Callable[[Explained, Feature, PageEvidence], Found]:
    def find(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
        count = evidence.crowds.get(signals, {}).get(feature.id, 0)
        if count >= weights.PEOPLE_FLOOR:
            yield PeopleLikeYou(id_, f"{count} {words}", count)

    return find


def _popular(_: Explained, feature: Feature, __: PageEvidence) -> Found:
    if feature.like_count >= weights.PEOPLE_FLOOR:
        yield Popular("popular", f"{feature.like_count} people like this", feature.like_count)


_WITHIN = {Window.HOUR: "in the last hour", Window.DAY: "today", Window.WEEK: "this week"}

_FAR_MORE = 4.0
"""Visitors of a window over those of such a window on average from which on it is called far more."""

_MORE = 1.25
"""The same for more; below it, the number is as usual."""


def _trending(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
    moving = evidence.moving.get(feature.id)
    if moving is not None and moving.comings.people >= weights.PEOPLE_FLOOR:
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


def _words(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
    words = evidence.words.get(feature.id)
    if words:
        yield KeywordMatch("keywords", f"Contains {', '.join(f'“{word}”' for word in words)}", words)


def _fresh(_: Explained, feature: Feature, evidence: PageEvidence) -> Found:
    age_days = max((evidence.at - feature.created_at).total_seconds() / 86_400, 0.0)
    if age_days <= weights.FRESH_DAYS:
        days = int(age_days)
        text = "Added today" if days == 0 else f"Added {days} day{'s' if days > 1 else ''} ago"
        yield Fresh("fresh", text, age_days)


def _exploration(explained: Explained, _: Feature, __: PageEvidence) -> Found:
    if explained.propensity is not None:
        yield Exploration("exploration", "New here; we're testing interest", explained.propensity)


FINDERS: tuple[Finder, ...] = (
    Finder((Signal.EXPLICIT_PREFERENCES, Signal.ANSWER_MATCHES), _interests),
    Finder(page_evidence.OF_TEXT, _similar_by(Basis.TEXT)),
    Finder(page_evidence.OF_NEIGHBOURS, _similar_by(Basis.PEOPLE)),
    Finder(page_evidence.OF_OWNER, _from_owner),
    Finder((Signal.KEYWORD_MATCH,), _words),
    Finder((Signal.COLLABORATIVE,), _neighbours),
    Finder(
        page_evidence.OF_TASTE,
        _crowd("people:taste", page_evidence.OF_TASTE, "people with similar taste viewed this recently"),
    ),
    Finder(
        page_evidence.OF_COMPANY,
        _crowd("people:company", page_evidence.OF_COMPANY, "people who viewed your recent projects also viewed this"),
    ),
    Finder(
        page_evidence.OF_FELLOWS,
        _crowd("people:alike", page_evidence.OF_FELLOWS, "of the people most similar to you viewed this"),
    ),
    Finder((Signal.POPULARITY, Signal.LIKES, Signal.PEOPLE_LATELY), _popular),
    Finder(tuple(page_evidence.WINDOW_OF), _trending),
    Finder((Signal.FRESHNESS, Signal.AGE, Signal.EVENTS_SINCE, Signal.GRAVITY), _fresh, _even_against),
    Finder((), _exploration, _before_all),
)
"""Every kind of reason. Of two with the same weight, the one further up is told first."""
