"""Metrics of ranked lists, and the standard errors of their means."""

import numpy as np

from scoring.mathematics.signals import Floats, Integers

MIN_PROBABILITY_BETTER = 0.9
"""Probability with which a new model must be better than the active model and than the best single signal. New trend
constants must be better than the active constants with the same probability."""

MIN_CLUSTERS = 5
"""Minimum number of clusters (viewers, weeks) of a bootstrap. All samples of a single viewer are equal, so that every
difference would look certain."""


def ranks_of_relevant(scores: Floats, relevant: Integers) -> Integers:
    """Return the (m,) ranks, from 0, of the relevant rows of (n,) scores; ties share their middle rank."""
    relevant_scores = scores[relevant]
    ascending = np.sort(scores)
    above = scores.size - np.searchsorted(ascending, relevant_scores, side="right")
    tied = scores.size - np.searchsorted(ascending, relevant_scores, side="left") - above
    return (above + (tied - 1) // 2).astype(np.int64)


def recall(ranks: Integers, relevant: int, k: int) -> float:
    """Return Recall@k: the relevant rows within the first k ranks, divided by the smaller of `relevant` and k."""
    return float((ranks < k).sum()) / min(relevant, k) if relevant else 0.0


def ndcg(ranks: Integers, relevant: int, k: int = 10) -> float:
    """Return the NDCG@k (Järvelin & Kekäläinen, 2002) of `relevant` rows with binary relevance, 0 without any."""
    ideal = (1.0 / np.log2(np.arange(2, min(relevant, k) + 2))).sum()
    return float((1.0 / np.log2(ranks[ranks < k] + 2.0)).sum() / ideal) if relevant else 0.0


def graded_ndcg(scores: Floats, grades: Floats, k: int = 10) -> Floats:
    """Return the (…,) NDCG@k of lists with (…, n) scores and grades; 0 for a list whose grades are all 0.

    Rows with equal scores are ranked in the order of the list.
    """
    k = min(k, scores.shape[-1])
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    gain = np.take_along_axis(grades, order, axis=-1) @ discount
    ideal = -np.sort(-grades, axis=-1)[..., :k] @ discount
    return np.divide(gain, ideal, out=np.zeros_like(gain), where=ideal > 0)


def clustered_standard_error(values: Floats, clusters: Integers) -> float:
    """Return the standard error of a mean of clustered observations (Liang & Zeger's sandwich estimator)."""
    if values.size < 2:
        return 0.0
    _, group = np.unique(clusters, return_inverse=True)
    sums = np.bincount(group, values - values.mean())
    return float(np.sqrt((sums**2).sum()) / values.size)


def probability_better(first: Floats, second: Floats, clusters: Integers, seed: int, rounds: int = 2_000) -> float:
    """Return the share of bootstrap samples of whole clusters in which `first` has the higher mean than `second`.

    Fewer than `MIN_CLUSTERS` clusters prove nothing: the result is then .5.
    """
    _, group = np.unique(clusters, return_inverse=True)
    sums = np.bincount(group, first - second)
    if sums.size < MIN_CLUSTERS:
        return 0.5
    samples = np.random.default_rng(seed).integers(0, sums.size, size=(rounds, sums.size))
    totals = sums[samples].sum(axis=1)
    return float((totals > 0).mean())
