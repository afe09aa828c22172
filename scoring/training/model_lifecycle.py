"""Training of a ranking model on this installation's log, and the choice of the model that ranks."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.served_pages import RETENTION
from db.models import now
from db.trained_models.ranking_models import activate_model, active_model, all_models, previous_model, store_model
from scoring import weights
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import Model
from scoring.models.model_presets import DEFAULT, PRESETS, as_data, from_data
from scoring.replay.replayed_requests import Progress
from scoring.training.model_training import ModelVerdict, fit_and_judge_model
from scoring.training.served_lists import read_served_lists
from scoring.training.training_data import read_training_data


class CurrentModel(NamedTuple):
    """The model that ranks, its age, and the fault of the stored model that it stands in for, if any."""

    model: Model
    age_days: float
    fault: str | None = None


async def train_model(
    database: Database,
    name: str | None = None,
    floor: int = weights.ANONYMITY_FLOOR,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> ModelVerdict:
    """Fit a model to this installation's own log, judge it, store it, and activate it if it is better.

    The computation runs in a thread, so that a worker continues with its other jobs.

    Raises
    ------
    InvalidRecord
        If a model or preset of that name exists.
    InsufficientData
        If there is too little to learn from; nothing has changed.
    """
    chosen = name or f"trained-{now():%Y-%m-%d-%H%M%S}"
    if chosen in {*PRESETS, *(one.name for one in await all_models(database))}:
        raise InvalidRecord(f"a model named {chosen!r} exists already; give another --name")
    data = await read_training_data(database)
    logged = await read_served_lists(database, data, now() - RETENTION)
    active = await read_current_model(database)
    verdict = await asyncio.to_thread(
        fit_and_judge_model, data.dataset, chosen, active.model, active.age_days, floor, seed, progress, logged
    )
    report = {**verdict.report, "because": verdict.because} | ({"fault": active.fault} if active.fault else {})
    async with database.write() as connection:
        await store_model(connection, chosen, as_data(verdict.model), report)
        if verdict.accepted:
            await activate_model(connection, chosen)
    return verdict


async def read_current_model(database: Database) -> CurrentModel:
    """Read the model that ranks. The default preset replaces a stored one that cannot be read."""
    stored = await active_model(database)
    if stored is None:
        return CurrentModel(DEFAULT, 0.0)
    age_days = (now() - stored.created_at) / timedelta(days=1)
    try:
        return CurrentModel(from_data(stored.name, stored.curves), age_days)
    except InvalidModel as error:
        return CurrentModel(DEFAULT, 0.0, str(error))


async def activate_ranking_model(database: Database, name: str) -> None:
    """Let a stored model or a preset rank from now on.

    Raises
    ------
    InvalidRecord
        If no model has this name.
    InvalidModel
        If it cannot rank; the active model stays.
    """
    stored = next((one for one in await all_models(database) if one.name == name), None)
    if stored is not None:
        from_data(name, stored.curves)  # raises before anything is changed
    async with database.write() as connection:
        if name in PRESETS and stored is None:
            await store_model(connection, name, as_data(PRESETS[name]), {"preset": True})
        await activate_model(connection, name)


async def activate_previous_model(database: Database) -> str:
    """Activate the model that ranked before the active one, and return its name.

    Raises
    ------
    InvalidRecord
        If no model was ever activated.
    InvalidModel
        If it cannot rank; the active model stays.
    """
    if await active_model(database) is None:
        raise InvalidRecord("there is no earlier model: the default preset ranks")
    name = await previous_model(database) or DEFAULT.name
    await activate_ranking_model(database, name)
    return name
