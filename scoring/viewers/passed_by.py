"""Negative evidence: what the viewer was shown and let pass, and what is like the projects the viewer dismissed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.activity.passed_by import Dismissed, last_dismissed, times_shown
from db.engine import Database
from scoring import weights
from scoring.features import FeatureTable, incidences
from scoring.signals import Floats, Integers, together
from scoring.viewers.profile import Profile
from scoring.weights import Signal

SIGNALS = (Signal.FATIGUE, Signal.LIKE_DISMISSED)


@dataclass(frozen=True, slots=True)
class PassedBy:
    """What is known against candidates.

    Attributes
    ----------
    shown
        How often each project was seen lately, by its id.
    dismissed
        The projects dismissed last.
    """

    shown: Mapping[int, int]
    dismissed: Sequence[Dismissed]


NOTHING = PassedBy({}, ())


async def load_passed_by(database: Database, profile: Profile, at: datetime) -> PassedBy:
    """Read what a viewer passed by: two statements."""
    if profile.viewer.actor_id is None or not profile.preferences.personalized:
        return NOTHING
    since = at - timedelta(days=weights.FATIGUE_DAYS)
    return PassedBy(
        *await asyncio.gather(
            times_shown(database, profile.viewer.actor_id, since),
            last_dismissed(database, profile.viewer.actor_id, weights.DISMISSED_READ),
        )
    )


def fatigue(shown: Integers, untouched: NDArray[np.bool_]) -> Floats:
    """Times that the viewer saw the project's card lately and did not come, at most `weights.FATIGUE_MOST`.

    Parameters
    ----------
    shown
        (n,) impressions within `weights.FATIGUE_DAYS`.
    untouched
        (n,) whether the viewer has never come to it.
    """
    passed: Floats = np.where(untouched, np.minimum(shown, weights.FATIGUE_MOST), 0).astype(np.float64)
    return passed


def like_dismissed(table: FeatureTable, profile: Profile, dismissed: Sequence[Dismissed]) -> Floats:
    """How far a project is like those that the viewer dismissed. Range 0 to 1.

    Its terms or its owner, whichever says more. A term counts by how often dismissed projects carried it beyond how
    often touched ones did, full at `weights.DISMISSALS_FOR_FULL`, and a project's terms by their mean; an interest of
    the viewer's never counts. An owner counts by how many of the dismissed projects are theirs.
    """
    worth = _against([one.terms for one in dismissed], [touch.terms for touch in profile.touches])
    terms = np.array([term for term in worth if term not in set(profile.tag_terms.tolist())], dtype=np.int64)
    carried = together(table.terms.values())
    many = np.maximum(np.bincount(carried.rows, minlength=carried.n), 1)
    by_terms = carried.weigh(terms, np.array([worth[term] for term in terms.tolist()], dtype=np.float64)) / many
    owners, times = np.unique([one.owner_id for one in dismissed if one.owner_id is not None], return_counts=True)
    known = dict(zip(owners.tolist(), np.minimum(times / weights.DISMISSALS_FOR_FULL, 1.0).tolist(), strict=True))
    by_owner = np.array([known.get(owner, 0.0) for owner in table.owners.tolist()])
    likeness: Floats = np.maximum(by_terms, by_owner)
    return likeness


def _against(dismissed: Sequence[str | None], touched: Sequence[str | None]) -> dict[int, float]:
    """Weigh terms by how much oftener they were dismissed than touched; those that were not are left out."""
    balance: dict[int, int] = {}
    for texts, sign in ((dismissed, 1), (touched, -1)):
        for part in incidences(texts).values():
            for term in part.terms.tolist():
                balance[term] = balance.get(term, 0) + sign
    return {term: min(times / weights.DISMISSALS_FOR_FULL, 1.0) for term, times in balance.items() if times > 0}
