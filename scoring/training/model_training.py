"""Fitting of a ranking model, and its comparison with the active model on a later window than it was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.time_units import DAY_S
from scoring.errors import InsufficientData
from scoring.mathematics.additive_model import Model
from scoring.mathematics.model_fitting import fit_model, fit_model_with_positions, score_lists
from scoring.mathematics.position_bias import unbiased_ndcg
from scoring.mathematics.ranking_metrics import clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers
from scoring.models.model_presets import UNTRAINED_SIGNALS, with_untrained_signals
from scoring.replay.dataset import Dataset
from scoring.replay.feed_requests import FeedRequests, feed_requests
from scoring.replay.measurements import all_time_actors, measure
from scoring.replay.replayed_requests import Progress, Replay, replay_requests, training_lists
from scoring.replay.scorers import SERVED_SIGNALS, model_scorer, single_signal_scorers
from scoring.training.served_lists import ServedList, served_candidate_lists

LIKELY = 0.9
"""A new model must be better than the active one, and than the best single signal, with this probability."""
NOT_WORSE = 0.002
"""Loss of NDCG@10 that is accepted for a new model if the active one is over `STALE_DAYS` old."""
STALE_DAYS = 7.0
WINDOW_DAYS = 120.0
"""Days before the log's end to learn from: tastes and habits drift, and a season is enough."""
WARM_SHARE = 0.25
"""Share of a log younger than the window that is left out at its beginning, when little was known of any viewer."""
FITTED_SHARE = 2 / 3
"""Share of the rest, in the order of time, to fit on; the remainder is for the comparison."""
MIN_REQUESTS = 50
"""Requests needed to fit on, and to compare on."""
MAX_REQUESTS = 6_000
"""Requests replayed of each window, evenly chosen: 5,000 fit 17 curves to within the noise."""
MIN_SERVED_LISTS = 500
"""Served rankings, with reported impressions and an interaction, from which on these are learned from."""


@dataclass(frozen=True, slots=True)
class ModelVerdict:
    """A new model, whether it is accepted, the reason in one sentence, and the figures."""

    model: Model
    accepted: bool
    because: str
    report: Mapping[str, Any]


class _Trial(NamedTuple):
    """A new model, and the NDCG@10 of every ranking on each list of the later window."""

    model: Model
    values: Mapping[str, Floats]
    viewers: Integers
    learned_from: str
    fit_times_s: Floats
    comparison_times_s: Floats


def fit_and_judge_model(
    dataset: Dataset,
    name: str,
    active: Model,
    active_age_days: float,
    floor: int,
    seed: int,
    progress: Progress,
    served: Sequence[ServedList] = (),
) -> ModelVerdict:
    """Fit a model on a rolling window of a log, and compare it with the active one on the window after.

    With `MIN_SERVED_LISTS` served rankings it learns from these, corrected for position bias; else from a replay of
    interactions, which does not know what was shown. The report says which, under ``"learned from"``.

    Raises `InsufficientData` if the log holds too little to fit or to compare on.
    """
    if len(served) >= MIN_SERVED_LISTS:
        trial = _from_served(dataset, sorted(served, key=lambda one: one.at_s), name, active, floor, seed, progress)
    else:
        trial = _from_replay(dataset, len(served), name, active, floor, seed, progress)
    return _judge(trial, active.name, active_age_days, seed)


def _from_served(
    dataset: Dataset,
    served: Sequence[ServedList],
    name: str,
    active: Model,
    floor: int,
    seed: int,
    progress: Progress,
) -> _Trial:
    signals = (*SERVED_SIGNALS, *UNTRAINED_SIGNALS)
    until = int(FITTED_SHARE * len(served))
    fitting, judging = (
        served_candidate_lists(dataset, part, signals, floor, progress) for part in (served[:until], served[until:])
    )
    fitted, bias = fit_model_with_positions(name, fitting, signals)
    model = with_untrained_signals(fitted)
    propensities = bias.propensities(judging.ranks)
    scores: dict[str, NDArray[Any]] = {
        "new": score_lists(model, judging, signals),
        "active": score_lists(active, judging, signals),
        **{f"signal {one}": judging.values[:, k] for k, one in enumerate(signals) if one in fitted.curves},
    }
    return _Trial(
        model,
        {key: unbiased_ndcg(judging, score.astype(np.float64), propensities, seed) for key, score in scores.items()},
        judging.viewers,
        f"{len(served)} served rankings with impressions, corrected for position bias",
        np.array([one.at_s for one in served[:until]]),
        np.array([one.at_s for one in served[until:]]),
    )


