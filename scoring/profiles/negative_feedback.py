"""Negative feedback: impressions without a click, and similarity to dismissed projects."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.database.engine import Database
from db.interactions.impression_counts import DismissedProject, impression_counts, last_dismissed
from scoring import weights
from scoring.features import FeatureTable, incidences
from scoring.mathematics.signals import Floats, Integers
from scoring.profiles.viewer_profile import Profile
from scoring.weights import Signal

SIGNALS = (Signal.IMPRESSION_FATIGUE, Signal.SIMILAR_TO_DISMISSED)


@dataclass(frozen=True, slots=True)
class NegativeFeedback:
    """Negative feedback of a viewer: recent impressions by project id, and the latest dismissed projects."""

    shown: Mapping[int, int]
    dismissed: Sequence[DismissedProject]


NO_FEEDBACK = NegativeFeedback({}, ())


async def load_negative_feedback(database: Database, profile: Profile, at: datetime) -> NegativeFeedback:
    """Load a viewer's negative feedback, in two statements."""
    if profile.viewer.actor_id is None or not profile.preferences.personalized:
        return NO_FEEDBACK
    since = at - timedelta(days=weights.IMPRESSION_FATIGUE_DAYS)
    return NegativeFeedback(
        *await asyncio.gather(
            impression_counts(database, profile.viewer.actor_id, since),
            last_dismissed(database, profile.viewer.actor_id, weights.MAX_DISMISSALS_READ),
        )
    )


def impression_fatigue(shown: Integers, untouched: NDArray[np.bool_]) -> Floats:
    """Impressions of projects that the viewer never engaged with, at most `weights.MAX_IMPRESSION_FATIGUE`."""
    skipped: Floats = np.where(untouched, np.minimum(shown, weights.MAX_IMPRESSION_FATIGUE), 0).astype(np.float64)
    return skipped


def similar_to_dismissed(table: FeatureTable, profile: Profile, dismissed: Sequence[DismissedProject]) -> Floats:
    """Similarity to dismissed projects: the greater of the mean over the terms and that of the owner. Range 0 to 1.

    A term counts by its dismissed minus its engaged projects, full at `weights.DISMISSALS_FOR_FULL`; interests of the
    viewer never count. An owner counts by the number of dismissed projects.
    """
    worth = _dismissed_terms([one.terms for one in dismissed], [engagement.terms for engagement in profile.engagements])
    terms = np.array([term for term in worth if term not in set(profile.tag_terms.tolist())], dtype=np.int64)
    carried = table.all_terms
    many = np.maximum(np.bincount(carried.rows, minlength=carried.n), 1)
    by_terms = carried.weighted_sum(terms, np.array([worth[term] for term in terms.tolist()], dtype=np.float64)) / many
    owners, times = np.unique([one.owner_id for one in dismissed if one.owner_id is not None], return_counts=True)
    known = dict(zip(owners.tolist(), np.minimum(times / weights.DISMISSALS_FOR_FULL, 1.0).tolist(), strict=True))
    by_owner = np.array([known.get(owner, 0.0) for owner in table.owners.tolist()])
    similarity: Floats = np.maximum(by_terms, by_owner)
    return similarity


def _dismissed_terms(dismissed: Sequence[str | None], engaged: Sequence[str | None]) -> dict[int, float]:
    """Weigh terms by dismissed minus engaged projects; terms without a surplus are left out."""
    balance: dict[int, int] = {}
    for texts, sign in ((dismissed, 1), (engaged, -1)):
        for part in incidences(texts).values():
            for term in part.terms.tolist():
                balance[term] = balance.get(term, 0) + sign
    return {term: min(times / weights.DISMISSALS_FOR_FULL, 1.0) for term, times in balance.items() if times > 0}
