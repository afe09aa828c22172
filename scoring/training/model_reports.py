"""Every kept model as one self-contained HTML page: how it was made and judged, and a plot of each of its curves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from db.trained_models.ranking_models import StoredModel
from scoring.errors import InvalidModel
from scoring.evaluation.curve_plots import curve_plots
from scoring.evaluation.html_reports import STYLE
from scoring.models.model_presets import from_data


def models_html(models: Sequence[StoredModel]) -> str:
    """Write the page, the latest model first."""
    told = "".join(_section(one) for one in models) or "<p>No model was trained or chosen yet.</p>"
    title = "Ranking models"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1>{told}</html>\n"
    )


def _section(model: StoredModel) -> str:
    report = model.report
    facts = {
        "made": f"{model.created_at:%Y-%m-%d %H:%M} UTC",
        "learned from": report.get("learned from"),
        "fitted on": _window(report.get("fitted")),
        "judged on": _window(report.get("judged")),
        "became": report.get("because"),
        "a fault of the one in service": report.get("fault"),
    }
    listed = "".join(f"<li>{escape(name)}: {escape(str(fact))}</li>" for name, fact in facts.items() if fact)
    try:
        plots = curve_plots(from_data(model.name, model.curves))
    except InvalidModel as error:
        plots = f"<p>{escape(str(error))}</p>"
    serves = " (in service)" if model.is_active else ""
    return f"<h2>{escape(model.name)}{serves}</h2><ul>{listed}</ul>{_figures(report)}{plots}"


def _window(window: Mapping[str, Any] | None) -> str | None:
    if not window:
        return None
    since, until = (datetime.fromtimestamp(window[name], UTC) for name in ("from_s", "until_s"))
    return f"{window['requests']} requests, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def _figures(report: Mapping[str, Any]) -> str:
    measured: Mapping[str, float] = report.get("ndcg@10", {})
    errors = report.get("error", {})
    rows = "".join(
        f"<tr{' class=velocity_score' if way == 'new' else ''}><td>{escape(way)}</td>"
        f"<td>{value:.4f} ± {errors.get(way, 0.0):.4f}</td></tr>"
        for way, value in sorted(measured.items(), key=lambda pair: -pair[1])
    )
    return f"<table><tr><th>ranking</th><th>NDCG@10</th></tr>{rows}</table>" if rows else ""
