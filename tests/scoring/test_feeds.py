"""The laws of the feeds, on real stores."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from db.actors.users import find_viewer
from db.cache.base import Entry
from db.catalog.catalog_entries import remove_projects, upsert_projects
from db.catalog.project_cards import ProjectFilter
from db.database.column_types import UNKNOWN_TIME
from db.errors import Store, StoreUnavailable
from db.interactions.interactions import dismiss, remove_state
from db.models import FeedKind, InteractionType, Project, TermKind, now
from db.page_projects import PageNeeds
from db.records import InterestRecord
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.errors import CursorMalformed, FirstOutOfRange, ForeignCursor, SnapshotExpired
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import BASELINE
from scoring.mathematics.signals import PROFILE_FREE_SIGNALS, Signal
from scoring.ranking import Rule, Strategy
from scoring.snapshots.feed_cursors import Cursor
from tests.conftest import CountStatements
from tests.templates import Template
from tests.world import ANYTHING, BEGIN, MOMENT, World, embedded_world, filling, keys_of, world_fixture

EARLIER = BEGIN - timedelta(hours=2)
"""Before the batch of the present."""

PAINTER = (InterestRecord(name="painting", kind=TermKind.CATEGORY), InterestRecord(name="tool-0", kind=TermKind.TOOL))


async def a_small_community(world: World, projects: int = 60) -> None:
    """Seven painters who like the same paintings, one more who has only begun, and one who cooks."""
    await world.add_users("maker", "cook", *(f"painter-{n}" for n in range(7)))
    await world.add_users("ada", *(f"tagged-{n}" for n in range(2)), tags=PAINTER)
    await world.add_projects(projects)
    for n in range(7):
        await world.act(f"painter-{n}", InteractionType.LIKE, "p0000", "p0006", "p0012", "p0018", at=EARLIER)
    await world.act("ada", InteractionType.LIKE, "p0000", "p0006")
    await world.act("cook", InteractionType.VIEW, "p0003", "p0009")
    await world.settle()


READ_BY_ADA = {"p0000", "p0006"}
"""The projects that For You hides from ada."""


async def nothing(world: World) -> None:
    """Leave the stores empty."""


world, empty = world_fixture(a_small_community), world_fixture(nothing)


async def walk(world: World, user: str, sizes: list[int], most: int = 200) -> list[str]:
    """Walk a feed to its end, with pages of these sizes in turn."""
    seen: list[str] = []
    after: str | None = None
    for number in range(most):
        page = await world.for_you(user, sizes[number % len(sizes)], after)
        seen += keys_of(page)
        if not page.has_next:
            return seen
        after = page.entries[-1].cursor
    raise AssertionError("the feed does not end")


async def test_a_feed_is_ranked_by_exactly_the_contributions_it_shows(world: World):
    page = await world.for_you("ada", 100)
    assert set(keys_of(page)) == {f"p{number:04}" for number in range(60)} - READ_BY_ADA
    assert (page.strategy, page.model, page.degraded) == (Strategy.PERSONALIZED, "baseline", ())
    by_score = sorted(
        page.entries, key=lambda entry: (-entry.scored.score, page.projects[entry.project_id].content.key)
    )
    rank_by_score = {entry.project_id: rank for rank, entry in enumerate(by_score, start=1)}
    for entry in page.entries:
        one = entry.scored
        assert one.score == sum(one.contributions)
        again = BASELINE.contributions(np.array([one.values]))[0]
        assert np.abs(again - np.array(one.contributions)).max() <= 1  # values are kept as float32
        moves = [(m.from_rank, m.to_rank) for m in one.adjustments if m.from_rank != m.to_rank]
        assert moves == (
            [] if rank_by_score[one.project_id] == entry.rank else [(rank_by_score[one.project_id], entry.rank)]
        )


async def test_each_viewer_gets_a_feed_of_their_own(world: World):
    ada, cook = keys_of(await world.for_you("ada", 10)), keys_of(await world.for_you("cook", 10))
    assert sum(key in ("p0012", "p0018", "p0024", "p0030") for key in ada) >= 3, ada
    assert ada != cook


async def test_a_like_moves_the_next_first_page_at_once(world: World):
    before = await world.for_you("cook", 100)
    assert (await world.for_you("cook")).snapshot_id == before.snapshot_id
    await world.act("cook", InteractionType.LIKE, "p0015")
    after = await world.for_you("cook", 100)
    assert after.snapshot_id != before.snapshot_id
    assert set(keys_of(before)) - set(keys_of(after)) == {"p0015"}
    (liked,) = (await world.feeds.explain(await world.viewer("cook"), await world.ids(["p0015"]))).values()
    assert liked.contribution(Signal.BEHAVIORAL_SIGNALS) < 0


async def test_people_like_you_counts_only_from_five_people_on(world: World):
    await world.act("painter-0", InteractionType.LIKE, "p0024")
    cook = await world.viewer("cook")
    await world.act("cook", InteractionType.LIKE, "p0000", "p0006")
    cook = await world.viewer("cook")
    ids = await world.ids(["p0012", "p0024"])
    explained = await world.feeds.explain(cook, ids)
    assert explained[ids[0]].contribution(Signal.COLLABORATIVE) == round(0.15 * 0.5 * 1e6), "seven, in whole fives"
    assert explained[ids[1]].contribution(Signal.COLLABORATIVE) == 0


async def test_the_explanation_of_a_project_elsewhere_is_the_feeds_own(world: World):
    page = await world.for_you("ada")
    elsewhere = await world.feeds.explain(await world.viewer("ada"), list(page.projects))
    for entry in page.entries:
        # A cosine in float32 may differ in its last digit with the number of rows it was computed among.
        assert elsewhere[entry.project_id].contributions == pytest.approx(entry.scored.contributions, abs=2)


async def test_a_walk_meets_each_project_once_and_covers_the_catalogue(empty: World):
    await a_small_community(empty, projects=75)
    seen = await walk(empty, "ada", [7, 30, 1])
    assert len(seen) == len(set(seen))
    assert set(seen) == {f"p{number:04}" for number in range(75)} - READ_BY_ADA


async def test_what_was_not_ranked_follows_behind_newest_first_and_says_so(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tunables, "SNAPSHOT_RANKS", 20)
    await a_small_community(empty, projects=75)
    seen = await walk(empty, "ada", [8])
    assert len(seen) == len(set(seen))
    assert set(seen) == {f"p{number:04}" for number in range(75)} - READ_BY_ADA
    assert seen[20:] == sorted(seen[20:])  # keys rise as projects grow older
    first = await empty.for_you("ada", 30)
    tail = first.entries[20:]
    assert {entry.scored.adjustments[0].rule for entry in tail} == {Rule.UNRANKED}
    assert {entry.scored.score for entry in tail} == {0}
    assert [entry.rank for entry in first.entries] == list(range(1, 31))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4))
async def test_a_walk_holds_while_the_world_changes(
    sqlite_template: Template, tmp_path: Path, seed: int, sizes: list[int]
):
    """Projects are added, liked, hidden and removed between pages: nothing twice, nothing hidden, nothing left out."""
    chance = random.Random(seed)
    folder = tmp_path / uuid4().hex
    folder.mkdir()
    community = await sqlite_template.filled(filling(a_small_community))
    async with community.copy(folder) as database, embedded_world(database, folder) as world:
        original = {f"p{number:04}" for number in range(60)}
        seen: list[str] = []
        hidden: set[str] = set()
        after: str | None = None
        added = 60
        while True:
            page = await world.for_you("ada", chance.choice(sizes), after)
            assert not hidden & set(keys_of(page)), "a hidden project was served"
            seen += keys_of(page)
            if not page.has_next:
                break
            after = page.entries[-1].cursor
            victim = f"p{chance.randrange(60):04}"
            match chance.randrange(5):
                case 0:
                    await world.add_projects(1, start=added)
                    added += 1
                case 1:
                    await world.act(
                        chance.choice(["ada", "cook"]), InteractionType.LIKE, chance.choice(sorted(original))
                    )
                case 2:
                    async with database.write() as connection:
                        field = chance.choice(["private", "archived"])
                        await connection.execute(update(Project).where(Project.key == victim).values({field: True}))
                    hidden.add(victim)
                case 3:
                    async with database.write() as connection:
                        await remove_projects(connection, [victim])
                    hidden.add(victim)
                    original.discard(victim)
                case _:
                    await world.settle()
        assert len(seen) == len(set(seen)), "a project was served twice"
        assert original - hidden - READ_BY_ADA <= set(seen), "a project was left out"


async def hide(world: World, how: str, key: str) -> None:
    """Make a project unservable in the truth alone: neither index nor snapshot hears of it."""
    (project_id,) = await world.ids([key])
    ada = await world.viewer("ada")
    assert ada.actor_id is not None
    async with world.stores.database.write() as connection:
        change = update(Project).where(Project.id == project_id)
        match how:
            case "private" | "archived":
                await connection.execute(change.values({how: True}))
            case "own":
                await connection.execute(change.values(owner_id=ada.user_id))
            case "deleted":
                await remove_projects(connection, [key])
            case "dismissed":
                await dismiss(connection, ada.actor_id, project_id, now())


@pytest.mark.parametrize("how", ["private", "archived", "own", "deleted", "dismissed"])
@pytest.mark.parametrize("user", ["ada", "nobody"])
async def test_what_may_not_be_seen_is_never_served(world: World, how: str, user: str):
    if user == "nobody" and how in ("own", "dismissed"):
        user = "ada"
    first = await world.for_you(user, 5)
    victim, second_page = "p0018", first.entries[-1].cursor
    await hide(world, how, victim)
    fresh = await world.for_you(user, 100)
    stale = await world.for_you(user, 100, second_page)
    assert victim not in keys_of(fresh)
    assert victim not in keys_of(stale)
    if how != "own":
        assert victim not in keys_of(await world.feeds.popular(await world.viewer("ada"), 100, None, ANYTHING))
        assert victim not in keys_of(await world.feeds.newest(await world.viewer("ada"), 100, None, ANYTHING))


@pytest.mark.parametrize("projects", [200, 2_000])
async def test_a_feed_costs_the_same_statements_however_long_or_large(
    empty: World, statements: CountStatements, projects: int
):
    await a_small_community(empty, projects)
    for first in (10, 100):
        viewer = await empty.viewer("ada")
        feeds = Feeds(replace(empty.stores, cache=Forgetful()), deadlines=PATIENT)
        with statements(empty.stores.database) as cold:
            page = await feeds.for_you(viewer, first, None, ANYTHING)
        assert len(page.entries) == first
        # tags, touches, newest projects, people alike, tag matches, shared sources, neighbor lists, behind the touches,
        # features, page, contents
        assert len(cold) == 11, cold
        await empty.feeds.for_you(viewer, first, None, ANYTHING)
        with statements(empty.stores.database) as warm:
            await empty.feeds.for_you(viewer, first, None, ANYTHING)
        assert len(warm) == 1, warm
        with statements(empty.stores.database) as evidence:
            await empty.feeds.reasons(viewer, [entry.scored for entry in page.entries])
        assert len(evidence) == 4, evidence  # tags, touches, features, titles of what is similar


async def test_a_snapshot_outlives_a_restart_and_serves_other_workers(world: World, tmp_path: Path):
    first = await world.for_you("ada", 10)
    async with embedded_world(world.stores.database, tmp_path) as other:
        assert (await other.for_you("ada", 10)).snapshot_id == first.snapshot_id
        second = await other.for_you("ada", 10, first.entries[-1].cursor)
    assert second.snapshot_id == first.snapshot_id
    assert [entry.rank for entry in second.entries] == list(range(11, 21))
    assert not set(keys_of(first)) & set(keys_of(second))


async def test_a_cursor_works_only_where_it_came_from(world: World):
    cursor = (await world.for_you("ada", 5)).entries[-1].cursor
    ada, cook = await world.viewer("ada"), await world.viewer("cook")
    with pytest.raises(ForeignCursor, match="another viewer"):
        await world.feeds.for_you(cook, 5, cursor, ANYTHING)
    with pytest.raises(ForeignCursor, match="another feed, filter or query"):
        await world.feeds.for_you(ada, 5, cursor, ProjectFilter(types=("article",)))
    with pytest.raises(ForeignCursor, match="another feed"):
        await world.feeds.popular(ada, 5, cursor, ANYTHING)
    with pytest.raises(ForeignCursor, match="another feed"):
        await world.feeds.newest(ada, 5, cursor, ANYTHING)
    with pytest.raises(CursorMalformed):
        await world.feeds.for_you(ada, 5, cursor[:-4], ANYTHING)


async def test_a_cursor_whose_snapshot_is_gone_says_so(world: World):
    entry = (await world.for_you("ada", 5)).entries[-1]
    await world.stores.cache.delete(f"snapshot:{Cursor.decode(entry.cursor).snapshot_id}")
    other_process = Feeds(world.stores)
    with pytest.raises(SnapshotExpired, match="start again"):
        await other_process.for_you(await world.viewer("ada"), 5, entry.cursor, ANYTHING)


@pytest.mark.parametrize("first", [-1, 101, 10**9, -(2**31)])
async def test_a_page_size_out_of_range_is_refused(empty: World, first: int):
    viewer = await find_viewer(empty.stores.database)
    for feed in (empty.feeds.for_you, empty.feeds.popular, empty.feeds.newest):
        with pytest.raises(FirstOutOfRange, match="0 to 100"):
            await feed(viewer, first, None, ANYTHING)


async def test_a_page_of_none_is_an_empty_page(world: World):
    page = await world.for_you("ada", 0)
    assert (page.entries, page.has_next) == ((), True)


async def test_somebody_unknown_gets_what_is_popular(world: World):
    nobody = await find_viewer(world.stores.database)
    breadth = await world.feeds.for_you(nobody, 60, None, ANYTHING)
    assert (breadth.kind, breadth.strategy, breadth.model) == (FeedKind.FOR_YOU, Strategy.POPULAR, "baseline")
    assert set(breadth.entries[0].scored.signals) <= PROFILE_FREE_SIGNALS
    page = await world.feeds.popular(nobody, 60, None, ANYTHING)
    assert set(keys_of(breadth)) == set(keys_of(page)), "spread out, and nothing dropped"
    likes = [page.projects[entry.project_id].like_count for entry in page.entries]
    assert likes == sorted(likes, reverse=True)
    assert likes[0] == 8
    assert set(keys_of(page)[4:6]) == {"p0001", "p0002"}, "what one person saw does not count"
    assert keys_of(page)[6:] == sorted(keys_of(page)[6:]), "equals stand newest first"
    for entry in page.entries:
        likes_ever = tunables.ALL_TIME_LIKES_WEIGHT * np.log1p(page.projects[entry.project_id].like_count)
        assert entry.scored.contribution(Signal.LIKES) == round(likes_ever * 1e6)
        assert entry.scored.score == sum(entry.scored.contributions)


async def test_what_was_popular_fades_and_likes_are_remembered(empty: World):
    await empty.add_users(*(f"fan-{n}" for n in range(9)))
    await empty.add_projects(6)
    for n in range(9):
        await empty.act(f"fan-{n}", InteractionType.LIKE, "p0005", at=now() - timedelta(days=200))
        await empty.act(f"fan-{n % 5}", InteractionType.VIEW, "p0003")
        await empty.act(f"fan-{n}", InteractionType.LIKE, "p0004", at=UNKNOWN_TIME + timedelta(seconds=0.5))
    page = await empty.feeds.popular(await find_viewer(empty.stores.database), 6, None, ANYTHING)
    assert keys_of(page) == ["p0003", "p0004", "p0005", "p0000", "p0001", "p0002"]


async def test_newest_is_a_walk_that_added_projects_do_not_disturb(empty: World):
    await empty.add_projects(25, start=5)
    nobody = await find_viewer(empty.stores.database)
    first = await empty.feeds.newest(nobody, 10, None, ANYTHING)
    await empty.add_projects(5)
    second = await empty.feeds.newest(nobody, 30, first.entries[-1].cursor, ANYTHING)
    assert keys_of(first) + keys_of(second) == [f"p{number:04}" for number in range(5, 30)]
    assert [entry.rank for entry in second.entries] == list(range(11, 26))
    assert not second.has_next


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        (ProjectFilter(types=("prompt",)), lambda number: number % 10 == 0),
        (ProjectFilter(categories=("painting", "chess")), lambda number: number % 6 in (0, 5)),
        (ProjectFilter(tools=("tool-3",), categories=("cooking",)), lambda n: n % 7 == 3 and n % 6 == 3),
        (ProjectFilter(tools=("no such tool",)), lambda _: False),
    ],
)
async def test_a_filter_narrows_every_feed(empty: World, where: ProjectFilter, fits: Any):
    await a_small_community(empty, projects=90)
    async with empty.stores.database.write() as connection:
        await upsert_projects(connection, [empty.project(number, type="prompt") for number in range(0, 90, 10)])
    await empty.settle()
    wanted = {f"p{number:04}" for number in range(90) if fits(number)}
    for viewer in (await empty.viewer("ada"), await find_viewer(empty.stores.database)):
        for feed in (empty.feeds.for_you, empty.feeds.popular, empty.feeds.newest):
            page = await feed(viewer, 100, None, where)
            read = READ_BY_ADA if page.strategy is Strategy.PERSONALIZED else set()
            assert set(keys_of(page)) == wanted - read, page.strategy
            assert not page.has_next


class Away:
    """Stands for a store that does not answer, whatever it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        async def refuse(*_: Any, **__: Any) -> None:
            raise StoreUnavailable(self._store, name)

        return refuse


