"""The index follows the database: it holds public documents only, whatever runs concurrently."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, func, insert, select, update

from db import outbox
from db.catalog.project_embeddings import replace_embeddings
from db.database.engine import Database
from db.embeddings.absent import AbsentEmbedder
from db.embeddings.base import Vectors
from db.embeddings.prefixed import with_prefix
from db.errors import InvalidRecord, Store, StoreUnavailable
from db.models import (
    Actor,
    ActorInterest,
    Engagement,
    EngagementKind,
    OutboxKind,
    OutboxRow,
    Project,
    ProjectTerm,
    Term,
    Tool,
    User,
    now,
)
from db.privacy.erasure import erase_users
from db.synchronization import index_writer
from db.synchronization.index_documents import IndexDocumentReader
from db.synchronization.reindex import Reindex
from db.synchronization.synchronizer import IndexSynchronizer
from db.vectors.base import IndexDocument, VectorFilter
from db.vectors.embedded import EmbeddedVectorStore
from tests.conftest import CountStatements

PROJECT, PROFILE, TOOL = OutboxKind.PROJECT, OutboxKind.PROFILE, OutboxKind.TOOL
DIMENSION = 8


class LetterEmbedder:
    """An embedder by the frequency of letters, which records its texts and calls a hook first."""

    model = "letters"
    dimension = DIMENSION

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls = 0
        self.first: Callable[[], Awaitable[None]] | None = None
        self.away = False
        self.refusals = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        if self.away:
            self.refusals += 1
            raise StoreUnavailable(Store.EMBEDDINGS, "away")
        for row, text in enumerate(texts):
            if "unspeakable" in text:
                raise InvalidRecord("an unspeakable text", (row,))
        if self.first is not None:
            first, self.first = self.first, None
            await first()
        self.texts.extend(texts)
        return np.array([[text.count(letter) + 0.1 for letter in "aeinorst"] for text in texts], np.float32)

    async def close(self) -> None:
        """Do nothing."""


class RefusingStore(EmbeddedVectorStore):
    """An index that is unavailable while `is_away`, and gets an invalid vector for projects named in `broken`."""

    is_away = False
    broken: frozenset[str] = frozenset()
    named: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.was_away = asyncio.Event()

    async def upsert(self, documents: Sequence[IndexDocument], generation: str | None = None) -> dict[str, str]:
        if documents and documents[0].kind != "Project":
            return await super().upsert(documents, generation)
        if self.is_away:
            self.was_away.set()
            raise StoreUnavailable(Store.VECTORS, "away")
        nan = np.full(DIMENSION, np.nan, np.float32)
        documents = [
            replace(item, vector=nan) if item.key in self.broken else item
            for item in documents
            if item.key not in self.named
        ]
        return await super().upsert(documents, generation) | dict(self.named)


@pytest.fixture
async def vectors(tmp_path: Path) -> AsyncIterator[RefusingStore]:
    store = RefusingStore(tmp_path / "vectors.sqlite")
    await store.prepare("letters", DIMENSION)
    yield store
    await store.close()


@pytest.fixture
def embedder() -> LetterEmbedder:
    return LetterEmbedder()


@pytest.fixture
def synchronizer(database: Database, vectors: RefusingStore, embedder: LetterEmbedder) -> IndexSynchronizer:
    return IndexSynchronizer(database, vectors, embedder)


async def run(database: Database, *statements: object, kind: OutboxKind = PROJECT, keys: Sequence[str] = ()) -> None:
    """Change the database, and enqueue outbox rows."""
    async with database.write() as connection:
        for statement in statements:
            await connection.execute(statement)  # type: ignore[call-overload]
        await outbox.enqueue(connection, kind, keys)


async def add_projects(database: Database, *ids: int, **columns: object) -> None:
    values = [{"id": id_, "key": f"p{id_}", "title": f"title {id_}", "type": "article"} | columns for id_ in ids]
    await run(database, insert(Project).values(values), keys=[f"p{id_}" for id_ in ids])


async def hide(database: Database, key: str, **columns: bool) -> None:
    await run(database, update(Project).where(Project.key == key).values(**columns), keys=[key])


async def indexed(vectors: EmbeddedVectorStore) -> list[int]:
    return sorted((await vectors.near(np.ones(DIMENSION, np.float32), 1_000, VectorFilter())).ids.tolist())


async def until_indexed(vectors: EmbeddedVectorStore, expected: list[int]) -> None:
    while await indexed(vectors) != expected:  # noqa: ASYNC110 (another task writes a file; it has no event to wait for)
        await asyncio.sleep(0.01)


async def drain(synchronizer: IndexSynchronizer) -> None:
    while await synchronizer.drain():
        pass


async def waiting(database: Database) -> list[str]:
    return [row.key for row in await database.fetch(select(OutboxRow.key).order_by(OutboxRow.key))]


async def free_all(database: Database) -> None:
    await run(database, update(OutboxRow).values(available_at=now()))


async def test_only_public_projects_are_indexed(database: Database, synchronizer: IndexSynchronizer, vectors):
    await add_projects(database, 1, 2)
    await add_projects(database, 3, private=True)
    await add_projects(database, 4, archived=True)
    assert await synchronizer.drain() == 4
    assert await indexed(vectors) == [1, 2]
    assert await waiting(database) == []
    assert await synchronizer.drain() == 0


@pytest.mark.parametrize("columns", [{"private": True}, {"archived": True}])
async def test_what_is_no_longer_public_leaves_the_index(database: Database, synchronizer, vectors, columns):
    await add_projects(database, 1, 2)
    await drain(synchronizer)
    await hide(database, "p1", **columns)
    await drain(synchronizer)
    assert await indexed(vectors) == [2]


async def test_what_was_deleted_leaves_the_index_and_what_comes_back_returns(database: Database, synchronizer, vectors):
    await add_projects(database, 1, 2)
    await hide(database, "p2", private=True)
    await drain(synchronizer)
    await run(database, delete(Project).where(Project.key == "p1"), keys=["p1"])
    await hide(database, "p2", private=False)
    await drain(synchronizer)
    assert await indexed(vectors) == [2]


async def test_a_project_is_written_with_its_text_owner_and_terms(database: Database, synchronizer, vectors, embedder):
    await run(
        database,
        insert(User).values(id=7, key="ann", username="Ann"),
        insert(Term.__table__).values(
            [
                {"id": 1, "kind": "tool", "key": "py", "name": "Python"},
                {"id": 2, "kind": "category", "key": "nat", "name": "Nature"},
                {"id": 3, "kind": "topic", "key": "birds", "name": "birds"},
                {"id": 4, "kind": "tool", "key": "ada", "name": "Ada"},
            ]
        ),
    )
    await add_projects(
        database,
        1,
        description="about it",
        owner_id=7,
        type="reddit_thread",
        source={"subreddit": "birding", "selftext": "we saw one"},
    )
    await add_projects(database, 2, source={"subreddit": 5, "selftext": ["odd"]})
    await run(
        database,
        insert(ProjectTerm).values([{"project_id": 1, "term_id": id_} for id_ in (1, 2, 3, 4)]),
    )
    await drain(synchronizer)
    assert sorted(embedder.texts) == [
        "title 1 about it birds Tools: Ada, Python Categories: Nature Subreddit: r/birding we saw one",
        "title 2",
    ]
    query = np.ones(DIMENSION, np.float32)
    for where, expected in (
        (VectorFilter(exclude_owner=7), [2]),
        (VectorFilter(any_terms=(frozenset({4}), frozenset({3}))), [1]),
        (VectorFilter(types=frozenset({"reddit_thread"})), [1]),
        (VectorFilter(created_after=now() - timedelta(minutes=1)), [1, 2]),
        (VectorFilter(created_after=now() + timedelta(minutes=1)), []),
    ):
        assert sorted((await vectors.near(query, 9, where)).ids.tolist()) == expected


async def add_profiles(database: Database) -> None:
    long_ago, lately = now() - timedelta(days=31), now() - timedelta(days=29)
    await add_projects(database, 1, 2, 3)
    await run(
        database,
        insert(User).values(
            [
                {"id": 1, "key": "ann", "username": "Ann", "bio": "I watch birds.", "tier": "gold", "points": 5},
                {"id": 2, "key": "bob", "username": "Bob", "bio": "", "tier": "", "points": 0},
            ]
        ),
        insert(Actor).values([{"id": 1, "user_id": 1}, {"id": 2, "user_id": 2}]),
        insert(Actor).values(id=3, session_key="s"),
        insert(Actor).values(id=4, session_key="t", merged_into=1),
        insert(Term.__table__).values(
            [
                {"id": 1, "kind": "tool", "key": "py", "name": "Python"},
                {"id": 2, "kind": "topic", "key": "birds", "name": "birds"},
                {"id": 3, "kind": "tool", "key": "ada", "name": "Ada"},
            ]
        ),
        insert(ActorInterest).values(
            [
                {"actor_id": actor, "term_id": term, "confidence": confidence, "source": "manual"}
                for actor, term, confidence in ((1, 1, 1.0), (1, 2, 0.5), (1, 3, 0.25), (3, 2, 1.0), (4, 2, 1.0))
            ]
        ),
        insert(Engagement).values(
            [
                {"actor_id": 1, "project_id": 1, "first_at": long_ago, "last_at": lately, "kinds": view_and_like},
                {"actor_id": 1, "project_id": 2, "first_at": lately, "last_at": lately, "kinds": EngagementKind.CLICK},
                {"actor_id": 1, "project_id": 3, "first_at": long_ago, "last_at": long_ago, "kinds": save},
            ]
        ),
        kind=PROFILE,
        keys=["1", "2", "3", "4"],
    )


view_and_like, save = EngagementKind.VIEW | EngagementKind.LIKE, EngagementKind.SAVE


async def test_profiles_are_written_from_tags_bio_tier_and_recent_activity(
    database: Database, synchronizer, vectors, embedder
):
    await add_profiles(database)
    await drain(synchronizer)
    assert {text for text in embedder.texts if not text.startswith("title")} == {
        "Preferred tools: Python (1.0), Ada (0.2) Interests: birds (0.5) Bio: I watch birds. "
        "Recent activity: view, like, click Engagement tier: gold",
        "Interests: birds (1.0)",
    }
    assert [actor for actor in range(1, 6) if await vectors.profile(actor) is not None] == [1, 3]


async def test_profiles_of_vanished_merged_and_silent_actors_are_removed(database: Database, synchronizer, vectors):
    await add_profiles(database)
    await drain(synchronizer)
    await run(
        database,
        delete(User).where(User.id == 1),
        delete(ActorInterest).where(ActorInterest.actor_id == 3),
        kind=PROFILE,
        keys=["1", "3"],
    )
    await drain(synchronizer)
    assert (await vectors.counts())["UserProfile"] == 0


async def test_tools_are_written_and_removed(database: Database, synchronizer, vectors, embedder):
    await run(
        database,
        insert(Term.__table__).values(
            [
                {"id": 1, "kind": "tool", "key": "py", "name": "Python", "description": "A language.", "listed": True},
                {"id": 2, "kind": "tool", "key": "ada", "name": "Ada", "description": "", "listed": True},
                {"id": 3, "kind": "category", "key": "nat", "name": "Nature", "description": "", "listed": True},
            ]
        ),
        insert(Tool).values(term_id=1, tagline="It fits", category="Languages", tags=["snake", "script"]),
        kind=TOOL,
        keys=["py", "ada", "nat"],
    )
    await drain(synchronizer)
    assert sorted(embedder.texts) == ["Ada", "Python A language. It fits Category: Languages Tags: snake, script"]
    await run(database, delete(Term).where(Term.id == 1), kind=TOOL, keys=["py"])
    await drain(synchronizer)
    assert (await vectors.counts())["Tool"] == 1


async def test_a_batch_costs_the_same_statements_and_one_embedding_whatever_its_size(
    database: Database, synchronizer, embedder, statements: CountStatements
):
    counts = []
    for ids in (range(1, 3), range(3, 90)):
        await add_projects(database, *ids)
        with statements(database) as issued:
            await synchronizer.drain()
        counts.append(len(issued))
    assert counts[0] == counts[1] <= 6
    assert embedder.calls == 2


@pytest.mark.parametrize("columns", [{"private": True}, {"archived": True}, {}])
async def test_what_goes_private_while_a_batch_is_written_is_not_in_the_index_at_the_end(
    database: Database, synchronizer, vectors, embedder, columns
):
    async def change_the_truth_without_a_word() -> None:
        change = update(Project).where(Project.key == "p1").values(**columns) if columns else delete(Project)
        await run(database, change.where(Project.key == "p1"))

    await add_projects(database, 1, 2)
    embedder.first = change_the_truth_without_a_word
    assert await synchronizer.drain() == 2
    assert await indexed(vectors) == [2]


async def test_a_profile_that_is_erased_while_it_is_embedded_is_not_in_the_index(
    database: Database, synchronizer, vectors, embedder
):
    async def erase() -> None:
        async with database.write() as connection:
            await erase_users(connection, ["ann"])

    await add_profiles(database)
    embedder.first = erase
    await synchronizer.drain()
    assert [key for key, _ in await vectors.listing(index_writer.COLLECTIONS[PROFILE], None, 9)] == ["3"]


async def test_a_slow_model_gets_fewer_texts_and_keeps_no_batch_beyond_its_limit(
    database: Database, synchronizer, vectors, embedder, monkeypatch: pytest.MonkeyPatch
):
    async def embed_at_most_three(texts: Sequence[str]) -> Vectors:
        if len(texts) > 3:
            await asyncio.Event().wait()
        return await LetterEmbedder().embed(texts)

    monkeypatch.setattr(index_writer, "EMBEDDING_LIMIT_S", 0.3)
    monkeypatch.setattr(embedder, "embed", embed_at_most_three)
    await add_projects(database, *range(1, 9))
    assert await synchronizer.drain() == 8
    assert await indexed(vectors) == []
    [rows] = await database.fetch(select(func.count().label("n"), func.max(OutboxRow.attempts).label("attempts")))
    assert (rows.n, rows.attempts) == (8, 0)
    await drain(synchronizer)
    assert await indexed(vectors) == list(range(1, 9))


async def test_a_slow_worker_cannot_publish_again_what_a_fast_one_removed(database: Database, vectors, embedder):
    slow, fast = IndexSynchronizer(database, vectors, embedder), IndexSynchronizer(database, vectors, LetterEmbedder())

    async def go_private_and_let_the_fast_one_work() -> None:
        await hide(database, "p1", private=True)
        await drain(fast)

    await add_projects(database, 1, 2)
    embedder.first = go_private_and_let_the_fast_one_work
    await slow.drain()
    assert await indexed(vectors) == [2]


async def test_a_slow_worker_cannot_leave_an_older_title_behind(database: Database, vectors, embedder):
    slow, fast = IndexSynchronizer(database, vectors, embedder), IndexSynchronizer(database, vectors, LetterEmbedder())

    async def rename_and_let_the_fast_one_work() -> None:
        await run(database, update(Project).values(title="oooo"), keys=["p1"])
        await drain(fast)

    await add_projects(database, 1, title="aaaa")
    embedder.first = rename_and_let_the_fast_one_work
    await slow.drain()
    await drain(fast)
    [newest] = (await vectors.project_vectors(np.array([1])))[1]
    expected = (await embedder.embed(["oooo"]))[0]
    assert np.allclose(newest, expected / np.linalg.norm(expected), atol=1e-5)
    assert await waiting(database) == []


async def test_two_drainers_at_once_lose_nothing_and_do_nothing_twice(database: Database, vectors, embedder):
    await add_projects(database, *range(1, 301))
    workers = [IndexSynchronizer(database, vectors, embedder) for _ in range(2)]

    async def work(worker: IndexSynchronizer) -> None:
        while await worker.drain(20):
            pass

    await asyncio.gather(*(work(worker) for worker in workers))
    assert await indexed(vectors) == list(range(1, 301))
    assert len(embedder.texts) == len(set(embedder.texts)) == 300
    assert await waiting(database) == []


async def test_an_absent_index_costs_no_tries(database: Database, synchronizer, vectors):
    await add_projects(database, 1)
    vectors.is_away = True
    for _ in range(outbox.MAX_ATTEMPTS + 2):
        with pytest.raises(StoreUnavailable):
            await synchronizer.drain()
    vectors.is_away = False
    assert await synchronizer.drain() == 1
    assert await indexed(vectors) == [1]


async def test_a_batch_that_the_database_interrupted_does_not_wait_for_the_end_of_its_lease(
    database: Database, synchronizer, vectors, monkeypatch
):
    async def fail(*_: object) -> None:
        raise StoreUnavailable(Store.DATABASE, "the server was killed")

    await add_projects(database, 1)
    with monkeypatch.context() as killed:
        killed.setattr(outbox, "settle", fail)
        with pytest.raises(StoreUnavailable):
            await synchronizer.drain()
    assert await synchronizer.drain() == 1
    assert await indexed(vectors) == [1]


async def test_a_refused_object_dies_alone_after_three_tries(database: Database, synchronizer, vectors):
    await add_projects(database, 1, 2, 3)
    vectors.broken = frozenset({"p2"})
    for _ in range(outbox.MAX_ATTEMPTS):
        await drain(synchronizer)
        assert await indexed(vectors) == [1, 3]
        await free_all(database)
    assert (await outbox.backlog(database)).dead == 1
    vectors.broken = frozenset()
    await hide(database, "p2", private=False)
    await drain(synchronizer)
    assert await indexed(vectors) == [1, 2, 3]


async def test_a_running_synchroniser_sees_new_rows_and_ends_when_told(database: Database, synchronizer, vectors):
    stop = asyncio.Event()
    running = asyncio.create_task(synchronizer.run(stop))
    try:
        await add_projects(database, 1)
        async with asyncio.timeout(20):
            await until_indexed(vectors, [1])
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await running


async def test_a_running_synchroniser_outlives_an_absent_index(database: Database, synchronizer, vectors):
    stop = asyncio.Event()
    vectors.is_away = True
    await add_projects(database, 1)
    running = asyncio.create_task(synchronizer.run(stop))
    try:
        async with asyncio.timeout(20):
            await vectors.was_away.wait()
            vectors.is_away = False
            await until_indexed(vectors, [1])
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await running


async def test_what_must_go_goes_while_the_embedder_is_away(database: Database, synchronizer, vectors, embedder):
    await add_projects(database, 1, 2, 3)
    await drain(synchronizer)
    embedder.away = True
    await hide(database, "p1", private=True)
    await run(database, update(Project).where(Project.key == "p2").values(title="new"), keys=["p2"])
    with pytest.raises(StoreUnavailable):
        await synchronizer.drain()
    assert await indexed(vectors) == [2, 3]
    assert await waiting(database) == ["p2"]


async def test_a_running_synchroniser_removes_while_it_waits_for_the_embedder(
    database: Database, synchronizer, vectors, embedder
):
    await add_projects(database, 1, 2)
    await drain(synchronizer)
    embedder.away = True
    stop = asyncio.Event()
    await add_projects(database, 3)
    running = asyncio.create_task(synchronizer.run(stop))
    try:
        async with asyncio.timeout(20):
            while embedder.refusals < 3:  # noqa: ASYNC110 (the third pause is long enough to be cut short)
                await asyncio.sleep(0.01)
            async with database.write() as connection:
                await connection.execute(update(Project).where(Project.key == "p1").values(private=True))
                await outbox.enqueue(connection, PROJECT, ["p1"], urgent=True)
            await until_indexed(vectors, [2])
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await running


async def test_a_text_that_the_model_refuses_dies_alone(database: Database, synchronizer, vectors, embedder):
    await add_projects(database, 1, 2)
    await add_projects(database, 3, title="unspeakable")
    await drain(synchronizer)
    assert await indexed(vectors) == [1, 2]
    [row] = await database.fetch(select(OutboxRow.key, OutboxRow.last_error))
    assert tuple(row) == ("p3", "an unspeakable text")


async def test_a_store_that_names_what_it_refuses_took_the_rest(database: Database, synchronizer, vectors):
    await add_projects(database, 1, 2, 3)
    vectors.named = {"p2": "no such property"}
    await drain(synchronizer)
    assert await indexed(vectors) == [1, 3]
    [row] = await database.fetch(select(OutboxRow.key, OutboxRow.last_error))
    assert tuple(row) == ("p2", "no such property")


async def test_refusals_are_counted_and_rest_as_long_as_they_are_told(database: Database, vectors, embedder):
    impatient = IndexSynchronizer(database, vectors, embedder, retry_after=timedelta())
    await add_projects(database, 1, 2)
    vectors.broken = frozenset({"p2"})
    await drain(impatient)
    assert impatient.rejected == 3


async def test_a_second_generation_is_kept_in_step_while_it_is_there(database: Database, synchronizer, vectors):
    await add_projects(database, 1, 2)
    await drain(synchronizer)
    generation = await vectors.stage()
    await add_projects(database, 3, 4)
    await drain(synchronizer)
    await hide(database, "p3", private=True)
    await drain(synchronizer)
    assert [key for key, _ in await vectors.listing("Project", None, 9, generation)] == ["p4"]
    assert [key for key, _ in await vectors.listing("Project", None, 9)] == ["p1", "p2", "p4"]


async def test_a_fingerprint_moves_with_what_is_indexed_and_with_nothing_else(database: Database):
    await add_projects(database, 1)
    documents = IndexDocumentReader(database, ("letters", DIMENSION))

    async def fingerprint() -> str:
        return (await documents.read(PROJECT, ["p1"])).documents["p1"].fingerprint

    first = await fingerprint()
    await run(database, update(Project).values(like_count=5, view_count=9))
    assert await fingerprint() == first
    await run(database, update(Project).values(title="another"))
    second = await fingerprint()
    await run(database, update(Project).values(type="video"))
    assert len({first, second, await fingerprint()}) == 3
    other = IndexDocumentReader(database, ("other", DIMENSION))
    assert (await other.read(PROJECT, ["p1"])).documents["p1"].fingerprint != await fingerprint()


# --- vectors of the platform -----------------------------------------------------------------------------------------


async def bring_vectors(database: Database, vectors_by_id: Mapping[int, Sequence[float]], model: str) -> None:
    async with database.write() as connection:
        assert await replace_embeddings(connection, vectors_by_id, model) == set(vectors_by_id)
        await outbox.enqueue(connection, PROJECT, [f"p{id_}" for id_ in vectors_by_id])


async def test_a_vector_of_the_platform_takes_the_place_of_ours_and_survives_a_rebuild(
    database: Database, vectors: RefusingStore, embedder: LetterEmbedder, synchronizer: IndexSynchronizer
) -> None:
    await add_projects(database, 1, 2, 3, 4)
    brought = np.eye(DIMENSION)[0].tolist()
    await bring_vectors(database, {1: brought}, "letters")
    await bring_vectors(database, {2: brought}, "another-model")
    await bring_vectors(database, {3: [1.0, 0.0]}, "letters")
    await synchronizer.drain()
    assert len(embedder.texts) == 3, "all but the first, whose vector is of the model and dimension of the index"
    for _ in range(2):
        ids, rows = await vectors.project_vectors(np.array([1, 2, 3, 4]))
        assert ids.tolist() == [1, 2, 3, 4]
        assert [row.tolist() == brought for row in rows] == [True, False, False, False]
        assert not await Reindex(database, vectors, embedder).compare()
        await Reindex(database, vectors, embedder).run(lambda *_: None)


async def test_another_vector_of_the_platform_makes_the_document_stale_and_none_is_embedded_again(
    database: Database, vectors: RefusingStore, embedder: LetterEmbedder, synchronizer: IndexSynchronizer
) -> None:
    await add_projects(database, 1)
    first, second = np.eye(DIMENSION)[:2].tolist()
    await bring_vectors(database, {1: first}, "letters")
    await synchronizer.drain()
    async with database.write() as connection:
        await replace_embeddings(connection, {1: second}, "letters")
    differences = await Reindex(database, vectors, embedder).compare()
    assert differences.stale == ((PROJECT, "p1"),)
    await Reindex(database, vectors, embedder).repair(differences)
    assert (await vectors.project_vectors(np.array([1])))[1].tolist() == [second]
    async with database.write() as connection:
        assert await replace_embeddings(connection, {1: None}, "letters") == {1}
        await outbox.enqueue(connection, PROJECT, ["p1"])
    assert embedder.texts == []
    await synchronizer.drain()
    assert len(embedder.texts) == 1


async def test_without_a_text_model_projects_have_the_platform_s_vectors_and_others_none(
    database: Database, vectors: RefusingStore
) -> None:
    await add_projects(database, 1, 2)
    await bring_vectors(database, {1: [1.0] * DIMENSION}, "their-model")
    absent = AbsentEmbedder("their-model", DIMENSION)
    await vectors.prepare(absent.model, absent.dimension)
    await IndexSynchronizer(database, vectors, absent).drain()
    assert (await vectors.near(np.ones(DIMENSION, np.float32), 10, VectorFilter())).ids.tolist()[0] == 1
    assert (await vectors.similarities(np.ones(DIMENSION, np.float32), np.array([1, 2]))).tolist() == [1.0, 0.0]
    by_words = await vectors.hybrid("title 2", (await absent.embed(["title 2"]))[0], 0.5, 10, VectorFilter())
    assert by_words.ids.tolist()[0] == 2


async def test_a_prefix_embeds_every_text_anew_and_leaves_the_platform_s_vectors(
    database: Database, vectors: RefusingStore, embedder: LetterEmbedder, synchronizer: IndexSynchronizer
) -> None:
    await add_projects(database, 1, 2)
    brought = np.eye(DIMENSION)[0].tolist()
    await bring_vectors(database, {1: brought}, "letters")
    await synchronizer.drain()
    embedder.texts.clear()
    prefixed = with_prefix(embedder, "passage: ")
    await Reindex(database, vectors, prefixed).run(lambda *_: None)
    assert embedder.texts == ["passage: title 2"]
    assert (await vectors.project_vectors(np.array([1])))[1].tolist() == [brought]
    assert not await Reindex(database, vectors, prefixed).compare()
