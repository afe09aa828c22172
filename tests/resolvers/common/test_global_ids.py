"""Global ids: whatever a client hands back gives a thing, nothing, or a clear error."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db.text_rules import normal_form
from resolvers.common.errors import InvalidId
from resolvers.common.global_ids import (
    GlobalId,
    decode_opaque,
    encode_opaque,
    global_id,
    is_valid_key,
    parse_global_id,
    parse_reason_id,
    reason_global_id,
)
from tests.resolvers.conftest import Graph, assert_plain, user

NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Project { title } ... on User { username } } }"
KEYS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100).map(normal_form)


@given(KEYS)
@example("with:colons::")
@example("ключ 🗝")
@example(" blanks around and\u00a0in between ")
def test_an_id_leads_back_to_what_it_was_made_of(key: str) -> None:
    assert parse_global_id(global_id("Project", key)) == ("Project", key)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@example(encode_opaque("Project:"))
@example(encode_opaque("Project"))
@example(encode_opaque("Project:\x00"))
@example(encode_opaque("Project:" + "x" * 201))
@example(global_id("Project", "p") + "=")
@example("\ud800")
@example("A" * 1_000_000)
def test_any_other_text_is_refused_as_no_id(text: str) -> None:
    found = read_or_refused(text)
    if isinstance(found, InvalidId):
        assert found.extensions == {"code": "BAD_ID"}
        assert_plain(found.message)
    else:
        assert is_valid_key(found.key)
        assert global_id(*found) == text


def read_or_refused(text: str) -> GlobalId | InvalidId:
    try:
        return parse_global_id(text)
    except InvalidId as refused:
        return refused


@given(st.text())
def test_opaque_text_has_one_spelling(text: str) -> None:
    made = decode_opaque(text)
    assert made is None or encode_opaque(made) == text


@given(st.integers(1, 2**63 - 1), KEYS)
def test_the_id_of_a_reason_leads_back_to_the_reason(project_id: int, key: str) -> None:
    assert parse_reason_id(reason_global_id(project_id, f"similar:{key}")) == (project_id, f"similar:{key}")


@given(st.text())
@example(global_id("Project", "p"))
@example(encode_opaque("Reason:1:"))
@example(encode_opaque("Reason:1"))
@example(encode_opaque("Reason:1:\x00"))
def test_any_other_text_is_refused_as_no_reason(text: str) -> None:
    with pytest.raises(InvalidId):
        parse_reason_id(text)


async def test_a_node_is_found_by_the_id_that_it_gives(graph: Graph) -> None:
    data = await graph.data(
        """{ project(key: "p0001") { id owner { id } tools { id } categories { id } }
             tools(first: 1) { edges { node { id } } } }"""
    )
    project = data["project"]
    for thing, type_ in (
        (project, "Project"),
        (project["owner"], "User"),
        (project["tools"][0], "Tool"),
        (project["categories"][0], "Category"),
        (data["tools"]["edges"][0]["node"], "Tool"),
    ):
        node = (await graph.data(NODE, id=thing["id"]))["node"]
        assert (node["__typename"], node["id"]) == (type_, thing["id"])


async def test_a_well_formed_id_of_nothing_gives_null(graph: Graph) -> None:
    for type_ in ("Project", "User", "Tool", "Category", "Nothing", "Viewer", "Reason"):
        assert await graph.data(NODE, id=global_id(type_, "nobody knows")) == {"node": None}


async def test_garbage_is_one_clear_error(graph: Graph) -> None:
    for garbage in ("", "p0001", "Project:p0001", "ä", "\x00", encode_opaque("Project:"), "=" * 10, "A" * 100_000):
        assert await graph.refusal(NODE, id=garbage) == ("BAD_ID", ["node"])


async def test_a_private_project_is_no_node_but_for_its_owner(graph: Graph) -> None:
    hidden = global_id("Project", "p0900")
    assert await graph.data(NODE, user("ada"), id=hidden) == {"node": None}
    assert (await graph.data(NODE, user("maker"), id=hidden))["node"]["title"] == "Hidden"
