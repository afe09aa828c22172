"""Muting through the graph."""

from typing import Any

import pytest

from db.models import InteractionType
from resolvers.common.global_ids import encode_cursor
from scoring.use_cases.unit_of_work import Caller
from tests.conftest import CountStatements
from tests.resolvers.conftest import SESSION, Graph, user

MUTE = """mutation ($kind: MuteKind!, $key: String!) { mute(kind: $kind, key: $key) {
  changed userErrors { code path message } viewer { version mutes { nodes { kind key name since } } } } }"""
UNMUTE = MUTE.replace("mute(kind", "unmute(kind")
FEEDS = """{ forYou(first: 100) { edges { node { key } } } popular(first: 100) { edges { node { key } } }
  trending(first: 100) { edges { node { key } } } newest(first: 100) { edges { node { key } } }
  search(query: "painting with models", first: 100) { edges { node { key } } }
  personal: search(query: "painting with models", first: 100, personalized: true) { edges { node { key } } }
  project(key: "p0000") { similar(first: 100) { edges { node { key } } } } }"""
LISTS = ("forYou", "popular", "trending", "newest", "personal")
BY_NAME = ("search", "similar")

PAINTINGS = {f"p{n:04}" for n in range(0, 40, 6)}


async def shown(graph: Graph, caller: Caller) -> dict[str, set[str]]:
    data = await graph.data(FEEDS, caller)
    data["similar"] = data.pop("project")["similar"]
    return {name: {edge["node"]["key"] for edge in feed["edges"]} for name, feed in data.items()}


async def muted(graph: Graph, caller: Caller, kind: str, key: str, document: str = MUTE) -> dict[str, Any]:
    (answer,) = (await graph.data(document, caller, kind=kind, key=key)).values()
    return answer  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "key", "gone"),
    [
        ("CATEGORY", "painting", PAINTINGS),
        ("TOOL", "tool-0", {f"p{n:04}" for n in range(0, 40, 7)}),
        ("TOPIC", "daily", {f"p{n:04}" for n in range(40)}),
        ("OWNER", "author", {f"p{n:04}" for n in range(40)}),
    ],
)
async def test_what_is_muted_leaves_every_feed_but_those_asked_for_by_name_and_comes_back(
    graph: Graph, kind: str, key: str, gone: set[str]
) -> None:
    before = await shown(graph, user("ada"))
    assert all(gone & before[name] for name in (*LISTS, *BY_NAME))
    answer = await muted(graph, user("ada"), kind, key)
    assert (answer["changed"], answer["userErrors"]) == (True, [])
    assert [(one["kind"], one["key"]) for one in answer["viewer"]["mutes"]["nodes"]] == [(kind, key)]
    after = await shown(graph, user("ada"))
    for name in LISTS:
        assert after[name] == before[name] - gone, name
    for name in BY_NAME:
        assert after[name] == before[name], name
    assert await shown(graph, user("cook")) != after
    assert (await muted(graph, user("ada"), kind, key, UNMUTE))["viewer"]["mutes"]["nodes"] == []
    assert await shown(graph, user("ada")) == before


async def test_nothing_is_concluded_from_a_muted_project_but_it_is_still_shown(graph: Graph) -> None:
    await graph.world.act("cook", InteractionType.VIEW, "p0003")
    reasons = """{ forYou(first: 100) { strategy edges { node { key } explanation { reasons {
      ... on SimilarToProject { project { key } } } } } } }"""
    feed = (await graph.data(reasons, user("cook")))["forYou"]
    assert feed["strategy"] == "PERSONALIZED"
    assert {"key": "p0003"} in [one.get("project") for edge in feed["edges"] for one in edge["explanation"]["reasons"]]
    await muted(graph, user("cook"), "PROJECT", "p0003")
    feed = (await graph.data(reasons, user("cook")))["forYou"]
    assert feed["strategy"] == "POPULAR"  # it was all that was known
    assert "p0003" in [edge["node"]["key"] for edge in feed["edges"]]


async def test_a_session_mutes_too(graph: Graph) -> None:
    assert (await muted(graph, SESSION, "OWNER", "author"))["changed"]
    assert "p0000" not in (await shown(graph, SESSION))["forYou"]


