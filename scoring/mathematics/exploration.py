"""Exploration: a small share of the ranks is reserved for under-exposed projects, which are drawn at random.

Draws are uniform. Their probabilities are logged as propensities, for inverse propensity weighting (Horvitz & Thompson,
1952). Training does not use them yet.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from scoring import tunables
from scoring.mathematics.diversity import DiversityAttributes, RankChange, diversify
from scoring.mathematics.signals import Floats, Integers


@dataclass(frozen=True, slots=True)
class ExplorationDraw:
    """Projects drawn for exploration, by their index in score order."""

    reserved: Mapping[int, int]  # drawn project of each reserved rank (0 for the first)
    propensities: Mapping[int, float]  # probability of each drawn project, conditional on the draws at higher ranks


NO_DRAW = ExplorationDraw({}, {})


def exploration_seed(actor_id: int, day: date) -> int:
    """Return the 64-bit seed of a viewer and a day. All rankings of a viewer on one day explore the same projects."""
    return int.from_bytes(hashlib.blake2b(f"{actor_id}:{day.isoformat()}".encode(), digest_size=8).digest())


def under_exposed(age_days: Floats, likes: Integers, viewed_at: Floats, liked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the (n,) mask of projects that are new or have few likes, and that the viewer neither viewed nor liked."""
    mask: NDArray[np.bool_] = (
        (viewed_at <= 0) & ~liked & ((age_days <= tunables.FRESH_DAYS) | (likes < tunables.KNOWN_LIKES))
    )
    return mask


def draw(eligible: NDArray[np.bool_], ids: Integers, seed: int, share: float) -> ExplorationDraw:
    """Draw a project for each exploration rank.

    One random rank in every 1/`share` ranks is an exploration rank, within the first `tunables.DIVERSITY_DEPTH` ranks
    and without the first `tunables.MIN_EXPLORATION_RANK` ranks. Each draw takes the project with the lowest hash of
    seed and id among the eligible projects below that rank, so most draws stay the same when a few candidates are added
    or removed. `eligible` and `ids` are (n,) in score order.
    """
    hashes = _hashes(ids, seed)
    pool = np.flatnonzero(eligible)
    reserved: dict[int, int] = {}
    propensities: dict[int, float] = {}
    for rank in _exploration_ranks(min(ids.size, tunables.DIVERSITY_DEPTH), seed, share):
        below = pool[pool > rank]
        if not below.size:
            break
        index = int(below[hashes[below].argmin()])
        reserved[rank], propensities[index] = index, 1.0 / below.size
        pool = pool[pool != index]
    return ExplorationDraw(reserved, propensities)


def diversify_and_explore(
    score: Integers,
    attributes: DiversityAttributes,
    exploration_draw: ExplorationDraw,
    strength: float = tunables.DIVERSITY_STRENGTH,
    ranks: int = tunables.DIVERSITY_DEPTH,
) -> tuple[list[int], dict[int, RankChange]]:
    """Diversify a ranking (see `diversify`) and put the drawn projects at their reserved ranks.

    The limits of owner and category apply to drawn projects too: a project that exceeds them gets a rank further down.
    The change of a project that was only displaced has no penalty, and its blocker is the drawn project. Returns order
    and changes as `diversify` does.
    """
    input_order = _within_depth(score.size, list(exploration_draw.reserved.values()))
    input_position = {index: position for position, index in enumerate(input_order)}
    reserved = {rank: input_position[index] for rank, index in exploration_draw.reserved.items()}
    positions, position_changes = diversify(score[input_order], attributes.take(input_order), strength, reserved, ranks)
    index_at = input_order.tolist()
    changes = {
        index_at[position]: RankChange(
            index_at[change.from_rank - 1] + 1,
            change.to_rank,
            change.penalty,
            index_at[change.blocker] if change.blocker >= 0 else -1,
            change.explored,
        )
        for position, change in position_changes.items()
    }
    order = [index_at[position] for position in positions]
    return order, _with_displaced(order, changes)


def _within_depth(n: int, drawn_projects: Sequence[int]) -> Integers:
    """Return the indexes in score order, with all drawn projects moved within the diversified depth."""
    is_within = np.zeros(n, dtype=np.bool_)
    is_within[list(drawn_projects)] = True
    is_within[np.flatnonzero(~is_within)[: max(min(n, tunables.DIVERSITY_DEPTH) - len(drawn_projects), 0)]] = True
    return np.concatenate([np.flatnonzero(is_within), np.flatnonzero(~is_within)])


def _with_displaced(order: Sequence[int], changes: Mapping[int, RankChange]) -> dict[int, RankChange]:
    """Add a change for each project that an explored project displaced, also below the diversified ranks."""
    complete: dict[int, RankChange] = {}
    explored: list[int] = []
    for rank, index in enumerate(order, start=1):
        change = changes.get(index)
        if change is not None and change.explored:
            explored.append(index)
        if rank != index + 1 and (change is None or (not change.penalty and not change.explored)):
            blocker = next((other for other in reversed(explored) if other > index), -1) if rank > index + 1 else -1
            change = RankChange(index + 1, rank, 0, blocker)
        if change is not None and (change.penalty or change.from_rank != change.to_rank):
            complete[index] = change
    return complete


def _exploration_ranks(depth: int, seed: int, share: float) -> list[int]:
    """Choose one rank at random in each interval of 1/`share` ranks."""
    intervals = math.ceil(tunables.DIVERSITY_DEPTH * share)
    offsets = np.random.default_rng(seed).random(intervals).tolist()
    ranks = [rank for interval, offset in enumerate(offsets) if (rank := (interval + offset) / share) < depth]
    return sorted({max(int(rank), tunables.MIN_EXPLORATION_RANK) for rank in ranks})


def _hashes(ids: Integers, seed: int) -> NDArray[np.uint64]:
    """Hash each id with the seed (splitmix64; Steele, Lea & Flood, 2014)."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
