"""Counterfactual explanations: the smallest part of the viewer's profile without which a project leaves the page.

Possible causes are the interests and engaged projects in the profile. They are ordered by their estimated share in the
project's score. Each set of causes is verified by ranking the page again without it, with the code that ranks the page.
A set that is not verified is never shown.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import combinations

from db.actors.profiles import EngagedProject, ProfileExclusions, StoredInterest
from db.catalog.project_cards import ProjectFeatures, read_features
from db.errors import StoreUnavailable
from db.stores import Stores
from db.trained_models.collaborative_data import owners_of
from scoring import tunables
from scoring.collaborative.evidence_loader import load_evidence
from scoring.explanation.page_evidence import (
    CO_VIEWER_SIGNALS,
    INTEREST_SIGNALS,
    NEIGHBOR_SIGNALS,
    OWNER_SIGNALS,
    text_similarities,
    total_contribution,
)
from scoring.features import all_terms, feature_table
from scoring.mathematics.signals import Signal
from scoring.profiles.viewer_profile import MATCH_VALUES, Profile, engagement_weight
from scoring.ranking import ScoredProject


@dataclass(frozen=True, slots=True)
class Cause:
    """Part of the viewer's profile that can be left out: one interest, or all interactions with one project."""

    interest: StoredInterest | None = None
    engagement: EngagedProject | None = None

    @property
    def exclusion(self) -> ProfileExclusions:
        """Exclusion of this part of the profile."""
        if self.interest is not None:
            return ProfileExclusions(terms=frozenset({self.interest.term_id}))
        return ProfileExclusions(projects=frozenset({self.engagement.project_id} if self.engagement else ()))


_CauseShares = tuple[float, Mapping[Cause, float]]
"""Contribution in millionths, and the weights by which it is divided among causes."""


async def likely_causes(
    stores: Stores, profile: Profile, scored_project: ScoredProject, at: datetime, limit: int
) -> tuple[Cause, ...]:
    """Return the `limit` causes with the largest shares in a project's score, the largest first."""
    features = await read_features(stores.database, [scored_project.project_id], profile.viewer.actor_id)
    if not features:
        return ()
    seeds = [engagement.project_id for engagement in profile.engagements[: tunables.PROFILE_VECTOR_PROJECTS]]
    similarities = await text_similarities(stores.vectors, [scored_project.project_id], seeds)
    weights = {e.project_id: engagement_weight(e, at, stores.platform.custom_types) for e in profile.engagements}
    similarity = similarities.get(scored_project.project_id, {})
    parts = _content_parts(scored_project, features[0], profile, similarity, weights)
    parts += await _collaborative_parts(stores, scored_project, features[0], profile, at)
    shares: dict[Cause, float] = defaultdict(float)
    for contribution, causes in parts:
        total = sum(causes.values())
        if contribution > 0 and total > 0:
            for cause, weight in causes.items():
                shares[cause] += contribution * weight / total
    causes_by_share = sorted((cause for cause, share in shares.items() if share > 0), key=lambda cause: -shares[cause])
    return tuple(causes_by_share[:limit])


def _content_parts(
    scored_project: ScoredProject,
    feature: ProjectFeatures,
    profile: Profile,
    similarity: Mapping[int, float],
    weights: Mapping[int, float],
) -> list[_CauseShares]:
    terms = set(all_terms([feature.terms]))
    interests = {Cause(interest): interest for interest in profile.interests}
    confidences = {cause: interest.confidence for cause, interest in interests.items()}
    history = {Cause(engagement=engagement): engagement for engagement in profile.engagements if engagement.kinds}
    text_contribution = scored_project.contribution(Signal.VECTOR_SIMILARITY)
    interest_share = tunables.PROFILE_TEXT_SHARE * text_contribution
    return [
        (
            total_contribution(scored_project, INTEREST_SIGNALS),
            {
                cause: interest.confidence * MATCH_VALUES[interest.kind]
                for cause, interest in interests.items()
                if interest.term_id in terms
            },
        ),
        (interest_share, confidences),
        (
            text_contribution - interest_share,
            {
                cause: max(similarity[engagement.project_id], 0.0) * weights[engagement.project_id]
                for cause, engagement in history.items()
                if engagement.project_id in similarity
            },
        ),
        (
            scored_project.contribution(Signal.BEHAVIORAL_SIGNALS),
            {cause: 1.0 for cause, engagement in history.items() if terms & set(all_terms([engagement.terms]))},
        ),
        (
            scored_project.contribution(Signal.COLLABORATIVE),
            dict.fromkeys(interests if len(interests) >= tunables.MIN_SHARED_INTERESTS else history, 1.0),
        ),
    ]


