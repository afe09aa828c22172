"""Selection of the options of an onboarding question by information gain.

The information gain of "do you use X?" is the number of bits that the answer tells about the category of the next
project that the actor likes (Quinlan's measure for decision trees). Options are selected greedily. An actor who would
choose an earlier option counts half for the next option, so the options describe different tastes. Without this rule,
the twelve options with the highest gain could all describe one taste.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from scoring import tunables
from scoring.mathematics.signals import Floats, Integers

Bits = NDArray[np.bool_]

Gain = Callable[[Floats], Floats]
"""Function from the (n,) weights of the rows to the (t,) gains of all options."""


def information_gain(bits: Bits, like_shares: Floats) -> Gain:
    """Return the function of the options' information gains, in bits.

    `bits` is (n, t), whether each actor would choose each option. `like_shares` is (n, k), the shares of each actor's
    likes by category.
    """
    would_choose = bits.astype(np.float64)

    def gain(weight: Floats) -> Floats:
        total = weight @ like_shares
        chosen = (would_choose * weight[:, None]).T @ like_shares
        not_chosen = np.maximum(total - chosen, 0.0)  # differences can round to just below 0
        total_weight = total.sum()
        if total_weight <= 0:
            return np.zeros(bits.shape[1])
        share = chosen.sum(axis=1) / total_weight
        bits_saved = _entropy(total) - share * _entropy(chosen) - (1 - share) * _entropy(not_chosen)
        return np.maximum(bits_saved, 0.0) * total_weight / bits.shape[0]

    return gain


def coverage_gain(bits: Bits) -> Gain:
    """Return the function of the weighted shares of rows that have each option. Used if there are too few likes."""
    has_option = bits.astype(np.float64)

    def gain(weight: Floats) -> Floats:
        return weight @ has_option / bits.shape[0]

    return gain


def choose_options(bits: Bits, gain: Gain, max_options: int) -> list[int]:
    """Choose up to `max_options` columns greedily, as long as their gain is positive.

    Of equal gains, the first column is chosen.
    """
    weight, columns = np.ones(bits.shape[0]), list[int]()
    while len(columns) < min(max_options, bits.shape[1]):
        gains = gain(weight)
        gains[columns] = -1.0
        column = int(gains.argmax())
        if gains[column] <= 0:
            break
        columns.append(column)
        weight[bits[:, column]] *= tunables.REACHED_AUDIENCE_WEIGHT
    return columns


def total_gain(bits: Bits, gain: Gain, columns: Sequence[int]) -> float:
    """Return the sum of the gains of options.

    The weights of the actors are reduced after each option (`tunables.REACHED_AUDIENCE_WEIGHT`), so the order matters.
    """
    weight, total = np.ones(bits.shape[0]), 0.0
    for column in columns:
        total += float(gain(weight)[column])
        weight[bits[:, column]] *= tunables.REACHED_AUDIENCE_WEIGHT
    return total


def option_audience(actors: Integers, projects: Integers, terms: Integers, options: Integers) -> tuple[Integers, Bits]:
    """Estimate which actors would choose which option.

    An actor would choose a term that at least two of the actor's likes have, and a larger share of them than of all
    likes. `actors`, `projects` and `terms` are (m,), one entry for each like and each term of the liked project;
    `options` are (t,) term ids.

    Returns
    -------
    actor_ids
        (n,) actors with at least `tunables.MIN_AUDIENCE_LIKES` likes, ascending.
    bits
        (n, t), whether each actor would choose each option.
    """
    actor_ids, likes = np.unique(np.unique(np.column_stack([actors, projects]), axis=0)[:, 0], return_counts=True)
    in_audience = likes >= tunables.MIN_AUDIENCE_LIKES
    actor_ids, likes = actor_ids[in_audience], likes[in_audience]
    counts = _counts(actors, terms, actor_ids, options)
    average = counts.sum(axis=0) / max(likes.sum(), 1)
    return actor_ids, (counts >= 2) & (counts / likes[:, None] > average)


def category_shares(actors: Integers, terms: Integers, actor_ids: Integers, categories: Integers) -> Floats:
    """Return the (n, k) shares of each actor's likes by category; zeros for an actor without likes."""
    return _shares(_counts(actors, terms, actor_ids, categories))


def option_incidence(projects: Integers, terms: Integers, options: Integers) -> Bits:
    """Return the (p, t) table of the options that each project has, for the projects that have an option."""
    is_option = np.isin(terms, options)
    rows = np.unique(projects[is_option])
    return _counts(projects[is_option], terms[is_option], rows, options) > 0


def _counts(rows: Integers, columns: Integers, row_ids: Integers, column_ids: Integers) -> Floats:
    """Return the (n, t) numbers of pairs of each of the ascending `row_ids` and each of the `column_ids`."""
    order = np.argsort(column_ids)
    table = np.zeros((row_ids.size, column_ids.size))
    if not table.size:
        return table
    row = np.minimum(np.searchsorted(row_ids, rows), row_ids.size - 1)
    column = np.minimum(np.searchsorted(column_ids[order], columns), column_ids.size - 1)
    in_table = (row_ids[row] == rows) & (column_ids[order][column] == columns)
    np.add.at(table, (row[in_table], order[column[in_table]]), 1.0)
    return table


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)


def _entropy(counts: Floats) -> Floats:
    """Return the entropy in bits of each distribution along the last axis; 0 for an empty one."""
    return entr(_shares(counts)).sum(axis=-1) / np.log(2.0)
