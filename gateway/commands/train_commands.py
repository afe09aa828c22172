"""`explore train`, `explore models` and `explore trends`: training, and the choice of models and trend constants."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from db.database.engine import Database
from db.errors import InvalidRecord
from db.stores import Stores
from db.text_rules import text_fault
from db.trained_models.registry import all_constants, all_models
from db.vectors.base import VectorStore
from gateway.commands.console import print_plain
from gateway.commands.progress import progress
from gateway.commands.shared import errors, output, output_file, run_on_database, run_on_stores, say
from gateway.stores import prepare_index
from scoring import tunables
from scoring.errors import InsufficientData
from scoring.evaluation.html_reports import models_html
from scoring.models.model_presets import DEFAULT
from scoring.training.model_training import (
    activate_previous_model,
    activate_ranking_model,
    read_current_model,
    train_model,
)
from scoring.training.trend_training import activate_trends, train_trends


def train(
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: the date.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and log give the same model.")] = 0,
) -> None:
    """Train a ranking model and trend constants on this log; each is activated if it wins on a held-out window."""
    if name is not None and (fault := text_fault(name)) is not None:
        raise typer.BadParameter(f"--name {fault}")

    async def run(stores: Stores) -> int:
        await run_train_trends(stores.database, seed, output)
        await prepare_index(stores)
        return await run_train(stores.database, name, tunables.ANONYMITY_FLOOR, seed, output, stores.vectors)

    raise typer.Exit(run_on_stores(run))


def models(
    use: Annotated[str | None, typer.Option("--use", metavar="NAME", help="Activate this model, or a preset.")] = None,
    back: Annotated[bool, typer.Option("--back", help="Activate the model that was active before.")] = False,
    html: Annotated[Path | None, output_file("Write a page with all curves and reports.")] = None,
) -> None:
    """List the ranking models, activate one, or plot their curves."""
    if sum((use is not None, back, html is not None)) > 1:
        raise InvalidRecord("give only one of --use, --back and --html")
    if html is None:
        run_on_database(lambda database: run_models(database, output, use, back))
    else:
        html.write_text(run_on_database(models_report), encoding="utf-8")
        say(f"wrote {html}")


def trends(
    use: Annotated[
        int | None, typer.Option("--use", metavar="N", min=0, help="Activate this set; 0 for the built-in constants.")
    ] = None,
) -> None:
    """List the fitted trend constants, or activate a set."""
    run_on_database(lambda database: run_trends(database, use, output))


async def run_train(
    database: Database, name: str | None, floor: int, seed: int, output: Console, vectors: VectorStore | None = None
) -> int:
    """Train a model, with progress on standard error. Return the exit code, 1 if the active model stays."""
    active = await read_current_model(database)
    if active.fault:
        print_plain(output, f"compared with {active.model.name}, for {active.fault}")
    with progress(errors) as report_progress:
        verdict = await train_model(database, name, floor, seed, report_progress, vectors)
    new = verdict.model.name
    outcome = f"{new} is active" if verdict.accepted else f"{new} is stored, and {active.model.name} stays active"
    print_plain(output, f"{outcome}: {verdict.because}")
    return 0 if verdict.accepted else 1


async def models_report(database: Database) -> str:
    """Return an HTML page with the reports and curves of all models."""
    return models_html(await all_models(database))


async def run_models(database: Database, output: Console, use: str | None = None, back: bool = False) -> None:
    """List the models, activate a model, or activate the previously active model.

    Raises `InvalidRecord` or `InvalidModel` if there is no such model, or it cannot rank; the active model stays.
    """
    if back:
        print_plain(output, f"{await activate_previous_model(database)} is active")
    elif use is not None:
        await activate_ranking_model(database, use)
        print_plain(output, f"{use} is active")
    else:
        await _list_models(database, output)


async def _list_models(database: Database, output: Console) -> None:
    models = await all_models(database)
    table = Table("model", "created", "active", "NDCG@10 when judged", "trained on")
    for model in models:
        judged = str(model.report.get("ndcg@10", {}).get("new", ""))
        trained_on = "a preset" if model.report.get("preset") else str(model.report.get("learned from", ""))
        created = f"{model.created_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(model.name, created, "yes" if model.is_active else "", judged, trained_on)
    output.print(table)
    if not any(model.is_active for model in models):
        print_plain(output, f"no model was chosen: the default preset {DEFAULT.name} is active")


async def run_train_trends(database: Database, seed: int, output: Console) -> None:
    """Fit trend constants and print the outcome. A log that is too small is no error."""
    try:
        with progress(errors) as report_progress:
            verdict = await train_trends(database, seed, report_progress)
    except InsufficientData as error:
        print_plain(output, f"trends: {error}")
        return
    outcome = "new constants are active" if verdict.accepted else "new constants are stored, the active ones stay"
    print_plain(output, f"trends: {outcome}: {verdict.because}")


async def run_trends(database: Database, use: int | None, output: Console) -> None:
    """List the sets of trend constants, or activate set `use`; 0 stands for the built-in constants.

    Raises `InvalidRecord` or `InvalidModel` if there is no such set, or it cannot be used; the active constants stay.
    """
    if use is not None:
        await activate_trends(database, use)
        print_plain(output, f"constants {use} are active" if use else "the built-in constants are active")
        return
    constant_sets = await all_constants(database)
    table = Table("constants", "created", "active", "NDCG@10 when judged", "against")
    for constants in constant_sets:
        judged = constants.report.get("ndcg@10", {})
        created, active = f"{constants.created_at:%Y-%m-%d %H:%M} UTC", "yes" if constants.is_active else ""
        table.add_row(str(constants.id), created, active, str(judged.get("new", "")), str(judged.get("active", "")))
    output.print(table)
    if not any(constants.is_active for constants in constant_sets):
        print_plain(output, "the built-in constants are active")
