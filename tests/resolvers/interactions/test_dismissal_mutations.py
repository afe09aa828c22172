"""Dismissing a project and the cause that brought it: what is muted, what changes on the page, and the way back."""

from typing import Any

import pytest
from sqlalchemy import select

from db.models import Dismissal, InteractionType, Mute
from resolvers.common.global_ids import reason_global_id
from tests.resolvers.conftest import Graph, assert_plain, user

CHANGE = "pageChange { removed { key } added { key } moved { project { key } fromRank toRank } }"
DISMISS = f"""mutation ($key: String!, $reasonId: ID) {{ dismissProject(key: $key, reasonId: $reasonId) {{
  changed muted {{ kind key name }} {CHANGE} userErrors {{ code message path }} }} }}"""
UNDO = f"mutation ($key: String!) {{ undoDismissal(key: $key) {{ changed {CHANGE} }} }}"
REASONS = "query ($key: String!) { project(key: $key) { explanation { reasons { __typename id text } } } }"


async def reasons(graph: Graph, key: str, caller: str = "ada") -> dict[str, str]:
    """The ids of a project's reasons for a viewer, by type and text."""
    found = (await graph.data(REASONS, user(caller), key=key))["project"]["explanation"]["reasons"]
    return {f"{one['__typename']} {one['text']}": one["id"] for one in found}


async def reason(graph: Graph, key: str, words: str) -> str:
    """The id of the reason whose type or text says so."""
    found = await reasons(graph, key)
    return next(id_ for told, id_ in found.items() if words in told)


async def page(graph: Graph, caller: str = "ada") -> list[str]:
    data = await graph.data("{ forYou(first: 30) { edges { node { key } } } }", user(caller))
    return [edge["node"]["key"] for edge in data["forYou"]["edges"]]


async def dismiss(graph: Graph, key: str, reason_id: str | None, caller: str = "ada") -> dict[str, Any]:
    payload: dict[str, Any] = (await graph.data(DISMISS, user(caller), key=key, reasonId=reason_id))["dismissProject"]
    return payload


async def mutes(graph: Graph) -> list[tuple[str, str]]:
    data = await graph.data("{ viewer { mutes { nodes { kind key } } } }", user("ada"))
    return [(one["kind"], one["key"]) for one in data["viewer"]["mutes"]["nodes"]]


@pytest.mark.parametrize(
    ("words", "muted"),
    [
        ("interest in painting", {"kind": "CATEGORY", "key": "painting", "name": "painting"}),
        ("interest in tool-0", {"kind": "TOOL", "key": "tool-0", "name": "tool-0"}),
        ("SimilarToProject", {"kind": "PROJECT", "key": "p0000", "name": "painting with models, part 0"}),
    ],
)
async def test_the_cause_behind_a_reason_is_muted_and_what_changed_is_told(
    graph: Graph, words: str, muted: dict[str, str]
) -> None:
    key = "p0042" if "tool-0" in words else "p0012"
    if key == "p0042":
        await graph.world.add_projects(1, start=42)
    await graph.world.settle()
    before = await page(graph)
    answer = await dismiss(graph, key, await reason(graph, key, words))
    after = await page(graph)
    assert (answer["changed"], answer["muted"], answer["userErrors"]) == (True, muted, [])
    change = answer["pageChange"]
    assert [one["key"] for one in change["removed"]] == [one for one in before if one not in after]
    assert [one["key"] for one in change["added"]] == [one for one in after if one not in before]
    assert {one["project"]["key"]: (one["fromRank"], one["toRank"]) for one in change["moved"]} == {
        one: (before.index(one) + 1, after.index(one) + 1)
        for one in after
        if one in before and before.index(one) != after.index(one)
    }
    assert key not in after
    if muted["kind"] == "CATEGORY":
        assert not [one for one in after if int(one[1:]) % 6 == 0]
    assert await mutes(graph) == [(muted["kind"], muted["key"])]


