"""Which options a question should offer: those whose answer tells most about what somebody likes. Arrays in and out.

The answer to "do you use X?" is worth its information gain: how many bits fewer it takes to guess the category of the
next thing that somebody likes, once one knows the answer (Quinlan's measure for a decision tree's question). Options
are chosen one after another, and whoever is told by those chosen already counts half for the next: so the dozen speaks
to different people, where the twelve best by themselves would be one taste twelve times.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scoring import weights
from scoring.mathematics.signals import Floats, Integers

Bits = NDArray[np.bool_]

Gain = Callable[[Floats], Floats]
"""From (n,) weights of rows to the (t,) gains of all options."""


def information_gain(bits: Bits, liked: Floats) -> Gain:
    """Make the information gain of each option, in bits.

    Parameters
    ----------
    bits
        (n, t) whether a person is one of those who would choose the option.
    liked
        (n, k) shares of what the person likes, by category; a row adds up to 1.
    """
    chose = bits.astype(np.float64)

    def gain(weight: Floats) -> Floats:
        total = weight @ liked
        with_it = (chose * weight[:, None]).T @ liked
        without = total - with_it
        everybody = total.sum()
        if everybody <= 0:
            return np.zeros(bits.shape[1])
        share = with_it.sum(axis=1) / everybody
        told: Floats = _entropy(total) - share * _entropy(with_it) - (1 - share) * _entropy(without)
        gained: Floats = np.maximum(told, 0.0) * everybody / bits.shape[0]
        return gained

    return gain


def coverage_gain(bits: Bits) -> Gain:
    """Make the coverage of each option: the share of rows that it reaches. For when there are too few likes."""
    reached = bits.astype(np.float64)

    def gain(weight: Floats) -> Floats:
        shares: Floats = weight @ reached / bits.shape[0]
        return shares

    return gain


def choose_options(bits: Bits, gain: Gain, most: int) -> list[int]:
    """Choose up to `most` columns, each the best beside those before; ties go to the first. One of no gain is left."""
    weight, chosen = np.ones(bits.shape[0]), list[int]()
    while len(chosen) < min(most, bits.shape[1]):
        gains = gain(weight)
        gains[chosen] = -1.0
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        chosen.append(best)
        weight[bits[:, best]] *= weights.REACHED_AUDIENCE_WEIGHT
    return chosen


def total_gain(bits: Bits, gain: Gain, chosen: Sequence[int]) -> float:
    """Add up what options gain, each beside those before it."""
    weight, total = np.ones(bits.shape[0]), 0.0
    for column in chosen:
        total += float(gain(weight)[column])
        weight[bits[:, column]] *= weights.REACHED_AUDIENCE_WEIGHT
    return total


def option_audience(actors: Integers, projects: Integers, terms: Integers, options: Integers) -> tuple[Integers, Bits]:
    """Say who would choose which option: those who like it more than people do on average, and twice or more.

    Parameters
    ----------
    actors, projects, terms
        (m,) one entry for each like and term of the liked project.
    options
        (t,) term ids to ask about.

    Returns
    -------
    people
        (n,) actors with at least `weights.MIN_AUDIENCE_LIKES` likes, rising.
    bits
        (n, t) whether each would choose each.
    """
    people, likes = _likes_by_actor(actors, projects)
    counts = _counts(actors, terms, people, options)
    share = counts / likes[:, None] if people.size else counts
    usual = counts.sum(axis=0) / likes.sum() if people.size else np.zeros(options.size)
    return people, (counts >= 2) & (share > usual)


def category_shares(actors: Integers, terms: Integers, people: Integers, categories: Integers) -> Floats:
    """Give the (n, k) shares of each person's likes by category; all zero for one whose likes are in none."""
    counts = _counts(actors, terms, people, categories)
    totals = counts.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    return shares


def option_incidence(projects: Integers, terms: Integers, options: Integers) -> Bits:
    """Give the (p, t) table of which project carries which option, for projects that carry any."""
    mine = np.isin(terms, options)
    rows = np.unique(projects[mine])
    return _counts(projects[mine], terms[mine], rows, options) > 0


def _likes_by_actor(actors: Integers, projects: Integers) -> tuple[Integers, Floats]:
    likes = np.unique(np.column_stack([actors, projects]), axis=0)
    people, counts = np.unique(likes[:, 0], return_counts=True)
    enough = counts >= weights.MIN_AUDIENCE_LIKES
    return people[enough], counts[enough].astype(np.float64)


def _counts(rows: Integers, columns: Integers, row_ids: Integers, column_ids: Integers) -> Floats:
    """Count pairs: (n, t) for the rising `row_ids` and the `column_ids` in their order."""
    order = np.argsort(column_ids)
    table = np.zeros((row_ids.size, column_ids.size))
    if not table.size:
        return table
    row = np.minimum(np.searchsorted(row_ids, rows), row_ids.size - 1)
    column = np.minimum(np.searchsorted(column_ids[order], columns), column_ids.size - 1)
    known = (row_ids[row] == rows) & (column_ids[order][column] == columns)
    np.add.at(table, (row[known], order[column[known]]), 1.0)
    return table


def _entropy(counts: Floats) -> Floats:
    """Give the entropy in bits of each distribution along the last axis; 0 for one of nothing."""
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    logs = np.log2(share, out=np.zeros_like(share), where=share > 0)
    entropy: Floats = -(share * logs).sum(axis=-1)
    return entropy
