"""An evaluation as one self-contained HTML page: a table, bars, and a plot of every curve. Nothing is loaded."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from scoring.evaluation.results import Results

_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.2rem .5rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.5rem}"
    "figcaption{text-align:center}.ours{font-weight:600;background:#eef6ff}svg{display:block}"
)
_COLUMNS = ("ndcg@10", "recall@10", "recall@20", "against ours", "coverage", "novelty bits", "cold share")


def html_page(results: Results, seed: int) -> str:
    """Write the page."""
    rows = results.summary(seed)
    title = escape(f"{results.protocol} on {results.dataset}")
    facts = "".join(
        f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in results.facts.items() if name != "model"
    )
    curves = results.facts.get("model")
    plots = "".join(_curve(name, one) for name, one in curves.items()) if isinstance(curves, dict) else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><ul>{facts}</ul>{_table(rows, results.best)}{_bars(rows)}"
        f"<h2>The curves: what a value of a signal adds to the score</h2>{plots}</html>\n"
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


def _curve(name: str, curve: Mapping[str, Sequence[float]]) -> str:
    xs, ys = curve["xs"], curve["ys"]
    wide, low, high = (xs[-1] - xs[0]) or 1.0, min(*ys, 0.0), max(*ys, 0.0)
    tall = (high - low) or 1.0

    def place(x: float, y: float) -> str:
        return f"{10 + 200 * (x - xs[0]) / wide:.1f},{110 - 100 * (y - low) / tall:.1f}"

    line = " ".join(place(x, y) for x, y in zip(xs, ys, strict=True))
    zero = 110 - 100 * (0.0 - low) / tall
    return (
        f'<figure><svg width="220" height="120" role="img"><path d="M10 {zero:.1f}H210" stroke="#bbb"/>'
        f'<polyline points="{line}" fill="none" stroke="#4a7fb5" stroke-width="2"/></svg>'
        f"<figcaption>{escape(name)}<br>{xs[0]:.3g} to {xs[-1]:.3g}, {low:+.2f} to {high:+.2f}</figcaption></figure>"
    )
