"""Behavior of a true Weaviate 1.38 that the double copies. WEAVIATE_TEST_URL runs these tests on a true server.

The tests that change the server itself (kill it, change its settings) run on the double only.
"""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from weaviate import WeaviateAsyncClient
from weaviate.auth import Auth
from weaviate.classes.config import Configure, DataType, Property, Tokenization
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, MetadataQuery, Sort
from weaviate.exceptions import (
    UnexpectedStatusCodeError,
    WeaviateDeleteManyError,
    WeaviateInsertManyAllFailedError,
    WeaviateQueryError,
)
from weaviate.util import generate_uuid5

from db.vectors.weaviate import Address
from tests.doubles.weaviate import WeaviateDouble, running_weaviate
from tests.doubles.weaviate.cleaning import drop_collections

pytestmark = pytest.mark.servers

PREFIX = f"Behavior{os.getpid()}x"
THING, ALIAS = f"{PREFIX}Thing_g1", f"{PREFIX}Thing"
KEY = Property(
    name="key", data_type=DataType.TEXT, tokenization=Tokenization.FIELD, index_searchable=False, index_filterable=True
)


@pytest.fixture(scope="module")
def double() -> Iterator[WeaviateDouble]:
    with running_weaviate() as server:
        yield server


@pytest.fixture(params=["double", "true"])
async def client(request: pytest.FixtureRequest, double: WeaviateDouble) -> AsyncIterator[WeaviateAsyncClient]:
    """Lend a client of the double, and of the true server if there is one, on a collection THING with an ALIAS."""
    if request.param == "double":
        address = Address(double.url, double.grpc_url)
    elif url := os.environ.get("WEAVIATE_TEST_URL"):
        address = Address(url, os.environ.get("WEAVIATE_TEST_GRPC_URL", ""), os.environ.get("WEAVIATE_TEST_API_KEY"))
    else:
        pytest.skip("no WEAVIATE_TEST_URL")
    key = Auth.api_key(address.api_key) if address.api_key else None
    async with WeaviateAsyncClient(address.parameters(), auth_client_secret=key, skip_init_checks=True) as opened:
        await make_thing(opened)
        await opened.alias.create(alias_name=ALIAS, target_collection=THING)
        yield opened
    await drop_collections(address, PREFIX)


async def make_thing(client: WeaviateAsyncClient, **arguments: Any) -> None:
    config = {"properties": [KEY], "vector_config": Configure.Vectors.self_provided(name="default"), **arguments}
    await client.collections.create(THING, **config)


def thing(key: str, vector: tuple[float, ...] = (1.0, 0.0), **properties: Any) -> DataObject[Any, Any]:
    return DataObject({"key": key, **properties}, uuid=generate_uuid5(key), vector={"default": list(vector)})


async def write(client: WeaviateAsyncClient, *objects: DataObject[Any, Any]) -> None:
    written = await client.collections.use(ALIAS).data.insert_many(list(objects))
    assert not written.has_errors, written.errors


async def refusal(client: WeaviateAsyncClient, item: DataObject[Any, Any]) -> str:
    with pytest.raises(WeaviateInsertManyAllFailedError) as caught:
        await client.collections.use(ALIAS).data.insert_many([item])
    return str(caught.value.message)


async def found(client: WeaviateAsyncClient, vector: tuple[float, ...], name: str = ALIAS) -> list[str]:
    near = client.collections.use(name).query.near_vector
    response = await near(list(vector), limit=9, target_vector="default", return_metadata=MetadataQuery(distance=True))
    return [str(item.properties["key"]) for item in response.objects if (item.metadata.distance or 0) < 0.01]


class TestOrder:
    KEYS = ("b", "A", "a", "B", "_", "C")

    async def test_a_sort_by_a_text_ignores_case_and_a_filter_compares_bytes(self, client: WeaviateAsyncClient):
        await write(client, *(thing(key) for key in self.KEYS))
        query = client.collections.use(ALIAS).query
        sorted_ = await query.fetch_objects(sort=Sort.by_property("key", ascending=True))
        assert [str(item.properties["key"]).lower() for item in sorted_.objects] == ["_", "a", "a", "b", "b", "c"]
        after = await query.fetch_objects(filters=Filter.by_property("key").greater_than("B"))
        assert {item.properties["key"] for item in after.objects} == {"C", "_", "a", "b"}

    async def test_a_cursor_goes_through_all_objects_by_uuid(self, client: WeaviateAsyncClient):
        await write(client, *(thing(key) for key in self.KEYS))
        query = client.collections.use(ALIAS).query
        expected = sorted(str(generate_uuid5(key)) for key in self.KEYS)
        first = await query.fetch_objects(limit=4)
        assert [str(item.uuid) for item in first.objects] == expected[:4]
        await client.collections.use(ALIAS).data.delete_by_id(expected[3])
        rest = await query.fetch_objects(limit=4, after=expected[3])
        assert [str(item.uuid) for item in rest.objects] == expected[4:]

    async def test_a_cursor_goes_with_no_filter_and_no_sort(self, client: WeaviateAsyncClient):
        query = client.collections.use(ALIAS).query
        with pytest.raises(WeaviateQueryError, match="sort cannot be set with after and limit parameters"):
            await query.fetch_objects(limit=4, after=generate_uuid5("a"), sort=Sort.by_property("key"))
        with pytest.raises(WeaviateQueryError, match="where cannot be set with after and limit parameters"):
            await query.fetch_objects(limit=4, after=generate_uuid5("a"), filters=Filter.by_property("key").equal("a"))


