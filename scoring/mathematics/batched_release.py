"""Batched release of first interactions to the signals of actors who are similar to the viewer.

A difference between two values of such a signal must not reveal one person's interaction. The first interactions of
users with a project are therefore divided, in the order of time, into blocks. Values change only by whole blocks, and
only at the beginning of a batch. All interactions of a block count as of that time, so that the time of a single one
stays unknown. The blocks of a week are independent of earlier weeks, so that a request can compute them from the
interactions of three weeks.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.time_units import DAY_S, HOUR_S, WEEK_S
from scoring import tunables
from scoring.mathematics.signals import Floats, Integers


class ReleaseRule(NamedTuple):
    """Number of users of a block, and seconds between two batches."""

    block: int
    batch_s: float


BY_ACTOR = ReleaseRule(tunables.ANONYMITY_FLOOR, HOUR_S)
"""For similarities to single users."""
BY_CLUSTER = ReleaseRule(2, 300.0)
"""For similarities to the mean factors of taste clusters, which hide each user among at least ten."""
LIVE = ReleaseRule(1, 0.0)
"""Without protection, to measure its cost (docs/decisions/0024-batched-release.md)."""


def release_times(projects: Integers, actors: Integers, at_s: Floats, rule: ReleaseRule) -> Floats:
    """Return the (m,) Unix seconds from which first interactions count; infinite in an incomplete block.

    The arguments are (m,) columns in any order, complete from the beginning of a week on.
    """
    block, batch_s = rule
    if block == 1:
        return at_s
    weeks = np.floor(at_s / WEEK_S)
    order = np.lexsort((actors, at_s, weeks, projects))
    sorted_projects, sorted_weeks, sorted_s = projects[order], weeks[order], at_s[order]
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = (np.diff(sorted_projects) != 0) | (np.diff(sorted_weeks) != 0)
    starts = np.flatnonzero(is_first)
    sizes = np.diff(np.append(starts, order.size))
    position = np.arange(order.size) - np.repeat(starts, sizes)
    last = position // block * block + block - 1
    is_complete = last < np.repeat(sizes, sizes)
    completed_s = sorted_s[np.where(is_complete, np.repeat(starts, sizes) + last, 0)]
    released_s = np.empty(order.size)
    released_s[order] = np.where(is_complete, np.ceil(completed_s / batch_s) * batch_s, np.inf)
    return released_s


def of_complete_weeks(at_s: Floats, limit: int) -> NDArray[np.bool_]:
    """Return the (m,) mask of the latest first interactions, of at most `limit`, whose weeks are known as a whole.

    Where the limit has left out earlier ones, the blocks of the oldest week would change with each further interaction.
    """
    if at_s.size < limit:
        return np.ones(at_s.size, dtype=bool)
    return at_s >= (np.floor(at_s.min() / WEEK_S) + 1.0) * WEEK_S


def batch_start_s(at_s: float) -> float:
    """Return the Unix second at which the batch of a moment began."""
    return float(np.floor(at_s / BY_ACTOR.batch_s) * BY_ACTOR.batch_s)


def first_needed_s(at_s: float) -> float:
    """Return the Unix second from which first interactions are needed to know those released at a moment."""
    return float(np.floor((at_s - tunables.RECENT_INTERACTION_DAYS * DAY_S) / WEEK_S) * WEEK_S)


def is_released(released_s: Floats, at_s: float, days: float = tunables.RECENT_INTERACTION_DAYS) -> NDArray[np.bool_]:
    """Return the (m,) mask of the interactions that were released in the last `days` before a moment."""
    return (released_s <= at_s) & (released_s >= at_s - days * DAY_S)
