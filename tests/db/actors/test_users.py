"""Who is asking, and the users that the platform sends, on both engines."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from db.actors.users import UserCard, Viewer, ensure_actor, find_viewer, upsert_users, users_by_id
from db.catalog.catalog_entries import upsert_projects, upsert_tools
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import (
    Actor,
    ActorInterest,
    Engagement,
    Interaction,
    InteractionType,
    InterestSource,
    Like,
    OutboxRow,
    Project,
    Role,
    Term,
    TermKind,
    User,
    now,
)
from db.privacy.erasure import erase_users
from db.records import InterestRecord, ProjectRecord, ToolRecord, UserRecord
from tests.conftest import CountStatements

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


async def stored(database: Database, *keys: str) -> dict[str, UserCard]:
    """Read the cards of these users, whether or not they exist for anybody."""
    rows = await database.fetch(select(User.id).where(User.key.in_(keys)))
    return {card.key: card for card in (await users_by_id(database, [row.id for row in rows])).values()}


def user(key: str, *tags: tuple[TermKind, str, float], **fields: object) -> UserRecord:
    listed = tuple(InterestRecord(kind=kind, name=name, confidence=confidence) for kind, name, confidence in tags)
    return UserRecord(key=key, username=f"name of {key}", interests=listed, **fields)  # type: ignore[arg-type]


async def put(database: Database, *records: UserRecord) -> tuple[int, int, int]:
    async with database.write() as connection:
        result = await upsert_users(connection, records)
    return result.added, result.changed, result.unchanged


async def ensure(database: Database, viewer: Viewer) -> int:
    async with database.write() as connection:
        return await ensure_actor(connection, viewer)


async def tags(database: Database) -> list[tuple[str, str, float, str]]:
    rows = await database.fetch(
        select(Term.key, Term.kind, ActorInterest.confidence, ActorInterest.source)
        .join(Term, Term.id == ActorInterest.term_id)
        .order_by(Term.key)
    )
    return [tuple(row) for row in rows]  # type: ignore[misc]


async def outbox(database: Database) -> dict[tuple[str, str], tuple[int, bool]]:
    rows = await database.fetch(select(OutboxRow.kind, OutboxRow.key, OutboxRow.version, OutboxRow.urgent))
    return {(row.kind, row.key): (row.version, row.urgent) for row in rows}


async def test_an_unknown_viewer_has_no_ids(database: Database) -> None:
    assert await find_viewer(database) == Viewer(None, None, None, None, None, Role.VIEWER, 0, {})
    unknown = await find_viewer(database, user_key="x", session_key="s")
    assert unknown == Viewer(None, None, "x", "s", None, Role.VIEWER, 0, {})


async def test_a_viewer_is_found_in_one_statement(database: Database, statements: CountStatements) -> None:
    await put(database, user("ann", role=Role.ADMINISTRATOR))
    with statements(database) as issued:
        viewer = await find_viewer(database, user_key="ann")
    assert len(issued) == 1
    assert viewer.actor_id is not None
    assert (viewer.user_key, viewer.username, viewer.role, viewer.settings) == (
        "ann", "name of ann", Role.ADMINISTRATOR, {},
    )  # fmt: skip


async def test_an_unknown_subject_gets_its_rows_at_the_first_write(database: Database) -> None:
    actor_id = await ensure(database, await find_viewer(database, user_key="new"))
    viewer = await find_viewer(database, user_key="new")
    assert (viewer.actor_id, viewer.username, viewer.version) == (actor_id, "new", 0)
    assert await ensure(database, viewer) == actor_id


async def test_a_session_gets_its_actor_at_the_first_write(database: Database) -> None:
    actor_id = await ensure(database, await find_viewer(database, session_key="s1"))
    viewer = await find_viewer(database, session_key="s1")
    assert (viewer.actor_id, viewer.user_id, viewer.session_key) == (actor_id, None, "s1")
    assert await ensure(database, await find_viewer(database, session_key="s2")) != actor_id


@pytest.mark.parametrize("who", [{"user_key": "new"}, {"session_key": "new"}])
async def test_two_first_writes_at_once_give_one_actor(database: Database, who: dict[str, str]) -> None:
    viewer = await find_viewer(database, **who)
    ids = await asyncio.gather(*(ensure(database, viewer) for _ in range(5)))
    assert len(set(ids)) == 1
    assert len(await database.fetch(select(Actor.id))) == 1


async def test_a_merged_session_gives_the_users_actor_but_never_the_users_role(database: Database) -> None:
    await put(database, user("boss", role=Role.ADMINISTRATOR))
    boss = await find_viewer(database, user_key="boss")
    session = await ensure(database, await find_viewer(database, session_key="s"))
    async with database.write() as connection:
        claim = {"merged_into": boss.actor_id, "claim_ends_at": datetime(2999, 1, 1, tzinfo=UTC)}
        await connection.execute(update(Actor).where(Actor.id == session).values(claim))
    merged = await find_viewer(database, session_key="s")
    assert (merged.actor_id, merged.user_key, merged.role) == (boss.actor_id, "boss", Role.VIEWER)
    stale = Viewer(None, None, None, "s", None, Role.VIEWER, 0, {})
    assert await ensure(database, stale) == boss.actor_id


async def test_an_anonymous_viewer_cannot_write(database: Database) -> None:
    with pytest.raises(InvalidRecord, match="bearer token"):
        await ensure(database, await find_viewer(database))


async def test_users_are_added_changed_and_left_alone(database: Database) -> None:
    assert await put(database, user("a"), user("b", bio="x", tier="gold", points=7)) == (2, 0, 0)
    assert await put(database, user("a"), user("b", bio="y", tier="gold", points=7)) == (0, 1, 1)
    cards = await stored(database, "a", "b")
    assert [cards[key].bio for key in ("a", "b")] == ["", "y"]
    assert (cards["b"].tier, cards["b"].points) == ("gold", 7)
    assert await users_by_id(database, [cards["b"].id]) == {cards["b"].id: cards["b"]}


async def test_an_unchanged_user_writes_nothing(database: Database) -> None:
    record_interactions = user("a", (TermKind.TOPIC, "maps", 0.7), bio="x")
    await put(database, record_interactions)
    stored = select(User.updated_at, Actor.version).join(Actor, Actor.user_id == User.id)
    before = await outbox(database), await database.fetch(stored)
    assert await put(database, record_interactions) == (0, 0, 1)
    assert (await outbox(database), await database.fetch(stored)) == before


async def test_a_changed_user_raises_the_version_and_tells_the_index(database: Database) -> None:
    await put(database, user("a"))
    viewer = await find_viewer(database, user_key="a")
    await put(database, user("a", (TermKind.TOPIC, "maps", 0.7)))
    assert (await find_viewer(database, user_key="a")).version == viewer.version + 1
    assert await outbox(database) == {("profile", str(viewer.actor_id)): (2, False)}


async def test_of_several_records_with_one_key_the_last_counts(database: Database) -> None:
    assert await put(database, user("a", bio="first"), user("a", bio="last")) == (1, 0, 1)
    assert (await stored(database, "a"))["a"].bio == "last"


async def test_a_tag_finds_its_term_by_key_then_by_name_or_makes_it(database: Database) -> None:
    async with database.write() as connection:
        await upsert_tools(connection, [ToolRecord(key="t1", name="Blender"), ToolRecord(key="Blender", name="Other")])
        await upsert_tools(connection, [ToolRecord(key="t2", name="Krita")])
    tool, topic = TermKind.TOOL, TermKind.TOPIC
    await put(database, user("a", (tool, "Blender", 0.5), (tool, "Krita", 0.25), (topic, "Krita", 1.0)))
    assert await tags(database) == [
        ("Blender", "tool", 0.5, "imported"), ("Krita", "topic", 1.0, "imported"), ("t2", "tool", 0.25, "imported"),
    ]  # fmt: skip


async def test_imported_tags_are_replaced_and_those_made_by_hand_stay(database: Database) -> None:
    topic = TermKind.TOPIC
    await put(database, user("a", (topic, "gone", 0.5), (topic, "kept", 0.5), (topic, "mine", 0.5)))
    async with database.write() as connection:
        mine = select(Term.id).where(Term.key == "mine").scalar_subquery()
        by_hand = {"source": InterestSource.MANUAL.value, "confidence": 1.0}
        await connection.execute(update(ActorInterest).where(ActorInterest.term_id == mine).values(by_hand))
    assert await put(database, user("a", (topic, "kept", 0.5), (topic, "mine", 0.1), (topic, "new", 0.7))) == (0, 1, 0)
    assert await tags(database) == [
        ("kept", "topic", 0.5, "imported"), ("mine", "topic", 1.0, "manual"), ("new", "topic", 0.7, "imported"),
    ]  # fmt: skip
    assert await put(database, user("a")) == (0, 1, 0)
    assert await tags(database) == [("mine", "topic", 1.0, "manual")]


async def test_an_upsert_costs_the_same_number_of_statements_whatever_its_size(
    database: Database, statements: CountStatements
) -> None:
    with statements(database) as few:
        await put(database, user("a", (TermKind.TOPIC, "x", 0.5)))
    with statements(database) as many:
        await put(database, *(user(f"u{n}", (TermKind.TOPIC, f"t{n}", 0.5)) for n in range(500)))
    assert len(many) == len(few)


async def test_a_removed_user_is_nowhere_and_the_counters_are_right(database: Database) -> None:
    await put(database, user("a", (TermKind.TOPIC, "x", 0.5)), user("b"))
    async with database.write() as connection:
        projects = [ProjectRecord(key=key, title=key, type="article", owner="a") for key in ("p", "q")]
        await upsert_projects(connection, projects)
    ids = [row.id for row in await database.fetch(select(Project.id).order_by(Project.key))]
    actors = {key: (await find_viewer(database, user_key=key)).actor_id or 0 for key in ("a", "b")}
    session = await ensure(database, await find_viewer(database, session_key="s"))
    async with database.write() as connection:
        await connection.execute(update(Actor).where(Actor.id == session).values(merged_into=actors["a"]))
        both = [*actors.values(), session]
        kinds = (InteractionType.LIKE, InteractionType.VIEW)
        await record_interactions(
            connection, [NewInteraction(actor, ids[0], kind, NOON) for actor in both for kind in kinds]
        )
        await record_interactions(connection, [NewInteraction(actors["a"], ids[1], InteractionType.VIEW, now())])
        await connection.execute(OutboxRow.__table__.delete())
    async with database.write() as connection:
        assert (await erase_users(connection, ["a", "nobody"]))[0] == 1
    rows = await database.fetch(select(Project.owner_id, Project.like_count, Project.view_count).order_by(Project.key))
    assert [tuple(row) for row in rows] == [(None, 1, 1), (None, 0, 0)]
    assert [row.key for row in await database.fetch(select(User.key))] == ["b"]
    for model in (Interaction, Engagement, Like):
        assert {row.actor_id for row in await database.fetch(select(model.actor_id))} == {actors["b"]}
    assert await tags(database) == []
    assert await outbox(database) == {
        ("project", "p"): (1, False), ("project", "q"): (1, False),
        ("profile", str(actors["a"])): (1, True), ("profile", str(session)): (1, True),
    }  # fmt: skip


async def test_a_record_without_a_role_leaves_the_role_that_is_there(database: Database) -> None:
    async with database.write() as connection:
        await upsert_users(connection, [UserRecord(key="ruth", username="Ruth", role=Role.ADMINISTRATOR)])
    async with database.write() as connection:
        result = await upsert_users(connection, [UserRecord(key="ruth", username="Ruth A.")])
        await upsert_users(connection, [UserRecord(key="new", username="New")])
    assert result.changed == 1
    cards = await stored(database, "ruth", "new")
    assert (cards["ruth"].username, cards["ruth"].role, cards["new"].role) == (
        "Ruth A.",
        Role.ADMINISTRATOR,
        Role.VIEWER,
    )
