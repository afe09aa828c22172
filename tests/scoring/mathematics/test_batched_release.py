"""Interactions are released in whole blocks, at the beginning of a batch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from db.time_units import HOUR_S, WEEK_S
from scoring.mathematics.batched_release import (
    BY_ACTOR,
    BY_CLUSTER,
    LIVE,
    ReleaseRule,
    batch_start_s,
    first_needed_s,
    is_released,
    of_complete_weeks,
    release_times,
)

MONDAY_S = 1_000 * WEEK_S


def released(times_s: list[float], rule: ReleaseRule = BY_ACTOR) -> list[float]:
    n = len(times_s)
    return release_times(np.zeros(n, np.int64), np.arange(n), MONDAY_S + np.array(times_s), rule).tolist()


def test_five_are_released_together_after_the_hour_of_the_fifth_and_the_sixth_waits() -> None:
    times_s = [10.0, 20.0, 30.0, 40.0, 2 * HOUR_S + 1.0, 2 * HOUR_S + 2.0]
    assert released(times_s) == [MONDAY_S + 3 * HOUR_S] * 5 + [np.inf]
    assert released(times_s[::-1]) == [np.inf] + [MONDAY_S + 3 * HOUR_S] * 5
    assert released(times_s[:4]) == [np.inf] * 4
    assert released([10.0, 20.0, 400.0], BY_CLUSTER) == [MONDAY_S + 300.0] * 2 + [np.inf]
    assert released(times_s, LIVE) == [MONDAY_S + time_s for time_s in times_s]


def test_a_block_does_not_go_beyond_its_week_and_its_project() -> None:
    assert released([-2.0, -1.0, 1.0, 2.0, 3.0]) == [np.inf] * 5
    projects = np.array([1, 1, 1, 2, 2])
    assert np.isinf(release_times(projects, np.arange(5), np.full(5, MONDAY_S), BY_ACTOR)).all()


EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3 * 7 * 24 * 12)), min_size=1, max_size=120)


@given(events=EVENTS, hours=st.integers(0, 3 * 7 * 24), latest_first=st.booleans())
def test_values_change_by_whole_blocks_only(events: list[tuple[int, int]], hours: int, latest_first: bool) -> None:
    projects, slots = np.array(events).T
    actors, at_s = np.arange(projects.size), MONDAY_S + slots * 300.0
    order = np.argsort(-at_s if latest_first else at_s, kind="stable")
    times_s = release_times(projects[order], actors[order], at_s[order], BY_ACTOR)
    for project in range(4):
        at_once = np.unique(times_s[(projects[order] == project) & np.isfinite(times_s)], return_counts=True)[1]
        assert not (at_once % BY_ACTOR.block).any()
    assert (times_s >= at_s[order]).all()
    # What a request reads is enough: earlier interactions change nothing that is released at its moment.
    moment_s = MONDAY_S + hours * HOUR_S + 1.0
    needed = (at_s[order] >= first_needed_s(moment_s)) & (at_s[order] < moment_s)
    part_s = release_times(projects[order][needed], actors[order][needed], at_s[order][needed], BY_ACTOR)
    whole, part = np.flatnonzero(is_released(times_s, moment_s)), is_released(part_s, moment_s)
    assert whole.tolist() == np.flatnonzero(needed)[part].tolist()
    assert batch_start_s(moment_s) == moment_s - 1.0


def test_a_limit_leaves_out_whole_weeks_so_that_no_block_changes_by_one_interaction() -> None:
    at_s = np.array([-HOUR_S, 1.0, 2.0, 3.0, WEEK_S, WEEK_S + 1.0]) + MONDAY_S
    assert of_complete_weeks(at_s, at_s.size + 1).all()
    for oldest in range(4):  # each further interaction leaves out the oldest one
        kept = at_s[oldest:]
        assert kept[of_complete_weeks(kept, kept.size)].tolist() == at_s[1 if oldest == 0 else 4 :].tolist()
    assert not of_complete_weeks(at_s[4:], 2).any()
