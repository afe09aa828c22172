"""What of a viewer's own doing stands behind a project's score: tags and touches, each with its share.

The shares are estimates: they say where to look. What really follows from taking something away is found out by ranking
again (`scoring.explanation.counterfactual`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from db.neighbors import owners_of
from db.people.profiles import Tag, Touch, Without
from db.projects import Feature, features
from db.stores import Stores
from db.vectors.base import VectorStore
from scoring import weights
from scoring.crowd.evidence import load_evidence
from scoring.explanation.page_evidence import OF_COMPANY, OF_NEIGHBOURS, OF_OWNER, gained
from scoring.features import feature_table, incidences
from scoring.stored.ranking import Explained
from scoring.viewers.profile import WORTH, Profile, importance
from scoring.weights import Signal

OF_INTERESTS = (Signal.EXPLICIT_PREFERENCES, Signal.ANSWER_MATCHES)
OF_PEOPLE = (Signal.COLLABORATIVE,)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something of the viewer's own that may be taken away: a tag, or all that was done with a project."""

    tag: Tag | None = None
    touch: Touch | None = None

    @property
    def without(self) -> Without:
        """What a profile without it leaves out."""
        if self.tag is not None:
            return Without(terms=frozenset({self.tag.term_id}))
        return Without(projects=frozenset({self.touch.project_id})) if self.touch is not None else Without()


Shares = dict[Cause, float]


async def likeliest(
    stores: Stores, profile: Profile, explained: Explained, at: datetime, most: int
) -> tuple[Cause, ...]:
    """Give the causes with the largest shares in a project's score, the largest first."""
    found = await features(stores.database, [explained.project_id], profile.viewer.actor_id)
    if not found:
        return ()
    feature = found[0]
    shares: Shares = defaultdict(float)
    for part in (
        _of_interests(explained, feature, profile),
        _of_text(explained, profile, await _likeness(stores.vectors, explained.project_id, profile), at),
        _of_tools(explained, feature, profile),
        _of_people(explained, profile),
        await _of_behaviour(stores, explained, feature, profile, at),
    ):
        for cause, share in part.items():
            shares[cause] += share
    ordered = sorted((cause for cause, share in shares.items() if share > 0), key=lambda cause: -shares[cause])
    return tuple(ordered[:most])


def _of_interests(explained: Explained, feature: Feature, profile: Profile) -> Shares:
    carried = _terms(feature.terms)
    matching = {tag: tag.confidence * WORTH[tag.kind] for tag in profile.tags if tag.term_id in carried}
    return _divided(gained(explained, OF_INTERESTS), {Cause(tag): worth for tag, worth in matching.items()})


def _of_text(explained: Explained, profile: Profile, likeness: Mapping[int, float], at: datetime) -> Shares:
    """Divide likeness to the profile's vector: one part of it is what was stated, the other what was touched."""
    total = explained.contribution(Signal.VECTOR_SIMILARITY)
    stated = weights.PROFILE_TEXT_SHARE * total
    touched = {
        Cause(touch=touch): max(likeness[touch.project_id], 0.0) * importance(touch, at)
        for touch in profile.touches
        if touch.kinds and touch.project_id in likeness
    }
    return _divided(stated, {Cause(tag): tag.confidence for tag in profile.tags}) | _divided(total - stated, touched)


def _of_tools(explained: Explained, feature: Feature, profile: Profile) -> Shares:
    carried = _terms(feature.terms)
    sharing = [touch for touch in profile.touches if touch.kinds and carried & _terms(touch.terms)]
    return _evenly(explained.contribution(Signal.BEHAVIORAL_SIGNALS), (Cause(touch=touch) for touch in sharing))


def _of_people(explained: Explained, profile: Profile) -> Shares:
    by_tags = len(profile.tags) >= weights.SHARED_TAGS_LEAST
    touches = (Cause(touch=touch) for touch in profile.touches if touch.kinds)
    return _evenly(gained(explained, OF_PEOPLE), (Cause(tag) for tag in profile.tags) if by_tags else touches)


async def _of_behaviour(
    stores: Stores, explained: Explained, feature: Feature, profile: Profile, at: datetime
) -> Shares:
    """Divide what neighbours, company and a known owner add, if they do."""
    near, owner, company = (gained(explained, signals) for signals in (OF_NEIGHBOURS, OF_OWNER, OF_COMPANY))
    if max(near, owner, company) <= 0:
        return {}
    touches = {touch.project_id: touch for touch in profile.touches}
    listed = [signal for signal in explained.signals if signal in OF_NEIGHBOURS]
    evidence = await load_evidence(stores, profile, feature_table([feature], at), at, listed)
    linked: Shares = defaultdict(float)
    for links in evidence.links.values():
        for seed, similarity in zip(evidence.touches.projects[links.touches], links.similarity, strict=True):
            linked[Cause(touch=touches[int(seed)])] += max(float(similarity), 0.0)
    owners = await owners_of(stores.database, profile.touched) if owner > 0 else {}
    same_owner = [id_ for id_, whose in owners.items() if whose == feature.owner_id and id_ != feature.id]
    shares = _divided(near, linked)
    for part in (
        _evenly(owner, (Cause(touch=touches[id_]) for id_ in same_owner)),
        _evenly(company, (Cause(touch=touches[id_]) for id_ in profile.touched[: weights.SESSION_PROJECTS])),
    ):
        shares = {cause: shares.get(cause, 0.0) + part.get(cause, 0.0) for cause in {*shares, *part}}
    return shares


async def _likeness(vectors: VectorStore, project_id: int, profile: Profile) -> dict[int, float]:
    """Give the likeness of a project to each of the latest touched ones, by id, in one call to the vector store."""
    seeds = [touch.project_id for touch in profile.touches[: weights.PROFILE_VECTOR_PROJECTS]]
    known, rows = await vectors.project_vectors(np.array(sorted({project_id, *seeds}), dtype=np.int64))
    row_of = {int(id_): row for row, id_ in enumerate(known)}
    if project_id not in row_of:
        return {}
    likeness = rows @ rows[row_of[project_id]]
    return {seed: float(likeness[row_of[seed]]) for seed in seeds if seed in row_of}


def _terms(text: str | None) -> set[int]:
    return {int(id_) for part in incidences([text]).values() for id_ in part.terms}


def _evenly(total: float, causes: Iterable[Cause]) -> Shares:
    return _divided(total, dict.fromkeys(causes, 1.0))


def _divided(total: float, worth: Mapping[Cause, float]) -> Shares:
    """Divide what was added among causes by their worth; nothing, if nothing was added."""
    whole = sum(worth.values())
    return {cause: total * part / whole for cause, part in worth.items()} if total > 0 and whole > 0 else {}
