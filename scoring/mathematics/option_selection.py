"""Selection of the options of an onboarding question by information gain.

The answer to "do you use X?" gains the bits by which it shortens a guess of the category of the next project that the
person likes (Quinlan's measure for a decision tree). Options are selected greedily, and a person reached by an earlier
option counts half for the next, so that a dozen options reach different people; the twelve best ones alone would
describe one taste twelve times.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from scoring import weights
from scoring.mathematics.signals import Floats, Integers

Bits = NDArray[np.bool_]

Gain = Callable[[Floats], Floats]
"""From (n,) weights of rows to the (t,) gains of all options."""


def information_gain(bits: Bits, liked: Floats) -> Gain:
    """Return the information gain of each option, in bits.

    `bits` is (n, t), whether a person would choose the option; `liked` is (n, k), shares of their likes by category.
    """
    chose = bits.astype(np.float64)

    def gain(weight: Floats) -> Floats:
        total = weight @ liked
        with_it = (chose * weight[:, None]).T @ liked
        without = np.maximum(total - with_it, 0.0)  # of differences that round to just below 0
        mass = total.sum()
        if mass <= 0:
            return np.zeros(bits.shape[1])
        share = with_it.sum(axis=1) / mass
        bits_saved = _entropy(total) - share * _entropy(with_it) - (1 - share) * _entropy(without)
        gains: Floats = np.maximum(bits_saved, 0.0) * mass / bits.shape[0]
        return gains

    return gain


def coverage_gain(bits: Bits) -> Gain:
    """Return the share of rows that each option reaches, for when there are too few likes."""
    reached = bits.astype(np.float64)

    def gain(weight: Floats) -> Floats:
        shares: Floats = weight @ reached / bits.shape[0]
        return shares

    return gain


def choose_options(bits: Bits, gain: Gain, most: int) -> list[int]:
    """Choose up to `most` columns greedily, as long as they gain anything; of ties the first."""
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
    """Return the sum of the gains of options, each beside those before it."""
    weight, total = np.ones(bits.shape[0]), 0.0
    for column in chosen:
        total += float(gain(weight)[column])
        weight[bits[:, column]] *= weights.REACHED_AUDIENCE_WEIGHT
    return total


def option_audience(actors: Integers, projects: Integers, terms: Integers, options: Integers) -> tuple[Integers, Bits]:
    """Estimate who would choose which option: people who like it twice or more, and more than the average does.

    Parameters
    ----------
    actors, projects, terms
        (m,) one entry for each like and term of the liked project.
    options
        (t,) term ids.

    Returns
    -------
    The (n,) actors with at least `weights.MIN_AUDIENCE_LIKES` likes, ascending, and (n, t) who would choose what.
    """
    people, likes = np.unique(np.unique(np.column_stack([actors, projects]), axis=0)[:, 0], return_counts=True)
    enough = likes >= weights.MIN_AUDIENCE_LIKES
    people, likes = people[enough], likes[enough]
    counts = _counts(actors, terms, people, options)
    average = counts.sum(axis=0) / max(likes.sum(), 1)
    return people, (counts >= 2) & (counts / likes[:, None] > average)


def category_shares(actors: Integers, terms: Integers, people: Integers, categories: Integers) -> Floats:
    """Return the (n, k) shares of each person's likes by category; zeros if there are none."""
    return _shares(_counts(actors, terms, people, categories))


def option_incidence(projects: Integers, terms: Integers, options: Integers) -> Bits:
    """Return the (p, t) table of the options of each project that has any."""
    offered = np.isin(terms, options)
    rows = np.unique(projects[offered])
    return _counts(projects[offered], terms[offered], rows, options) > 0


def _counts(rows: Integers, columns: Integers, row_ids: Integers, column_ids: Integers) -> Floats:
    """Count pairs: (n, t) for the ascending `row_ids` and the `column_ids` in their order."""
    order = np.argsort(column_ids)
    table = np.zeros((row_ids.size, column_ids.size))
    if not table.size:
        return table
    row = np.minimum(np.searchsorted(row_ids, rows), row_ids.size - 1)
    column = np.minimum(np.searchsorted(column_ids[order], columns), column_ids.size - 1)
    known = (row_ids[row] == rows) & (column_ids[order][column] == columns)
    np.add.at(table, (row[known], order[column[known]]), 1.0)
    return table


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    shares: Floats = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    return shares


def _entropy(counts: Floats) -> Floats:
    """Return the entropy in bits of each distribution along the last axis; 0 for an empty one."""
    entropy: Floats = entr(_shares(counts)).sum(axis=-1) / np.log(2.0)
    return entropy
