"""The protocols: which moments are replayed, what is fitted on what, and what stands beside it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from scoring import weights
from scoring.errors import InsufficientData
from scoring.evaluation.random_split import Split, random_split
from scoring.evaluation.results import EvaluationResults, RankingMetrics
from scoring.evaluation.source_recall import SourceRecall
from scoring.mathematics.additive_model import BASELINE, Model, scores
from scoring.mathematics.behavior_evidence import EventLog, LogEvidence
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, behavior_matrix
from scoring.mathematics.model_fitting import fit_model
from scoring.mathematics.neighbors import build_collaborative_model
from scoring.mathematics.signals import Floats, popularity
from scoring.mathematics.viewer_stages import ViewerStage, stage
from scoring.models.model_presets import DEFAULT, as_data
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests, feed_requests, last_interactions
from scoring.replay.log_candidate_sources import LogCandidateSources, merge_candidates
from scoring.replay.replayed_requests import Progress, Replay, ReplayedRequest, replay_requests, training_lists
from scoring.weights import Signal

OURS = "ours: a curve a signal"
STATIC_MOMENT = 1.0
"""In a static protocol all events stand at 0 and the list is asked for a second later: no time says anything."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Moments (Unix seconds) that part a log: fitted from the first to the second, tested from there to the third."""

    fit_from_s: float
    fit_until_s: float
    test_until_s: float


@dataclass(frozen=True, slots=True)
class Options:
    """How an evaluation is run.

    Attributes
    ----------
    seed
        Of every draw.
    floor
        Neighbor signals count from this many people on; 1 shows what the floor costs.
    model
        A model to measure; None fits one.
    windows
        For timed protocols; None takes shares of the log's time span.
    last_window
        Test on what comes after the windows: for one last look.
    single_signal_scorers
        Whether every single signal stands beside.
    """

    seed: int = 0
    floor: int = weights.ANONYMITY_FLOOR
    model: Model | None = None
    windows: Windows | None = None
    last_window: bool = False
    single_signal_scorers: bool = True


WINDOW_SHARES = (0.3125, 0.525, 0.75)
"""Of the time span of the log: fitted on the events from the first to the second, tested up to the third."""

TIMED_SIGNALS = tuple(
    signal for signal in BEHAVIOR_SIGNALS if signal not in (Signal.RP3BETA, Signal.EASE, Signal.USER_NEIGHBORS)
)
"""The signals of a timed feed (see `scoring.mathematics.neighbors.night`)."""

Score = Callable[[ReplayedRequest, Floats], Floats]