async def _collaborative_parts(
    stores: Stores, scored_project: ScoredProject, feature: ProjectFeatures, profile: Profile, at: datetime
) -> list[_CauseShares]:
    neighbors, owner, session = (
        total_contribution(scored_project, signals) for signals in (NEIGHBOR_SIGNALS, OWNER_SIGNALS, CO_VIEWER_SIGNALS)
    )
    if max(neighbors, owner, session) <= 0:
        return []
    causes = {engagement.project_id: Cause(engagement=engagement) for engagement in profile.engagements}
    neighbor_signals = [signal for signal in scored_project.signals if signal in NEIGHBOR_SIGNALS]
    evidence = await load_evidence(stores, profile, feature_table([feature], at), at, neighbor_signals)
    link_weights: dict[Cause, float] = defaultdict(float)
    for links in evidence.links.values():
        for seed, similarity in zip(evidence.engagements.projects[links.engagements], links.similarity, strict=True):
            link_weights[causes[int(seed)]] += max(float(similarity), 0.0)
    owners = await owners_of(stores.database, profile.engaged) if owner > 0 else {}
    same_owner = (id_ for id_, owner_id in owners.items() if owner_id == feature.owner_id and id_ != feature.id)
    return [
        (neighbors, link_weights),
        (owner, {causes[id_]: 1.0 for id_ in same_owner}),
        (session, {causes[id_]: 1.0 for id_ in profile.engaged[: tunables.SESSION_PROJECTS]}),
    ]


LeavesPage = Callable[[Sequence[Cause]], Awaitable[bool]]
"""Function that returns whether a project leaves the first page without these causes."""

FirstPage = Callable[[ProfileExclusions], Awaitable[frozenset[int]]]
"""Function that ranks a viewer's first page without part of the profile and returns its project ids."""


async def find_counterfactuals(
    stores: Stores,
    profile: Profile,
    scored_projects: Sequence[ScoredProject],
    page: frozenset[int],
    first_page: FirstPage,
    at: datetime,
    time_limit_s: float,
) -> dict[int, tuple[Cause, ...]]:
    """Return by project id the causes that keep the project on the page, for as many projects as the time permits.

    `page` holds the project ids of the current first page; other projects have no causes. `time_limit_s` is for all
    projects together.
    """
    causes_by_project: dict[int, tuple[Cause, ...]] = {}
    pages: dict[ProfileExclusions, frozenset[int]] = {}

    async def leaves(project_id: int, subset: Sequence[Cause]) -> bool:
        exclusions = combined_exclusion(subset)
        if exclusions not in pages:
            pages[exclusions] = await first_page(exclusions)
        return project_id not in pages[exclusions]

    with suppress(StoreUnavailable, TimeoutError):  # causes are optional
        async with asyncio.timeout(time_limit_s):
            for project in scored_projects:
                if project.project_id in page:
                    causes = await likely_causes(stores, profile, project, at, tunables.COUNTERFACTUAL_CAUSES)
                    subset = await smallest_removal(causes, partial(leaves, project.project_id))
                    if subset is not None:
                        causes_by_project[project.project_id] = subset
    return causes_by_project


async def smallest_removal(causes: Sequence[Cause], leaves: LeavesPage) -> tuple[Cause, ...] | None:
    """Return the smallest set of causes without which a project leaves the page; None if none is found.

    `causes` are ordered by likelihood, the likeliest first. Among sets of equal size, the set of likelier causes is
    returned.
    """
    if causes and await leaves(causes[:1]):  # the usual case, and cheaper than all causes
        return (causes[0],)
    if len(causes) <= 1 or not await leaves(causes):
        return None
    for subset in (subset for size in range(1, len(causes)) for subset in combinations(causes, size)):
        if subset != (causes[0],) and await leaves(subset):
            return subset
    return tuple(causes)


def combined_exclusion(causes: Sequence[Cause]) -> ProfileExclusions:
    """Return the exclusion of all these causes from the profile."""
    parts = [cause.exclusion for cause in causes]
    return ProfileExclusions(
        frozenset().union(*(part.terms for part in parts)), frozenset().union(*(part.projects for part in parts))
    )
