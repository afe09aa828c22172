"""Why a project is here, in words: the evidence behind the contributions, as typed objects."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from db.errors import StoreUnavailable
from db.models import EngagementKind, TermKind
from db.profiles import Tag, Touch
from db.projects import Card, Feature, cards_by_id, features
from db.stores import Stores
from db.vectors.base import VectorStore
from db.vectors.keywords import matched
from db.velocity import Comings
from db.words import texts_by_id
from scoring import trending, weights
from scoring.deadlines import SERVING, Deadlines
from scoring.features import incidences
from scoring.profile import Profile
from scoring.ranking import Explained, Rule
from scoring.velocity import Window
from scoring.weights import Signal


@dataclass(frozen=True, slots=True)
class StatedInterest:
    """The project carries a term that the viewer has as a tag."""

    id: str
    text: str
    term_id: int
    name: str
    kind: TermKind
    confidence: float
    group: str = "stated"


@dataclass(frozen=True, slots=True)
class SimilarToProject:
    """The project's vector is near to that of a project the viewer has touched. `action` is a past tense."""

    id: str
    text: str
    project_id: int
    similarity: float
    action: str
    at: datetime
    group: str = "behavior"


@dataclass(frozen=True, slots=True)
class PeopleLikeYou:
    """People like the viewer like it; `count` is never below `weights.PEOPLE_FLOOR`, and 10 stands for more too."""

    id: str
    text: str
    count: int
    group: str = "people"


@dataclass(frozen=True, slots=True)
class Popular:
    """Many people like it."""

    id: str
    text: str
    likes: int
    group: str = "people"


@dataclass(frozen=True, slots=True)
class TrendingNow:
    """People come to it now; `people` came within the window, `usual` on average within the windows before."""

    id: str
    text: str
    people: int
    window: Window
    usual: float
    group: str = "people"


@dataclass(frozen=True, slots=True)
class KeywordMatch:
    """The project has words that were searched for."""

    id: str
    text: str
    terms: tuple[str, ...]
    group: str = "content"


@dataclass(frozen=True, slots=True)
class Fresh:
    """It is new."""

    id: str
    text: str
    age_days: float
    group: str = "time"


Reason = StatedInterest | SimilarToProject | PeopleLikeYou | Popular | TrendingNow | KeywordMatch | Fresh

_OF_AGE = (Signal.FRESHNESS, Signal.AGE, Signal.GRAVITY)
"""The signals that speak of a project's age; who has none of them is not "because it is new"."""

_PAST_TENSE = {
    EngagementKind.LIKE: "liked",
    EngagementKind.BOOKMARK: "saved",
    EngagementKind.COMMENT: "commented on",
    EngagementKind.FOLLOW: "followed",
    EngagementKind.VIEW: "viewed",
    EngagementKind.CLICK: "opened",
}
"""The most telling action first."""


async def find_reasons(
    stores: Stores,
    profile: Profile,
    explained: Sequence[Explained],
    at: datetime,
    deadlines: Deadlines = SERVING,
) -> dict[int, tuple[Reason, ...]]:
    """Find the evidence for a page's projects, set-based: two statements and one call to the vector store.

    A search's page costs one more statement, for the words that matched.

    Returns
    -------
    Reasons by project id, those behind the largest contribution first.
    """
    ids = [one.project_id for one in explained]
    known = {feature.id: feature for feature in await features(stores.database, ids, profile.viewer.actor_id)}
    evidence = _Evidence(
        profile,
        await _similar(stores, profile, ids, deadlines),
        await _matched_words(stores, explained),
        await trending.evidence(stores.database, explained, at),
        at,
    )
    return {
        one.project_id: _reasons(one, known[one.project_id], evidence) for one in explained if one.project_id in known
    }


