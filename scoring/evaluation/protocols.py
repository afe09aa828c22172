"""Protocols that replay or split an event log, with baselines beside the fitted model."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from scoring import tunables
from scoring.errors import InsufficientData
from scoring.evaluation.breakdowns import QualityBreakdown
from scoring.evaluation.known_baselines import known_baselines
from scoring.evaluation.results import NOT_COMPUTED, EvaluationResults, SourceRecall
from scoring.mathematics.additive_model import BASELINE, Model, scores
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.behavior_signals import REPLAYED_SIGNALS
from scoring.mathematics.curve_fitting import CandidateLists
from scoring.mathematics.log_evidence import LogEvidence
from scoring.mathematics.model_fitting import fit_model
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.mathematics.signals import Floats, Integers, Signal, popularity
from scoring.mathematics.viewer_stages import stage
from scoring.models.model_presets import DEFAULT
from scoring.pipelines.candidate_sources import merge_candidates
from scoring.replay.dataset import Dataset
from scoring.replay.log_candidate_sources import LogCandidateSources
from scoring.replay.measurements import (
    COLUMNS,
    SERVED_SIGNALS,
    Score,
    all_time_actors,
    concatenate_metrics,
    measure,
    model_scorer,
    served_scorer,
    signal_scorer,
    single_signal_scorers,
)
from scoring.replay.replayed_requests import (
    MIN_EARLIER_PROJECTS,
    FeedRequests,
    Progress,
    Replay,
    ReplayedRequest,
    feed_requests,
    last_interactions,
    replay_requests,
    training_lists,
)

FITTED = "fitted model"
ACTORS_AND_FRESHNESS = "actors 6 h + freshness 12 h"
AS_SERVED = "fitted model, as served"
"""The fitted model as a page is served: only projects of the candidate sources, with diversity and exploration."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Unix seconds that divide a log: the model is fitted to the first window and tested on the second window."""

    fit_from_s: float
    fit_until_s: float
    test_until_s: float


WINDOW_SHARES = (0.3125, 0.525, 0.75)
"""The default windows, as shares of the log's time span."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an evaluation."""

    seed: int = 0  # of every random draw
    floor: int = tunables.ANONYMITY_FLOOR  # minimum actors for neighbor signals; 1 shows the cost of the floor
    model: Model | None = None  # the model to measure; None fits a model
    windows: Windows | None = None  # for protocols that use timestamps; None takes `WINDOW_SHARES`
    last_window: bool = False  # whether to test on the events after both windows, for one final measurement
    with_single_signals: bool = True  # whether to measure each signal alone too
    without: tuple[frozenset[Signal], ...] = ()  # groups of signals; a further model is fitted without each group


# --- replay of a log with timestamps ----------------------------------------------------------------------------------


