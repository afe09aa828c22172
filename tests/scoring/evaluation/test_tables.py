"""Tables of results name what was not computed, and group quality by viewer, activity and age."""

import csv

import numpy as np
import pytest

from scoring.evaluation.html_reports import evaluation_html
from scoring.evaluation.protocols import FITTED, Options, evaluate_feed_requests
from scoring.evaluation.results import EvaluationResults
from scoring.evaluation.tables import as_csv, as_markdown
from scoring.replay.measurements import RankingMetrics
from tests.scoring.evaluation.test_replay import a_dataset, quiet


def measured(*lists: list[float]) -> RankingMetrics:
    metrics = RankingMetrics()
    for scores in lists:
        metrics.add(np.array(scores), np.array([0]), np.arange(len(scores)), np.zeros(len(scores)))
    return metrics


RESULTS = EvaluationResults(
    "made up",
    "a|b",
    {"good": measured([3.0, 2.0, 1.0], [3.0, 1.0, 1.0]), "tied": measured([0.0] * 3, [1.0] * 3)},
    "good",
    np.array([0, 1]),
    3,
    {"by hand": {"one": (1, 2), "two": "not computed"}, "a fact": 7},
    breakdowns={"by <age>": {"young (2 requests)": {"good": (0.75, 0.1)}}},
)


def test_a_ranking_without_different_scores_is_said_to_be_not_computed():
    good, tied = RESULTS.summary()
    assert (good["name"], good["ndcg@10"], good["difference"]) == ("good", 1.0, 0.0)
    assert tied == {"name": "tied"} | dict.fromkeys(good.keys() - {"name"})
    markdown = as_markdown(RESULTS, 0).splitlines()
    assert "| **good** | **1.0000 ± 0.0000** |" in markdown[4]
    assert markdown[5].startswith("| tied | not computed |")
    assert markdown[-4:] == ["| one | 1 | 2 |", "| two | not computed |  |", "", "- a fact: 7"]
    rows = list(csv.DictReader(as_csv(RESULTS, 0).splitlines()))
    assert [row["ndcg@10"] for row in rows] == ["1.0", ""]


def test_a_page_draws_each_breakdown():
    page = evaluation_html(RESULTS, 0)
    assert page.count("<rect") == 1
    assert "by &lt;age&gt;" in page
    assert 'height="105.0"' in page, "a mean of .75 of 140 pixels"
    assert "0.7500 ± 0.1000" in page


def test_breakdowns_cover_all_requests_and_their_mean_is_that_of_the_table():
    results = evaluate_feed_requests(a_dataset(), Options(floor=1, with_single_signals=False), quiet)
    whole = next(row for row in results.summary() if row["name"] == FITTED)
    requests = results.measured[FITTED].values.shape[0]
    for title in ("NDCG@10 by stage of the viewer", "NDCG@10 by earlier projects of the viewer"):
        counts = {label: int(label.split("(")[1].split()[0]) for label in results.breakdowns[title]}
        assert sum(counts.values()) == requests
        mean = sum(counts[label] * row[FITTED][0] for label, row in results.breakdowns[title].items()) / requests
        assert mean == pytest.approx(whole["ndcg@10"], abs=1e-4)
    by_age = results.breakdowns["share found in the first 10, by age of the engaged project"]
    assert {label.split(" (")[0] for label in by_age} <= {
        "under 1 h",
        "1 to 6 h",
        "6 to 24 h",
        "1 to 3 days",
        "3 to 7 days",
    }
    assert {"EASE", "ALS", "item-kNN", "popular"} <= {row["name"] for row in results.summary()}
