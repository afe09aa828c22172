"""Tables of the results of an evaluation as texts, for a terminal, Markdown and HTML; the figures as CSV and data."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scoring.evaluation.results import NOT_COMPUTED, Breakdown, EvaluationResults
from scoring.models.model_presets import as_data

COLUMNS = ("ndcg@10", "recall@10", "recall@20", "difference", "coverage", "novelty bits", "cold share")
SHORT_COLUMNS = ("ndcg@10", "recall@10", "difference", "coverage", "cold share")
"""The columns of a terminal, whose cells are short enough for 80 columns."""
SINGLE_SIGNAL = "signal "
"""Prefix of the rankings by one signal alone."""


class ResultTable(NamedTuple):
    """A table of texts; `highlighted` is the first cell of its most important row."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    highlighted: str | None = None


def result_tables(results: EvaluationResults, seed: int, *, is_short: bool = False) -> list[ResultTable]:
    """Return the rankings, each signal alone, the breakdowns and the facts that are tables."""
    columns = SHORT_COLUMNS if is_short else COLUMNS
    rankings: list[Sequence[str]] = []
    signals: list[Sequence[str]] = []
    for row in results.summary(seed):
        cells = [str(row["name"]), *(_cell(row[column], row.get(f"{column} error"), is_short) for column in columns)]
        (signals if cells[0].startswith(SINGLE_SIGNAL) else rankings).append(cells)
    tables = [
        ResultTable(f"{results.protocol} on {results.dataset}", ("ranking", *columns), rankings, results.reference),
        ResultTable("each signal alone", ("ranking", *columns), signals),
        *(_breakdown_table(title, groups, is_short) for title, groups in results.breakdowns.items()),
        *(_facts_table(title, fact) for title, fact in results.facts.items() if isinstance(fact, dict)),
    ]
    return [table for table in tables if table.rows]


def plain_facts(results: EvaluationResults) -> list[str]:
    """Return the facts that are no tables, a line each."""
    return [f"{name}: {fact}" for name, fact in results.facts.items() if not isinstance(fact, dict)]


def as_markdown(results: EvaluationResults, seed: int) -> str:
    """Return all tables and facts as Markdown."""
    parts = [_markdown_table(table) for table in result_tables(results, seed)]
    return "\n\n".join([*parts, "\n".join(f"- {fact}" for fact in plain_facts(results))])


def as_csv(results: EvaluationResults, seed: int) -> str:
    """Return a line for each ranking, with all figures. The fields of a ranking that was not computed are empty."""
    rows, text = results.summary(seed), io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_json_data(results: EvaluationResults, seed: int) -> dict[str, Any]:
    """Return all figures and the model as plain data."""
    return {
        "protocol": results.protocol,
        "dataset": results.dataset,
        "seed": seed,
        "rankings": results.summary(seed),
        "breakdowns": results.breakdowns,
        "facts": dict(results.facts),
        "model": None if results.model is None else as_data(results.model),
    }


def _cell(value: float | None, error: float | None, is_short: bool) -> str:
    if value is None:
        return NOT_COMPUTED
    if not is_short:
        return f"{value:.4f}" + (f" ± {error:.4f}" if error is not None else "")
    return re.sub(r"\b0\.", ".", f"{value:.3f}" + (f" ±{error:.3f}" if error is not None else ""))


def _breakdown_table(title: str, groups: Breakdown, is_short: bool) -> ResultTable:
    head = list(next(iter(groups.values()), {}))
    rows = [[group, *(_cell(*row[name], is_short) for name in head)] for group, row in groups.items()]
    return ResultTable(title, ("", *head), rows)


def _facts_table(title: str, facts: Mapping[object, object]) -> ResultTable:
    """Return a table of facts. Each fact is a number, a tuple or a mapping of columns."""
    columns = next((list(map(str, fact)) for fact in facts.values() if isinstance(fact, dict)), [])
    rows = [[str(name), *map(str, _values(fact))] for name, fact in facts.items()]
    width = max(1 + len(columns), *map(len, rows))
    head, *rows = ([*cells, *[""] * (width - len(cells))] for cells in (["", *columns], *rows))
    return ResultTable(title, head, rows)


def _values(fact: object) -> Iterable[object]:
    return fact.values() if isinstance(fact, dict) else fact if isinstance(fact, tuple) else (fact,)


def _markdown_table(table: ResultTable) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rows = [[f"**{cell}**" if row[0] == table.highlighted else cell for cell in row] for row in table.rows]
    ruler = line("---" if column == 0 else "---:" for column in range(len(table.head)))
    return "\n".join([f"### {table.title}", "", line(table.head), ruler, *map(line, rows)])
