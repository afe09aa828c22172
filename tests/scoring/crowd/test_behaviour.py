"""The behaviour signals, with numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from scoring import weights
from scoring.crowd.behaviour import (
    age,
    circle_now,
    circle_of_crowd,
    circle_of_people,
    company,
    events_since,
    neighbours,
    neighbours_share,
    new_since_visit,
    people_like_you,
    people_rate,
    people_within,
    taste_now,
    taste_of_crowd,
    taste_of_people,
)
from scoring.crowd.history import (
    HOUR_S,
    NO_DEEDS,
    Arrivals,
    Deeds,
    EventLog,
    Evidence,
    Kinship,
    Links,
    Touches,
    same_owner,
)
from scoring.crowd.neighbors import item_neighbours, people_neighbours, tastes, touch_matrix

NOW_S = 1_000_000.0


def deeds(rows: list[int], similarity: list[float], hours_ago: float = 0.0) -> Deeds:
    n = len(rows)
    return Deeds(np.array(rows), np.arange(n), np.array(similarity), np.full(n, NOW_S - hours_ago * HOUR_S))


NOTHING = Evidence(
    at_s=NOW_S,
    created_s=np.array([NOW_S - 3 * HOUR_S, NOW_S + 5.0]),
    people=np.zeros((2, 4)),
    touches=Touches(np.array([7, 8]), np.array([NOW_S, NOW_S - 60 * 86_400.0])),
    links={},
    fellows=NO_DEEDS,
    fellows_likeness=0.0,
    deeds=NO_DEEDS,
    circles=NO_DEEDS,
    company=NO_DEEDS,
    arrivals=Arrivals(np.empty(0), np.empty(0)),
    project_taste=np.zeros(2),
    owner_taste=np.zeros(2),
    owner_touches=np.zeros(2),
)


def test_without_evidence_every_signal_of_people_is_nothing():
    for signal in (taste_of_people, taste_of_crowd, taste_now, company, neighbours, neighbours_share, people_like_you):
        assert signal(NOTHING).tolist() == [0.0, 0.0], signal


def test_age_is_in_doublings_of_hours_and_the_future_is_new():
    assert age(NOTHING).tolist() == [2.0, 0.0]


@pytest.mark.parametrize("people", [4, 5])
def test_fewer_than_five_people_say_nothing_about_taste(people: int):
    alike = replace(NOTHING, deeds=deeds([0] * people, [0.7] * people, hours_ago=12.0))
    shown = people >= weights.PEOPLE_FLOOR
    assert taste_of_people(alike)[0] == pytest.approx(0.7 * people / (people + 2) if shown else 0.0)
    assert taste_of_crowd(alike)[0] == pytest.approx(0.7 * people / np.sqrt(people + 2) if shown else 0.0)
    assert taste_now(alike)[0] == pytest.approx(0.7 * people / 2 if shown else 0.0)
    with_them = replace(NOTHING, company=deeds([0] * people, [1.0] * people))
    assert company(with_them)[0] == pytest.approx(np.log2(1 + people) if shown else 0.0)
    fellows = replace(NOTHING, fellows=deeds([0] * people, [0.1] * people), fellows_likeness=2.0)
    assert people_like_you(fellows)[0] == pytest.approx(np.sqrt(0.1 * people / 2.0) if shown else 0.0)


def test_one_person_says_something_by_the_circle_and_nothing_alone():
    one = deeds([0], [0.6], hours_ago=12.0)
    seen = replace(NOTHING, deeds=one, circles=one)
    assert [signal(seen)[0] for signal in (taste_of_people, taste_of_crowd, taste_now)] == [0.0, 0.0, 0.0]
    assert circle_of_people(seen).tolist() == pytest.approx([0.6 / 3, 0.0])
    assert circle_of_crowd(seen).tolist() == pytest.approx([0.6 / np.sqrt(3), 0.0])
    assert circle_now(seen).tolist() == pytest.approx([0.3, 0.0])


def test_new_is_what_came_after_the_last_visit_and_this_visit_is_none():
    made = replace(NOTHING, created_s=NOW_S - np.array([3.0, 7.0]) * HOUR_S)
    visits = replace(made, touches=Touches(np.array([7, 8]), NOW_S - np.array([0.5, 5.0]) * HOUR_S))
    assert new_since_visit(visits).tolist() == [2.0, 0.0]  # 3 hours are log2(4); of half an hour ago is this visit
    for never in (Touches(np.empty(0, np.int64), np.empty(0)), Touches(np.array([7]), np.array([NOW_S]))):
        assert new_since_visit(replace(made, touches=never)).tolist() == [0.0, 0.0]


def test_people_count_by_half_lives_that_no_counter_keeps():
    seen = replace(NOTHING, deeds=deeds([0, 0, 0, 1], [-0.5] * 4, hours_ago=0.25))
    assert people_within(0.25)(seen).tolist() == pytest.approx([np.log2(1 + 1.5), np.log2(1.5)])


def test_neighbours_of_late_touches_count_more():
    links = Links(np.array([0, 1]), np.array([0, 1]), np.array([0.5, 0.5]))
    linked = replace(NOTHING, links={Kinship.COSINE: links})
    # the first touch is of now, the second a half-life of 60 days old: worth 1 and .5
    assert neighbours(linked).tolist() == pytest.approx([np.sqrt(0.5), np.sqrt(0.25)])
    assert neighbours_share(linked).tolist() == pytest.approx([0.5 / 1.5, 0.25 / 1.5])


def test_the_platforms_clock_counts_what_came_since():
    arrivals = Arrivals(NOW_S - np.array([4.0, 2.0, 1.0]) * HOUR_S, np.array([8.0, 20.0, 10.0]))
    busy = replace(NOTHING, arrivals=arrivals, deeds=deeds([0, 0, 0], [0.0] * 3))
    assert events_since(busy).tolist() == pytest.approx([np.log2(31), 0.0])
    assert people_rate(busy).tolist() == pytest.approx([np.log2(4) - np.log2(1 + 3.0), 0.0])


def test_touches_of_the_same_owner_are_counted_and_no_owner_is_nobody():
    assert same_owner(np.array([5, -1, 6]), np.array([5, 5, -1, 9])).tolist() == [2.0, 0.0, 0.0]


def two_tastes() -> EventLog:
    pairs = [(person, project) for person in range(12) for project in range(10) if person % 2 == project % 2]
    actors, projects = np.array(pairs).T
    return EventLog.of(actors, projects, np.arange(len(pairs), dtype=float), 12, 10)


def test_lists_and_tastes_tell_two_tastes_apart():
    log = two_tastes()
    touched = touch_matrix(log.actors, log.projects, 12, 10)
    items, people = item_neighbours(touched), people_neighbours(touched)
    for project in range(10):
        near = items.ids[items.starts[project] : items.starts[project + 1]]
        assert sorted(near.tolist()) == [other for other in range(project % 2, 10, 2) if other != project]
    assert set((people.ids[: people.starts[1]] % 2).tolist()) == {0}
    made = tastes(touched, factors=2)
    likeness = made.actors @ made.actors.T
    assert likeness[0, 2] > 0.9
    assert abs(likeness[0, 1]) < 0.1
    assert np.array_equal(made.actors, tastes(touched, factors=2).actors)


def test_projects_that_fewer_than_five_touched_together_are_no_neighbours_and_have_no_taste():
    log = two_tastes()
    few = log.actors < 8  # four people of each taste
    touched = touch_matrix(log.actors[few], log.projects[few], 12, 10)
    assert item_neighbours(touched).ids.size == 0
    assert not tastes(touched).projects.any()
    assert item_neighbours(touched, floor=4).ids.size > 0
