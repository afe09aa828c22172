"""Keys that occur only on private, archived or deleted projects are answered like keys that were never used."""

from typing import Any

import orjson
import pytest

from db.catalog.catalog_entries import remove_projects, upsert_categories, upsert_tools
from db.models import InteractionType
from db.records import CategoryRecord, ToolRecord
from resolvers.common.global_ids import global_id
from scoring.use_cases.unit_of_work import Caller
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, Graph, user
from tests.templates import Template

HIDDEN = ("private", "archived", "deleted")

MUTE = "mutation ($key: String!) { mute(kind: %s, key: $key) { changed userErrors { code path message } } }"
SET = """mutation ($key: String!) { setInterests(interests: [{ kind: %s, key: $key }]) {
  changed interests { key } userErrors { code path message } } }"""
REMOVE = """mutation ($key: String!) { removeInterest(interest: { kind: %s, key: $key }) {
  changed interests { key } userErrors { code path message } } }"""
ACT = "mutation ($key: String!) { %s(key: $key) { changed userErrors { code path message } project { key } } }"
FEED = "query ($key: String!) { %s { strategy edges { node { key } } pageInfo { hasNextPage } } }"
NODE = "query ($key: ID!) { node(id: $key) { __typename id } }"


@pytest.fixture
def template(sqlite_template: Template) -> Template:
    """Take one engine: what is compared is the code of the graph, whose statements the layers below test on both."""
    return sqlite_template


def _where(feed: str) -> list[tuple[str, str]]:
    fields = {"tool": "tools", "category": "categories", "topic": "topics"}
    return [(name, FEED % f"{feed}(where: {{ {field}: [$key] }}{{more}})") for name, field in fields.items()]


ASKED: list[tuple[str, str]] = [
    *((kind, MUTE % kind.upper()) for kind in ("tool", "category", "topic", "owner")),
    ("ghost", MUTE % "PROJECT"),
    *((kind, SET % kind.upper()) for kind in ("tool", "category", "topic")),
    *((kind, REMOVE % kind.upper())
      for kind in ("tool", "category", "topic")),
    *(("ghost", ACT % act)
      for act in ("likeProject", "unlikeProject", "saveProject", "unsaveProject", "dismissProject", "undoDismissal")),
    ("ghost", "mutation ($key: String!) { recordInteractions(events: [{ project: $key, type: VIEW }]) "
     "{ recorded results { status userErrors { code message path } } } }"),
    ("ghost", "query ($key: String!) { whyNot(key: $key) { outcome summary project { key } } }"),
    ("ghost", "query ($key: String!) { project(key: $key) { key } }"),
    ("ghost", "query ($key: String!) { projects(keys: [$key, \"p0000\"]) { key } }"),
    *((kind, NODE) for kind in ("tool", "category", "ghost", "owner")),
    *(pair for feed in ("forYou", "popular", "trending", "newest") for pair in _where(feed)),
    *((name, document.replace("search(", 'search(query: "painting", ')) for name, document in _where("search")),
]  # fmt: skip


async def _hide(graph: Graph) -> None:
    """Add one project of each hidden kind, each with a tool, a category, a topic and an owner of its own."""
    for n, how in enumerate(HIDDEN):
        await graph.world.add_users(f"owner-{how}")
        flags = {} if how == "deleted" else {how: True}
        terms: dict[str, Any] = {f: (f"{k}-{how}",) for f, k in
                                 (("tools", "tool"), ("categories", "category"), ("topics", "topic"))}  # fmt: skip
        (key,) = await graph.world.add_projects(1, start=700 + n, owner=f"owner-{how}", **terms, **flags)
        if how == "deleted":
            async with graph.database.write() as connection:
                await remove_projects(connection, [key])
    await graph.world.settle()


@pytest.fixture
async def hiding(graph: Graph) -> Graph:
    """Give the graph with hidden projects."""
    await _hide(graph)
    return graph


def _key(name: str, how: str, document: str) -> str:
    key = f"p{700 + HIDDEN.index(how):04}" if name == "ghost" and how in HIDDEN else f"{name}-{how}"
    types = {"tool": "Tool", "category": "Category", "ghost": "Project", "owner": "User"}
    return global_id(types[name], key) if document == NODE else key