async def test_undoing_a_dismissal_undoes_the_mute_that_came_with_it_and_no_other(graph: Graph) -> None:
    await graph.data('mutation { mute(kind: TOOL, key: "tool-6") { changed } }', user("ada"))
    before = await page(graph)
    await dismiss(graph, "p0012", await reason(graph, "p0012", "interest in painting"))
    assert await mutes(graph) == [("CATEGORY", "painting"), ("TOOL", "tool-6")]
    undone = (await graph.data(UNDO, user("ada"), key="p0012"))["undoDismissal"]
    assert undone["changed"] is True
    assert "p0012" in [one["key"] for one in undone["pageChange"]["added"]]
    assert await mutes(graph) == [("TOOL", "tool-6")]
    assert await page(graph) == before
    again = (await graph.data(UNDO, user("ada"), key="p0012"))["undoDismissal"]
    assert (again["changed"], again["pageChange"]) == (False, {"removed": [], "added": [], "moved": []})


async def test_a_mute_made_by_hand_outlives_the_dismissal_that_would_have_made_it(graph: Graph) -> None:
    reason_id = await reason(graph, "p0012", "interest in painting")
    await graph.data('mutation { mute(kind: CATEGORY, key: "painting") { changed } }', user("ada"))
    assert (await dismiss(graph, "p0012", reason_id))["muted"]["key"] == "painting"
    await graph.data(UNDO, user("ada"), key="p0012")
    assert await mutes(graph) == [("CATEGORY", "painting")]


async def test_a_dismissal_without_a_reason_mutes_nothing(graph: Graph) -> None:
    answer = await dismiss(graph, "p0012", None)
    assert (answer["changed"], answer["muted"]) == (True, None)
    assert "p0012" in [one["key"] for one in answer["pageChange"]["removed"]]
    assert await mutes(graph) == []
    later = await dismiss(graph, "p0012", await reason(graph, "p0012", "interest in painting"))
    assert (later["changed"], later["muted"]["key"]) == (True, "painting"), "a reason may come later"
    assert (await dismiss(graph, "p0012", None))["changed"] is False


async def test_a_reason_that_speaks_of_everybody_is_kept_and_mutes_nothing(graph: Graph) -> None:
    await graph.world.act("ada", InteractionType.LIKE, "p0006")
    answer = await dismiss(graph, "p0012", await reason(graph, "p0012", "people like this"))
    assert (answer["changed"], answer["muted"]) == (True, None)
    (row,) = await graph.database.fetch(select(Dismissal.reason_id))
    assert row.reason_id in ("popular", "people")


async def test_a_forged_or_foreign_reason_is_refused_and_nothing_is_written(graph: Graph) -> None:
    (mine, other, hidden) = await graph.world.ids(["p0012", "p0018", "p0900"])
    version = "{ viewer { version } }"
    before = await graph.data(version, user("ada"))
    forged = [
        reason_global_id(mine, "interest:category:chess"),  # which it does not carry
        reason_global_id(mine, "interest:nonsense:painting"),
        reason_global_id(mine, "interest:painting"),
        reason_global_id(mine, "owner:maker"),  # who has not made it
        reason_global_id(mine, "similar:p0030"),  # which the viewer has not touched
        reason_global_id(mine, "similar:p0900"),  # which is not the viewer's to see
        reason_global_id(mine, "because I say so"),
        reason_global_id(other, "interest:category:painting"),
        reason_global_id(hidden, "popular"),
        "nonsense",
    ]
    for reason_id in forged:
        answer = await dismiss(graph, "p0012", reason_id)
        assert (answer["changed"], answer["muted"], answer["pageChange"]) == (False, None, None)
        ((code, path),) = [(error["code"], error["path"]) for error in answer["userErrors"]]
        assert (code, path) == ("INVALID", ["reasonId"]), reason_id
        assert_plain(answer["userErrors"][0]["message"])
    assert await graph.data(version, user("ada")) == before
    assert await graph.database.fetch(select(Mute.id)) == []


async def test_an_owner_behind_a_reason_is_muted(graph: Graph) -> None:
    (mine,) = await graph.world.ids(["p0012"])
    answer = await dismiss(graph, "p0012", reason_global_id(mine, "owner:author"))
    assert answer["muted"] == {"kind": "OWNER", "key": "author", "name": "Author"}
    assert await page(graph) == ["p0901"]


async def test_what_cannot_be_dismissed_is_told_as_ever(graph: Graph) -> None:
    (hidden,) = await graph.world.ids(["p0900"])
    answer = await dismiss(graph, "p0900", reason_global_id(hidden, "popular"))
    assert [error["code"] for error in answer["userErrors"]] == ["UNKNOWN_PROJECT"]
    assert answer["pageChange"] is None
