"""Projects that the viewer has read, that is, engaged with: For You hides them for some days, then demotes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.catalog.project_cards import HiddenReads
from db.models import EngagementKind
from scoring import tunables
from scoring.mathematics.signals import Integers
from scoring.profiles.model_preferences import learnable_kinds
from scoring.profiles.viewer_profile import Profile
from scoring.ranking import Adjustment, Rule


def hidden_reads(profile: Profile, hidden_days: float, at: datetime) -> HiddenReads | None:
    """Return which projects are hidden from a viewer; None if read projects are shown like others.

    Engagement of a kind that the viewer's preferences exclude from the ranking hides nothing.
    """
    if profile.preferences.show_read or not hidden_days:
        return None
    return HiddenReads(at - timedelta(days=hidden_days), int(learnable_kinds(profile.preferences)))


def hidden_ids(profile: Profile, hidden: HiddenReads) -> list[int]:
    """Return the hidden projects; without columns, those in the profile's history."""
    if profile.columns is not None:
        return profile.columns.read_since(hidden.since, EngagementKind(hidden.kinds))
    return [engagement.project_id for engagement in profile.engagements if engagement.last_at >= hidden.since]


def read_penalty(score: Integers, is_read: NDArray[np.bool_]) -> int:
    """Return the millionths by which the scores of read projects are lowered; (n,) `score` and `is_read`.

    It is the difference between the best score and the lowest score of the `tunables.FIRST_PAGE_SIZE` best unread
    projects, plus one. By score, every read project then follows a page of unread ones, or all of them. The amount
    suits scores of any scale. It is 0 if every project is read.
    """
    unread = np.sort(score[~is_read])[::-1][: tunables.FIRST_PAGE_SIZE]
    return int(score.max() - unread[-1]) + 1 if unread.size else 0


def record_demotions(
    adjustments: Mapping[int, tuple[Adjustment, ...]],
    positions: Sequence[int],
    rank_by_score: Integers,
    is_read: NDArray[np.bool_],
    penalty: int,
) -> dict[int, tuple[Adjustment, ...]]:
    """Add the demotion of read projects to the adjustments of a ranking, before those of other rules.

    The first adjustment of every project then starts from its rank by score. A project that only moved up gets an
    adjustment without a penalty.

    Parameters
    ----------
    adjustments
        The adjustments by rank from 0.
    positions
        The position of the project at each rank in the order of lowered scores, from 0.
    rank_by_score, is_read
        By position, (n,).
    """
    recorded: dict[int, tuple[Adjustment, ...]] = {}
    for rank, position in enumerate(positions):
        by_score, others = int(rank_by_score[position]), adjustments.get(rank, ())
        if is_read[position]:
            recorded[rank] = (Adjustment(Rule.READ, penalty, None, by_score, position + 1), *others)
        elif others:
            recorded[rank] = (others[0]._replace(from_rank=by_score), *others[1:])
        elif by_score != rank + 1:
            recorded[rank] = (Adjustment(Rule.READ, 0, None, by_score, rank + 1),)
    return recorded
