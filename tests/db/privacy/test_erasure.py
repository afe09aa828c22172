"""Somebody who is deleted is nowhere: in no row, no entry of the cache, no vector, and no byte of a file."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from db.actors.actor_preferences import change_preferences
from db.actors.mutes import mute
from db.actors.users import find_viewer, upsert_users
from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.errors import Store, StoreUnavailable, UnknownReference
from db.interactions.decayed_counters import decayed_counts, recount_slices
from db.interactions.interactions import NewInteraction, record_interactions, set_state
from db.interactions.served_pages import ServedPageLog
from db.models import (
    Actor,
    Base,
    Erasure,
    EventId,
    InteractionType,
    MuteKind,
    OnboardingQuestion,
    OnboardingResponse,
    Project,
    RemovedInterest,
    Term,
    TermKind,
    User,
    UserFactors,
    now,
)
from db.privacy.erasure import (
    ERASURE_GRACE,
    PERSONAL,
    ErasureReceipt,
    OwnedProjects,
    erase_session,
    erase_users,
    receipt_of,
)
from db.privacy.personal_data_export import ExportCursor, export_personal_data, key_types
from db.privacy.projection_erasure import finish_erasures
from db.records import InterestRecord, UserRecord
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.mathematics.velocity import Window
from scoring.pipelines.search import SearchQuery
from tests.world import ANYTHING, BEGIN, MOMENT, World, world_fixture

KEY = "zebulon-key"
WORDS = ("zebulon", "quokkaphile", "xylograph", "zzsession")
"""What only the deleted user's key, texts and session hold."""

AFTER = now() + ERASURE_GRACE + timedelta(hours=1)


async def painters(world: World) -> None:
    """Add painters who have come to the same projects."""
    await world.add_users("author", *(f"painter-{n}" for n in range(6)))
    await world.add_projects(30, topics=("daily",), owner="author")
    for n in range(6):
        await world.act(f"painter-{n}", InteractionType.LIKE, "p0000", "p0006")
        await world.act(f"painter-{n}", InteractionType.VIEW, "p0001")


world = world_fixture(painters)


async def a_full_life(world: World) -> tuple[int, ServedPageLog]:
    """Fill every table and every store with somebody."""
    database = world.stores.database
    tags = (
        InterestRecord(name="painting", kind=TermKind.CATEGORY),
        InterestRecord(name="xylograph", kind=TermKind.TOPIC),
    )
    record_ = UserRecord(key=KEY, username="Zebulon", bio="A quokkaphile.", tier="gold", interests=tags)
    async with database.write() as connection:
        await upsert_users(connection, [record_])
    viewer = await world.viewer(KEY)
    actor = viewer.actor_id or 0
    own = world.project(
        500, owner=KEY, title="Quokkaphile notes", topics=("zebulonics",), description="On the xylograph, by Zebulon."
    )
    async with database.write() as connection:
        await upsert_projects(connection, [own])
        await connection.execute(insert(Actor), [{"session_key": "zzsession", "merged_into": actor}])
        (session,) = await connection.scalars(select(Actor.id).where(Actor.session_key == "zzsession"))
        ids = [row.id for row in await connection.execute(select(Project.id).order_by(Project.key).limit(5))]
        kinds = (InteractionType.VIEW, InteractionType.LIKE, InteractionType.SAVE, InteractionType.DISMISS)
        events = [
            NewInteraction(who, ids[place], kind, BEGIN, session_key="zzsession")
            for who in (actor, session)
            for place, kind in enumerate(kinds)
        ]
        await record_interactions(connection, events)
        await mute(connection, actor, MuteKind.OWNER, (await find_viewer(database, user_key="painter-5")).user_id or 0)
        await change_preferences(connection, actor, {"discovery": 70})
        await connection.execute(insert(EventId), [{"actor_id": actor, "event_id": "zebulon-event"}])
        question = {"id": 1, "key": "q", "type": "use_case", "text": "?"}
        await connection.execute(insert(OnboardingQuestion), [question])
        answer = {"actor_id": actor, "question_id": 1, "selected_options": ["quokkaphile"]}
        await connection.execute(insert(OnboardingResponse), [answer])
        (term,) = await connection.scalars(select(Term.id).where(Term.key == "xylograph"))
        await connection.execute(insert(RemovedInterest), [{"actor_id": actor, "term_id": term}])
        await connection.execute(insert(UserFactors), [{"actor_id": actor, "vector": b"\1\2"}])
    await world.settle()
    served = ServedPageLog(database)
    feeds = Feeds(world.stores, clock=lambda: MOMENT, deadlines=PATIENT, served=served)
    viewer = await world.viewer(KEY)
    await feeds.for_you(viewer, 10, None, ANYTHING)
    await feeds.trending(viewer, Window.DAY, 10, None, ANYTHING)
    await feeds.search(viewer, SearchQuery.checked("xylograph by zebulon", 0.7, personalized=True), 10, None, ANYTHING)
    await served.flush()
    return actor, served


