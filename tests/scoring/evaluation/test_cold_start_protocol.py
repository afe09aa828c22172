"""Histories are truncated to their last interactions."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.errors import InsufficientData
from scoring.evaluation.cold_start_protocol import HISTORY_LENGTHS, POPULAR, evaluate_cold_start, truncate_history
from scoring.evaluation.html_reports import evaluation_html
from scoring.evaluation.protocols import FITTED, Options
from scoring.mathematics.behavior_evidence import EventLog
from tests.scoring.evaluation.test_replay import a_dataset, quiet


def test_truncation_keeps_the_last_events_before_a_moment_and_all_later_ones():
    log = EventLog.from_events(np.array([0, 0, 0, 1, 0, 1]), np.array([0, 1, 2, 3, 4, 5]), np.arange(6.0), 2, 6)
    for cut, kept in ((0, [3, 4, 5]), (1, [2, 3, 4, 5]), (2, [1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5])):
        assert truncate_history(log, np.array([0]), np.array([4.0]), cut).projects.tolist() == kept
    both = truncate_history(log, np.array([0, 1]), np.array([4.0, 9.0]), 1)
    assert both.projects.tolist() == [2, 4, 5]


def test_an_empty_history_ranks_above_popular_and_the_curve_rises_with_the_number_of_interactions():
    results = evaluate_cold_start(a_dataset(days=40, people=30), Options(floor=1), quiet)
    curve = results.facts["by interactions"]
    assert isinstance(curve, dict)
    assert list(curve) == list(HISTORY_LENGTHS)
    assert 0.0 < curve[0]["difference"] < curve[10]["difference"]
    assert curve[10]["probability better"] > 0.9
    assert {str(row["name"]) for row in results.summary()} == {FITTED, POPULAR}
    assert "by interactions" in evaluation_html(results, 0)


def test_viewers_with_few_interactions_or_no_times_are_refused():
    with pytest.raises(InsufficientData, match="viewers of 10 interactions"):
        evaluate_cold_start(a_dataset(days=3, people=3), Options(), quiet)
    dataset = a_dataset(days=5)
    log = dataset.log
    timeless = replace(
        dataset, log=EventLog.from_events(log.actors, log.projects, log.at_s * 0, log.n_actors, log.n_projects)
    )
    with pytest.raises(InsufficientData, match="has no times"):
        evaluate_cold_start(timeless, Options(), quiet)
