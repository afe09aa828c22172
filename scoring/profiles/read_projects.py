"""Projects that the viewer has read, that is, engaged with: For You hides them for some days, then demotes them."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.catalog.project_cards import HiddenReads
from db.models import EngagementKind
from scoring import tunables
from scoring.mathematics.additive_model import order_by_score
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


def demote_read(
    score: Integers, keys: NDArray[np.str_], is_read: NDArray[np.bool_]
) -> tuple[Integers, dict[int, Adjustment]]:
    """Lower the scores of read projects.

    Returns the (n,) lowered scores, and the adjustment of each read project by its index.
    """
    read = np.flatnonzero(is_read)
    if not read.size:
        return score, {}
    penalty = read_penalty(score, is_read)
    lowered = score - penalty * is_read
    before, after = (np.argsort(order_by_score(values, keys)) + 1 for values in (score, lowered))
    adjustments = {
        index: Adjustment(Rule.READ, penalty, None, int(before[index]), int(after[index])) for index in read.tolist()
    }
    return lowered, adjustments
