"""Counterfactual explanations: the smallest part of the viewer's profile without which a project leaves the page.

Candidates come from their estimated shares in the score. Each is verified by ranking again without it, by the code that
ranked the page; an unverified candidate is never shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import combinations

from db.actors.profiles import ProfileExclusions
from db.errors import StoreUnavailable
from db.stores import Stores
from scoring import weights
from scoring.explanation.score_causes import Cause, likely_causes
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import ScoredProject

Leaves = Callable[[Sequence[Cause]], Awaitable[bool]]
"""Whether a project leaves the first page if these causes are left out."""

FirstPage = Callable[[ProfileExclusions], Awaitable[frozenset[int]]]
"""Ranks a viewer's first page without part of the profile; the ids of its projects."""


async def find_counterfactuals(
    stores: Stores,
    profile: Profile,
    scored_projects: Sequence[ScoredProject],
    page: frozenset[int],
    first_page: FirstPage,
    at: datetime,
    within_s: float,
) -> dict[int, tuple[Cause, ...]]:
    """Return by project id the causes that keep it on the page, as far as the time permits.

    Parameters
    ----------
    page
        The ids of the first page as it is. A project that is not on it has no entry.
    within_s
        The time for all projects together, in seconds.
    """
    found: dict[int, tuple[Cause, ...]] = {}
    pages: dict[ProfileExclusions, frozenset[int]] = {}

    def leaves(project_id: int) -> Leaves:
        async def verify(chosen: Sequence[Cause]) -> bool:
            without = combined_exclusion(chosen)
            if without not in pages:
                pages[without] = await first_page(without)
            return project_id not in pages[without]

        return verify

    with suppress(StoreUnavailable, TimeoutError):  # optional: the page is complete without it
        async with asyncio.timeout(within_s):
            for one in scored_projects:
                if one.project_id in page:
                    causes = await likely_causes(stores, profile, one, at, weights.COUNTERFACTUAL_CAUSES)
                    chosen = await smallest_removal(causes, leaves(one.project_id))
                    if chosen is not None:
                        found[one.project_id] = chosen
    return found


async def smallest_removal(causes: Sequence[Cause], leaves: Leaves) -> tuple[Cause, ...] | None:
    """Return the smallest set of causes without which a project leaves the page; None if all together do not suffice.

    Parameters
    ----------
    causes
        The likeliest first. Of sets of equal size, the one of the likelier causes wins.
    """
    if not causes:
        return None
    if await leaves(causes[:1]):
        return (causes[0],)
    if len(causes) == 1 or not await leaves(causes):
        return None
    smaller = (chosen for size in range(1, len(causes)) for chosen in combinations(causes, size))
    for chosen in smaller:
        if chosen != (causes[0],) and await leaves(chosen):
            return chosen
    return tuple(causes)


def combined_exclusion(causes: Sequence[Cause]) -> ProfileExclusions:
    """Return the union of the parts that some causes stand for."""
    parts = [cause.without for cause in causes]
    return ProfileExclusions(
        frozenset().union(*(part.terms for part in parts)), frozenset().union(*(part.projects for part in parts))
    )
