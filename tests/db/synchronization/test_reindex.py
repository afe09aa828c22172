"""The index is rebuilt beside the active one, and no change meanwhile is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, insert, update

from db import outbox
from db.database.engine import Database
from db.embeddings.base import Vectors
from db.errors import IndexIncomplete, InvalidRecord, Store, StoreUnavailable
from db.models import Actor, ActorInterest, OutboxKind, Project, Term, now
from db.synchronization.reindex import BATCH, Reindex
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.base import IndexDocument, ProjectDocument, VectorFilter
from db.vectors.embedded import EmbeddedVectorStore

PROJECT, PROFILE, TOOL = OutboxKind.PROJECT, OutboxKind.PROFILE, OutboxKind.TOOL
DIMENSION = 8


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test may catch it."""


class LetterEmbedder:
    """Embeds by the frequency of letters; calls `before` with the number of the call before each call."""

    model = "letters"
    dimension = DIMENSION

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls = 0
        self.before: Callable[[int], Awaitable[None]] | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        if self.before is not None:
            await self.before(self.calls)
        for row, text in enumerate(texts):
            if "unspeakable" in text:
                raise InvalidRecord("an unspeakable text", (row,))
        self.texts.extend(texts)
        return np.array([[text.count(letter) + 0.1 for letter in "aeinorst"] for text in texts], np.float32)

    async def close(self) -> None:
        """Do nothing."""


class ForgetfulStore(EmbeddedVectorStore):
    """An index that acknowledges documents named in `forgets` without writing them."""

    forgets: frozenset[tuple[str, str]] = frozenset()

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.loses_once: set[str] = set()

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> dict[str, str]:
        lost = {item.key for item in documents} & self.loses_once
        self.loses_once -= lost
        kept = [item for item in documents if (item.kind, item.key) not in self.forgets and item.key not in lost]
        return await super().upsert(kept, generation)


@pytest.fixture
async def vectors(tmp_path: Path) -> AsyncIterator[ForgetfulStore]:
    store = ForgetfulStore(tmp_path / "vectors.sqlite")
    await store.prepare("letters", DIMENSION)
    yield store
    await store.close()


@pytest.fixture
def embedder() -> LetterEmbedder:
    return LetterEmbedder()


@pytest.fixture
def reindex(database: Database, vectors: ForgetfulStore, embedder: LetterEmbedder) -> Reindex:
    return Reindex(database, vectors, embedder)


async def run(database: Database, *statements: object, keys: Sequence[str] = (), kind: OutboxKind = PROJECT) -> None:
    async with database.write() as connection:
        for statement in statements:
            await connection.execute(statement)  # type: ignore[call-overload]
        await outbox.enqueue(connection, kind, keys)


async def add_projects(database: Database, *ids: int, **columns: object) -> None:
    values = [{"id": id_, "key": f"p{id_}", "title": f"title {id_}", "type": "article"} | columns for id_ in ids]
    await run(database, insert(Project).values(values))


async def keys_of(vectors: EmbeddedVectorStore, generation: str | None = None) -> list[str]:
    return [key for key, _ in await vectors.listing("Project", None, 10_000, generation)]


async def drain(synchronizer: IndexSynchronizer) -> None:
    while await synchronizer.drain():
        pass


def ignore(_step: str, _share: float, _written: int) -> None:
    """Ignore progress."""


def named(*ids: int) -> list[str]:
    return sorted(f"p{id_}" for id_ in ids)


async def test_everything_is_written_into_a_new_index_and_nothing_old_is_left(database: Database, reindex, vectors):
    await add_projects(database, *range(1, 300))
    await add_projects(database, 300, private=True)
    await add_projects(database, 301, archived=True)
    await run(
        database,
        insert(Term).values(id=1, kind="tool", key="py", name="Python", listed=True),
        insert(Actor).values([{"id": 1, "session_key": "a"}, {"id": 2, "session_key": "b"}]),
        insert(ActorInterest).values(actor_id=1, term_id=1, confidence=1.0, source="manual"),
    )
    lost = ProjectDocument(
        999, "lost", "t", "", "", (), (), (), "", "article", now(), None, (), np.ones(DIMENSION, np.float32)
    )
    await vectors.upsert([lost])
    told: dict[str, tuple[float, int]] = {}
    report = await reindex.run(lambda step, share, written: told.update({step: (share, written)}))
    assert await keys_of(vectors) == named(*range(1, 300))
    assert report.counts == {"Project": 299, "UserProfile": 1, "Tool": 1}
    assert (report.written, report.kept, report.rejected) == (301, 0, 0)
    written = {"projects": (1.0, 299), "profiles": (1.0, 1), "tools": (1.0, 1)}
    assert told == written | {"comparison with the database": (1.0, None)}
    assert await reindex.totals() == {PROJECT: 299, PROFILE: 2, TOOL: 1}
    assert await vectors.staged() is None
    assert (await outbox.backlog(database)).rows == 0


