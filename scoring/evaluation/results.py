"""Results of an evaluation: metrics of each ranking with their errors, and the recall of the candidate sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scoring.mathematics.additive_model import Model
from scoring.mathematics.ranking_metrics import clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers
from scoring.pipelines.candidate_sources import CandidateSource, merge_candidates
from scoring.replay.log_candidate_sources import LOG_SOURCES
from scoring.replay.measurements import METRICS, RankingMetrics

NOT_COMPUTED = "not computed"
"""Cell of a ranking whose scores never differ, because the data holds nothing that it could rank by."""

Breakdown = Mapping[str, Mapping[str, tuple[float, float | None]]]
"""Mean and error (`mean_and_error`) by the name of the ranking, for each group of requests or projects."""


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
    breakdowns: Mapping[str, Breakdown] = field(default_factory=dict)  # by title

    def summary(self, seed: int = 0) -> list[dict[str, Any]]:
        """Return a row for each ranking, the best first. The figures of a ranking that was not computed are None."""
        rows = [self._row(name, metrics, seed) for name, metrics in self.measured.items()]
        return sorted(rows, key=lambda row: (row["ndcg@10"] is None, -(row["ndcg@10"] or 0.0)))

    def _row(self, name: str, metrics: RankingMetrics, seed: int) -> dict[str, Any]:
        reference, values = self.measured[self.reference].values[:, 0], metrics.values
        columns = {metric: values[:, column] for column, metric in enumerate(METRICS)}
        row: dict[str, Any] = {"name": name}
        for column, by_request in (columns | {"difference": values[:, 0] - reference}).items():
            row[column], row[f"{column} error"] = mean_and_error(by_request, self.viewers)
        row["chance reference is better"] = round(probability_better(reference, values[:, 0], self.viewers, seed), 3)
        row["coverage"] = round(len(metrics.shown) / max(self.n_projects, 1), 4)
        row["novelty bits"] = round(float(np.mean(metrics.novelty)), 2)
        row["cold share"] = round(float(np.mean(metrics.cold)), 4)
        return row if metrics.is_computed else dict.fromkeys(row, None) | {"name": name}


def mean_with_error(values: Floats, clusters: Integers) -> str:
    """Return a mean with its clustered standard error, as text."""
    mean, error = mean_and_error(values, clusters)
    return f"{mean:.4f}" + (f" ± {error:.4f}" if error is not None else "")


def mean_and_error(values: Floats, clusters: Integers) -> tuple[float, float | None]:
    """Return a mean and its clustered standard error, with four decimals. One cluster has no error."""
    error = clustered_standard_error(values, clusters) if np.unique(clusters).size > 1 else None
    return round(float(values.mean()), 4), None if error is None else round(error, 4)


@dataclass(slots=True, eq=False)
class SourceRecall:
    """Recall of the relevant projects by the candidate sources, with one entry per request."""

    viewer_ids: list[int] = field(default_factory=list)
    union: list[tuple[float, int]] = field(default_factory=list)  # recall and size of all sources together
    # by source: recall, size, and recall of all other sources together
    by_source: dict[CandidateSource, list[tuple[float, int, float]]] = field(default_factory=dict)

    def add(self, viewer_id: int, by_source: Mapping[CandidateSource, Integers], relevant: Integers) -> None:
        """Add one request: the candidates of each source, and the relevant projects (dense indexes)."""

        def recall(candidates: Integers) -> float:
            return float(np.isin(relevant, candidates).mean())

        union = merge_candidates(by_source)
        self.viewer_ids.append(viewer_id)
        self.union.append((recall(union), union.size))
        for source, ids in by_source.items():
            others = merge_candidates({name: others for name, others in by_source.items() if name is not source})
            self.by_source.setdefault(source, []).append((recall(ids), ids.size, recall(others)))

    def facts(self) -> dict[str, object]:
        """Return mean recalls and sizes: of all sources together, of each source, and of all others."""
        viewers, (union, union_sizes) = np.array(self.viewer_ids), np.array(self.union).T
        sources = {}
        for source, rows in self.by_source.items():
            alone, sizes, others = np.array(rows).T
            sources[source.value] = {
                "candidates": round(float(sizes.mean())),
                "recall alone": mean_with_error(alone, viewers) if sizes.any() else NOT_COMPUTED,
                "recall of all others": mean_with_error(others, viewers),
                "adds": round(float(union.mean() - others.mean()), 4) if sizes.any() else NOT_COMPUTED,
            }
        return {
            "recall of the candidates": mean_with_error(union, viewers),
            "candidates a request": round(float(union_sizes.mean())),
            "sources": sources,
            "sources that a log cannot feed": ", ".join(s for s in CandidateSource if s not in LOG_SOURCES),
        }
