"""Standard errors of fitted curves, for the confidence bands of their plots.

The errors are those of the Laplace approximation: the inverse of the second derivative of the penalized loss, at the
fitted heights. Constraints on shapes are left out, so the bands of constrained curves are too wide rather than narrow.
"""

import numpy as np
from scipy import sparse

from scoring.mathematics.additive_model import Model
from scoring.mathematics.curve_fitting import CandidateLists, hat_basis, heights_penalty, softmax_losses
from scoring.mathematics.model_fitting import OPTIONS, SCALE
from scoring.mathematics.signals import Floats, Signal

MAX_LISTS = 300
"""Maximum number of lists from which the second derivative is computed, evenly spaced, and then scaled to all."""


def curve_errors(model: Model, lists: CandidateLists, signals: tuple[Signal, ...]) -> dict[Signal, Floats]:
    """Return for each fitted signal the standard errors of its common curve at its knots, in units of score.

    A curve is 0 without evidence, so the error is that of the difference from the height at the value 0.
    """
    fitted = [signal for signal in signals if signal in model.curves]
    n = lists.n
    sample = lists.select(np.isin(np.arange(n), np.linspace(0, n - 1, min(n, MAX_LISTS)).astype(int)))
    sample = sample.select_columns([signals.index(signal) for signal in fitted])
    curves = [model.curves[signal] for signal in fitted]
    knots = [np.array(curve.xs) for curve in curves]
    design = hat_basis(sample.values, knots)
    heights = np.concatenate([curve.ys for curve in curves]) / SCALE
    _, probabilities = softmax_losses(sample, np.zeros(sample.relevant.size), design @ heights)
    weighted = sparse.diags_array(np.sqrt(probabilities)) @ design
    rows = np.arange(probabilities.size)
    means = sparse.csr_array((probabilities, rows, sample.starts), shape=(sample.n, rows.size)) @ design
    information = (weighted.T @ weighted - means.T @ means).toarray() * n / sample.n
    covariance = np.linalg.inv(information + n * heights_penalty([xs.size for xs in knots], OPTIONS, n).toarray())
    errors, first = {}, 0
    for signal, curve, xs in zip(fitted, curves, knots, strict=True):
        part = covariance[first : first + xs.size, first : first + xs.size]
        contrast = np.eye(xs.size) - hat_basis(np.zeros((1, 1), np.float32), [xs]).toarray()
        errors[signal] = SCALE * np.sqrt(np.maximum(np.diag(contrast @ part @ contrast.T), 0.0))
        first += len(curve.xs)
    return errors
