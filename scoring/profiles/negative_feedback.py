"""Negative feedback: impressions without a click, and similarity to dismissed projects."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.interactions.actor_history import DismissedProject, impression_counts, last_disliked
from db.stores import Stores
from scoring import tunables
from scoring.features import FeatureTable, all_terms
from scoring.mathematics.signals import Floats, Integers, Signal, look_up
from scoring.profiles.viewer_profile import Profile

SIGNALS = (Signal.IMPRESSION_FATIGUE, Signal.SIMILAR_TO_DISMISSED)


@dataclass(frozen=True, slots=True)
class NegativeFeedback:
    """Negative feedback of a viewer: recent impressions by project id, and the latest dismissed projects.

    Negative interactions of custom types count as dismissals.
    """

    shown: Mapping[int, int]
    dismissed: Sequence[DismissedProject]


NO_FEEDBACK = NegativeFeedback({}, ())


async def load_negative_feedback(stores: Stores, profile: Profile, at: datetime) -> NegativeFeedback:
    """Load a viewer's negative feedback, in two statements."""
    if profile.viewer.actor_id is None or not profile.preferences.personalized:
        return NO_FEEDBACK
    if profile.columns is not None:
        return NegativeFeedback(profile.columns.state.impressions, profile.columns.disliked())
    since = at - timedelta(days=tunables.IMPRESSION_FATIGUE_DAYS)
    return NegativeFeedback(
        *await asyncio.gather(
            impression_counts(stores.database, profile.viewer.actor_id, since),
            last_disliked(
                stores.database,
                profile.viewer.actor_id,
                tunables.MAX_DISMISSALS_READ,
                with_custom_types=stores.platform.custom_types.have_negative,
            ),
        )
    )


def impression_fatigue(shown: Integers, without_engagement: NDArray[np.bool_]) -> Floats:
    """Return the impressions of each project without engagement, up to a maximum; 0 for others."""
    capped = np.minimum(shown, tunables.MAX_IMPRESSION_FATIGUE).astype(np.float64)
    skipped: Floats = np.where(without_engagement, capped, 0.0)
    return skipped


def similar_to_dismissed(table: FeatureTable, profile: Profile, dismissed: Sequence[DismissedProject]) -> Floats:
    """Return the similarity to dismissed projects, 0 to 1.

    It is the mean weight of the project's terms, or the weight of its owner if greater. The weight of a term grows with
    the number of its dismissed minus its engaged projects, up to 1 at `tunables.DISMISSALS_FOR_FULL`. The weight of an
    interest of the viewer is 0. The weight of an owner grows with the owner's dismissed projects.
    """
    surplus = Counter(all_terms([project.terms for project in dismissed]))
    surplus.subtract(all_terms([engagement.terms for engagement in profile.engagements]))
    for interest in profile.interest_terms.tolist():
        surplus.pop(interest, None)
    owners = Counter(project.owner_id for project in dismissed if project.owner_id is not None)
    project_terms = table.all_terms
    term_counts = np.maximum(np.bincount(project_terms.rows, minlength=project_terms.n), 1)
    by_terms = project_terms.weighted_sum(*_weights(surplus)) / term_counts
    similarity: Floats = np.maximum(by_terms, look_up(table.owners, *_weights(owners)))
    return similarity


def _weights(counts: Mapping[int, int]) -> tuple[Integers, Floats]:
    """Return the ascending ids with a positive count, and their weights."""
    ids = np.array(sorted(id_ for id_, count in counts.items() if count > 0), dtype=np.int64)
    return ids, np.minimum(np.array([counts[id_] for id_ in ids.tolist()]) / tunables.DISMISSALS_FOR_FULL, 1.0)