class TestAliases:
    async def test_a_dropped_collection_leaves_its_alias_dangling(self, client: WeaviateAsyncClient):
        await client.collections.delete(THING)
        assert (await client.alias.list_all())[ALIAS].collection == THING
        with pytest.raises(WeaviateQueryError, match=f"could not find class {THING} in schema"):
            await client.collections.use(ALIAS).query.fetch_objects(limit=1)
        with pytest.raises(WeaviateQueryError, match=f"parse params: could not find class {THING} in schema"):
            await client.collections.use(ALIAS).aggregate.over_all(total_count=True)
        message = f'alias "{ALIAS}" points to collection "{THING}" which does not exist'
        assert message in await refusal(client, thing("a"))

    async def test_a_dangling_alias_can_be_pointed_elsewhere_or_deleted(self, client: WeaviateAsyncClient):
        await client.collections.delete(THING)
        await make_thing(client)
        await write(client, thing("a"))
        assert await client.alias.update(alias_name=ALIAS, new_target_collection=THING)
        await client.collections.delete(THING)
        assert await client.alias.delete(alias_name=ALIAS)
        assert ALIAS not in await client.alias.list_all()
        assert not await client.alias.update(alias_name=ALIAS, new_target_collection=THING)

    async def test_an_alias_cannot_be_dropped_as_a_collection(self, client: WeaviateAsyncClient):
        await client.collections.delete(ALIAS)
        assert await client.collections.exists(THING)
        assert (await client.alias.list_all())[ALIAS].collection == THING

    async def test_a_property_is_added_to_the_collection_and_not_to_its_alias(self, client: WeaviateAsyncClient):
        more = Property(name="more", data_type=DataType.INT)
        with pytest.raises(UnexpectedStatusCodeError, match=f'class "{ALIAS}": not found') as caught:
            await client.collections.use(ALIAS).config.add_property(more)
        assert caught.value.status_code == 422
        await client.collections.use(THING).config.add_property(more)
        assert {one.name for one in (await client.collections.use(ALIAS).config.get()).properties} == {"key", "more"}

    async def test_a_name_belongs_to_a_collection_or_to_an_alias(self, client: WeaviateAsyncClient):
        with pytest.raises(UnexpectedStatusCodeError, match=f"class name {THING} already exists") as caught:
            await make_thing(client)
        assert caught.value.status_code == 422
        with pytest.raises(UnexpectedStatusCodeError, match=f"alias name {ALIAS} already exists") as caught:
            await client.collections.create(ALIAS)
        assert caught.value.status_code == 422
        with pytest.raises(UnexpectedStatusCodeError, match=f"create alias: {ALIAS}, alias already exists") as caught:
            await client.alias.create(alias_name=ALIAS, target_collection=THING)
        assert caught.value.status_code == 422
        with pytest.raises(UnexpectedStatusCodeError, match=f"create alias: class {THING} already exists") as caught:
            await client.alias.create(alias_name=THING, target_collection=THING)
        assert caught.value.status_code == 500
        with pytest.raises(UnexpectedStatusCodeError, match=f'target class "{PREFIX}None" does not exist') as caught:
            await client.alias.create(alias_name=f"{PREFIX}Other", target_collection=f"{PREFIX}None")
        assert caught.value.status_code == 422


class TestAutoSchema:
    async def test_a_write_to_a_missing_name_makes_a_collection_with_guessed_properties(
        self, client: WeaviateAsyncClient
    ):
        await client.alias.delete(alias_name=ALIAS)
        await client.collections.delete(THING)
        values = {"number": 3, "at": "2026-01-02T00:00:00Z", "flag": True, "ids": [1, 2], "texts": ["a"], "none": []}
        await write(client, thing("a", **values))
        config = await client.collections.use(ALIAS).config.get()
        assert "auto-schema" in str(config.description)
        assert {one.name: one.data_type for one in config.properties} == {
            "key": DataType.TEXT, "number": DataType.NUMBER, "at": DataType.DATE, "flag": DataType.BOOL,
            "ids": DataType.INT_ARRAY, "texts": DataType.TEXT_ARRAY, "none": DataType.TEXT_ARRAY,
        }  # fmt: skip
        await make_thing(client)
        with pytest.raises(UnexpectedStatusCodeError, match=f"create alias: class {ALIAS} already exists"):
            await client.alias.create(alias_name=ALIAS, target_collection=THING)

    async def test_without_it_a_write_to_a_missing_name_is_refused(self):
        with running_weaviate() as server:
            server.state.auto_schema = False
            address = Address(server.url, server.grpc_url)
            async with WeaviateAsyncClient(address.parameters(), skip_init_checks=True) as client:
                assert f"class '{ALIAS}' not present in schema" in await refusal(client, thing("a"))
                await make_thing(client)
                await client.alias.create(alias_name=ALIAS, target_collection=THING)
                message = "no such prop with name 'more' found in class '%s' in the schema"
                assert message % THING in await refusal(client, thing("a", more="b"))


