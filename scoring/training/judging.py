"""Whether a new model may serve: judged on a later window than it was fitted on, by a bootstrap over viewers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.blend import Model
from scoring.errors import NotEvaluable
from scoring.evaluation.dataset import Dataset
from scoring.evaluation.lists import Progress, replay, training_lists
from scoring.evaluation.metrics import chance_better, clustered_error
from scoring.evaluation.protocols import TIMED, measure, modelled, singles
from scoring.evaluation.requests import Requests, feed_requests
from scoring.models import completed
from scoring.training.models import train

LIKELY = 0.9
"""A new model must be better than the one in service and than the best single signal with this chance."""
NOT_WORSE = 0.002
"""When the one in service is over `STALE_DAYS` old, a new one may serve if its NDCG@10 is not lower by more."""
STALE_DAYS = 7.0
FITTED_SHARES = (0.25, 0.75)
"""Of the requests in the order of time: fitted on those between, judged on those after."""
FEWEST_REQUESTS = 50
"""Fewer requests to fit on, or to judge on, say nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a new model: it, whether it may serve, one sentence that says why, and the numbers."""

    model: Model
    accepted: bool
    because: str
    report: Mapping[str, Any]


def train_and_judge(
    dataset: Dataset, name: str, serving: Model, serving_age_days: float, floor: int, seed: int, progress: Progress
) -> Verdict:
    """Fit a model on a rolling window of a log, and compare it with what serves on the window after.

    Raises
    ------
    NotEvaluable
        If the log holds too little to fit or to judge on.
    """
    requests = feed_requests(dataset)
    first, last = (int(share * requests.n) for share in FITTED_SHARES)
    fitting, judging = requests.part(first, last), requests.part(last, requests.n)
    if min(fitting.n, judging.n) < FEWEST_REQUESTS:
        raise NotEvaluable(
            f"there are {fitting.n} feed requests to fit on and {judging.n} to judge on, of viewers with 5 earlier "
            f"projects; at least {FEWEST_REQUESTS} each are needed, so the model in service stays"
        )
    lists = training_lists(replay(dataset, fitting, floor, progress, "fitting", seed), seed, TIMED)
    fitted = completed(train(name, lists, TIMED))
    ways = {"new": modelled(fitted), "in service": modelled(serving), **singles(fitted)}
    measured = measure(dataset, replay(dataset, judging, floor, progress, "judging", seed), ways)
    values = {way: one.values[:, 0] for way, one in measured.items()}
    best = max((way for way in values if way.startswith("signal ")), key=lambda way: float(values[way].mean()))
    return _judged(fitted, serving.name, values, best, judging, fitting, serving_age_days, seed)


def _judged(
    fitted: Model,
    serving: str,
    values: Mapping[str, Any],
    best: str,
    judging: Requests,
    fitting: Requests,
    serving_age_days: float,
    seed: int,
) -> Verdict:
    viewers = judging.actors
    over_serving = chance_better(values["new"], values["in service"], viewers, seed)
    over_single = chance_better(values["new"], values[best], viewers, seed)
    gained = float((values["new"] - values["in service"]).mean())
    better = over_serving >= LIKELY and over_single >= LIKELY
    renewed = serving_age_days > STALE_DAYS and gained >= -NOT_WORSE and over_single >= LIKELY
    told = (
        f"NDCG@10 {values['new'].mean():.4f} against {values['in service'].mean():.4f} of {serving} and "
        f"{values[best].mean():.4f} of {best}; better with a chance of {over_serving:.0%} and {over_single:.0%}"
    )
    report = {
        "fitted": {"requests": fitting.n, "from_s": float(fitting.at_s[0]), "until_s": float(fitting.at_s[-1])},
        "judged": {"requests": judging.n, "from_s": float(judging.at_s[0]), "until_s": float(judging.at_s[-1])},
        "ndcg@10": {way: round(float(one.mean()), 5) for way, one in values.items()},
        "error": {way: round(clustered_error(one, viewers), 5) for way, one in values.items()},
        "chance better than the one in service": over_serving,
        "chance better than the best single signal": over_single,
        "viewers": int(np.unique(viewers).size),
        "seed": seed,
    }
    return Verdict(fitted, better or renewed, told, report)
