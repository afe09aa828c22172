"""Spreads alike projects out, without dropping any: a greedy walk over attributes, arrays in, an order out.

Maximal marginal relevance (Carbonell & Goldstein, 1998) with likeness taken from owner, categories and tools, not from
vectors: over the first 300 ranks it costs 2-3 ms, over vectors of 2,000 candidates 115 ms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scoring import weights
from scoring.mathematics.signals import Incidence, Integers

Matrix = NDArray[np.float32]

NO_CHANCES: Mapping[int, int] = MappingProxyType({})


class RankChange(NamedTuple):
    """Why a project does not stand where its score put it.

    Attributes
    ----------
    from_rank, to_rank
        Ranks by score and as served, from 1.
    penalty
        Millionths of score taken off for likeness at the moment it was placed. Score minus penalty falls from rank to
        rank within a page, except where an owner or a category had filled it.
    blocker
        The index (in score order) of the project above that it is most like, or −1.
    chance
        Whether the place was given to it, whatever its score (see `scoring.mathematics.exploration`).
    """

    from_rank: int
    to_rank: int
    penalty: int
    blocker: int
    chance: bool = False


@dataclass(frozen=True, slots=True)
class DiversityAttributes:
    """What makes two projects alike: (n,) owner ids with −1 for none, and the categories and tools they carry."""

    owners: Integers
    categories: Incidence
    tools: Incidence

    @property
    def owner_incidence(self) -> Incidence:
        """The owners as if they were terms."""
        rows = np.flatnonzero(self.owners >= 0)
        return Incidence(self.owners.size, rows, self.owners[rows])

    def first(self, n: int) -> "DiversityAttributes":
        """Keep the first `n` projects."""
        return self.take(np.arange(min(n, self.owners.size)))

    def take(self, chosen: Integers) -> "DiversityAttributes":
        """Keep the projects at these indexes, in this order."""
        return DiversityAttributes(self.owners[chosen], self.categories.take(chosen), self.tools.take(chosen))


def diversify(
    score: Integers,
    attributes: DiversityAttributes,
    strength: float = weights.DIVERSITY_STRENGTH,
    chances: Mapping[int, int] = NO_CHANCES,
) -> tuple[list[int], dict[int, RankChange]]:
    """Reorder so that neighbors differ.

    At each rank the project with the highest score minus penalty is placed. The penalty is `strength` for each unit of
    likeness to those on the same page (the last `weights.DIVERSITY_WINDOW` − 1 placed). One whose owner or category
    fills the page already waits, unless nothing else is left.

    Parameters
    ----------
    score
        (n,) millionths, in falling order.
    attributes
        The same n projects.
    strength
        Score per unit of likeness; 0 leaves only the limits of owner and category.
    chances
        From a place (0 for the first) to the index of the project that gets it, or the first one behind it at which its
        owner and category leave room.

    Returns
    -------
    order
        A permutation of range(n): the index, in score order, of the project at each rank.
    moves
        For each project that lost score to likeness, or does not stand where its score put it, by its index in score
        order, why.
    """
    depth = min(score.size, weights.DIVERSITY_DEPTH)
    near = attributes.first(depth)
    alike = similarity(near)
    alike *= np.float32(strength * weights.MILLIONTHS)
    np.rint(alike, out=alike)
    order, penalties, given = _walk(score[:depth], near, alike, chances)
    moves = _moves(order, penalties, alike)
    moves |= {index: RankChange(index + 1, order.index(index) + 1, 0, -1, chance=True) for index in given}
    return order + list(range(depth, score.size)), moves


def similarity(attributes: DiversityAttributes) -> Matrix:
    """Give the (n, n) likeness of all pairs: 0 for nothing in common."""
    parts = (
        (_dense(attributes.categories), weights.CATEGORY_SIMILARITY),
        (_dense(attributes.tools), weights.TOOL_SIMILARITY),
    )
    # One product of float32 for both, in place: every likeness is a sum of quarters, so nothing is lost, and a new
    # matrix of 300 x 300 costs as much as a product, for its memory has to be fetched from the system each time.
    plain = np.hstack([ones for ones, _ in parts])
    alike: Matrix = np.hstack([ones * np.float32(worth) for ones, worth in parts]) @ plain.T
    owners = attributes.owners
    same_owner = (owners[:, None] == owners) & (owners >= 0)
    return np.add(alike, np.float32(weights.OWNER_SIMILARITY), out=alike, where=same_owner)


def _walk(
    score: Integers, attributes: DiversityAttributes, alike: Matrix, chances: Mapping[int, int]
) -> tuple[list[int], list[float], list[int]]:
    """Place one project after another; gives the order, what was taken off each when placed, and who got a chance.

    `blocked` counts for each project the full groups that it is in, and is touched only when a group fills up or has
    room again: looking at all groups at each rank took three quarters of the time.
    """
    n, window = score.size, weights.DIVERSITY_WINDOW
    members, belongs, most = _limited_groups(attributes)
    marginal, alike = score.astype(np.float64), alike.astype(np.float64)  # of one type: a fifth of the time less
    on_page = [0] * len(members)
    blocked, held, full = np.zeros(n), np.zeros(n), 0
    order: list[int] = []
    penalties: list[float] = []
    due: list[int] = []
    given: list[int] = []
    for rank in range(n):
        if rank >= window:
            gone = order[rank - window]
            marginal += alike[gone]
            for group in belongs[gone]:
                if on_page[group] == most[group]:
                    blocked[members[group]] -= 1.0
                    held = np.minimum(blocked, 1.0) * _WAITS
                    full -= 1
                on_page[group] -= 1
        # A blocked project stands behind all that are not, and among its like by score.
        chosen = int((marginal - held if full else marginal).argmax())
        if rank in chances:
            due.append(chances[rank])
        free = next((index for index in due if not blocked[index] and np.isfinite(marginal[index])), None)
        if free is not None:
            due.remove(free)
            given.append(free)
            chosen = free
        order.append(chosen)
        penalties.append(float(score[chosen] - marginal[chosen]))
        marginal -= alike[chosen]
        marginal[chosen] = -np.inf
        for group in belongs[chosen]:
            on_page[group] += 1
            if on_page[group] == most[group]:
                blocked[members[group]] += 1.0
                held = np.minimum(blocked, 1.0) * _WAITS
                full += 1
    return order, penalties, given


_WAITS = 1e15
"""Millionths by which a project waits whose page is full of its like: more than any score."""


def _moves(order: list[int], penalties: list[float], alike: Matrix) -> dict[int, RankChange]:
    blockers = _most_alike_before(np.array(order, dtype=np.int64), alike)
    told: dict[int, RankChange] = {}
    for rank, index in enumerate(order):
        penalty = round(penalties[rank])
        if penalty > 0:
            told[index] = RankChange(index + 1, rank + 1, penalty, order[blockers[rank]])
        elif rank != index:
            told[index] = RankChange(index + 1, rank + 1, 0, -1)
    return told


def _most_alike_before(order: Integers, alike: Matrix) -> list[int]:
    """Give for each rank the rank, among those before it on its page, of what it is most like; the first of equals."""
    before = weights.DIVERSITY_WINDOW - 1
    above = sliding_window_view(np.concatenate([np.full(before, -1), order]), before)[: order.size]
    worth = np.where(above >= 0, alike[order[:, None], above], -1.0)
    found: list[int] = (worth.argmax(axis=1) + np.arange(order.size) - before).tolist()
    return found


def _limited_groups(attributes: DiversityAttributes) -> tuple[list[NDArray[np.intp]], list[list[int]], list[int]]:
    """Give what can fill a page (owners, categories): each one's members, each project's groups, the most of each."""
    members: list[NDArray[np.intp]] = []
    belongs: list[list[int]] = [[] for _ in range(attributes.owners.size)]
    most: list[int] = []
    limits = (
        (attributes.owner_incidence, weights.MAX_SAME_OWNER),
        (attributes.categories, weights.MAX_SAME_CATEGORY),
    )
    for carried, limit in limits:
        rows = carried.rows[np.argsort(carried.terms, kind="stable")]
        sizes = np.unique(carried.terms, return_counts=True)[1]
        ends = np.cumsum(sizes)
        for group in np.flatnonzero(sizes > limit).tolist():  # the others can never fill a page
            inside = rows[ends[group] - sizes[group] : ends[group]]
            for row in inside.tolist():
                belongs[row].append(len(most))
            members.append(inside.astype(np.intp))
            most.append(limit)
    return members, belongs, most


def _dense(carried: Incidence) -> NDArray[np.float32]:
    terms, columns = np.unique(carried.terms, return_inverse=True)
    ones = np.zeros((carried.n, terms.size), dtype=np.float32)
    ones[carried.rows, columns] = 1.0
    return ones
