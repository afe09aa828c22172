"""Rankings from columns are those from the database, and refreshed columns are those that are read anew."""

import asyncio
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from db.actors.actor_preferences import change_preferences
from db.actors.profiles import NO_EXCLUSIONS, ProfileExclusions
from db.catalog.catalog_entries import upsert_projects
from db.catalog.project_cards import ProjectFilter, term_ids
from db.columns import column_store
from db.columns.column_store import Columns, ColumnStore
from db.errors import Store, StoreUnavailable
from db.models import InteractionType, MuteKind, TermKind
from db.records import InterestRecord
from scoring import tunables
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.mathematics.additive_model import Curve, Model
from scoring.mathematics.behavior_signals import BEHAVIOR_SIGNALS, EVALUATION_ONLY
from scoring.models.model_presets import BASELINE, DEFAULT
from scoring.pipelines import for_you
from scoring.pipelines.candidate_sources import gather_candidates
from scoring.profiles.viewer_columns import view_columns
from scoring.profiles.viewer_profile import load_profile
from scoring.ranking import Ranking
from scoring.use_cases.change_preferences import mute
from scoring.use_cases.dismissals import dismiss_project
from scoring.use_cases.unit_of_work import Caller, UnitOfWork
from tests.conftest import CountStatements
from tests.waiting import until
from tests.world import ANYTHING, BEGIN, MOMENT, World, world_fixture

PEOPLE = 26
WINDOW = timedelta(days=tunables.RELEASE_WINDOW_DAYS)


async def _fill(world: World) -> None:
    """People of two tastes with interests, likes, impressions, dismissals and mutes; and projects that feeds hide."""
    await world.add_users("maker", "other")
    for person in range(PEOPLE):
        tags = [InterestRecord(kind=TermKind.TOOL, name=f"tool-{(person + n) % 7}") for n in range(person % 4)]
        await world.add_users(f"u{person}", tags=tags)
    await world.add_projects(40, owner="maker")
    await world.add_projects(40, start=40, owner="other", type="video")
    await world.add_projects(2, start=80, private=True)
    for person in range(PEOPLE):
        keys = [f"p{n:04}" for n in range(82) if n % 2 == person % 2 and (n + person) % 5]
        times = [BEGIN - timedelta(hours=(place * 5 + person) % 400, minutes=person) for place in range(len(keys))]
        user = f"u{person}"
        await world.act_all([(user, InteractionType.VIEW, key, at) for key, at in zip(keys, times, strict=True)])
        await world.act(user, InteractionType.LIKE, *keys[: person % 7])
        await world.act(user, InteractionType.IMPRESSION, *keys[-5:], at=BEGIN - timedelta(days=person % 9))
    for person, key, kind, muted in (
        (3, "p0007", MuteKind.OWNER, "other"),
        (4, "p0010", MuteKind.TOOL, "tool-2"),
        (5, "p0001", MuteKind.PROJECT, "p0003"),
    ):
        work = UnitOfWork(world.stores, Caller(user_key=f"u{person}"))
        await dismiss_project(work, key)
        await mute(work, kind, muted)
    await train_collaborative_model(world.stores.database)
    await world.settle()


filled = world_fixture(_fill)


@pytest.fixture(name="world")
async def world_with_columns(filled: World) -> World:
    columns = ColumnStore(filled.stores.database, WINDOW, 1_000, lambda: MOMENT)
    await columns.load()
    filled.stores = replace(filled.stores, columns=columns)
    return filled


async def ranked(
    world: World,
    user: str,
    where: ProjectFilter = ANYTHING,
    *,
    columns: bool,
    exclusions: ProfileExclusions = NO_EXCLUSIONS,
    model: Model = DEFAULT,
) -> Ranking:
    viewer = await world.viewer(user)
    view = await view_columns(world.stores, viewer, MOMENT) if columns else None
    profile = await load_profile(world.stores, viewer, MOMENT, PATIENT, exclusions, view)
    return await for_you.rank(world.stores, profile, where, model, MOMENT, PATIENT)


