"""`explore evaluate`: runs an evaluation protocol, prints its figures and writes its files."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from gateway.commands.console import print_plain
from gateway.commands.progress import progress
from gateway.commands.shared import errors, output, output_file
from scoring import tunables
from scoring.evaluation import protocols
from scoring.evaluation.cold_start_protocol import evaluate_cold_start
from scoring.evaluation.html_reports import evaluation_html, facts_table
from scoring.evaluation.results import EvaluationResults
from scoring.evaluation.search_protocol import evaluate_search
from scoring.evaluation.trending_protocol import evaluate_trending
from scoring.models.model_presets import as_data
from scoring.replay.dataset import load_dataset
from scoring.replay.replayed_requests import Progress


class Protocol(StrEnum):
    """Evaluation protocol."""

    FEED_REQUESTS = "feed-requests"
    RANDOM = "random"
    LEAVE_LAST = "leave-last"
    TRENDING = "trending"
    SEARCH = "search"
    COLD_START = "cold-start"
    FIRST_VISITS = "first-visits"


_REPLAYS = {
    Protocol.FEED_REQUESTS: protocols.evaluate_feed_requests,
    Protocol.FIRST_VISITS: protocols.evaluate_first_visits,
    Protocol.LEAVE_LAST: protocols.evaluate_leave_last,
    Protocol.COLD_START: evaluate_cold_start,
}


def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in the format of `explore import`.")],
    protocol: Annotated[Protocol, typer.Option(help="Evaluation protocol.")] = Protocol.FEED_REQUESTS,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of splits of the protocol random.")] = 5,
    floor: Annotated[int, typer.Option(min=1, help="Minimum number of users and sessions for a neighbor signal.")] = (
        tunables.ANONYMITY_FLOOR
    ),
    window: Annotated[
        tuple[datetime, datetime, datetime] | None,
        typer.Option(metavar="FROM UNTIL TEST", help="UTC: fit from FROM to UNTIL, test up to TEST."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Test on the data after the windows, once at the end.")] = False,
    json: Annotated[Path | None, output_file("Write all figures here.")] = None,
    html: Annotated[Path | None, output_file("Write a page with plots here.")] = None,
) -> None:
    """Evaluate the ranking on a folder of data, with baselines for comparison."""
    windows = protocols.Windows(*(moment.replace(tzinfo=UTC).timestamp() for moment in window)) if window else None
    options = protocols.Options(seed=seed, floor=floor, windows=windows, last_window=last)
    run_evaluate(directory, protocol, options, rounds=seeds, json_file=json, html_file=html)


def run_evaluate(
    directory: Path,
    protocol: Protocol,
    options: protocols.Options,
    *,
    rounds: int = 5,
    json_file: Path | None = None,
    html_file: Path | None = None,
    output: Console = output,
) -> None:
    """Evaluate a folder, print the table, and write the requested files.

    Raises `InvalidRecord` or `InsufficientData` if the folder cannot be evaluated by this protocol.
    """
    with progress(errors) as report_progress:
        results = _evaluate(directory, protocol, options, rounds, report_progress)
    output.print(_table(results, options.seed))
    for name, value in results.facts.items():
        if isinstance(value, dict):
            output.print(_facts_table(name, value))
        else:
            print_plain(output, f"{name}: {value}")
    if json_file is not None:
        options_json = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
        json_file.write_bytes(orjson.dumps(_as_data(results, options.seed), option=options_json))
    if html_file is not None:
        html_file.write_text(evaluation_html(results, options.seed), encoding="utf-8")


def _evaluate(
    directory: Path, protocol: Protocol, options: protocols.Options, rounds: int, report_progress: Progress
) -> EvaluationResults:
    if protocol is Protocol.SEARCH:
        return asyncio.run(evaluate_search(directory, report_progress))
    dataset = load_dataset(directory, report_progress)
    if protocol is Protocol.RANDOM:
        return protocols.evaluate_random(dataset, options, report_progress, rounds)
    if protocol is Protocol.TRENDING:
        return evaluate_trending(dataset, report_progress)
    return _REPLAYS[protocol](dataset, options, report_progress)


def _facts_table(name: str, facts: Mapping[object, object]) -> Table:
    head, rows = facts_table(facts)
    table = Table(name, *head[1:], box=None)
    for row in rows:
        table.add_row(*map(str, row))
    return table


def _table(results: EvaluationResults, seed: int) -> Table:
    columns = ("ndcg@10", "recall@10", "difference", "coverage", "cold share")
    table = Table(
        Column("ranking", overflow="fold"), *columns, box=None, title=f"{results.protocol} on {results.dataset}"
    )
    for row in results.summary(seed):
        cells = [_rounded(row[c], row.get(f"{c} error")) for c in columns]
        table.add_row(str(row["name"]), *cells, style="bold" if row["name"] == results.reference else None)
    return table


def _rounded(value: object, error: object) -> str:
    """Format a figure and its error so that a row fits 80 columns."""
    text = f"{float(str(value)):.3f}" + (f" ±{float(str(error)):.3f}" if error is not None else "")
    return re.sub(r"\b0\.", ".", text)


def _as_data(results: EvaluationResults, seed: int) -> dict[str, Any]:
    return {
        "protocol": results.protocol,
        "dataset": results.dataset,
        "seed": seed,
        "rankings": results.summary(seed),
        "facts": dict(results.facts),
        "model": None if results.model is None else as_data(results.model),
    }
