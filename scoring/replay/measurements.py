"""Measurement of rankings: accuracy of each list, and coverage, novelty and cold projects of its first ten."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.ranking_metrics import graded_ndcg, ndcg, ranks_of_relevant, recall
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.replayed_requests import ReplayedRequest
from scoring.replay.scorers import Score

METRICS = ("ndcg@10", "recall@10", "recall@20")
COLD_ACTORS = 5
"""A project with fewer people before the request is cold."""


@dataclass(slots=True, eq=False)
class RankingMetrics:
    """Metrics of one ranking: `METRICS` of each list, and statistics of its first ten places.

    `shown` counts how often each project was among them. `novelty` is their mean −log2 popularity share in bits, `cold`
    the share of cold projects, for each list.
    """

    rows: list[tuple[float, ...]] = field(default_factory=list)
    shown: dict[int, int] = field(default_factory=dict)
    novelty: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)

    def add(self, scores: Floats, relevant: Integers, projects: Integers, people: Floats) -> None:
        """Measure one list by its (n,) scores, rows of the relevant, dense indexes, and people before the request."""
        ranks = ranks_of_relevant(scores, relevant)
        m = relevant.size
        self._add((ndcg(ranks, m), recall(ranks, m, 10), recall(ranks, m, 20)), scores, projects, people)

    def add_graded(self, scores: Floats, grades: Floats, projects: Integers, people: Floats) -> None:
        """Measure one list with graded relevance; recall is of the ten highest grades."""
        best = np.sort(grades)[::-1][:10]
        target = np.flatnonzero(grades >= max(best[-1], 1.0)) if best.size else np.empty(0, np.int64)
        ranks = ranks_of_relevant(scores, target)
        shares = (recall(ranks, target.size, 10), recall(ranks, target.size, 20))
        self._add((float(graded_ndcg(scores, grades)), *shares), scores, projects, people)

    def _add(self, row: tuple[float, ...], scores: Floats, projects: Integers, people: Floats) -> None:
        self.rows.append(row)
        top = np.argpartition(-scores, 9)[:10] if scores.size > 10 else np.arange(scores.size)
        for project in projects[top].tolist():
            self.shown[project] = self.shown.get(project, 0) + 1
        share = (people[top] + 1.0) / (people.sum() + people.size)
        self.novelty.append(float(-np.log2(share).mean()))
        self.cold.append(float((people[top] < COLD_ACTORS).mean()))

    @property
    def values(self) -> Floats:
        """(lists, metrics) numbers."""
        return np.array(self.rows).reshape(-1, len(METRICS))


def all_time_actors(log: EventLog, one: ReplayedRequest) -> Floats:
    """Return the (n,) people who engaged with each candidate before the request."""
    counted = np.bincount(log.projects[: log.count_before(one.at_s)], minlength=log.n_projects)
    return counted[one.projects].astype(np.float64)


def measure(
    lists: Iterable[ReplayedRequest],
    scorers: Mapping[str, Score],
    people: Callable[[ReplayedRequest], Floats],
    observe: Callable[[ReplayedRequest, Mapping[str, Floats]], None] = lambda *_: None,
) -> dict[str, RankingMetrics]:
    """Let each scorer rank each list.

    `people` returns the (n,) people before a request, for novelty and cold shares; `observe` receives each list with
    its scores, by the name of the scorer.
    """
    measured = {name: RankingMetrics() for name in scorers}
    for one in lists:
        matrix, counted = behavior_matrix(one.evidence, tuple(BEHAVIOR_SIGNALS)), people(one)
        scores = {name: score(one, matrix) for name, score in scorers.items()}
        for name, values in scores.items():
            measured[name].add(values, one.relevant, one.projects, counted)
        observe(one, scores)
    return measured


def concatenate_metrics(parts: Iterable[RankingMetrics]) -> RankingMetrics:
    """Concatenate the metrics of one ranking over several parts of the requests."""
    joined = RankingMetrics()
    for part in parts:
        joined.rows += part.rows
        joined.novelty += part.novelty
        joined.cold += part.cold
        for project, times in part.shown.items():
            joined.shown[project] = joined.shown.get(project, 0) + times
    return joined
