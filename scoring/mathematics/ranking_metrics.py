"""What a list is worth, and how sure we are of it."""

import numpy as np

from scoring.mathematics.signals import Floats, Integers


def ranks_of_relevant(scores: Floats, relevant: Integers) -> Integers:
    """Give the ranks (from 0) of the relevant rows; a tie counts half of those it is tied with, as chance would.

    Parameters
    ----------
    scores
        (n,) of the candidates.
    relevant
        (m,) their rows.
    """
    own = scores[relevant]
    ordered = np.sort(scores)
    above = scores.size - np.searchsorted(ordered, own, side="right")
    tied = scores.size - np.searchsorted(ordered, own, side="left") - above
    return (above + (tied - 1) // 2).astype(np.int64)


def recall(ranks: Integers, relevant: int, k: int) -> float:
    """Share of the relevant that stand among the first k, of as many as fit there."""
    return float((ranks < k).sum()) / min(relevant, k) if relevant else 0.0


def ndcg(ranks: Integers, relevant: int, k: int = 10) -> float:
    """Discounted gain of the first k over the best possible (Järvelin & Kekäläinen, 2002), binary relevance."""
    ideal = (1.0 / np.log2(np.arange(2, min(relevant, k) + 2))).sum()
    return float((1.0 / np.log2(ranks[ranks < k] + 2.0)).sum() / ideal) if relevant else 0.0


def graded_ndcg(scores: Floats, worth: Floats, k: int = 10) -> Floats:
    """Give the NDCG@k of lists whose entries are worth more or less: (…, n) scores and worths to (…,) numbers.

    Equal scores keep their order. A list in which nothing is worth anything gives 0.
    """
    k = min(k, scores.shape[-1])
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    gained = np.take_along_axis(worth, order, axis=-1) @ discount
    ideal = -np.sort(-worth, axis=-1)[..., :k] @ discount
    found: Floats = np.divide(gained, ideal, out=np.zeros_like(gained), where=ideal > 0)
    return found


def clustered_standard_error(values: Floats, clusters: Integers) -> float:
    """Standard error of a mean whose observations come in clusters (a viewer's requests are alike).

    Liang & Zeger's sandwich for a mean: the root of the summed squares of each cluster's summed deviations, over n.
    """
    if values.size < 2:
        return 0.0
    _, group = np.unique(clusters, return_inverse=True)
    sums = np.bincount(group, values - values.mean())
    return float(np.sqrt((sums**2).sum()) / values.size)


def probability_better(first: Floats, second: Floats, clusters: Integers, seed: int, rounds: int = 2_000) -> float:
    """Give the share of bootstrap samples of whole clusters in which `first` has the higher mean than `second`."""
    _, group = np.unique(clusters, return_inverse=True)
    sums = np.bincount(group, first - second)
    drawn = np.random.default_rng(seed).integers(0, sums.size, size=(rounds, sums.size))
    totals = sums[drawn].sum(axis=1)
    return float((totals > 0).mean())
