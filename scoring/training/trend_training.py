"""Whether fitted constants may make the trends: judged on later moments than they were fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.interactions.activity_time import ActivityClock
from scoring.errors import InsufficientData
from scoring.mathematics.ranking_metrics import clustered_standard_error, graded_ndcg, probability_better
from scoring.mathematics.signals import Floats
from scoring.mathematics.velocity import TrendConstants, Window, velocity_score
from scoring.replay.dataset import Dataset
from scoring.training.trend_fitting import (
    FITTED_SHARE,
    MIN_MOMENTS,
    WARMING_S,
    TrendMoment,
    fit_clock,
    fit_trend_constants,
    moments_between,
)

LIKELY = 0.9
"""New constants must be better than those in service with this chance."""

ConstantsByWindow = Mapping[Window, TrendConstants]


@dataclass(frozen=True, slots=True)
class TrendVerdict:
    """What became of new constants: they, their clock, whether they may serve, why in a sentence, and the numbers."""

    constants: ConstantsByWindow
    clock: ActivityClock
    accepted: bool
    because: str
    report: Mapping[str, Any]


def fit_and_judge_trends(
    dataset: Dataset, serving: ConstantsByWindow, serving_clock: ActivityClock, seed: int
) -> TrendVerdict:
    """Fit clock and constants on the first part of a log, and compare the day's with those in service on the rest.

    Raises
    ------
    InsufficientData
        If the log holds too little to fit or to judge on.
    """
    times = dataset.log.at_s[dataset.log.at_s > 0]
    if not times.size:
        raise InsufficientData("no event has a time, so the constants of trends stay")
    cut = float(times[0] + FITTED_SHARE * (times[-1] - times[0]))
    clock = fit_clock(times[times < cut])
    early = {window: moments_between(dataset, clock, times[0] + WARMING_S, cut, window) for window in Window}
    late = moments_between(dataset, clock, cut, times[-1])
    if min(len(early[Window.DAY]), len(late)) < MIN_MOMENTS:
        raise InsufficientData(
            f"there are {len(early[Window.DAY])} moments to fit trends on and {len(late)} to judge them on; "
            f"at least {MIN_MOMENTS} each are needed, so the constants in service stay"
        )
    fitted = {window: fit_trend_constants(listed, window) for window, listed in early.items()}
    by_serving_clock = moments_between(dataset, serving_clock, cut, times[-1])
    new, old = _ndcg(late, fitted[Window.DAY]), _ndcg(by_serving_clock, serving[Window.DAY])
    weeks = np.array([int(one.at_s - cut) // (7 * 86_400) for one in late])
    chance = probability_better(new, old, weeks, seed)
    told = f"NDCG@10 {new.mean():.4f} against {old.mean():.4f}; better with a chance of {chance:.0%}"
    report = {
        "fitted": {"moments": len(early[Window.DAY]), "from_s": float(times[0]), "until_s": cut},
        "judged": {"moments": len(late), "from_s": cut, "until_s": float(times[-1])},
        "ndcg@10": {"new": round(float(new.mean()), 5), "in service": round(float(old.mean()), 5)},
        "error": {
            "new": round(clustered_standard_error(new, weeks), 5),
            "in service": round(clustered_standard_error(old, weeks), 5),
        },
        "chance better than those in service": chance,
        "seed": seed,
    }
    return TrendVerdict(fitted, clock, chance >= LIKELY, told, report)


def _ndcg(listed: list[TrendMoment], constants: TrendConstants) -> Floats:
    return np.array(
        [float(graded_ndcg(velocity_score(one.people, one.age_h, constants), one.next_people)) for one in listed]
    )
