"""What of a viewer's own doing stands behind a project's score: tags and touches, each with its share.

The shares are estimates: they say where to look. What really follows from taking something away is found out by ranking
again (`scoring.explanation.counterfactual_search`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from db.actors.profiles import EngagedProject, ProfileExclusions, Tag
from db.catalog.project_cards import ProjectFeatures, read_features
from db.stores import Stores
from db.trained_models.collaborative_data import owners_of
from db.vectors.base import VectorStore
from scoring import weights
from scoring.collaborative.evidence_loader import load_evidence
from scoring.explanation.page_evidence import CO_VIEWER_SIGNALS, NEIGHBOR_SIGNALS, OWNER_SIGNALS, total_contribution
from scoring.features import feature_table, incidences
from scoring.profiles.viewer_profile import WORTH, Profile, engagement_weight
from scoring.ranking import ScoredProject
from scoring.weights import Signal

INTEREST_SIGNALS = (Signal.EXPLICIT_PREFERENCES, Signal.ANSWER_MATCHES)
COLLABORATIVE_SIGNALS = (Signal.COLLABORATIVE,)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something of the viewer's own that may be taken away: a tag, or all that was done with a project."""

    tag: Tag | None = None
    engagement: EngagedProject | None = None

    @property
    def without(self) -> ProfileExclusions:
        """What a profile without it leaves out."""
        if self.tag is not None:
            return ProfileExclusions(terms=frozenset({self.tag.term_id}))
        return (
            ProfileExclusions(projects=frozenset({self.engagement.project_id}))
            if self.engagement is not None
            else ProfileExclusions()
        )


Shares = dict[Cause, float]


async def likely_causes(
    stores: Stores, profile: Profile, explained: ScoredProject, at: datetime, most: int
) -> tuple[Cause, ...]:
    """Give the causes with the largest shares in a project's score, the largest first."""
    found = await read_features(stores.database, [explained.project_id], profile.viewer.actor_id)
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


def _of_interests(explained: ScoredProject, feature: ProjectFeatures, profile: Profile) -> Shares:
    carried = _terms(feature.terms)
    matching = {tag: tag.confidence * WORTH[tag.kind] for tag in profile.tags if tag.term_id in carried}
    return _divided(
        total_contribution(explained, INTEREST_SIGNALS), {Cause(tag): worth for tag, worth in matching.items()}
    )


def _of_text(explained: ScoredProject, profile: Profile, likeness: Mapping[int, float], at: datetime) -> Shares:
    """Divide likeness to the profile's vector: one part of it is what was stated, the other what was touched."""
    total = explained.contribution(Signal.VECTOR_SIMILARITY)
    stated = weights.PROFILE_TEXT_SHARE * total
    engaged = {
        Cause(engagement=engagement): max(likeness[engagement.project_id], 0.0) * engagement_weight(engagement, at)
        for engagement in profile.engagements
        if engagement.kinds and engagement.project_id in likeness
    }
    return _divided(stated, {Cause(tag): tag.confidence for tag in profile.tags}) | _divided(total - stated, engaged)


def _of_tools(explained: ScoredProject, feature: ProjectFeatures, profile: Profile) -> Shares:
    carried = _terms(feature.terms)
    sharing = [
        engagement for engagement in profile.engagements if engagement.kinds and carried & _terms(engagement.terms)
    ]
    return _evenly(
        explained.contribution(Signal.BEHAVIORAL_SIGNALS), (Cause(engagement=engagement) for engagement in sharing)
    )


def _of_people(explained: ScoredProject, profile: Profile) -> Shares:
    by_tags = len(profile.tags) >= weights.MIN_SHARED_TAGS
    engagements = (Cause(engagement=engagement) for engagement in profile.engagements if engagement.kinds)
    return _evenly(
        total_contribution(explained, COLLABORATIVE_SIGNALS),
        (Cause(tag) for tag in profile.tags) if by_tags else engagements,
    )


async def _of_behaviour(
    stores: Stores, explained: ScoredProject, feature: ProjectFeatures, profile: Profile, at: datetime
) -> Shares:
    """Divide what neighbors, company and a known owner add, if they do."""
    near, owner, company = (
        total_contribution(explained, signals) for signals in (NEIGHBOR_SIGNALS, OWNER_SIGNALS, CO_VIEWER_SIGNALS)
    )
    if max(near, owner, company) <= 0:
        return {}
    engagements = {engagement.project_id: engagement for engagement in profile.engagements}
    listed = [signal for signal in explained.signals if signal in NEIGHBOR_SIGNALS]
    evidence = await load_evidence(stores, profile, feature_table([feature], at), at, listed)
    linked: Shares = defaultdict(float)
    for links in evidence.links.values():
        for seed, similarity in zip(evidence.engagements.projects[links.engagements], links.similarity, strict=True):
            linked[Cause(engagement=engagements[int(seed)])] += max(float(similarity), 0.0)
    owners = await owners_of(stores.database, profile.engaged) if owner > 0 else {}
    same_owner = [id_ for id_, whose in owners.items() if whose == feature.owner_id and id_ != feature.id]
    shares = _divided(near, linked)
    for part in (
        _evenly(owner, (Cause(engagement=engagements[id_]) for id_ in same_owner)),
        _evenly(company, (Cause(engagement=engagements[id_]) for id_ in profile.engaged[: weights.SESSION_PROJECTS])),
    ):
        shares = {cause: shares.get(cause, 0.0) + part.get(cause, 0.0) for cause in {*shares, *part}}
    return shares


async def _likeness(vectors: VectorStore, project_id: int, profile: Profile) -> dict[int, float]:
    """Give the likeness of a project to each of the latest touched ones, by id, in one call to the vector store."""
    seeds = [engagement.project_id for engagement in profile.engagements[: weights.PROFILE_VECTOR_PROJECTS]]
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
