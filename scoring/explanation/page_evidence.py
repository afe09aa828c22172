"""What is looked up for a page's reasons, for all its projects together, and only if its signals ask for it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from db.activity.velocity import Comings, comings
from db.errors import StoreUnavailable
from db.people.profiles import Touch
from db.people.users import UserCard, users_by_id
from db.projects import Card, Feature, cards_by_id, features
from db.stores import Stores
from db.vectors.analysis import matched
from db.vectors.base import VectorStore
from db.words import texts_by_id
from scoring import weights
from scoring.crowd.evidence import load_evidence
from scoring.crowd.history import Deeds, Evidence
from scoring.deadlines import SERVING, Deadlines
from scoring.explanation.reasons import Basis
from scoring.features import feature_table
from scoring.pipelines import trending
from scoring.signals import Integers
from scoring.stored.ranking import Explained
from scoring.velocity import Window
from scoring.viewers.profile import Profile
from scoring.weights import Signal

OF_TEXT = (Signal.VECTOR_SIMILARITY, Signal.PERSONAL_BOOST)
OF_NEIGHBOURS = (Signal.NEIGHBOURS, Signal.NEIGHBOURS_SHARE, Signal.WALK, Signal.EASE)
OF_TASTE = (
    Signal.TASTE_OF_PEOPLE,
    Signal.TASTE_OF_CROWD,
    Signal.TASTE_NOW,
    Signal.CIRCLE_OF_PEOPLE,
    Signal.CIRCLE_OF_CROWD,
    Signal.CIRCLE_NOW,
)
OF_COMPANY = (Signal.COMPANY,)
OF_FELLOWS = (Signal.PEOPLE_LIKE_YOU,)
OF_OWNER = (Signal.SAME_OWNER,)
_OF_BEHAVIOUR = (*OF_NEIGHBOURS, *OF_TASTE, *OF_COMPANY, *OF_FELLOWS, *OF_OWNER)

WINDOW_OF: Mapping[Signal, Window] = {
    **{signal: window for window, signal in trending.PEOPLE_OF.items()},
    Signal.PEOPLE_15M: Window.HOUR,
    Signal.PEOPLE_1H: Window.HOUR,
    Signal.PEOPLE_6H: Window.DAY,
    Signal.PEOPLE_1D: Window.DAY,
    Signal.PEOPLE_3D: Window.WEEK,
    Signal.PEOPLE_14D: Window.WEEK,
    Signal.PEOPLE_LATELY_ALL: Window.WEEK,
    Signal.PEOPLE_RATE: Window.WEEK,
}
"""The window in which a signal's people are best counted for a reader: the longer the half-life, the longer it is."""


class Likeness(NamedTuple):
    """What makes a project similar to one that the viewer touched; a cosine, of vectors or of who touches both."""

    seed: Card
    touch: Touch
    similarity: float
    basis: Basis


class Movement(NamedTuple):
    """How many people came within a window."""

    window: Window
    comings: Comings


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """What is known of a page's projects, each mapping by project id.

    Attributes
    ----------
    alike
        The most similar of the viewer's projects, by text and by people.
    words
        The words that a search found.
    moving
        How many people came.
    crowds
        For each group of signals, how many people of like taste, of the same company, or most like the viewer came.
    owners
        The owner, and how many other projects of the same owner the viewer touched.
    """

    profile: Profile
    at: datetime
    features: Mapping[int, Feature]
    alike: Mapping[int, tuple[Likeness, ...]]
    words: Mapping[int, tuple[str, ...]]
    moving: Mapping[int, Movement]
    crowds: Mapping[tuple[Signal, ...], Mapping[int, int]]
    owners: Mapping[int, tuple[UserCard, int]]


