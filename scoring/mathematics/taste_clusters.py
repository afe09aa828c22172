"""K-anonymous taste clusters: groups of actors with similar latent factors.

The mean factors of a cluster stand for each member's own (microaggregation: Domingo-Ferrer & Mateo-Sanz, 2002; split
as in Mondrian: LeFevre, DeWitt & Ramakrishnan, 2006). So projects below the anonymity floor can use the signal too.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.mathematics.signals import Integers

Vectors = NDArray[np.float32]

NO_CLUSTER = -1
SMALLEST_SHARE = 0.25
"""The smaller part of a split is at least this share, so that the depth is about log n."""


def cluster_tastes(factors: Vectors, min_size: int) -> tuple[Integers, Vectors]:
    """Divide actors into clusters of similar factors.

    Each group is split along its principal axis, where that removes most of its variance, while both parts keep
    `min_size` members. Costs about n · k² · log n. A row of zeros belongs to no cluster.

    Returns
    -------
    of
        (n,) index of each actor's cluster, `NO_CLUSTER` for none.
    means
        (c + 1, k) mean factors of each cluster; the last row is zeros, at the index `NO_CLUSTER`.
    """
    of = np.full(factors.shape[0], NO_CLUSTER, dtype=np.int64)
    means: list[Vectors] = []
    known = np.flatnonzero(np.abs(factors).sum(axis=1) > 0)
    waiting = [known] if known.size >= min_size else []
    while waiting:
        group = waiting.pop()
        second = _split(factors[group], min_size)
        if second is None:
            of[group] = len(means)
            means.append(factors[group].mean(axis=0))
        else:
            waiting += [group[~second], group[second]]
    return of, np.array([*means, np.zeros(factors.shape[1])], dtype=np.float32)


def _split(factors: Vectors, min_size: int) -> NDArray[np.bool_] | None:
    """Return the members of the second part; None if the group is too small to split."""
    n = factors.shape[0]
    if n < 2 * min_size:
        return None
    centered = factors.astype(np.float64) - factors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centered.T @ centered)
    projected = centered @ axes[:, -1]
    order = np.argsort(projected, kind="stable")
    smallest = max(min_size, int(SMALLEST_SHARE * n))
    first = np.arange(smallest, n - smallest + 1)
    # The variance between the parts: the sums are opposite, as the mean of all is 0.
    between = np.cumsum(projected[order])[first - 1] ** 2 * (1.0 / first + 1.0 / (n - first))
    second = np.zeros(n, dtype=bool)
    second[order[first[int(np.argmax(between))] :]] = True
    return second
