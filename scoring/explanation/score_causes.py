"""Causes of a project's score within the viewer's own profile: interests and history, each with its share.

The shares are estimates that order the search for a counterfactual (`scoring.explanation.counterfactual_search`), which
verifies each by ranking again without it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from db.actors.profiles import EngagedProject, ProfileExclusions, Tag
from db.catalog.project_cards import ProjectFeatures, read_features
from db.stores import Stores
from db.trained_models.collaborative_data import owners_of
from scoring import weights
from scoring.collaborative.evidence_loader import load_evidence
from scoring.explanation.page_evidence import (
    CO_VIEWER_SIGNALS,
    NEIGHBOR_SIGNALS,
    OWNER_SIGNALS,
    text_similarities,
    total_contribution,
)
from scoring.features import feature_table, incidences
from scoring.profiles.viewer_profile import WORTH, Profile, engagement_weight
from scoring.ranking import ScoredProject
from scoring.weights import Signal

INTEREST_SIGNALS = (Signal.EXPLICIT_PREFERENCES, Signal.ANSWER_MATCHES)
COLLABORATIVE_SIGNALS = (Signal.COLLABORATIVE,)


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of the viewer's profile that can be left out: one tag, or all interactions with one project."""

    tag: Tag | None = None
    engagement: EngagedProject | None = None

    @property
    def without(self) -> ProfileExclusions:
        """The part of a profile that it stands for."""
        if self.tag is not None:
            return ProfileExclusions(terms=frozenset({self.tag.term_id}))
        return (
            ProfileExclusions(projects=frozenset({self.engagement.project_id}))
            if self.engagement is not None
            else ProfileExclusions()
        )


Shares = Mapping[Cause, float]


async def likely_causes(
    stores: Stores, profile: Profile, explained: ScoredProject, at: datetime, most: int
) -> tuple[Cause, ...]:
    """Return at most `most` causes with the largest shares in a project's score, the largest first."""
    found = await read_features(stores.database, [explained.project_id], profile.viewer.actor_id)
    if not found:
        return ()
    feature = found[0]
    seeds = [engagement.project_id for engagement in profile.engagements[: weights.PROFILE_VECTOR_PROJECTS]]
    similarities = await text_similarities(stores.vectors, [explained.project_id], seeds)
    shares: dict[Cause, float] = defaultdict(float)
    for part in (
        _of_interests(explained, feature, profile),
        *_of_text(explained, profile, similarities.get(explained.project_id, {}), at),
        _of_tools(explained, feature, profile),
        _of_people(explained, profile),
        *await _of_collaborative(stores, explained, feature, profile, at),
    ):
        for cause, share in part.items():
            shares[cause] += share
    return tuple(
        sorted((cause for cause, share in shares.items() if share > 0), key=lambda cause: -shares[cause])[:most]
    )


def _of_interests(explained: ScoredProject, feature: ProjectFeatures, profile: Profile) -> Shares:
    terms = _terms(feature.terms)
    matching = {Cause(tag): tag.confidence * WORTH[tag.kind] for tag in profile.tags if tag.term_id in terms}
    return _divided(total_contribution(explained, INTEREST_SIGNALS), matching)


def _of_text(
    explained: ScoredProject, profile: Profile, similarity: Mapping[int, float], at: datetime
) -> tuple[Shares, Shares]:
    """Divide the similarity to the profile's vector, one part of which is stated and the other from history."""
    total = explained.contribution(Signal.VECTOR_SIMILARITY)
    stated = weights.PROFILE_TEXT_SHARE * total
    by_history = {
        Cause(engagement=engagement): max(similarity[engagement.project_id], 0.0) * engagement_weight(engagement, at)
        for engagement in profile.engagements
        if engagement.kinds and engagement.project_id in similarity
    }
    return (
        _divided(stated, {Cause(tag): tag.confidence for tag in profile.tags}),
        _divided(total - stated, by_history),
    )


def _of_tools(explained: ScoredProject, feature: ProjectFeatures, profile: Profile) -> Shares:
    terms = _terms(feature.terms)
    sharing = [
        engagement for engagement in profile.engagements if engagement.kinds and terms & _terms(engagement.terms)
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


async def _of_collaborative(
    stores: Stores, explained: ScoredProject, feature: ProjectFeatures, profile: Profile, at: datetime
) -> tuple[Shares, ...]:
    """Divide the contributions of item neighbors, of a known owner, and of visitors of the same projects."""
    near, owner, company = (
        total_contribution(explained, signals) for signals in (NEIGHBOR_SIGNALS, OWNER_SIGNALS, CO_VIEWER_SIGNALS)
    )
    if max(near, owner, company) <= 0:
        return ()
    engagements = {engagement.project_id: engagement for engagement in profile.engagements}
    listed = [signal for signal in explained.signals if signal in NEIGHBOR_SIGNALS]
    evidence = await load_evidence(stores, profile, feature_table([feature], at), at, listed)
    linked: dict[Cause, float] = defaultdict(float)
    for links in evidence.links.values():
        for seed, similarity in zip(evidence.engagements.projects[links.engagements], links.similarity, strict=True):
            linked[Cause(engagement=engagements[int(seed)])] += max(float(similarity), 0.0)
    owners = await owners_of(stores.database, profile.engaged) if owner > 0 else {}
    same_owner = [id_ for id_, one in owners.items() if one == feature.owner_id and id_ != feature.id]
    recent = profile.engaged[: weights.SESSION_PROJECTS]
    return (
        _divided(near, linked),
        _evenly(owner, (Cause(engagement=engagements[id_]) for id_ in same_owner)),
        _evenly(company, (Cause(engagement=engagements[id_]) for id_ in recent)),
    )


def _terms(text: str | None) -> set[int]:
    return {int(id_) for part in incidences([text]).values() for id_ in part.terms}


def _evenly(total: float, causes: Iterable[Cause]) -> Shares:
    return _divided(total, dict.fromkeys(causes, 1.0))


def _divided(total: float, parts: Shares) -> Shares:
    """Divide a contribution among causes in proportion; an empty mapping if there is nothing to divide."""
    whole = sum(parts.values())
    return {cause: total * part / whole for cause, part in parts.items()} if total > 0 and whole > 0 else {}
