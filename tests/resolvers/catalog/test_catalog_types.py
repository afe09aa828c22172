"""Tools and categories."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.errors import Store, StoreUnavailable
from db.records import CategoryRecord, ProjectRecord, ToolRecord
from resolvers.common.global_ids import encode_cursor, encode_opaque
from tests.conftest import CountStatements
from tests.resolvers.conftest import Graph

TOOLS = """
query ($search: String, $first: Int, $after: String) { tools(search: $search, first: $first, after: $after) {
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } degraded
  edges { cursor node { key name tagline description category tags useCases } }
} }"""


async def add_brush(graph: Graph) -> None:
    brush = ToolRecord(
        key="brush", name="Brush & Co 100%", tagline="Paints", description="A brush.", category="art",
        tags=("wet", "soft"), use_cases="Walls",
    )  # fmt: skip
    async with graph.database.write() as connection:
        await upsert_tools(connection, [brush])


async def test_a_walk_through_the_tools_meets_each_once_by_name(graph: Graph) -> None:
    seen: list[str] = []
    after = None
    for page in range(10):
        tools = (await graph.data(TOOLS, first=3, after=after))["tools"]
        seen += [edge["node"]["name"] for edge in tools["edges"]]
        assert tools["pageInfo"]["hasPreviousPage"] == (page > 0)
        after = tools["pageInfo"]["endCursor"]
        if not tools["pageInfo"]["hasNextPage"]:
            break
    assert seen == [f"tool-{n}" for n in range(7)]


async def test_a_search_finds_what_the_name_contains_as_it_is_written(graph: Graph) -> None:
    await add_brush(graph)
    for search, wanted in (("BRUSH", ["brush"]), ("100%", ["brush"]), ("_", []), ("", None), (None, None)):
        found = [edge["node"]["key"] for edge in (await graph.data(TOOLS, search=search))["tools"]["edges"]]
        assert found == wanted or (wanted is None and len(found) == 8)


async def test_topics_are_listed_by_name_and_found_by_a_part_of_it_but_not_those_of_private_projects(
    graph: Graph,
) -> None:
    async with graph.database.write() as connection:
        await upsert_projects(connection, [
            ProjectRecord(key="maps", title="Maps", type="article", topics=("Maps of 1900", "100%", "daily")),
            ProjectRecord(key="secret", title="Secret", type="article", topics=("secret maps",), private=True),
        ])  # fmt: skip
    query = """query ($search: String, $first: Int, $after: String) {
        topics(search: $search, first: $first, after: $after) {
          edges { cursor } nodes { id key } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
    whole = (await graph.data(query))["topics"]
    keys = [topic["key"] for topic in whole["nodes"]]
    assert keys == ["100%", "Maps of 1900", "daily"]
    one = (await graph.data(query, first=1, after=whole["edges"][0]["cursor"]))["topics"]
    assert [topic["key"] for topic in one["nodes"]] == keys[1:2]
    assert one["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": True, "endCursor": whole["edges"][1]["cursor"]}
    for search, found in (("MAPS", ["Maps of 1900"]), ("%", ["100%"]), ("secret", [])):
        assert [topic["key"] for topic in (await graph.data(query, search=search))["topics"]["nodes"]] == found
    again = await graph.data("query ($id: ID!) { node(id: $id) { ... on Topic { key } } }", id=whole["nodes"][0]["id"])
    assert again["node"] == {"key": "100%"}
    for cursor in (encode_cursor("tool", "daily", 1), encode_cursor("topic", "daily", "1"), "x"):
        assert await graph.refusal(query, after=cursor) == ("BAD_CURSOR", ["topics"])


async def add_instruments(graph: Graph) -> None:
    records = [
        ToolRecord(key="suno", name="Suno", description="Makes songs and music from a line of text."),
        ToolRecord(key="musicgen", name="MusicGen", description="Makes music from a description."),
        ToolRecord(key="whisper", name="Whisper", description="Turns speech into text."),
        ToolRecord(key="lathe", name="Lathe of music", description="Cuts wood."),
    ]
    async with graph.database.write() as connection:
        await upsert_tools(connection, records)
    await graph.world.settle()


async def test_a_search_finds_names_first_and_then_what_means_the_same(graph: Graph) -> None:
    await add_instruments(graph)
    tools = (await graph.data(TOOLS, search="music"))["tools"]
    keys = [edge["node"]["key"] for edge in tools["edges"]]
    assert keys[:2] == ["lathe", "musicgen"]
    assert keys[2:] == ["suno"]
    assert tools["degraded"] == []
    none = (await graph.data(TOOLS, search="xyzzy"))["tools"]
    assert none["edges"] == []


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_a_walk_through_a_search_meets_each_tool_once(graph: Graph, first: int) -> None:
    await add_instruments(graph)
    whole = [edge["node"]["key"] for edge in (await graph.data(TOOLS, search="music"))["tools"]["edges"]]
    seen: list[str] = []
    after = None
    while True:
        tools = (await graph.data(TOOLS, search="music", first=first, after=after))["tools"]
        seen += [edge["node"]["key"] for edge in tools["edges"]]
        after = tools["pageInfo"]["endCursor"]
        if not tools["pageInfo"]["hasNextPage"]:
            break
    assert seen == whole


async def test_one_or_two_letters_are_looked_for_in_names_only(graph: Graph, statements: CountStatements) -> None:
    await add_instruments(graph)
    with statements(graph.database) as issued:
        tools = (await graph.data(TOOLS, search="so"))["tools"]
    assert tools["edges"] == []
    assert len(issued) == 1


async def test_a_search_without_the_index_or_the_model_looks_at_names_and_says_so(graph: Graph) -> None:
    await add_instruments(graph)
    stores = graph.world.stores
    for name, store in (("vectors", Store.VECTORS), ("embedder", Store.EMBEDDINGS)):
        graph.world.stores = replace(stores, **{name: Away(store)})
        tools = (await graph.data(TOOLS, search="music"))["tools"]
        assert [edge["node"]["key"] for edge in tools["edges"]] == ["lathe", "musicgen"]
        assert tools["degraded"] == [store.name]
        assert (await graph.data(TOOLS))["tools"]["degraded"] == []


class Away:
    """A store whose every call says that it is away."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def away(*_: object) -> None:
            raise StoreUnavailable(self._store, name)

        return away


async def test_a_tool_is_shown_whole_wherever_it_is_met(graph: Graph, statements: CountStatements) -> None:
    await add_brush(graph)
    whole = {
        "key": "brush", "name": "Brush & Co 100%", "tagline": "Paints", "description": "A brush.", "category": "art",
        "tags": ["wet", "soft"], "useCases": "Walls",
    }  # fmt: skip
    with statements(graph.database) as issued:
        data = await graph.data(TOOLS, search="brush")
    assert data["tools"]["edges"][0]["node"] == whole
    assert len(issued) == 1
    await graph.world.add_projects(1, start=950, tools=("brush", "tool-1"))
    fields = "key name tagline description category tags useCases"
    with statements(graph.database) as issued:
        data = await graph.data(f'{{ project(key: "p0950") {{ tools {{ {fields} }} }} }}')
    assert data["project"]["tools"][0] == whole
    assert data["project"]["tools"][1]["tagline"] == ""
    assert len(issued) == 3  # the card, its terms, the tools


async def test_a_page_of_tools_that_cannot_be_cut_is_one_error(graph: Graph) -> None:
    for first in (-1, 101, 2**31 - 1):
        assert await graph.refusal(TOOLS, first=first) == ("FIRST_OUT_OF_RANGE", ["tools"])
    foreign = [
        "",
        "x",
        encode_opaque("[]"),
        encode_opaque('["tool", 1, 1]'),
        encode_opaque('["tool", "\\u0000", 1]'),
        encode_opaque("[" * 3_000),
    ]
    foreign += [
        encode_opaque('["near", 2.0, "a"]'),
        encode_opaque('["near", 1, "a"]'),
        encode_opaque('["near", NaN, "a"]'),
    ]
    foreign += [
        encode_opaque('["tool", "a", 1e400]'),
        encode_opaque(f'["tool", "a", {2**63}]'),
        encode_opaque('["tool", "a", true]'),
    ]
    for after in foreign:
        assert await graph.refusal(TOOLS, after=after) == ("BAD_CURSOR", ["tools"]), after
    for search in ("\x00", "x" * 201):
        assert await graph.refusal(TOOLS, search=search) == ("BAD_USER_INPUT", ["tools"])
    assert (await graph.data(TOOLS, first=0))["tools"]["edges"] == []


async def test_all_categories_come_by_name_in_one_statement(graph: Graph, statements: CountStatements) -> None:
    async with graph.database.write() as connection:
        await upsert_categories(connection, [CategoryRecord(key="chess", name="Chess", description="A game.")])
    with statements(graph.database) as issued:
        data = await graph.data("{ categories { key name description } }")
    assert len(issued) == 1
    assert {"key": "chess", "name": "Chess", "description": "A game."} in data["categories"]
    assert sorted(one["key"] for one in data["categories"]) == [
        "chess",
        "cooking",
        "finance",
        "painting",
        "robots",
        "speech",
    ]
    shown = await graph.data('{ project(key: "p0005") { categories { name description } } }')
    assert shown["project"]["categories"] == [{"name": "Chess", "description": "A game."}]
