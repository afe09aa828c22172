"""The whole gateway on Weaviate, OpenAI, Redis and PostgreSQL, and what clients see when one of them is away."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db.database.engine import Database
from db.models import Role
from tests.at_scale import FOR_YOU, SEARCH, AtScale, running_at_scale


@pytest.fixture(scope="module")
async def at_scale(postgresql_template, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AtScale]:
    folder: Path = tmp_path_factory.mktemp("at_scale")
    async with postgresql_template.copy(folder) as database, running_at_scale(url_of(database), folder) as running:
        await running.fill(60)
        yield running


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


async def degraded(at_scale: AtScale, query: str) -> list[str]:
    answer = await at_scale.ask(query)
    assert "errors" not in answer, answer["errors"]
    (feed,) = answer["data"].values()
    assert feed["edges"], "an empty feed looks like an answer"
    return feed["degraded"]


async def whole(at_scale: AtScale, query: str, *, as_nobody: bool = False) -> dict[str, Any]:
    """Ask until nothing is missing: on a busy machine a store may miss its deadline, and the feed then says so."""
    ask = at_scale.ask_as_nobody if as_nobody else at_scale.ask
    feeds: list[dict[str, Any]] = []

    async def is_complete() -> bool:
        feeds[:] = (await ask(query))["data"].values()
        return feeds[0]["degraded"] == []

    await at_scale.until(is_complete)
    return feeds[0]


async def test_feeds_and_search_are_whole_when_everything_is_there(at_scale: AtScale):
    feed = await whole(at_scale, FOR_YOU)
    assert (feed["strategy"], len(feed["edges"])) == ("PERSONALIZED", 10)
    found = await whole(at_scale, SEARCH)
    assert found["strategy"] == "HYBRID"
    assert all(int(edge["node"]["key"][1:]) % 6 == 2 for edge in found["edges"][:5])


async def test_a_text_is_paid_for_once(at_scale: AtScale):
    await degraded(at_scale, SEARCH)
    await degraded(at_scale, SEARCH)
    assert max(at_scale.openai.paid.values()) == 1, at_scale.openai.paid.most_common(3)


async def scraped(at_scale: AtScale) -> dict[str, float]:
    answer = await at_scale.client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def failed(found: dict[str, float]) -> float:
    """Count the calls to the index that did not succeed."""
    return sum(
        value
        for name, value in found.items()
        if name.startswith("explore_store_calls_total{") and 'store="vectors"' in name and 'outcome="ok"' not in name
    )


async def test_the_metrics_tell_of_a_store_that_is_away_and_of_what_waits_for_it(at_scale: AtScale):
    before = await scraped(at_scale)
    assert before["explore_outbox_dead_rows"] == 0
    assert before["explore_embedding_dollars_total"] > 0
    async with at_scale.faulty("refuse", "weaviate", "weaviate_grpc"):
        await at_scale.ask('mutation { likeProject(key: "p0031") { changed } }')
        await degraded(at_scale, FOR_YOU)
        while_away = await scraped(at_scale)
        assert failed(while_away) > failed(before)
        assert while_away["explore_outbox_rows"] > 0
        assert while_away["explore_outbox_lag_seconds"] > 0

    async def caught_up() -> bool:
        return (await scraped(at_scale))["explore_outbox_rows"] == 0

    # Here, before the tests that cut off the database: a row leased when that goes away stays leased for a minute.
    await at_scale.until(caught_up)


@pytest.mark.parametrize(
    ("fault", "proxies", "query", "named"),
    [
        ("black_hole", ["weaviate_grpc"], FOR_YOU, "VECTORS"),
        ("black_hole", ["weaviate_grpc"], SEARCH, "VECTORS"),
        ("refuse", ["weaviate", "weaviate_grpc"], FOR_YOU, "VECTORS"),
        ("reset", ["weaviate_grpc"], SEARCH, "VECTORS"),
        ("black_hole", ["openai"], SEARCH, "EMBEDDINGS"),
        ("refuse", ["openai"], SEARCH, "EMBEDDINGS"),
        ("black_hole", ["redis"], FOR_YOU, "CACHE"),
        ("refuse", ["redis"], SEARCH, "CACHE"),
    ],
)
async def test_without_a_store_feeds_come_from_what_is_left_say_so_and_heal(
    at_scale: AtScale, fault: str, proxies: list[str], query: str, named: str
):
    # Every ask is a new search or a new ranking: nothing comes from a snapshot made before.
    fresh = iter(range(1_000))

    async def flags() -> list[str]:
        number = next(fresh)
        liked = f"p{20 + number % 30:04}"  # not one of those that make ada who she is
        await at_scale.ask("mutation ($key: String!) { likeProject(key: $key) { changed } }", key=liked)
        await at_scale.ask("mutation ($key: String!) { unlikeProject(key: $key) { changed } }", key=liked)
        return await degraded(at_scale, query.replace("robots", f"robots {fault} {proxies[0]} {number}"))

    async def healed() -> bool:
        return await flags() == []

    async with at_scale.faulty(fault, *proxies):
        assert named in await flags()
    await at_scale.until(healed)


async def test_without_the_truth_there_is_one_clear_error(at_scale: AtScale):
    async with at_scale.faulty("refuse", "database"):
        answer = await at_scale.ask(FOR_YOU)
    (error,) = answer["errors"]
    assert (error["extensions"]["code"], answer["data"]) == ("STORE_UNAVAILABLE", {"forYou": None})
    assert "again" in error["message"]

    async def healed() -> bool:
        return "errors" not in await at_scale.ask(FOR_YOU)

    await at_scale.until(healed)


TRENDING = """{ trending(first: 10) {
  degraded
  edges { rank score node { key title tools { key } topics { key } viewerHasLiked } explanation { score } }
} }"""
NEWEST = "{ newest(first: 10) { degraded edges { node { key } } } }"


async def test_without_the_truth_what_everybody_shares_is_served_as_it_was_last_seen(at_scale: AtScale):
    for nobody in (TRENDING, NEWEST):
        before = await whole(at_scale, nobody, as_nobody=True)
        async with at_scale.faulty("refuse", "database"):
            for ask in (at_scale.ask_as_nobody, at_scale.ask):  # a token's viewer cannot be known now: nobody
                answer = await ask(nobody)
                assert "errors" not in answer, answer["errors"]
                (after,) = answer["data"].values()
                assert after == {**before, "degraded": ["DATABASE"]}
            personal = await at_scale.ask(FOR_YOU)
            assert personal["errors"][0]["extensions"]["code"] == "STORE_UNAVAILABLE"
            other = await at_scale.ask_as_nobody(nobody.replace("first: 10", "first: 11"))
            assert other["errors"][0]["extensions"]["code"] == "STORE_UNAVAILABLE"

        async def healed(query: str = nobody) -> bool:
            (feed,) = (await at_scale.ask(query))["data"].values()
            return feed is not None and feed["degraded"] == []

        await at_scale.until(healed)


async def test_without_the_truth_the_metrics_go_on_without_the_outbox(at_scale: AtScale):
    async with at_scale.faulty("refuse", "database"):
        found = await scraped(at_scale)
    assert "explore_outbox_rows" not in found
    assert any(name.startswith("explore_request_seconds") for name in found)


async def test_a_removed_project_is_at_once_in_no_shared_answer(at_scale: AtScale):
    newest = "{ newest(first: 3) { nodes { key } } }"
    for _ in range(2):  # the second answer is shared
        keys = [node["key"] for node in (await at_scale.ask_as_nobody(newest))["data"]["newest"]["nodes"]]
    remove = "mutation ($keys: [String!]!) { removeProjects(keys: $keys) { removed } }"
    removed = await at_scale.ask(remove, "platform", Role.SERVICE, keys=keys[:1])
    assert removed.get("data"), removed
    assert removed["data"]["removeProjects"]["removed"] == 1
    later = (await at_scale.ask_as_nobody(newest))["data"]["newest"]["nodes"]
    assert keys[0] not in [node["key"] for node in later]
