"""The cold-start protocol: the same requests with the viewer's history truncated to its last few interactions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from db.time_units import DAY_S
from scoring import tunables
from scoring.errors import InsufficientData
from scoring.evaluation.protocols import FITTED, Options, evaluation_windows, fitted_models
from scoring.evaluation.results import EvaluationResults
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.ranking_metrics import clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers, freshness
from scoring.replay.dataset import Dataset
from scoring.replay.measurements import RankingMetrics, Score, concatenate_metrics, measure, model_scorer
from scoring.replay.replayed_requests import (
    FeedRequests,
    Progress,
    Replay,
    ReplayedRequest,
    feed_requests,
    replay_requests,
)

HISTORY_LENGTHS = (0, 1, 3, 5, 10)
"""Numbers of interactions to which histories are truncated."""
FOLDS = 5
"""Number of parts into which viewers are divided. Only the histories of one part are truncated at a time, so that four
fifths of the platform's viewers keep their histories."""
TRAINING_EVERY_DAYS = 7.0
"""Days between two builds of the factors. Nightly builds for each part and each length would take 20 minutes."""
POPULAR = "popular"


def evaluate_cold_start(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Rank one request of each well-known viewer with a history of the viewer's last 0, 1, 3, 5 and 10 interactions.

    The histories of a fifth of the viewers are truncated at a time, also in the counters that all rankings read. The
    metrics are for all lengths together; the fact ``"by interactions"`` has the metrics of each length.
    """
    windows = evaluation_windows(dataset, options, "cold-start")
    fitting = feed_requests(dataset, min_earlier=0).select_period(windows.fit_from_s, windows.fit_until_s)
    with_history = feed_requests(dataset, min_earlier=max(HISTORY_LENGTHS)).select_period(
        np.nextafter(windows.fit_until_s, np.inf), windows.test_until_s
    )
    testing = with_history.select(np.sort(np.unique(with_history.actors, return_index=True)[1]))
    if not testing.n or not fitting.n:
        raise InsufficientData(
            f"{dataset.name} has {fitting.n} requests to fit on and {testing.n} viewers of {max(HISTORY_LENGTHS)} "
            "interactions to test on; give other windows or more events"
        )
    model = fitted_models(dataset, fitting, options, progress)[FITTED]
    folds = np.array_split(np.random.default_rng(options.seed).permutation(testing.n), FOLDS)
    parts = [testing.select(np.sort(fold)) for fold in folds]
    popular = _popular_scorer(dataset)
    measured: dict[int, dict[str, RankingMetrics]] = {}
    for length in HISTORY_LENGTHS:
        scorers = {FITTED: model_scorer(model), POPULAR: popular}
        requests = _truncated_requests(dataset, parts, length, options, progress)
        measured[length] = measure(requests, scorers, lambda request: request.evidence.actors[:, -1])
    viewers = np.concatenate([part.actors for part in parts])
    curve = {length: _difference(metrics, viewers, options.seed) for length, metrics in measured.items()}
    total = {name: concatenate_metrics(metrics[name] for metrics in measured.values()) for name in (FITTED, POPULAR)}
    clusters, facts = np.tile(viewers, len(HISTORY_LENGTHS)), {"viewers": viewers.size, "by interactions": curve}
    return EvaluationResults("cold-start", dataset.name, total, FITTED, clusters, dataset.log.n_projects, facts, model)


def _truncated_requests(
    dataset: Dataset, parts: Sequence[FeedRequests], length: int, options: Options, progress: Progress
) -> Iterator[ReplayedRequest]:
    label = f"{length} interactions"
    empty = np.empty(0, np.int64)
    # The stage of a viewer with a truncated history must not be computed from the likes of the complete history.
    no_likes = EventLog(empty, empty, np.empty(0), dataset.log.n_actors, dataset.log.n_projects)
    for index, part in enumerate(parts):
        log = truncate_history(dataset.log, part.actors, part.at_s, length)
        truncated = replace(dataset, log=log, likes=no_likes, visits=None)
        replay = Replay(truncated, options.floor, seen=dataset.log, rebuild_days=TRAINING_EVERY_DAYS)
        yield from replay_requests(replay, part, lambda *_: None, label)
        progress(label, (index + 1) / len(parts))


def truncate_history(log: EventLog, actors: Integers, at_s: Floats, length: int) -> EventLog:
    """Remove all but the last `length` events of each of these actors before the actor's moment in `at_s`."""
    moments_s = np.full(log.n_actors, -np.inf)
    moments_s[actors] = at_s
    past = np.flatnonzero(log.at_s < moments_s[log.actors])
    order = past[np.lexsort((-past, log.actors[past]))]
    starts = np.flatnonzero(np.diff(log.actors[order], prepend=-1))
    position = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    kept = np.ones(log.actors.size, dtype=bool)
    kept[order[position >= length]] = False
    return EventLog(log.actors[kept], log.projects[kept], log.at_s[kept], log.n_actors, log.n_projects)


def _popular_scorer(dataset: Dataset) -> Score:
    """Score as the popular feed: actors (half-life 14 days), all-time likes, and freshness to break ties."""

    def score(request: ReplayedRequest, _matrix: Floats) -> Floats:
        counts = dataset.likes.count_by_project(request.at_s)
        age_days = np.maximum(request.at_s - request.evidence.created_s, 0.0) / DAY_S
        return (
            np.log1p(request.evidence.actors[:, -1])
            + tunables.ALL_TIME_LIKES_WEIGHT * np.log1p(counts[request.projects])
            + tunables.FRESHNESS_TIEBREAK * freshness(age_days)
        )

    return score


def _difference(metrics: Mapping[str, RankingMetrics], viewers: Integers, seed: int) -> Mapping[str, float]:
    fitted, popular = metrics[FITTED].values[:, 0], metrics[POPULAR].values[:, 0]
    difference = fitted - popular
    return {
        FITTED: round(float(fitted.mean()), 4),
        POPULAR: round(float(popular.mean()), 4),
        "difference": round(float(difference.mean()), 4),
        "error": round(clustered_standard_error(difference, viewers), 4),
        "probability better": round(probability_better(fitted, popular, viewers, seed), 3),
    }
