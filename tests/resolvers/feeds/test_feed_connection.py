"""The feeds through the graph."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest

from db.models import InteractionType
from resolvers.common.loaders import MappedLoader
from tests.conftest import CountStatements
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, user
from tests.world import MOMENT

FIELDS = ("forYou", "trending", "popular", "newest")
PAGE = """
query ($first: Int, $after: String, $where: ProjectFilter) {
  forYou(first: $first, after: $after, where: $where) {
    kind strategy degraded snapshotId generatedAt
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor rank score node { id key title likeCount createdAt } }
  }
}"""
WHOLE = """
query ($first: Int) {
  forYou(first: $first) {
    edges {
      rank score
      node {
        key title owner { key username } tools { key name } categories { key name } topics { key name }
        viewerHasLiked viewerHasSaved likeCount viewCount engagementVelocity
      }
      explanation {
        score summary
        contributions { value contribution signal { name label group unit } }
        adjustments { rule penalty fromRank toRank blockedBy { key } }
        reasons { id text group }
      }
    }
  }
}"""


def keys(feed: dict[str, Any]) -> list[str]:
    return [edge["node"]["key"] for edge in feed["edges"]]


async def test_a_page_says_what_it_is_and_where_it_ends(graph: Graph) -> None:
    feed = (await graph.data(PAGE, user("ada"), first=5))["forYou"]
    assert (feed["kind"], feed["strategy"], feed["degraded"]) == ("FOR_YOU", "PERSONALIZED", [])
    assert [edge["rank"] for edge in feed["edges"]] == [1, 2, 3, 4, 5]
    assert feed["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": feed["edges"][0]["cursor"],
        "endCursor": feed["edges"][-1]["cursor"],
    }
    assert feed["snapshotId"]
    assert feed["generatedAt"] == MOMENT.isoformat().replace("+00:00", "Z")


async def test_a_walk_by_end_cursor_meets_every_public_project_once_but_those_that_were_read(graph: Graph) -> None:
    seen: list[str] = []
    after = None
    while True:
        feed = (await graph.data(PAGE, user("ada"), first=9, after=after))["forYou"]
        seen += keys(feed)
        if not feed["pageInfo"]["hasNextPage"]:
            break
        after = feed["pageInfo"]["endCursor"]
    assert sorted(seen) == sorted({*(f"p{n:04}" for n in range(40)), "p0901"} - {"p0000"})


async def test_every_feed_has_thirty_edges_unless_told_otherwise(graph: Graph) -> None:
    asked = (("", 30), ("(first: null)", 30), ("(first: 3)", 3), ("(first: 0)", 0))
    for field, (arguments, wanted) in product(FIELDS, asked):
        feed = (await graph.data(f"{{ {field}{arguments} {{ kind edges {{ node {{ key }} }} }} }}"))[field]
        assert len(feed["edges"]) == wanted
        assert (
            feed["kind"]
            == {"forYou": "FOR_YOU", "trending": "TRENDING", "popular": "POPULAR", "newest": "NEWEST"}[field]
        )


async def test_an_empty_page_has_no_cursors(graph: Graph) -> None:
    feed = (await graph.data(PAGE, first=0))["forYou"]
    assert feed["edges"] == []
    assert (feed["pageInfo"]["startCursor"], feed["pageInfo"]["endCursor"]) == (None, None)


async def test_newest_is_in_order_of_time_and_spread_by_owner(graph: Graph) -> None:
    feed = (await graph.data("{ newest(first: 5) { strategy rankedCount edges { node { key } } } }"))["newest"]
    assert keys(feed) == ["p0000", "p0001", "p0002", "p0901", "p0003"], "all but p0901 have the same owner"
    assert feed["rankedCount"] is None
    assert feed["strategy"] == "NEWEST"


async def test_somebody_unknown_gets_what_is_popular(graph: Graph) -> None:
    pages = []
    for caller in (ANONYMOUS_VIEWER, SESSION, user("stranger")):
        data = await graph.data("{ forYou(first: 3) { strategy edges { node { key } } } }", caller)
        assert data["forYou"]["strategy"] == "POPULAR"
        pages.append(keys(data["forYou"]))
    assert pages[0][0] == "p0000"
    assert pages[0] == pages[1] == pages[2]


async def test_a_filter_narrows_a_feed(graph: Graph) -> None:
    where = {"categories": ["chess"], "tools": ["tool-5", "tool-4"], "topics": ["daily"], "types": ["article"]}
    feed = (await graph.data(PAGE, user("ada"), where=where))["forYou"]
    wanted = {f"p{n:04}" for n in range(40) if n % 6 == 5 and n % 7 in (4, 5)}
    assert set(keys(feed)) == wanted


async def test_a_filter_takes_a_time_in_any_zone_or_none(graph: Graph) -> None:
    newest = (await graph.data("{ newest(first: 3) { edges { node { createdAt } } } }"))["newest"]["edges"]
    moment = datetime.fromisoformat(newest[2]["node"]["createdAt"])
    for zone in (UTC, timezone(timedelta(hours=5)), None):
        time = moment.astimezone(zone).isoformat() if zone else moment.replace(tzinfo=None).isoformat()
        feed = (await graph.data(PAGE, where={"createdAfter": time}))["forYou"]
        assert len(feed["edges"]) == 3


async def test_an_empty_filter_allows_everything(graph: Graph) -> None:
    for where in ({}, {"types": []}, {"types": None, "tools": None, "createdAfter": None}):
        feed = (await graph.data(PAGE, where=where, first=100))["forYou"]
        assert len(feed["edges"]) == 41


WALKS = ("forYou", "popular", "trending", "newest", "search")


@pytest.mark.parametrize("feed", WALKS)
async def test_every_feed_narrows_to_an_owner_a_time_and_what_was_not_seen_yet(graph: Graph, feed: str) -> None:
    await graph.world.add_projects(3, start=950, owner="maker", title="daily models of a maker")
    await graph.world.settle()
    arguments = 'query: "daily models", ' if feed == "search" else ""
    query = f"""query ($where: ProjectFilter, $after: String) {{
        feed: {feed}({arguments}first: 2, after: $after, where: $where) {{
        nodes {{ key createdAt owner {{ key }} }} pageInfo {{ endCursor hasNextPage }} }} }}"""

    async def walk(where: dict[str, Any]) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        after = None
        while True:
            page = (await graph.data(query, user("ada"), where=where, after=after))["feed"]
            seen += page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return seen

    made = await walk({"owner": "maker"})
    assert {node["key"] for node in made} == {"p0950", "p0951", "p0952"}
    assert {node["owner"]["key"] for node in made} == {"maker"}
    rest = await walk({"owner": "maker", "excludeKeys": ["p0951", "unheard-of"]})
    assert {node["key"] for node in rest} == {"p0950", "p0952"}
    moment = sorted(node["createdAt"] for node in made)[1]
    older = await walk({"owner": "maker", "createdBefore": moment})
    newer = await walk({"owner": "maker", "createdAfter": moment})
    assert {node["key"] for node in (*older, *newer)} == {node["key"] for node in made}
    assert all(node["createdAt"] < moment for node in older)
    assert await walk({"owner": "nobody"}) == []
    cursor = (await graph.data(query, user("ada"), where={"owner": "maker"}))["feed"]["pageInfo"]["endCursor"]
    for other in ({"owner": "author"}, {"owner": "maker", "excludeKeys": ["p0001"]}, {}):
        assert await graph.refusal(query, user("ada"), where=other, after=cursor) == ("FOREIGN_CURSOR", ["feed"])


async def test_similar_projects_narrow_as_every_feed_does(graph: Graph) -> None:
    query = """query ($where: ProjectFilter) { project(key: "p0006") {
        feed: similar(first: 100, where: $where) { nodes { key categories { key } } } } }"""

    async def similar(where: dict[str, Any] | None) -> list[str]:
        nodes = (await graph.data(query, user("ada"), where=where))["project"]["feed"]["nodes"]
        return [node["key"] for node in nodes]

    everything = await similar(None)
    left = await similar({"excludeKeys": [everything[0], everything[3], "unheard-of"]})
    assert left == [key for key in everything if key not in (everything[0], everything[3])]
    painting = await similar({"categories": ["painting"]})
    assert painting == [key for key in everything if int(key[1:]) % 6 == 0]
    refused = await graph.refusal(query, user("ada"), where={"excludeKeys": ["x"] * 101})
    assert refused == ("BAD_USER_INPUT", ["project", "feed"])


BAD_PAGES: list[tuple[dict[str, Any], str]] = [
    ({"first": -1}, "FIRST_OUT_OF_RANGE"),
    ({"first": 101}, "FIRST_OUT_OF_RANGE"),
    ({"first": 1_000_000_000}, "FIRST_OUT_OF_RANGE"),
    ({"after": ""}, "BAD_CURSOR"),
    ({"after": "garbage"}, "BAD_CURSOR"),
    ({"after": "\x00"}, "BAD_CURSOR"),
    ({"after": "ä"}, "BAD_CURSOR"),
    ({"after": "A" * 100_000}, "BAD_CURSOR"),
    ({"where": {"types": ["\x00"]}}, "BAD_USER_INPUT"),
    ({"where": {"tools": [""]}}, "BAD_USER_INPUT"),
    ({"where": {"topics": ["x" * 201]}}, "BAD_USER_INPUT"),
    ({"where": {"categories": [str(n) for n in range(101)]}}, "BAD_USER_INPUT"),
    ({"where": {"excludeKeys": [str(n) for n in range(101)]}}, "BAD_USER_INPUT"),
    ({"where": {"owner": ""}}, "BAD_USER_INPUT"),
]


async def test_a_page_that_cannot_be_cut_is_one_error_with_a_code_and_a_path(graph: Graph) -> None:
    for field, (variables, code) in product(FIELDS, BAD_PAGES):
        assert await graph.refusal(PAGE.replace("forYou", field), **variables) == (code, [field])


async def test_one_failing_feed_does_not_take_its_neighbours_along(graph: Graph) -> None:
    result = await graph.ask("{ forYou(first: -1) { kind } newest(first: 1) { kind } viewer { kind } }")
    assert result.data == {"forYou": None, "newest": {"kind": "NEWEST"}, "viewer": {"kind": "ANONYMOUS"}}
    assert result.errors is not None
    assert [error.path for error in result.errors] == [["forYou"]]


async def test_a_cursor_of_somebody_else_is_refused(graph: Graph) -> None:
    cursor = (await graph.data(PAGE, user("ada"), first=3))["forYou"]["pageInfo"]["endCursor"]
    assert await graph.refusal(PAGE, user("cook"), after=cursor) == ("FOREIGN_CURSOR", ["forYou"])
    assert await graph.refusal(PAGE.replace("forYou", "popular"), user("ada"), after=cursor) == (
        "FOREIGN_CURSOR",
        ["popular"],
    )


async def test_what_is_no_32_bit_number_never_reaches_a_feed(graph: Graph) -> None:
    for first in (2**31, -(2**31) - 1, 10**12, "30", 1.5, True):
        result = await graph.ask(PAGE, first=first)
        assert result.errors is not None
        assert result.data is None


async def test_what_is_no_time_is_refused_with_words_that_help(graph: Graph) -> None:
    for time in ("yesterday", "", 5, "2026-13-01", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        result = await graph.ask(PAGE, where={"createdAfter": time})
        assert result.errors is not None
        assert "ISO 8601" in result.errors[0].message
        assert "isoformat" not in result.errors[0].message.lower()


async def test_contributions_add_up_to_the_score_of_the_edge(graph: Graph) -> None:
    feed = (await graph.data(WHOLE, user("ada"), first=41))["forYou"]
    for edge in feed["edges"]:
        explanation = edge["explanation"]
        assert sum(part["contribution"] for part in explanation["contributions"]) == pytest.approx(edge["score"])
        assert explanation["score"] == edge["score"]
        sizes = [abs(part["contribution"]) for part in explanation["contributions"]]
        assert sizes == sorted(sizes, reverse=True)
        assert explanation["summary"].endswith(".")


async def test_terms_owner_and_marks_are_shown(graph: Graph) -> None:
    await graph.data('mutation { saveProject(key: "p0006") { changed } }', user("ada"))
    feed = (await graph.data(WHOLE.replace("forYou", "popular"), user("ada"), first=100))["popular"]
    nodes = {edge["node"]["key"]: edge["node"] for edge in feed["edges"]}
    assert nodes["p0000"]["tools"] == [{"key": "tool-0", "name": "tool-0"}]
    assert nodes["p0000"]["categories"] == [{"key": "painting", "name": "painting"}]
    assert nodes["p0000"]["topics"] == [{"key": "daily", "name": "daily"}]
    assert nodes["p0000"]["owner"] == {"key": "author", "username": "Author"}
    assert nodes["p0901"]["owner"] is None
    marks = {key: (node["viewerHasLiked"], node["viewerHasSaved"]) for key, node in nodes.items()}
    assert marks["p0000"] == (True, False)
    assert marks["p0006"] == (False, True)
    assert marks["p0001"] == (False, False)
    assert (nodes["p0000"]["likeCount"], nodes["p0006"]["likeCount"]) == (7, 6)


async def test_the_counters_of_a_project_that_a_reason_names_are_live(graph: Graph) -> None:
    query = """{ forYou(first: 30) { edges { explanation { reasons {
      ... on SimilarToProject { project { key likeCount viewerHasLiked owner { key } tools { key } } } } } } } }"""
    for _ in range(2):
        edges = (await graph.data(query, user("ada")))["forYou"]["edges"]
        named = [reason["project"] for edge in edges for reason in edge["explanation"]["reasons"] if reason]
        assert named
        for project in named:
            one = """query ($key: String!) {
              project(key: $key) { key likeCount viewerHasLiked owner { key } tools { key } } }"""
            assert (await graph.data(one, user("ada"), key=project["key"]))["project"] == project
        await graph.data(
            "mutation ($key: String!) { likeProject(key: $key) { changed } }", user("cook"), key=named[0]["key"]
        )


async def test_a_page_costs_the_same_statements_whatever_its_size(graph: Graph, statements: CountStatements) -> None:
    await graph.data(WHOLE, user("ada"), first=30)  # the ranking is stored now, and the contents are known
    counts = []
    for first in (12, 30):
        with statements(graph.database) as issued:
            await graph.data(WHOLE, user("ada"), first=first)
        counts.append(len(issued))
    # The page; velocities.
    assert counts == [2, 2]


@pytest.mark.parametrize("projects", [200, 2_000])
async def test_a_page_costs_the_same_statements_however_long_it_is_and_however_many_projects_there_are(
    graph: Graph, statements: CountStatements, projects: int
) -> None:
    await graph.world.add_projects(projects, start=1_000, topics=("daily",), owner="author")
    await graph.world.settle()
    whole = WHOLE.replace("blockedBy { key }", "")  # a short page may have nothing that stood in the way
    await graph.data(whole, user("ada"), first=1)  # the viewer is remembered now
    for first, seen in ((10, "p0001"), (100, "p0002")):  # another project: a repeated view is no new act
        await graph.world.act("ada", InteractionType.VIEW, seen)
        with statements(graph.database) as new:
            page = (await graph.data(whole, user("ada"), first=first))["forYou"]
        with statements(graph.database) as stored:
            await graph.data(whole, user("ada"), first=first)
        assert len(page["edges"]) == first
        assert len(stored) == 2, stored  # the page, velocities
        # And for a new ranking: the page of the outdated viewer; tags and touches; the newest projects; the five
        # statements of the sources; features; new contents. The texts tell nothing, so no reason names a project.
        assert len(new) == 17, new


CARD = """key title createdAt likeCount viewerHasLiked viewerHasSaved owner { username } tools { key } topics { key }
  categories { key } activity(days: 7) activityByDay(days: 3) { date count }"""


async def test_a_card_page_is_one_statement_and_runs_no_loader(
    graph: Graph, statements: CountStatements, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PAGE.replace("likeCount", CARD)
    await graph.data(whole, user("ada"))

    async def load(loader: MappedLoader[Any, Any], keys: Any) -> Any:
        raise AssertionError(f"a loader reads {keys}")

    monkeypatch.setattr(MappedLoader, "batch_load_fn", load)
    for query in (PAGE, whole):
        with statements(graph.database) as issued:
            await graph.data(query, user("ada"))
        assert len(issued) == 1, issued  # the projects that may be shown, with the version of the viewer


async def test_a_like_shows_on_the_next_first_page(graph: Graph) -> None:
    await graph.world.act("ada", InteractionType.VIEW, "p0001")
    before = (await graph.data(PAGE, user("ada"), first=41))["forYou"]
    liked = before["edges"][0]["node"]["key"]
    await graph.data("mutation ($key: String!) { likeProject(key: $key) { changed } }", user("ada"), key=liked)
    after = (await graph.data(PAGE, user("ada"), first=41))["forYou"]
    assert after["snapshotId"] != before["snapshotId"]
    assert {e["node"]["key"]: e["score"] for e in after["edges"]} != {
        e["node"]["key"]: e["score"] for e in before["edges"]
    }


async def test_nobody_finds_a_private_project_in_a_feed(graph: Graph) -> None:
    for field, caller in product(FIELDS, (ANONYMOUS_VIEWER, SESSION, SERVICE, user("ada"), user("maker"))):
        data = await graph.data(PAGE.replace("forYou", field), caller, first=100)
        assert "p0900" not in keys(data[field])


async def test_trending_says_how_many_people_came_and_a_view_shows_at_once(graph: Graph) -> None:
    query = """query ($window: TrendingWindow) { trending(first: 5, window: $window) {
      kind strategy edges { score node { key } explanation {
        score summary contributions { contribution signal { name unit group } }
        reasons { text group ... on TrendingNow { visitorCount window usualVisitorCount } } } } } }"""
    for n in range(6):
        await graph.world.act(f"painter-{n}", InteractionType.VIEW, "p0039")
    for window in ("HOUR", "DAY", "WEEK"):
        feed = (await graph.data(query, window=window))["trending"]
        assert (feed["kind"], feed["strategy"]) == ("TRENDING", "VELOCITY")
        assert {"p0000", "p0006", "p0012", "p0039"} <= set(keys(feed))
        for edge in feed["edges"][:4]:
            explained = edge["explanation"]
            assert edge["score"] == explained["score"]
            assert sum(part["contribution"] for part in explained["contributions"]) == pytest.approx(edge["score"])
            trends = [reason for reason in explained["reasons"] if "visitorCount" in reason]
            # Of the last hour, only the views of this test are known.
            assert len(trends) == (window != "HOUR" or edge["node"]["key"] == "p0039")
            for trend in trends:
                assert trend["window"] == window
                assert trend["visitorCount"] >= 6
                assert trend["text"] in explained["summary"]
    assert (await graph.data("{ trending(first: 1, window: null) { kind } }"))["trending"]["kind"] == "TRENDING"
