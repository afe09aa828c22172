"""Training of the trend constants on this installation's log, and activation of constants.

New constants are compared with the active constants on later moments.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from db.database.engine import Database
from db.interactions.activity_time import ActivityClock
from db.models import now
from db.time_units import WEEK_S
from db.trained_models.registry import activate_constants, all_constants, store_constants
from db.trend_constants import TrendConstants
from scoring.errors import InsufficientData
from scoring.mathematics.ranking_metrics import (
    MIN_PROBABILITY_BETTER,
    clustered_standard_error,
    graded_ndcg,
    probability_better,
)
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.velocity import Window, velocity_score
from scoring.models.active_model import (
    SHIPPED_TRENDS,
    ActiveTrends,
    ConstantsByWindow,
    constants_as_data,
    constants_from_data,
    read_active_trends,
    refresh_trends,
)
from scoring.replay.dataset import Dataset
from scoring.replay.replayed_requests import Progress
from scoring.training.training_data import read_training_data
from scoring.training.trend_fitting import (
    FITTED_SHARE,
    MIN_MOMENTS,
    TrendMoment,
    fit_clock,
    fit_trend_constants,
    moments_between,
    times_between,
)


@dataclass(frozen=True, slots=True)
class TrendVerdict:
    """New constants and their clock, and the decision whether to activate them."""

    constants: ConstantsByWindow
    clock: ActivityClock
    accepted: bool
    because: str  # the reason, in one sentence
    report: Mapping[str, Any]  # the figures, stored with the constants


class TrendTrial(NamedTuple):
    """Constants of the window DAY with their clock, and the NDCG@10 of later moments, with the active ones beside."""

    clock: ActivityClock
    constants: TrendConstants
    n_fitted: int  # moments
    cut_s: float  # end of the time to fit on
    new: Floats  # (m,) NDCG@10
    active: Floats  # (m,)
    weeks: Integers  # (m,) clusters
    probability_better: float

    @property
    def because(self) -> str:
        """The comparison in one sentence."""
        return (
            f"NDCG@10 {self.new.mean():.4f} against {self.active.mean():.4f}; "
            f"better with probability {self.probability_better:.0%}"
        )

    @property
    def accepted(self) -> bool:
        """Whether the new constants probably win, and do not lose on the later half of the weeks."""
        late = self.weeks >= np.median(self.weeks)
        return self.probability_better >= MIN_PROBABILITY_BETTER and bool(
            self.new[late].mean() >= self.active[late].mean()
        )


def try_trends(
    dataset: Dataset, since_s: float, until_s: float, active: ActiveTrends, seed: int, progress: Progress
) -> TrendTrial:
    """Fit clock and constants to the first part of a period; on the rest, compare them with the active ones.

    Raises `InsufficientData` if the period holds too little to fit or to compare on.
    """
    cut_s = since_s + FITTED_SHARE * (until_s - since_s)
    clock = fit_clock(times_between(dataset, since_s, cut_s))
    early = moments_between(dataset, clock, since_s, cut_s)
    late = moments_between(dataset, clock, cut_s, until_s)
    if min(len(early), len(late)) < MIN_MOMENTS:
        raise InsufficientData(
            f"there are {len(early)} moments to fit trends on and {len(late)} to compare on; "
            f"at least {MIN_MOMENTS} each are needed, so the active constants stay"
        )
    constants = fit_trend_constants(early, Window.DAY, progress)
    new = trend_ndcg(late, constants)
    old = trend_ndcg(moments_between(dataset, active.clock, cut_s, until_s), active.constants[Window.DAY])
    weeks = np.array([int((moment.at_s - cut_s) // WEEK_S) for moment in late])
    return TrendTrial(clock, constants, len(early), cut_s, new, old, weeks, probability_better(new, old, weeks, seed))


def fit_and_judge_trends(
    dataset: Dataset, active: ActiveTrends, seed: int, progress: Progress = lambda *_: None
) -> TrendVerdict:
    """Fit clock and constants to the first part of a log; on the rest, compare them with the active ones.

    The comparison covers the window DAY only.

    Raises `InsufficientData` if the log holds too little to fit or to compare on.
    """
    times = dataset.log.at_s[dataset.log.at_s > 0]
    if not times.size:
        raise InsufficientData("no event has a time, so the trend constants stay")
    since_s, until_s = float(times[0]), float(times[-1])
    trial = try_trends(dataset, since_s, until_s, active, seed, progress)
    fitted = {Window.DAY: trial.constants}
    for window in (Window.HOUR, Window.WEEK):
        moments = moments_between(dataset, trial.clock, since_s, trial.cut_s, window)
        fitted[window] = fit_trend_constants(moments, window, progress)
    values = {"new": trial.new, "active": trial.active}
    means = {key: round(float(ndcg.mean()), 5) for key, ndcg in values.items()}
    report = {
        "fitted": {"moments": trial.n_fitted, "from_s": since_s, "until_s": trial.cut_s},
        "judged": {"moments": trial.new.size, "from_s": trial.cut_s, "until_s": until_s},
        "ndcg@10": means,
        "error": {key: round(clustered_standard_error(ndcg, trial.weeks), 5) for key, ndcg in values.items()},
        "probability better than the active constants": trial.probability_better,
        "seed": seed,
    }
    return TrendVerdict(fitted, trial.clock, trial.accepted, trial.because, report)


def trend_ndcg(moments: list[TrendMoment], constants: TrendConstants) -> Floats:
    """Return the (m,) NDCG@10 of the rankings of the moments."""
    return np.array(
        [float(graded_ndcg(velocity_score(m.actors, m.age_h, constants), m.future_actors)) for m in moments]
    )


async def train_trends(database: Database, seed: int = 0, progress: Progress = lambda *_: None) -> TrendVerdict:
    """Fit activity clock and constants to this installation's log, store them, and activate them if they are better.

    Raises `InsufficientData` if the log is too small; nothing has changed.
    """
    data = await read_training_data(database)
    active = await read_active_trends(database)
    verdict = await asyncio.to_thread(fit_and_judge_trends, data.dataset, active, seed, progress)
    async with database.write() as connection:
        number = await store_constants(connection, constants_as_data(verdict.constants, verdict.clock), verdict.report)
        if verdict.accepted:
            await activate_constants(connection, number, verdict.clock)
    if verdict.accepted:
        await refresh_trends(database, now())
    return verdict


async def activate_trends(database: Database, number: int) -> None:
    """Activate a stored set of constants, or with the number 0 the built-in constants.

    Raises `InvalidRecord` if no set has this number, and `InvalidModel` if the set cannot be read; the active constants
    then remain in use.
    """
    stored = {constant_set.id: constant_set for constant_set in await all_constants(database)}
    trends = constants_from_data(stored[number].constants) if number in stored else SHIPPED_TRENDS
    async with database.write() as connection:
        await activate_constants(connection, number or None, trends.clock)
    await refresh_trends(database, now())
