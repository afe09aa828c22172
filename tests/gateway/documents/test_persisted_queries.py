"""Automatic persisted queries over HTTP, as Apollo's clients and urql speak them."""

import json
from hashlib import sha256

import pytest

from db.errors import Store, StoreUnavailable
from gateway.documents.persisted_queries import PersistedQueries
from tests.doubles.memory_cache import MemoryCache

DOCUMENT = 'query Greeting { echo(text: "hello") }'
READ = {"X-Explore-Request": "1"}
GRAPHQL = "application/graphql-response+json"


def hash_of(text):
    return sha256(text.encode()).hexdigest()


def by_hash(hash_, query=None):
    body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_}}}
    return body if query is None else {**body, "query": query}


async def send(client, body, **headers):
    return await client.post("/graphql", json=body, headers=headers)


def error_of(answer):
    (error,) = answer.json()["errors"]
    return error["message"], error["extensions"]["code"]


async def test_a_document_is_sent_once_and_named_by_its_hash_from_then_on(client):
    unknown = await send(client, by_hash(hash_of(DOCUMENT)))
    first = await send(client, by_hash(hash_of(DOCUMENT), DOCUMENT))
    again = await send(client, by_hash(hash_of(DOCUMENT)))
    assert error_of(unknown) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    assert unknown.status_code == 200
    assert unknown.headers["cache-control"] == "no-store"
    assert first.json()["data"] == again.json()["data"] == {"echo": "hello0"}


async def test_a_client_that_reads_statuses_gets_one_for_an_unknown_hash(client):
    answer = await send(client, by_hash(hash_of(DOCUMENT)), Accept=GRAPHQL)
    assert answer.status_code == 400
    assert error_of(answer) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")


async def test_a_hash_may_come_by_get(client):
    await send(client, by_hash(hash_of(DOCUMENT), DOCUMENT))
    extensions = json.dumps(by_hash(hash_of(DOCUMENT))["extensions"])
    answer = await client.get("/graphql", params={"extensions": extensions}, headers=READ)
    assert answer.json()["data"] == {"echo": "hello0"}


@pytest.mark.parametrize("prefix", ["", "sha256:"])
async def test_a_registered_document_may_be_named_by_document_id(client, prefix):
    await send(client, by_hash(hash_of(DOCUMENT), DOCUMENT))
    named = {"documentId": prefix + hash_of(DOCUMENT)}
    posted = await send(client, named)
    read = await client.get("/graphql", params=named, headers=READ)
    assert posted.json()["data"] == read.json()["data"] == {"echo": "hello0"}


async def test_an_unknown_document_id_is_a_404_that_says_what_to_do(client):
    answer = await send(client, {"documentId": hash_of("something else")})
    message, code = error_of(answer)
    assert (answer.status_code, code) == (404, "PERSISTED_QUERY_NOT_FOUND")
    assert "Send the query itself" in message


async def test_processes_share_what_was_registered(gateway):
    async with gateway() as one, gateway() as other:
        await send(one, by_hash(hash_of(DOCUMENT), DOCUMENT))
        assert (await send(other, by_hash(hash_of(DOCUMENT)))).json()["data"] == {"echo": "hello0"}


@pytest.mark.parametrize("document", ["{ noSuchField }", "{ echo", "query A { echo } query B { echo }"])
async def test_a_document_that_cannot_be_run_is_not_registered(client, document):
    await send(client, by_hash(hash_of(document), document))
    assert error_of(await send(client, by_hash(hash_of(document))))[1] == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_hash_of_something_else_is_refused_and_registers_nothing(client):
    answer = await send(client, by_hash(hash_of("{ echo }"), DOCUMENT))
    assert (answer.status_code, error_of(answer)[1]) == (400, "PERSISTED_QUERY_HASH_MISMATCH")
    assert error_of(await send(client, by_hash(hash_of("{ echo }"))))[1] == "PERSISTED_QUERY_NOT_FOUND"


BAD = {
    "no version": {"sha256Hash": "a"},
    "another version": {"version": 2, "sha256Hash": "a"},
    "no hash": {"version": 1},
    "an empty hash": {"version": 1, "sha256Hash": ""},
    "a hash that is a number": {"version": 1, "sha256Hash": 7},
    "a list": [],
    "a hash of 300 characters": {"version": 1, "sha256Hash": "a" * 300},
}


@pytest.mark.parametrize("case", BAD)
async def test_an_extension_that_is_not_apollos_is_refused(client, case):
    answer = await send(client, {"extensions": {"persistedQuery": BAD[case]}})
    assert (answer.status_code, error_of(answer)[1]) == (400, "BAD_REQUEST")


async def test_a_document_is_named_once(client):
    answer = await send(client, {"query": "{ echo }", "documentId": hash_of("{ echo }")})
    assert (answer.status_code, error_of(answer)[1]) == (400, "BAD_REQUEST")


async def test_a_document_that_is_too_long_runs_and_is_not_kept(gateway):
    long = DOCUMENT + " " * 1_024
    async with gateway(persisted_query_max_kb=1) as client:
        first = await send(client, by_hash(hash_of(long), long))
        again = await send(client, by_hash(hash_of(long)))
    assert first.json()["data"] == {"echo": "hello0"}
    assert error_of(again)[1] == "PERSISTED_QUERY_NOT_FOUND"


async def test_where_nothing_may_be_registered_a_client_is_told_to_stop_trying(gateway):
    async with gateway(persisted_queries=False) as client:
        named = await send(client, by_hash(hash_of(DOCUMENT)))
        whole = await send(client, by_hash(hash_of(DOCUMENT), DOCUMENT))
    assert error_of(named) == ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
    assert whole.json()["data"] == {"echo": "hello0"}


# --- the store ----------------------------------------------------------------------------------------------------


class AwayCache(MemoryCache):
    async def get(self, key, *, extend_s=None):
        raise StoreUnavailable(Store.CACHE, "away")

    async def put(self, key, value, ttl_s):
        raise StoreUnavailable(Store.CACHE, "away")


async def test_without_the_cache_a_document_is_not_known_and_nothing_breaks():
    queries = PersistedQueries(AwayCache(), 60, 1_000)
    await queries.register(DOCUMENT)
    assert await queries.text(hash_of(DOCUMENT)) is None


async def test_what_somebody_put_into_the_cache_under_another_name_is_not_served():
    cache = MemoryCache()
    await cache.put(f"document:{hash_of(DOCUMENT)}", b"{ somethingElse }", 60)
    assert await PersistedQueries(cache, 60, 1_000).text(hash_of(DOCUMENT)) is None


async def test_a_document_lives_on_from_its_last_use():
    time = [0.0]
    cache = MemoryCache(clock=lambda: time[0])
    await PersistedQueries(cache, 60, 1_000).register(DOCUMENT)
    for time[0] in (50.0, 100.0):
        assert await PersistedQueries(cache, 60, 1_000).text(hash_of(DOCUMENT)) == DOCUMENT
    time[0] = 161.0
    assert await PersistedQueries(cache, 60, 1_000).text(hash_of(DOCUMENT)) is None
