"""Exploration: a small share of places goes to projects of which too little is known, drawn by lot.

Without it a ranking learns only of what it shows already. Each draw is uniform and its probability is kept, so that
training can take the lot into account (inverse propensity; Horvitz & Thompson, 1952). Arrays in, a draw out.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from scoring import weights
from scoring.features import FeatureTable
from scoring.mathematics.diversity import DiversityAttributes, RankChange, diversify
from scoring.mathematics.signals import Integers


@dataclass(frozen=True, slots=True)
class ExplorationDraw:
    """What was drawn.

    Attributes
    ----------
    places
        From a place (0 for the first) to the project that is to stand there, by its index in score order.
    propensities
        By the same index: how likely the project was to be drawn for its place, given the draws for those above.
    """

    places: Mapping[int, int]
    propensities: Mapping[int, float]


NOTHING = ExplorationDraw({}, {})


def seed_of(actor_id: int, day: date) -> int:
    """Make the seed of a viewer and a day (64 bits): a ranking that is made anew explores the same projects."""
    return int.from_bytes(hashlib.blake2b(f"{actor_id}:{day.isoformat()}".encode(), digest_size=8).digest())


def unknown(table: FeatureTable) -> NDArray[np.bool_]:
    """Say of which projects too little is known: new, or liked by few; and the viewer has not come to them yet."""
    fresh = table.age_days <= weights.FRESH_DAYS
    uncertain = table.likes < weights.KNOWN_LIKES
    untouched = (table.viewed_at <= 0) & ~table.liked
    little_known: NDArray[np.bool_] = untouched & (fresh | uncertain)
    return little_known


def draw(eligible: NDArray[np.bool_], ids: Integers, seed: int, share: float) -> ExplorationDraw:
    """Draw a project for each place that is given away.

    One place of every 1/`share` is, at a random point of its stretch, within the ranks that are spread out; never one
    of the first `weights.MIN_EXPLORATION_RANK`. The lot falls among the eligible projects that score lower than the place.
    It goes by a hash of seed and id, so that it stays where it fell when a few candidates come or go.

    Parameters
    ----------
    eligible, ids
        (n,) in score order.
    seed
        See `seed_of`.
    share
        Of the places, 0 to 1.
    """
    lots = _lots(ids, seed)
    pool = np.flatnonzero(eligible)
    places: dict[int, int] = {}
    propensities: dict[int, float] = {}
    for place in _places(min(ids.size, weights.DIVERSITY_DEPTH), seed, share):
        left = pool[pool > place]
        if not left.size:
            break
        index = int(left[lots[left].argmin()])
        places[place], propensities[index] = index, 1.0 / left.size
        pool = pool[pool != index]
    return ExplorationDraw(places, propensities)


def diversify_and_explore(
    score: Integers,
    attributes: DiversityAttributes,
    drawn: ExplorationDraw,
    strength: float = weights.DIVERSITY_STRENGTH,
) -> tuple[list[int], dict[int, RankChange]]:
    """Spread alike projects out (see `diversity.diversify`) and let those that were drawn stand in their places.

    The limits of owner and category hold for them too: one whose owner or category fills the page comes a few places
    later. A project that only makes room for them has a move without a penalty that names the one it made room for.

    Returns
    -------
    order
        A permutation of range(n): the index, in score order, of the project at each rank.
    moves
        For each project that does not stand where its score put it, or lost score to likeness, why.
    """
    line = _line(score.size, list(drawn.places.values()))
    place_in_line = {index: at for at, index in enumerate(line)}
    chances = {place: place_in_line[index] for place, index in drawn.places.items()}
    spread_order, spread_moves = diversify(score[line], attributes.take(line), strength, chances)
    order = [int(line[at]) for at in spread_order]
    moves = {int(line[at]): _renamed(move, line) for at, move in spread_moves.items()}
    return order, _with_those_who_made_room(order, moves)


def _line(n: int, drawn: Sequence[int]) -> Integers:
    """Give the order in which projects are spread: by score, but all that were drawn within the depth that is."""
    near = np.zeros(n, dtype=np.bool_)
    near[list(drawn)] = True
    near[np.flatnonzero(~near)[: max(min(n, weights.DIVERSITY_DEPTH) - len(drawn), 0)]] = True
    return np.concatenate([np.flatnonzero(near), np.flatnonzero(~near)])


def _renamed(move: RankChange, line: Integers) -> RankChange:
    blocker = int(line[move.blocker]) if move.blocker >= 0 else -1
    return RankChange(int(line[move.from_rank - 1]) + 1, move.to_rank, move.penalty, blocker, move.chance)


def _with_those_who_made_room(order: Sequence[int], moves: Mapping[int, RankChange]) -> dict[int, RankChange]:
    """Tell of everything that moved, also beyond the depth that is spread out, and of what it made room for."""
    told: dict[int, RankChange] = {}
    chances: list[int] = []
    for rank, index in enumerate(order, start=1):
        move = moves.get(index)
        if move is not None and move.chance:
            chances.append(index)
        if rank != index + 1 and (move is None or (not move.penalty and not move.chance)):
            above = next((other for other in reversed(chances) if other > index), -1) if rank > index + 1 else -1
            move = RankChange(index + 1, rank, 0, above)
        if move is not None and (move.penalty or move.from_rank != move.to_rank):
            told[index] = move
    return told


def _places(depth: int, seed: int, share: float) -> list[int]:
    """Give the places that are given away: one of each stretch, at random."""
    stretches = math.ceil(weights.DIVERSITY_DEPTH * share)
    points = np.random.default_rng(seed).random(stretches).tolist()
    spots = [spot for at, point in enumerate(points) if (spot := (at + point) / share) < depth]
    return sorted({max(int(spot), weights.MIN_EXPLORATION_RANK) for spot in spots})


def _lots(ids: Integers, seed: int) -> NDArray[np.uint64]:
    """Hash ids with a seed, each by itself (splitmix64; Steele, Lea & Flood, 2014)."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