def summary(explained: Explained, found: Sequence[Reason]) -> str:
    """Say in one plain sentence why the project is here; `found` as `find_reasons` orders it."""
    if any(moved.rule is Rule.REMAINDER for moved in explained.adjustments):
        return "Further down in the catalogue, newest first."
    if explained.signals == (Signal.CREATED_AT,):
        return "Among the newest projects."
    told = [reason.text for reason in found[:2]]
    if not told and explained.contribution(Signal.QUERY_SIMILARITY) > 0:
        return "Among the closest in meaning to what you searched for."
    if not told and explained.contribution(Signal.PROJECT_SIMILARITY) > 0:
        return "Similar to the project that you look at."
    if not told:
        return "Picked to round off your page."
    return f"{told[0]}." if len(told) == 1 else f"{told[0]}; {told[1][0].lower()}{told[1][1:]}."


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What was looked up for all projects of a page together; `similar`, `words` and `comings` by project id."""

    profile: Profile
    similar: Mapping[int, SimilarToProject]
    words: Mapping[int, tuple[str, ...]]
    comings: Mapping[int, tuple[Window, Comings]]
    at: datetime


def _reasons(explained: Explained, feature: Feature, evidence: _Evidence) -> tuple[Reason, ...]:
    worth: list[tuple[int, Reason]] = []
    stated = explained.contribution(Signal.EXPLICIT_PREFERENCES)
    if stated > 0:
        worth += [(stated, reason) for reason in _stated(feature, evidence.profile.tags)]
    content = explained.contribution(Signal.VECTOR_SIMILARITY)
    if content > 0 and feature.id in evidence.similar:
        worth.append((content, evidence.similar[feature.id]))
    said = explained.contribution(Signal.KEYWORD_MATCH)
    if said > 0 and evidence.words.get(feature.id):
        worth.append((said, _said(evidence.words[feature.id])))
    people = explained.contribution(Signal.COLLABORATIVE)
    if people > 0:
        value = explained.values[explained.signals.index(Signal.COLLABORATIVE)]
        worth.append((people, _people(round(value * weights.LIKES_FOR_FULL_COLLABORATION))))
    counted = (Signal.POPULARITY, Signal.LIKES, Signal.PEOPLE_LATELY)
    liked = sum(explained.contribution(signal) for signal in counted)
    if liked > 0 and feature.like_count >= weights.PEOPLE_FLOOR:
        worth.append((liked, Popular("popular", f"{feature.like_count} people like it", feature.like_count)))
    if feature.id in evidence.comings:
        window, came = evidence.comings[feature.id]
        moved = explained.contribution(trending.PEOPLE_OF[window])
        if moved > 0 and came.people >= weights.PEOPLE_FLOOR:
            worth.append((moved, _trending(window, came)))
    age_days = max((evidence.at - feature.created_at).total_seconds() / 86_400, 0.0)
    young = sum(explained.contribution(signal) for signal in _OF_AGE)
    if age_days <= weights.FRESH_DAYS and young > 0:
        worth.append((young, Fresh("fresh", _age(age_days), age_days)))
    return tuple(reason for _, reason in sorted(worth, key=lambda pair: -pair[0]))


def _stated(feature: Feature, tags: Sequence[Tag]) -> list[Reason]:
    carried = {int(id_) for part in incidences([feature.terms]).values() for id_ in part.terms}
    return [
        StatedInterest(
            f"interest:{tag.kind}:{tag.key}",
            f"It is about {tag.name}, one of your interests"
            if tag.kind is not TermKind.TOOL
            else f"It uses {tag.name}, one of your interests",
            tag.term_id,
            tag.name,
            tag.kind,
            tag.confidence,
        )
        for tag in tags
        if tag.term_id in carried
    ]


def _people(count: int) -> PeopleLikeYou:
    many = f"{count} or more" if count >= weights.LIKES_FOR_FULL_COLLABORATION else str(count)
    return PeopleLikeYou("people", f"{many} people with your taste like it", count)


_WITHIN = {Window.HOUR: "an hour", Window.DAY: "24 hours", Window.WEEK: "7 days"}


def _trending(window: Window, came: Comings) -> TrendingNow:
    usual = f"{came.usual:.0f}" if came.usual >= 1 else "fewer than one" if came.usual > 0 else "nobody"
    text = f"{came.people} people in {_WITHIN[window]}, usually {usual}"
    return TrendingNow("trending", text, came.people, window, came.usual)


def _age(age_days: float) -> str:
    days = int(age_days)
    return "New today" if days == 0 else f"New: {days} day{'s' if days > 1 else ''} old"


def _said(words: tuple[str, ...]) -> KeywordMatch:
    listed = ", ".join(f"“{word}”" for word in words)
    return KeywordMatch("keywords", f"It says {listed}", words)


async def _matched_words(stores: Stores, explained: Sequence[Explained]) -> dict[int, tuple[str, ...]]:
    """Find the words that each project shares with the search that ranked it."""
    searched = {one.project_id: one.query for one in explained if one.query is not None}
    if not searched:
        return {}
    texts = await texts_by_id(stores.database, list(searched))
    return {id_: tuple(matched(query, texts.get(id_, ""))) for id_, query in searched.items()}


async def _similar(
    stores: Stores, profile: Profile, ids: Sequence[int], deadlines: Deadlines
) -> dict[int, SimilarToProject]:
    """Find for each project the most similar one that the viewer has touched lately, if it is similar enough."""
    touches = {touch.project_id: touch for touch in profile.touches[: weights.PROFILE_VECTOR_PROJECTS] if touch.kinds}
    if not touches:
        return {}
    try:
        async with asyncio.timeout(deadlines.vectors_s):
            nearest = await _nearest(stores.vectors, ids, list(touches))
    except (StoreUnavailable, TimeoutError):
        return {}  # evidence is an extra: the contributions stand without it
    titles = await cards_by_id(stores.database, [seed for seed, _ in nearest.values()], profile.viewer.user_id)
    return {
        id_: _similar_to(titles[seed], touches[seed], similarity)
        for id_, (seed, similarity) in nearest.items()
        if seed in titles
    }


async def _nearest(vectors: VectorStore, ids: Sequence[int], seeds: Sequence[int]) -> dict[int, tuple[int, float]]:
    known, rows = await vectors.project_vectors(np.array(sorted({*ids, *seeds}), dtype=np.int64))
    row_of = {int(id_): row for row, id_ in enumerate(known)}
    seeds = [seed for seed in seeds if seed in row_of]
    if not seeds:
        return {}
    likeness = rows @ rows[[row_of[seed] for seed in seeds]].T
    found: dict[int, tuple[int, float]] = {}
    for id_ in ids:
        others = [n for n, seed in enumerate(seeds) if seed != id_]
        if id_ not in row_of or not others:
            continue
        best = max(others, key=lambda n: float(likeness[row_of[id_], n]))
        similarity = float(likeness[row_of[id_], best])
        if similarity >= weights.SIMILAR_LEAST:
            found[id_] = (seeds[best], similarity)
    return found


def _similar_to(seed: Card, touch: Touch, similarity: float) -> SimilarToProject:
    action = next(word for kind, word in _PAST_TENSE.items() if touch.kinds & kind)
    text = f"Similar to “{seed.title}”, which you {action}"
    return SimilarToProject(f"similar:{seed.key}", text, seed.id, similarity, action, touch.last_at)
