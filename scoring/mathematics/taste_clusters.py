"""K-anonymous taste clusters: groups of actors with similar latent factors.

The mean factors of a cluster replace each member's own factors (microaggregation: Domingo-Ferrer & Mateo-Sanz, 2002;
split as in Mondrian: LeFevre, DeWitt & Ramakrishnan, 2006). Cluster signals are therefore available for projects with
fewer actors than the anonymity floor, too.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.mathematics.signals import Integers

Vectors = NDArray[np.float32]

NO_CLUSTER = -1
MIN_SPLIT_SHARE = 0.25
"""Minimum share of the smaller part of a split, so that the depth of the splits is about log n."""


def cluster_tastes(factors: Vectors, min_size: int) -> tuple[Integers, Vectors]:
    """Divide actors into clusters of similar factors.

    Each group is split along its principal axis, at the point that removes most of its variance, as long as both parts
    have at least `min_size` members. The cost is about n · k² · log n. A row of zeros belongs to no cluster.

    Returns the last two fields of `scoring.mathematics.behavior_evidence.Factors`.
    """
    cluster_of = np.full(factors.shape[0], NO_CLUSTER, dtype=np.int64)
    means: list[Vectors] = []
    with_factors = np.flatnonzero(np.abs(factors).sum(axis=1) > 0)
    groups = [with_factors] if with_factors.size >= min_size else []
    while groups:
        group = groups.pop()
        is_second_part = _split(factors[group], min_size)
        if is_second_part is None:
            cluster_of[group] = len(means)
            means.append(factors[group].mean(axis=0))
        else:
            groups += [group[~is_second_part], group[is_second_part]]
    return cluster_of, np.array([*means, np.zeros(factors.shape[1])], dtype=np.float32)


def _split(factors: Vectors, min_size: int) -> NDArray[np.bool_] | None:
    """Return the (n,) mask of the members of the second part; None if the group is too small to split."""
    n = factors.shape[0]
    if n < 2 * min_size:
        return None
    centered = factors.astype(np.float64) - factors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centered.T @ centered)
    projected = centered @ axes[:, -1]
    order = np.argsort(projected, kind="stable")
    smallest = max(min_size, int(MIN_SPLIT_SHARE * n))
    first_sizes = np.arange(smallest, n - smallest + 1)
    # Variance between the parts for each size of the first part. The sums of both parts differ in sign only, because
    # the mean of the group is 0.
    variance = np.cumsum(projected[order])[first_sizes - 1] ** 2 * (1.0 / first_sizes + 1.0 / (n - first_sizes))
    is_second_part = np.zeros(n, dtype=bool)
    is_second_part[order[first_sizes[int(np.argmax(variance))] :]] = True
    return is_second_part
