"""Scorers of replayed requests, and measurements of the rankings by their scores.

The measurements are the accuracy of each list, and coverage, novelty and cold projects of the first ten ranks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from db.time_units import DAY_S
from scoring import tunables
from scoring.mathematics.additive_model import Model, scores
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.behavior_signals import EVALUATION_ONLY, REPLAYED_SIGNALS, behavior_matrix
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.exploration import diversify_and_explore, draw, exploration_seed, under_exposed
from scoring.mathematics.ranking_metrics import graded_ndcg, ndcg, ranks_of_relevant, recall
from scoring.mathematics.signals import Floats, Incidence, Integers, Signal
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import ReplayedRequest

Score = Callable[[ReplayedRequest, Floats], Floats]
"""Function from a request and its (n, k) signal values, in the order of `REPLAYED_SIGNALS`, to the (n,) scores."""

COLUMNS: Mapping[Signal, int] = {signal: column for column, signal in enumerate(REPLAYED_SIGNALS)}
"""The column of each signal."""

SERVED_SIGNALS = tuple(signal for signal in REPLAYED_SIGNALS if signal not in EVALUATION_ONLY)
"""The signals of a log that are computed when a feed is served; the others are for the protocol `random` only."""


def model_scorer(model: Model) -> Score:
    """Score by a model for the viewer's stage. Signals that a log does not hold are 0."""
    by_stage = {stage: model.for_stage(stage) for stage in ViewerStage}

    def score(request: ReplayedRequest, matrix: Floats) -> Floats:
        zeros = np.zeros(matrix.shape[0])
        columns = [matrix[:, COLUMNS[signal]] if signal in COLUMNS else zeros for signal in model.signals]
        return scores(by_stage[request.stage].contributions(np.column_stack(columns))).astype(np.float64)

    return score


def signal_scorer(signal: Signal, sign: float = 1.0) -> Score:
    """Score by one behavior signal alone; with the sign −1, low values rank first."""
    return lambda _request, matrix: sign * matrix[:, COLUMNS[signal]]


def single_signal_scorers(model: Model) -> dict[str, Score]:
    """Return a scorer for each behavior signal of a model except age.

    For activity since creation, low values rank first.
    """
    return {
        f"signal {signal}": signal_scorer(signal, -1.0 if signal is Signal.EVENTS_SINCE_CREATION else 1.0)
        for signal in model.signals
        if signal in COLUMNS and signal is not Signal.AGE
    }


def served_scorer(score: Score, dataset: Dataset, exploration: float = tunables.EXPLORATION_SHARE) -> Score:
    """Score by the rank on the page that is served.

    Only the projects of the candidate sources are ranked, diversified and explored; all others follow from new to old.
    """

    def score_page(request: ReplayedRequest, matrix: Floats) -> Floats:
        values, ages_s = score(request, matrix), request.at_s - request.evidence.created_s
        candidates = np.flatnonzero(np.isin(request.projects, request.from_sources))
        best = candidates[np.lexsort((request.projects[candidates], -values[candidates]))][: tunables.SNAPSHOT_RANKS]
        projects, unread = request.projects[best], np.zeros(best.size)
        likes = dataset.likes.count_by_project(request.at_s)[projects]
        eligible = under_exposed(ages_s[best] / DAY_S, likes, unread, unread > 0)
        day = datetime.fromtimestamp(request.at_s, UTC).date()
        drawn = draw(eligible, projects, exploration_seed(request.actor, day), exploration)
        attributes = _diversity_attributes(dataset, projects)
        order, _ = diversify_and_explore(np.rint(values[best]).astype(np.int64), attributes, drawn)
        page = -(1e9 + ages_s)
        page[best[order]] = np.arange(best.size, 0, -1)
        return page

    return score_page


def _diversity_attributes(dataset: Dataset, projects: Integers) -> DiversityAttributes:
    if dataset.diversity is not None:
        return dataset.diversity.take(projects)
    no_terms = Incidence(projects.size, np.empty(0, np.int64), np.empty(0, np.int64))
    return DiversityAttributes(dataset.owners[projects], no_terms, no_terms)


