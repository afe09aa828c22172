"""Recall of the candidate sources, by hand and in a replay."""

import numpy as np

from scoring.evaluation.protocols import AS_SERVED, FITTED, Options, evaluate_feed_requests
from scoring.evaluation.results import SourceRecall
from scoring.pipelines.candidate_sources import CandidateSource
from scoring.replay.log_candidate_sources import LOG_SOURCES
from tests.scoring.evaluation.test_replay import a_dataset, quiet


def test_a_source_adds_the_recall_that_the_others_miss():
    reach = SourceRecall()
    brought = {CandidateSource.NEWEST: np.array([1, 2]), CandidateSource.POPULAR: np.array([2, 3, 4])}
    reach.add(7, brought, np.array([1, 2, 3, 9]))
    facts = reach.facts()
    assert facts["recall of the candidates"] == "0.7500"
    assert facts["candidates a request"] == 4
    sources = facts["sources"]
    assert isinstance(sources, dict)
    assert [sources["newest"][name] for name in ("candidates", "recall alone", "adds")] == [2, "0.5000", 0.25]
    assert sources["popular"]["recall of all others"] == "0.5000"
    assert "near" in str(facts["sources that a log cannot feed"])


def test_a_replay_reports_the_recall_of_candidates_and_the_share_of_new_viewers():
    results = evaluate_feed_requests(a_dataset(), Options(floor=1, with_single_signals=False), quiet)
    rows = {str(row["name"]): float(str(row["ndcg@10"])) for row in results.summary()}
    assert 0.9 * rows[FITTED] < rows[AS_SERVED] <= rows[FITTED]  # the sources bring all 144 projects; some are explored
    sources = results.facts["sources"]
    assert isinstance(sources, dict)
    assert set(sources) == {one.value for one in LOG_SOURCES}
    assert results.facts["share of new viewers"] == 0.0