async def rows_of(database: Database) -> dict[str, list[Mapping[str, Any]]]:
    return {
        table.name: [row._mapping for row in await database.fetch(select(table))]
        for table in Base.metadata.sorted_tables
    }


async def traces(world: World, actor: int, folder: Path) -> list[str]:
    """Search every row, every entry of the cache, the index and every file for what only the deleted had."""
    found = []
    for table, rows in (await rows_of(world.stores.database)).items():
        for row in rows:
            told = repr(dict(row)).lower()
            found += [f"{table}: {word}" for word in WORDS if word in told]
            if actor in (row.get("actor_id"), row.get("merged_into")) or (table, row.get("id")) == ("actors", actor):
                found.append(f"{table}: the actor")
            if table == "outbox" and row["kind"] == "profile" and row["key"] == str(actor):
                found.append("outbox: the actor")
    for key in await world.stores.cache.keys(""):
        value = await world.stores.cache.get(key) or b""
        if key.startswith(f"actor:{actor}:") or b'"actor":%d,' % actor in value:
            found.append(f"cache: {key}")
    if await world.stores.vectors.profile(actor) is not None:
        found.append("vectors: the profile")
    listed = await world.stores.vectors.listing("UserProfile", None, 1_000)
    found += [f"vectors: {key}" for key, _ in listed if key == str(actor)]
    return found + traces_in_files(folder)


def traces_in_files(folder: Path) -> list[str]:
    contents = {path.name: path.read_bytes().lower() for path in sorted(folder.rglob("*")) if path.is_file()}
    return [f"{name}: {word}" for name, content in contents.items() for word in WORDS if word.encode() in content]


async def erase(world: World, projects: OwnedProjects = OwnedProjects.REMOVE, **more: Any) -> ErasureReceipt:
    async with world.stores.database.write() as connection:
        count, receipt = await erase_users(connection, [KEY, "nobody"], projects, **more)
    assert count == 1
    assert receipt is not None
    return receipt


async def counted(world: World) -> list[tuple[Any, ...]]:
    statement = select(Project.key, Project.like_count, Project.view_count).order_by(Project.key)
    return [tuple(row) for row in await world.stores.database.fetch(statement)]


async def test_the_full_life_leaves_traces_everywhere(world: World, tmp_path: Path) -> None:
    """Else the next test would find nothing whatever is left."""
    actor, _ = await a_full_life(world)
    found = await traces(world, actor, tmp_path)
    personal = {table.name for table in PERSONAL}
    assert personal <= {trace.partition(":")[0] for trace in found}, personal
    assert {"users", "projects", "cache", "vectors"} <= {trace.partition(":")[0] for trace in found}
    assert any(trace.startswith("vectors.sqlite") for trace in found)
    assert any(trace.startswith("cache.sqlite") for trace in found)


async def test_whoever_is_deleted_is_in_no_row_no_entry_no_vector_and_no_byte(world: World, tmp_path: Path) -> None:
    before = await counted(world)
    actor, served = await a_full_life(world)
    assert [row[:3] for row in await counted(world) if row[0] != "p0500"] != before
    viewer = await world.viewer(KEY)
    receipt = await erase(world)
    # A request that was under way: it knows the actor, and writes afterwards.
    async with world.stores.database.write() as connection:
        (late,) = await world.ids(["p0007"])
        await set_state(connection, NewInteraction(actor, late, InteractionType.LIKE, BEGIN))
    await world.feeds.for_you(viewer, 10, None, ANYTHING)
    served.add(
        snapshot_id="zebulon", actor_id=actor, feed_kind="for_you", strategy="s", model="m", at=BEGIN, first_rank=1,
        projects=[1],
    )  # fmt: skip
    await served.flush()
    assert await finish_erasures(world.stores) == 0  # the time of grace is not over
    assert (await receipt_of(world.stores.database, receipt.id) or receipt).completed_at is None
    await world.settle()
    assert await finish_erasures(world.stores, at=AFTER) == 1
    completed = await receipt_of(world.stores.database, receipt.id)
    assert completed is not None
    assert completed.completed_at is not None
    assert completed.report["users"] == 1
    assert completed.report["likes"] == 2
    assert await traces(world, actor, tmp_path) == []
    assert await counted(world) == before
    live = await decayed_counts(world.stores.database, await world.ids([row[0] for row in before]), MOMENT)
    async for _ in recount_slices(world.stores.database, MOMENT):
        pass
    again = await decayed_counts(world.stores.database, await world.ids([row[0] for row in before]), MOMENT)
    assert live == pytest.approx(again, abs=1e-6)
    assert await finish_erasures(world.stores, at=AFTER) == 0


