"""Protocols that replay or split an event log, with baselines beside the fitted model."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from scoring import weights
from scoring.errors import InsufficientData
from scoring.evaluation.results import EvaluationResults
from scoring.evaluation.source_recall import SourceRecall
from scoring.mathematics.additive_model import BASELINE, Model, scores
from scoring.mathematics.behavior_evidence import EventLog, LogEvidence
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS
from scoring.mathematics.model_fitting import fit_model
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.mathematics.signals import Floats, Integers, popularity
from scoring.mathematics.viewer_stages import stage
from scoring.models.model_presets import DEFAULT
from scoring.pipelines.candidate_sources import merge_candidates
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests, feed_requests, last_interactions
from scoring.replay.log_candidate_sources import LogCandidateSources
from scoring.replay.measurements import all_time_actors, concatenate_metrics, measure
from scoring.replay.replayed_requests import Progress, Replay, ReplayedRequest, replay_requests, training_lists
from scoring.replay.scorers import COLUMNS, SERVED_SIGNALS, Score, model_scorer, single, single_signal_scorers
from scoring.weights import Signal

FITTED = "fitted model"
AS_SERVED = "fitted model, of the candidates"
"""As the feed is served: only what the candidate sources find is ranked."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Unix seconds that part a log: fitted on the first window, tested on the second."""

    fit_from_s: float
    fit_until_s: float
    test_until_s: float


WINDOW_SHARES = (0.3125, 0.525, 0.75)
"""The default windows, as shares of the log's time span."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an evaluation."""

    seed: int = 0  # of every random draw
    floor: int = weights.ANONYMITY_FLOOR  # people from which on neighbor signals count; 1 shows the cost of the floor
    model: Model | None = None  # the model to measure; None fits one
    windows: Windows | None = None  # for timed protocols; None takes `WINDOW_SHARES`
    last_window: bool = False  # test on the events after the windows, for one final measurement
    single_signal_scorers: bool = True  # whether to measure each signal alone too


# --- timed ------------------------------------------------------------------------------------------------------------


