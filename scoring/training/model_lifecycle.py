"""Training of a ranking model on this installation's log, and activation of models."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.served_pages import RETENTION
from db.models import now
from db.trained_models.ranking_models import activate_model, active_model, all_models, previous_model, store_model
from scoring import tunables
from scoring.errors import InvalidModel
from scoring.mathematics.additive_model import Model
from scoring.models.model_presets import DEFAULT, PRESETS, as_data, from_data
from scoring.replay.replayed_requests import Progress
from scoring.training.model_training import ModelVerdict, fit_and_judge_model
from scoring.training.served_lists import read_served_lists
from scoring.training.training_data import read_training_data


class CurrentModel(NamedTuple):
    """The model that ranks now."""

    model: Model
    age_days: float
    fault: str | None = None  # why the active model cannot be read, if the default preset ranks instead


async def train_model(
    database: Database,
    name: str | None = None,
    floor: int = tunables.ANONYMITY_FLOOR,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> ModelVerdict:
    """Fit a model to this installation's log, store it, and activate it if it is better than the active model.

    The computation runs in a thread, so that a worker continues with its other jobs.

    Raises
    ------
    InvalidRecord
        If a model or preset of that name exists.
    InsufficientData
        If the log is too small to train on; nothing has changed.
    """
    new_name = name or f"trained-{now():%Y-%m-%d-%H%M%S}"
    if new_name in {*PRESETS, *(model.name for model in await all_models(database))}:
        raise InvalidRecord(f"a model named {new_name!r} exists already; give another --name")
    data = await read_training_data(database)
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
    """Read the active model. If it cannot be read, or no model is active, return the default preset."""
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

    Raises
    ------
    InvalidRecord
        If no model has this name.
    InvalidModel
        If the model cannot be read; the active model stays.
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

    Raises
    ------
    InvalidRecord
        If no model was ever activated.
    InvalidModel
        If the model cannot be read; the active model stays.
    """
    if await active_model(database) is None:
        raise InvalidRecord("there is no earlier model: the default preset ranks")
    name = await previous_model(database) or DEFAULT.name
    await activate_ranking_model(database, name)
    return name