async def _answer(
    graph: Graph, statements: CountStatements, caller: Caller, document: str, key: str
) -> tuple[str, Any]:
    with statements(graph.database) as issued:
        result = await graph.ask(document.replace("{more}", ""), caller, key=key)
    errors = [(error.message, error.path, error.extensions) for error in result.errors or ()]
    return orjson.dumps([result.data, errors]).decode().replace(key, "KEY"), sorted(issued)  # sources are asked at once


@pytest.mark.parametrize("caller", [user("ada"), ANONYMOUS_VIEWER], ids=["user", "nobody"])
async def test_what_is_hidden_answers_like_what_never_was(
    hiding: Graph, statements: CountStatements, caller: Caller
) -> None:
    different: list[tuple[str, str, str]] = []
    for name, document in ASKED:
        await _answer(hiding, statements, caller, document, _key(name, "never", document))  # models and caches are warm
        unknown = await _answer(hiding, statements, caller, document, _key(name, "absent", document))
        answers = {
            how: await _answer(hiding, statements, caller, document, _key(name, how, document)) for how in HIDDEN
        }
        different += [(how, name, document) for how, answer in answers.items() if answer != unknown]
    assert different == []


async def test_a_search_for_tools_answers_as_before_the_hidden_ones_were_there(graph: Graph) -> None:
    search = "query ($key: String!) { tools(search: $key) { edges { cursor node { key } } pageInfo { hasNextPage } } }"
    before = [await graph.data(search, key=f"tool-{how}") for how in HIDDEN]
    await _hide(graph)
    assert [await graph.data(search, key=f"tool-{how}") for how in HIDDEN] == before


