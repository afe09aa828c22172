"""Edges of feeds found again by their ids: the numbers of the ranking that placed them, or one clear error."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.cache.embedded import EmbeddedCache
from db.catalog.catalog_entries import upsert_projects
from db.models import FeedKind, InteractionType
from resolvers.common.global_ids import edge_global_id
from scoring import tunables
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.snapshots.feed_cursors import Cursor
from scoring.use_cases.unit_of_work import Caller
from tests.aging import age_cache
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SESSION, Graph, user
from tests.world import MOMENT, World

EDGE = """id cursor rank score node { id key }
  explanation { score summary contributions { value contribution switchedOff signal { name } }
    adjustments { rule penalty fromRank toRank blockedBy { key } } reasons { id text } }"""
FEEDS = {
    "forYou": "feed: forYou(first: 100) { ...Page }",
    "forYou of a filter": 'feed: forYou(first: 100, where: {topics: ["daily"], types: ["article"]}) { ...Page }',
    "popular": "feed: popular(first: 100) { ...Page }",
    "trending": "feed: trending(first: 100) { ...Page }",
    "trending this hour": "feed: trending(first: 100, window: HOUR) { ...Page }",
    "newest": "feed: newest(first: 100) { ...Page }",
    "search": 'feed: search(query: "painting with models", first: 100) { ...Page }',
    "search for me": 'feed: search(query: "daily models", personalized: true, first: 100) { ...Page }',
    "similar": 'project(key: "p0006") { feed: similar(first: 100) { ...Page } }',
}
NODE = f"query ($id: ID!) {{ node(id: $id) {{ __typename id ... on FeedEdge {{ {EDGE} }} }} }}"


async def edges(graph: Graph, name: str, caller: Caller) -> list[dict[str, Any]]:
    document = f"{{ {FEEDS[name]} }} fragment Page on FeedConnection {{ edges {{ __typename {EDGE} }} }}"
    data = await graph.data(document, caller)
    found: list[dict[str, Any]] = (data.get("feed") or data["project"]["feed"])["edges"]
    assert found, name
    return found


async def again(graph: Graph, ids: list[str], caller: Caller) -> list[dict[str, Any]]:
    """Ask for edges by id, all in one request."""
    asked = " ".join(f'n{n}: node(id: "{id_}") {{ ...Edge }}' for n, id_ in enumerate(ids))
    data = await graph.data(f"{{ {asked} }} fragment Edge on FeedEdge {{ __typename {EDGE} }}", caller)
    return list(data.values())


def cache_file(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.mark.parametrize(
    "caller", [user("ada"), user("cook"), SESSION, ANONYMOUS_VIEWER], ids=["ada", "cook", "session", "nobody"]
)
async def test_an_edge_is_found_by_its_id_as_it_was_ranked_in_every_feed(graph: Graph, caller: Caller) -> None:
    for name in FEEDS:
        ranked = await edges(graph, name, caller)
        assert len({edge["id"] for edge in ranked}) == len(ranked)
        assert await again(graph, [edge["id"] for edge in ranked], caller) == ranked, name
        for edge in ranked:
            parts = [round(part["contribution"] * 1e6) for part in edge["explanation"]["contributions"]]
            assert sum(parts) == round(edge["score"] * 1e6) == round(edge["explanation"]["score"] * 1e6)


async def test_an_edge_keeps_its_numbers_when_newer_rankings_have_others(graph: Graph, tmp_path: Path) -> None:
    ada = user("ada")
    before = {name: await edges(graph, name, ada) for name in FEEDS}
    await graph.data('mutation { likeProject(key: "p0001") { changed } }', ada)
    await graph.data("mutation { updatePersonalizationSettings(settings: {discovery: 90}) { changed } }", ada)
    for n in range(6):
        await graph.world.act(f"painter-{n}", InteractionType.VIEW, "p0020", "p0021", at=MOMENT)
    age_cache(cache_file(tmp_path), 400)
    after = {name: await edges(graph, name, ada) for name in FEEDS}
    numbers = ("rank", "score", "cursor", "node")
    for ranked in before.values():
        found = await again(graph, [edge["id"] for edge in ranked], ada)
        for old, new in zip(ranked, found, strict=True):
            assert {one: new[one] for one in numbers} == {one: old[one] for one in numbers}
            parts = ("score", "contributions", "adjustments")
            assert {one: new["explanation"][one] for one in parts} == {one: old["explanation"][one] for one in parts}
    for name in ("forYou", "trending"):
        scores = [{edge["node"]["key"]: edge["score"] for edge in one[name]} for one in (before, after)]
        assert scores[0] != scores[1], "or this proves nothing"


async def test_a_place_behind_the_ranked_ones_has_no_contributions(graph: Graph) -> None:
    ranked = await edges(graph, "trending", ANONYMOUS_VIEWER)
    behind = [edge for edge in ranked if any(m["rule"] == "REMAINDER" for m in edge["explanation"]["adjustments"])]
    assert behind
    for edge in await again(graph, [edge["id"] for edge in behind], ANONYMOUS_VIEWER):
        assert (edge["score"], edge["explanation"]["contributions"]) == (0.0, [])


async def test_what_would_remove_it_is_asked_of_the_page_that_the_edge_is_on(graph: Graph) -> None:
    document = "query ($id: ID!) { node(id: $id) { ... on FeedEdge { explanation { whatWouldRemoveIt { text } } } } }"
    field = FEEDS["forYou of a filter"].replace("{ ...Page }", "{ edges { id explanation { %s } } }")
    page = await graph.data(f"{{ {field % 'whatWouldRemoveIt { text }'} }}", user("ada"))
    told = {edge["id"]: edge["explanation"] for edge in page["feed"]["edges"]}
    assert any(one["whatWouldRemoveIt"] for one in told.values())
    (id_, explanation) = next(item for item in told.items() if item[1]["whatWouldRemoveIt"])
    assert (await graph.data(document, user("ada"), id=id_))["node"]["explanation"] == explanation
    for name in ("popular", "search"):
        (first, *_) = await edges(graph, name, user("ada"))
        node = (await graph.data(document, user("ada"), id=first["id"]))["node"]
        assert node["explanation"] == {"whatWouldRemoveIt": None}


async def test_an_edge_of_a_personal_ranking_is_its_viewers_only(graph: Graph) -> None:
    for name in ("forYou", "search for me"):
        (mine, *_) = await edges(graph, name, user("ada"))
        for other in (user("cook"), user("stranger"), SESSION, ANONYMOUS_VIEWER):
            assert await graph.refusal(NODE, other, id=mine["id"]) == ("FOREIGN_ID", ["node"])
        assert (await graph.data(NODE, user("ada"), id=mine["id"]))["node"]["id"] == mine["id"]


async def test_an_edge_of_a_shared_ranking_is_everybodys(graph: Graph) -> None:
    for name in ("popular", "newest", "similar"):
        (shared, *_) = await edges(graph, name, user("ada"))
        assert (await graph.data(NODE, ANONYMOUS_VIEWER, id=shared["id"]))["node"]["score"] == shared["score"]


async def test_an_edge_whose_ranking_is_gone_says_so(graph: Graph, tmp_path: Path) -> None:
    ids = {name: (await edges(graph, name, user("ada")))[0]["id"] for name in FEEDS}
    age_cache(cache_file(tmp_path), tunables.SNAPSHOT_TTL_S + 1)
    graph.restart()
    for name in FEEDS:
        assert await graph.refusal(NODE, user("ada"), id=ids[name]) == ("SNAPSHOT_EXPIRED", ["node"])


async def test_to_ask_for_an_edge_is_to_use_its_ranking(graph: Graph, tmp_path: Path) -> None:
    (edge, *_) = await edges(graph, "forYou", user("ada"))
    for _ in range(3):
        age_cache(cache_file(tmp_path), tunables.SNAPSHOT_TTL_S - 60)
        graph.restart()
        assert (await graph.data(NODE, user("ada"), id=edge["id"]))["node"]["id"] == edge["id"]


async def test_deleting_a_viewers_data_takes_their_edges_along(graph: Graph) -> None:
    (edge, *_) = await edges(graph, "forYou", SESSION)
    await graph.data('mutation { likeProject(key: "p0001") { changed } }', SESSION)
    (own, *_) = await edges(graph, "forYou", SESSION)
    assert own["id"] != edge["id"]
    await graph.data("mutation { deleteMyData(projects: KEEP) { receipt { id } } }", SESSION)
    assert (await graph.refusal(NODE, SESSION, id=own["id"]))[0] == "FOREIGN_ID"  # of an actor that nobody is
    graph.restart()
    assert (await graph.refusal(NODE, SESSION, id=own["id"]))[0] == "SNAPSHOT_EXPIRED"


async def test_a_project_that_is_not_to_be_seen_any_more_is_no_edge(graph: Graph) -> None:
    for number, change in ((1, {"private": True}), (2, {"archived": True})):
        key = f"p{number:04}"
        ids = {}
        for name in ("forYou", "popular", "trending", "newest"):
            ids[name] = next(e["id"] for e in await edges(graph, name, user("ada")) if e["node"]["key"] == key)
        async with graph.database.write() as connection:
            await upsert_projects(connection, [World.project(number, owner="author", **change)])
        for name, id_ in ids.items():
            assert await graph.data(NODE, user("ada"), id=id_) == {"node": None}, name


def spoiled(id_: str) -> Iterator[str]:
    """Change an id in one place each."""
    raw = base64.urlsafe_b64decode(id_ + "=" * (-len(id_) % 4))
    for at in range(len("FeedEdge:"), len(raw)):
        changed = bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]])
        yield base64.urlsafe_b64encode(changed).rstrip(b"=").decode()


async def test_a_changed_id_is_a_bad_id(graph: Graph) -> None:
    (edge, *_) = await edges(graph, "forYou", user("ada"))
    for changed in spoiled(edge["id"]):
        assert await graph.refusal(NODE, user("ada"), id=changed) == ("BAD_ID", ["node"]), changed


async def test_an_id_that_is_forged_with_its_checksum_names_no_place_that_was_not_ranked(graph: Graph) -> None:
    ada, nowhere = user("ada"), ("BAD_ID", ["node"])
    mine = Cursor.decode((await edges(graph, "forYou", ada))[0]["cursor"])
    found = [edge for edge in await edges(graph, "trending", ada) if edge["score"]]
    ranked = Cursor.decode(found[0]["cursor"])
    new = Cursor.decode(next(edge["cursor"] for edge in await edges(graph, "trending", ada) if not edge["score"]))
    for feed, cursor in (
        (FeedKind.FOR_YOU, replace(mine, rank=0)),
        (FeedKind.FOR_YOU, replace(mine, rank=4_000)),
        (FeedKind.FOR_YOU, replace(mine, creation_position=new.creation_position)),
        (FeedKind.SEARCH, replace(mine, rank=4_000, creation_position=new.creation_position)),
        (FeedKind.TRENDING, mine),  # nothing crosses feeds
        (FeedKind.FOR_YOU, ranked),
        (FeedKind.NEWEST, ranked),
    ):
        assert await graph.refusal(NODE, ada, id=edge_global_id(feed, cursor.encode())) == nowhere, (feed, cursor)


class CountedCache(EmbeddedCache):
    """An embedded cache that notes which keys are read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read: list[str] = []

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        self.read.append(key)
        return await super().get(key, extend_s=extend_s)


async def test_a_ranking_is_read_once_however_many_of_its_edges_are_asked_for(
    graph: Graph, tmp_path: Path, statements: CountStatements
) -> None:
    names = ("forYou", "popular")
    ids = [edge["id"] for name in names for edge in (await edges(graph, name, user("ada")))[:12]]
    cache = CountedCache(cache_file(tmp_path))
    stores = replace(graph.world.stores, cache=cache)
    feeds = Feeds(stores, clock=lambda: MOMENT, deadlines=PATIENT)
    counted = Graph(World(stores, feeds, graph.world.synchronizer))
    asked = " ".join(
        f'n{n}: node(id: "{id_}") {{ ... on FeedEdge {{ rank node {{ key }} }} }}' for n, id_ in enumerate(ids)
    )
    with statements(graph.database) as issued:
        await counted.data(f"{{ {asked} }}", user("ada"))
    await cache.close()
    assert len(cache.read) == len(set(cache.read)) == 2, cache.read
    assert len(issued) == 2, issued  # the viewer, and the cards
