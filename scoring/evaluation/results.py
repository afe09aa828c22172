"""Results of an evaluation: the metrics of each ranking, their errors, and the paired difference to the reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.mathematics.additive_model import Model
from scoring.mathematics.ranking_metrics import clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.measurements import METRICS, RankingMetrics


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationResults:
    """Metrics of all rankings by one protocol on one data set."""

    protocol: str
    dataset: str
    measured: Mapping[str, RankingMetrics]  # by the name of the ranking
    reference: str  # name of the ranking with which the others are compared
    viewers: Integers  # (requests,) clusters of the standard errors
    n_projects: int  # projects of the data set, for coverage
    facts: Mapping[str, object]  # further figures: requests, share of new viewers, recall of the sources
    model: Model | None = None  # the fitted model, the last one of several; None if the protocol fits none

    def summary(self, seed: int = 0) -> list[dict[str, Any]]:
        """Return a row for each ranking, the best first."""
        reference = self.measured[self.reference].values[:, 0]
        rows = [self._row(name, metrics, reference, seed) for name, metrics in self.measured.items()]
        return sorted(rows, key=lambda row: -row["ndcg@10"])

    def _row(self, name: str, metrics: RankingMetrics, reference: Floats, seed: int) -> dict[str, Any]:
        values = metrics.values
        columns = {metric: values[:, column] for column, metric in enumerate(METRICS)}
        row: dict[str, Any] = {"name": name}
        for column, by_request in (columns | {"difference": values[:, 0] - reference}).items():
            row[column] = round(float(by_request.mean()), 4)
            row[f"{column} error"] = round(clustered_standard_error(by_request, self.viewers), 4)
        row["chance reference is better"] = round(probability_better(reference, values[:, 0], self.viewers, seed), 3)
        row["coverage"] = round(len(metrics.shown) / max(self.n_projects, 1), 4)
        row["novelty bits"] = round(float(np.mean(metrics.novelty)), 2)
        row["cold share"] = round(float(np.mean(metrics.cold)), 4)
        return row


def mean_with_error(values: list[float], clusters: Integers) -> str:
    """Return a mean with its clustered standard error, as text."""
    array = np.array(values)
    return f"{array.mean():.4f} ± {clustered_standard_error(array, clusters):.4f}"