def assert_same(one: Ranking, other: Ranking) -> None:
    assert one.ids.tolist() == other.ids.tolist()
    assert one.signals == other.signals
    assert np.abs(one.contributions - other.contributions).max(initial=0) <= 2  # sums in another order of floats
    assert np.allclose(one.values, other.values, atol=1e-5)
    assert one.adjustments == other.adjustments
    assert one.hidden == other.hidden
    assert (one.strategy, one.switched_off, one.degraded) == (other.strategy, other.switched_off, other.degraded)


FILTERS = {
    "none": ANYTHING,
    "type": ProjectFilter(types=("video",)),
    "terms": ProjectFilter(tools=("tool-1", "tool-2"), categories=("robots", "painting", "chess")),
    "unknown term": ProjectFilter(tools=("no-such-tool",)),
    "time": ProjectFilter(created_after=BEGIN - timedelta(days=50), created_before=BEGIN - timedelta(days=5)),
    "keys": ProjectFilter(exclude_keys=("p0001", "p0042")),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_a_ranking_from_columns_is_that_from_the_database(world: World, name: str):
    sizes = set()
    where = replace(FILTERS[name], excluded_ids=tuple(await world.ids(FILTERS[name].exclude_keys)))
    for person in range(0, PEOPLE, 1 if name == "none" else 6):
        from_database = await ranked(world, f"u{person}", where, columns=False)
        from_columns = await ranked(world, f"u{person}", where, columns=True)
        assert_same(from_columns, from_database)
        sizes.add(from_columns.ids.size)
    assert (max(sizes) > 5) == (name != "unknown term")


async def test_each_source_finds_the_same_candidates_in_columns(world: World):
    viewer = await world.viewer("u3")
    for where, n_sources in ((ANYTHING, 8), (FILTERS["terms"], 6)):
        terms = await term_ids(world.stores.database, where)
        found = []
        for columns in (None, await view_columns(world.stores, viewer, MOMENT)):
            profile = await load_profile(world.stores, viewer, MOMENT, PATIENT, columns=columns)
            found.append((await gather_candidates(world.stores, profile, where, terms, MOMENT, PATIENT)).by_source)
        assert found[0] == found[1]
        assert sum(bool(ids) for ids in found[0].values()) >= n_sources


EVERY_SIGNAL = Model(
    "every signal",
    {signal: Curve.linear(0.01, -100.0, 100.0) for signal in BEHAVIOR_SIGNALS if signal not in EVALUATION_ONLY},
)


@pytest.mark.parametrize("model", [DEFAULT, BASELINE, EVERY_SIGNAL], ids=lambda model: model.name)
async def test_a_profile_without_a_part_ranks_the_same_from_columns(world: World, model: Model):
    project_ids = await world.ids(["p0002", "p0004"])
    tag = (await load_profile(world.stores, await world.viewer("u2"), MOMENT)).interests[0]
    exclusions = ProfileExclusions(frozenset({tag.term_id}), frozenset(project_ids))
    for user in ("u2", "u10"):
        from_database = await ranked(world, user, columns=False, exclusions=exclusions, model=model)
        assert_same(await ranked(world, user, columns=True, exclusions=exclusions, model=model), from_database)


async def test_a_ranking_from_columns_takes_three_statements(world: World, statements: CountStatements):
    await ranked(world, "u3", columns=True)
    viewer = await world.viewer("u3")
    with statements(world.stores.database) as counted:
        view = await view_columns(world.stores, viewer, MOMENT)
        profile = await load_profile(world.stores, viewer, MOMENT, PATIENT, columns=view)
        await for_you.rank(world.stores, profile, ANYTHING, DEFAULT, MOMENT, PATIENT)
    assert len(counted) == 3  # the viewer's data, likes of user neighbors, item neighbors


def arrays(columns: Columns) -> dict[str, Any]:
    parts = {name: getattr(columns, name) for name in ("projects", "engagement")}
    found = {
        f"{name}.{field.name}": getattr(part, field.name) for name, part in parts.items() for field in fields(part)
    }
    pairs = found.pop("projects.pairs")
    order = np.lexsort((found["engagement.projects"], found["engagement.actors"], found["engagement.at_us"]))
    for name in ("projects", "actors", "at_us"):
        found[f"engagement.{name}"] = found[f"engagement.{name}"][order]
    return {name: value.tolist() for name, value in found.items()} | {"pairs": [one.tolist() for one in pairs]}


async def test_refreshed_columns_are_those_that_are_read_anew(world: World):
    database, store = world.stores.database, world.stores.columns
    assert store is not None
    before = arrays(store.current)  # type: ignore[arg-type]
    await world.add_projects(2, start=90, owner="maker", tools=("tool-new",))
    async with database.write() as connection:
        await upsert_projects(connection, [world.project(5, owner="other", private=True), world.project(6, tools=())])
    await world.add_users("newcomer")
    await world.act("newcomer", InteractionType.VIEW, "p0090", "p0000", at=MOMENT)
    await world.act("u3", InteractionType.LIKE, "p0091", at=MOMENT)
    await store.refresh()
    refreshed = arrays(store.current)  # type: ignore[arg-type]
    await store.load()
    assert refreshed == arrays(store.current)  # type: ignore[arg-type]
    assert before != refreshed


async def test_a_deleted_project_leaves_the_columns_when_they_are_read_anew(world: World):
    store = world.stores.columns
    assert store is not None
    async with world.stores.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM projects WHERE key = 'p0001'")
    await store.load()
    assert store.current is not None
    assert "p0001" not in store.current.projects.keys.tolist()


async def test_too_little_memory_leaves_the_rankings_to_the_database(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(column_store, "PROJECT_BYTES", 1_000_000)
    store = ColumnStore(world.stores.database, WINDOW, 50)
    with capture_logs() as lines:
        for _ in range(3):
            await store.load()
    assert store.current is None
    assert [line["event"] for line in lines] == ["columns would exceed COLUMNS_MAX_MB, rankings read the database"]
    stores = replace(world.stores, columns=store)
    assert await view_columns(stores, await world.viewer("u3"), MOMENT) is None


async def test_a_viewer_without_personalization_costs_no_statement(world: World, statements: CountStatements):
    work = UnitOfWork(world.stores, Caller(user_key="u3"))
    async with work.write() as connection:
        await change_preferences(connection, (await world.viewer("u3")).actor_id or 0, {"personalized": False})
    viewer = await world.viewer("u3")
    with statements(world.stores.database) as counted:
        assert await view_columns(world.stores, viewer, MOMENT) is None
    assert counted == []


class FailingStore(ColumnStore):
    """Columns whose reloads always fail."""

    loads = refreshes = 0

    async def load(self) -> None:
        self.loads += 1
        raise StoreUnavailable(Store.DATABASE, "as the test asked")

    async def refresh(self) -> None:
        self.refreshes += 1


async def test_refreshes_go_on_while_reloads_fail(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(column_store, "REFRESH_EVERY_S", 0.001)
    monkeypatch.setattr(column_store, "RETRY_S", 0.02)
    store, stop = FailingStore(world.stores.database, WINDOW, 50), asyncio.Event()
    with capture_logs() as lines:
        running = asyncio.create_task(store.run(stop))
        await until(lambda: store.loads >= 3 and store.refreshes >= 3)
        stop.set()
        await running
    assert [line["event"] for line in lines] == ["the columns were not read: as the test asked"]


async def test_a_ranking_from_outdated_columns_is_degraded(world: World):
    store = world.stores.columns
    assert store is not None
    assert store.current is not None
    store.current = replace(store.current, read_at=MOMENT - timedelta(minutes=5))
    assert (await ranked(world, "u3", columns=True)).degraded == (Store.DATABASE,)


def test_a_hanging_database_does_not_postpone_the_next_refresh_until_the_columns_lag():
    assert column_store.refresh_pause_s(0.01, succeeded=True) == pytest.approx(0.5)
    assert column_store.refresh_pause_s(10.0, succeeded=False) < column_store.refresh_pause_s(10.0, succeeded=True)
    assert column_store.refresh_pause_s(10.0, succeeded=True) < column_store.LAGGING_AFTER.total_seconds() / 2
