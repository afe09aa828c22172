"""Methods of collaborative filtering that users know, as baselines: EASE and ALS, relearned in a replay."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from db.time_units import DAY_S
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.neighbors import MAX_EASE_PROJECTS, ease_weights, interaction_matrix
from scoring.mathematics.signals import Floats, Integers
from scoring.replay.measurements import Score
from scoring.replay.replayed_requests import ReplayedRequest

ALS_FACTORS, ALS_ITERATIONS, ALS_PENALTY, ALS_CONFIDENCE = 40, 8, 10.0, 10.0
REBUILD_DAYS = 7.0

Recommend = Callable[[Integers], Floats]
"""Function from the projects of a history to the scores of all projects."""


def known_baselines(log: EventLog, seed: int) -> dict[str, Score]:
    """Return the scorers by name. They learn from all events before a request, again after `REBUILD_DAYS`."""
    return {
        "EASE": _RelearnedScorer(log, learn_ease),
        "ALS": _RelearnedScorer(log, lambda interactions: learn_als(interactions, seed)),
    }


class _RelearnedScorer:
    def __init__(self, log: EventLog, learn: Callable[[sparse.csr_array], Recommend]) -> None:
        self._log, self._learn = log, learn
        self._due_s = -np.inf

    def __call__(self, request: ReplayedRequest, _matrix: Floats) -> Floats:
        if request.at_s >= self._due_s:
            log, n_events = self._log, self._log.count_before(request.at_s)
            events = log.actors[:n_events], log.projects[:n_events]
            self._recommend = self._learn(interaction_matrix(*events, log.n_actors, log.n_projects))
            self._due_s = request.at_s + REBUILD_DAYS * DAY_S
        return self._recommend(request.evidence.engagements.projects)[request.projects]


def learn_ease(interactions: sparse.csr_array) -> Recommend:
    """Learn EASE (Steck, 2019) by dense matrices; all scores are 0 above `MAX_EASE_PROJECTS` projects."""
    n = interactions.shape[1]
    if n > MAX_EASE_PROJECTS:
        return lambda _history: np.zeros(n)
    weights, _ = ease_weights(interactions)
    return lambda history: weights[history].sum(axis=0)


def learn_als(interactions: sparse.csr_array, seed: int) -> Recommend:
    """Learn factors by alternating least squares with confidences (Hu, Koren & Volinsky, 2008).

    The factors of a viewer are computed from the history, so that they are as recent as those of the other rankings.
    """
    by_project = interactions.T.tocsr()
    projects = np.random.default_rng(seed).normal(0.0, 0.1, (interactions.shape[1], ALS_FACTORS))
    for _ in range(ALS_ITERATIONS):
        actors = _least_squares(interactions, projects)
        projects = _least_squares(by_project, actors)
    gram = _gram(projects)
    return lambda history: projects @ _solve(gram, projects[history])


def _least_squares(interactions: sparse.csr_array, others: Floats) -> Floats:
    """Return the factors of each row of the matrix, given the factors of its columns."""
    gram, starts = _gram(others), interactions.indptr
    rows = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    return np.array([_solve(gram, others[interactions.indices[first:last]]) for first, last in rows])


def _gram(factors: Floats) -> Floats:
    return factors.T @ factors + ALS_PENALTY * np.eye(ALS_FACTORS)


def _solve(gram: Floats, engaged: Floats) -> Floats:
    return np.linalg.solve(gram + ALS_CONFIDENCE * engaged.T @ engaged, (1.0 + ALS_CONFIDENCE) * engaged.sum(axis=0))