def evaluate_feed_requests(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay feed requests: fit on everybody's of the first window, measure on those of known viewers in the second."""
    requests = feed_requests(dataset)
    return _timed("feed-requests", dataset, feed_requests(dataset, earlier=0), requests, options, progress)


def evaluate_leave_last(dataset: Dataset, options: Options, progress: Progress) -> EvaluationResults:
    """Replay each viewer's last touch after the fitted window: what was known just before it has to name it."""
    windows = replace(evaluation_windows(dataset, options, "leave-last"), test_until_s=np.inf)
    whole = replace(options, last_window=False, windows=windows)
    return _timed("leave-last", dataset, feed_requests(dataset, earlier=0), last_interactions(dataset), whole, progress)


def evaluation_windows(dataset: Dataset, options: Options, protocol: str) -> Windows:
    """Give the windows that were asked for, or part the log by `WINDOW_SHARES` of its time span.

    Raises
    ------
    InsufficientData
        If the log holds nothing, or has no times.
    """
    if not dataset.log.at_s.size:
        raise InsufficientData(f"{dataset.name} holds no interactions of users and projects that it holds too")
    if not dataset.has_times:
        raise InsufficientData(f"{dataset.name} has no times; the protocol {protocol} needs them, `random` does not")
    if options.windows is not None:
        return options.windows
    times = dataset.log.at_s[dataset.log.at_s > 0]
    return Windows(*(float(times[0] + share * (times[-1] - times[0])) for share in WINDOW_SHARES))


def _timed(
    protocol: str, dataset: Dataset, fitted: FeedRequests, tested: FeedRequests, options: Options, progress: Progress
) -> EvaluationResults:
    windows = evaluation_windows(dataset, options, protocol)
    fitting = fitted.between(windows.fit_from_s, windows.fit_until_s)
    until_s = np.inf if options.last_window else windows.test_until_s
    after_s = windows.test_until_s if options.last_window else windows.fit_until_s
    testing = tested.between(np.nextafter(after_s, np.inf), until_s)
    if not testing.n or not (fitting.n or options.model):
        raise InsufficientData(
            f"{dataset.name} has {fitting.n} requests to fit on and {testing.n} to test on; a request needs a viewer "
            "with 5 earlier projects who then touches one that existed; give other windows or more events"
        )
    model = options.model
    if model is None:
        lists = replay_requests(Replay(dataset, options.floor, options.seed), fitting, progress, "fitting")
        model = fit_model(OURS, training_lists(lists, options.seed, TIMED_SIGNALS), TIMED_SIGNALS)
    reach, past = SourceRecall(), Replay(dataset, options.floor, options.seed)
    measured = measure(
        dataset,
        _reached(replay_requests(past, testing, progress, "testing"), past.sources, reach),
        {
            OURS: model_scorer(model),
            SERVED: _of_candidates(model_scorer(model)),
            **_timed_baselines(dataset),
            **(single_signal_scorers(model) if options.single_signal_scorers else {}),
        },
    )
    facts: dict[str, object] = {
        "requests fitted on": fitting.n,
        "requests tested on": testing.n,
        "floor": options.floor,
        "viewers": int(np.unique(testing.actors).size),
        "share of new viewers": _share_of_new(dataset, testing, after_s),
        **reach.facts(),
        "model": as_data(model),
    }
    return EvaluationResults(protocol, dataset.name, measured, OURS, testing.actors, dataset.projects.size, facts)


SERVED = "ours, of the candidates"
"""As the feed is served: only what the sources bring is ranked."""


def _reached(
    lists: Iterable[ReplayedRequest], sources: LogCandidateSources, reach: SourceRecall
) -> Iterator[ReplayedRequest]:
    """Note of every list what the sources bring."""
    for one in lists:
        by_source = sources.of(one.actor, one.at_s)
        reach.add(one.actor, by_source, one.projects[one.relevant])
        yield replace(one, brought=merge_candidates(by_source))


def _of_candidates(score: Score) -> Score:
    """Score what the sources bring; the rest stands behind it, newest first, as in the feed."""

    def scored(one: ReplayedRequest, matrix: Floats) -> Floats:
        newest = np.argsort(np.argsort(one.evidence.created_s)).astype(np.float64)
        return np.where(np.isin(one.projects, one.brought), score(one, matrix), newest - 1e15)

    return scored


def _share_of_new(dataset: Dataset, testing: FeedRequests, after_s: float) -> float:
    """Give the share of the requests whose viewer had touched nothing before the tested window began."""
    known = np.unique(dataset.log.actors[: dataset.log.before(after_s)])
    return round(float(1.0 - np.isin(testing.actors, known).mean()), 4)


def measure(dataset: Dataset, lists: Iterable[ReplayedRequest], ways: Mapping[str, Score]) -> dict[str, RankingMetrics]:
    """Let every way of ranking score every list."""
    measured = {name: RankingMetrics() for name in ways}
    signals = tuple(BEHAVIOR_SIGNALS)
    for one in lists:
        matrix = behavior_matrix(one.evidence, signals)
        people = _everyone(dataset, one)
        for name, way in ways.items():
            measured[name].add(way(one, matrix), one.relevant, one.projects, people)
    return measured


def _everyone(dataset: Dataset, one: ReplayedRequest) -> Floats:
    log = dataset.log
    counted = np.bincount(log.projects[: log.before(one.at_s)], minlength=log.n_projects)
    return counted[one.projects].astype(np.float64)


def model_scorer(model: Model) -> Score:
    """Score by a model, as it ranks at the viewer's stage; what no log of touches tells (texts, tags) is 0."""
    place = {signal: column for column, signal in enumerate(BEHAVIOR_SIGNALS)}

    by_stage = {stage: model.at(stage) for stage in ViewerStage}

    def score(one: ReplayedRequest, matrix: Floats) -> Floats:
        nothing = np.zeros(matrix.shape[0])
        columns = [matrix[:, place[signal]] if signal in place else nothing for signal in model.signals]
        return scores(by_stage[one.stage].contributions(np.column_stack(columns))).astype(np.float64)

    return score


def single_signal_scorers(model: Model) -> dict[str, Score]:
    """Score by each behavior signal of a model alone, the least first where that is what it means; age is `newest`."""

    def single(column: int, sign: float) -> Score:
        return lambda _one, matrix: sign * matrix[:, column]

    columns = {signal: index for index, signal in enumerate(BEHAVIOR_SIGNALS)}
    return {
        f"signal {signal}": single(columns[signal], -1.0 if signal is Signal.EVENTS_SINCE_CREATION else 1.0)
        for signal in model.signals
        if signal in columns and signal is not Signal.AGE
    }


def _timed_baselines(dataset: Dataset) -> dict[str, Score]:
    column = {signal: index for index, signal in enumerate(BEHAVIOR_SIGNALS)}

    def actors_6h(one: ReplayedRequest, _matrix: Floats) -> Floats:
        return one.evidence.actors[:, 1]

    def fresh_and_lively(one: ReplayedRequest, matrix: Floats) -> Floats:
        return np.log1p(one.evidence.actors[:, 1]) + np.exp2(-(np.exp2(matrix[:, column[Signal.AGE]]) - 1.0) / 12.0)

    return {
        "newest": lambda one, _matrix: one.evidence.created_s,
        "popular": lambda one, _matrix: _everyone(dataset, one),
        "recent popular (3 days)": lambda one, _matrix: one.evidence.actors[:, 2],
        "recent popular (6 hours)": actors_6h,
        "people 6 h + freshness 12 h": fresh_and_lively,
        "item-kNN": lambda _one, matrix: matrix[:, column[Signal.ITEM_NEIGHBORS]],
        "default weights": model_scorer(DEFAULT),
        "the plan's weights": lambda one, _matrix: _plan(dataset, one),
    }


def _plan(dataset: Dataset, one: ReplayedRequest) -> Floats:
    """The plan's five signals: without texts, tags and tools only its popularity, all-time likes, says anything."""
    likes = dataset.likes
    counted = np.bincount(likes.projects[: likes.before(one.at_s)], minlength=likes.n_projects)[one.projects]
    matrix = np.zeros((one.projects.size, len(BASELINE.signals)))
    matrix[:, BASELINE.signals.index(Signal.POPULARITY)] = popularity(counted)
    return scores(BASELINE.contributions(matrix)).astype(np.float64)


# --- static ---------------------------------------------------------------------------------------------------------


def evaluate_random(dataset: Dataset, options: Options, progress: Progress, rounds: int = 5) -> EvaluationResults:
    """Hide a random fifth of each viewer's projects, once for each seed; rank all others, and one against 100."""
    if dataset.log.at_s.size < 2:
        raise InsufficientData(f"{dataset.name} has {dataset.log.at_s.size} positives; a split needs users with 5 each")
    measured: dict[str, RankingMetrics] = {}
    viewers: list[int] = []
    against: dict[str, list[float]] = {}
    for round_ in range(rounds):
        seed = options.seed + round_
        split = random_split(dataset.log, seed)
        if not split.viewers.size:
            raise InsufficientData(f"no user of {dataset.name} has 5 projects; a random split needs such users")
        model = options.model or _fitted_static(dataset, split.known, seed, options.floor)
        ways = {
            OURS: model_scorer(model),
            **_static_baselines(),
            **(single_signal_scorers(model) if options.single_signal_scorers else {}),
        }
        shares = _measure_static(dataset, split, ways, measured, options.floor, seed)
        for name, share in shares.items():
            against.setdefault(name, []).append(share)
        viewers += split.viewers.tolist()
        progress("seeds", (round_ + 1) / rounds)
    facts: dict[str, object] = {"seeds": rounds, "floor": options.floor, "model": as_data(model)}
    facts["recall@10 against 100 random negatives (mean, standard error over seeds)"] = {
        name: (
            round(float(np.mean(shares)), 4),
            round(float(np.std(shares, ddof=1) / np.sqrt(rounds)), 4) if rounds > 1 else None,
        )
        for name, shares in sorted(against.items(), key=lambda pair: -np.mean(pair[1]))
    }
    return EvaluationResults("random", dataset.name, measured, OURS, np.array(viewers), dataset.projects.size, facts)


def _static_baselines() -> dict[str, Score]:
    column = {signal: index for index, signal in enumerate(BEHAVIOR_SIGNALS)}
    named = {
        "popular": Signal.RECENT_ACTORS,
        "item-kNN": Signal.ITEM_NEIGHBORS,
        "EASE": Signal.EASE,
        "RP3beta": Signal.RP3BETA,
        "user-kNN": Signal.USER_NEIGHBORS,
    }

    def single(signal: Signal) -> Score:
        return lambda _one, matrix: matrix[:, column[signal]]

    return {name: single(signal) for name, signal in named.items()}


def _fitted_static(dataset: Dataset, known: EventLog, seed: int, floor: int) -> Model:
    """Fit on what is known alone: hide a fifth of that in turn."""
    inner = random_split(known, seed + 1_000_003)
    chosen = np.random.default_rng(seed).permutation(inner.viewers.size)[:FITTED_VIEWERS]
    fewer = replace(inner, viewers=inner.viewers[chosen], hidden=tuple(inner.hidden[index] for index in chosen))
    return fit_model(OURS, training_lists(_static_lists(dataset, fewer, floor, seed), seed))


def _error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


FITTED_VIEWERS = 1_500


def _static_lists(dataset: Dataset, split: Split, floor: int, seed: int) -> Iterator[ReplayedRequest]:
    history = LogEvidence(split.known, np.zeros(dataset.projects.size), dataset.owners, floor)
    history.use_model(build_collaborative_model(split.known, split.known.at_s.size, floor, seed, timed=False))
    everything = np.arange(dataset.projects.size)
    for index, (viewer, hidden) in enumerate(zip(split.viewers.tolist(), split.hidden, strict=True)):
        projects = np.setdiff1d(everything, history.engaged(viewer, STATIC_MOMENT))
        evidence = history.evidence(viewer, projects, STATIC_MOMENT)
        hidden_rows = np.searchsorted(projects, np.sort(hidden))
        known = stage(0, evidence.engagements.projects.size, 0, quiz=False)
        yield ReplayedRequest(index, viewer, STATIC_MOMENT, projects, hidden_rows, evidence, known)


def _measure_static(
    dataset: Dataset,
    split: Split,
    ways: Mapping[str, Score],
    measured: dict[str, RankingMetrics],
    floor: int,
    seed: int,
) -> dict[str, float]:
    """Measure whole rankings, and give the share of the hidden that come among the first 10 of 101."""
    rng = np.random.default_rng(seed)
    hits: dict[str, list[float]] = {name: [] for name in ways}
    signals = tuple(BEHAVIOR_SIGNALS)
    for one in _static_lists(dataset, split, floor, seed):
        matrix = behavior_matrix(one.evidence, signals)
        others = np.setdiff1d(np.arange(one.projects.size), one.relevant)
        drawn = [rng.choice(others, min(100, others.size), replace=False) for _ in one.relevant]
        for name, way in ways.items():
            value = way(one, matrix)
            measured.setdefault(name, RankingMetrics()).add(
                value, one.relevant, one.projects, one.evidence.actors[:, 3]
            )
            for row, against in zip(one.relevant.tolist(), drawn, strict=True):
                above = (value[against] > value[row]).sum() + 0.5 * (value[against] == value[row]).sum()
                hits[name].append(float(above < 10))
    return {name: float(np.mean(values)) for name, values in hits.items()}
