"""What an evaluation measured: for each way of ranking one row of numbers a request, and their summary."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.mathematics.ranking_metrics import (
    clustered_standard_error,
    graded_ndcg,
    ndcg,
    probability_better,
    ranks_of_relevant,
    recall,
)
from scoring.mathematics.signals import Floats, Integers

METRICS = ("ndcg@10", "recall@10", "recall@20")
COLD_PEOPLE = 5
"""A project with fewer people before the request is cold."""


@dataclass(slots=True, eq=False)
class RankingMetrics:
    """What one way of ranking did: its numbers at each request, and what stood in its first ten."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    shown: dict[int, int] = field(default_factory=dict)
    surprise: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)

    def add(self, scores: Floats, relevant: Integers, projects: Integers, people: Floats) -> None:
        """Note one list.

        Parameters
        ----------
        scores
            (n,) of the candidates.
        relevant
            Rows of the relevant ones.
        projects, people
            (n,) dense indexes, and distinct people before the request.
        """
        ranks = ranks_of_relevant(scores, relevant)
        m = relevant.size
        self.rows.append((ndcg(ranks, m), recall(ranks, m, 10), recall(ranks, m, 20)))
        self._note(scores, projects, people)

    def add_graded(self, scores: Floats, worth: Floats, projects: Integers, people: Floats) -> None:
        """Note one list whose projects are worth more or less; relevant to recall are the ten that are worth most."""
        best = np.sort(worth)[::-1][:10]
        target = np.flatnonzero(worth >= max(best[-1], 1.0)) if best.size else np.empty(0, np.int64)
        ranks = ranks_of_relevant(scores, target)
        shares = (recall(ranks, target.size, 10), recall(ranks, target.size, 20))
        self.rows.append((float(graded_ndcg(scores, worth)), *shares))
        self._note(scores, projects, people)

    def _note(self, scores: Floats, projects: Integers, people: Floats) -> None:
        """Note what stands in the first ten."""
        top = np.argpartition(-scores, 9)[:10] if scores.size > 10 else np.arange(scores.size)
        for project in projects[top].tolist():
            self.shown[project] = self.shown.get(project, 0) + 1
        share = (people[top] + 1.0) / (people.sum() + people.size)
        self.surprise.append(float(-np.log2(share).mean()))
        self.cold.append(float((people[top] < COLD_PEOPLE).mean()))

    @property
    def values(self) -> Floats:
        """(requests, metrics) numbers."""
        return np.array(self.rows).reshape(-1, len(METRICS))


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationResults:
    """What a protocol gave.

    Attributes
    ----------
    protocol, dataset
        What was measured on what.
    measured
        By the name of the way of ranking; `best` names ours.
    viewers
        (requests,) whose request it was: errors are clustered by viewer.
    catalog
        How many projects there are.
    facts
        Further numbers of the run: windows, requests, share of new viewers, what the sources brought.
    """

    protocol: str
    dataset: str
    measured: Mapping[str, RankingMetrics]
    best: str
    viewers: Integers
    catalogue: int
    facts: Mapping[str, object]

    def summary(self, seed: int = 0) -> list[dict[str, object]]:
        """Give a row for each way of ranking, the best first, with the paired difference to ours."""
        ours = self.measured[self.best].values[:, 0]
        rows = [self._row(name, one, ours, seed) for name, one in self.measured.items()]
        return sorted(rows, key=lambda row: -float(str(row["ndcg@10"])))

    def _row(self, name: str, one: RankingMetrics, ours: Floats, seed: int) -> dict[str, object]:
        values = one.values
        difference = values[:, 0] - ours
        told: dict[str, object] = {"name": name}
        for column, metric in enumerate(METRICS):
            told[metric] = round(float(values[:, column].mean()), 4)
            told[f"{metric} error"] = round(clustered_standard_error(values[:, column], self.viewers), 4)
        told["against ours"] = round(float(difference.mean()), 4)
        told["against ours error"] = round(clustered_standard_error(difference, self.viewers), 4)
        told["chance ours is better"] = round(probability_better(ours, values[:, 0], self.viewers, seed), 3)
        told["coverage"] = round(len(one.shown) / max(self.catalogue, 1), 4)
        told["novelty bits"] = round(float(np.mean(one.surprise)), 2)
        told["cold share"] = round(float(np.mean(one.cold)), 4)
        return told
