"""Whether fitted constants may make the trends: judged on later moments than they were fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.activity.busy import Clock
from scoring.errors import NotEvaluable
from scoring.evaluation.dataset import Dataset
from scoring.evaluation.metrics import chance_better, clustered_error, graded_ndcg
from scoring.signals import Floats
from scoring.training.trends import EVERY_S, FEWEST_MOMENTS, HORIZON_S, Moment, fit, fit_clock, moments
from scoring.velocity import Constants, Window, ours

LIKELY = 0.9
"""New constants must be better than those in service with this chance."""
FITTED_SHARE = 0.6
"""Of the log's time; judged on the rest."""
WARMING_S = 8 * 86_400.0
"""The first days of a log are left out: its counters have not filled up."""

ByWindow = Mapping[Window, Constants]


@dataclass(frozen=True, slots=True)
class TrendVerdict:
    """What became of new constants: they, their clock, whether they may serve, why in a sentence, and the numbers."""

    constants: ByWindow
    clock: Clock
    accepted: bool
    because: str
    report: Mapping[str, Any]


def fit_and_judge_trends(dataset: Dataset, serving: ByWindow, serving_clock: Clock, seed: int) -> TrendVerdict:
    """Fit clock and constants on the first part of a log, and compare the day's with those in service on the rest.

    Raises
    ------
    NotEvaluable
        If the log holds too little to fit or to judge on.
    """
    times = dataset.log.at_s[dataset.log.at_s > 0]
    if not times.size:
        raise NotEvaluable("no event has a time, so the constants of trends stay")
    cut = float(times[0] + FITTED_SHARE * (times[-1] - times[0]))
    clock = fit_clock(times[times < cut])
    early = {window: _moments(dataset, clock, times[0] + WARMING_S, cut, window) for window in Window}
    late = _moments(dataset, clock, cut, times[-1], Window.DAY)
    if min(len(early[Window.DAY]), len(late)) < FEWEST_MOMENTS:
        raise NotEvaluable(
            f"there are {len(early[Window.DAY])} moments to fit trends on and {len(late)} to judge them on; "
            f"at least {FEWEST_MOMENTS} each are needed, so the constants in service stay"
        )
    fitted = {window: fit(listed, window) for window, listed in early.items()}
    by_serving_clock = _moments(dataset, serving_clock, cut, times[-1], Window.DAY)
    new, old = _ndcg(late, fitted[Window.DAY]), _ndcg(by_serving_clock, serving[Window.DAY])
    weeks = np.array([int(one.at_s - cut) // (7 * 86_400) for one in late])
    chance = chance_better(new, old, weeks, seed)
    told = f"NDCG@10 {new.mean():.4f} against {old.mean():.4f}; better with a chance of {chance:.0%}"
    report = {
        "fitted": {"moments": len(early[Window.DAY]), "from_s": float(times[0]), "until_s": cut},
        "judged": {"moments": len(late), "from_s": cut, "until_s": float(times[-1])},
        "ndcg@10": {"new": round(float(new.mean()), 5), "in service": round(float(old.mean()), 5)},
        "error": {"new": round(clustered_error(new, weeks), 5), "in service": round(clustered_error(old, weeks), 5)},
        "chance better than those in service": chance,
        "seed": seed,
    }
    return TrendVerdict(fitted, clock, chance >= LIKELY, told, report)


def _moments(dataset: Dataset, clock: Clock, since_s: float, until_s: float, window: Window) -> list[Moment]:
    times_s = np.arange(since_s, until_s - HORIZON_S[window], EVERY_S)
    return moments(dataset.log, dataset.created_s, clock, times_s, HORIZON_S[window])


def _ndcg(listed: list[Moment], constants: Constants) -> Floats:
    return np.array([float(graded_ndcg(ours(one.people, one.age_h, constants), one.came)) for one in listed])
