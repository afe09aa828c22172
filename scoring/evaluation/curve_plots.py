"""Curves as SVG: one small figure for a signal, with a line for everybody and one for each stage that differs."""

from collections.abc import Mapping
from html import escape

import numpy as np

from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.weights import Signal

COLOURS: Mapping[str, str] = {
    "everybody": "#4a7fb5",
    ViewerStage.NEW: "#c0504d",
    ViewerStage.QUIZ: "#9b6fb0",
    ViewerStage.LIGHT: "#e0963c",
    ViewerStage.HEAVY: "#5a9a5a",
}


def curve_plots(model: Model) -> str:
    """Draw every curve of a model, with a legend if stages differ."""
    legend = "".join(
        f'<span style="color:{COLOURS[name]}">&#9632; {escape(name)}</span> '
        for name in ("everybody", *(stage for stage in ViewerStage if stage in model.offsets))
    )
    staged = {stage: model.at(stage) for stage in model.offsets}
    figures = "".join(
        _figure(signal, {"everybody": curve} | {stage.value: at.curves[signal] for stage, at in staged.items()})
        for signal, curve in model.curves.items()
    )
    return f"<p>{legend}</p>{figures}"


def _figure(signal: Signal, lines: Mapping[str, Curve]) -> str:
    xs = np.unique(np.concatenate([curve.xs for curve in lines.values()]))
    heights = {name: curve(xs) for name, curve in lines.items()}
    low = min(0.0, *(float(ys.min()) for ys in heights.values()))
    high = max(0.0, *(float(ys.max()) for ys in heights.values()))
    wide, tall = float(xs[-1] - xs[0]) or 1.0, (high - low) or 1.0

    def line(name: str) -> str:
        places = " ".join(
            f"{10 + 200 * (x - xs[0]) / wide:.1f},{110 - 100 * (y - low) / tall:.1f}"
            for x, y in zip(xs.tolist(), heights[name].tolist(), strict=True)
        )
        return f'<polyline points="{places}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>'

    zero = 110 - 100 * (0.0 - low) / tall
    drawn = "".join(line(name) for name in reversed(list(lines)))
    return (
        f'<figure><svg width="220" height="120" role="img" aria-label="{escape(signal)}">'
        f'<path d="M10 {zero:.1f}H210" stroke="#bbb"/>{drawn}</svg>'
        f"<figcaption>{escape(signal)}<br>{xs[0]:.3g} to {xs[-1]:.3g}, {low:+.2f} to {high:+.2f}</figcaption></figure>"
    )
