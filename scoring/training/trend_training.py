"""Training of the trend constants on this installation's log, and activation of constants.

New constants are compared with the active constants on later moments.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.database.engine import Database
from db.interactions.activity_time import UNIFORM_CLOCK, ActivityClock
from db.interactions.velocity_queries import refresh_velocities
from db.models import now
from db.time_units import WEEK_S
from db.trained_models.registry import activate_constants, active_constants, all_constants, store_constants
from db.trend_constants import TrendConstants
from scoring.errors import InsufficientData, InvalidModel
from scoring.mathematics.ranking_metrics import (
    MIN_PROBABILITY_BETTER,
    clustered_standard_error,
    graded_ndcg,
    probability_better,
)
from scoring.mathematics.signals import Floats
from scoring.mathematics.velocity import DEFAULT_TREND_CONSTANTS, Window, velocity_score
from scoring.models.active_model import ConstantsByWindow, constants_as_data, constants_from_data
from scoring.replay.dataset import Dataset
from scoring.training.training_data import read_training_data
from scoring.training.trend_fitting import (
    FITTED_SHARE,
    MIN_MOMENTS,
    WARM_UP_S,
    TrendMoment,
    fit_clock,
    fit_trend_constants,
    moments_between,
)


@dataclass(frozen=True, slots=True)
class TrendVerdict:
    """New constants and their clock, and the decision whether to activate them."""

    constants: ConstantsByWindow
    clock: ActivityClock
    accepted: bool
    because: str  # the reason, in one sentence
    report: Mapping[str, Any]  # the figures, stored with the constants


def fit_and_judge_trends(
    dataset: Dataset, active: ConstantsByWindow, active_clock: ActivityClock, seed: int
) -> TrendVerdict:
    """Fit clock and constants to the first part of a log; on the rest, compare them with the active ones.

    The comparison covers the window DAY only.

    Raises `InsufficientData` if the log holds too little to fit or to compare on.
    """
    times = dataset.log.at_s[dataset.log.at_s > 0]
    if not times.size:
        raise InsufficientData("no event has a time, so the trend constants stay")
    cut = float(times[0] + FITTED_SHARE * (times[-1] - times[0]))
    clock = fit_clock(times[times < cut])
    early = {window: moments_between(dataset, clock, times[0] + WARM_UP_S, cut, window) for window in Window}
    late = moments_between(dataset, clock, cut, times[-1])
    if min(len(early[Window.DAY]), len(late)) < MIN_MOMENTS:
        raise InsufficientData(
            f"there are {len(early[Window.DAY])} moments to fit trends on and {len(late)} to compare on; "
            f"at least {MIN_MOMENTS} each are needed, so the active constants stay"
        )
    fitted = {window: fit_trend_constants(moments, window) for window, moments in early.items()}
    values = {
        "new": _ndcg(late, fitted[Window.DAY]),
        "active": _ndcg(moments_between(dataset, active_clock, cut, times[-1]), active[Window.DAY]),
    }
    weeks = np.array([int((moment.at_s - cut) // WEEK_S) for moment in late])
    probability = probability_better(values["new"], values["active"], weeks, seed)
    means = {key: round(float(ndcg.mean()), 5) for key, ndcg in values.items()}
    report = {
        "fitted": {"moments": len(early[Window.DAY]), "from_s": float(times[0]), "until_s": cut},
        "judged": {"moments": len(late), "from_s": cut, "until_s": float(times[-1])},
        "ndcg@10": means,
        "error": {key: round(clustered_standard_error(ndcg, weeks), 5) for key, ndcg in values.items()},
        "probability better than the active constants": probability,
        "seed": seed,
    }
    because = f"NDCG@10 {means['new']:.4f} against {means['active']:.4f}; better with probability {probability:.0%}"
    return TrendVerdict(fitted, clock, probability >= MIN_PROBABILITY_BETTER, because, report)


def _ndcg(moments: list[TrendMoment], constants: TrendConstants) -> Floats:
    return np.array(
        [float(graded_ndcg(velocity_score(m.actors, m.age_h, constants), m.future_actors)) for m in moments]
    )


async def train_trends(database: Database, seed: int = 0) -> TrendVerdict:
    """Fit activity clock and constants to this installation's log, store them, and activate them if they are better.

    Raises `InsufficientData` if the log is too small; nothing has changed.
    """
    data = await read_training_data(database)
    constants, clock = await _active(database)
    verdict = await asyncio.to_thread(fit_and_judge_trends, data.dataset, constants, clock, seed)
    async with database.write() as connection:
        number = await store_constants(connection, constants_as_data(verdict.constants, verdict.clock), verdict.report)
        if verdict.accepted:
            await activate_constants(connection, number, verdict.clock)
    if verdict.accepted:
        await _refresh(database, verdict.constants)
    return verdict


async def activate_trends(database: Database, number: int) -> None:
    """Activate a stored set of constants, or with the number 0 the built-in constants.

    Raises `InvalidRecord` if no set has this number, and `InvalidModel` if the set cannot be read; the active constants
    then remain in use.
    """
    stored = {constant_set.id: constant_set for constant_set in await all_constants(database)}
    constants: ConstantsByWindow = DEFAULT_TREND_CONSTANTS
    clock = UNIFORM_CLOCK
    if number in stored:
        constants, clock = constants_from_data(stored[number].constants)
    async with database.write() as connection:
        await activate_constants(connection, number or None, clock)
    await _refresh(database, constants)


async def _active(database: Database) -> tuple[ConstantsByWindow, ActivityClock]:
    """Read the active constants. Without an active set that can be read, return the built-in constants."""
    stored = await active_constants(database)
    try:
        return constants_from_data(stored.constants) if stored else (DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK)
    except InvalidModel:
        return DEFAULT_TREND_CONSTANTS, UNIFORM_CLOCK


async def _refresh(database: Database, constants: ConstantsByWindow) -> None:
    """Recompute the velocity of every project with the new clock and constants."""
    await refresh_velocities(database, constants[Window.DAY], now())