async def test_the_old_index_is_searched_until_the_new_one_is_whole(database: Database, reindex, vectors, embedder):
    await add_projects(database, *range(1, 600))
    await reindex.run(ignore)
    found = []

    async def search(_: int) -> None:
        hits = await vectors.near(np.ones(DIMENSION, np.float32), 1_000, VectorFilter())
        found.append(len(hits.ids))

    embedder.before = search
    await Reindex(database, vectors, embedder).run(ignore)
    await search(0)
    assert found == [599] * 4


async def test_a_killed_rebuild_goes_on_where_it_stood(database: Database, reindex, vectors, embedder):
    await add_projects(database, *range(1, 3 * BATCH + 1))

    async def die(call: int) -> None:
        if call == 3:
            raise Killed

    embedder.before = die
    with pytest.raises(Killed):
        await reindex.run(ignore)
    assert await keys_of(vectors) == []
    embedder.before = None
    await run(database, update(Project).where(Project.key == "p1").values(title="another"))
    await run(database, delete(Project).where(Project.key == "p2"))
    await run(database, update(Project).where(Project.key == "p3").values(private=True))
    report = await Reindex(database, vectors, embedder).run(ignore)
    assert report.kept == 2 * BATCH - 3
    assert await keys_of(vectors) == named(1, *range(4, 3 * BATCH + 1))
    assert sorted(set(embedder.texts)) == sorted(embedder.texts)


@pytest.mark.parametrize("when", [1, 2, 3])
async def test_changes_while_the_index_is_rebuilt_are_in_the_new_one(
    database: Database, reindex, vectors, embedder, when
):
    """The change follows the read of a batch, and another worker processes it before the batch is written."""
    await add_projects(database, *range(1, 2 * BATCH + 11))
    other = IndexSynchronizer(database, vectors, LetterEmbedder())

    async def change(call: int) -> None:
        if call != when:
            return
        async with database.write() as connection:
            for first in (1, BATCH + 1, 2 * BATCH + 1):
                by_key = Project.key == f"p{first}"
                await connection.execute(update(Project).where(by_key).values(title="another"))
                await connection.execute(update(Project).where(Project.key == f"p{first + 1}").values(private=True))
                await connection.execute(delete(Project).where(Project.key == f"p{first + 2}"))
                await outbox.enqueue(connection, PROJECT, [f"p{first + step}" for step in range(3)])
            await connection.execute(insert(Project).values(id=9_999, key="new", title="new", type="video"))
            await outbox.enqueue(connection, PROJECT, ["new"])
        await drain(other)

    embedder.before = change
    await reindex.run(ignore)
    await drain(other)
    gone = {first + step for first in (1, BATCH + 1, 2 * BATCH + 1) for step in (1, 2)}
    assert await keys_of(vectors) == sorted(["new", *named(*(set(range(1, 2 * BATCH + 11)) - gone))])
    assert not await reindex.compare()
    assert (await outbox.backlog(database)).rows == 0


async def test_a_worker_that_took_a_row_before_the_rebuild_began_cannot_hide_its_change(
    database: Database, reindex, vectors, embedder
):
    slow_embedder = LetterEmbedder()
    slow = IndexSynchronizer(database, vectors, slow_embedder)
    may_go_on, has_begun = asyncio.Event(), asyncio.Event()

    async def wait(_: int) -> None:
        has_begun.set()
        await may_go_on.wait()

    slow_embedder.before = wait
    await add_projects(database, 1, 2)
    await run(database, keys=["p1"])
    working = asyncio.create_task(slow.drain())
    await has_begun.wait()
    await run(database, update(Project).where(Project.key == "p1").values(title="another"), keys=["p1"])

    async def let_the_slow_one_finish(_: int) -> None:
        embedder.before = None
        may_go_on.set()
        await working

    embedder.before = let_the_slow_one_finish
    await reindex.run(ignore)
    await drain(slow)
    assert not await reindex.compare()
    assert await keys_of(vectors) == ["p1", "p2"]


async def test_a_few_documents_that_the_new_index_lost_are_written_again(database: Database, reindex, vectors):
    await add_projects(database, *range(1, 300))
    vectors.loses_once = {"p7", "p260"}
    report = await reindex.run(ignore)
    assert not vectors.loses_once
    assert report.written == 299 + 2
    assert await keys_of(vectors) == named(*range(1, 300))
    assert not await reindex.compare()


async def test_an_index_that_does_not_hold_the_truth_is_not_put_into_service(database: Database, reindex, vectors):
    await add_projects(database, 1, 2, 3)
    await reindex.run(ignore)
    vectors.forgets = frozenset({("Project", "p2")})
    with pytest.raises(IndexIncomplete, match=r"2 Project, .* 1 missing \(project:p2\)"):
        await reindex.run(ignore)
    assert await keys_of(vectors) == ["p1", "p2", "p3"]
    assert await vectors.staged() is None