def _from_replay(
    dataset: Dataset, served: int, name: str, active: Model, floor: int, seed: int, progress: Progress
) -> _Trial:
    fitting, judging = _windows(feed_requests(dataset, earlier=0), feed_requests(dataset))
    if min(fitting.n, judging.n) < MIN_REQUESTS:
        raise InsufficientData(
            f"there are {fitting.n} feed requests to fit on and {judging.n} to compare on; at least {MIN_REQUESTS} "
            "each are needed, so the active model stays"
        )
    lists = replay_requests(Replay(dataset, floor, seed), fitting, progress, "fitting")
    model = with_untrained_signals(fit_model(name, training_lists(lists, seed, SERVED_SIGNALS), SERVED_SIGNALS))
    scorers = {"new": model_scorer(model), "active": model_scorer(active), **single_signal_scorers(model)}
    lists = replay_requests(Replay(dataset, floor, seed), judging, progress, "judging")
    measured = measure(lists, scorers, lambda one: all_time_actors(dataset.log, one))
    return _Trial(
        model,
        {key: one.values[:, 0] for key, one in measured.items()},
        judging.actors,
        f"a replay of interactions: {served} served rankings have impressions, {MIN_SERVED_LISTS} are needed",
        fitting.at_s,
        judging.at_s,
    )


def _windows(of_all: FeedRequests, of_known: FeedRequests) -> tuple[FeedRequests, FeedRequests]:
    """Split a log by time: fit on the requests of all viewers, compare on those of viewers with a history."""
    if not of_known.n:
        return of_known, of_known
    end_s = float(of_known.at_s[-1])
    begin_s = max(end_s - WINDOW_DAYS * DAY_S, float(of_known.at_s[int(WARM_SHARE * of_known.n)]))
    recent = of_known.select_period(begin_s, end_s)
    until_s = float(recent.at_s[int(FITTED_SHARE * recent.n)])
    windows = of_all.select_period(begin_s, np.nextafter(until_s, 0.0)), recent.select_period(until_s, end_s)
    fitting, judging = (one.select(_evenly(one.n, MAX_REQUESTS)) for one in windows)
    return fitting, judging


def _evenly(n: int, most: int) -> Integers:
    """Choose at most `most` of n indexes, in even steps."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64)) if n else np.empty(0, np.int64)


def _judge(trial: _Trial, active: str, active_age_days: float, seed: int) -> ModelVerdict:
    """Accept a model that is better with probability `LIKELY`, or one that is not worse than a stale active model."""
    values, viewers = trial.values, trial.viewers
    best = max((key for key in values if key.startswith("signal ")), key=lambda key: float(values[key].mean()))
    over_active = probability_better(values["new"], values["active"], viewers, seed)
    over_single = probability_better(values["new"], values[best], viewers, seed)
    gain = float((values["new"] - values["active"]).mean())
    better = over_active >= LIKELY and over_single >= LIKELY
    accepted = better or (active_age_days > STALE_DAYS and gain >= -NOT_WORSE and over_single >= LIKELY)
    because = (
        f"NDCG@10 {values['new'].mean():.4f} against {values['active'].mean():.4f} of {active} and "
        f"{values[best].mean():.4f} of {best}; better with probability {over_active:.0%} and {over_single:.0%}; "
        f"learned from {trial.learned_from}"
    )
    report = {
        "learned from": trial.learned_from,
        "fitted": _window(trial.fit_times_s),
        "judged": _window(trial.comparison_times_s),
        "against": active,
        "ndcg@10": {key: round(float(one.mean()), 5) for key, one in values.items()},
        "error": {key: round(clustered_standard_error(one, viewers), 5) for key, one in values.items()},
        "probability better than the active model": over_active,
        "probability better than the best single signal": over_single,
        "best single signal": best,
        "accepted": accepted,
        "viewers": int(np.unique(viewers).size),
        "seed": seed,
    }
    return ModelVerdict(trial.model, accepted, because, report)


def _window(at_s: Floats) -> dict[str, float | int]:
    return {"requests": int(at_s.size), "from_s": float(at_s[0]), "until_s": float(at_s[-1])}
