"""`explore train` and `explore models`: fitting a ranking to this installation, and choosing which one serves."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.served_pages import RETENTION
from db.models import now
from db.trained_models.ranking_models import (
    StoredModel,
    activate_model,
    active_model,
    all_models,
    previous_model,
    store_model,
)
from gateway.commands.console import console
from gateway.commands.progress import progress
from scoring import weights
from scoring.errors import InvalidModel
from scoring.evaluation.html_reports import models_html
from scoring.mathematics.additive_model import Model
from scoring.models.model_presets import DEFAULT, PRESETS, as_data, from_data
from scoring.replay.replayed_requests import Progress
from scoring.training.model_training import ModelVerdict, fit_and_judge_model
from scoring.training.served_lists import read_served_lists
from scoring.training.training_data import read_training_data


class _Serving(NamedTuple):
    """The model in service, for how many days, and what is wrong with it if it cannot be read."""

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
    """Fit a model to this installation's own log, judge it, keep it, and let it serve if it is better.

    The arithmetic runs in a thread, so that a worker goes on with its other jobs.

    Raises
    ------
    InvalidRecord
        If there is a model or a preset of that name.
    InsufficientData
        If there is too little to learn from; nothing has changed.
    """
    chosen = name or f"trained-{now():%Y-%m-%d-%H%M%S}"
    taken = {*PRESETS, *(one.name for one in await all_models(database))}
    if chosen in taken:
        raise InvalidRecord(f"there is a model named {chosen!r} already; give another --name")
    truth = await read_training_data(database)
    logged = await read_served_lists(database, truth, now() - RETENTION)
    serving = await _serving(database)
    verdict = await asyncio.to_thread(
        fit_and_judge_model, truth.dataset, chosen, serving.model, serving.age_days, floor, seed, progress, logged
    )
    report = {**verdict.report, "because": verdict.because} | ({"fault": serving.fault} if serving.fault else {})
    async with database.write() as connection:
        await store_model(connection, chosen, as_data(verdict.model), report)
        if verdict.accepted:
            await activate_model(connection, chosen)
    return verdict


async def _serving(database: Database) -> _Serving:
    """Read what ranks now. One that cannot be read does not rank either: the preset that ships does."""
    stored = await active_model(database)
    if stored is None:
        return _Serving(DEFAULT, 0.0)
    age_days = (now() - stored.created_at) / timedelta(days=1)
    try:
        return _Serving(from_data(stored.name, stored.curves), age_days)
    except InvalidModel as error:
        return _Serving(DEFAULT, 0.0, str(error))


async def run_train(database: Database, name: str | None, floor: int, seed: int, output: Console) -> int:
    """Train once, with progress on standard error.

    Returns
    -------
    int
        The exit code: 0 if the new model serves now, 1 if the one in service stays.
    """
    serving = await _serving(database)
    if serving.fault:
        output.print(f"compared with {serving.model.name}, for {serving.fault}", markup=False, highlight=False)
    with progress(console(stderr=True)) as tell:
        verdict = await train_model(database, name, floor, seed, tell)
    new = verdict.model.name
    became = f"{new} serves now" if verdict.accepted else f"{new} is kept, and {serving.model.name} stays in service"
    output.print(f"{became}: {verdict.because}", markup=False, highlight=False)
    return 0 if verdict.accepted else 1


async def models_report(database: Database) -> str:
    """Write a page with the reports and curves of all models."""
    return models_html(await all_models(database))


async def run_models(database: Database, output: Console, use: str | None = None, back: bool = False) -> None:
    """List the models, put one in service, or go back to the one before.

    Raises
    ------
    InvalidRecord
        If there is no such model.
    InvalidModel
        If it cannot serve; the one in service stays.
    """
    models = {one.name: one for one in await all_models(database)}
    if back:
        use = await _one_before(database)
    if use is not None:
        await _use(database, use, models)
        output.print(f"{use} serves now", markup=False, highlight=False)
    else:
        output.print(_table(models))
        if not any(one.is_active for one in models.values()):
            output.print(f"no model was chosen: the shipped preset {DEFAULT.name} serves", highlight=False)


async def _one_before(database: Database) -> str:
    if await active_model(database) is None:
        raise InvalidRecord("there is nothing to go back from: no model was chosen, the shipped preset serves")
    return await previous_model(database) or DEFAULT.name


async def _use(database: Database, name: str, models: Mapping[str, StoredModel]) -> None:
    if name in models:
        from_data(name, models[name].curves)  # refuses one that cannot serve before anything is changed
    async with database.write() as connection:
        if name in PRESETS and name not in models:
            await store_model(connection, name, as_data(PRESETS[name]), {"preset": True})
        await activate_model(connection, name)


def _table(models: Mapping[str, StoredModel]) -> Table:
    table = Table("model", "made", "in service", "NDCG@10 when judged", "learned from")
    for one in models.values():
        judged = one.report.get("ndcg@10", {}).get("new", "")
        learned = "a preset" if one.report.get("preset") else str(one.report.get("learned from", ""))
        table.add_row(one.name, _told(one.created_at), "yes" if one.is_active else "", str(judged), learned)
    return table


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
