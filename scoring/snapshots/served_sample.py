"""What is logged of a ranking beside what it showed: a few of the others, so that training sees them too."""

from dataclasses import dataclass

import numpy as np

from scoring import weights
from scoring.mathematics.signals import Integers
from scoring.ranking import Page, Ranking


@dataclass(frozen=True, slots=True, eq=False)
class CandidateSample:
    """Some of a ranking's candidates: rows of the ranking, and the chance with which each of the others was taken."""

    rows: Integers
    share: float


NO_SAMPLE = CandidateSample(np.empty(0, np.int64), 0.0)


def sample_candidates(ranking: Ranking, page: Page) -> CandidateSample:
    """Draw `weights.SAMPLED_CANDIDATES` of those that a first page does not show; the same for the same ranking.

    Later pages of a ranking need none: the sample of its first page stands for all, and what is shown later is logged.
    """
    if not page.entries or page.entries[0].rank != 1 or not ranking.signals:
        return NO_SAMPLE
    shown = [entry.project_id for entry in page.entries]
    others = np.flatnonzero(~np.isin(ranking.ids, shown))
    if not others.size:
        return NO_SAMPLE
    taken = min(weights.SAMPLED_CANDIDATES, others.size)
    rng = np.random.default_rng(int(page.snapshot_id[:15], 16))
    return CandidateSample(np.sort(rng.choice(others, taken, replace=False)), taken / others.size)
