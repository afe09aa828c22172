"""Exploration: a small share of the places goes to under-exposed projects, drawn at random.

Draws are uniform and their probabilities are kept as propensities, so that training can correct for them (inverse
propensity weighting; Horvitz & Thompson, 1952).
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from scoring import weights
from scoring.mathematics.diversity import DiversityAttributes, RankChange, diversify
from scoring.mathematics.signals import Floats, Integers


@dataclass(frozen=True, slots=True)
class ExplorationDraw:
    """Projects drawn for exploration, by their index in score order."""

    places: Mapping[int, int]  # drawn project of each place (0 for the first)
    propensities: Mapping[int, float]  # probability of each drawn project, given the draws for the places above


NO_DRAW = ExplorationDraw({}, {})


def seed_of(actor_id: int, day: date) -> int:
    """Return the 64-bit seed of a viewer and a day, so that a new ranking of the day explores the same projects."""
    return int.from_bytes(hashlib.blake2b(f"{actor_id}:{day.isoformat()}".encode(), digest_size=8).digest())


def under_exposed(age_days: Floats, likes: Integers, viewed_at: Floats, liked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the projects that are new or liked by few, and that the viewer has not engaged with; all arrays are (n,)."""
    marked: NDArray[np.bool_] = (
        (viewed_at <= 0) & ~liked & ((age_days <= weights.FRESH_DAYS) | (likes < weights.KNOWN_LIKES))
    )
    return marked


def draw(eligible: NDArray[np.bool_], ids: Integers, seed: int, share: float) -> ExplorationDraw:
    """Draw a project for each exploration place.

    The places are one in every 1/`share` ranks, at random, within `weights.DIVERSITY_DEPTH` and after the first
    `weights.MIN_EXPLORATION_RANK`. A project is drawn from the eligible ones that score lower than the place, by a hash
    of seed and id, so that a draw stays the same when a few candidates are added or removed. `eligible` and `ids` are
    (n,) in score order.
    """
    hashes = _hashes(ids, seed)
    pool = np.flatnonzero(eligible)
    places: dict[int, int] = {}
    propensities: dict[int, float] = {}
    for place in _places(min(ids.size, weights.DIVERSITY_DEPTH), seed, share):
        below = pool[pool > place]
        if not below.size:
            break
        index = int(below[hashes[below].argmin()])
        places[place], propensities[index] = index, 1.0 / below.size
        pool = pool[pool != index]
    return ExplorationDraw(places, propensities)


def diversify_and_explore(
    score: Integers,
    attributes: DiversityAttributes,
    drawn: ExplorationDraw,
    strength: float = weights.DIVERSITY_STRENGTH,
) -> tuple[list[int], dict[int, RankChange]]:
    """Diversify a ranking (see `diversify`) and put the drawn projects in their places.

    The limits of owner and category apply to drawn projects too: one that exceeds them comes a few places later. A
    project that only makes room has a change without a penalty, whose blocker is the drawn project. Returns order and
    changes as `diversify` does.
    """
    line = _within_depth(score.size, list(drawn.places.values()))
    index_in_line = {index: at for at, index in enumerate(line)}
    given = {place: index_in_line[index] for place, index in drawn.places.items()}
    line_order, line_changes = diversify(score[line], attributes.take(line), strength, given)
    order = [int(line[at]) for at in line_order]
    changes = {int(line[at]): _in_score_order(change, line) for at, change in line_changes.items()}
    return order, _with_displaced(order, changes)


def _within_depth(n: int, drawn: Sequence[int]) -> Integers:
    """Return the indexes in score order, with all drawn projects moved within the diversified depth."""
    near = np.zeros(n, dtype=np.bool_)
    near[list(drawn)] = True
    near[np.flatnonzero(~near)[: max(min(n, weights.DIVERSITY_DEPTH) - len(drawn), 0)]] = True
    return np.concatenate([np.flatnonzero(near), np.flatnonzero(~near)])


def _in_score_order(change: RankChange, line: Integers) -> RankChange:
    blocker = int(line[change.blocker]) if change.blocker >= 0 else -1
    return change._replace(from_rank=int(line[change.from_rank - 1]) + 1, blocker=blocker)


def _with_displaced(order: Sequence[int], changes: Mapping[int, RankChange]) -> dict[int, RankChange]:
    """Add the changes of projects that were displaced, also beyond the diversified depth, and what displaced them."""
    complete: dict[int, RankChange] = {}
    explored: list[int] = []
    for rank, index in enumerate(order, start=1):
        change = changes.get(index)
        if change is not None and change.explored:
            explored.append(index)
        if rank != index + 1 and (change is None or (not change.penalty and not change.explored)):
            above = next((other for other in reversed(explored) if other > index), -1) if rank > index + 1 else -1
            change = RankChange(index + 1, rank, 0, above)
        if change is not None and (change.penalty or change.from_rank != change.to_rank):
            complete[index] = change
    return complete


def _places(depth: int, seed: int, share: float) -> list[int]:
    """Choose one place at random in each stretch of 1/`share` ranks."""
    stretches = math.ceil(weights.DIVERSITY_DEPTH * share)
    points = np.random.default_rng(seed).random(stretches).tolist()
    places = [place for at, point in enumerate(points) if (place := (at + point) / share) < depth]
    return sorted({max(int(place), weights.MIN_EXPLORATION_RANK) for place in places})


def _hashes(ids: Integers, seed: int) -> NDArray[np.uint64]:
    """Hash each id with the seed (splitmix64; Steele, Lea & Flood, 2014)."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