async def test_a_few_refused_objects_do_not_stop_a_rebuild_and_many_do(database: Database, vectors, embedder):
    await add_projects(database, *range(1, 20))
    await add_projects(database, 20, 21, title="unspeakable")
    report = await Reindex(database, vectors, embedder).run(ignore)
    assert report.rejected == 2
    assert await keys_of(vectors) == named(*range(1, 20))
    await add_projects(database, *range(30, 45), title="unspeakable")
    with pytest.raises(IndexIncomplete, match="rejects 17 of 36 documents"):
        await Reindex(database, vectors, embedder).run(ignore)


async def test_rows_that_waited_in_the_outbox_count_as_written(database: Database, reindex):
    await add_projects(database, *range(1, 300))
    await run(database, keys=named(*range(1, 300)))
    told: list[tuple[str, float, int]] = []
    report = await reindex.run(lambda *news: told.append(news))
    assert report.written == reindex.written == 299
    # Each batch counts the rows that it found, so the share of the step is that of the written documents.
    assert [written for step, _, written in told if step == "projects"] == [0, 250, 299, 299]
    assert "rows of the outbox" not in {step for step, _, _ in told}


async def test_refusals_are_weighed_against_what_the_outbox_brought(database: Database, reindex):
    await add_projects(database, *range(1, 1_200))
    await add_projects(database, *range(1_200, 1_211), title="unspeakable")
    await run(database, keys=named(*range(1, 1_211)))
    assert (await reindex.run(ignore)).rejected == 11  # 1 in 110, below the share that stops a rebuild


async def test_a_rebuild_that_fails_knows_how_far_it_came(database: Database, reindex, embedder):
    await add_projects(database, *range(1, 2 * BATCH + 1))

    async def lose(call: int) -> None:
        if call == 2:
            raise StoreUnavailable(Store.EMBEDDINGS, "lost")

    embedder.before = lose
    with pytest.raises(StoreUnavailable):
        await reindex.run(ignore)
    assert reindex.written == BATCH


async def test_a_rebuild_that_is_not_ours_any_more_is_not_put_into_service(database: Database, reindex, vectors):
    await add_projects(database, 1)

    async def not_ours() -> None:
        raise StoreUnavailable(Store.DATABASE, "lost")

    with pytest.raises(StoreUnavailable):
        await reindex.run(ignore, not_ours)
    assert await keys_of(vectors) == []
    assert await vectors.staged() is not None


async def test_what_differs_is_named_and_mended(database: Database, reindex, vectors, embedder):
    await add_projects(database, *range(1, 8))
    await run(database, insert(Term).values(id=1, kind="tool", key="py", name="Python", listed=True))
    await reindex.run(ignore)
    assert not await reindex.compare()
    await vectors.remove("Project", ["p1"])
    await vectors.remove("Tool", ["py"])
    await run(database, update(Project).where(Project.key == "p2").values(title="another"))
    await run(database, update(Project).where(Project.key == "p3").values(private=True))
    await run(database, delete(Project).where(Project.key == "p4"))
    found = await reindex.compare()
    assert sorted(found.missing) == [(PROJECT, "p1"), (TOOL, "py")]
    assert found.stale == ((PROJECT, "p2"),)
    assert sorted(found.surplus) == [(PROJECT, "p3"), (PROJECT, "p4")]
    assert len(found) == 5
    assert "1 stale (project:p2)" in found.summary()
    await reindex.repair(found)
    assert not await reindex.compare()
    assert await keys_of(vectors) == named(1, 2, 5, 6, 7)


async def test_a_change_is_written_within_a_batch_while_an_empty_index_is_filled(
    database: Database, reindex, vectors, embedder
):
    found: list[str] = []

    async def change(call: int) -> None:
        if call == 1:
            await add_projects(database, 900)
            await run(database, keys=["p900"])
            await IndexSynchronizer(database, vectors, LetterEmbedder()).drain()
            found.extend(await keys_of(vectors))

    await add_projects(database, *range(1, 302))
    embedder.before = change
    await reindex.repair(await reindex.compare())
    assert found == ["p900"]
    assert await keys_of(vectors) == named(*range(1, 302), 900)


async def test_a_stale_document_is_found_until_it_is_replaced(database: Database, reindex, vectors, embedder):
    async def still_there(_: int) -> None:
        assert await keys_of(vectors) == ["p1"]

    await add_projects(database, 1)
    await reindex.run(ignore)
    await run(database, update(Project).values(title="another"))
    embedder.before = still_there
    await reindex.repair(await reindex.compare())
    assert not await reindex.compare()


async def test_what_the_outbox_knows_to_be_behind_is_no_difference_unless_it_is_dead(
    database: Database, reindex, vectors
):
    await add_projects(database, 1, 2)
    await run(database, keys=["p1", "p2"])
    assert not await reindex.compare()
    [dead] = [lease for lease in await outbox.take(database, 9, 60) if lease.key == "p2"]
    for _ in range(outbox.MAX_ATTEMPTS):
        await outbox.reject(database, [dead], "no")
        async with database.write() as connection:
            await connection.execute(
                update(outbox.OutboxRow).where(outbox.OutboxRow.key == "p2").values(available_at=dead.lease_end)
            )
    assert (await reindex.compare()).missing == ((PROJECT, "p2"),)
