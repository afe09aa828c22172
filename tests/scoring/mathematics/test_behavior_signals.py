"""The behavior signals, with numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from db.time_units import DAY_S, HOUR_S, MIN_COUNTED_ACTORS
from scoring import tunables
from scoring.mathematics import neighbors
from scoring.mathematics.behavior_evidence import (
    NO_INTERACTIONS,
    BehaviorEvidence,
    EventLog,
    FirstInteractions,
    History,
    NeighborKind,
    NeighborLinks,
    PlatformActivity,
    count_same_owner,
)
from scoring.mathematics.behavior_signals import (
    actor_rate,
    actors_within,
    age,
    events_since_creation,
    item_neighbor_score,
    item_neighbors_mean,
    new_since_visit,
    session_neighbors,
    taste_cluster_mean,
    taste_cluster_recent,
    taste_cluster_sum,
    user_factors_mean,
    user_factors_recent,
    user_factors_sum,
    user_neighbor_score,
)
from scoring.mathematics.neighbors import (
    ease_neighbors,
    interaction_matrix,
    item_neighbors,
    learn_factors,
    user_neighbors,
)

NOW_S = 1_000_000.0


def interactions(rows: list[int], similarity: list[float], hours_ago: float = 0.0) -> FirstInteractions:
    n = len(rows)
    return FirstInteractions(np.array(rows), np.arange(n), np.array(similarity), np.full(n, NOW_S - hours_ago * HOUR_S))


NOTHING = BehaviorEvidence(
    at_s=NOW_S,
    created_s=np.array([NOW_S - 3 * HOUR_S, NOW_S + 5.0]),
    actors=np.zeros((2, 4)),
    engagements=History(np.array([7, 8]), np.array([NOW_S, NOW_S - 60 * DAY_S])),
    links={},
    interactions=NO_INTERACTIONS,
    similar_actors=NO_INTERACTIONS,
    clusters=NO_INTERACTIONS,
    session_neighbors=NO_INTERACTIONS,
    platform_activity=PlatformActivity(np.empty(0), np.empty(0)),
    item_similarity=np.zeros(2),
    same_owner_count=np.zeros(2),
)


def test_without_evidence_every_signal_of_people_is_nothing():
    for signal in (
        user_factors_mean,
        user_factors_sum,
        user_factors_recent,
        session_neighbors,
        item_neighbor_score,
        item_neighbors_mean,
        user_neighbor_score,
    ):
        assert signal(NOTHING).tolist() == [0.0, 0.0], signal


def test_age_is_in_doublings_of_hours_and_the_future_is_new():
    assert age(NOTHING).tolist() == [2.0, 0.0]


@pytest.mark.parametrize("actors", [4, 5])
def test_fewer_than_five_people_say_nothing_about_taste(actors: int):
    alike = replace(NOTHING, similar_actors=interactions([0] * actors, [0.7] * actors, hours_ago=12.0))
    shown = actors >= tunables.ANONYMITY_FLOOR
    assert user_factors_mean(alike)[0] == pytest.approx(0.7 * actors / (actors + 2) if shown else 0.0)
    assert user_factors_sum(alike)[0] == (1.25 if shown else 0.0), "3.5 / √7 = 1.32, rounded to quarters"
    assert user_factors_recent(alike)[0] == pytest.approx(0.7 * actors / 2 if shown else 0.0)
    with_them = replace(NOTHING, session_neighbors=interactions([0] * actors, [1.0] * actors))
    assert session_neighbors(with_them)[0] == (2.5 if shown else 0.0), "log2(6) = 2.58, rounded to quarters"
    neighbors = replace(
        NOTHING, user_neighbors=interactions([0] * actors, [0.1] * actors), user_neighbor_similarity=2.0
    )
    assert user_neighbor_score(neighbors)[0] == pytest.approx(np.sqrt(0.1 * actors / 2.0) if shown else 0.0)


def test_one_person_says_something_by_the_circle_and_nothing_alone():
    one = interactions([0], [0.6], hours_ago=12.0)
    seen = replace(NOTHING, similar_actors=one, clusters=one)
    assert [signal(seen)[0] for signal in (user_factors_mean, user_factors_sum, user_factors_recent)] == [0.0, 0.0, 0.0]
    assert taste_cluster_mean(seen).tolist() == pytest.approx([0.6 / 3, 0.0])
    assert taste_cluster_sum(seen).tolist() == [0.25, 0.0], "0.6 / √3 = 0.35, rounded to quarters"
    assert taste_cluster_recent(seen).tolist() == [0.25, 0.0], "0.3, rounded to quarters"
    exact = replace(seen, floor=1)
    assert taste_cluster_sum(exact).tolist() == pytest.approx([0.6 / np.sqrt(3), 0.0])
    assert taste_cluster_recent(exact).tolist() == pytest.approx([0.3, 0.0])


def test_new_is_what_came_after_the_last_visit_and_this_visit_is_none():
    made = replace(NOTHING, created_s=NOW_S - np.array([3.0, 7.0]) * HOUR_S)
    visits = replace(made, engagements=History(np.array([7, 8]), NOW_S - np.array([0.5, 5.0]) * HOUR_S))
    assert new_since_visit(visits).tolist() == [2.0, 0.0]  # 3 hours are log2(4); of half an hour ago is this visit
    for never in (History(np.empty(0, np.int64), np.empty(0)), History(np.array([7]), np.array([NOW_S]))):
        assert new_since_visit(replace(made, engagements=never)).tolist() == [0.0, 0.0]


def test_people_count_by_half_lives_that_no_counter_keeps():
    seen = replace(NOTHING, interactions=interactions([0, 0, 0, 1], [1.0] * 4, hours_ago=0.25))
    enough = replace(seen, actors=np.full((2, 4), MIN_COUNTED_ACTORS))
    assert actors_within(0.25)(enough).tolist() == pytest.approx([np.log2(1 + 1.5), np.log2(1.5)])
    for few in (seen, replace(seen, actors=np.full((2, 4), 4.4))):
        assert actors_within(0.25)(few).tolist() == [0.0, 0.0]


def test_neighbours_of_late_touches_count_more():
    links = NeighborLinks(np.array([0, 1]), np.array([0, 1]), np.array([0.5, 0.5]))
    linked = replace(NOTHING, links={NeighborKind.COSINE: links})
    # the first touch is of now, the second a half-life of 60 days old: worth 1 and .5
    assert item_neighbor_score(linked).tolist() == pytest.approx([np.sqrt(0.5), np.sqrt(0.25)])
    assert item_neighbors_mean(linked).tolist() == pytest.approx([0.5 / 1.5, 0.25 / 1.5])


def test_the_platforms_clock_counts_what_came_since():
    platform_activity = PlatformActivity(NOW_S - np.array([4.0, 2.0, 1.0]) * HOUR_S, np.array([8.0, 20.0, 10.0]))
    busy = replace(NOTHING, platform_activity=platform_activity, interactions=interactions([0, 0, 0], [1.0] * 3))
    busy = replace(busy, actors=np.full((2, 4), 5.0))
    assert events_since_creation(busy).tolist() == pytest.approx([np.log2(31), 0.0])
    assert actor_rate(busy).tolist() == pytest.approx([np.log2(4) - np.log2(1 + 3.0), 0.0])


def test_touches_of_the_same_owner_are_counted_and_no_owner_is_nobody():
    assert count_same_owner(np.array([5, -1, 6]), np.array([5, 5, -1, 9])).tolist() == [2.0, 0.0, 0.0]


def two_tastes() -> EventLog:
    pairs = [(person, project) for person in range(12) for project in range(10) if person % 2 == project % 2]
    actors, projects = np.array(pairs).T
    return EventLog.from_events(actors, projects, np.arange(len(pairs), dtype=float), 12, 10)


def test_lists_and_tastes_tell_two_tastes_apart():
    log = two_tastes()
    engaged = interaction_matrix(log.actors, log.projects, 12, 10)
    items, actors = item_neighbors(engaged), user_neighbors(engaged)
    for project in range(10):
        near = items.ids[items.starts[project] : items.starts[project + 1]]
        assert sorted(near.tolist()) == [other for other in range(project % 2, 10, 2) if other != project]
    assert set((actors.ids[: actors.starts[1]] % 2).tolist()) == {0}
    made = learn_factors(engaged, factors=2)
    similarity = made.actors @ made.actors.T
    assert similarity[0, 2] > 0.9
    assert abs(similarity[0, 1]) < 0.1
    assert np.array_equal(made.actors, learn_factors(engaged, factors=2).actors)


def test_two_trainings_of_the_same_data_give_the_same_factors_even_of_few_tastes():
    actors, projects = np.nonzero(np.arange(250)[:, None] % 3 == np.arange(600) % 3)  # three tastes: rank 3
    engaged = interaction_matrix(actors, projects, 250, 600)
    first, second = learn_factors(engaged), learn_factors(engaged)
    for ours, theirs in zip(first, second, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(("n_actors", "n_projects"), [(300, 250), (250, 300), (400, 30), (30, 400)])
def test_similarities_of_factors_do_not_depend_on_the_order_of_actors_and_projects(n_actors: int, n_projects: int):
    rng = np.random.default_rng(0)
    tastes = rng.random((n_actors, 4)) @ rng.random((4, n_projects))
    actors, projects = np.nonzero(tastes > np.quantile(tastes, 0.9))
    new_actors, new_projects = rng.permutation(n_actors), rng.permutation(n_projects)
    first = learn_factors(interaction_matrix(actors, projects, n_actors, n_projects), factors=5)
    second = learn_factors(
        interaction_matrix(new_actors[actors], new_projects[projects], n_actors, n_projects), factors=5
    )
    similarity, other = first.actors @ first.projects.T, second.actors @ second.projects.T
    assert np.abs(similarity).max() > 0.1
    assert other[new_actors][:, new_projects] == pytest.approx(similarity, abs=0.005)


def test_projects_that_fewer_than_five_touched_together_are_no_neighbours_and_have_no_taste():
    log = two_tastes()
    few = log.actors < 8  # four people of each taste
    engaged = interaction_matrix(log.actors[few], log.projects[few], 12, 10)
    assert item_neighbors(engaged).ids.size == 0
    assert not learn_factors(engaged).projects.any()
    assert item_neighbors(engaged, floor=4).ids.size > 0


def test_beyond_the_limit_ease_lists_are_those_of_the_projects_with_most_actors(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    actors, projects = np.nonzero(rng.random((40, 9)) < np.linspace(0.1, 0.6, 9))  # later projects have more actors
    whole = interaction_matrix(actors, projects, 40, 9)
    head = np.sort(np.argsort(-np.bincount(projects, minlength=9), kind="stable")[:5])
    alone = ease_neighbors(whole[:, head], floor=1)
    monkeypatch.setattr(neighbors, "MAX_EASE_PROJECTS", 5)
    limited = ease_neighbors(whole, floor=1)
    assert np.flatnonzero(np.diff(limited.starts)).tolist() == head.tolist()
    assert limited.ids.tolist() == head[alone.ids].tolist()
    assert limited.similarity == pytest.approx(alone.similarity)
