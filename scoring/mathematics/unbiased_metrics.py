"""What a model makes of candidate lists, and what that is worth where choices were made at places."""

import numpy as np

from scoring.mathematics.additive_model import Model, scores
from scoring.mathematics.curve_fitting import CandidateLists
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.weights import Signal

DEPTH = 10


def score_lists(model: Model, lists: CandidateLists, signals: tuple[Signal, ...]) -> Integers:
    """Score every row as the model ranks at the stage of its viewer; a signal that is no column is 0."""
    column = {signal: index for index, signal in enumerate(signals)}
    stages = np.repeat(lists.stages, np.diff(lists.starts))
    made = np.zeros(stages.size, dtype=np.int64)
    for index, stage in enumerate(ViewerStage):
        rows = np.flatnonzero(stages == index)
        nothing = np.zeros(rows.size)
        read = [lists.values[rows, column[one]] if one in column else nothing for one in model.signals]
        made[rows] = scores(model.at(stage).contributions(np.column_stack(read).astype(np.float64)))
    return made


def unbiased_ndcg(lists: CandidateLists, score: Floats, chances: Floats, seed: int) -> Floats:
    """Give the (lists,) NDCG@10, in which a choice counts the more the less likely its place was to be looked at.

    Without this a model would be praised for every project that the one in service had put first (inverse propensity
    weighting; Joachims, Swaminathan & Schnabel, 2017). A row that stands for several candidates takes as many ranks.

    Parameters
    ----------
    score, chances
        (rows,) what is ranked by, and how likely each row's place was to be looked at. Equals stand in a drawn order.
    """
    drawn = np.random.default_rng(seed).random(score.size)
    gains = np.where(lists.relevant, 1.0 / chances, 0.0)
    values = np.empty(lists.n)
    for index, (first, last) in enumerate(zip(lists.starts[:-1], lists.starts[1:], strict=True)):
        order = first + np.lexsort((drawn[first:last], -score[first:last]))
        above = np.cumsum(lists.weight[order]) - lists.weight[order]
        within = above < DEPTH
        best = np.sort(gains[first:last])[::-1][:DEPTH]
        ideal = float(best @ (1.0 / np.log2(np.arange(best.size) + 2.0)))
        values[index] = float((gains[order][within] / np.log2(above[within] + 2.0)).sum()) / ideal
    return values
