"""A replay uses no future events, is deterministic for a seed, and refuses data that it cannot measure."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db.time_units import DAY_S
from scoring.errors import InsufficientData
from scoring.evaluation.html_reports import evaluation_html
from scoring.evaluation.protocols import FITTED, Options, evaluate_feed_requests, evaluate_leave_last, evaluate_random
from scoring.evaluation.trending_protocol import evaluate_trending
from scoring.mathematics.behavior_evidence import EventLog
from scoring.mathematics.behavior_signals import behavior_matrix
from scoring.mathematics.ranking_metrics import (
    clustered_standard_error,
    ndcg,
    probability_better,
    ranks_of_relevant,
    recall,
)
from scoring.replay.dataset import Dataset, load_dataset
from scoring.replay.replayed_requests import Replay, feed_requests, replay_requests

START_S = 1_700_000_000.0 // DAY_S * DAY_S


def a_dataset(days: int = 24, people: int = 16, seed: int = 0) -> Dataset:
    """Two tastes and six new projects a day; people read some projects of their taste, mostly on the first day."""
    rng = np.random.default_rng(seed)
    created = np.repeat(START_S + np.arange(days) * DAY_S, 6) + rng.random(days * 6) * DAY_S / 2
    taste = np.arange(created.size) % 2
    actors, projects, at_s = [], [], []
    for person in range(people):
        for project in range(created.size):
            if rng.random() < (0.5 if taste[project] == person % 2 else 0.05):
                actors.append(person)
                projects.append(project)
                at_s.append(created[project] + 60 + rng.exponential(0.7 * DAY_S))
    log = EventLog.from_events(np.array(actors), np.array(projects), np.array(at_s), people, created.size)
    return Dataset(
        name="made up",
        created_s=created,
        owners=np.full(created.size, -1),
        log=log,
        likes=log,
        interests_s=np.full(people, np.inf),
    )


def quiet(_what: str, _share: float) -> None:
    """Show nothing."""


def test_a_planted_future_event_changes_no_signal_of_an_earlier_request():
    dataset = a_dataset(days=20)
    requests = feed_requests(dataset).select(np.arange(60, 66))
    until = float(requests.at_s[-1])
    log = dataset.log
    # Everybody touches everything right at and after the last request: a leak would show in any of the signals.
    everybody, everything = (part.ravel() for part in np.meshgrid(np.arange(log.n_actors), np.arange(log.n_projects)))
    planted = EventLog.from_events(
        np.concatenate([log.actors, everybody]),
        np.concatenate([log.projects, everything]),
        np.concatenate([log.at_s, np.full(everybody.size, until)]),
        log.n_actors,
        log.n_projects,
    )
    honest = [behavior_matrix(one.evidence) for one in replay_requests(Replay(dataset, 1), requests, quiet, "")]
    knowing = Replay(replace(dataset, log=planted), 1)
    leaking = [behavior_matrix(one.evidence) for one in replay_requests(knowing, requests, quiet, "")]
    for before, after in zip(honest, leaking, strict=True):
        assert np.array_equal(before, after)


def test_the_leak_test_would_catch_a_leak():
    dataset = a_dataset(days=20)
    requests = feed_requests(dataset).select(np.arange(60, 61))
    log = dataset.log
    earlier = EventLog.from_events(log.actors, log.projects, log.at_s - DAY_S, log.n_actors, log.n_projects)
    (honest,), (leaking,) = (
        [behavior_matrix(one.evidence) for one in replay_requests(Replay(data, 1), requests, quiet, "")]
        for data in (dataset, replace(dataset, log=earlier))
    )
    assert honest.shape != leaking.shape or not np.array_equal(honest, leaking)


def test_a_request_is_the_first_new_project_of_a_day_and_what_follows_on_it_is_relevant():
    created = np.full(9, START_S - DAY_S)
    created[8] = START_S + 10 * DAY_S + 50  # made after the request
    at_s = np.array([*(START_S + n * DAY_S for n in range(5)), *(START_S + 10 * DAY_S + n * 100 for n in range(4))])
    log = EventLog.from_events(np.zeros(9, np.int64), np.arange(9), at_s, 1, 9)
    dataset = replace(a_dataset(days=1), log=log, created_s=created, owners=np.full(9, -1))
    requests = feed_requests(dataset)
    assert requests.at_s.tolist() == [START_S + 10 * DAY_S]
    assert requests.relevant[0].tolist() == [5, 6, 7]


def test_the_same_seed_gives_the_same_numbers_and_the_model_beats_baselines():
    dataset = a_dataset()
    first, second = (evaluate_feed_requests(dataset, Options(seed=3, floor=1), quiet) for _ in range(2))
    assert first.summary(3) == second.summary(3)
    rows = {str(row["name"]): row for row in first.summary(3)}
    assert rows[FITTED]["ndcg@10"] > rows["newest"]["ndcg@10"]
    assert rows[FITTED]["ndcg@10"] > rows["baseline weights"]["ndcg@10"]
    page = evaluation_html(first, 3)
    assert page.count("<svg") > 5
    assert "http" not in page
    assert "<script" not in page


def test_static_and_trending_protocols_give_metrics():
    dataset = a_dataset()
    static = evaluate_random(dataset, Options(floor=1), quiet, rounds=1)
    rows = {str(row["name"]): float(str(row["ndcg@10"])) for row in static.summary()}
    assert rows[FITTED] > rows["popular"]
    assert 'aria-label="ease"' in evaluation_html(static, 0), (
        "its curves are drawn, those of signals that are not served too"
    )
    assert evaluate_trending(dataset, Options(), quiet).summary()[0]["ndcg@10"]
    assert evaluate_leave_last(dataset, Options(with_single_signals=False), quiet).viewers.size


@pytest.mark.parametrize("evaluate", [evaluate_feed_requests, evaluate_leave_last])
def test_a_log_without_times_is_refused(evaluate):
    dataset = a_dataset(days=5)
    log = dataset.log
    timeless = replace(
        dataset, log=EventLog.from_events(log.actors, log.projects, log.at_s * 0, log.n_actors, log.n_projects)
    )
    with pytest.raises(InsufficientData, match="has no times"):
        evaluate(timeless, Options(), quiet)


def test_one_user_or_no_positives_are_refused():
    lonely = a_dataset(days=3, people=1)
    with pytest.raises(InsufficientData, match="requests to fit on"):
        evaluate_feed_requests(lonely, Options(), quiet)
    nothing = replace(lonely, log=EventLog.from_events(*(np.empty(0, np.int64) for _ in range(2)), np.empty(0), 1, 18))
    with pytest.raises(InsufficientData, match="0 positives"):
        evaluate_random(nothing, Options(), quiet)
    with pytest.raises(InsufficientData, match="has no times"):
        evaluate_feed_requests(nothing, Options(), quiet)


def test_repeated_events_of_a_folder_count_once(tmp_path: Path):
    def write(kind: str, *records: dict[str, object]) -> None:
        with gzip.open(tmp_path / f"{kind}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    write("projects", {"key": "a", "title": "A", "type": "article", "topics": ["x"]})
    write("users", {"key": "u", "username": "u"})
    event = {"user": "u", "project": "a", "type": "view"}
    write("interactions", event | {"at": "2024-01-02T00:00:00Z"}, event | {"at": "2024-01-01T00:00:00Z"})
    dataset = load_dataset(tmp_path)
    assert dataset.log.at_s.tolist() == [1_704_067_200.0]
    assert dataset.created_s.tolist() == [1_704_067_200.0]  # its first event


def test_ranks_and_gains_by_hand():
    ranks = ranks_of_relevant(np.array([5.0, 3.0, 3.0, 1.0]), np.array([0, 3]))
    assert ranks.tolist() == [0, 3]
    assert recall(ranks, 2, 2) == 0.5
    assert ndcg(ranks, 2) == pytest.approx((1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3)))
    assert ranks_of_relevant(np.zeros(4), np.array([2])).tolist() == [1]  # all tied: the middle


def test_errors_are_clustered_by_viewer_and_a_constant_gain_is_certain():
    values, viewers = np.array([1.0, 1.0, 0.0, 0.0]), np.array([7, 7, 8, 8])
    assert clustered_standard_error(values, viewers) == pytest.approx(np.sqrt(1.0 + 1.0) / 4)
    assert probability_better(values + 0.1, values, viewers, seed=0) == 0.5, "two viewers prove nothing"
    many, fives = np.tile(values, 5), np.repeat(np.arange(5), values.size)
    assert probability_better(many + 0.1, many, fives, seed=0) == 1.0
    assert probability_better(many, many, fives, seed=0) == 0.0