METRICS = ("ndcg@10", "recall@10", "recall@20")
COLD_ACTORS = 5
"""Projects with fewer actors before the request are cold."""


@dataclass(slots=True, eq=False)
class RankingMetrics:
    """Metrics of one ranking: `METRICS` of each list, and statistics of its first ten ranks."""

    rows: list[tuple[float, ...]] = field(default_factory=list)  # `METRICS`
    shown: dict[int, int] = field(default_factory=dict)  # number of lists by project (dense index)
    novelty: list[float] = field(default_factory=list)  # mean −log2(share of all actors), in bits, of each list
    cold: list[float] = field(default_factory=list)  # share of cold projects in each list
    is_computed: bool = False  # whether the scores of any list differ; if not, the data lacks what the ranking needs

    def add(self, scores: Floats, relevant: Integers, projects: Integers, actors: Floats) -> None:
        """Measure one list by its (n,) scores. `relevant` are rows, `actors` the (n,) actors before the request."""
        ranks = ranks_of_relevant(scores, relevant)
        m = relevant.size
        self._add((ndcg(ranks, m), recall(ranks, m, 10), recall(ranks, m, 20)), scores, projects, actors)

    def add_graded(self, scores: Floats, grades: Floats, projects: Integers, actors: Floats) -> None:
        """Measure one list with (n,) grades. Recall counts the projects with the ten highest grades."""
        best = np.sort(grades)[::-1][:10]
        target = np.flatnonzero(grades >= max(best[-1], 1.0)) if best.size else np.empty(0, np.int64)
        ranks = ranks_of_relevant(scores, target)
        shares = (recall(ranks, target.size, 10), recall(ranks, target.size, 20))
        self._add((float(graded_ndcg(scores, grades)), *shares), scores, projects, actors)

    def _add(self, row: tuple[float, ...], scores: Floats, projects: Integers, actors: Floats) -> None:
        self.rows.append(row)
        self.is_computed = self.is_computed or scores.size == 1 or bool((scores != scores[:1]).any())
        top = np.argpartition(-scores, 9)[:10] if scores.size > 10 else np.arange(scores.size)
        for project in projects[top].tolist():
            self.shown[project] = self.shown.get(project, 0) + 1
        share = (actors[top] + 1.0) / (actors.sum() + actors.size)
        self.novelty.append(float(-np.log2(share).mean()))
        self.cold.append(float((actors[top] < COLD_ACTORS).mean()))

    @property
    def values(self) -> Floats:
        """The (lists, metrics) values of `METRICS`."""
        return np.array(self.rows).reshape(-1, len(METRICS))


def all_time_actors(log: EventLog, request: ReplayedRequest) -> Floats:
    """Return the (n,) numbers of actors who engaged with each candidate before the request."""
    return log.count_by_project(request.at_s)[request.projects].astype(np.float64)


def measure(
    requests: Iterable[ReplayedRequest],
    scorers: Mapping[str, Score],
    count_actors: Callable[[ReplayedRequest], Floats],
    observe: Callable[[ReplayedRequest, Mapping[str, Floats]], None] = lambda *_: None,
) -> dict[str, RankingMetrics]:
    """Return the metrics of each scorer's ranking of the candidates of each request.

    `count_actors` returns the (n,) actors before a request, for novelty and cold shares. `observe` receives each
    request and its (n,) scores by the name of the scorer.
    """
    metrics = {name: RankingMetrics() for name in scorers}
    for request in requests:
        matrix, actors = behavior_matrix(request.evidence), count_actors(request)
        scores = {name: score(request, matrix) for name, score in scorers.items()}
        for name, values in scores.items():
            metrics[name].add(values, request.relevant, request.projects, actors)
        observe(request, scores)
    return metrics


def concatenate_metrics(parts: Iterable[RankingMetrics]) -> RankingMetrics:
    """Concatenate the metrics of one ranking over several parts of the requests."""
    total = RankingMetrics()
    for part in parts:
        total.rows += part.rows
        total.is_computed = total.is_computed or part.is_computed
        total.novelty += part.novelty
        total.cold += part.cold
        for project, count in part.shown.items():
            total.shown[project] = total.shown.get(project, 0) + count
    return total
