"""HTML reports of evaluations and of trained models. A report is one page that loads no other file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np

from db.trained_models.registry import StoredModel
from scoring.errors import InvalidModel
from scoring.evaluation.results import Breakdown, EvaluationResults
from scoring.evaluation.tables import plain_facts, result_tables
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.signals import Floats, Signal
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.models.model_presets import from_data

STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.2rem .5rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.5rem}"
    "figcaption{text-align:center}.highlight{font-weight:600;background:#eef6ff}svg{display:block}"
)
COLORS: Mapping[str, str] = {
    "everybody": "#4a7fb5",
    ViewerStage.NEW: "#c0504d",
    ViewerStage.ONBOARDED: "#9b6fb0",
    ViewerStage.LIGHT: "#e0963c",
    ViewerStage.HEAVY: "#5a9a5a",
}
BAND = 1.645
"""Standard errors from a curve to the bounds of its 90 % confidence band."""
NO_ERRORS: Mapping[str, Sequence[float]] = {}


def evaluation_html(results: EvaluationResults, seed: int) -> str:
    """Return the report of one evaluation: tables, plots of the breakdowns, and a plot of each curve of its model."""
    tables = "".join(
        f"<h2>{escape(table.title)}</h2>{_table(table.head, table.rows, table.highlighted)}"
        + (_bars(results.breakdowns[table.title]) if table.title in results.breakdowns else "")
        for table in result_tables(results, seed)
    )
    plots = curve_plots(results.model) if results.model is not None else ""
    heading = "<h2>Curves: the contribution of each signal by its value</h2>" if plots else ""
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in plain_facts(results))
    return _page(f"{results.protocol} on {results.dataset}", f"<ul>{facts}</ul>", tables, heading, plots)


def models_html(models: Sequence[StoredModel]) -> str:
    """Return the report of all stored models, the latest first."""
    return _page("Ranking models", *map(_model, models) if models else ["<p>No model was trained or chosen yet.</p>"])


def _model(model: StoredModel) -> str:
    report = model.report
    facts = {
        "made": f"{model.created_at:%Y-%m-%d %H:%M} UTC",
        "learned from": report.get("learned from"),
        "fitted on": _window(report.get("fitted")),
        "judged on": _window(report.get("judged")),
        "verdict": report.get("because"),
        "fault of the active model": report.get("fault"),
    }
    try:
        plots = curve_plots(from_data(model.name, model.curves), report.get("curve errors", {}))
    except InvalidModel as error:
        plots = f"<p>{escape(str(error))}</p>"
    measured: Mapping[str, float] = report.get("ndcg@10", {})
    errors = report.get("error", {})
    rows = [
        [name, f"{value:.4f} ± {errors.get(name, 0.0):.4f}"]
        for name, value in sorted(measured.items(), key=lambda pair: -pair[1])
    ]
    table = _table(("ranking", "NDCG@10"), rows, highlighted="new") if rows else ""
    title = f"<h2>{escape(model.name)}{' (active)' if model.is_active else ''}</h2>"
    return title + _list({name: fact for name, fact in facts.items() if fact}) + table + plots


def _window(window: Mapping[str, Any] | None) -> str | None:
    if not window:
        return None
    since, until = (datetime.fromtimestamp(window[name], UTC) for name in ("from_s", "until_s"))
    return f"{window['requests']} requests, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def _page(title: str, *parts: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1>{''.join(parts)}</html>\n"
    )


def _list(facts: Mapping[str, object]) -> str:
    return "<ul>" + "".join(f"<li>{escape(name)}: {escape(str(fact))}</li>" for name, fact in facts.items()) + "</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], highlighted: str | None = None) -> str:
    def row(cells: Sequence[object]) -> str:
        shown = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        return f"<tr{' class=highlight' if cells[0] == highlighted else ''}>{shown}</tr>"

    columns = "".join(f"<th>{escape(column)}</th>" for column in head)
    return f"<table><tr>{columns}</tr>{''.join(map(row, rows))}</table>"


def _bars(groups: Breakdown) -> str:
    """Return an SVG plot of the means by group, a bar for each ranking, with a line of two errors in each direction."""
    names = list(next(iter(groups.values())))
    colors = dict(zip(names, COLORS.values(), strict=False))
    step, bars = 20 * len(names) + 45, []
    for group, (label, row) in enumerate(groups.items()):
        for index, (name, (mean, error)) in enumerate(row.items()):
            x, top = 40 + group * step + 20 * index, 160 - 140 * mean
            low, high = (160 - 140 * min(max(mean + sign * 2 * (error or 0.0), 0.0), 1.0) for sign in (-1, 1))
            bars.append(
                f'<rect x="{x}" y="{top:.1f}" width="16" height="{140 * mean:.1f}" fill="{colors[name]}">'
                f"<title>{escape(f'{label}, {name}: {mean:.4f}')}</title></rect>"
                f'<path d="M{x + 8} {low:.1f}V{high:.1f}" stroke="#222"/>'
            )
        x = 40 + group * step + 10 * len(names)
        words = "".join(f'<tspan x="{x}" dy="14">{escape(word)}</tspan>' for word in label.rstrip(")").split(" (", 1))
        bars.append(f'<text x="{x}" y="162" text-anchor="middle" font-size="11">{words}</text>')
    scale = "".join(
        f'<path d="M36 {160 - 140 * share}H{40 + step * len(groups)}" stroke="#ddd"/>'
        f'<text x="32" y="{164 - 140 * share}" text-anchor="end" font-size="11">{share:g}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    width, label = 60 + step * len(groups), escape(", ".join(names))
    return (
        f'<figure><svg width="{width}" height="195" role="img" aria-label="{label}">'
        f"{scale}{''.join(bars)}</svg><figcaption>{_legend(colors)}</figcaption></figure>"
    )


def _legend(colors: Mapping[str, str]) -> str:
    return " ".join(f'<span style="color:{color}">&#9632; {escape(name)}</span>' for name, color in colors.items())


def curve_plots(model: Model, errors: Mapping[str, Sequence[float]] = NO_ERRORS) -> str:
    """Return an SVG figure for each signal, with a line for all viewers and a line for each stage with offsets.

    `errors` are standard errors at the knots of the curves for all viewers. They are drawn as 90 % confidence bands.
    """
    models = {stage: model.for_stage(stage) for stage in ViewerStage if stage in model.offsets}
    legend = _legend({name: COLORS[name] for name in ("everybody", *models)})
    figures = "".join(
        _figure(
            signal,
            {"everybody": curve} | {stage.value: m.curves[signal] for stage, m in models.items()},
            Curve(curve.xs, tuple(errors.get(signal, (0.0,) * len(curve.xs)))),
        )
        for signal, curve in model.curves.items()
    )
    return f"<p>{legend}</p>{figures}"


def _figure(signal: Signal, lines: Mapping[str, Curve], errors: Curve) -> str:
    xs = np.unique(np.concatenate([curve.xs for curve in lines.values()]))
    heights = {name: curve(xs) for name, curve in lines.items()}
    bounds = [heights["everybody"] + sign * BAND * errors(xs) for sign in (1.0, -1.0)]
    low = min(0.0, *(float(ys.min()) for ys in (*heights.values(), *bounds)))
    high = max(0.0, *(float(ys.max()) for ys in (*heights.values(), *bounds)))
    x_pixels = 10 + 200 * (xs - xs[0]) / (float(xs[-1] - xs[0]) or 1.0)
    scale = 100 / ((high - low) or 1.0)

    def points(x_pixels: Floats, ys: Floats) -> str:
        y_pixels = 110 - scale * (ys - low)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(x_pixels.tolist(), y_pixels.tolist(), strict=True))

    outline = points(np.concatenate([x_pixels, x_pixels[::-1]]), np.concatenate([bounds[0], bounds[1][::-1]]))
    band = f'<polygon points="{outline}" fill="{COLORS["everybody"]}" opacity=".2"/>' if any(errors.ys) else ""
    polylines = band + "".join(
        f'<polyline points="{points(x_pixels, heights[name])}" fill="none" stroke="{COLORS[name]}" stroke-width="2"/>'
        for name in reversed(heights)
    )
    return (
        f'<figure><svg width="220" height="120" role="img" aria-label="{escape(signal)}">'
        f'<path d="M10 {110 + scale * low:.1f}H210" stroke="#bbb"/>{polylines}</svg>'
        f"<figcaption>{escape(signal)}<br>{xs[0]:.3g} to {xs[-1]:.3g}, {low:+.2f} to {high:+.2f}</figcaption></figure>"
    )
