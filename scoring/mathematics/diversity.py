"""Diversity: a greedy re-ranking that spreads projects with the same attributes over the page, and drops no project.

Maximal marginal relevance (Carbonell & Goldstein, 1998) with the similarity of owners, categories and tools instead of
vectors. The re-ranking takes 2-3 ms for the first 300 ranks. With the vectors of 2,000 candidates it would take 115 ms.

`spread` applies only the limits of owner and category, to 1,000 projects in 2 ms (`python -m bench.ranking blend`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scoring import tunables
from scoring.mathematics.signals import MILLIONTHS, Incidence, Integers

Matrix = NDArray[np.float32]

_NO_RESERVATIONS: Mapping[int, int] = MappingProxyType({})
_BLOCKED_PENALTY = 1e15  # millionths subtracted from a blocked project: more than any score


class RankChange(NamedTuple):
    """Change of a project's rank, or of its score, by the re-ranking.

    Score minus penalty descends within a page, except where an owner or a category reached its limit.
    """

    from_rank: int  # by score, from 1
    to_rank: int  # as served, from 1
    penalty: int  # millionths of score subtracted for similarity
    blocker: int  # index (in score order) of the most similar project at a higher rank, or −1
    explored: bool = False  # whether the rank was reserved for the project by exploration


@dataclass(frozen=True, slots=True)
class DiversityAttributes:
    """Attributes that make projects similar: (n,) owner ids with −1 for none, categories and tools."""

    owners: Integers
    categories: Incidence
    tools: Incidence

    def take(self, indexes: Integers) -> "DiversityAttributes":
        """Select the projects at these indexes, in this order."""
        return DiversityAttributes(self.owners[indexes], self.categories.take(indexes), self.tools.take(indexes))


def diversify(
    score: Integers,
    attributes: DiversityAttributes,
    strength: float = tunables.DIVERSITY_STRENGTH,
    reserved: Mapping[int, int] = _NO_RESERVATIONS,
    ranks: int = tunables.DIVERSITY_DEPTH,
) -> tuple[list[int], dict[int, RankChange]]:
    """Re-rank so that neighboring projects differ.

    Each rank gets the project with the highest score minus penalty. The penalty is `strength` for each unit of
    similarity to the last `tunables.DIVERSITY_WINDOW` − 1 projects. A project whose owner or category has reached its
    limit on the page is blocked while other projects are left. `score` are (n,) millionths, descending. `reserved`
    holds the project of each reserved rank (0 for the first). The project gets this rank, or the next rank that the
    limits of its owner and category allow. Only the first `ranks` ranks are filled so; the other projects follow by
    score.

    Returns
    -------
    order
        A permutation of range(n): the index, in score order, of the project at each rank.
    changes
        The changes of projects that lost score or are not at their rank by score, by the same index.
    """
    depth = min(score.size, tunables.DIVERSITY_DEPTH)
    first = attributes.take(np.arange(depth))
    pair_penalties = similarity(first)
    pair_penalties *= np.float32(strength * MILLIONTHS)
    np.rint(pair_penalties, out=pair_penalties)
    order, penalties, explored_projects = _place_greedily(
        score[:depth], first, pair_penalties, reserved, min(depth, ranks)
    )
    changes = _changes(order, penalties, pair_penalties)
    changes |= {
        index: RankChange(index + 1, order.index(index) + 1, 0, -1, explored=True) for index in explored_projects
    }
    placed = set(order)
    return order + [index for index in range(score.size) if index not in placed], changes


def spread(
    attributes: DiversityAttributes, ranks: int = tunables.DIVERSITY_DEPTH
) -> tuple[list[int], dict[int, RankChange]]:
    """Re-rank so that no owner and no category exceeds its limit on a page while other projects are left.

    `attributes` are those of (n,) projects in score order. Each of the first `ranks` ranks gets the first project, of
    all n, whose owner and categories are below their limits; the other projects follow by score. A change has no
    penalty. The blocker of a project that was moved down is the last project of the same owner or category at a higher
    rank. Returns order and changes as `diversify` does.
    """
    n, window = attributes.owners.size, tunables.DIVERSITY_WINDOW
    members, groups_of, limits = _limited_groups(attributes)
    if not limits:
        return list(range(n)), {}
    on_page, last_of = [0] * len(limits), [-1] * len(limits)
    full_groups = np.zeros(n, np.int64)  # number of groups of each project that have reached their limit
    is_left = np.ones(n, np.bool_)
    first_left = 0  # first project by score that has no rank yet
    order: list[int] = []
    changes: dict[int, RankChange] = {}
    for rank in range(min(n, ranks)):
        if rank >= window:
            for group in groups_of[order[rank - window]]:
                if on_page[group] == limits[group]:
                    full_groups[members[group]] -= 1
                on_page[group] -= 1
        chosen = first_left
        if full_groups[chosen]:
            chosen += int(((full_groups[chosen:] == 0) & is_left[chosen:]).argmax())  # 0 if all are blocked
        if rank != chosen:
            blocker = max((last_of[group] for group in groups_of[chosen]), default=-1) if rank > chosen else -1
            changes[chosen] = RankChange(chosen + 1, rank + 1, 0, order[blocker] if blocker >= 0 else -1)
        order.append(chosen)
        is_left[chosen] = False
        while first_left < n and not is_left[first_left]:
            first_left += 1
        for group in groups_of[chosen]:
            last_of[group] = rank
            on_page[group] += 1
            if on_page[group] == limits[group]:
                full_groups[members[group]] += 1
    for index in np.flatnonzero(is_left).tolist():
        order.append(index)
        if index != len(order) - 1:
            changes[index] = RankChange(index + 1, len(order), 0, -1)
    return order, changes


def similarity(attributes: DiversityAttributes) -> Matrix:
    """Return the (n, n) similarity of all pairs: 0 without a common attribute."""
    categories, tools = _dense(attributes.categories), _dense(attributes.tools)
    # One matrix product for both parts, with all sums in place, because allocating a 300 x 300 matrix costs as much as
    # a product. Each similarity is a sum of quarters, so float32 is exact.
    weighted = [categories * np.float32(tunables.CATEGORY_SIMILARITY), tools * np.float32(tunables.TOOL_SIMILARITY)]
    similarities: Matrix = np.hstack(weighted) @ np.hstack([categories, tools]).T
    owners = attributes.owners
    same_owner = (owners[:, None] == owners) & (owners >= 0)
    return np.add(similarities, np.float32(tunables.OWNER_SIMILARITY), out=similarities, where=same_owner)


def _place_greedily(
    score: Integers, attributes: DiversityAttributes, pair_penalties: Matrix, reserved: Mapping[int, int], ranks: int
) -> tuple[list[int], list[float], list[int]]:
    """Return the order, the penalty at each rank, and the projects that got a reserved rank.

    `full_groups` counts the groups of each project that have reached their limit. It is updated only when a group
    reaches its limit or falls below it: checking all groups at each rank took three quarters of the time.
    """
    n, window = score.size, tunables.DIVERSITY_WINDOW
    members, groups_of, limits = _limited_groups(attributes)
    marginal, pair_penalties = score.astype(np.float64), pair_penalties.astype(np.float64)  # equal types: 20 % faster
    on_page = [0] * len(members)
    full_groups, block_penalty, full_count = np.zeros(n), np.zeros(n), 0
    order: list[int] = []
    penalties: list[float] = []
    reserved_projects: list[int] = []
    explored_projects: list[int] = []
    for rank in range(ranks):
        if rank >= window:
            left_page = order[rank - window]
            marginal += pair_penalties[left_page]
            for group in groups_of[left_page]:
                if on_page[group] == limits[group]:
                    full_groups[members[group]] -= 1.0
                    block_penalty = np.minimum(full_groups, 1.0) * _BLOCKED_PENALTY
                    full_count -= 1
                on_page[group] -= 1
        next_project = int((marginal - block_penalty if full_count else marginal).argmax())
        if rank in reserved:
            reserved_projects.append(reserved[rank])
        placeable = next(
            (index for index in reserved_projects if not full_groups[index] and np.isfinite(marginal[index])), None
        )
        if placeable is not None:
            reserved_projects.remove(placeable)
            explored_projects.append(placeable)
            next_project = placeable
        order.append(next_project)
        penalties.append(float(score[next_project] - marginal[next_project]))
        marginal -= pair_penalties[next_project]
        marginal[next_project] = -np.inf
        for group in groups_of[next_project]:
            on_page[group] += 1
            if on_page[group] == limits[group]:
                full_groups[members[group]] += 1.0
                block_penalty = np.minimum(full_groups, 1.0) * _BLOCKED_PENALTY
                full_count += 1
    return order, penalties, explored_projects


def _changes(order: list[int], penalties: list[float], pair_penalties: Matrix) -> dict[int, RankChange]:
    blockers = _most_similar_above(np.array(order, dtype=np.int64), pair_penalties)
    changes: dict[int, RankChange] = {}
    for rank, index in enumerate(order):
        penalty = max(round(penalties[rank]), 0)
        if penalty or rank != index:
            changes[index] = RankChange(index + 1, rank + 1, penalty, order[blockers[rank]] if penalty else -1)
    return changes


def _most_similar_above(order: Integers, pair_penalties: Matrix) -> list[int]:
    """Return for each rank the rank of the most similar project above it on the page; of several, the highest rank."""
    window = tunables.DIVERSITY_WINDOW - 1
    above = sliding_window_view(np.concatenate([np.full(window, -1), order]), window)[: order.size]
    penalties = np.where(above >= 0, pair_penalties[order[:, None], above], -1.0)
    return (penalties.argmax(axis=1) + np.arange(order.size) - window).tolist()


def _limited_groups(attributes: DiversityAttributes) -> tuple[list[NDArray[np.intp]], list[list[int]], list[int]]:
    """Return the groups (owners and categories) that can reach their limit: members, groups of each project, limits."""
    members: list[NDArray[np.intp]] = []
    groups_of: list[list[int]] = [[] for _ in range(attributes.owners.size)]
    limits: list[int] = []
    owned = np.flatnonzero(attributes.owners >= 0)
    owners = Incidence(attributes.owners.size, owned, attributes.owners[owned])
    for incidence, limit in ((owners, tunables.MAX_SAME_OWNER), (attributes.categories, tunables.MAX_SAME_CATEGORY)):
        rows = incidence.rows[np.argsort(incidence.terms, kind="stable")]
        sizes = np.unique(incidence.terms, return_counts=True)[1]
        ends = np.cumsum(sizes)
        for group in np.flatnonzero(sizes > limit).tolist():
            group_rows = rows[ends[group] - sizes[group] : ends[group]]
            for row in group_rows.tolist():
                groups_of[row].append(len(limits))
            members.append(group_rows.astype(np.intp))
            limits.append(limit)
    return members, groups_of, limits


def _dense(incidence: Incidence) -> Matrix:
    terms, columns = np.unique(incidence.terms, return_inverse=True)
    ones = np.zeros((incidence.n, terms.size), dtype=np.float32)
    ones[incidence.rows, columns] = 1.0
    return ones