def evaluate_feed_requests(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay feed requests: fit on those of all viewers in the first window, test on known viewers in the second."""
    return _evaluate_timed("feed-requests", dataset, feed_requests(dataset), options, progress)


def evaluate_leave_last(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay each viewer's last interaction after the fitted window, ranked by what was known just before it."""
    windows = replace(evaluation_windows(dataset, options, "leave-last"), test_until_s=np.inf)
    options = replace(options, last_window=False, windows=windows)
    return _evaluate_timed("leave-last", dataset, last_interactions(dataset), options, progress)


def evaluation_windows(dataset: Dataset, options: Options, protocol: str) -> Windows:
    """Return the windows of the options, or the default windows of the log.

    Raises `InsufficientData` if the log holds nothing, or has no times.
    """
    if not dataset.log.at_s.size:
        raise InsufficientData(f"{dataset.name} holds no interactions of users and projects that it holds too")
    if not dataset.has_times:
        raise InsufficientData(f"{dataset.name} has no times; the protocol {protocol} needs them, `random` does not")
    if options.windows is not None:
        return options.windows
    times = dataset.log.at_s[dataset.log.at_s > 0]
    return Windows(*(float(times[0] + share * (times[-1] - times[0])) for share in WINDOW_SHARES))


def fitted_model(dataset: Dataset, requests: FeedRequests, options: Options, progress: Progress) -> Model:
    """Return the model of the options, or fit one to these requests."""
    if options.model is not None:
        return options.model
    lists = replay_requests(Replay(dataset, options.floor, options.seed), requests, progress, "fitting")
    return fit_model(FITTED, training_lists(lists, options.seed, SERVED_SIGNALS), SERVED_SIGNALS)


def _evaluate_timed(
    protocol: str, dataset: Dataset, requests: FeedRequests, options: Options, progress: Progress
) -> EvaluationResults:
    windows = evaluation_windows(dataset, options, protocol)
    fitting = feed_requests(dataset, earlier=0).select_period(windows.fit_from_s, windows.fit_until_s)
    after_s = windows.test_until_s if options.last_window else windows.fit_until_s
    until_s = np.inf if options.last_window else windows.test_until_s
    testing = requests.select_period(np.nextafter(after_s, np.inf), until_s)
    if not testing.n or not (fitting.n or options.model):
        raise InsufficientData(
            f"{dataset.name} has {fitting.n} requests to fit on and {testing.n} to test on; a request needs a viewer "
            "with 5 earlier projects who then engages with one that existed; give other windows or more events"
        )
    model = fitted_model(dataset, fitting, options, progress)
    reach, past = SourceRecall(), Replay(dataset, options.floor, options.seed)
    scorers = {FITTED: model_scorer(model), AS_SERVED: _of_candidates(model_scorer(model)), **_timed_baselines(dataset)}
    measured = measure(
        _with_sources(replay_requests(past, testing, progress, "testing"), past.sources, reach),
        scorers | (single_signal_scorers(model) if options.single_signal_scorers else {}),
        lambda one: all_time_actors(dataset.log, one),
    )
    known = np.unique(dataset.log.actors[: dataset.log.count_before(after_s)])
    facts: dict[str, object] = {
        "requests fitted on": fitting.n,
        "requests tested on": testing.n,
        "floor": options.floor,
        "viewers": int(np.unique(testing.actors).size),
        "share of new viewers": round(float(1.0 - np.isin(testing.actors, known).mean()), 4),
        **reach.facts(),
    }
    return EvaluationResults(
        protocol, dataset.name, measured, FITTED, testing.actors, dataset.log.n_projects, facts, model
    )


def _with_sources(
    lists: Iterable[ReplayedRequest], sources: LogCandidateSources, reach: SourceRecall
) -> Iterator[ReplayedRequest]:
    """Add to each list the projects that the candidate sources find, and count them."""
    for one in lists:
        by_source = sources.candidates_by_source(one.actor, one.at_s)
        reach.add(one.actor, by_source, one.projects[one.relevant])
        yield replace(one, from_sources=merge_candidates(by_source))


def _of_candidates(score: Score) -> Score:
    """Rank the projects that the sources find before all others, which follow newest first, as in the feed."""

    def scored(one: ReplayedRequest, matrix: Floats) -> Floats:
        newest = np.argsort(np.argsort(one.evidence.created_s)).astype(np.float64)
        return np.where(np.isin(one.projects, one.from_sources), score(one, matrix), newest - 1e15)

    return scored


def _timed_baselines(dataset: Dataset) -> dict[str, Score]:
    def fresh_and_lively(one: ReplayedRequest, matrix: Floats) -> Floats:
        age_h = np.exp2(matrix[:, COLUMNS[Signal.AGE]]) - 1.0
        return np.log1p(one.evidence.actors[:, 1]) + np.exp2(-age_h / 12.0)

    def baseline_weights(one: ReplayedRequest, _matrix: Floats) -> Floats:
        # Of the five signals only popularity, all-time likes, is known without texts, tags and tools.
        likes = dataset.likes
        counted = np.bincount(likes.projects[: likes.count_before(one.at_s)], minlength=likes.n_projects)[one.projects]
        matrix = np.zeros((one.projects.size, len(BASELINE.signals)))
        matrix[:, BASELINE.signals.index(Signal.POPULARITY)] = popularity(counted)
        return scores(BASELINE.contributions(matrix)).astype(np.float64)

    return {
        "newest": lambda one, _matrix: one.evidence.created_s,
        "popular": lambda one, _matrix: all_time_actors(dataset.log, one),
        "recent popular (3 days)": lambda one, _matrix: one.evidence.actors[:, 2],
        "recent popular (6 hours)": lambda one, _matrix: one.evidence.actors[:, 1],
        "actors 6 h + freshness 12 h": fresh_and_lively,
        "item-kNN": single(Signal.ITEM_NEIGHBORS),
        "default weights": model_scorer(DEFAULT),
        "baseline weights": baseline_weights,
    }


# --- static -----------------------------------------------------------------------------------------------------------

STATIC_MOMENT = 1.0
"""In the static protocol all events are at 0 and requests a second later, so that no time carries information."""
FITTED_VIEWERS = 1_500
HIDDEN_SHARE = 0.2
LEAST_POSITIVES = 5
STATIC_BASELINES = {
    "popular": single(Signal.RECENT_ACTORS),
    "item-kNN": single(Signal.ITEM_NEIGHBORS),
    "EASE": single(Signal.EASE),
    "RP3beta": single(Signal.RP3BETA),
    "user-kNN": single(Signal.USER_NEIGHBORS),
}


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The known part of a log, all at one time, and the hidden projects of each viewer."""

    known: EventLog
    viewers: Integers
    hidden: tuple[Integers, ...]


def random_split(log: EventLog, seed: int) -> Split:
    """Hide a random fifth of the projects, at least one, of each actor who has at least 5; ignores timestamps."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(log.actors.size), log.actors))
    actors, projects = log.actors[order], log.projects[order]
    counts = np.bincount(actors, minlength=log.n_actors)
    place = np.arange(actors.size) - (np.cumsum(counts) - counts)[actors]
    most = np.where(counts >= LEAST_POSITIVES, np.maximum(1, np.round(counts * HIDDEN_SHARE)), 0)
    hidden = place < most[actors]
    timeless = np.zeros(int((~hidden).sum()))
    known = EventLog.from_events(actors[~hidden], projects[~hidden], timeless, log.n_actors, log.n_projects)
    viewers, starts = np.unique(actors[hidden], return_index=True)
    return Split(known, viewers, tuple(np.split(projects[hidden], starts[1:])))


def evaluate_random(dataset: Dataset, options: Options, progress: Progress, rounds: int = 5) -> EvaluationResults:
    """Hide a random fifth of each viewer's projects, once for each seed; rank all others, and one against 100."""
    if dataset.log.at_s.size < 2:
        raise InsufficientData(f"{dataset.name} has {dataset.log.at_s.size} positives; a split needs users with 5 each")
    parts, viewers = [], list[int]()
    against: dict[str, list[float]] = {}
    for round_ in range(rounds):
        seed = options.seed + round_
        split = random_split(dataset.log, seed)
        if not split.viewers.size:
            raise InsufficientData(f"no user of {dataset.name} has 5 projects; a random split needs such users")
        model = options.model or _fit_static(dataset, split.known, seed, options.floor)
        scorers = {
            FITTED: model_scorer(model),
            **STATIC_BASELINES,
            **(single_signal_scorers(model) if options.single_signal_scorers else {}),
        }
        hits = _Hits(seed)
        lists = _static_lists(dataset, split, options.floor, seed)
        parts.append(measure(lists, scorers, lambda one: one.evidence.actors[:, 3], hits.add))
        for name, share in hits.shares().items():
            against.setdefault(name, []).append(share)
        viewers += split.viewers.tolist()
        progress("seeds", (round_ + 1) / rounds)
    facts: dict[str, object] = {"seeds": rounds, "floor": options.floor}
    facts["recall@10 against 100 random negatives (mean, standard error over seeds)"] = {
        name: (
            round(float(np.mean(shares)), 4),
            round(float(np.std(shares, ddof=1) / np.sqrt(rounds)), 4) if rounds > 1 else None,
        )
        for name, shares in sorted(against.items(), key=lambda pair: -np.mean(pair[1]))
    }
    measured = {name: concatenate_metrics(part[name] for part in parts) for name in parts[0]}
    return EvaluationResults(
        "random", dataset.name, measured, FITTED, np.array(viewers), dataset.log.n_projects, facts, model
    )


class _Hits:
    """Counter of hidden projects that rank among the first ten against 100 random others."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._hits: dict[str, list[float]] = {}

    def add(self, one: ReplayedRequest, scored: Mapping[str, Floats]) -> None:
        """Draw others for each hidden project of a list, and count; ties count half."""
        others = np.setdiff1d(np.arange(one.projects.size), one.relevant)
        drawn = [self._rng.choice(others, min(100, others.size), replace=False) for _ in one.relevant]
        for name, value in scored.items():
            for row, against in zip(one.relevant.tolist(), drawn, strict=True):
                above = (value[against] > value[row]).sum() + 0.5 * (value[against] == value[row]).sum()
                self._hits.setdefault(name, []).append(float(above < 10))

    def shares(self) -> dict[str, float]:
        """Return the share of hits by scorer."""
        return {name: float(np.mean(values)) for name, values in self._hits.items()}


def _fit_static(dataset: Dataset, known: EventLog, seed: int, floor: int) -> Model:
    """Fit on the known part alone: hide a fifth of it in turn."""
    inner = random_split(known, seed + 1_000_003)
    chosen = np.random.default_rng(seed).permutation(inner.viewers.size)[:FITTED_VIEWERS]
    fewer = replace(inner, viewers=inner.viewers[chosen], hidden=tuple(inner.hidden[index] for index in chosen))
    return fit_model(FITTED, training_lists(_static_lists(dataset, fewer, floor, seed), seed), tuple(BEHAVIOR_SIGNALS))


def _static_lists(dataset: Dataset, split: Split, floor: int, seed: int) -> Iterator[ReplayedRequest]:
    n = dataset.log.n_projects
    history = LogEvidence(split.known, np.zeros(n), dataset.owners, floor)
    history.use_model(build_collaborative_model(split.known, split.known.at_s.size, floor, seed, all_kinds=True))
    for viewer, hidden in zip(split.viewers.tolist(), split.hidden, strict=True):
        projects = np.setdiff1d(np.arange(n), history.engaged_projects(viewer, STATIC_MOMENT))
        evidence = history.evidence(viewer, projects, STATIC_MOMENT)
        known = stage(0, evidence.engagements.projects.size, 0, quiz=False)
        yield ReplayedRequest(
            viewer, STATIC_MOMENT, projects, np.searchsorted(projects, np.sort(hidden)), evidence, known
        )
