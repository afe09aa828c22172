"""Negative feedback: impressions without a click, and similarity to dismissed projects."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.database.engine import Database
from db.interactions.impression_counts import DismissedProject, impression_counts, last_dismissed
from scoring import tunables
from scoring.features import FeatureTable, incidences
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.profiles.viewer_profile import Profile

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
    since = at - timedelta(days=tunables.IMPRESSION_FATIGUE_DAYS)
    return NegativeFeedback(
        *await asyncio.gather(
            impression_counts(database, profile.viewer.actor_id, since),
            last_dismissed(database, profile.viewer.actor_id, tunables.MAX_DISMISSALS_READ),
        )
    )


def impression_fatigue(shown: Integers, without_engagement: NDArray[np.bool_]) -> Floats:
    """Return the impressions of each project without engagement, up to a maximum; 0 for others."""
    counted = np.minimum(shown, tunables.MAX_IMPRESSION_FATIGUE).astype(np.float64)
    skipped: Floats = np.where(without_engagement, counted, 0.0)
    return skipped


def similar_to_dismissed(table: FeatureTable, profile: Profile, dismissed: Sequence[DismissedProject]) -> Floats:
    """Return the similarity to dismissed projects, 0 to 1: the mean over the terms, or the owner's if greater.

    The weight of a term grows with its dismissed minus its engaged projects, up to 1 at
    `tunables.DISMISSALS_FOR_FULL`; it is 0 for an interest of the viewer. The weight of an owner grows with the owner's
    dismissed projects.
    """
    term_weights = _dismissed_terms(
        [project.terms for project in dismissed], [engagement.terms for engagement in profile.engagements]
    )
    terms = np.array(
        [term for term in term_weights if term not in set(profile.interest_terms.tolist())], dtype=np.int64
    )
    carried = table.all_terms
    term_counts = np.maximum(np.bincount(carried.rows, minlength=carried.n), 1)
    by_terms = (
        carried.weighted_sum(terms, np.array([term_weights[term] for term in terms.tolist()], dtype=np.float64))
        / term_counts
    )
    owners, counts = np.unique(
        [project.owner_id for project in dismissed if project.owner_id is not None], return_counts=True
    )
    owner_weights = dict(
        zip(owners.tolist(), np.minimum(counts / tunables.DISMISSALS_FOR_FULL, 1.0).tolist(), strict=True)
    )
    by_owner = np.array([owner_weights.get(owner, 0.0) for owner in table.owners.tolist()])
    similarity: Floats = np.maximum(by_terms, by_owner)
    return similarity


def _dismissed_terms(dismissed: Sequence[str | None], engaged: Sequence[str | None]) -> dict[int, float]:
    """Return the weights of the terms with more dismissed than engaged projects."""
    surplus: dict[int, int] = {}
    for texts, sign in ((dismissed, 1), (engaged, -1)):
        for part in incidences(texts).values():
            for term in part.terms.tolist():
                surplus[term] = surplus.get(term, 0) + sign
    return {term: min(count / tunables.DISMISSALS_FOR_FULL, 1.0) for term, count in surplus.items() if count > 0}
