"""Whether a new model may serve: judged on a later window than it was fitted on, by a bootstrap over viewers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.errors import InsufficientData
from scoring.mathematics.additive_model import Model
from scoring.mathematics.behavior_evidence import DAY_S
from scoring.mathematics.model_fitting import fit_model, fit_model_with_positions
from scoring.mathematics.ranking_metrics import clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.unbiased_metrics import score_lists, unbiased_ndcg
from scoring.models.model_presets import UNTRAINED_SIGNALS, with_untrained_signals
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests, feed_requests
from scoring.replay.measurements import all_time_people, measure
from scoring.replay.replayed_requests import Progress, Replay, replay_requests, training_lists
from scoring.replay.scorers import TIMED_SIGNALS, model_scorer, single_signal_scorers
from scoring.training.served_candidate_lists import ServedList, served_candidate_lists

LIKELY = 0.9
"""A new model must be better than the one in service and than the best single signal with this chance."""
NOT_WORSE = 0.002
"""When the one in service is over `STALE_DAYS` old, a new one may serve if its NDCG@10 is not lower by more."""
STALE_DAYS = 7.0
WINDOW_DAYS = 120.0
"""Days before the log's end that are learned from: tastes and habits drift, and a season is enough."""
WARM_SHARE = 0.25
"""Share of a log younger than the window that is left out at its beginning, when nobody was known yet."""
FITTED_SHARE = 2 / 3
"""Of what is left, in the order of time: fitted on the first part, judged on the rest."""
MIN_REQUESTS = 50
"""Fewer requests to fit on, or to judge on, say nothing."""
MAX_REQUESTS = 6_000
"""Of each window as many are replayed, evenly chosen: a night is short, and 5,000 fit 17 curves to within the noise."""
MIN_SERVED_LISTS = 500
"""From so many served rankings on, with reported impressions and something touched, these are learned from."""


@dataclass(frozen=True, slots=True)
class ModelVerdict:
    """What became of a new model: it, whether it may serve, one sentence that says why, and the numbers."""

    model: Model
    accepted: bool
    because: str
    report: Mapping[str, Any]


class _Trial(NamedTuple):
    """A new model, and on each later list of some viewer the NDCG@10 of every way of ranking."""

    model: Model
    values: Mapping[str, Floats]
    viewers: Integers
    learned_from: str
    fitted_s: Floats
    judged_s: Floats


def fit_and_judge_model(
    dataset: Dataset,
    name: str,
    serving: Model,
    serving_age_days: float,
    floor: int,
    seed: int,
    progress: Progress,
    logged: Sequence[ServedList] = (),
) -> ModelVerdict:
    """Fit a model on a rolling window of a log, and compare it with what serves on the window after.

    With `MIN_SERVED_LISTS` served rankings it learns from these, corrected for places; else from a replay of who touched
    what, which knows nothing of what was shown. The report says which, under ``"learned from"``.

    Raises
    ------
    InsufficientData
        If the log holds too little to fit or to judge on.
    """
    if len(logged) >= MIN_SERVED_LISTS:
        trial = _from_logged(dataset, sorted(logged, key=lambda one: one.at_s), name, serving, floor, seed, progress)
    else:
        trial = _from_replay(dataset, len(logged), name, serving, floor, seed, progress)
    return _judged(trial, serving.name, serving_age_days, seed)


def _from_logged(
    dataset: Dataset,
    logged: Sequence[ServedList],
    name: str,
    serving: Model,
    floor: int,
    seed: int,
    progress: Progress,
) -> _Trial:
    signals = (*TIMED_SIGNALS, *UNTRAINED_SIGNALS)
    until = int(FITTED_SHARE * len(logged))
    fitting, judging = (
        served_candidate_lists(dataset, part, signals, floor, progress) for part in (logged[:until], logged[until:])
    )
    fitted, looks = fit_model_with_positions(name, fitting, signals)
    model = with_untrained_signals(fitted)
    chances = looks.chance(judging.ranks)
    ways: dict[str, NDArray[Any]] = {
        "new": score_lists(model, judging, signals),
        "in service": score_lists(serving, judging, signals),
        **{f"signal {one}": judging.values[:, k] for k, one in enumerate(signals) if one in fitted.curves},
    }
    return _Trial(
        model,
        {way: unbiased_ndcg(judging, score.astype(np.float64), chances, seed) for way, score in ways.items()},
        judging.viewers,
        f"{len(logged)} served rankings with impressions, corrected for places",
        np.array([one.at_s for one in logged[:until]]),
        np.array([one.at_s for one in logged[until:]]),
    )


