"""`explore evaluate`: runs an evaluation protocol, and prints its figures as tables, Markdown, CSV or JSON."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from db.custom_types import CustomTypes
from db.embeddings.wordllama import WordLlamaEmbedder
from db.errors import InvalidRecord
from db.time_units import parse_time
from gateway.commands.console import plain, print_plain
from gateway.commands.progress import progress
from gateway.commands.shared import errors, output, output_file
from gateway.interaction_types import read_interaction_types
from gateway.settings import load_settings
from scoring import tunables
from scoring.evaluation import protocols
from scoring.evaluation.cold_start_protocol import evaluate_cold_start
from scoring.evaluation.html_reports import evaluation_html
from scoring.evaluation.results import EvaluationResults
from scoring.evaluation.search_protocol import evaluate_search
from scoring.evaluation.tables import as_csv, as_json_data, as_markdown, plain_facts, result_tables
from scoring.evaluation.trending_protocol import evaluate_trending
from scoring.mathematics.behavior_signals import REPLAYED_SIGNALS
from scoring.mathematics.signals import Signal
from scoring.replay.dataset import Dataset, load_dataset
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


class Format(StrEnum):
    """Format of the printed figures."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


def _signal_groups(texts: list[str]) -> tuple[frozenset[Signal], ...]:
    """Read groups of signal names, separated by commas. Raises `InvalidRecord` for an unknown name."""
    groups = tuple(frozenset(name.strip() for name in text.split(",")) for text in texts)
    if unknown := sorted(frozenset[str]().union(*groups) - set(REPLAYED_SIGNALS)):
        known = ", ".join(sorted(REPLAYED_SIGNALS))
        raise InvalidRecord(f"--without: a log has no signal {', '.join(map(repr, unknown))}; it has {known}")
    return tuple(frozenset(map(Signal, group)) for group in groups)


def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in the format of `explore import`.")],
    protocol: Annotated[Protocol, typer.Option(help="Evaluation protocol.")] = Protocol.FEED_REQUESTS,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of splits of the protocol random.")] = 5,
    floor: Annotated[int, typer.Option(min=1, help="Minimum number of users for a signal of people.")] = (
        tunables.ANONYMITY_FLOOR
    ),
    window: Annotated[
        tuple[str, str, str] | None,
        typer.Option(metavar="FROM UNTIL TEST", help="Fit from FROM to UNTIL, test up to TEST. Without offset: UTC."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Test on the data after the windows, once at the end.")] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SIGNALS", help="Also fit a model without these signals, separated by commas. Repeatable."
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="Format of the printed figures.")] = Format.TABLE,
    html: Annotated[Path | None, output_file("Write a page with plots here.")] = None,
) -> None:
    """Evaluate the ranking on a folder of data, with baselines for comparison."""
    options = protocols.Options(
        seed=seed, floor=floor, windows=_windows(window), last_window=last, without=_signal_groups(without or [])
    )
    run_evaluate(directory, protocol, options, rounds=seeds, format_=format_, html_file=html)


def _windows(texts: tuple[str, str, str] | None) -> protocols.Windows | None:
    if texts is None:
        return None
    try:
        times = [parse_time(text, assume_utc=True) for text in texts]
    except ValueError as error:
        raise typer.BadParameter(
            f"--window: one of {', '.join(texts)} {error}; a date such as 2016-06-10 is also accepted"
        ) from None
    if not times[0] < times[1] < times[2]:
        raise typer.BadParameter(
            f"--window: FROM must be before UNTIL, and UNTIL before TEST; {', '.join(texts)} are not in this order"
        )
    return protocols.Windows(*(time.timestamp() for time in times))


def run_evaluate(
    directory: Path,
    protocol: Protocol,
    options: protocols.Options,
    *,
    rounds: int = 5,
    format_: Format = Format.TABLE,
    html_file: Path | None = None,
    output: Console = output,
) -> None:
    """Evaluate a folder, print the figures, and write the HTML page if one is requested.

    Raises `InvalidRecord` or `InsufficientData` if the folder cannot be evaluated by this protocol.
    """
    with progress(errors) as report_progress:
        results = _evaluate(directory, protocol, options, rounds, report_progress)
    match format_:
        case Format.TABLE:
            _print_tables(results, options.seed, output)
        case Format.MARKDOWN:
            print_plain(output, as_markdown(results, options.seed))
        case Format.CSV:
            print_plain(output, as_csv(results, options.seed))
        case Format.JSON:
            print_plain(output, orjson.dumps(as_json_data(results, options.seed), option=_JSON_OPTIONS).decode())
    if html_file is not None:
        html_file.write_text(evaluation_html(results, options.seed), encoding="utf-8")


_JSON_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS


def _print_tables(results: EvaluationResults, seed: int, output: Console) -> None:
    for title, head, rows, highlighted in result_tables(results, seed, is_short=True):
        table = Table(Column(head[0], overflow="fold"), *head[1:], box=None, title=title, title_justify="left")
        for row in rows:
            table.add_row(*map(plain, row), style="bold" if row[0] == highlighted else None)
        output.print(table)
    for fact in plain_facts(results):
        print_plain(output, fact)


def _evaluate(
    directory: Path, protocol: Protocol, options: protocols.Options, rounds: int, report_progress: Progress
) -> EvaluationResults:
    if protocol is Protocol.SEARCH:
        return asyncio.run(evaluate_search(directory, report_progress))
    types = read_interaction_types(load_settings().interaction_types)
    log = load_dataset(directory, report_progress, CustomTypes({type_.name: type_ for type_ in types}))
    dataset = asyncio.run(log.with_vectors(WordLlamaEmbedder()))
    evaluators: dict[Protocol, Callable[[Dataset, protocols.Options, Progress], EvaluationResults]] = {
        Protocol.FEED_REQUESTS: protocols.evaluate_feed_requests,
        Protocol.FIRST_VISITS: protocols.evaluate_first_visits,
        Protocol.LEAVE_LAST: protocols.evaluate_leave_last,
        Protocol.RANDOM: partial(protocols.evaluate_random, rounds=rounds),
        Protocol.COLD_START: evaluate_cold_start,
        Protocol.TRENDING: evaluate_trending,
    }
    results = evaluators[protocol](dataset, options, report_progress)
    if not dataset.refused_lines:
        return results
    refused = f"{dataset.refused_lines:,}, the first: {dataset.first_refusal}"
    return replace(results, facts={**results.facts, "lines left out": refused})