class Forgetful:
    """A cache that keeps nothing."""

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        return None

    async def get(self, key: str, *, extend_s: float | None = None) -> None:
        return None

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {}

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        return None

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        return True

    async def delete(self, key: str) -> None:
        return None


async def test_without_the_index_a_feed_comes_from_what_is_left_and_says_so(world: World):
    feeds = Feeds(replace(world.stores, vectors=Away(Store.VECTORS)), deadlines=PATIENT)  # type: ignore[arg-type]
    viewer = await world.viewer("ada")
    page = await feeds.for_you(viewer, 30, None, ANYTHING)
    assert page.degraded == (Store.VECTORS,)
    assert len(page.entries) == 30
    # Painting with tool-0, both of them ada's tags, and not seen yet: .45 of a full match.
    assert keys_of(page)[0] == "p0042"
    assert all(entry.scored.contribution(Signal.VECTOR_SIMILARITY) == 0 for entry in page.entries)
    assert await feeds.reasons(viewer, [entry.scored for entry in page.entries])


async def test_without_the_cache_a_feed_says_so_and_its_cursors_hold_in_the_process_that_made_it(world: World):
    feeds = Feeds(replace(world.stores, cache=Away(Store.CACHE)), deadlines=PATIENT)  # type: ignore[arg-type]
    viewer = await world.viewer("ada")
    page = await feeds.for_you(viewer, 5, None, ANYTHING)
    assert (page.degraded, len(page.entries)) == ((Store.CACHE,), 5)
    after = page.entries[-1].cursor
    second = await feeds.for_you(viewer, 5, after, ANYTHING)
    assert (second.degraded, [entry.rank for entry in second.entries]) == ((Store.CACHE,), [6, 7, 8, 9, 10])
    other_process = Feeds(replace(world.stores, cache=Away(Store.CACHE)), deadlines=PATIENT)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match="cache"):
        await other_process.for_you(viewer, 5, after, ANYTHING)
    assert list(await feeds.snapshots([page.snapshot_id])) == [page.snapshot_id]  # for `node(id:)` of an edge
    with pytest.raises(StoreUnavailable, match="cache"):
        await other_process.snapshots([page.snapshot_id])


