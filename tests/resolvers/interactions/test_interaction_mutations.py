"""What viewers do, through the graph."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.actors.users import find_viewer
from db.models import Dismissal, Interaction, User, now
from resolvers.common.global_ids import global_id, reason_global_id
from tests.resolvers.conftest import SERVICE, SESSION, Graph, all_errors, assert_plain, user

ACT = """
mutation ($key: String!) { %s(key: $key) {
  changed userErrors { code message path }
  project { key likeCount viewerHasLiked viewerHasSaved } viewer { kind version }
} }"""
RECORD = """
mutation ($events: [InteractionInput!]!) { recordInteractions(events: $events) {
  recorded results { index status userErrors { code message path } } userErrors { code message path } viewer { version }
} }"""
PAIRS = (("likeProject", "unlikeProject"), ("saveProject", "unsaveProject"), ("dismissProject", "undoDismissal"))


async def act(graph: Graph, name: str, key: str = "p0001", caller: Any = None) -> dict[str, Any]:
    result: dict[str, Any] = (await graph.data(ACT % name, caller or user("ada"), key=key))[name]
    return result


@pytest.mark.parametrize(("do", "undo"), PAIRS)
async def test_an_act_counts_once_and_can_be_taken_back_once(graph: Graph, do: str, undo: str) -> None:
    start = (await find_viewer(graph.database, user_key="ada")).version
    answers = [await act(graph, name) for name in (do, do, undo, undo, do)]
    assert [answer["changed"] for answer in answers] == [True, False, True, False, True]
    assert [answer["viewer"]["version"] - start for answer in answers] == [1, 1, 2, 2, 3]
    assert all(answer["userErrors"] == [] for answer in answers)
    marks = [(one["project"]["viewerHasLiked"], one["project"]["viewerHasSaved"]) for one in answers]
    made = {"likeProject": (True, False), "saveProject": (False, True), "dismissProject": (False, False)}[do]
    assert marks == [made, made, (False, False), (False, False), made]
    assert len(graph.notifications) == 5


async def test_a_like_comes_back_with_the_fresh_counter(graph: Graph) -> None:
    assert (await act(graph, "likeProject", "p0006"))["project"]["likeCount"] == 7
    assert (await act(graph, "unlikeProject", "p0006"))["project"]["likeCount"] == 6


async def test_two_acts_in_one_document_each_see_the_truth(graph: Graph) -> None:
    data = await graph.data(
        """mutation { a: likeProject(key: "p0001") { project { likeCount viewerHasLiked } }
                      b: unlikeProject(key: "p0001") { project { likeCount viewerHasLiked } } }""",
        user("ada"),
    )
    assert data["a"]["project"] == {"likeCount": 1, "viewerHasLiked": True}
    assert data["b"]["project"] == {"likeCount": 0, "viewerHasLiked": False}


async def test_what_was_dismissed_is_in_no_feed_until_it_is_undone(graph: Graph) -> None:
    feeds = "{ forYou(first: 100) { edges { node { key } } } newest(first: 100) { edges { node { key } } } }"

    async def shown() -> list[bool]:
        data = await graph.data(feeds, user("ada"))
        return ["p0001" in [edge["node"]["key"] for edge in data[feed]["edges"]] for feed in ("forYou", "newest")]

    assert await shown() == [True, True]
    await act(graph, "dismissProject")
    assert await shown() == [False, False]
    await act(graph, "undoDismissal")
    assert await shown() == [True, True]


async def test_a_dismissal_keeps_the_reason_that_was_wrong(graph: Graph) -> None:
    query = """mutation ($reasonId: ID) {
      dismissProject(key: "p0001", reasonId: $reasonId) { changed userErrors { code path } } }"""
    bad = {"dismissProject": {"changed": False, "userErrors": [{"code": "INVALID", "path": ["reasonId"]}]}}
    (wanted,) = await graph.world.ids(["p0001"])
    for garbage in ("", "nonsense", global_id("Project", "p0001")):
        assert await graph.data(query, user("ada"), reasonId=garbage) == bad
    data = await graph.data(query, user("ada"), reasonId=reason_global_id(wanted, "popular"))
    assert data["dismissProject"]["changed"] is True
    rows = await graph.database.fetch(select(Dismissal.reason_id))
    assert [row.reason_id for row in rows] == ["popular"]


async def test_the_first_write_makes_a_row_for_a_user_nobody_knew(graph: Graph) -> None:
    assert (await graph.data("{ viewer { kind key user { key } version } }", user("new")))["viewer"] == {
        "kind": "USER", "key": "new", "user": None, "version": 0,
    }  # fmt: skip
    assert (await act(graph, "likeProject", caller=user("new")))["viewer"] == {"kind": "USER", "version": 1}
    rows = await graph.database.fetch(select(User.username).where(User.key == "new"))
    assert [row.username for row in rows] == ["new"]


async def test_a_session_can_act_and_is_remembered(graph: Graph) -> None:
    answer = await act(graph, "likeProject", caller=SESSION)
    assert answer["changed"] is True
    assert answer["project"]["viewerHasLiked"] is True
    assert answer["viewer"] == {"kind": "SESSION", "version": 1}


async def test_a_project_that_is_not_there_or_not_yours_is_a_typed_error(graph: Graph) -> None:
    for name in (name for pair in PAIRS for name in pair):
        for key in ("nothing", "", "\x00", "p0900"):
            answer = await act(graph, name, key)
            (error,) = answer["userErrors"]
            assert (error["code"], error["path"], answer["changed"]) == ("UNKNOWN_PROJECT", ["key"], False)
            assert_plain(error["message"])
    assert (await act(graph, "saveProject", "p0900", user("maker")))["changed"] is True


# --- events in bulk ------------------------------------------------------------------------------------------------


async def record(graph: Graph, events: list[dict[str, Any]], caller: Any = None) -> dict[str, Any]:
    data = await graph.data(RECORD, caller or user("ada"), events=events)
    payload: dict[str, Any] = data["recordInteractions"]
    return payload


async def test_each_event_is_judged_by_itself(graph: Graph) -> None:
    at = (now() - timedelta(days=1)).isoformat()
    old = (now() - timedelta(days=7, minutes=1)).isoformat()
    events = [
        {"project": "p0001", "type": "VIEW", "at": at, "feed": "FOR_YOU", "rank": 3, "snapshotId": "abc"},
        {"project": "p0001", "type": "VIEW", "at": at, "rank": 4},
        {"project": "nothing", "type": "VIEW"},
        {"project": "p0900", "type": "VIEW"},
        {"project": "p0002", "type": "CLICK", "at": old},
        {"project": "p0002", "type": "IMPRESSION", "rank": 0},
        {"project": "p0002", "type": "IMPRESSION", "snapshotId": "\x00"},
        {"project": "p0002", "type": "LIKE", "at": None, "feed": None, "rank": None, "snapshotId": None},
    ]
    payload = await record(graph, events)
    wanted = ["RECORDED", "DUPLICATE", *["REFUSED"] * 5, "RECORDED"]
    assert [one["status"] for one in payload["results"]] == wanted
    assert [one["index"] for one in payload["results"]] == list(range(8))
    assert payload["recorded"] == 2
    for one in payload["results"]:
        assert bool(one["userErrors"]) == (one["status"] == "REFUSED")
    all_errors(payload)
    columns = (Interaction.feed_kind, Interaction.position, Interaction.snapshot_id)
    rows = await graph.database.fetch(select(*columns).where(Interaction.type == "view"))
    assert [tuple(row) for row in rows] == [("for_you", 2, "abc")]


async def test_events_that_are_sent_again_count_once(graph: Graph) -> None:
    at = (now() - timedelta(hours=1)).isoformat()
    events = [{"project": f"p{n:04}", "type": "VIEW", "at": at} for n in range(10)]
    first, second = await record(graph, events), await record(graph, events)
    assert (first["recorded"], second["recorded"]) == (10, 0)
    assert {one["status"] for one in second["results"]} == {"DUPLICATE"}
    assert first["viewer"] == second["viewer"]


async def test_the_same_id_counts_once_for_each_viewer(graph: Graph) -> None:
    events = [{"project": f"p{n:04}", "type": "VIEW", "id": "first"} for n in range(3)]
    events[1] = {"project": "p0001", "type": "CLICK", "id": "first"}
    payload = await record(graph, [*events, {"project": "p0005", "type": "VIEW", "id": "second"}])
    assert [one["status"] for one in payload["results"]] == ["RECORDED", "DUPLICATE", "DUPLICATE", "RECORDED"]
    again = await record(graph, [{"project": "p0009", "type": "LIKE", "id": "second"}])
    assert again["recorded"] == 0
    other = await record(graph, [{"project": "p0009", "type": "LIKE", "id": "second"}], SESSION)
    assert other["recorded"] == 1
    for bad in ("", "x" * 201, "\x00"):
        (one,) = (await record(graph, [{"project": "p0009", "type": "VIEW", "id": bad}]))["results"]
        assert one["status"] == "REFUSED"
        assert [error["code"] for error in one["userErrors"]] == ["INVALID"]


async def test_the_same_thing_within_five_minutes_counts_once(graph: Graph) -> None:
    start = now() - timedelta(hours=1)

    def view(seconds: float, type_: str = "VIEW") -> dict[str, Any]:
        return {"project": "p0001", "type": type_, "at": (start + timedelta(seconds=seconds)).isoformat()}

    payload = await record(graph, [view(299), view(0), view(300), view(10, "CLICK"), view(650)])
    wanted = ["DUPLICATE", "RECORDED", "RECORDED", "RECORDED", "RECORDED"]
    assert [one["status"] for one in payload["results"]] == wanted
    late = await record(graph, [view(-200), view(350 + 5), view(-300), view(950)])
    assert [one["status"] for one in late["results"]] == ["DUPLICATE", "DUPLICATE", "RECORDED", "RECORDED"]
    assert (await record(graph, [view(0)], SESSION))["recorded"] == 1


async def test_one_bad_event_among_many_good_ones_is_named(graph: Graph) -> None:
    start = now() - timedelta(hours=5)
    events = [
        {"project": f"p{n % 40:04}", "type": "VIEW", "at": (start + timedelta(minutes=n // 40 * 6)).isoformat()}
        for n in range(500)
    ]
    events[137]["project"] = "nothing"
    payload = await record(graph, events)
    assert payload["recorded"] == 499
    assert [one["index"] for one in payload["results"] if one["status"] == "REFUSED"] == [137]


async def test_five_hundred_events_are_taken_and_one_more_is_not(graph: Graph) -> None:
    start = now() - timedelta(hours=5)
    events = [
        {"project": f"p{n % 40:04}", "type": "VIEW", "at": (start + timedelta(minutes=n // 40 * 6)).isoformat()}
        for n in range(501)
    ]
    payload = await record(graph, events)
    assert payload["results"] == []
    (error,) = payload["userErrors"]
    assert (error["code"], error["path"]) == ("TOO_MANY", ["events"])
    assert (await record(graph, events[:500]))["recorded"] == 500
    assert await record(graph, []) | {"viewer": None} == {
        "recorded": 0, "results": [], "userErrors": [], "viewer": None,
    }  # fmt: skip


async def test_an_unknown_kind_of_event_never_reaches_the_truth(graph: Graph) -> None:
    result = await graph.ask(RECORD, user("ada"), events=[{"project": "p0001", "type": "STARE"}])
    assert result.errors is not None
    assert result.data is None


async def test_a_like_among_events_is_a_like(graph: Graph) -> None:
    await record(graph, [{"project": "p0006", "type": "LIKE"}], SERVICE)
    data = await graph.data('{ project(key: "p0006") { likeCount viewerHasLiked } }', SERVICE)
    assert data["project"] == {"likeCount": 7, "viewerHasLiked": True}
