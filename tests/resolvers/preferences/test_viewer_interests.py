"""Interests through the graph: stated, learned, and taken away."""

from typing import Any

from scoring.profiles.interest_learning import learn_interests
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import SESSION, Graph, assert_plain, user
from tests.world import MOMENT

SET = """mutation ($interests: [InterestInput!]!) { setInterests(interests: $interests) {
  changed userErrors { code message path } interests { kind key name confidence source fromOnboarding since } } }"""
REMOVE = """mutation ($interest: InterestInput!) { removeInterest(interest: $interest) {
  changed userErrors { code message path } interests { kind key source } } }"""


async def state(graph: Graph, interests: list[dict[str, str]], caller: Caller | None = None) -> dict[str, Any]:
    payload: dict[str, Any] = (await graph.data(SET, caller or user("cook"), interests=interests))["setInterests"]
    return payload


async def take_away(graph: Graph, kind: str, key: str, caller: Caller | None = None) -> dict[str, Any]:
    interest = {"kind": kind, "key": key}
    payload: dict[str, Any] = (await graph.data(REMOVE, caller or user("cook"), interest=interest))["removeInterest"]
    return payload


def shown(payload: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["source"] for one in payload["interests"]}


ROBOTS, CHESS, DAILY = (
    {"kind": "CATEGORY", "key": "robots"}, {"kind": "CATEGORY", "key": "chess"}, {"kind": "TOPIC", "key": "daily"},
)  # fmt: skip


async def test_stated_interests_are_those_and_the_next_page_shows_them(graph: Graph) -> None:
    payload = await state(graph, [ROBOTS, DAILY, ROBOTS])
    assert (payload["changed"], payload["userErrors"]) == (True, [])
    assert shown(payload) == {"robots": "MANUAL", "daily": "MANUAL"}
    assert {(one["confidence"], one["fromOnboarding"]) for one in payload["interests"]} == {(1.0, False)}
    data = await graph.data("{ forYou(first: 3) { strategy edges { node { categories { key } } } } }", user("cook"))
    assert data["forYou"]["strategy"] == "PERSONALIZED"
    assert data["forYou"]["edges"][0]["node"]["categories"] == [{"key": "robots"}]
    assert (await state(graph, [DAILY, ROBOTS]))["changed"] is False
    assert shown(await state(graph, [CHESS])) == {"chess": "MANUAL"}
    assert shown(await state(graph, [])) == {}


async def test_imported_interests_are_shown_as_such_and_stay_beside_stated_ones(graph: Graph) -> None:
    payload = await state(graph, [ROBOTS], user("ada"))
    assert shown(payload) == {"painting": "IMPORTED", "tool-0": "IMPORTED", "robots": "MANUAL"}


async def test_learned_interests_are_shown_as_learned_and_can_be_taken_away_for_good(graph: Graph) -> None:
    like = "mutation ($key: String!) { likeProject(key: $key) { changed } }"
    for n in (2, 8, 14, 20):
        await graph.data(like, user("cook"), key=f"p{n:04}")
    await learn_interests(graph.database, MOMENT)
    viewer = (await graph.data("{ viewer { interests { key source confidence } } }", user("cook")))["viewer"]
    assert [(one["key"], one["source"]) for one in viewer["interests"]] == [("robots", "LEARNED")]
    assert viewer["interests"][0]["confidence"] < 0.5
    payload = await take_away(graph, "CATEGORY", "robots")
    assert (payload["changed"], payload["interests"]) == (True, [])
    await learn_interests(graph.database, MOMENT)
    assert (await take_away(graph, "CATEGORY", "robots"))["changed"] is False
    assert shown(await state(graph, [ROBOTS])) == {"robots": "MANUAL"}


async def test_an_unknown_term_is_named_and_nothing_is_changed(graph: Graph) -> None:
    await state(graph, [CHESS])
    for key in ("nothing", "", "\x00", "x" * 201):
        payload = await state(graph, [ROBOTS, {"kind": "CATEGORY", "key": key}])
        (error,) = payload["userErrors"]
        assert (error["code"], error["path"]) == ("UNKNOWN_REFERENCE", ["interests", "1", "key"])
        assert_plain(error["message"])
        assert shown(payload) == {"chess": "MANUAL"}
        payload = await take_away(graph, "TOOL", key)
        assert [(e["code"], e["path"]) for e in payload["userErrors"]] == [("UNKNOWN_REFERENCE", ["interest", "key"])]
    payload = await state(graph, [ROBOTS] * 201)
    assert [(e["code"], e["path"]) for e in payload["userErrors"]] == [("TOO_MANY", ["interests"])]


async def test_a_session_has_interests(graph: Graph) -> None:
    assert shown(await state(graph, [ROBOTS], SESSION)) == {"robots": "MANUAL"}
    assert (await take_away(graph, "CATEGORY", "chess", user("stranger")))["changed"] is False
