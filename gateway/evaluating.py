"""`explore evaluate` at the terminal."""

from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from gateway.bars import bars
from scoring.evaluation import protocols
from scoring.evaluation.dataset import load_dataset
from scoring.evaluation.page import html_page
from scoring.evaluation.results import Results
from scoring.evaluation.trending import evaluate_trending


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
    with bars(output) as tell:
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
