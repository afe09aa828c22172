"""`explore evaluate`, `explore train` and `explore models` at the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from db.engine import Database
from db.models import now
from db.ranking_models import all_models, keep_model, model_in_service, put_in_service
from scoring.evaluation import protocols
from scoring.evaluation.dataset import load_dataset
from scoring.evaluation.lists import Progress as Tell
from scoring.evaluation.page import html_page
from scoring.evaluation.results import Results
from scoring.evaluation.trending import evaluate_trending
from scoring.models import DEFAULT, PRESETS, as_data, from_data
from scoring.training.judging import train_and_judge
from scoring.training.truth import read_truth


class Protocol(StrEnum):
    """How a data set is replayed."""

    FEED_REQUESTS = "feed-requests"
    RANDOM = "random"
    LEAVE_LAST = "leave-last"
    TRENDING = "trending"


def run_evaluate(
    directory: Path,
    protocol: Protocol,
    options: protocols.Options,
    *,
    rounds: int = 5,
    json_file: Path | None = None,
    html_file: Path | None = None,
    output: Console | None = None,
) -> Results:
    """Evaluate a folder, print the table, and write the files that are asked for.

    Raises
    ------
    InvalidRecord, NotEvaluable
        If the folder cannot be evaluated so.
    """
    output = output or Console()
    with _bars(output) as tell:
        dataset = load_dataset(directory, tell)
        match protocol:
            case Protocol.FEED_REQUESTS:
                results = protocols.evaluate_feed(dataset, options, tell)
            case Protocol.LEAVE_LAST:
                results = protocols.evaluate_leave_last(dataset, options, tell)
            case Protocol.RANDOM:
                results = protocols.evaluate_random(dataset, options, tell, rounds)
            case Protocol.TRENDING:
                results = evaluate_trending(dataset, tell)
    output.print(_table(results, options.seed))
    for name, value in results.facts.items():
        if name != "model":
            output.print(f"{name}: {value}", markup=False, highlight=False)
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(_as_data(results, options.seed), option=orjson.OPT_INDENT_2))
    if html_file is not None:
        html_file.write_text(html_page(results, options.seed), encoding="utf-8")
    return results


async def run_train(database: Database, name: str | None, floor: int, seed: int, output: Console) -> int:
    """Fit a model to this installation's own log, judge it, keep it, and let it serve if it is better.

    Returns
    -------
    int
        The exit code: 0 if it serves now, 1 if the one in service stays.
    """
    dataset = await read_truth(database)
    stored = await model_in_service(database)
    serving = from_data(stored.name, stored.curves) if stored else DEFAULT
    age_days = (now() - stored.created_at).total_seconds() / 86_400 if stored else 0.0
    chosen = name or f"trained-{now():%Y-%m-%d-%H%M%S}"
    with _bars(output) as tell:
        verdict = train_and_judge(dataset, chosen, serving, age_days, floor, seed, tell)
    async with database.write() as connection:
        await keep_model(connection, chosen, as_data(verdict.model), verdict.report)
        if verdict.accepted:
            await put_in_service(connection, chosen)
    became = f"{chosen} serves now" if verdict.accepted else f"{chosen} is kept, and {serving.name} stays in service"
    output.print(f"{became}: {verdict.because}", markup=False, highlight=False)
    return 0 if verdict.accepted else 1


async def run_models(database: Database, use: str | None, output: Console) -> None:
    """List the models, or put one in service: by its name, or one of the presets that ship.

    Raises
    ------
    InvalidRecord
        If there is no such model.
    ModelInvalid
        If it uses signals that this version has not; the one in service stays.
    """
    models = {one.name: one for one in await all_models(database)}
    if use is not None:
        if use in models:
            from_data(use, models[use].curves)
        async with database.write() as connection:
            if use in PRESETS and use not in models:
                await keep_model(connection, use, as_data(PRESETS[use]), {"preset": True})
            await put_in_service(connection, use)
        output.print(f"{use} serves now", markup=False, highlight=False)
        return
    table = Table("model", "made", "in service", "NDCG@10 when judged")
    for one in models.values():
        judged = one.report.get("ndcg@10", {}).get("new", "")
        table.add_row(one.name, _told(one.created_at), "yes" if one.in_service else "", str(judged))
    output.print(table)
    if not any(one.in_service for one in models.values()):
        output.print("no model was chosen: the shipped preset serves", highlight=False)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _table(results: Results, seed: int) -> Table:
    columns = ("ndcg@10", "recall@10", "against ours", "coverage", "cold share")
    table = Table("ranking", *columns, box=None, title=f"{results.protocol} on {results.dataset}")
    for row in results.summary(seed):
        cells = [f"{row[c]} ± {row[f'{c} error']}" if f"{c} error" in row else str(row[c]) for c in columns]
        table.add_row(str(row["name"]), *cells, style="bold" if row["name"] == results.best else None)
    return table


def _as_data(results: Results, seed: int) -> dict[str, Any]:
    return {
        "protocol": results.protocol,
        "dataset": results.dataset,
        "seed": seed,
        "rankings": results.summary(seed),
        "facts": dict(results.facts),
    }


@contextmanager
def _bars(output: Console) -> Iterator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=output, auto_refresh=output.is_terminal) as progress:

        def tell(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=1.0)
            progress.update(tasks[what], completed=share)

        yield tell
