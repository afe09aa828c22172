"""Mutes in the truth."""

import asyncio

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from db.actors.mutes import mute, mutes_of, unmute, unmute_dismissed
from db.actors.users import find_viewer
from db.database.engine import Database
from db.models import Actor, Mute, MuteKind, Project, Term, User

SUBJECTS = {
    MuteKind.TOPIC: (1, "rust", "Rust"),
    MuteKind.CATEGORY: (2, "games", "Games"),
    MuteKind.TOOL: (3, "blender", "Blender"),
    MuteKind.OWNER: (2, "bob", "Bob"),
    MuteKind.PROJECT: (1, "p1", "One"),
}


async def seed(database: Database) -> None:
    async with database.write() as connection:
        people = [{"id": 1, "key": "ada", "username": "Ada"}, {"id": 2, "key": "bob", "username": "Bob"}]
        await connection.execute(insert(User), people)
        await connection.execute(insert(Actor), [{"id": 1, "user_id": 1}, {"id": 2, "user_id": 2}])
        projects = [
            {"id": n, "key": f"p{n}", "title": title, "type": "article", "owner_id": 2}  # an owner in public has a name
            for n, title in ((1, "One"), (2, "Two"))
        ]
        await connection.execute(insert(Project), projects)
        terms = [
            {"id": id_, "kind": kind.value, "key": key, "name": name}
            for kind, (id_, key, name) in SUBJECTS.items()
            if kind not in (MuteKind.OWNER, MuteKind.PROJECT)
        ]
        await connection.execute(insert(Term), terms)


async def test_each_kind_is_muted_once_named_and_taken_back(database: Database) -> None:
    await seed(database)
    for number, (kind, (id_, key, name)) in enumerate(SUBJECTS.items()):
        async with database.write() as connection:
            assert await mute(connection, 1, kind, id_)
            assert not await mute(connection, 1, kind, id_)
        (latest, *others) = await mutes_of(database, 1)
        assert (latest.kind, latest.subject_id, latest.key, latest.name) == (kind, id_, key, name)
        assert len(others) == number
    for kind, (id_, _, _) in SUBJECTS.items():
        async with database.write() as connection:
            assert await unmute(connection, 1, kind, id_)
            assert not await unmute(connection, 1, kind, id_)
    assert await mutes_of(database, 1) == []


async def test_only_what_changes_something_raises_the_version(database: Database) -> None:
    await seed(database)
    versions = []
    for act in (mute, mute, unmute, unmute):
        async with database.write() as connection:
            await act(connection, 1, MuteKind.OWNER, 2)
        versions.append((await find_viewer(database, user_key="ada")).version)
    assert versions == [1, 1, 2, 2]


async def test_the_mutes_of_others_are_their_own(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        await mute(connection, 1, MuteKind.TOOL, 3)
        assert not await unmute(connection, 2, MuteKind.TOOL, 3)
    assert await mutes_of(database, 2) == []
    assert len(await mutes_of(database, 1)) == 1


async def test_a_dismissal_takes_only_the_mutes_back_that_came_with_it(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        await mute(connection, 1, MuteKind.TOOL, 3, dismissed_id=1)
        await mute(connection, 1, MuteKind.TOPIC, 1, dismissed_id=2)
        await mute(connection, 1, MuteKind.CATEGORY, 2)
        # Muted by hand before: a dismissal does not make it its own.
        assert not await mute(connection, 1, MuteKind.CATEGORY, 2, dismissed_id=1)
        assert await unmute_dismissed(connection, 1, 1)
        assert not await unmute_dismissed(connection, 1, 1)
    assert {one.kind for one in await mutes_of(database, 1)} == {MuteKind.TOPIC, MuteKind.CATEGORY}


async def test_what_is_gone_is_muted_no_more_but_a_lost_dismissal_leaves_its_mute(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        await mute(connection, 1, MuteKind.TOOL, 3)
        await mute(connection, 1, MuteKind.TOPIC, 1, dismissed_id=2)
        await connection.execute(delete(Term).where(Term.id == 3))
        await connection.execute(delete(Project).where(Project.id == 2))
    (left,) = await mutes_of(database, 1)
    assert (left.kind, left.dismissed_id) == (MuteKind.TOPIC, None)


async def test_two_who_mute_the_same_at_once_make_one_mute(database: Database) -> None:
    await seed(database)

    async def one() -> bool:
        async with database.write() as connection:
            return await mute(connection, 1, MuteKind.OWNER, 2)

    assert sorted(await asyncio.gather(*(one() for _ in range(4)))) == [False, False, False, True]
    assert len(await mutes_of(database, 1)) == 1
    assert (await find_viewer(database, user_key="ada")).version == 1


async def test_a_mute_is_of_one_thing(database: Database) -> None:
    await seed(database)
    for values in ({}, {"term_id": 1, "owner_id": 2}, {"owner_id": 2, "seed_id": 1}):
        with pytest.raises(IntegrityError, match="one_subject"):
            async with database.write() as connection:
                await connection.execute(insert(Mute).values(actor_id=1, **values))
    assert await database.fetch(select(Mute.id)) == []
