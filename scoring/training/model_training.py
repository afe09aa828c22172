"""Training of a ranking model on this installation's log, and activation of models.

A model is fitted to a window of the log and compared with the active model on a later window.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.served_pages import RETENTION
from db.models import now
from db.time_units import DAY_S
from db.trained_models.registry import activate_model, active_model, all_models, previous_model, store_model
from db.vectors.base import VectorStore
from scoring import tunables
from scoring.errors import InsufficientData, InvalidModel
from scoring.mathematics.additive_model import Model
from scoring.mathematics.curve_errors import curve_errors
from scoring.mathematics.model_fitting import fit_model, fit_model_with_positions, score_lists, unbiased_ndcg
from scoring.mathematics.ranking_metrics import MIN_PROBABILITY_BETTER, clustered_standard_error, probability_better
from scoring.mathematics.signals import Floats, Integers, Signal
from scoring.models.model_presets import DEFAULT, PRESETS, UNTRAINED_SIGNALS, as_data, from_data, with_untrained_signals
from scoring.replay.dataset import Dataset
from scoring.replay.measurements import SERVED_SIGNALS, all_time_actors, measure, model_scorer, single_signal_scorers
from scoring.replay.replayed_requests import (
    FeedRequests,
    Progress,
    Replay,
    feed_requests,
    replay_requests,
    training_lists,
)
from scoring.training.served_lists import ServedList, read_served_lists, served_candidate_lists
from scoring.training.training_data import read_training_data

MAX_LOSS = 0.002
"""Loss of NDCG@10 that is accepted for a new model if the active model is over `STALE_DAYS` days old."""
STALE_DAYS = 7.0
WINDOW_DAYS = 120.0
"""Length of the window to learn from, in days before the end of the log. Older events say less about today's tastes."""
WARM_SHARE = 0.25
"""Share of requests left out at the beginning of a log that is shorter than the window, because every history is short
there."""
FITTED_SHARE = 2 / 3
"""Share of the window's requests, in the order of time, to fit on. The later requests are for the comparison."""
MIN_REQUESTS = 50
"""Minimum number of requests to fit on, and minimum number to compare on."""
MAX_REQUESTS = 6_000
"""Maximum number of requests replayed per window, evenly spaced. For 17 curves, 5,000 requests are enough."""
MIN_SERVED_LISTS = 500
"""Minimum number of served lists, with reported impressions and an interaction, to fit a model to them."""


@dataclass(frozen=True, slots=True)
class ModelVerdict:
    """A new model, and the decision whether to activate it."""

    model: Model
    accepted: bool
    because: str  # the reason, in one sentence
    report: Mapping[str, Any]  # the figures, stored with the model


class Trial(NamedTuple):
    """A new model, and its comparison with other rankings on the l lists of the later window."""

    model: Model
    values: Mapping[str, Floats]  # (l,) NDCG@10 by the name of the ranking
    viewers: Integers  # (l,)
    learned_from: str
    errors: Mapping[Signal, Floats]  # standard errors of the curves at their knots
    fit_times_s: Floats  # Unix seconds of the requests that the model was fitted to
    comparison_times_s: Floats  # (l,) Unix seconds


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
    """Fit a model to a window of a log, and compare it with the active model on the window after it.

    With at least `MIN_SERVED_LISTS` served lists, the model is fitted to these, with a correction of position bias.
    Otherwise it is fitted to a replay of interactions, which does not know what was shown. The entry ``"learned from"``
    of the report names the data.

    Raises `InsufficientData` if the log holds too little to fit or to compare on.
    """
    if len(served) >= MIN_SERVED_LISTS:
        trial = _fit_served_lists(dataset, served, name, active, floor, seed, progress)
    else:
        trial = _fit_replay(dataset, len(served), name, active, floor, seed, progress)
    return decide(trial, active.name, active_age_days, seed)