async def test_it_shows_at_once(world: World) -> None:
    actor, _ = await a_full_life(world)
    await erase(world)
    assert (await find_viewer(world.stores.database, user_key=KEY)).actor_id is None
    assert (await find_viewer(world.stores.database, session_key="zzsession")).actor_id is None
    for table in PERSONAL:
        found = await world.stores.database.fetch(select(func.count()).where(table.c.actor_id == actor))
        assert found[0][0] == 0, table.name
    assert "zebulon" not in repr(await rows_of(world.stores.database)).lower()


async def test_a_new_person_never_gets_the_number_of_one_who_is_being_deleted(world: World) -> None:
    actor, _ = await a_full_life(world)
    await erase(world)
    assert (await world.viewer("newcomer")).actor_id != actor


class _Broken:
    """A store that is away for every call but those it passes on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        async def away(*_: Any, **__: Any) -> None:
            raise StoreUnavailable(self._store, "away")

        return away


@pytest.mark.parametrize("away", ["cache", "vectors"])
async def test_a_deletion_that_was_interrupted_goes_on(world: World, tmp_path: Path, away: str) -> None:
    actor, _ = await a_full_life(world)
    receipt = await erase(world)
    broken: Any = _Broken(Store(away))
    assert await finish_erasures(replace(world.stores, **{away: broken}), at=AFTER) == 0
    assert (await receipt_of(world.stores.database, receipt.id) or receipt).completed_at is None
    await world.settle()
    assert await finish_erasures(world.stores, at=AFTER) == 1
    assert await traces(world, actor, tmp_path) == []


async def test_workers_that_finish_at_once_do_no_harm(world: World, tmp_path: Path) -> None:
    actor, _ = await a_full_life(world)
    await erase(world)
    await world.settle()
    await asyncio.gather(*(finish_erasures(world.stores, at=AFTER) for _ in range(3)))
    await finish_erasures(world.stores, at=AFTER)
    assert await traces(world, actor, tmp_path) == []


async def test_projects_that_are_kept_lose_their_owner_or_get_another(world: World, tmp_path: Path) -> None:
    await a_full_life(world)
    async with world.stores.database.write() as connection:
        with pytest.raises(UnknownReference):
            await erase_users(connection, [KEY], OwnedProjects.KEEP, "nobody")
        with pytest.raises(UnknownReference):
            await erase_users(connection, [KEY], OwnedProjects.KEEP, KEY)
    await erase(world, OwnedProjects.KEEP, new_owner="author")
    owner = select(User.key).join(Project, Project.owner_id == User.id).where(Project.key == "p0500")
    assert [row.key for row in await world.stores.database.fetch(owner)] == ["author"]
    assert await finish_erasures(world.stores, at=AFTER) == 0  # the index still says who made it
    await world.settle()
    assert await finish_erasures(world.stores, at=AFTER) == 1


async def test_without_a_new_owner_what_is_kept_has_none(world: World) -> None:
    await a_full_life(world)
    await erase(world, OwnedProjects.KEEP)
    (row,) = await world.stores.database.fetch(select(Project.owner_id).where(Project.key == "p0500"))
    assert row.owner_id is None


async def test_a_receipt_identifies_no_person(world: World) -> None:
    actor, _ = await a_full_life(world)
    await erase(world)
    await world.settle()
    await finish_erasures(world.stores, at=AFTER)
    (row,) = await world.stores.database.fetch(select(Erasure))
    assert row.leftovers == {}
    assert str(actor) not in {str(value) for value in row.report.values() if value > 100}


async def test_who_is_deleted_twice_or_was_never_there_has_no_receipt(world: World) -> None:
    await a_full_life(world)
    await erase(world)
    async with world.stores.database.write() as connection:
        assert await erase_users(connection, [KEY]) == (0, None)
        assert await erase_users(connection, []) == (0, None)
        assert await erase_session(connection, 10**9) is None


async def test_a_session_is_deleted_unless_an_account_has_claimed_it(world: World) -> None:
    actor, _ = await a_full_life(world)
    database = world.stores.database
    (claimed,) = await database.fetch(select(Actor.id).where(Actor.session_key == "zzsession"))
    async with database.write() as connection:
        await connection.execute(insert(Actor), [{"session_key": "free"}])
    free = (await find_viewer(database, session_key="free")).actor_id or 0
    async with database.write() as connection:
        project_id = (await world.ids(["p0009"]))[0]
        await set_state(connection, NewInteraction(free, project_id, InteractionType.LIKE, BEGIN))
    async with database.write() as connection:
        assert await erase_session(connection, claimed.id) is None
        assert await erase_session(connection, actor) is None
        receipt = await erase_session(connection, free)
    assert receipt is not None
    assert receipt.report == {"interactions": 1, "engagement": 1, "likes": 1}
    assert (await find_viewer(database, session_key="free")).actor_id is None


async def test_pages_of_the_deleted_do_not_keep_others_out_of_the_log(world: World) -> None:
    actor, served = await a_full_life(world)
    other = (await world.viewer("painter-0")).actor_id
    await erase(world)
    await finish_erasures(world.stores, at=AFTER)
    page = {"feed_kind": "for_you", "strategy": "s", "model": "m", "at": BEGIN, "first_rank": 1, "projects": [1]}
    for who in (actor, other, None):
        served.add(snapshot_id="x", actor_id=who, **page)
    await world.settle()
    await finish_erasures(world.stores, at=AFTER)
    await served.flush()
    rows = await world.stores.database.fetch(text("SELECT actor_id FROM served_pages WHERE snapshot_id = 'x'"))
    assert {row.actor_id for row in rows} == {other, None}


# --- what is held, as its owner reads it -----------------------------------------------------------------------------


async def test_an_export_holds_every_row_of_the_person_and_of_nobody_else(world: World) -> None:
    actor, _ = await a_full_life(world)
    page = await export_personal_data(world.stores, actor)
    assert page.next is None
    sessions = [row.id for row in await world.stores.database.fetch(select(Actor.id).where(Actor.merged_into == actor))]
    for table in PERSONAL:
        rows = await world.stores.database.fetch(select(func.count()).where(table.c.actor_id.in_([actor, *sessions])))
        assert len(page.data[table.name]) == rows[0][0] > 0, table.name
    assert [account["key"] for account in page.data["accounts"]] == [KEY, None]
    assert page.data["accounts"][0]["bio"] == "A quokkaphile."
    assert [project["key"] for project in page.data["projects"]] == ["p0500"]
    assert len(page.data["vector"]) > 100
    assert {row["project"] for row in page.data["likes"]} == {"p0001"}
    assert {(row["term"], row["term_kind"]) for row in page.data["user_tags"]} == {
        ("painting", "category"),
        ("xylograph", "topic"),
    }
    assert page.data["mutes"][0]["owner"] == "painter-5"
    assert "neighbors" not in page.data["user_factors"][0]
    told = repr(dict(page.data)).lower()
    assert all(word in told for word in WORDS)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_the_pages_of_an_export_are_the_whole_of_it(world: World, limit: int) -> None:
    actor, _ = await a_full_life(world)
    whole = await export_personal_data(world.stores, actor)
    found: dict[str, list[Any]] = {}
    place: ExportCursor | None = None
    for _ in range(200):
        page = await export_personal_data(world.stores, actor, limit, place)
        for name, rows in page.data.items():
            if isinstance(rows, list):
                found.setdefault(name, []).extend(rows)
        place = page.next
        if place is None:
            break
        assert len(key_types(place.table)) == len(place.primary_key) or not place.primary_key
    assert found == whole.data


def test_every_personal_table_is_of_an_actor() -> None:
    assert {"interactions", "likes", "saves", "dismissals", "mutes", "user_tags", "served_pages"} <= {
        table.name for table in PERSONAL
    }
    assert {table.name for table in Base.metadata.sorted_tables if "actor_id" in table.c} == {
        table.name for table in PERSONAL
    }