async def test_a_place_in_a_feed_is_gone_with_its_project_however_that_went(
    hiding: Graph, statements: CountStatements
) -> None:
    page = await hiding.data("{ newest(first: 4) { edges { id node { key } } } }", user("ada"))
    places = {edge["node"]["key"]: edge["id"] for edge in page["newest"]["edges"]}
    (private, archived, deleted, shown) = places
    for key, flags in ((private, {"private": True}), (archived, {"archived": True})):
        await hiding.world.add_projects(1, start=int(key[1:]), **flags)
    async with hiding.database.write() as connection:
        await remove_projects(connection, [deleted])
    answers = [
        await _answer(hiding, statements, user("ada"), NODE, places[key]) for key in (private, archived, deleted)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (await hiding.data(NODE, user("ada"), key=places[private]))["node"] is None
    assert (await hiding.data(NODE, user("ada"), key=places[shown]))["node"] is not None


async def test_lists_and_the_index_of_tools_leave_out_what_is_hidden(hiding: Graph) -> None:
    listed = orjson.dumps(
        await hiding.data(
            """{ tools(first: 100) { edges { node { key } } } categories { key }
            meaning: tools(search: "private") { edges { node { key } } } }"""
        )
    ).decode()
    assert "tool-1" in listed
    assert not any(how in listed for how in HIDDEN)
    vectors, embedder = hiding.world.stores.vectors, hiding.world.stores.embedder
    (vector,) = await embedder.embed(["tool private"])
    found = {key for key, _ in await vectors.nearest_tools(vector, 100)}
    assert {f"tool-{n}" for n in range(7)} <= found
    assert not any(key.endswith(HIDDEN) for key in found)


async def test_what_becomes_public_is_found_and_what_becomes_private_is_not(hiding: Graph) -> None:
    async def found() -> tuple[list[str], list[str]]:
        data = await hiding.data(
            """{ tools(search: "tool-private") { edges { node { key } } } categories { key } }""", user("ada")
        )
        tools = [edge["node"]["key"] for edge in data["tools"]["edges"]]
        return [key for key in tools if "private" in key], [
            c["key"] for c in data["categories"] if "private" in c["key"]
        ]

    terms: dict[str, Any] = {"tools": ("tool-private",), "categories": ("category-private",)}
    assert await found() == ([], [])
    await hiding.world.add_projects(1, start=700, owner="owner-private", **terms)
    await hiding.world.settle()
    assert await found() == (["tool-private"], ["category-private"])
    (vector,) = await hiding.world.stores.embedder.embed(["tool-private"])
    nearest = hiding.world.stores.vectors.nearest_tools
    assert "tool-private" in {key for key, _ in await nearest(vector, 100)}
    await hiding.world.add_projects(1, start=700, owner="owner-private", private=True, **terms)
    await hiding.world.settle()
    assert await found() == ([], [])
    assert "tool-private" not in {key for key, _ in await nearest(vector, 100)}


async def test_what_the_platform_sends_or_asks_in_its_quiz_exists_without_any_project(hiding: Graph) -> None:
    async with hiding.database.write() as connection:
        await upsert_tools(connection, [ToolRecord(key="tool-private", name="tool-private")])
        await upsert_categories(connection, [CategoryRecord(key="category-private", name="category-private")])
    asked = """mutation { upsertOnboardingQuestions(questions: [{ key: "q", type: TOOL_SELECT, text: "Which?",
      options: [{ key: "a", label: "A", term: { tool: "tool-archived" } }] }]) { added userErrors { message } } }"""
    assert (await hiding.data(asked, SERVICE))["upsertOnboardingQuestions"]["added"] == 1
    for kind, key in (("TOOL", "tool-private"), ("CATEGORY", "category-private"), ("TOOL", "tool-archived")):
        assert (await hiding.data(SET % kind, user("ada"), key=key))["setInterests"]["changed"], key


async def test_owners_know_the_terms_of_their_private_projects_and_themselves(hiding: Graph) -> None:
    owner = user("owner-private")
    for kind in ("tool", "category", "topic"):
        answer = await hiding.data(SET % kind.upper(), owner, key=f"{kind}-private")
        assert answer["setInterests"]["changed"], kind
        assert (await hiding.data(MUTE % kind.upper(), owner, key=f"{kind}-private"))["mute"]["changed"], kind
    assert (await hiding.data(NODE, owner, key=global_id("User", "owner-private")))["node"] is not None


async def test_interests_that_one_has_may_be_stated_again_whatever_became_of_the_projects(hiding: Graph) -> None:
    await hiding.world.add_projects(1, start=710, topics=("topic-once",))
    assert (await hiding.data(SET % "TOPIC", user("ada"), key="topic-once"))["setInterests"]["changed"]
    await hiding.world.add_projects(1, start=710, topics=("topic-once",), private=True)
    assert (await hiding.data(SET % "TOPIC", user("ada"), key="topic-once"))["setInterests"]["userErrors"] == []
    assert (await hiding.data(SET % "TOPIC", user("cook"), key="topic-once"))["setInterests"]["userErrors"] != []


async def test_an_interest_of_another_kind_with_the_same_key_is_not_meant(hiding: Graph) -> None:
    await hiding.world.add_projects(1, start=711, topics=("painting",))
    answer = await hiding.data(SET % "TOPIC", user("cook"), key="painting")
    assert [one["key"] for one in answer["setInterests"]["interests"]] == ["painting"]
    answer = await hiding.data(REMOVE % "TOOL", user("cook"), key="painting")
    assert [error["code"] for error in answer["removeInterest"]["userErrors"]] == ["UNKNOWN_REFERENCE"]


async def test_what_was_muted_and_became_private_shows_its_key_and_no_new_name(hiding: Graph) -> None:
    await hiding.world.act("ada", InteractionType.VIEW, "p0006")
    await hiding.world.add_projects(1, start=712, owner="cook")
    for kind, key in (("PROJECT", "p0006"), ("OWNER", "cook")):
        assert (await hiding.data(MUTE % kind, user("ada"), key=key))["mute"]["changed"]

    async def names() -> dict[str, str]:
        muted = (await hiding.data("{ viewer { mutes { nodes { key name } } } }", user("ada")))["viewer"]["mutes"][
            "nodes"
        ]
        return {one["key"]: one["name"] for one in muted}

    assert await names() == {"p0006": "painting with models, part 6", "cook": "Cook"}
    await hiding.world.add_projects(1, start=6, title="a secret plan", private=True)
    await hiding.world.add_projects(1, start=712, owner="cook", private=True)
    assert await names() == {"p0006": "p0006", "cook": "cook"}
