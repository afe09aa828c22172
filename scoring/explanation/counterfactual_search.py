"""What would remove a project from the first page: the fewest of the viewer's own tags and touches that keep it there.

The likeliest causes are guessed from their shares in the score; each guess is verified by ranking again without them,
by the very code that ranked the page. A guess that does not hold is not told.
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

FIRST_PAGE_SIZE = 30

Leaves = Callable[[Sequence[Cause]], Awaitable[bool]]

FirstPage = Callable[[ProfileExclusions], Awaitable[frozenset[int]]]
"""Ranks a viewer's first page without some of the viewer's own doing: the ids of its projects."""


async def find_counterfactuals(
    stores: Stores,
    profile: Profile,
    explained: Sequence[ScoredProject],
    page: frozenset[int],
    first_page: FirstPage,
    at: datetime,
    within_s: float,
) -> dict[int, tuple[Cause, ...]]:
    """Find for each project what would remove it, one after another, as far as the time goes.

    Parameters
    ----------
    page
        The ids of the first page as it is. For a project that is not on it there is nothing to find.
    within_s
        The time for all of them together. What has not been verified by then is not told.

    Returns
    -------
    Causes by project id.
    """
    found: dict[int, tuple[Cause, ...]] = {}
    pages: dict[ProfileExclusions, frozenset[int]] = {}

    def leaves(project_id: int) -> Leaves:
        async def ask(chosen: Sequence[Cause]) -> bool:
            without = combined_exclusion(chosen)
            if without not in pages:
                pages[without] = await first_page(without)
            return project_id not in pages[without]

        return ask

    with suppress(StoreUnavailable, TimeoutError):  # an extra: the page stands without it
        async with asyncio.timeout(within_s):
            for one in explained:
                if one.project_id in page:
                    causes = await likely_causes(stores, profile, one, at, weights.COUNTERFACTUAL_CAUSES)
                    chosen = await smallest_removal(causes, leaves(one.project_id))
                    if chosen is not None:
                        found[one.project_id] = chosen
    return found


async def smallest_removal(causes: Sequence[Cause], leaves: Leaves) -> tuple[Cause, ...] | None:
    """Find the smallest set of causes without which a project leaves the page; of equals, that of the likeliest.

    Parameters
    ----------
    causes
        The likeliest first. It is tried alone, then all of them together: if that does not do it, nothing is found.
    leaves
        Ranks again without some of them, and tells whether the project has left.
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
    """Unite what is left out with each of some causes."""
    parts = [cause.without for cause in causes]
    return ProfileExclusions(
        frozenset().union(*(part.terms for part in parts)), frozenset().union(*(part.projects for part in parts))
    )
