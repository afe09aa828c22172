"""Events and what follows from them: each counted once, whatever the order, on both engines."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_projects
from db.database.column_types import UNKNOWN_TIME
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.interactions import (
    NewInteraction,
    dismiss,
    record_interactions,
    remove_state,
    set_state,
)
from db.models import (
    Actor,
    Dismissal,
    Engagement,
    EngagementKind,
    FeedKind,
    Interaction,
    InteractionType,
    Like,
    OutboxRow,
    Project,
    Save,
)
from db.records import ProjectRecord, UserRecord
from tests.conftest import CountStatements, MakeDatabase

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
VIEW, LIKE, SAVE = InteractionType.VIEW, InteractionType.LIKE, InteractionType.SAVE
DISMISS, IMPRESSION, COMMENT = InteractionType.DISMISS, InteractionType.IMPRESSION, InteractionType.COMMENT


async def populate(database: Database, users: int = 3, projects: int = 3) -> tuple[list[int], list[int]]:
    """Write users and projects; give the ids of the actors and of the projects."""
    async with database.write() as connection:
        await upsert_users(connection, [UserRecord(key=f"u{n}", username=f"user {n}") for n in range(users)])
        await upsert_projects(
            connection, [ProjectRecord(key=f"p{n}", title=f"Project {n}", type="article") for n in range(projects)]
        )
    actors = await database.fetch(select(Actor.id).order_by(Actor.id))
    ids = await database.fetch(select(Project.id).order_by(Project.id))
    return [row.id for row in actors], [row.id for row in ids]


async def truth(database: Database) -> dict[str, object]:
    """Read all that follows from events, without the times at which we wrote."""
    tables: dict[str, object] = {}
    for model in (Engagement, Like, Save, Dismissal):
        left_out = ("actor_id", "project_id", "weight", "strength", "inactive_kinds")
        others = [column for column in model.__table__.c if column.name not in left_out]
        rows = await database.fetch(
            select(model.actor_id, model.project_id, *others).order_by(model.actor_id, model.project_id)
        )
        tables[model.__tablename__] = [tuple(row) for row in rows]
    raw = select(Interaction.actor_id, Interaction.project_id, Interaction.type, Interaction.at)
    tables["interactions"] = sorted(tuple(row) for row in await database.fetch(raw))
    counters = select(Project.id, Project.like_count, Project.view_count).order_by(Project.id)
    tables["counters"] = [tuple(row) for row in await database.fetch(counters)]
    return tables


async def version(database: Database, actor_id: int) -> int:
    return int((await database.fetch(select(Actor.version).where(Actor.id == actor_id)))[0].version)


async def counters(database: Database, project_id: int) -> tuple[int, int]:
    rows = await database.fetch(select(Project.like_count, Project.view_count).where(Project.id == project_id))
    return tuple(rows[0])  # type: ignore[return-value]


async def write(database: Database, *events: NewInteraction) -> int:
    async with database.write() as connection:
        return len(await record_interactions(connection, events))


async def test_an_event_is_written_with_the_place_it_happened_in(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    event = NewInteraction(ann, one, VIEW, NOON, FeedKind.TRENDING, 4, "snapshot", "session")
    assert await write(database, event) == 1
    row = (await database.fetch(select(*Interaction.__table__.c)))[0]
    assert (row.actor_id, row.project_id, row.type, row.at) == (ann, one, "view", NOON)
    assert (row.feed_kind, row.position, row.snapshot_id, row.session_key) == ("trending", 4, "snapshot", "session")


async def test_the_same_event_twice_is_one_event(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    event = NewInteraction(ann, one, VIEW, NOON)
    assert await write(database, event, event) == 1
    assert await write(database, event) == 0
    assert await counters(database, one) == (0, 1)
    assert await version(database, ann) == 1


async def test_a_like_counts_once_for_each_actor(database: Database) -> None:
    (ann, bob, _), (one, *_) = await populate(database)
    later = NOON + timedelta(hours=1)
    assert await write(database, NewInteraction(ann, one, LIKE, NOON), NewInteraction(ann, one, LIKE, later)) == 2
    assert (
        await write(
            database, NewInteraction(ann, one, LIKE, later + timedelta(hours=1)), NewInteraction(bob, one, LIKE, NOON)
        )
        == 2
    )
    assert await counters(database, one) == (2, 0)
    assert len(await database.fetch(select(Like.actor_id))) == 2


@pytest.mark.parametrize(("type_", "table"), [(LIKE, "likes"), (SAVE, "saves"), (DISMISS, "dismissals")])
async def test_what_is_kept_stands_since_the_earliest_event(
    database: Database, type_: InteractionType, table: str
) -> None:
    (ann, *_), (one, *_) = await populate(database)
    for hours in (5, 2, 9):
        await write(database, NewInteraction(ann, one, type_, NOON + timedelta(hours=hours)))
    ((*_, since),) = (await truth(database))[table]  # type: ignore[misc]
    assert since == NOON + timedelta(hours=2)


async def test_a_count_is_no_change_of_the_project(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    before = await database.fetch(select(Project.updated_at).order_by(Project.id))
    outbox = select(OutboxRow.key, OutboxRow.version).where(OutboxRow.kind == "project").order_by(OutboxRow.key)
    told = await database.fetch(outbox)
    await write(database, NewInteraction(ann, one, LIKE, NOON), NewInteraction(ann, one, VIEW, NOON))
    assert await database.fetch(select(Project.updated_at).order_by(Project.id)) == before
    assert await database.fetch(outbox) == told


async def test_an_actors_version_rises_once_a_batch_and_only_for_something_new(database: Database) -> None:
    (ann, bob, _), (one, two, _) = await populate(database)
    events = [
        NewInteraction(ann, one, VIEW, NOON),
        NewInteraction(ann, two, LIKE, NOON),
        NewInteraction(bob, one, VIEW, NOON),
    ]
    await write(database, *events)
    await write(database, *events)
    await write(database, events[0], NewInteraction(bob, two, COMMENT, NOON))
    assert [await version(database, ann), await version(database, bob)] == [1, 2]


async def test_being_shown_a_project_is_no_act(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    before = await database.fetch(select(OutboxRow.version).where(OutboxRow.key == str(ann)))
    assert await write(database, NewInteraction(ann, one, IMPRESSION, NOON)) == 1
    assert await version(database, ann) == 0
    assert await database.fetch(select(Engagement.actor_id)) == []
    assert await database.fetch(select(OutboxRow.version).where(OutboxRow.key == str(ann))) == before


async def test_engagement_gathers_first_and_last_time_and_kinds(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, COMMENT, NOON))
    await write(
        database, NewInteraction(ann, one, VIEW, NOON - timedelta(days=2)), NewInteraction(ann, one, DISMISS, NOON)
    )
    await write(database, NewInteraction(ann, one, SAVE, NOON + timedelta(days=2)))
    row = (await database.fetch(select(*Engagement.__table__.c)))[0]
    assert row.kinds == EngagementKind.VIEW | EngagementKind.COMMENT | EngagementKind.SAVE
    assert (row.first_at, row.last_at) == (NOON - timedelta(days=2), NOON + timedelta(days=2))


async def test_an_event_without_a_time_stands_at_the_unknown_time(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    assert await write(database, NewInteraction(ann, one, VIEW), NewInteraction(ann, one, VIEW)) == 1
    assert (await database.fetch(select(Interaction.at)))[0].at == UNKNOWN_TIME


async def test_events_of_an_unknown_actor_or_project_are_left_out(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    strange = [
        NewInteraction(ann, 10**6, VIEW, NOON),
        NewInteraction(10**6, one, VIEW, NOON),
        NewInteraction(2**70, one, VIEW, NOON),
    ]
    assert await write(database, *strange, NewInteraction(ann, one, VIEW, NOON)) == 1


@pytest.mark.parametrize("position", [-1, 2**31])
async def test_a_position_out_of_range_is_refused_by_name(database: Database, position: int) -> None:
    (ann, *_), (one, *_) = await populate(database)
    with pytest.raises(InvalidRecord, match="position must be from 0") as refusal:
        await write(database, NewInteraction(ann, one, VIEW, NOON, position=position))
    assert refusal.value.path == (0, "position")


async def test_a_like_and_its_taking_back_leave_nothing_but_the_event(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    async with database.write() as connection:
        assert await set_state(connection, NewInteraction(ann, one, InteractionType.LIKE, NOON))
        assert not await set_state(
            connection, NewInteraction(ann, one, InteractionType.LIKE, NOON + timedelta(hours=1))
        )
    assert (await counters(database, one), await version(database, ann)) == ((1, 0), 1)
    async with database.write() as connection:
        assert await remove_state(connection, ann, one, InteractionType.LIKE)
        assert not await remove_state(connection, ann, one, InteractionType.LIKE)
    assert (await counters(database, one), await version(database, ann)) == ((0, 0), 2)
    there = await truth(database)
    assert (there["likes"], there["engagement"]) == ([], [])
    assert there["interactions"] == [(ann, one, "like", NOON)]


async def test_a_like_can_come_back_at_the_same_moment(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    async with database.write() as connection:
        await set_state(connection, NewInteraction(ann, one, InteractionType.LIKE, NOON))
        await remove_state(connection, ann, one, InteractionType.LIKE)
        assert await set_state(connection, NewInteraction(ann, one, InteractionType.LIKE, NOON))
    assert await counters(database, one) == (1, 0)
    assert (await truth(database))["engagement"] == [(ann, one, NOON, NOON, EngagementKind.LIKE)]


async def test_taking_a_like_back_keeps_the_other_kinds(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    await write(database, NewInteraction(ann, one, VIEW, NOON), NewInteraction(ann, one, LIKE, NOON))
    async with database.write() as connection:
        await remove_state(connection, ann, one, InteractionType.LIKE)
    assert (await truth(database))["engagement"] == [(ann, one, NOON, NOON, EngagementKind.VIEW)]


async def test_saves_are_idempotent_both_ways(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    async with database.write() as connection:
        done = [
            await set_state(connection, NewInteraction(ann, one, InteractionType.SAVE, NOON)),
            await set_state(connection, NewInteraction(ann, one, InteractionType.SAVE, NOON)),
        ]
        done += [
            await remove_state(connection, ann, one, InteractionType.SAVE),
            await remove_state(connection, ann, one, InteractionType.SAVE),
        ]
    assert done == [True, False, True, False]
    assert await version(database, ann) == 2
    assert (await truth(database))["saves"] == []


async def test_dismissals_are_idempotent_both_ways_and_keep_the_reason(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    async with database.write() as connection:
        assert await dismiss(connection, ann, one, NOON, "tool-4")
        assert not await dismiss(connection, ann, one, NOON, "other")
    assert (await truth(database))["dismissals"] == [(ann, one, "tool-4", NOON)]
    async with database.write() as connection:
        assert await remove_state(connection, ann, one, InteractionType.DISMISS)
        assert not await remove_state(connection, ann, one, InteractionType.DISMISS)
    assert (await truth(database))["dismissals"] == []
    assert await version(database, ann) == 2


@pytest.mark.parametrize("type_", [InteractionType.LIKE, InteractionType.SAVE, InteractionType.DISMISS])
async def test_acts_on_nothing_change_nothing(database: Database, type_: InteractionType) -> None:
    (ann, *_), _ = await populate(database)
    async with database.write() as connection:
        assert not await set_state(connection, NewInteraction(ann, 2**70, type_, NOON))
        assert not await remove_state(connection, 2**70, ann, type_)
    assert await version(database, ann) == 0


async def test_an_act_that_fails_with_its_transaction_leaves_the_version(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)

    async def fail() -> None:
        async with database.write() as connection:
            await set_state(connection, NewInteraction(ann, one, InteractionType.LIKE, NOON))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert (await version(database, ann), await counters(database, one)) == (0, (0, 0))


async def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    database: Database, statements: CountStatements
) -> None:
    actors, projects = await populate(database, 20, 20)
    kinds = (VIEW, LIKE, SAVE, DISMISS)
    one = [NewInteraction(actors[0], projects[0], kind, NOON) for kind in kinds]
    many = [NewInteraction(a, p, kind, NOON + timedelta(days=1)) for a in actors for p in projects for kind in kinds]
    with statements(database) as few:
        await write(database, *one)
    with statements(database) as more:
        assert await write(database, *many) == 1_600
    assert len(more) == len(few)


async def test_concurrent_batches_over_the_same_rows_all_go_in(database: Database) -> None:
    actors, projects = await populate(database, 8, 8)

    async def batch(number: int) -> int:
        order = 1 if number % 2 else -1
        at = NOON + timedelta(minutes=number)
        pairs = [(actor, project) for actor in actors[::order] for project in projects[::order]]
        return await write(database, *(NewInteraction(*pair, kind, at) for pair in pairs for kind in (LIKE, VIEW)))

    assert await asyncio.gather(*map(batch, range(8))) == [128] * 8
    assert [await counters(database, project) for project in projects] == [(8, 64)] * 8
    assert {await version(database, actor) for actor in actors} == {8}


events = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 2), st.sampled_from(list(InteractionType)),
        st.one_of(st.just(UNKNOWN_TIME), st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours))),
    ),
    max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data(), drawn=events, cut=st.integers(0, 12))
async def test_any_order_repetition_and_batches_give_the_same_rows(
    make_database: MakeDatabase, engine: str, data: st.DataObject, drawn: list, cut: int
) -> None:
    shuffled = data.draw(st.permutations(drawn + drawn[: len(drawn) // 2]))
    told = []
    for order, at in ((drawn, 0), (shuffled, cut)):
        async with make_database(engine) as database:
            actors, projects = await populate(database)
            listed = [NewInteraction(actors[actor], projects[project], *rest) for actor, project, *rest in order]
            await write(database, *listed[:at])
            await write(database, *listed[at:])
            told.append(await truth(database))
    assert told[0] == told[1]
    likers = {(actor, project) for actor, project, type_, _ in drawn if type_ is LIKE}
    assert sum(likes for _, likes, _ in told[0]["counters"]) == len(likers)
    views = {(actor, project, at) for actor, project, type_, at in drawn if type_ is VIEW}
    assert sum(count for _, _, count in told[0]["counters"]) == len(views)