async def look_up(
    stores: Stores, profile: Profile, explained: Sequence[Explained], at: datetime, deadlines: Deadlines = SERVING
) -> PageEvidence:
    """Look up the evidence for a page: one statement and what its signals ask for, however many projects there are.

    Similarity by text costs a call to the vector store, every similarity a statement for titles; words one; people who
    come one for each window; behaviour what `load_evidence` costs, and one for owners.
    """
    database = stores.database
    known = {
        one.id: one for one in await features(database, [e.project_id for e in explained], profile.viewer.actor_id)
    }
    behind = await _behaviour(stores, profile, explained, known, at)
    by_text = await _near(stores, profile, speaking_for(explained, OF_TEXT), deadlines)
    by_people = {} if behind is None else _kin(*behind, speaking_for(explained, OF_NEIGHBOURS))
    return PageEvidence(
        profile=profile,
        at=at,
        features=known,
        alike=await _titled(stores, profile, {Basis.TEXT: by_text, Basis.PEOPLE: by_people}),
        words=await _matched_words(stores, explained),
        moving=await _moving(stores, explained, at),
        crowds={} if behind is None else _crowds(*behind),
        owners={} if behind is None else await _owners(stores, known, *behind),
    )


def gained(explained: Explained, signals: Iterable[Signal]) -> int:
    """Give what some signals together added to the score, in millionths."""
    return sum(explained.contribution(signal) for signal in signals)


def speaking_for(explained: Sequence[Explained], signals: Iterable[Signal]) -> list[int]:
    """Give the projects to whose score some signals added something."""
    wanted = tuple(signals)
    return [one.project_id for one in explained if gained(one, wanted) > 0]


# --- words and numbers of people ------------------------------------------------------------------------------------


async def _matched_words(stores: Stores, explained: Sequence[Explained]) -> dict[int, tuple[str, ...]]:
    """Find the words that each project shares with the search that ranked it."""
    searched = {one.project_id: one.query for one in explained if one.query is not None}
    if not searched:
        return {}
    texts = await texts_by_id(stores.database, list(searched))
    return {id_: tuple(matched(query, texts.get(id_, ""))) for id_, query in searched.items()}


async def _moving(stores: Stores, explained: Sequence[Explained], at: datetime) -> dict[int, Movement]:
    """Count people in the window of the signal that added most, one statement for each window on the page."""
    wanted: dict[Window, list[int]] = {}
    for one in explained:
        strongest = max(WINDOW_OF, key=one.contribution)
        if one.contribution(strongest) > 0:
            wanted.setdefault(WINDOW_OF[strongest], []).append(one.project_id)
    found: dict[int, Movement] = {}
    for window, ids in wanted.items():
        counted = await comings(stores.database, ids, trending.LENGTH[window], at)
        found |= {id_: Movement(window, came) for id_, came in counted.items()}
    return found


# --- what is similar ------------------------------------------------------------------------------------------------

_Nearest = dict[int, tuple[int, float]]
"""By project id: the nearest of the viewer's projects, and how near."""


async def _titled(
    stores: Stores, profile: Profile, nearest: Mapping[Basis, _Nearest]
) -> dict[int, tuple[Likeness, ...]]:
    """Read the projects that others are similar to; one that is not to be seen any more is no evidence."""
    seeds = {seed for found in nearest.values() for seed, _ in found.values()}
    if not seeds:
        return {}
    cards = await cards_by_id(stores.database, sorted(seeds), profile.viewer.user_id)
    touches = {touch.project_id: touch for touch in profile.touches}
    alike: dict[int, tuple[Likeness, ...]] = {}
    for basis, found in nearest.items():
        for id_, (seed, similarity) in found.items():
            if seed in cards:
                likeness = Likeness(cards[seed], touches[seed], similarity, basis)
                alike[id_] = (*alike.get(id_, ()), likeness)
    return alike


