"""Random sample of the candidates that a served page does not show, logged for training."""

import numpy as np

from db.models import FeedKind
from scoring import tunables
from scoring.mathematics.signals import Integers
from scoring.ranking import Page, Ranking


def sample_candidates(page: Page, ranking: Ranking | None) -> tuple[Integers, float]:
    """Sample `tunables.SAMPLED_CANDIDATES` candidates that a first page of For You does not show, reproducibly.

    Returns the rows of the sample in the ranking, and the probability with which each row that was not shown is
    sampled. Later pages and other feeds have no sample. The sample of a first page is taken from the whole ranking.
    """
    nothing = np.empty(0, np.int64), 0.0
    if ranking is None or page.kind is not FeedKind.FOR_YOU or page.entries[0].rank != 1 or not ranking.signals:
        return nothing
    others = np.flatnonzero(~np.isin(ranking.ids, [entry.project_id for entry in page.entries]))
    if not others.size:
        return nothing
    count = min(tunables.SAMPLED_CANDIDATES, others.size)
    rng = np.random.default_rng(int(page.snapshot_id[:15], 16))
    return np.sort(rng.choice(others, count, replace=False)), count / others.size
