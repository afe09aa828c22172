"""An evaluation as one self-contained HTML page: a table, bars, and a plot of every curve. Nothing is loaded."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from scoring.evaluation.curve_plots import curve_plots
from scoring.evaluation.results import EvaluationResults
from scoring.models.model_presets import from_data

STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.2rem .5rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.5rem}"
    "figcaption{text-align:center}.ours{font-weight:600;background:#eef6ff}svg{display:block}"
)
_HEADING = "<h2>The curves: what a value of a signal adds to the score</h2>"
_COLUMNS = ("ndcg@10", "recall@10", "recall@20", "against ours", "coverage", "novelty bits", "cold share")


def evaluation_html(results: EvaluationResults, seed: int) -> str:
    """Write the page."""
    rows = results.summary(seed)
    title = escape(f"{results.protocol} on {results.dataset}")
    told = {name: value for name, value in results.facts.items() if name != "model"}
    facts = "".join(
        f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in told.items() if not isinstance(value, dict)
    )
    tables = "".join(_facts_table(name, value) for name, value in told.items() if isinstance(value, dict))
    curves = results.facts.get("model")
    plots = curve_plots(from_data(results.best, curves)) if isinstance(curves, dict) else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><ul>{facts}</ul>{_table(rows, results.best)}{_bars(rows)}{tables}"
        f"{_HEADING if plots else ''}{plots}</html>\n"
    )


def _table(rows: Sequence[Mapping[str, Any]], best: str) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ("ranking", *_COLUMNS))
    body = "".join(
        f"<tr{' class=ours' if row['name'] == best else ''}><td>{escape(str(row['name']))}</td>"
        + "".join(f"<td>{row[column]}{_error(row, column)}</td>" for column in _COLUMNS)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _facts_table(name: str, facts: Mapping[object, object]) -> str:
    columns = next((list(one) for one in facts.values() if isinstance(one, dict)), [""])
    head = "".join(f"<th>{escape(str(column))}</th>" for column in ("", *columns))
    body = "".join(
        f"<tr><td>{escape(str(row))}</td>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in (one.values() if isinstance(one, dict) else (one,)))
        + "</tr>"
        for row, one in facts.items()
    )
    return f"<h2>{escape(name)}</h2><table><tr>{head}</tr>{body}</table>"


def _error(row: Mapping[str, Any], column: str) -> str:
    error = row.get(f"{column} error")
    return f" ± {error}" if error else ""


def _bars(rows: Sequence[Mapping[str, Any]]) -> str:
    most = max(float(row["ndcg@10"]) for row in rows) or 1.0
    drawn = "".join(
        f'<text x="0" y="{18 * n + 13}" font-size="12">{escape(str(row["name"]))}</text>'
        f'<rect x="260" y="{18 * n + 3}" width="{440 * float(row["ndcg@10"]) / most:.1f}" height="12" fill="#4a7fb5"/>'
        for n, row in enumerate(rows)
    )
    return f'<h2>NDCG@10</h2><svg width="720" height="{18 * len(rows) + 6}" role="img">{drawn}</svg>'
