"""Whatever text a client sends, it gets an answer or an error with a known code: on real stores, both of them."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from resolvers.common.global_ids import encode_opaque
from tests.resolvers.conftest import Graph, assert_plain, user


def written(text: str) -> str:
    """Spell text as an id or a cursor is spelt; half characters have no spelling."""
    return encode_opaque(text.encode("utf-8", "replace").decode())


TEXT = st.text(st.characters(), max_size=250)
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

ASKS = (  # apart from each other: a null where none may be ends a request before its other fields are through
    "query ($text: ID!) { node(id: $text) { id } }",
    "query ($text: String!) { project(key: $text) { key } projects(keys: [$text]) { key } }",
    "query ($text: String!) { tools(search: $text) { edges { cursor } } }",
    "query ($text: String!) { tools(after: $text) { edges { cursor } } }",
)
FEEDS = """
query ($text: String!) {
  forYou(first: 2, after: $text) { snapshotId }
  popular(first: 2, where: {types: [$text], tools: [$text], topics: [$text]}) { edges { rank } }
  newest(first: 2, after: $text) { snapshotId }
}"""
WRITE_COST = """
mutation ($text: String!, $id: ID!) {
  likeProject(key: $text) { changed userErrors { code message } }
  dismissProject(key: "p0001", reasonId: $id) { changed userErrors { code message } }
  undoDismissal(key: "p0001") { changed }
  recordInteractions(events: [{project: "p0001", type: VIEW, snapshotId: $id}, {project: $text, type: CLICK}]) {
    results { status userErrors { message } }
  }
}"""


@given(TEXT | TEXT.map(written))
@example(encode_opaque("Project:nobody"))
@example(encode_opaque("Project:\x00"))
@SETTINGS
async def test_any_text_finds_nothing_or_is_refused_by_name(graph: Graph, text: str) -> None:
    for query in ASKS:
        result = await graph.ask(query, text=text)
        for error in result.errors or []:
            assert (error.extensions or {}).get("code") in ("BAD_ID", "BAD_CURSOR", "BAD_USER_INPUT"), error
            assert_plain(error.message)


@given(TEXT | TEXT.map(written))
@SETTINGS
async def test_any_text_is_a_bad_cursor_and_no_more(graph: Graph, text: str) -> None:
    result = await graph.ask(FEEDS, user("ada"), text=text)
    for error in result.errors or []:
        assert (error.extensions or {}).get("code") in ("BAD_CURSOR", "BAD_USER_INPUT"), error
        assert_plain(error.message)
    assert result.data is not None
    assert result.data["forYou"] is None
    assert result.data["newest"] is None


@given(TEXT | TEXT.map(lambda text: written(f"Reason:1:{text}")))
@example(encode_opaque("Reason:1:\x00"))
@SETTINGS
async def test_any_text_in_a_write_is_taken_or_is_a_typed_error(graph: Graph, text: str) -> None:
    data = await graph.data(WRITE_COST, user("ada"), text=text, id=text)
    assert data["likeProject"]["userErrors"][0]["code"] == "UNKNOWN_PROJECT"
    assert data["dismissProject"]["changed"] == (data["dismissProject"]["userErrors"] == [])
    assert data["recordInteractions"]["results"][1]["status"] == "REFUSED"
