"""The replayed page: only candidates of the sources, one owner not too often, and a share of ranks explored."""

from dataclasses import replace

import numpy as np

from scoring import tunables
from scoring.replay.dataset import Dataset
from scoring.replay.measurements import served_scorer
from scoring.replay.replayed_requests import Replay, ReplayedRequest, feed_requests, replay_requests
from tests.scoring.evaluation.test_replay import a_dataset, quiet


def a_request(dataset: Dataset) -> ReplayedRequest:
    requests = feed_requests(dataset)
    last = requests.select(np.array([requests.n - 1]))
    return next(replay_requests(Replay(dataset, 1), last, quiet, ""))


def page_of(request: ReplayedRequest, dataset: Dataset, share: float) -> list[int]:
    scorer = served_scorer(lambda request, _matrix: request.projects * 1e6, dataset, share)
    return request.projects[np.argsort(-scorer(request, np.empty(0)))].tolist()


def test_candidates_are_ranked_by_score_and_all_others_follow_from_new_to_old():
    dataset = a_dataset()
    request = a_request(dataset)
    request = replace(request, from_sources=request.projects[::2])
    page = page_of(request, dataset, share=0.0)
    n = request.from_sources.size
    assert page[:n] == sorted(request.from_sources.tolist(), reverse=True)
    assert page[n:] == sorted(page[n:], key=lambda project: -dataset.created_s[project])
    assert sorted(page) == request.projects.tolist()


def test_exploration_takes_one_rank_in_twenty_and_leaves_the_first_ones():
    dataset = a_dataset()
    request = replace(a_request(dataset), from_sources=np.arange(dataset.log.n_projects))
    by_score, page = page_of(request, dataset, 0.0), page_of(request, dataset, 0.05)
    assert page[: tunables.MIN_EXPLORATION_RANK] == by_score[: tunables.MIN_EXPLORATION_RANK]
    assert page != by_score
    assert sorted(page) == sorted(by_score)


def test_an_owner_fills_no_page():
    dataset = a_dataset()
    owned = replace(dataset, owners=np.where(np.arange(dataset.log.n_projects) % 2, 5, -1))
    request = a_request(dataset)
    page = page_of(replace(request, from_sources=request.projects), owned, 0.0)
    assert sum(owned.owners[project] == 5 for project in page[:10]) == tunables.MAX_SAME_OWNER


def test_own_projects_are_neither_candidates_nor_relevant():
    dataset = a_dataset()
    owned = replace(dataset, owners=np.zeros(dataset.log.n_projects, np.int64))  # all belong to actor 0
    assert 0 in feed_requests(dataset).actors
    assert 0 not in feed_requests(owned).actors
    assert Replay(owned, 1).candidates_for(0, float(dataset.log.at_s[-1])).size == 0