def _fit_served_lists(
    dataset: Dataset,
    served: Sequence[ServedList],
    name: str,
    active: Model,
    floor: int,
    seed: int,
    progress: Progress,
) -> Trial:
    signals = tuple(dict.fromkeys((*SERVED_SIGNALS, *UNTRAINED_SIGNALS)))
    in_order = sorted(served, key=lambda ranking: ranking.at_s)
    n_fitting = int(FITTED_SHARE * len(served))
    windows = in_order[:n_fitting], in_order[n_fitting:]
    fitting, comparing = (served_candidate_lists(dataset, window, signals, floor, progress) for window in windows)
    fitted, bias = fit_model_with_positions(name, fitting, signals, DEFAULT)
    model = with_untrained_signals(fitted)
    propensities = bias.propensities(comparing.ranks)
    fit_times_s, comparison_times_s = (np.array([ranking.at_s for ranking in window]) for window in windows)
    scores: dict[str, NDArray[Any]] = {
        "new": score_lists(model, comparing, signals),
        "active": score_lists(active, comparing, signals),
        "default": score_lists(DEFAULT, comparing, signals),
        **{f"signal {signal}": comparing.values[:, k] for k, signal in enumerate(signals) if signal in fitted.curves},
    }
    return Trial(
        model,
        {key: unbiased_ndcg(comparing, score.astype(np.float64), propensities, seed) for key, score in scores.items()},
        comparing.viewers,
        f"{len(served)} served rankings with impressions, corrected for position bias",
        curve_errors(fitted, fitting, signals),
        fit_times_s,
        comparison_times_s,
    )


def _fit_replay(
    dataset: Dataset, n_served: int, name: str, active: Model, floor: int, seed: int, progress: Progress
) -> Trial:
    fitting, comparing = _windows(dataset)
    if min(fitting.n, comparing.n) < MIN_REQUESTS:
        raise InsufficientData(
            f"there are {fitting.n} feed requests to fit on and {comparing.n} to compare on; at least {MIN_REQUESTS} "
            "each are needed, so the active model stays"
        )
    requests = replay_requests(Replay(dataset, floor), fitting, progress, "fitting")
    lists = training_lists(requests, seed, SERVED_SIGNALS)
    progress("curves", 0.0)
    fitted = fit_model(name, lists, SERVED_SIGNALS, shipped=DEFAULT)
    progress("curves", 1.0)
    model = with_untrained_signals(fitted)
    rankings = {"new": model, "active": active, "default": DEFAULT}
    scorers = {key: model_scorer(ranking) for key, ranking in rankings.items()} | single_signal_scorers(model)
    requests = replay_requests(Replay(dataset, floor), comparing, progress, "comparing")
    metrics = measure(requests, scorers, lambda request: all_time_actors(dataset.log, request))
    return Trial(
        model,
        {key: ranking.values[:, 0] for key, ranking in metrics.items()},
        comparing.actors,
        f"a replay of interactions: {n_served} served rankings have impressions, {MIN_SERVED_LISTS} are needed",
        curve_errors(fitted, lists, SERVED_SIGNALS),
        fitting.at_s,
        comparing.at_s,
    )


def _windows(dataset: Dataset) -> tuple[FeedRequests, FeedRequests]:
    """Return the requests of all viewers to fit on, and the later requests of viewers with a history to compare on."""
    all_requests, with_history = feed_requests(dataset, min_earlier=0), feed_requests(dataset)
    if not with_history.n:
        return with_history, with_history
    end_s = float(with_history.at_s[-1])
    begin_s = max(end_s - WINDOW_DAYS * DAY_S, float(with_history.at_s[int(WARM_SHARE * with_history.n)]))
    recent = with_history.select_period(begin_s, end_s)
    boundary_s = float(recent.at_s[int(FITTED_SHARE * recent.n)])
    fitting = all_requests.select_period(begin_s, np.nextafter(boundary_s, 0.0))
    return _evenly_spaced(fitting), _evenly_spaced(recent.select_period(boundary_s, end_s))


def _evenly_spaced(requests: FeedRequests) -> FeedRequests:
    """Return at most `MAX_REQUESTS` of the requests, evenly spaced."""
    return requests.select(np.linspace(0, requests.n - 1, min(requests.n, MAX_REQUESTS)).astype(np.int64))


