"""The known baselines recommend what similar people engaged with, and learn from earlier events only."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from scoring.evaluation.known_baselines import known_baselines, learn_als, learn_ease
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.neighbors import EASE_PENALTY
from scoring.replay.replayed_requests import Replay, feed_requests, replay_requests
from tests.scoring.evaluation.test_replay import a_dataset, quiet

TASTES = np.kron(np.eye(2), np.ones((30, 4)))
"""Thirty people engaged with the projects 0 to 3, thirty others with 4 to 7."""
TASTES[0, 3] = TASTES[30, 7] = 0.0


@pytest.mark.parametrize("learn", [learn_ease, lambda matrix: learn_als(matrix, 0)])
def test_a_viewer_gets_the_projects_of_people_with_the_same_taste(learn):
    scores = learn(sparse.csr_array(TASTES))(np.array([0, 1]))
    assert scores[[2, 3]].min() > 2 * np.abs(scores[4:]).max()
    assert learn(sparse.csr_array(TASTES))(np.empty(0, np.int64)) == pytest.approx(np.zeros(8))


def test_ease_is_the_regression_of_each_project_on_the_others():
    matrix = np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
    scores = learn_ease(sparse.csr_array(matrix))(np.array([0, 2]))
    # The weights of project 1 minimize |x1 - x0 w0 - x2 w2|² + penalty |w|².
    others = matrix[:, [0, 2]]
    weights = np.linalg.solve(others.T @ others + EASE_PENALTY * np.eye(2), others.T @ matrix[:, 1])
    assert scores[1] == pytest.approx(weights.sum())


def test_als_is_the_same_for_a_seed():
    matrix, history = sparse.csr_array(TASTES), np.array([0])
    assert np.array_equal(learn_als(matrix, 1)(history), learn_als(matrix, 1)(history))


def test_later_events_change_no_score():
    dataset = a_dataset(days=20)
    requests, log = feed_requests(dataset).select(np.arange(60, 64)), dataset.log
    n_past = log.count_before(float(requests.at_s[-1]))
    cut = EventLog(log.actors[:n_past], log.projects[:n_past], log.at_s[:n_past], log.n_actors, log.n_projects)
    for name in ("EASE", "ALS"):
        scores = [
            known_baselines(part, 0)[name](
                list(replay_requests(Replay(replaced, 1), requests, quiet, ""))[-1], np.empty(0)
            )
            for part, replaced in ((log, dataset), (cut, replace(dataset, log=cut)))
        ]
        assert np.array_equal(*scores)
        assert scores[0].any()
