"""The catalog's writes say what they did and write nothing twice; its readers page by name; on both engines."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select

from db.actors.users import upsert_users
from db.catalog.catalog_entries import (
    all_categories,
    remove_projects,
    search_tools,
    terms_by_project,
    tools_by_key,
    upsert_categories,
    upsert_projects,
    upsert_tools,
)
from db.database.engine import Database
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import Actor, Interaction, InteractionType, Like, OutboxRow, Project, Term, TermKind, User
from db.privacy.erasure import erase_users
from db.records import CategoryRecord, InterestRecord, ProjectRecord, ToolRecord, UserRecord
from db.upsert_results import UpsertResult
from tests.conftest import CountStatements

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def project(key: str, **fields: Any) -> ProjectRecord:
    return ProjectRecord(**{"key": key, "title": f"Title of {key}", "type": "article"} | fields)


async def put(database: Database, *records: ProjectRecord) -> UpsertResult:
    async with database.write() as connection:
        return await upsert_projects(connection, records)


async def put_users(database: Database, *keys: str) -> None:
    async with database.write() as connection:
        await upsert_users(connection, [UserRecord(key=key, username=key) for key in keys])


async def outbox(database: Database, kind: str) -> dict[str, bool]:
    rows = await database.fetch(select(OutboxRow.key, OutboxRow.urgent).where(OutboxRow.kind == kind))
    return {row.key: row.urgent for row in rows}


async def clear_outbox(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(delete(OutboxRow))


async def stored(database: Database, key: str) -> Any:
    return (await database.fetch(select(*Project.__table__.c).where(Project.key == key)))[0]


async def test_a_project_is_stored_as_it_was_sent(database: Database) -> None:
    await put_users(database, "ann")
    record_interactions = project(
        "p", description="“Text” with \\ and \n", owner="ann", url="https://code.example/p", image_url="https://i.example",
        created_at=NOON, private=True, source={"subreddit": "x", "score": 3, "deep": [{"a": None, "b": 1.5}]},
    )  # fmt: skip
    assert await put(database, record_interactions) == UpsertResult(added=1)
    row = await stored(database, "p")
    assert (row.title, row.description, row.url) == ("Title of p", "“Text” with \\ and \n", "https://code.example/p")
    assert (row.private, row.archived, row.created_at, row.source) == (True, False, NOON, record_interactions.source)
    assert row.owner_id == (await database.fetch(select(User.id)))[0].id


async def test_projects_are_added_changed_and_left_alone(database: Database) -> None:
    await put(database, project("a"), project("b", topics=("x", "y")), project("c", source={"b": 1, "a": [1]}))
    result = await put(
        database, project("a", title="New"), project("b", topics=("y", "x")), project("c", source={"a": [1], "b": 1}),
        project("d"),
    )  # fmt: skip
    assert result == UpsertResult(added=1, changed=1, unchanged=2)
    assert len(result.added_keys) == len(result.changed_keys) == 1


async def test_an_unchanged_project_writes_nothing(database: Database) -> None:
    record_interactions = project("a", topics=("x",), tools=("t",), source={"n": 0.1})
    await put(database, record_interactions)
    await clear_outbox(database)
    before = await stored(database, "a")
    assert await put(database, record_interactions) == UpsertResult(unchanged=1)
    assert await stored(database, "a") == before
    assert await outbox(database, "project") == {}


async def test_a_changed_term_alone_is_a_change(database: Database) -> None:
    await put(database, project("a", topics=("x", "y")))
    await clear_outbox(database)
    assert await put(database, project("a", topics=("x", "z"))) == UpsertResult(changed=1)
    (terms,) = (await terms_by_project(database, [(await stored(database, "a")).id])).values()
    assert [term.key for term in terms] == ["x", "z"]
    assert await outbox(database, "project") == {"a": False}


async def test_a_project_without_a_time_keeps_the_one_it_has(database: Database) -> None:
    await put(database, project("a", created_at=NOON))
    assert await put(database, project("a")) == UpsertResult(unchanged=1)
    assert (await stored(database, "a")).created_at == NOON


@pytest.mark.parametrize("hidden", ["private", "archived"])
async def test_what_is_hidden_must_leave_the_index_at_once(database: Database, hidden: str) -> None:
    await put(database, project("a"), project("b"))
    await clear_outbox(database)
    assert (await put(database, project("a", **{hidden: True}), project("b", title="New"))).changed == 2
    assert await outbox(database, "project") == {"a": True, "b": False}


async def test_an_unknown_owner_is_refused_by_name_and_the_rest_goes_in(database: Database) -> None:
    await put_users(database, "ann")
    result = await put(database, project("a", owner="bob"), project("b", owner="ann"), project("c"))
    assert (result.added, [refusal.index for refusal in result.refused]) == (2, [0])
    assert result.refused[0].error.message == "there is no user 'bob' to own this project"
    assert result.refused[0].error.path == ("owner",)


async def test_of_several_records_with_one_key_the_last_counts(database: Database) -> None:
    result = await put(database, project("a", title="First"), project("a", title="Last", topics=("x",)))
    assert result == UpsertResult(added=1, unchanged=1)
    assert (await stored(database, "a")).title == "Last"


async def test_unknown_terms_are_made_and_named_like_their_keys(database: Database) -> None:
    await put(database, project("a", tools=("x",), categories=("x",), topics=("x", "y")))
    rows = await database.fetch(select(Term.kind, Term.key, Term.name).order_by(Term.kind, Term.key))
    assert [tuple(row) for row in rows] == [
        ("category", "x", "x"), ("tool", "x", "x"), ("topic", "x", "x"), ("topic", "y", "y"),
    ]  # fmt: skip


async def test_terms_are_read_by_project(database: Database) -> None:
    await put(database, project("a", tools=("t",), topics=("x",)), project("b"))
    ids = [(await stored(database, key)).id for key in ("a", "b")]
    terms = await terms_by_project(database, ids)
    assert [(term.kind, term.key) for term in terms[ids[0]]] == [(TermKind.TOOL, "t"), (TermKind.TOPIC, "x")]
    assert terms[ids[1]] == []


async def test_a_removed_project_takes_its_events_along(database: Database) -> None:
    await put(database, project("a", topics=("x",)), project("b"))
    await put_users(database, "ann")
    actor_id = (await database.fetch(select(Actor.id)))[0].id
    ids = [(await stored(database, key)).id for key in ("a", "b")]
    async with database.write() as connection:
        await record_interactions(
            connection, [NewInteraction(actor_id, id_, InteractionType.LIKE, NOON) for id_ in ids]
        )
    await clear_outbox(database)
    async with database.write() as connection:
        assert await remove_projects(connection, ["a", "nothing"]) == 1
    for model in (Interaction, Like):
        assert [row.project_id for row in await database.fetch(select(model.project_id))] == [ids[1]]
    assert await outbox(database, "project") == {"a": True}


async def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    database: Database, statements: CountStatements
) -> None:
    await put_users(database, "ann")
    with statements(database) as few:
        await put(database, project("a", owner="ann", topics=("x",), private=True), project("b"))
    batch = [project(f"p{n}", owner="ann", topics=(f"t{n}",), private=n % 2 == 0) for n in range(1_000)]
    with statements(database) as many:
        assert (await put(database, *batch)).added == 1_000
    assert len(many) == len(few)


async def test_tools_are_added_changed_and_left_alone(database: Database) -> None:
    await put(database, project("a", tools=("t1",)))
    tool = ToolRecord(key="t1", name="Blender", tagline="3D", category="modelling", tags=("mesh",), use_cases="scenes")
    async with database.write() as connection:
        assert await upsert_tools(connection, [tool]) == UpsertResult(changed=1)
        assert await upsert_tools(connection, [tool, ToolRecord(key="t2", name="Krita")]) == UpsertResult(1, 0, 1)
    found = (await tools_by_key(database, ["t1"]))["t1"]
    assert (found.name, found.tagline, found.category, found.tags) == ("Blender", "3D", "modelling", ("mesh",))
    assert await outbox(database, "tool") == {"t1": False, "t2": False}


async def test_a_new_name_reaches_all_whose_text_names_it(database: Database) -> None:
    await put(database, project("a", tools=("t",)), project("b", categories=("c",)), project("z"))
    async with database.write() as connection:
        tags = (InterestRecord(kind=TermKind.TOOL, name="t"),)
        await upsert_users(
            connection, [UserRecord(key="u", username="u", tags=tags), UserRecord(key="v", username="v")]
        )
    await clear_outbox(database)
    async with database.write() as connection:
        await upsert_tools(connection, [ToolRecord(key="t", name="New")])
        await upsert_categories(connection, [CategoryRecord(key="c", name="New", description="x")])
    assert await outbox(database, "project") == {"a": False, "b": False}
    tagged = select(Actor.id).join(User, User.id == Actor.user_id).where(User.key == "u")
    assert await outbox(database, "profile") == {str((await database.fetch(tagged))[0].id): False}


async def test_categories_are_added_changed_and_listed_by_name(database: Database) -> None:
    categories = [CategoryRecord(key="1", name="Music"), CategoryRecord(key="2", name="Art")]
    async with database.write() as connection:
        assert await upsert_categories(connection, categories) == UpsertResult(added=2)
        changed = [categories[0], CategoryRecord(key="2", name="Art", description="new")]
        assert await upsert_categories(connection, changed) == UpsertResult(changed=1, unchanged=1)
    assert [(category.name, category.description) for category in await all_categories(database)] == [
        ("Art", "new"), ("Music", ""),
    ]  # fmt: skip


async def test_a_walk_over_the_tools_sees_each_once_by_name(database: Database) -> None:
    names = ["Same", "Same", "Same", "Other", "Before", "100% pure", "a_b", "a/b"]
    async with database.write() as connection:
        await upsert_tools(connection, [ToolRecord(key=f"t{n}", name=name) for n, name in enumerate(names)])
    seen, after = [], None
    while page := await search_tools(database, None, 2, after):
        seen += page
        after = page[-1].name, page[-1].id
    assert sorted(tool.name for tool in seen) == sorted(names)
    assert len({tool.id for tool in seen}) == len(names)
    for search, found in {"SAM": 3, "0% p": 1, "a_b": 1, "/": 1, "nothing": 0, "": 8}.items():
        assert len(await search_tools(database, search, 50)) == found, search


async def test_concurrent_writers_of_every_kind_do_not_block_each_other(database: Database) -> None:
    users, projects = [f"u{n}" for n in range(6)], [f"p{n}" for n in range(6)]
    await put_users(database, *users)
    await put(database, *(project(key, owner="u0") for key in projects))
    actors = [row.id for row in await database.fetch(select(Actor.id))]
    ids = [row.id for row in await database.fetch(select(Project.id))]

    async def rename(number: int) -> None:
        order = 1 if number % 2 else -1
        await put(database, *(project(key, owner=f"u{number}", title=f"{number}") for key in projects[::order]))

    async def act(number: int) -> None:
        at = NOON.replace(minute=number)
        async with database.write() as connection:
            await record_interactions(
                connection, [NewInteraction(a, p, InteractionType.LIKE, at) for a in actors[::-1] for p in ids]
            )

    async def leave(number: int) -> None:
        async with database.write() as connection:
            await erase_users(connection, users[number - 1 :: -1][:2] if number > 3 else [])

    await asyncio.gather(*(act(number) for act in (rename, act, leave) for number in range(6)))
    by_users = select(Like.project_id).join(Actor, Actor.id == Like.actor_id).where(Actor.user_id.is_not(None))
    likes = await database.fetch(by_users)
    counts = await database.fetch(select(Project.id, Project.like_count))
    assert {row.id: row.like_count for row in counts} == {id_: [r.project_id for r in likes].count(id_) for id_ in ids}