def _from_replay(
    dataset: Dataset, logged: int, name: str, serving: Model, floor: int, seed: int, progress: Progress
) -> _Trial:
    fitting, judging = _windows(feed_requests(dataset, earlier=0), feed_requests(dataset))
    if min(fitting.n, judging.n) < MIN_REQUESTS:
        raise InsufficientData(
            f"there are {fitting.n} feed requests to fit on and {judging.n} to judge on; at least {MIN_REQUESTS} "
            "each are needed, so the model in service stays"
        )
    fitted = replay_requests(Replay(dataset, floor, seed), fitting, progress, "fitting")
    model = with_untrained_signals(fit_model(name, training_lists(fitted, seed, TIMED_SIGNALS), TIMED_SIGNALS))
    ways = {"new": model_scorer(model), "in service": model_scorer(serving), **single_signal_scorers(model)}
    lists = replay_requests(Replay(dataset, floor, seed), judging, progress, "judging")
    measured = measure(lists, ways, lambda one: all_time_people(dataset.log, one))
    return _Trial(
        model,
        {way: one.values[:, 0] for way, one in measured.items()},
        judging.actors,
        f"a replay of who touched what: {logged} served rankings have impressions, {MIN_SERVED_LISTS} are needed",
        fitting.at_s,
        judging.at_s,
    )


def _windows(everybody: FeedRequests, known: FeedRequests) -> tuple[FeedRequests, FeedRequests]:
    """Part a log by time: fitted on the first visits of everybody too, judged on viewers who are known a little."""
    if not known.n:
        return known, known
    end_s = float(known.at_s[-1])
    begin_s = max(end_s - WINDOW_DAYS * DAY_S, float(known.at_s[int(WARM_SHARE * known.n)]))
    recent = known.between(begin_s, end_s)
    until_s = float(recent.at_s[int(FITTED_SHARE * recent.n)])
    windows = everybody.between(begin_s, np.nextafter(until_s, 0.0)), recent.between(until_s, end_s)
    fitting, judging = (one.chosen(_evenly(one.n, MAX_REQUESTS)) for one in windows)
    return fitting, judging


def _evenly(n: int, most: int) -> Integers:
    """Choose at most `most` of n indexes, in even steps."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64)) if n else np.empty(0, np.int64)


def _judged(trial: _Trial, serving: str, serving_age_days: float, seed: int) -> ModelVerdict:
    values, viewers = trial.values, trial.viewers
    best = max((way for way in values if way.startswith("signal ")), key=lambda way: float(values[way].mean()))
    over_serving = probability_better(values["new"], values["in service"], viewers, seed)
    over_single = probability_better(values["new"], values[best], viewers, seed)
    gained = float((values["new"] - values["in service"]).mean())
    better = over_serving >= LIKELY and over_single >= LIKELY
    renewed = serving_age_days > STALE_DAYS and gained >= -NOT_WORSE and over_single >= LIKELY
    told = (
        f"NDCG@10 {values['new'].mean():.4f} against {values['in service'].mean():.4f} of {serving} and "
        f"{values[best].mean():.4f} of {best}; better with a chance of {over_serving:.0%} and {over_single:.0%}; "
        f"learned from {trial.learned_from}"
    )
    report = {
        "learned from": trial.learned_from,
        "fitted": _window(trial.fitted_s),
        "judged": _window(trial.judged_s),
        "against": serving,
        "ndcg@10": {way: round(float(one.mean()), 5) for way, one in values.items()},
        "error": {way: round(clustered_standard_error(one, viewers), 5) for way, one in values.items()},
        "chance better than the one in service": over_serving,
        "chance better than the best single signal": over_single,
        "best single signal": best,
        "accepted": better or renewed,
        "viewers": int(np.unique(viewers).size),
        "seed": seed,
    }
    return ModelVerdict(trial.model, better or renewed, told, report)


def _window(at_s: Floats) -> dict[str, float | int]:
    return {"requests": int(at_s.size), "from_s": float(at_s[0]), "until_s": float(at_s[-1])}