def decide(trial: Trial, active: str, active_age_days: float, seed: int) -> ModelVerdict:
    """Accept a model that probably beats the best single signal and the shipped weights, and beats the active model.

    If the active model is stale, it is enough nearly to equal it.
    """
    values, viewers = trial.values, trial.viewers
    best = max((key for key in values if key.startswith("signal ")), key=lambda key: float(values[key].mean()))
    better_than_active = probability_better(values["new"], values["active"], viewers, seed)
    better_than_single = probability_better(values["new"], values[best], viewers, seed)
    better_than_default = probability_better(values["new"], values["default"], viewers, seed)
    gain = float((values["new"] - values["active"]).mean())
    beats_active = better_than_active >= MIN_PROBABILITY_BETTER or (active_age_days > STALE_DAYS and gain >= -MAX_LOSS)
    accepted = beats_active and min(better_than_single, better_than_default) >= MIN_PROBABILITY_BETTER
    because = (
        f"NDCG@10 {values['new'].mean():.4f} against {values['active'].mean():.4f} of {active} and "
        f"{values[best].mean():.4f} of {best}; "
        f"better with probability {better_than_active:.0%} and {better_than_single:.0%}; "
        f"learned from {trial.learned_from}"
    )
    report = {
        "learned from": trial.learned_from,
        "fitted": _window(trial.fit_times_s),
        "judged": _window(trial.comparison_times_s),
        "against": active,
        "ndcg@10": {key: round(float(ndcg.mean()), 5) for key, ndcg in values.items()},
        "error": {key: round(clustered_standard_error(ndcg, viewers), 5) for key, ndcg in values.items()},
        "probability better than the active model": better_than_active,
        "probability better than the best single signal": better_than_single,
        "probability better than the default preset": better_than_default,
        "best single signal": best,
        "accepted": accepted,
        "curve errors": {signal.value: np.round(errors, 5).tolist() for signal, errors in trial.errors.items()},
        "viewers": int(np.unique(viewers).size),
        "seed": seed,
    }
    return ModelVerdict(trial.model, accepted, because, report)


def _window(at_s: Floats) -> dict[str, float | int]:
    return {"requests": int(at_s.size), "from_s": float(at_s[0]), "until_s": float(at_s[-1])}


class CurrentModel(NamedTuple):
    """The model that ranks now."""

    model: Model
    age_days: float
    fault: str | None = None  # why the active model cannot be read; the default preset then ranks


async def train_model(
    database: Database,
    name: str | None = None,
    floor: int = tunables.ANONYMITY_FLOOR,
    seed: int = 0,
    progress: Progress = lambda *_: None,
    vectors: VectorStore | None = None,
) -> ModelVerdict:
    """Fit a model to this installation's log, store it, and activate it if it is better than the active model.

    The computation runs in a thread, so that a worker continues with its other jobs. Without `vectors`, similarities of
    texts are not fitted.

    Raises `InvalidRecord` if a model or preset of that name exists, and `InsufficientData` if the log is too small to
    train on. Nothing has changed then.
    """
    new_name = name or f"trained-{now():%Y-%m-%d-%H%M%S}"
    if new_name in {*PRESETS, *(model.name for model in await all_models(database))}:
        raise InvalidRecord(f"a model named {new_name!r} exists already; give another --name")
    data = await read_training_data(database, vectors)
    served = await read_served_lists(database, data, now() - RETENTION)
    active = await read_current_model(database)
    verdict = await asyncio.to_thread(
        fit_and_judge_model, data.dataset, new_name, active.model, active.age_days, floor, seed, progress, served
    )
    report = {**verdict.report, "because": verdict.because} | ({"fault": active.fault} if active.fault else {})
    async with database.write() as connection:
        await store_model(connection, new_name, as_data(verdict.model), report)
        if verdict.accepted:
            await activate_model(connection, new_name)
    return verdict


async def read_current_model(database: Database) -> CurrentModel:
    """Read the active model. If its data cannot be read, or no model is active, return the default preset."""
    stored = await active_model(database)
    if stored is None:
        return CurrentModel(DEFAULT, 0.0)
    age_days = (now() - stored.created_at) / timedelta(days=1)
    try:
        return CurrentModel(from_data(stored.name, stored.curves), age_days)
    except InvalidModel as error:
        return CurrentModel(DEFAULT, 0.0, str(error))


async def activate_ranking_model(database: Database, name: str) -> None:
    """Activate a stored model or a preset.

    Raises `InvalidRecord` if no model has this name, and `InvalidModel` if the model cannot be read; the active model
    then remains in use.
    """
    stored = next((model for model in await all_models(database) if model.name == name), None)
    if stored is not None:
        from_data(name, stored.curves)  # raises before anything is changed
    async with database.write() as connection:
        if name in PRESETS and stored is None:
            await store_model(connection, name, as_data(PRESETS[name]), {"preset": True})
        await activate_model(connection, name)


async def activate_previous_model(database: Database) -> str:
    """Activate the model that ranked before the active one, and return its name.

    Raises as `activate_ranking_model`, and `InvalidRecord` if no model was ever activated.
    """
    if await active_model(database) is None:
        raise InvalidRecord("there is no earlier model: the default preset ranks")
    name = await previous_model(database) or DEFAULT.name
    await activate_ranking_model(database, name)
    return name