def evaluate_feed_requests(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay feed requests: fit to the first window, test on requests of viewers with a history in the second."""
    return _evaluate_replay("feed-requests", dataset, feed_requests(dataset), options, progress)


def evaluate_first_visits(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay each viewer's first feed request. Nothing is known of the viewer, and nothing is explored."""
    requests = feed_requests(dataset, min_earlier=0, max_earlier=0)
    return _evaluate_replay("first-visits", dataset, requests, options, progress, min_earlier=0, exploration=0.0)


def evaluate_leave_last(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay each viewer's last interaction after the fitted window, ranked by the events before it."""
    windows = replace(evaluation_windows(dataset, options, "leave-last"), test_until_s=np.inf)
    options = replace(options, last_window=False, windows=windows)
    return _evaluate_replay("leave-last", dataset, last_interactions(dataset), options, progress)


def evaluation_windows(dataset: Dataset, options: Options, protocol: str) -> Windows:
    """Return the windows of the options, or the default windows of the log.

    Raises `InsufficientData` if the log has no times.
    """
    times = dataset.known_times(protocol)
    if options.windows is not None:
        return options.windows
    return Windows(*(float(times[0] + share * (times[-1] - times[0])) for share in WINDOW_SHARES))


def fitted_models(
    dataset: Dataset, requests: FeedRequests, options: Options, progress: Progress
) -> Mapping[str, Model]:
    """Return the model of the options, or the models that are fitted to these requests, by name."""
    if options.model is not None:
        return {FITTED: options.model}
    replayed = replay_requests(Replay(dataset, options.floor), requests, progress, "fitting")
    lists = training_lists(replayed, options.seed, SERVED_SIGNALS)
    progress("curves", 0.0)
    models = _fit_models(lists, SERVED_SIGNALS, options, DEFAULT)
    progress("curves", 1.0)
    return models


def _fit_models(
    lists: CandidateLists, signals: tuple[Signal, ...], options: Options, shipped: Model | None = None
) -> Mapping[str, Model]:
    """Fit a model to all signals, and one without each group of `Options.without`."""
    models = {FITTED: fit_model(FITTED, lists, signals, shipped=shipped)}
    for left_out in options.without:
        name = f"without {', '.join(sorted(left_out))}"
        kept = [column for column, signal in enumerate(signals) if signal not in left_out]
        named = tuple(signals[column] for column in kept)
        models[name] = fit_model(name, lists.select_columns(kept), named, shipped=shipped)
    return models


def _evaluate_replay(
    protocol: str,
    dataset: Dataset,
    requests: FeedRequests,
    options: Options,
    progress: Progress,
    min_earlier: int = MIN_EARLIER_PROJECTS,
    exploration: float = tunables.EXPLORATION_SHARE,
) -> EvaluationResults:
    """Fit a model and measure it on later requests of viewers with `min_earlier` projects, with baselines."""
    windows = evaluation_windows(dataset, options, protocol)
    fitting = feed_requests(dataset, min_earlier=0).select_period(windows.fit_from_s, windows.fit_until_s)
    test_from_s = windows.test_until_s if options.last_window else windows.fit_until_s
    test_until_s = np.inf if options.last_window else windows.test_until_s
    testing = requests.select_period(np.nextafter(test_from_s, np.inf), test_until_s)
    if not testing.n or not (fitting.n or options.model):
        raise InsufficientData(
            f"{dataset.name} has {fitting.n} requests to fit on and {testing.n} to test on; a request needs a viewer "
            f"with {min_earlier or 'no'} earlier projects who then engages with an existing project; "
            "give other windows or more events"
        )
    models = fitted_models(dataset, fitting, options, progress)
    model = models[FITTED]
    source_recall, replay = SourceRecall(), Replay(dataset, options.floor)
    scorers = {name: model_scorer(fitted) for name, fitted in models.items()}
    scorers |= {
        AS_SERVED: served_scorer(scorers[FITTED], dataset, exploration),
        **_replay_baselines(dataset),
        **known_baselines(dataset.log, options.seed),
    }
    breakdown = QualityBreakdown((FITTED, ACTORS_AND_FRESHNESS, "item-kNN"))
    measured = measure(
        _with_candidates(replay_requests(replay, testing, progress, "testing"), replay.sources, source_recall),
        scorers | (single_signal_scorers(model) if options.with_single_signals else {}),
        lambda request: all_time_actors(dataset.log, request),
        breakdown.add,
    )
    earlier_actors = np.unique(dataset.log.actors[: dataset.log.count_before(test_from_s)])
    facts: dict[str, object] = {
        "requests fitted on": fitting.n,
        "requests tested on": testing.n,
        "floor": options.floor,
        "viewers": int(np.unique(testing.actors).size),
        "share of new viewers": round(float(1.0 - np.isin(testing.actors, earlier_actors).mean()), 4),
        **source_recall.facts(),
    }
    breakdowns = breakdown.by_viewer(measured) | breakdown.by_age()
    return EvaluationResults(
        protocol, dataset.name, measured, FITTED, testing.actors, dataset.log.n_projects, facts, model, breakdowns
    )


def _with_candidates(
    requests: Iterable[ReplayedRequest], sources: LogCandidateSources, source_recall: SourceRecall
) -> Iterator[ReplayedRequest]:
    """Add to each request the projects of the candidate sources, and measure the recall of the sources."""
    for request in requests:
        by_source = sources.candidates_by_source(request.actor, request.at_s)
        source_recall.add(request.actor, by_source, request.projects[request.relevant])
        yield replace(request, from_sources=merge_candidates(by_source))


def _replay_baselines(dataset: Dataset) -> dict[str, Score]:
    def recent_actors_and_freshness(request: ReplayedRequest, matrix: Floats) -> Floats:
        age_h = np.exp2(matrix[:, COLUMNS[Signal.AGE]]) - 1.0
        return np.log1p(request.evidence.actors[:, 1]) + np.exp2(-age_h / 12.0)

    def baseline_weights(request: ReplayedRequest, _matrix: Floats) -> Floats:
        # A log without texts, interests and tools has data for only one of the five signals: popularity (all-time
        # likes).
        counts = dataset.likes.count_by_project(request.at_s)
        matrix = np.zeros((request.projects.size, len(BASELINE.signals)))
        matrix[:, BASELINE.signals.index(Signal.POPULARITY)] = popularity(counts[request.projects])
        return scores(BASELINE.contributions(matrix)).astype(np.float64)

    return {
        "newest": lambda request, _matrix: request.evidence.created_s,
        "popular": lambda request, _matrix: all_time_actors(dataset.log, request),
        "recent popular (3 days)": lambda request, _matrix: request.evidence.actors[:, 2],
        "recent popular (6 hours)": lambda request, _matrix: request.evidence.actors[:, 1],
        ACTORS_AND_FRESHNESS: recent_actors_and_freshness,
        "item-kNN": signal_scorer(Signal.ITEM_NEIGHBORS),
        "default weights": model_scorer(DEFAULT),
        "baseline weights": baseline_weights,
    }


# --- random split, without timestamps ---------------------------------------------------------------------------------

STATIC_MOMENT = 1.0
"""Unix second of all requests in the protocol `random`. All events have the time 0, so times contain no information."""
FITTED_VIEWERS = 1_500
"""Maximum number of viewers to fit a model to."""
HIDDEN_SHARE = 0.2
MIN_HISTORY = 5
"""Minimum number of a viewer's projects. A viewer with fewer has no hidden projects."""
STATIC_BASELINES = {
    "popular": signal_scorer(Signal.RECENT_ACTORS),
    "item-kNN": signal_scorer(Signal.ITEM_NEIGHBORS),
    "EASE": signal_scorer(Signal.EASE),
    "RP3beta": signal_scorer(Signal.RP3BETA),
    "user-kNN": signal_scorer(Signal.USER_NEIGHBORS),
}


class Split(NamedTuple):
    """The visible part of a log, with all events at the time 0, and the hidden projects of each viewer."""

    visible: EventLog
    viewers: Integers
    hidden: tuple[Integers, ...]


def random_split(log: EventLog, seed: int) -> Split:
    """Hide a random fifth, at least one, of the projects of each actor with `MIN_HISTORY` projects or more."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(log.actors.size), log.actors))
    actors, projects = log.actors[order], log.projects[order]
    counts = np.bincount(actors, minlength=log.n_actors)
    position = np.arange(actors.size) - (np.cumsum(counts) - counts)[actors]
    hidden_counts = np.where(counts >= MIN_HISTORY, np.maximum(1, np.round(counts * HIDDEN_SHARE)), 0)
    hidden = position < hidden_counts[actors]
    times_s = np.zeros(int((~hidden).sum()))
    visible = EventLog.from_events(actors[~hidden], projects[~hidden], times_s, log.n_actors, log.n_projects)
    viewers, starts = np.unique(actors[hidden], return_index=True)
    return Split(visible, viewers, tuple(np.split(projects[hidden], starts[1:])))


def evaluate_random(dataset: Dataset, options: Options, progress: Progress, rounds: int = 5) -> EvaluationResults:
    """Hide a random fifth of each viewer's projects, once per seed, and rank all projects that are not visible history.

    Also ranks each hidden project against 100 random projects that the viewer did not engage with.
    """
    if dataset.log.at_s.size < 2:
        raise InsufficientData(f"{dataset.name} has {dataset.log.at_s.size} positives; a split needs users with 5 each")
    parts, viewers = [], list[int]()
    hit_shares: dict[str, list[float]] = {}
    breakdown = QualityBreakdown((FITTED, "popular", "item-kNN"))
    for round_ in range(rounds):
        seed = options.seed + round_
        split = random_split(dataset.log, seed)
        if not split.viewers.size:
            raise InsufficientData(f"no user of {dataset.name} has 5 projects; a random split needs such users")
        models = {FITTED: options.model} if options.model else _fit_static(dataset, split.visible, seed, options)
        model = models[FITTED]
        scorers = {
            **{name: model_scorer(fitted) for name, fitted in models.items()},
            **STATIC_BASELINES,
            "ALS": known_baselines(split.visible, seed)["ALS"],
            **(single_signal_scorers(model) if options.with_single_signals else {}),
        }
        hits = _Hits(seed)

        def observe(request: ReplayedRequest, scores_by_name: Mapping[str, Floats], hits: _Hits = hits) -> None:
            hits.add(request, scores_by_name)
            breakdown.add(request, scores_by_name)

        requests = _static_requests(
            dataset, split, options.floor, seed, partial(_report_round, progress, round_, rounds)
        )
        parts.append(measure(requests, scorers, lambda request: request.evidence.actors[:, 3], observe))
        for name, values in hits.by_scorer.items():
            hit_shares.setdefault(name, []).append(float(np.mean(values)))
        viewers += split.viewers.tolist()
    measured = {name: concatenate_metrics(part[name] for part in parts) for name in parts[0]}
    recalls: dict[str, object] = {}
    for name, shares in sorted(hit_shares.items(), key=lambda pair: -np.mean(pair[1])):
        error = round(float(np.std(shares, ddof=1) / np.sqrt(rounds)), 4) if rounds > 1 else None
        figures = (round(float(np.mean(shares)), 4), error)
        recalls[name] = figures if measured[name].is_computed else NOT_COMPUTED
    title = "recall@10 against 100 random negatives (mean, standard error over seeds)"
    facts = {"seeds": rounds, "floor": options.floor, title: recalls}
    n_projects, breakdowns = dataset.log.n_projects, breakdown.by_viewer(measured)
    return EvaluationResults(
        "random", dataset.name, measured, FITTED, np.array(viewers), n_projects, facts, model, breakdowns
    )


def _report_round(progress: Progress, round_: int, rounds: int, share: float) -> None:
    progress("seeds", (round_ + share) / rounds)


class _Hits:
    """Counter of hidden projects that rank in the first ten among themselves and 100 random others."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.by_scorer: dict[str, list[bool]] = {}

    def add(self, request: ReplayedRequest, scores_by_name: Mapping[str, Floats]) -> None:
        """Rank each hidden project of a request among 100 other random projects. A tie counts half a rank."""
        others = np.setdiff1d(np.arange(request.projects.size), request.relevant)
        negatives = [self._rng.choice(others, min(100, others.size), replace=False) for _ in request.relevant]
        for name, value in scores_by_name.items():
            for row, negative_rows in zip(request.relevant.tolist(), negatives, strict=True):
                above = (value[negative_rows] > value[row]).sum() + 0.5 * (value[negative_rows] == value[row]).sum()
                self.by_scorer.setdefault(name, []).append(bool(above < 10))


def _fit_static(dataset: Dataset, visible: EventLog, seed: int, options: Options) -> Mapping[str, Model]:
    """Fit models to the visible part of the first split, which is split once more for this."""
    split = random_split(visible, seed + 1_000_003)
    indexes = np.random.default_rng(seed).permutation(split.viewers.size)[:FITTED_VIEWERS]
    sample = Split(split.visible, split.viewers[indexes], tuple(split.hidden[index] for index in indexes))
    requests = _static_requests(dataset, sample, options.floor, seed)
    return _fit_models(training_lists(requests, seed), tuple(REPLAYED_SIGNALS), options)


def _static_requests(
    dataset: Dataset, split: Split, floor: int, seed: int, report: Callable[[float], None] = lambda _: None
) -> Iterator[ReplayedRequest]:
    n = dataset.log.n_projects
    history = LogEvidence(split.visible, np.zeros(n), dataset.owners, floor, contents=dataset.contents)
    history.model = build_collaborative_model(split.visible, split.visible.at_s.size, floor, all_kinds=True)
    for index, (viewer, hidden) in enumerate(zip(split.viewers.tolist(), split.hidden, strict=True)):
        projects = np.setdiff1d(np.arange(n), history.engagements(viewer, STATIC_MOMENT).projects)
        evidence = history.evidence(viewer, projects, STATIC_MOMENT)
        viewer_stage = stage(0, evidence.engagements.projects.size, 0, has_answered=False)
        relevant = np.searchsorted(projects, np.sort(hidden))
        yield ReplayedRequest(viewer, STATIC_MOMENT, projects, relevant, evidence, viewer_stage)
        report((index + 1) / split.viewers.size)
