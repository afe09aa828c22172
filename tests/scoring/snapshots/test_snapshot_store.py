"""Snapshots are packed and unpacked without loss, and named after everything that would change them."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from db.actors.users import Viewer
from db.catalog.project_cards import HiddenReads, ProjectFilter
from db.errors import Store
from db.models import FeedKind, Role
from scoring.mathematics.signals import Signal
from scoring.ranking import Adjustment, Ranking, Rule, Strategy
from scoring.snapshots.snapshot_store import RankingSnapshot, decode, digest, encode, new_id, pointer

lists = st.lists(st.text(max_size=5), max_size=3).map(tuple)
times = st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC))
filters = st.builds(ProjectFilter, lists, lists, lists, lists, st.none() | times)
big = st.integers(-(2**62), 2**62)


@st.composite
def snapshots(draw: st.DrawFn) -> RankingSnapshot:
    n = draw(st.integers(0, 12))
    signals = tuple(draw(st.lists(st.sampled_from(Signal), unique=True, max_size=4)))
    numbers = draw(st.lists(big, min_size=n * (1 + len(signals)), max_size=n * (1 + len(signals))))
    values = draw(st.lists(st.floats(width=32, allow_nan=False), min_size=n * len(signals), max_size=n * len(signals)))
    where = draw(filters)
    ranks, propensities = st.integers(1, 9), st.none() | st.floats(0, 1, exclude_min=True)
    step = st.builds(Adjustment, st.sampled_from(Rule), big, st.none() | big, ranks, ranks, propensities)
    moved = st.lists(step, min_size=1, max_size=2).map(tuple)
    return RankingSnapshot(
        new_id(),
        draw(st.none() | st.integers(1, 2**40)),
        digest(where),
        where,
        Ranking(
            draw(st.sampled_from(FeedKind)),
            draw(st.sampled_from(Strategy)),
            draw(st.text(max_size=10)),
            signals,
            np.array(numbers[:n], dtype=np.int64),
            np.array(values, dtype=draw(st.sampled_from([np.float32, np.float64]))).reshape(n, len(signals)),
            np.array(numbers[n:], dtype=np.int64).reshape(n, len(signals)),
            draw(times),
            draw(st.dictionaries(st.integers(0, max(n - 1, 0)), moved, max_size=n)),
            tuple(draw(st.lists(st.sampled_from(Store), unique=True))),
            hidden=draw(st.none() | st.builds(HiddenReads, times, st.integers(0, 63))),
        ),
    )


@given(snapshots())
def test_a_snapshot_reads_back_as_it_was_written(snapshot: RankingSnapshot):
    read = decode(encode(snapshot))
    assert read is not None
    assert read.where == snapshot.where
    assert (read.id, read.actor_id, read.arguments) == (snapshot.id, snapshot.actor_id, snapshot.arguments)
    for index in range(snapshot.ranking.ids.size):
        assert read.ranking.scored_project(index) == snapshot.ranking.scored_project(index)
    for field in ("kind", "strategy", "model", "signals", "adjustments", "generated_at", "degraded", "query", "hidden"):
        assert getattr(read.ranking, field) == getattr(snapshot.ranking, field), field


def test_five_hundred_ranks_of_five_signals_are_small():
    n, signals = 500, tuple(Signal)[:5]
    ranking = Ranking(
        FeedKind.FOR_YOU,
        Strategy.PERSONALIZED,
        "baseline",
        signals,
        np.arange(n),
        np.zeros((n, 5), np.float32),
        np.zeros((n, 5), np.int64),
        datetime.now(UTC),
    )
    assert len(encode(RankingSnapshot(new_id(), 1, "", ProjectFilter(), ranking))) < 36_000


def test_a_pointer_changes_with_everything_that_changes_the_ranking():
    ada = Viewer(7, 1, "ada", None, "Ada", Role.VIEWER, 3, {})
    later = Viewer(7, 1, "ada", None, "Ada", Role.VIEWER, 4, {})
    bob = Viewer(8, 2, "bob", None, "Bob", Role.VIEWER, 3, {})
    everything, narrowed = digest(ProjectFilter()), digest(ProjectFilter(types=("article",)))
    names = {
        pointer(FeedKind.FOR_YOU, ada, everything, "baseline"),
        pointer(FeedKind.FOR_YOU, later, everything, "baseline"),
        pointer(FeedKind.FOR_YOU, bob, everything, "baseline"),
        pointer(FeedKind.FOR_YOU, ada, narrowed, "baseline"),
        pointer(FeedKind.FOR_YOU, ada, everything, "fitted"),
        pointer(FeedKind.POPULAR, None, everything, "baseline"),
    }
    assert len(names) == 6


def test_equal_filters_have_equal_names_whatever_the_order():
    assert digest(ProjectFilter(tools=("a", "b"))) == digest(ProjectFilter(tools=("b", "a")))
    assert digest(ProjectFilter(tools=("a",))) != digest(ProjectFilter(categories=("a",)))
    assert digest(ProjectFilter(tools=("a", "b"))) != digest(ProjectFilter(tools=("a,b",)))