async def test_a_second_mute_and_an_unmute_of_nothing_change_nothing(graph: Graph) -> None:
    version = (await muted(graph, user("ada"), "TOOL", "tool-0"))["viewer"]["version"]
    again = await muted(graph, user("ada"), "TOOL", "tool-0")
    assert (again["changed"], again["userErrors"], again["viewer"]["version"]) == (False, [], version)
    for caller in (user("ada"), user("a stranger"), SESSION):
        other = await muted(graph, caller, "TOOL", "tool-1", UNMUTE)
        assert (other["changed"], other["userErrors"]) == (False, [])


async def test_what_is_not_there_or_not_yours_to_see_is_named(graph: Graph) -> None:
    for key in ("nothing", "", "\x00", "x" * 300):
        for kind in ("TOPIC", "CATEGORY", "TOOL", "OWNER"):
            (error,) = (await muted(graph, user("ada"), kind, key))["userErrors"]
            assert (error["code"], error["path"]) == ("UNKNOWN_REFERENCE", ["key"])
    for key in ("nothing", "p0900", "\x00"):
        (error,) = (await muted(graph, user("ada"), "PROJECT", key))["userErrors"]
        assert (error["code"], error["path"]) == ("UNKNOWN_PROJECT", ["key"])
    (error,) = (await muted(graph, user("ada"), "TOOL", "painting"))["userErrors"]  # it is a category
    assert error["code"] == "UNKNOWN_REFERENCE"


async def test_mutes_cost_no_statement_of_their_own(graph: Graph, statements: CountStatements) -> None:
    page = "{ forYou(first: 10) { edges { node { key } } } }"
    counts = []
    for key in ("painting", "cooking", "chess"):
        await graph.data(page, user("ada"))
        with statements(graph.database) as issued:
            await graph.data(page, user("ada"))
        counts.append(len(issued))
        await muted(graph, user("ada"), "CATEGORY", key)
    assert counts == [1, 1, 1]


async def test_a_page_that_is_being_walked_skips_what_is_muted_meanwhile(graph: Graph) -> None:
    page = """query ($after: String) { forYou(first: 5, after: $after) {
      pageInfo { endCursor } edges { rank node { key } } } }"""
    first = (await graph.data(page, user("ada")))["forYou"]
    await muted(graph, user("ada"), "CATEGORY", "painting")
    second = (await graph.data(page, user("ada"), after=first["pageInfo"]["endCursor"]))["forYou"]
    keys = [edge["node"]["key"] for edge in second["edges"]]
    assert len(keys) == 5
    assert not set(keys) & PAINTINGS


async def test_mutes_are_paged_and_a_page_holds_while_others_come_and_go(graph: Graph) -> None:
    for n in range(5):
        assert (await muted(graph, user("ada"), "TOOL", f"tool-{n}"))["changed"]
    query = """query ($first: Int, $after: String) { viewer { mutes(first: $first, after: $after) {
        edges { cursor node { key } } nodes { key } pageInfo { hasNextPage hasPreviousPage endCursor } } } }"""
    seen: list[str] = []
    after = None
    for page in range(3):
        found = (await graph.data(query, user("ada"), first=2, after=after))["viewer"]["mutes"]
        seen += [one["key"] for one in found["nodes"]]
        after = found["pageInfo"]["endCursor"]
        assert found["pageInfo"] == {"hasNextPage": page < 2, "hasPreviousPage": page > 0, "endCursor": after}
        await muted(graph, user("ada"), "OWNER", f"painter-{page}")
        await muted(graph, user("ada"), "TOOL", seen[-1], UNMUTE)
    assert seen == [f"tool-{n}" for n in (4, 3, 2, 1, 0)]
    for cursor in (encode_cursor("mute", "1"), encode_cursor("topic", "x", 1), "x"):
        assert await graph.refusal(query, user("ada"), after=cursor) == ("BAD_CURSOR", ["viewer", "mutes"])
    assert await graph.refusal(query, user("ada"), first=101) == ("FIRST_OUT_OF_RANGE", ["viewer", "mutes"])
