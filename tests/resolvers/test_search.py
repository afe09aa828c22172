"""Search and similar, through the graph."""

import pytest

from tests.resolvers.conftest import Graph, assert_plain, user

SEARCH = """
query ($text: String!, $alpha: Float, $first: Int, $after: String, $where: ProjectFilter) {
  search(query: $text, alpha: $alpha, first: $first, after: $after, where: $where) {
    kind strategy degraded
    edges { rank score node { key } explanation {
      summary score contributions { contribution signal { name } } reasons { text ... on KeywordMatch { terms } } } }
    pageInfo { endCursor hasNextPage }
  }
}"""


async def test_a_search_says_what_matched(graph: Graph) -> None:
    feed = (await graph.data(SEARCH, text="painting with models"))["search"]
    assert (feed["kind"], feed["strategy"], feed["degraded"]) == ("SEARCH", "HYBRID", [])
    first = feed["edges"][0]
    assert int(first["node"]["key"][1:]) % 6 == 0, "a project about painting"
    assert first["explanation"]["reasons"][0]["terms"] == ["painting", "models"]
    parts = [one["contribution"] for one in first["explanation"]["contributions"]]
    assert sum(parts) == pytest.approx(first["score"], abs=1e-9)
    assert_plain(first["explanation"]["summary"])


async def test_a_search_is_walked_and_narrowed(graph: Graph) -> None:
    first = (await graph.data(SEARCH, text="chess", first=2))["search"]
    second = (await graph.data(SEARCH, text="chess", first=2, after=first["pageInfo"]["endCursor"]))["search"]
    seen = [edge["node"]["key"] for feed in (first, second) for edge in feed["edges"]]
    assert len(set(seen)) == 4
    narrowed = (await graph.data(SEARCH, text="chess", where={"categories": ["robots"]}))["search"]
    assert {int(edge["node"]["key"][1:]) % 6 for edge in narrowed["edges"]} == {2}


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"text": ""}, "BAD_QUERY"),
        ({"text": "x" * 10_240}, "BAD_QUERY"),
        ({"text": "chess", "alpha": -1.0}, "BAD_QUERY"),
        ({"text": "chess", "alpha": 2.0}, "BAD_QUERY"),
        ({"text": "chess", "first": -1}, "FIRST_OUT_OF_RANGE"),
        ({"text": "chess", "after": "x"}, "BAD_CURSOR"),
    ],
)
async def test_a_bad_search_is_one_clear_error(graph: Graph, variables: dict, code: str) -> None:
    assert await graph.refusal(SEARCH, **variables) == (code, ["search"])


async def test_a_private_project_is_not_found(graph: Graph) -> None:
    for caller in (user("ada"), user("maker")):
        feed = (await graph.data(SEARCH, caller, text="Hidden"))["search"]
        assert "p0900" not in [edge["node"]["key"] for edge in feed["edges"]]


async def test_a_project_knows_what_is_like_it(graph: Graph) -> None:
    query = '{ project(key: "p0000") { similar(first: 3) { kind strategy edges { node { key } score } } } }'
    feed = (await graph.data(query))["project"]["similar"]
    assert (feed["kind"], feed["strategy"], len(feed["edges"])) == ("SIMILAR", "SIMILAR", 3)
    assert all(int(edge["node"]["key"][1:]) % 6 == 0 for edge in feed["edges"]), "paintings"
    assert await graph.refusal(query.replace("3", "101")) == ("FIRST_OUT_OF_RANGE", ["project", "similar"])
