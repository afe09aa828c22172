"""Counterfactual explanations: the smallest part of the viewer's profile without which a project leaves the page.

Candidates are ordered by their estimated share in the score. The same code as for the page verifies each by ranking
without it. An unverified candidate is never shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import combinations

from db.actors.profiles import ProfileExclusions
from db.errors import StoreUnavailable
from db.stores import Stores
from scoring import tunables
from scoring.explanation.score_causes import Cause, likely_causes
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import ScoredProject

Leaves = Callable[[Sequence[Cause]], Awaitable[bool]]
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

    Parameters
    ----------
    page
        The project ids of the current first page. Other projects have no causes.
    time_limit_s
        The time for all projects together, in seconds.
    """
    causes_by_project: dict[int, tuple[Cause, ...]] = {}
    pages: dict[ProfileExclusions, frozenset[int]] = {}

    def leaves(project_id: int) -> Leaves:
        async def verify(subset: Sequence[Cause]) -> bool:
            exclusions = combined_exclusion(subset)
            if exclusions not in pages:
                pages[exclusions] = await first_page(exclusions)
            return project_id not in pages[exclusions]

        return verify

    with suppress(StoreUnavailable, TimeoutError):  # causes are optional
        async with asyncio.timeout(time_limit_s):
            for project in scored_projects:
                if project.project_id in page:
                    causes = await likely_causes(stores, profile, project, at, tunables.COUNTERFACTUAL_CAUSES)
                    subset = await smallest_removal(causes, leaves(project.project_id))
                    if subset is not None:
                        causes_by_project[project.project_id] = subset
    return causes_by_project


async def smallest_removal(causes: Sequence[Cause], leaves: Leaves) -> tuple[Cause, ...] | None:
    """Return the smallest set of causes without which a project leaves the page; None if it stays without all of them.

    Parameters
    ----------
    causes
        The likeliest first. Among sets of equal size, the set of likelier causes is returned.
    """
    if not causes:
        return None
    if await leaves(causes[:1]):
        return (causes[0],)
    if len(causes) == 1 or not await leaves(causes):
        return None
    smaller = (subset for size in range(1, len(causes)) for subset in combinations(causes, size))
    for subset in smaller:
        if subset != (causes[0],) and await leaves(subset):
            return subset
    return tuple(causes)


def combined_exclusion(causes: Sequence[Cause]) -> ProfileExclusions:
    """Return the union of the parts of the profile that the causes are."""
    parts = [cause.exclusion for cause in causes]
    return ProfileExclusions(
        frozenset().union(*(part.terms for part in parts)), frozenset().union(*(part.projects for part in parts))
    )
