"""The pulse is what the truth says, whatever the order in which it was told."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from db.database.column_types import UNKNOWN_TIME
from db.database.engine import Database
from db.interactions.decayed_counters import HALF_LIVES_S, SLICES, decay, decayed_counts, recount_slices
from db.interactions.interactions import NewInteraction, remove_state, set_state
from db.models import DecayedCounters, Engagement, InteractionType
from db.privacy.erasure import erase_users
from tests.conftest import CountStatements, MakeDatabase
from tests.db.interactions.test_interactions import NOON, populate, write

VIEW, LIKE, IMPRESSION, DISMISS = (InteractionType[name] for name in ("VIEW", "LIKE", "IMPRESSION", "DISMISS"))
HOUR = timedelta(hours=1)


def expected(platform_activity: Iterable[tuple[datetime, float]], at: datetime) -> list[float]:
    """The definition: each person halves from the first engagement on."""
    told = list(platform_activity)
    return [sum(w * 0.5 ** ((at - first).total_seconds() / half) for first, w in told) for half in HALF_LIVES_S]


def test_a_sum_halves_in_its_half_life() -> None:
    assert decay(8.0, 0.0, 7_200.0, 3_600.0) == 2.0
    assert decay([8.0, 4.0], 0.0, [3_600.0, -5.0], 3_600.0).tolist() == [4.0, 4.0]
    assert decay(1.0, 0.0, 1e12, 1.0) < 1e-20


async def test_people_count_once_and_fade(database: Database) -> None:
    (ann, bob, _), (one, two, three) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, NOON), NewInteraction(bob, one, VIEW, NOON + HOUR))
    await write(database, NewInteraction(ann, one, LIKE, NOON + HOUR), NewInteraction(ann, one, VIEW, NOON + 2 * HOUR))
    await write(database, NewInteraction(ann, three, IMPRESSION, NOON), NewInteraction(bob, three, DISMISS, NOON))
    found = await decayed_counts(database, [two, one, three], NOON + 7 * HOUR)
    assert found.shape == (3, 4)
    assert found[1] == pytest.approx(expected([(NOON, 1), (NOON + HOUR, 1)], NOON + 7 * HOUR))
    assert not found[[0, 2]].any()


async def test_an_unknown_time_counts_nothing(database: Database) -> None:
    (ann, bob, _), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW), NewInteraction(bob, one, VIEW, NOON))
    await write(database, NewInteraction(bob, one, LIKE, UNKNOWN_TIME), NewInteraction(ann, one, VIEW, NOON))
    assert (await decayed_counts(database, [one], NOON)).tolist() == [[0, 0, 0, 0]]


async def test_a_late_event_of_an_earlier_time_moves_the_first_engagement(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, NOON, weight=0.5))
    await write(database, NewInteraction(ann, one, VIEW, NOON - 3 * HOUR, weight=1.0))
    found = await decayed_counts(database, [one], NOON + HOUR)
    assert found[0] == pytest.approx(expected([(NOON - 3 * HOUR, 0.5)], NOON + HOUR))


async def test_what_is_taken_back_counts_no_more(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    async with database.write() as connection:
        await set_state(connection, NewInteraction(ann, one, InteractionType.LIKE, NOON))
    assert (await decayed_counts(database, [one], NOON)).tolist() == [[1, 1, 1, 1]]
    async with database.write() as connection:
        await remove_state(connection, ann, one, InteractionType.LIKE)
    assert (await decayed_counts(database, [one], NOON)).tolist() == [[0, 0, 0, 0]]


async def test_a_deleted_actor_leaves_the_decayed_counters(database: Database) -> None:
    (ann, bob, _), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, NOON), NewInteraction(bob, one, VIEW, NOON))
    async with database.write() as connection:
        await erase_users(connection, ["u0"])
    assert (await decayed_counts(database, [one], NOON)).tolist() == [[1, 1, 1, 1]]


async def test_years_between_two_events_break_nothing(database: Database) -> None:
    (ann, bob, cat), (one, *_) = await populate(database)
    for actor, years in ((ann, 0), (bob, 40), (cat, 20)):
        await write(database, NewInteraction(actor, one, VIEW, NOON - timedelta(days=365 * years)))
    assert (await decayed_counts(database, [one], NOON))[0] == pytest.approx([1, 1, 1, 1])
    async for _ in recount_slices(database, NOON):
        pass
    assert (await decayed_counts(database, [one], NOON))[0] == pytest.approx([1, 1, 1, 1])


async def test_a_rebuild_mends_what_has_drifted_in_as_many_statements_as_ever(
    database: Database, statements: CountStatements
) -> None:
    actors, projects = await populate(database, 6, 6)
    events = [
        NewInteraction(
            actor, project, VIEW, NOON + HOUR * (actor * project % 50) + timedelta(microseconds=actor), weight=0.25
        )
        for actor in actors
        for project in projects
        if (actor + project) % 3
    ]
    await write(database, *events)
    before = await decayed_counts(database, projects, NOON + 60 * HOUR)
    assert before.all()
    async with database.write() as connection:
        await connection.execute(update(DecayedCounters).values(actors_1h=99.0))
        await connection.execute(delete(DecayedCounters).where(DecayedCounters.project_id == projects[0]))
    with statements(database) as issued:
        async for _ in recount_slices(database, NOON + 55 * HOUR):
            pass
    assert len(issued) == 1 + SLICES * (2 if database.is_sqlite else 3)
    after = await decayed_counts(database, projects, NOON + 60 * HOUR)
    # SQLite's own reading of a time is good to a millisecond.
    np.testing.assert_allclose(after, before, rtol=1e-6)


async def test_decayed_counts_are_one_statement_for_any_number(database: Database, statements: CountStatements) -> None:
    _, projects = await populate(database, 1, 30)
    with statements(database) as issued:
        assert (await decayed_counts(database, projects, NOON)).shape == (30, 4)
        assert (await decayed_counts(database, [], NOON)).shape == (0, 4)
    assert len(issued) == 2


platform_activity = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.sampled_from([VIEW, LIKE, IMPRESSION]),
        st.one_of(st.just(UNKNOWN_TIME), st.integers(0, 500).map(lambda hours: NOON + timedelta(hours=hours))),
    ),
    max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), drawn=platform_activity, cuts=st.lists(st.integers(0, 12), max_size=3))
async def test_any_order_gives_the_counters_that_engagement_defines(
    make_database: MakeDatabase, engine: str, data: st.DataObject, drawn: list, cuts: list[int]
) -> None:
    shuffled = data.draw(st.permutations(drawn))
    at = NOON + timedelta(hours=501)
    async with make_database(engine) as database:
        actors, projects = await populate(database)
        events = [NewInteraction(actors[actor], projects[project], *rest) for actor, project, *rest in shuffled]
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 12], strict=True):
            await write(database, *events[start:end])
        live = await decayed_counts(database, projects, at)
        rows = await database.fetch(select(Engagement.project_id, Engagement.first_at))
        for place, project in enumerate(projects):
            firsts = [(row.first_at, 1.0) for row in rows if row.project_id == project]
            assert live[place] == pytest.approx(expected(firsts, at), rel=1e-9, abs=1e-8)
        async for _ in recount_slices(database, at):
            pass
        assert await decayed_counts(database, projects, at) == pytest.approx(live, rel=1e-6, abs=1e-8)
