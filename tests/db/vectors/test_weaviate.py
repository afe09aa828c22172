"""Weaviate beyond the contract: deadlines, outages, rejections, keys, consistency, aliases. On the double only."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from weaviate.util import generate_uuid5

from db.errors import Store, StoreMisconfigured, StoreUnavailable
from db.vectors.base import KINDS, PROJECT, VectorFilter
from db.vectors.weaviate import Address, Layout, WeaviateVectorStore, schema
from db.vectors.weaviate.schema import Space
from tests.db.vectors.conftest import DIMENSION, MODEL
from tests.db.vectors.objects import profile, project, tool, unit
from tests.doubles.proxy import FaultProxy
from tests.doubles.weaviate import WeaviateDouble, running_weaviate

pytestmark = pytest.mark.servers

EVERYTHING = VectorFilter()
DEADLINE_S = 2.0
PROMPTLY_S = 30
"""By itself the client blocks for 63 s; this bound only distinguishes the two, on a machine however busy."""
UUID = "0b0a7f7c-8a3b-5a43-9d3c-0c2a1b0f2f10"


@pytest.fixture
def double() -> Iterator[WeaviateDouble]:
    with running_weaviate() as server:
        yield server


@asynccontextmanager
async def opened(double: WeaviateDouble, *, ready: bool = True, **arguments: Any) -> AsyncIterator[WeaviateVectorStore]:
    """Lend a store with short deadlines on the double, or at `address`."""
    address = arguments.pop("address", Address(double.url, double.grpc_url))
    deadlines = {"read_deadline_s": DEADLINE_S, "write_deadline_s": 2 * DEADLINE_S, "drop_after_s": 0.0}
    store = WeaviateVectorStore(address, **{**deadlines, **arguments})
    try:
        if ready:
            await store.prepare(MODEL, DIMENSION)
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(double: WeaviateDouble) -> AsyncIterator[WeaviateVectorStore]:
    async with opened(double) as made:
        yield made


async def seconds_until_away(call: Awaitable[object]) -> float:
    """Measure a call that must report the store as unavailable."""
    started_at = time.perf_counter()
    with pytest.raises(StoreUnavailable) as caught:
        await call
    assert caught.value.store is Store.VECTORS
    return time.perf_counter() - started_at


async def seconds_until_back(store: WeaviateVectorStore, ids: list[int]) -> float:
    """Search until these projects are found again."""
    started_at = time.perf_counter()
    while True:
        try:
            assert (await store.near(unit(1), 9, EVERYTHING)).ids.tolist() == ids
            return time.perf_counter() - started_at
        except StoreUnavailable:
            assert time.perf_counter() - started_at < PROMPTLY_S


Call = Callable[[WeaviateVectorStore], Awaitable[object]]
READS: dict[str, Call] = {
    "near": lambda store: store.near(unit(1), 5, EVERYTHING),
    "hybrid": lambda store: store.hybrid("wood", unit(1), 0.7, 5, EVERYTHING),
    "keyword": lambda store: store.hybrid("wood", None, 0.0, 5, EVERYTHING),
    "similarities": lambda store: store.similarities(unit(1), np.array([1])),
    "project_vectors": lambda store: store.project_vectors(np.array([1])),
    "profile": lambda store: store.profile(1),
    "nearest_tools": lambda store: store.nearest_tools(unit(1), 3),
    "counts": lambda store: store.counts(),
    "listing": lambda store: store.listing("Project", None, 5),
}
WRITES: dict[str, Call] = {
    "upsert": lambda store: store.upsert([project(2, unit(1))]),
    "remove": lambda store: store.remove(PROJECT, ["p1"]),
}


class TestOutages:
    @pytest.mark.parametrize("name", READS)
    async def test_a_black_hole_costs_a_read_its_deadline_and_no_more(self, double: WeaviateDouble, name: str):
        async with FaultProxy("127.0.0.1", double.grpc_port) as proxy:
            address = Address(double.url, f"127.0.0.1:{proxy.port}")
            async with opened(double, address=address) as store:
                proxy.black_hole()
                assert await seconds_until_away(READS[name](store)) < PROMPTLY_S

    @pytest.mark.parametrize("name", WRITES)
    async def test_a_black_hole_costs_a_write_its_deadline_and_no_more(self, double: WeaviateDouble, name: str):
        async with FaultProxy("127.0.0.1", double.grpc_port) as proxy:
            address = Address(double.url, f"127.0.0.1:{proxy.port}")
            async with opened(double, address=address) as store:
                proxy.black_hole()
                assert await seconds_until_away(WRITES[name](store)) < PROMPTLY_S

    async def test_grpc_that_refuses_while_rest_is_up_costs_the_deadline_and_no_more(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        await store.upsert([project(1, unit(1))])
        double.stop_grpc()
        for _ in range(2):
            assert await seconds_until_away(READS["near"](store)) < PROMPTLY_S
        double.start_grpc()
        assert await seconds_until_back(store, [1]) < PROMPTLY_S

    async def test_a_black_hole_at_connecting_costs_the_deadline_and_no_more(self, double: WeaviateDouble):
        async with FaultProxy("127.0.0.1", double.http_port) as proxy:
            proxy.black_hole()
            address = Address(f"http://127.0.0.1:{proxy.port}", double.grpc_url)
            async with opened(double, address=address, ready=False) as store:
                assert await seconds_until_away(store.prepare(MODEL, DIMENSION)) < PROMPTLY_S
                await proxy.forward()
                await store.prepare(MODEL, DIMENSION)

    @pytest.mark.parametrize("fault", ["black_hole", "refuse", "reset"])
    async def test_after_an_outage_searches_work_again_without_a_restart(self, double: WeaviateDouble, fault: str):
        async with (
            FaultProxy("127.0.0.1", double.http_port) as rest,
            FaultProxy("127.0.0.1", double.grpc_port) as rpc,
        ):
            address = Address(f"http://127.0.0.1:{rest.port}", f"http://127.0.0.1:{rpc.port}")
            async with opened(double, address=address) as store:
                await store.upsert([project(1, unit(1))])
                for proxy in (rest, rpc):
                    switched = getattr(proxy, fault)()
                    if switched is not None:
                        await switched
                for name in ("near", "counts"):
                    assert await seconds_until_away(READS[name](store)) < PROMPTLY_S
                await rest.forward()
                await rpc.forward()
                assert await seconds_until_back(store, [1]) < PROMPTLY_S

    async def test_callers_with_shorter_deadlines_do_not_keep_a_dead_connection_alive(self, double: WeaviateDouble):
        async with FaultProxy("127.0.0.1", double.grpc_port) as proxy:
            address = Address(double.url, f"127.0.0.1:{proxy.port}")
            async with opened(double, address=address) as store:
                await store.upsert([project(1, unit(1))])
                proxy.black_hole()
                before = proxy.connections
                async with asyncio.timeout(PROMPTLY_S):
                    while proxy.connections == before:
                        with pytest.raises(TimeoutError):
                            await asyncio.wait_for(READS["near"](store), 0.3)

    async def test_a_caller_who_leaves_does_not_end_the_connecting_of_the_others(self, double: WeaviateDouble):
        async with FaultProxy("127.0.0.1", double.http_port) as proxy:
            proxy.delay(0.05)
            address = Address(f"http://127.0.0.1:{proxy.port}", double.grpc_url)
            async with opened(double, address=address, ready=False, read_deadline_s=5.0) as store:
                leaver = asyncio.create_task(store.prepare(MODEL, DIMENSION))
                stayer = asyncio.create_task(store.prepare(MODEL, DIMENSION))
                await asyncio.sleep(0.02)
                leaver.cancel()
                await stayer
                assert proxy.connections == 1

    async def test_a_slow_answer_to_one_does_not_break_the_connection_of_all(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        client = store._connection._client

        async def searches() -> None:
            for _ in range(10):
                await asyncio.sleep(0.06)
                await store.near(unit(1), 1, EVERYTHING)

        async def slow(client: Any) -> None:
            await asyncio.sleep(60)

        _, away = await asyncio.gather(searches(), store._connection.read(slow), return_exceptions=True)
        assert isinstance(away, StoreUnavailable)
        assert store._connection._client is client

    async def test_a_store_that_was_not_prepared_is_unavailable(self, double: WeaviateDouble):
        async with opened(double, ready=False) as store:
            for call in (*READS.values(), *WRITES.values(), lambda store: store.stage()):
                with pytest.raises(StoreUnavailable, match="not been prepared"):
                    await call(store)

    async def test_collections_that_were_dropped_are_unavailable_until_prepared_again(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        double.state.collections.clear()
        double.state.aliases.clear()
        double.state.auto_schema = False
        for call in (READS["near"], WRITES["upsert"]):
            with pytest.raises(StoreUnavailable, match=r"could not find class|not present in schema"):
                await call(store)
        await store.prepare(MODEL, DIMENSION)
        assert (await store.near(unit(1), 1, EVERYTHING)).ids.tolist() == []

    async def test_an_error_of_the_server_is_an_absence(self, double: WeaviateDouble, store: WeaviateVectorStore):
        double.faults.grpc_status = grpc.StatusCode.INTERNAL
        with pytest.raises(StoreUnavailable, match="fault"):
            await store.near(unit(1), 1, EVERYTHING)


class TestMisconfiguration:
    async def test_a_url_that_is_no_weaviate_is_told_in_one_sentence(self, double: WeaviateDouble):
        for status, body in ((404, "<h1>not here</h1>"), (200, "<h1>hello</h1>"), (200, "{}"), (200, "[]")):
            double.faults.rest_status, double.faults.rest_body = status, body
            async with opened(double, ready=False) as store:
                with pytest.raises(StoreMisconfigured, match=rf"no Weaviate answers at {double.url}; correct WEAV"):
                    await store.prepare(MODEL, DIMENSION)

    async def test_a_server_in_trouble_is_no_misconfiguration(self, double: WeaviateDouble):
        double.faults.rest_status, double.faults.rest_body = 503, "{}"
        async with opened(double, ready=False) as store:
            with pytest.raises(StoreUnavailable) as caught:
                await store.prepare(MODEL, DIMENSION)
            assert not isinstance(caught.value, StoreMisconfigured)

    @pytest.mark.parametrize("key", [None, "wrong"])
    async def test_a_refused_key_is_told_in_one_sentence_that_does_not_hold_it(self, key: str | None):
        with running_weaviate(api_key="right") as double:
            address = Address(double.url, double.grpc_url, key)
            async with opened(double, address=address, ready=False) as store:
                with pytest.raises(StoreMisconfigured, match="rejects the key; correct WEAVIATE_API_KEY") as caught:
                    await store.prepare(MODEL, DIMENSION)
                assert "wrong" not in str(caught.value)

    async def test_the_right_key_opens_rest_and_grpc(self):
        with running_weaviate(api_key="right") as double:
            address = Address(double.url, double.grpc_url, "right")
            assert "right" not in repr(address)
            async with opened(double, address=address) as store:
                await store.upsert([project(1, unit(1))])
                assert (await store.counts())["Project"] == 1

    async def test_a_key_that_is_taken_back_is_told(self, double: WeaviateDouble, store: WeaviateVectorStore):
        double.faults.grpc_status = grpc.StatusCode.UNAUTHENTICATED
        double.faults.grpc_details = "unauthorized: invalid api key"
        for call in (READS["near"], WRITES["upsert"], WRITES["remove"]):
            with pytest.raises(StoreMisconfigured, match="rejects the key"):
                await call(store)

    @pytest.mark.parametrize("version", ["1.20.0", "1.31.9"])
    async def test_a_server_that_is_too_old_is_told(self, double: WeaviateDouble, version: str):
        double.faults.version = version
        async with opened(double, ready=False) as store:
            with pytest.raises(StoreMisconfigured, match=r"too old .*1\.33 or newer is needed"):
                await store.prepare(MODEL, DIMENSION)

    async def test_vectors_of_another_length_are_told_at_start_up(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        held = double.state.find(Space("", MODEL, DIMENSION).alias("Project"))
        held.put(UUID, {"key": "odd"}, {"default": np.ones(3, np.float32)})
        with pytest.raises(StoreMisconfigured, match=r"vectors of 3 components, and the model test-model makes 8"):
            await store.prepare(MODEL, DIMENSION)
        with pytest.raises(StoreMisconfigured, match="another length"):
            await store.near(unit(1), 1, EVERYTHING)

    @pytest.mark.parametrize(
        ("url", "grpc_url"),
        [
            ("weaviate:8080", ""),
            ("ftp://host", ""),
            ("http://", ""),
            ("http://host:99999", ""),
            ("http://host/path", ""),
            ("http://host:8080", "ws://host"),
            ("http://host:8080", "host:many"),
            ("http://host:8080", "host:8080"),
        ],
    )
    def test_an_address_that_is_none_is_told_at_once(self, url: str, grpc_url: str):
        with pytest.raises(StoreMisconfigured, match="WEAVIATE_"):
            WeaviateVectorStore(Address(url, grpc_url))

    @pytest.mark.parametrize(
        ("url", "grpc_url", "expected"),
        [
            ("http://host:8080", "", ("host", 8080, False, "host", 50051, False)),
            ("https://host", "", ("host", 443, True, "host", 50051, True)),
            ("https://host", "https://grpc.host", ("host", 443, True, "grpc.host", 443, True)),
            ("http://host", "other:7", ("host", 80, False, "other", 7, False)),
            ("https://host", "grpc://other:7", ("host", 443, True, "other", 7, False)),
            ("http://[::1]:8080", "", ("::1", 8080, False, "::1", 50051, False)),
        ],
    )
    def test_grpc_is_where_rest_is_unless_it_is_named(self, url: str, grpc_url: str, expected: tuple[object, ...]):
        made = Address(url, grpc_url).parameters()
        found = (made.http.host, made.http.port, made.http.secure, made.grpc.host, made.grpc.port, made.grpc.secure)
        assert found == expected


class TestRejections:
    async def test_each_rejected_object_is_named_and_the_others_are_written(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        double.faults.refused_objects = {generate_uuid5(key, "Project"): f"bad {key}" for key in ("p2", "p5")}
        rejected = await store.upsert([project(id_, unit(1)) for id_ in range(1, 7)])
        assert rejected == {"p2": "bad p2", "p5": "bad p5"}
        assert (await store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1, 3, 4, 6]

    async def test_a_batch_that_is_rejected_whole_names_all_of_it(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        double.faults.refused_objects = {generate_uuid5("p1", "Project"): "bad"}
        rejected = await store.upsert([project(1, unit(1))])
        assert list(rejected) == ["p1"]
        assert "bad" in rejected["p1"]

    @pytest.mark.parametrize(
        "reason",
        [
            'cannot achieve consistency level "QUORUM": read error',
            "store is read-only due to: disk usage too high",
            "context deadline exceeded",
        ],
    )
    async def test_trouble_of_the_server_is_no_fault_of_the_object(
        self, double: WeaviateDouble, store: WeaviateVectorStore, reason: str
    ):
        double.faults.refused_objects = {generate_uuid5("p2", "Project"): reason}
        with pytest.raises(StoreUnavailable):
            await store.upsert([project(1, unit(1)), project(2, unit(1))])

    async def test_objects_are_sent_in_batches(self, double: WeaviateDouble):
        async with opened(double, batch_size=4) as store:
            await store.upsert([project(id_, unit(1)) for id_ in range(1, 11)])
            assert [name for name, _ in double.calls].count("BatchObjects") == 3
            assert (await store.counts())["Project"] == 10


class TestConsistency:
    async def test_writes_ask_a_quorum_and_searches_one_replica(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        double.calls.clear()
        await store.upsert([project(1, unit(1))])
        await store.upsert([profile(1, unit(1))])
        await store.upsert([tool(1, unit(1))])
        await store.remove(PROJECT, ["p1"])
        assert set(double.calls) == {("BatchObjects", "QUORUM"), ("BatchDelete", "QUORUM")}
        double.calls.clear()
        for name in ("near", "hybrid", "keyword", "similarities", "profile"):
            await READS[name](store)
        assert set(double.calls) == {("Search", "ONE")}
        double.calls.clear()
        await store.listing("Project", None, 5)
        assert double.calls == [("Search", "QUORUM")]


class TestCollections:
    async def test_they_are_served_under_an_alias_that_names_their_space(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        name = Space("", "test-model", 8).alias("Project")
        assert name.startswith("Project_test_model_8_")
        assert double.state.aliases[name] == f"{name}_g1"

    async def test_another_analysis_of_texts_has_its_own_and_begins_empty(
        self, double: WeaviateDouble, monkeypatch: pytest.MonkeyPatch
    ):
        async with opened(double, prefix="Older_") as store:
            await store.upsert([project(1, unit(1))])
        monkeypatch.setattr(schema, "ANALYSIS_VERSION", schema.ANALYSIS_VERSION + 1)
        async with opened(double, prefix="Older_") as store:
            assert (await store.counts())["Project"] == 0

    async def test_they_are_made_as_the_code_says(self, double: WeaviateDouble):
        async with opened(double, layout=Layout(replicas=3, shards=2)):
            made = double.state.find(Space("", MODEL, DIMENSION).alias("Project")).config
            assert made["replicationConfig"]["factor"] == 3
            assert made["shardingConfig"]["desiredCount"] == 2
            assert made["invertedIndexConfig"] == {"bm25": {"b": 0.75, "k1": 1.2}, "stopwords": {"preset": "en"}}
            assert made["vectorConfig"]["default"]["vectorIndexConfig"]["skipDefaultQuantization"] is True
            assert made["vectorConfig"]["default"]["vectorizer"] == {"none": {}}
            assert made["vectorConfig"]["default"]["vectorIndexType"] == "hnsw"
            assert made["vectorConfig"]["default"]["vectorIndexConfig"]["distance"] == "cosine"
            indexed = {one["name"] for one in made["properties"] if one["indexFilterable"] or one["indexSearchable"]}
            assert indexed == {"project_id", "search_terms", "project_type", "created_at", "owner_id", "term_ids"}
            searchable = [(one["name"], one["tokenization"]) for one in made["properties"] if one["indexSearchable"]]
            assert searchable == [("search_terms", "whitespace")]

    async def test_with_an_openai_key_the_vectorizer_is_named_and_the_key_sent(self, double: WeaviateDouble):
        address = Address(double.url, double.grpc_url, openai_api_key="sk-secret")
        async with opened(double, address=address, layout=Layout(openai_vectorizer=True)) as store:
            made = double.state.find(Space("", MODEL, DIMENSION).alias("Project")).config
            vectorizer = made["vectorConfig"]["default"]["vectorizer"]["text2vec-openai"]
            assert (vectorizer["model"], vectorizer["dimensions"]) == (MODEL, DIMENSION)
            await store.upsert([project(1, unit(1))])
            assert (await store.near(unit(1), 1, EVERYTHING)).scores.tolist() == [1.0]

    async def test_what_the_server_does_not_make_is_told(self, double: WeaviateDouble):
        async with opened(double, ready=False, prefix="not-a-name_") as store:
            with pytest.raises(StoreMisconfigured, match="cannot create the collection Not-a-name_"):
                await store.prepare(MODEL, DIMENSION)

    async def test_gateways_that_start_at_once_agree(self, double: WeaviateDouble):
        async with opened(double, ready=False) as one, opened(double, ready=False) as other:
            await asyncio.gather(*(store.prepare(MODEL, DIMENSION) for store in (one, other, one, other)))
            await one.upsert([project(1, unit(1))])
            assert (await other.near(unit(1), 1, EVERYTHING)).ids.tolist() == [1]
            assert len(double.state.collections) == len(KINDS)

    async def test_a_publishing_that_was_cut_short_is_ended_by_the_next(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        generation = await store.stage()
        await store.upsert([project(1, unit(1))], generation=generation)
        space = Space("", MODEL, DIMENSION)
        double.state.point(space.alias("Tool"), space.collection("Tool", 2), new=False)
        assert await store.staged() == generation
        await store.publish(generation)
        assert (await store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1]
        assert set(double.state.collections) == {space.collection(kind, 2) for kind in KINDS}

    async def test_the_generation_in_service_cannot_be_discarded(self, store: WeaviateVectorStore):
        with pytest.raises(ValueError, match="is active"):
            await store.discard("g1")
        with pytest.raises(ValueError, match="is not the name of a generation"):
            await store.discard("Project")


class TestSearches:
    async def test_ties_beyond_the_first_window_are_still_broken_by_id(self, store: WeaviateVectorStore):
        await store.upsert([project(id_, unit(1, 2)) for id_ in range(200, 0, -1)])
        assert (await store.near(unit(1), 3, EVERYTHING)).ids.tolist() == [1, 2, 3]

    async def test_a_hybrid_search_is_one_search_by_vector_and_one_by_keywords(
        self, double: WeaviateDouble, store: WeaviateVectorStore
    ):
        await store.upsert([project(id_, unit(1, id_), key=f"k{id_}") for id_ in range(1, 20)])
        for alpha, searches in ((0.6, 2), (1.0, 1), (0.0, 1)):
            double.calls.clear()
            await store.hybrid("title 7 about", unit(1, 5), alpha, 10, EVERYTHING)
            assert [name for name, _ in double.calls] == ["Search"] * searches

    async def test_more_than_the_server_gives_is_never_asked_for(self, store: WeaviateVectorStore):
        await store.upsert([project(1, unit(1))])
        for limit in (9_990, 10_000, 1_000_000):
            assert (await store.near(unit(1), limit, EVERYTHING)).ids.tolist() == [1]
            assert (await store.hybrid("title", None, 0.0, limit, EVERYTHING)).ids.tolist() == [1]
            assert (await store.hybrid("title", unit(1), 0.5, limit, EVERYTHING)).ids.tolist() == [1]

    async def test_a_query_of_another_dimension_is_a_programming_error(self, store: WeaviateVectorStore):
        with pytest.raises(ValueError, match="shape"):
            await store.near(unit(1, dimension=5), 1, EVERYTHING)