async def test_an_unliked_project_loses_its_penalty(world: World):
    viewer = await world.viewer("ada")
    assert viewer.actor_id is not None
    (project_id,) = await world.ids(["p0000"])
    before = (await world.feeds.explain(viewer, [project_id]))[project_id]
    async with world.stores.database.write() as connection:
        await remove_state(connection, viewer.actor_id, project_id, InteractionType.LIKE)
    after = (await world.feeds.explain(await world.viewer("ada"), [project_id]))[project_id]
    # Seen lately −.3, liked −.2, tool-0 seen once +.05. The like was all there was, so nothing of it is left.
    behavior = before.signals.index(Signal.BEHAVIORAL_SIGNALS)
    assert (before.values[behavior], after.values[behavior]) == pytest.approx((-0.45, 0.0))


class Breakable:
    """Stands before a store, and refuses while a test says so."""

    def __init__(self, store: Any, name: Store) -> None:
        self._store, self._name = store, name
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            return getattr(Away(self._name), name)
        return getattr(self._store, name)


async def test_without_the_truth_a_shared_page_is_as_everybody_saw_it_last(world: World):
    database = Breakable(world.stores.database, Store.DATABASE)
    feeds = Feeds(replace(world.stores, database=database), clock=lambda: MOMENT, deadlines=PATIENT)  # type: ignore[arg-type]
    nobody, ada = await world.viewer("stranger"), await world.viewer("ada")
    seen = await feeds.popular(nobody, 5, None, ANYTHING)
    (best,) = await world.ids([keys_of(seen)[0]])
    async with world.stores.database.write() as connection:
        assert ada.actor_id is not None
        await dismiss(connection, ada.actor_id, best, MOMENT)
    gap = await feeds.popular(await world.viewer("ada"), 5, None, ANYTHING)
    assert keys_of(gap) != keys_of(seen)  # what she dismissed is hers to miss
    database.is_away = True
    again = await feeds.popular(nobody, 5, None, ANYTHING)
    assert (keys_of(again), again.degraded) == (keys_of(seen), (Store.DATABASE,))
    with pytest.raises(StoreUnavailable):
        await feeds.popular(nobody, 6, None, ANYTHING)


async def test_the_last_seen_page_has_no_marks_of_who_saw_it(world: World):
    database = Breakable(world.stores.database, Store.DATABASE)
    feeds = Feeds(replace(world.stores, database=database), clock=lambda: MOMENT, deadlines=PATIENT)  # type: ignore[arg-type]
    ada = await world.viewer("ada")
    seen = await feeds.popular(ada, 30, None, ANYTHING, PageNeeds(reasons=True))
    assert any(project.liked for project in seen.projects.values())
    database.is_away = True
    again = await feeds.popular(await world.viewer("stranger"), 30, None, ANYTHING, PageNeeds(reasons=True))
    assert keys_of(again) == keys_of(seen)
    assert not any(project.liked or project.saved for project in again.projects.values())
    assert again.reasons == {}
