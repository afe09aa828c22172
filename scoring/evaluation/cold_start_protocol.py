"""The cold-start protocol: the same requests with the viewer's history cut to its last few touches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scoring import weights
from scoring.errors import InsufficientData
from scoring.evaluation.protocols import OURS, TIMED_SIGNALS, Options, Score, evaluation_windows, model_scorer
from scoring.evaluation.results import EvaluationResults, RankingMetrics
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.model_fitting import fit_model
from scoring.mathematics.ranking_metrics import clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers, freshness
from scoring.models.model_presets import as_data
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests, feed_requests
from scoring.replay.replayed_requests import Progress, Replay, ReplayedRequest, replay_requests, training_lists

HISTORY_LENGTHS = (0, 1, 3, 5, 10)
"""Touches that are left of a history."""
FOLDS = 5
"""Parts of the viewers that are cut together: four fifths of the platform stay as they were."""
TRAINING_EVERY_DAYS = 7.0
"""Tastes are rebuilt so often here: every night for each part and each cut would take twenty minutes."""
POPULAR = "decayed popular"


def evaluate_cold_start(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Rank one request of each well-known viewer, as if nobody knew more than the viewer's last 0, 1, 3, 5, 10 touches.

    With nothing known, ours is what the product then serves: the popular feed. Only the known past is cut, of a fifth
    of the viewers at a time; what was cut is gone from everybody's counters too, for every way of ranking.

    Returns
    -------
    EvaluationResults
        Of all cuts together; the curve by number of touches is under ``"by engagements"`` of its facts.
    """
    windows = evaluation_windows(dataset, options, "cold-start")
    fitting = feed_requests(dataset, earlier=0).between(windows.fit_from_s, windows.fit_until_s)
    known = feed_requests(dataset, earlier=max(HISTORY_LENGTHS)).between(
        np.nextafter(windows.fit_until_s, np.inf), windows.test_until_s
    )
    testing = _first_of_each(known)
    if not testing.n or not fitting.n:
        raise InsufficientData(
            f"{dataset.name} has {fitting.n} requests to fit on and {testing.n} viewers of {max(HISTORY_LENGTHS)} touches to test "
            "on; give other windows or more events"
        )
    model = options.model
    if model is None:
        lists = replay_requests(Replay(dataset, options.floor, options.seed), fitting, progress, "fitting")
        model = fit_model(OURS, training_lists(lists, options.seed, TIMED_SIGNALS), TIMED_SIGNALS)
    folds = np.array_split(np.random.default_rng(options.seed).permutation(testing.n), FOLDS)
    parts = [testing.chosen(np.sort(fold)) for fold in folds]
    ways = {OURS: model_scorer(model), POPULAR: _popular(dataset)}
    measured: dict[int, dict[str, RankingMetrics]] = {}
    for cut in HISTORY_LENGTHS:
        for one in _cut_lists(dataset, parts, cut, options, progress):
            matrix = behavior_matrix(one.evidence, tuple(BEHAVIOR_SIGNALS))
            people = one.evidence.actors[:, -1]
            for name, way in ways.items():
                served = ways[POPULAR] if cut == 0 else way
                noted = measured.setdefault(cut, {}).setdefault(name, RankingMetrics())
                noted.add(served(one, matrix), one.relevant, one.projects, people)
    viewers = np.concatenate([part.actors for part in parts])
    return _results(dataset, viewers, measured, options.seed, as_data(model))


def _first_of_each(requests: FeedRequests) -> FeedRequests:
    """Keep each viewer's first request."""
    _, first = np.unique(requests.actors, return_index=True)
    return requests.chosen(np.sort(first))


def _cut_lists(
    dataset: Dataset, parts: Sequence[FeedRequests], cut: int, options: Options, progress: Progress
) -> Iterator[ReplayedRequest]:
    what = f"{cut} touches"
    for index, part in enumerate(parts):
        known = replace(
            dataset, log=truncate_history(dataset.log, part.actors, part.at_s, cut), likes=_none(dataset.likes)
        )
        past = Replay(known, options.floor, options.seed, seen=dataset.log, rebuild_days=TRAINING_EVERY_DAYS)
        yield from replay_requests(past, part, lambda *_: None, what)
        progress(what, (index + 1) / len(parts))


def truncate_history(log: EventLog, actors: Integers, at_s: Floats, cut: int) -> EventLog:
    """Keep of each of these actors only the last `cut` events before a moment; what came later stays."""
    moment = np.full(log.n_actors, -np.inf)
    moment[actors] = at_s
    past = np.flatnonzero(log.at_s < moment[log.actors])
    order = past[np.lexsort((-past, log.actors[past]))]
    starts = np.flatnonzero(np.diff(log.actors[order], prepend=-1))
    place = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    kept = np.ones(log.actors.size, dtype=bool)
    kept[order[place >= cut]] = False
    return EventLog(log.actors[kept], log.projects[kept], log.at_s[kept], log.n_actors, log.n_projects)


def _none(log: EventLog) -> EventLog:
    """Give no events: the stage of a viewer must not come from likes that were cut."""
    empty = np.empty(0, np.int64)
    return EventLog(empty, empty, np.empty(0), log.n_actors, log.n_projects)


def _popular(dataset: Dataset) -> Score:
    """Score as the popular feed does: people halved every 14 days, a long memory for likes, freshness among equals."""

    def score(one: ReplayedRequest, _matrix: Floats) -> Floats:
        likes = dataset.likes
        liked = np.bincount(likes.projects[: likes.before(one.at_s)], minlength=likes.n_projects)[one.projects]
        age_days = np.maximum(one.at_s - one.evidence.created_s, 0.0) / 86_400.0
        return (
            np.log1p(one.evidence.actors[:, -1])
            + weights.ALL_TIME_LIKES_WEIGHT * np.log1p(liked)
            + weights.FRESHNESS_TIEBREAK * freshness(age_days)
        )

    return score


def _results(
    dataset: Dataset,
    viewers: Integers,
    measured: Mapping[int, Mapping[str, RankingMetrics]],
    seed: int,
    model: Mapping[str, object],
) -> EvaluationResults:
    curve = {
        cut: _told(ways[OURS].values[:, 0], ways[POPULAR].values[:, 0], viewers, seed) for cut, ways in measured.items()
    }
    union = {name: _joined([measured[cut][name] for cut in HISTORY_LENGTHS]) for name in (OURS, POPULAR)}
    facts = {"viewers": viewers.size, "by touches": curve, "model": model}
    return EvaluationResults(
        "cold-start", dataset.name, union, OURS, np.tile(viewers, len(HISTORY_LENGTHS)), dataset.projects.size, facts
    )


def _told(ours: Floats, popular: Floats, viewers: Integers, seed: int) -> dict[str, float]:
    difference = ours - popular
    return {
        "ours": round(float(ours.mean()), 4),
        "decayed popular": round(float(popular.mean()), 4),
        "difference": round(float(difference.mean()), 4),
        "difference error": round(clustered_standard_error(difference, viewers), 4),
        "chance ours is better": round(probability_better(ours, popular, viewers, seed), 3),
    }


def _joined(parts: Sequence[RankingMetrics]) -> RankingMetrics:
    whole = RankingMetrics()
    for part in parts:
        whole.rows += part.rows
        whole.surprise += part.surprise
        whole.cold += part.cold
        for project, times in part.shown.items():
            whole.shown[project] = whole.shown.get(project, 0) + times
    return whole
