"""States of a Weaviate server that nobody has to repair by hand, and prefixes of several installations.

These run on the double, which copies what a true server does (tests/doubles/weaviate/test_true_behavior.py).
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from db.errors import Store, StoreMisconfigured, StoreUnavailable, WritesRefused
from db.resilience import CircuitState, Guard, guarded
from db.vectors.base import KINDS, PROJECT, VectorFilter, collection_name, document_uuid
from db.vectors.weaviate import Address, WeaviateVectorStore, own_vectors
from db.vectors.weaviate.schema import VECTOR_NAME, Space, properties_of
from tests.db.vectors.objects import DIMENSION, MODEL, project, unit
from tests.doubles.weaviate import WeaviateDouble, running_weaviate

pytestmark = pytest.mark.servers

SPACE = Space("", MODEL, DIMENSION)
ALIAS, COLLECTION = SPACE.alias(PROJECT), SPACE.collection(PROJECT, 1)
EVERYTHING = VectorFilter()


@pytest.fixture
def double() -> Iterator[WeaviateDouble]:
    with running_weaviate() as server:
        yield server


@pytest.fixture
async def make_store(double: WeaviateDouble) -> AsyncIterator[Callable[..., WeaviateVectorStore]]:
    opened: list[WeaviateVectorStore] = []

    def make(**arguments: Any) -> WeaviateVectorStore:
        opened.append(WeaviateVectorStore(Address(double.url, double.grpc_url), drop_after_s=0.0, **arguments))
        return opened[-1]

    yield make
    for store in opened:
        await store.close()


@pytest.fixture
async def store(make_store: Callable[..., WeaviateVectorStore]) -> WeaviateVectorStore:
    made = make_store()
    await made.prepare(MODEL, DIMENSION)
    return made


def drop_collection(double: WeaviateDouble) -> None:
    double.state.drop(COLLECTION)


def empty_server(double: WeaviateDouble) -> None:
    double.state.collections.clear()
    double.state.aliases.clear()


def make_class_of_the_alias(double: WeaviateDouble) -> None:
    """Leave what a write to an emptied server makes."""
    empty_server(double)
    double.state.find_to_write(ALIAS, {"key": "p1"})


def drop_properties(double: WeaviateDouble) -> None:
    config = double.state.collections[COLLECTION].config
    config["properties"] = [one for one in config["properties"] if one["name"] not in ("key", "fingerprint")]


DAMAGES = {
    "a dangling alias": (drop_collection, f"the alias {ALIAS} points to {COLLECTION}, which does not exist"),
    "an empty server": (empty_server, f"there is no collection for {ALIAS} yet"),
    "a class of the alias": (make_class_of_the_alias, f"{ALIAS} is a collection that a write has made"),
    "a missing property": (drop_properties, f"the collection {COLLECTION} lacks key, fingerprint"),
}


class TestDamages:
    @pytest.mark.parametrize("name", DAMAGES)
    async def test_each_is_named_without_a_change_and_repaired_by_preparing(
        self, double: WeaviateDouble, store: WeaviateVectorStore, name: str
    ):
        damage, sentence = DAMAGES[name]
        assert await store.faults(MODEL, DIMENSION) == []
        damage(double)
        before = (set(double.state.collections), dict(double.state.aliases))
        assert any(fault.startswith(sentence) for fault in await store.faults(MODEL, DIMENSION))
        assert (set(double.state.collections), double.state.aliases) == before
        await store.prepare(MODEL, DIMENSION)
        assert await store.faults(MODEL, DIMENSION) == []
        assert await store.upsert([project(1, unit(1))]) == {}
        assert (await store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1]
        made = double.state.find(ALIAS).config["properties"]
        assert {one["name"] for one in made} == {one.name for one in properties_of(PROJECT)}

    @pytest.mark.parametrize("name", DAMAGES)
    @pytest.mark.parametrize("auto_schema", [True, False])
    async def test_a_write_is_done_or_waits_and_no_document_is_rejected_for_it(
        self, double: WeaviateDouble, store: WeaviateVectorStore, name: str, *, auto_schema: bool
    ):
        DAMAGES[name][0](double)
        double.state.auto_schema = auto_schema
        try:
            assert await store.upsert([project(1, unit(1))]) == {}
        except WritesRefused:
            await store.prepare(MODEL, DIMENSION)
            assert await store.upsert([project(1, unit(1))]) == {}

    async def test_searches_of_a_dangling_alias_say_that_the_store_is_unavailable(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        drop_collection(double)
        with pytest.raises(StoreUnavailable, match=f"could not find class {COLLECTION}"):
            await store.near(unit(1), 1, EVERYTHING)
        with pytest.raises(StoreUnavailable, match="could not find class"):
            await store.counts()

    async def test_a_rebuild_after_a_dropped_collection_ends(self, double: WeaviateDouble, store: WeaviateVectorStore):
        drop_collection(double)
        await store.prepare(MODEL, DIMENSION)
        generation = await store.stage()
        await store.upsert([project(1, unit(1))], generation=generation)
        await store.publish(generation)
        assert (await store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1]
        assert set(double.state.collections) == {SPACE.collection(kind, 2) for kind in KINDS}


class TestUnused:
    async def test_a_replaced_generation_and_aliases_of_another_model_are_dropped(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        left, analysis = Space("", "earlier", 4), f"{collection_name(PROJECT, MODEL, DIMENSION)}_v1_g2"
        unused = [left.collection(PROJECT, 3), SPACE.collection(PROJECT, 0), analysis]
        for name in (*unused, "Project", "Staging_" + COLLECTION):
            double.state.create({"class": name})
        double.state.point(left.alias(PROJECT), left.collection(PROJECT, 3), new=True)
        await store.stage()
        double.state.create({"class": SPACE.collection(PROJECT, 0)})
        assert await store.unused() == sorted(unused)
        assert await store.drop_unused() == sorted(unused)
        assert {"Project", "Staging_" + COLLECTION} <= set(double.state.collections)
        assert left.alias(PROJECT) not in double.state.aliases

    async def test_only_older_analyses_of_the_same_model_are_outdated(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        name = collection_name(PROJECT, MODEL, DIMENSION)
        old, kept = [f"{name}_v1_g2", f"{name}_g1"], [f"{name}_v99_g1", f"Staging_{name}_g1", *double.state.collections]
        kept.append(Space("", "earlier", 4).collection(PROJECT, 3))
        for one in (*old, *kept[:2], kept[-1]):
            double.state.create({"class": one})
        double.state.point(f"{name}_v1", old[0], new=True)
        await store.drop_outdated()
        assert set(double.state.collections) == set(kept)
        assert f"{name}_v1" not in double.state.aliases


class TestInstallations:
    @staticmethod
    def installation(name: str) -> Callable[[], Any]:
        async def read() -> str:
            return name

        return read

    async def test_a_second_one_is_refused_until_it_takes_over_or_has_a_prefix(
        self, make_store: Callable[..., WeaviateVectorStore]
    ):
        one, other = (make_store(installation=self.installation(name)) for name in ("one", "other"))
        for _ in range(2):
            await one.prepare(MODEL, DIMENSION)
        for model in (MODEL, "another-model"):
            with pytest.raises(
                StoreMisconfigured, match=r"another installation \(one\); set WEAVIATE_PREFIX .* --take-"
            ):
                await other.prepare(model, DIMENSION)
        elsewhere = make_store(installation=self.installation("other"), prefix="other_")
        await elsewhere.prepare(MODEL, DIMENSION)
        await other.take_over()
        await other.prepare(MODEL, DIMENSION)
        with pytest.raises(StoreMisconfigured, match=r"another installation \(other\)"):
            await one.prepare(MODEL, DIMENSION)
        for call in (one.upsert([project(1, unit(1))]), one.remove(PROJECT, ["p1"]), one.drop_unused()):
            with pytest.raises(StoreUnavailable, match="has not been prepared"):
                await call

    async def test_taking_over_replaces_the_mark_without_a_moment_in_which_it_is_absent(
        self, double: WeaviateDouble, make_store: Callable[..., WeaviateVectorStore]
    ):
        one, other = (make_store(installation=self.installation(name)) for name in ("one", "other"))
        await one.prepare(MODEL, DIMENSION)
        mark = double.state.collections[SPACE.owner_mark]
        await other.take_over()
        assert double.state.collections[SPACE.owner_mark] is mark
        assert mark.config["description"].endswith(": other")

    async def test_an_installation_finds_its_index_again_on_a_moved_or_emptied_server(
        self, double: WeaviateDouble, make_store: Callable[..., WeaviateVectorStore]
    ):
        one = make_store(installation=self.installation("one"))
        await one.prepare(MODEL, DIMENSION)
        empty_server(double)
        await one.prepare(MODEL, DIMENSION)
        restarted = make_store(installation=self.installation("one"))
        await restarted.prepare(MODEL, DIMENSION)


class TestServerStart:
    @pytest.mark.parametrize("status", [403, 404])
    async def test_a_server_that_does_not_tell_it_is_an_unknown_start_and_one_warning(
        self,
        double: WeaviateDouble,
        store: WeaviateVectorStore,
        status: int,
        monkeypatch: pytest.MonkeyPatch,
    ):
        warnings: list[str] = []
        monkeypatch.setattr(own_vectors.log, "warning", lambda text, *values: warnings.append(text % values))
        double.faults.cluster_status = status
        assert [await store.server_start() for _ in range(2)] == ["", ""]
        [warning] = warnings
        assert f"answers {status} to /v1/cluster/statistics" in warning
        double.faults.cluster_status = 401
        with pytest.raises(StoreMisconfigured, match="rejects the key"):
            await store.server_start()

    async def test_it_changes_with_a_restart_and_not_with_a_node_that_is_away(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        start = await store.server_start()
        double.faults.absent_nodes = ("node2",)
        assert await store.server_start() == start != ""
        double.state.starts += 1
        assert await store.server_start() != start


class TestReadOnlyShards:
    async def test_refused_writes_give_the_server_s_reason_and_leave_reads_open(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        await store.upsert([project(1, unit(1))])
        guard = Guard(Store.VECTORS, 5.0)
        vectors = guarded(store, guard)
        double.state.collections[COLLECTION].status = "READONLY"
        for _ in range(6):
            with pytest.raises(WritesRefused, match="store is read-only due to: manually set by user"):
                await vectors.remove(PROJECT, ["p1"])
            with pytest.raises(WritesRefused, match="store is read-only"):
                await vectors.upsert([project(2, unit(1))])
        assert guard.breaker.state is CircuitState.CLOSED
        assert (await vectors.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1]
        double.state.collections[COLLECTION].status = "READY"
        await vectors.remove(PROJECT, ["p1"])


class TestSentences:
    async def test_a_closed_grpc_port_is_named(self, double: WeaviateDouble, make_store: Callable[..., Any]):
        double.stop_grpc()
        with pytest.raises(
            StoreUnavailable, match=rf"gRPC at 127.0.0.1:{double.grpc_port} refuses .*WEAVIATE_GRPC_URL"
        ):
            await make_store().prepare(MODEL, DIMENSION)

    async def test_a_server_that_answers_503_is_said_to_start(
        self, double: WeaviateDouble, make_store: Callable[..., Any]
    ):
        double.faults.rest_status = 503
        with pytest.raises(StoreUnavailable, match=r"it answers 503 \(without a reason; wait until it has started"):
            await make_store().prepare(MODEL, DIMENSION)

    async def test_a_server_that_is_not_ready_is_a_fault(self, double: WeaviateDouble, store: WeaviateVectorStore):
        double.faults.not_ready = True
        with pytest.raises(StoreUnavailable, match="is not ready; wait until it has started"):
            await store.faults(MODEL, DIMENSION)

    async def test_vectors_of_another_length_are_said_to_be_those_of_another_program(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        double.state.find(ALIAS).put(document_uuid(PROJECT, "p1"), {"key": "p1"}, {VECTOR_NAME: unit(1)[:-1]})
        with pytest.raises(StoreMisconfigured, match="set WEAVIATE_PREFIX to a new name, or delete the collection"):
            await store.prepare(MODEL, DIMENSION)
        double.state.drop(COLLECTION)
        await store.prepare(MODEL, DIMENSION)

    async def test_an_error_over_grpc_is_one_line_with_the_server_s_text(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        drop_collection(double)
        for call in (store.near(unit(1), 1, EVERYTHING), store.counts(), store.remove(PROJECT, ["p1"])):
            with pytest.raises(StoreUnavailable) as caught:
                await call
            assert caught.value.reason.endswith(f": could not find class {COLLECTION} in schema")
            assert "\n" not in caught.value.reason
