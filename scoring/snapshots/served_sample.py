"""Random sample of the candidates that a served page does not show, logged for training."""

from dataclasses import dataclass

import numpy as np

from scoring import tunables
from scoring.mathematics.signals import Integers
from scoring.ranking import Page, Ranking


@dataclass(frozen=True, slots=True, eq=False)
class CandidateSample:
    """Sampled rows of a ranking. `share` is the probability with which a row that was not shown is sampled."""

    rows: Integers
    share: float


NO_SAMPLE = CandidateSample(np.empty(0, np.int64), 0.0)


def sample_candidates(ranking: Ranking, page: Page) -> CandidateSample:
    """Sample `tunables.SAMPLED_CANDIDATES` candidates that a first page does not show, reproducibly.

    Later pages have no sample, because the first page's sample is taken from the whole ranking.
    """
    if not page.entries or page.entries[0].rank != 1 or not ranking.signals:
        return NO_SAMPLE
    shown = [entry.project_id for entry in page.entries]
    others = np.flatnonzero(~np.isin(ranking.ids, shown))
    if not others.size:
        return NO_SAMPLE
    count = min(tunables.SAMPLED_CANDIDATES, others.size)
    rng = np.random.default_rng(int(page.snapshot_id[:15], 16))
    return CandidateSample(np.sort(rng.choice(others, count, replace=False)), count / others.size)
