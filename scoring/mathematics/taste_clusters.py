"""Circles: groups of like-minded people, large enough that what one of a group did tells of none of them.

Most projects of a feed are hours old, and fewer people than the floor have touched them. What is known of their taste
may not be told, but that of a circle of ten may: each person's taste is replaced by the mean of the circle
(microaggregation: Domingo-Ferrer & Mateo-Sanz, 2002; cut as in LeFevre, DeWitt & Ramakrishnan's Mondrian, 2006).
"""

import numpy as np
from numpy.typing import NDArray

from scoring.mathematics.signals import Integers

Vectors = NDArray[np.float32]

NO_CLUSTER = -1
SMALLEST_SHARE = 0.25
"""The smaller part of a cut is at least this share, so that a cut is done about log n times and not n times."""


def cluster_tastes(tastes: Vectors, least: int) -> tuple[Integers, Vectors]:
    """Part people into circles of alike ones.

    Each group is cut in two across its principal axis, where that takes off most of its variance, as long as both
    parts keep `least` people. Costs about n · k² · log n.

    Parameters
    ----------
    tastes
        (n, k) a row a person; zeros for somebody of no known taste, who belongs to no circle.
    least
        People in a circle; fewer people than this make none.

    Returns
    -------
    of
        (n,) index of each person's circle, `NO_CLUSTER` for none.
    means
        (c + 1, k) the mean taste of each circle; the last row is zeros, which is what `NO_CLUSTER` finds.
    """
    of = np.full(tastes.shape[0], NO_CLUSTER, dtype=np.int64)
    means: list[Vectors] = []
    known = np.flatnonzero(np.abs(tastes).sum(axis=1) > 0)
    waiting = [known] if known.size >= least else []
    while waiting:
        group = waiting.pop()
        cut = _cut(tastes[group], least)
        if cut is None:
            of[group] = len(means)
            means.append(tastes[group].mean(axis=0))
        else:
            waiting += [group[~cut], group[cut]]
    return of, np.array([*means, np.zeros(tastes.shape[1])], dtype=np.float32)


def _cut(tastes: Vectors, least: int) -> NDArray[np.bool_] | None:
    """Say which of a group go into the second part; None if it is too small to be cut."""
    n = tastes.shape[0]
    if n < 2 * least:
        return None
    apart = tastes.astype(np.float64) - tastes.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(apart.T @ apart)
    along = apart @ axes[:, -1]
    order = np.argsort(along, kind="stable")
    smallest = max(least, int(SMALLEST_SHARE * n))
    first = np.arange(smallest, n - smallest + 1)
    # The variance between the parts: the sums are opposite, as the mean of all is 0.
    between = np.cumsum(along[order])[first - 1] ** 2 * (1.0 / first + 1.0 / (n - first))
    second = np.zeros(n, dtype=bool)
    second[order[first[int(np.argmax(between))] :]] = True
    return second