class TestVectors:
    async def test_an_object_written_again_unchanged_keeps_its_times(self, client: WeaviateAsyncClient):
        async def updated() -> Any:
            query = client.collections.use(ALIAS).query
            items = await query.fetch_objects(return_metadata=MetadataQuery(last_update_time=True))
            return items.objects[0].metadata.last_update_time

        await write(client, thing("a"))
        before = await updated()
        await write(client, thing("a"))
        assert await updated() == before

    @pytest.mark.parametrize(
        ("again", "is_found"),
        [(thing("c"), False), (thing("c", note="new"), False), (thing("c", (0.9999, 0.0001)), True)],
    )
    async def test_a_killed_server_loses_last_vectors_until_the_vector_changes(
        self, again: DataObject[Any, Any], is_found: bool
    ):
        with running_weaviate() as server:
            address = Address(server.url, server.grpc_url)
            async with WeaviateAsyncClient(address.parameters(), skip_init_checks=True) as client:
                await make_thing(client)
                await client.alias.create(alias_name=ALIAS, target_collection=THING)
                await write(client, thing("a"), thing("b"), thing("c"))
                server.kill(lost=2)
                server.start()
            async with WeaviateAsyncClient(address.parameters(), skip_init_checks=True) as client:
                assert await found(client, (1.0, 0.0)) == ["a"]
                assert (await client.collections.use(ALIAS).aggregate.over_all(total_count=True)).total_count == 3
                assert await client.collections.use(ALIAS).query.fetch_object_by_id(generate_uuid5("c")) is not None
                await write(client, again)
                assert ("c" in await found(client, (1.0, 0.0))) is is_found
                await client.collections.use(ALIAS).data.delete_by_id(generate_uuid5("c"))
                await write(client, thing("c"))
                assert "c" in await found(client, (1.0, 0.0))

    async def test_quantization_is_the_server_s_unless_the_collection_skips_it(self):
        with running_weaviate() as server:
            server.state.default_quantization = "rq-8"
            address = Address(server.url, server.grpc_url)
            async with WeaviateAsyncClient(address.parameters(), skip_init_checks=True) as client:
                for skips in (False, True):
                    index = Configure.VectorIndex.hnsw(
                        quantizer=Configure.VectorIndex.Quantizer.none() if skips else None
                    )
                    vectors = Configure.Vectors.self_provided(name="default", vector_index_config=index)
                    await make_thing(client, vector_config=vectors)
                    made = server.state.find(THING).config["vectorConfig"]["default"]["vectorIndexConfig"]
                    assert made.get("rq", {}).get("enabled", False) is not skips
                    await client.collections.delete(THING)


class TestShards:
    async def test_read_only_shards_refuse_writes_and_removals_and_answer_searches(self, client: WeaviateAsyncClient):
        await write(client, thing("a"))
        collection = client.collections.use(THING)
        assert [shard.status for shard in await collection.config.get_shards()] == ["READY"]
        await collection.config.update_shards(status="READONLY")
        reason = "store is read-only due to: manually set by user"
        assert reason in await refusal(client, thing("b"))
        by_key = Filter.by_property("key").equal("a")
        data = client.collections.use(ALIAS).data
        removed = await data.delete_many(where=by_key)
        assert (removed.failed, removed.successful) == (1, 0)  # and no reason, not even if it is asked for:
        with pytest.raises(WeaviateDeleteManyError, match="failed to parse hex string to integer"):
            await data.delete_many(where=by_key, verbose=True)
        with pytest.raises(UnexpectedStatusCodeError, match=reason) as caught:
            await data.delete_by_id(generate_uuid5("a"))
        assert caught.value.status_code == 500
        assert await found(client, (1.0, 0.0)) == ["a"]
        await collection.config.update_shards(status="READY")
        assert (await data.delete_many(where=by_key, verbose=True)).successful == 1


async def test_a_description_is_replaced_in_one_request(client: WeaviateAsyncClient):
    await client.collections.use(THING).config.update(description="another")
    assert (await client.collections.list_all())[THING].description == "another"