async def _near(stores: Stores, profile: Profile, ids: Sequence[int], deadlines: Deadlines) -> _Nearest:
    """Find for each project the most similar one that the viewer touched lately, if it is similar enough."""
    seeds = [touch.project_id for touch in profile.touches[: weights.PROFILE_VECTOR_PROJECTS] if touch.kinds]
    if not seeds or not ids:
        return {}
    try:
        async with asyncio.timeout(deadlines.vectors_s):
            return await _nearest(stores.vectors, ids, seeds)
    except (StoreUnavailable, TimeoutError):
        return {}  # evidence is an extra: the contributions stand without it


async def _nearest(vectors: VectorStore, ids: Sequence[int], seeds: Sequence[int]) -> _Nearest:
    known, rows = await vectors.project_vectors(np.array(sorted({*ids, *seeds}), dtype=np.int64))
    row_of = {int(id_): row for row, id_ in enumerate(known)}
    seeds = [seed for seed in seeds if seed in row_of]
    if not seeds:
        return {}
    likeness = rows @ rows[[row_of[seed] for seed in seeds]].T
    found: _Nearest = {}
    for id_ in ids:
        others = [n for n, seed in enumerate(seeds) if seed != id_]
        if id_ not in row_of or not others:
            continue
        best = max(others, key=lambda n: float(likeness[row_of[id_], n]))
        similarity = float(likeness[row_of[id_], best])
        if similarity >= weights.SIMILAR_LEAST:
            found[id_] = (seeds[best], similarity)
    return found


# --- behaviour ------------------------------------------------------------------------------------------------------


async def _behaviour(
    stores: Stores, profile: Profile, explained: Sequence[Explained], known: Mapping[int, Feature], at: datetime
) -> tuple[Integers, Evidence] | None:
    """Read what the behaviour signals read, for those projects that they speak for."""
    ids = [id_ for id_ in speaking_for(explained, _OF_BEHAVIOUR) if id_ in known]
    if not ids:
        return None
    table = feature_table([known[id_] for id_ in ids], at)
    asked = {signal for one in explained for signal in one.signals}
    return table.ids, await load_evidence(stores, profile, table, at, asked)


def _kin(ids: Integers, evidence: Evidence, wanted: Sequence[int]) -> _Nearest:
    """Find for each project the one of the viewer's that shares most people with it, by whatever list has it."""
    found: _Nearest = {}
    for links in evidence.links.values():
        for row, touch, similarity in zip(*(part.tolist() for part in links), strict=True):
            id_, seed = int(ids[row]), int(evidence.touches.projects[touch])
            if seed != id_ and similarity > found.get(id_, (0, 0.0))[1]:
                found[id_] = (seed, similarity)
    return {id_: found[id_] for id_ in wanted if id_ in found}


def _crowds(ids: Integers, evidence: Evidence) -> dict[tuple[Signal, ...], dict[int, int]]:
    deeds = {OF_TASTE: evidence.deeds, OF_COMPANY: evidence.company, OF_FELLOWS: evidence.fellows}
    return {signals: _people(ids, of) for signals, of in deeds.items()}


def _people(ids: Integers, deeds: Deeds) -> dict[int, int]:
    """Count the people who are alike at all, by project."""
    alike = Counter(ids[deeds.rows[deeds.similarity > 0]].tolist())
    return {id_: count for id_, count in alike.items() if count >= weights.PEOPLE_FLOOR}


async def _owners(
    stores: Stores, known: Mapping[int, Feature], ids: Integers, evidence: Evidence
) -> dict[int, tuple[UserCard, int]]:
    own = set(evidence.touches.projects.tolist())  # a touch of the project itself is none of another one
    others = zip(ids.tolist(), evidence.owner_touches.tolist(), strict=True)
    touched = {id_: left for id_, count in others if (left := int(count) - (id_ in own)) > 0}
    owners = {id_: owner for id_ in touched if (owner := known[id_].owner_id) is not None}
    if not owners:
        return {}
    cards = await users_by_id(stores.database, sorted(set(owners.values())))
    return {id_: (cards[owner], touched[id_]) for id_, owner in owners.items() if owner in cards}
