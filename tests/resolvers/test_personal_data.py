"""Reading and deleting all that is held, and taking a session along, through the graph."""

import base64
from typing import Any

import pytest
from sqlalchemy import select

from db.models import InteractionType, Project
from db.privacy.projection_erasure import finish_erasures
from scoring.use_cases.unit_of_work import Caller
from tests.db.privacy.test_erasure import AFTER
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, assert_plain, user

EXPORT = """mutation ($first: Int, $after: String) { exportMyData(first: $first, after: $after) {
  data pageInfo { endCursor hasNextPage hasPreviousPage } userErrors { code path message } } }"""
DELETE = """mutation ($projects: OwnedProjects!) { deleteMyData(projects: $projects) {
  receipt { id requestedAt completedAt deleted { name count } } userErrors { code path message } } }"""
REMOVE = """mutation ($keys: [String!]!, $projects: OwnedProjects, $newOwner: String) {
  removeUsers(keys: $keys, projects: $projects, newOwner: $newOwner) {
  removed receipt { id deleted { name count } } userErrors { code path message } } }"""
RECEIPT = "query ($id: ID!) { deletionReceipt(id: $id) { id completedAt } }"
CLAIM = "mutation { claimSession { status transferredCount userErrors { code path message } viewer { key version } } }"
VIEWER = (
    "{ viewer { kind key version interests { key } mutes { nodes { key } } personalizationSettings { discovery } } }"
)


async def answer(graph: Graph, document: str, caller: Caller, **given: Any) -> dict[str, Any]:
    (found,) = (await graph.data(document, caller, **given)).values()
    return found  # type: ignore[no-any-return]


def only(answered: dict[str, Any]) -> tuple[str, list[str]]:
    (error,) = answered["userErrors"]
    assert_plain(error["message"])
    return error["code"], error["path"]


async def test_everything_is_exported_page_by_page(graph: Graph) -> None:
    await graph.world.act("ada", InteractionType.VIEW, "p0001", "p0002", "p0003")
    whole = await answer(graph, EXPORT, user("ada"))
    assert whole["pageInfo"] == {"endCursor": None, "hasNextPage": False, "hasPreviousPage": False}
    assert whole["userErrors"] == []
    assert whole["data"]["accounts"][0]["key"] == "ada"
    assert len(whole["data"]["interactions"]) == 4
    rows, after = [], None
    for _ in range(50):
        page = await answer(graph, EXPORT, user("ada"), first=2, after=after)
        rows += page["data"].get("interactions", [])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert rows == whole["data"]["interactions"]


async def test_large_numbers_of_a_source_are_exported_as_they_were_sent(graph: Graph) -> None:
    write = "mutation ($p: [ProjectInput!]!) { upsertProjects(projects: $p) { added unchanged } }"
    source = {"views": 1e23, "mass": 1.2345678901234568e29, "zero": -0.0, "third": 1 / 3}
    project = {"key": "big", "title": "B", "type": "article", "owner": "maker", "source": source}
    for outcome in ({"added": 1, "unchanged": 0}, {"added": 0, "unchanged": 1}):
        assert await answer(graph, write, SERVICE, p=[project]) == outcome
    exported = (await answer(graph, EXPORT, user("maker")))["data"]["projects"]
    assert [row["source"] for row in exported if row["key"] == "big"] == [source]


async def test_who_has_done_nothing_has_nothing(graph: Graph) -> None:
    for caller in (SESSION, user("stranger")):
        found = await answer(graph, EXPORT, caller)
        assert (found["data"], found["pageInfo"]["hasNextPage"], found["userErrors"]) == ({}, False, [])
        assert (await answer(graph, DELETE, caller, projects="REMOVE")) == {"receipt": None, "userErrors": []}


async def test_a_page_of_an_export_that_cannot_be_is_one_error(graph: Graph) -> None:
    for first in (0, -1, 5_001):
        assert await graph.refusal(EXPORT, user("ada"), first=first) == ("FIRST_OUT_OF_RANGE", ["exportMyData"])
    made = [
        base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        for text in (
            '["export", "users", 1]',
            '["export", "likes", "a", 1]',
            '["export", "likes", 1]',
            '["export", "likes", true, 1]',
            '["export", "interactions", 1, 1, "view", "yesterday"]',
            '["export", "likes", 99999999999999999999, 1]',
            '["tool", "x", 1]',
            "[]",
            "5",
        )
    ]
    for after in ("", "garbage", "\x00", "A" * 9_999, *made):
        assert await graph.refusal(EXPORT, user("ada"), after=after) == ("BAD_CURSOR", ["exportMyData"])


async def test_a_forged_cursor_shows_nothing_of_others(graph: Graph) -> None:
    other = (await graph.world.viewer("painter-0")).actor_id
    forged = base64.urlsafe_b64encode(f'["export", "likes", {(other or 1) - 1}, 0]'.encode()).rstrip(b"=").decode()
    found = await answer(graph, EXPORT, user("ada"), after=forged)
    assert all(row["project"] == "p0000" for row in found["data"]["likes"])


async def test_who_deletes_everything_is_a_stranger_at_once_and_the_receipt_is_completed_later(graph: Graph) -> None:
    before = (await graph.data('{ project(key: "p0000") { likeCount } }'))["project"]["likeCount"]
    found = await answer(graph, DELETE, user("ada"), projects="REMOVE")
    assert found["userErrors"] == []
    receipt = found["receipt"]
    assert receipt["completedAt"] is None
    assert {"name": "likes", "count": 1} in receipt["deleted"]
    viewer = (await graph.data(VIEWER, user("ada")))["viewer"]
    assert (viewer["version"], viewer["interests"]) == (0, [])
    after = (await graph.data('{ project(key: "p0000") { likeCount viewerHasLiked } }', user("ada")))["project"]
    assert after == {"likeCount": before - 1, "viewerHasLiked": False}
    feed = (await graph.data("{ forYou(first: 5) { strategy } }", user("ada")))["forYou"]
    assert feed["strategy"] == "POPULAR"
    assert (await answer(graph, RECEIPT, ANONYMOUS_VIEWER, id=receipt["id"]))["completedAt"] is None
    await graph.world.settle()
    await finish_erasures(graph.world.stores, at=AFTER)
    assert (await answer(graph, RECEIPT, ANONYMOUS_VIEWER, id=receipt["id"]))["completedAt"] is not None
    assert (await answer(graph, DELETE, user("ada"), projects="REMOVE")) == {"receipt": None, "userErrors": []}
    for unknown in ("", "nothing", "\x00"):
        assert (await graph.data(RECEIPT, id=unknown))["deletionReceipt"] is None


async def test_a_page_that_is_being_walked_ends_cleanly_when_its_viewer_is_deleted(graph: Graph) -> None:
    page = """query ($after: String) { forYou(first: 5, after: $after) { pageInfo { endCursor } edges { rank } } }"""
    first = (await graph.data(page, user("ada")))["forYou"]
    await answer(graph, DELETE, user("ada"), projects="KEEP")
    cursor = first["pageInfo"]["endCursor"]
    assert await graph.refusal(page, user("ada"), after=cursor) == ("FOREIGN_CURSOR", ["forYou"])


@pytest.mark.parametrize(("projects", "left"), [("REMOVE", 0), ("KEEP", 1)])
async def test_own_projects_go_or_stay_as_the_call_says(graph: Graph, projects: str, left: int) -> None:
    await answer(graph, DELETE, user("maker"), projects=projects)
    rows = await graph.database.fetch(select(Project.owner_id).where(Project.key == "p0900"))
    assert [row.owner_id for row in rows] == [None] * left


async def test_the_service_deletes_users_and_names_who_owns_what_is_kept(graph: Graph) -> None:
    for caller, code in ((ANONYMOUS_VIEWER, "UNAUTHENTICATED"), (user("ada"), "FORBIDDEN")):
        assert await graph.refusal(REMOVE, caller, keys=["cook"]) == (code, ["removeUsers"])
    for owner in ("nobody", "maker", "", "\x00"):
        found = await answer(graph, REMOVE, SERVICE, keys=["maker"], newOwner=owner)
        assert only(found) == ("UNKNOWN_REFERENCE", ["newOwner"])
    found = await answer(graph, REMOVE, SERVICE, keys=["maker", "nobody", "\x00"], newOwner="author")
    assert (found["removed"], found["userErrors"]) == (1, [])
    assert (await graph.data('{ project(key: "p0900") { owner { key } } }', user("author")))["project"] == {
        "owner": {"key": "author"}
    }
    again = await answer(graph, REMOVE, SERVICE, keys=["maker"])
    assert (again["removed"], again["receipt"]) == (0, None)
    many = await answer(graph, REMOVE, SERVICE, keys=[str(n) for n in range(1_001)])
    assert only(many) == ("TOO_MANY", ["keys"])


async def test_a_session_is_deleted_by_its_holder(graph: Graph) -> None:
    await graph.data('mutation { likeProject(key: "p0001") { changed } }', SESSION)
    found = await answer(graph, DELETE, SESSION, projects="KEEP")
    assert {"name": "likes", "count": 1} in found["receipt"]["deleted"]
    project = (await graph.data('{ project(key: "p0001") { likeCount viewerHasLiked } }', SESSION))["project"]
    assert project == {"likeCount": 0, "viewerHasLiked": False}


# --- claiming --------------------------------------------------------------------------------------------------------

BOTH = Caller(user_key="cook", session_key="s1")


async def test_who_signs_in_takes_the_session_along(graph: Graph) -> None:
    for document in (
        'mutation { likeProject(key: "p0001") { changed } }',
        'mutation { dismissProject(key: "p0002") { changed } }',
        'mutation { mute(kind: TOOL, key: "tool-5") { changed } }',
        "mutation { updatePersonalizationSettings(settings: {discovery: 80}) { changed } }",
    ):
        await graph.data(document, SESSION)
    found = await answer(graph, CLAIM, BOTH)
    assert (found["status"], found["userErrors"], found["viewer"]["key"]) == ("CLAIMED", [], "cook")
    assert found["transferredCount"] >= 5
    viewer = (await graph.data(VIEWER, user("cook")))["viewer"]
    assert viewer["mutes"]["nodes"] == [{"key": "tool-5"}]
    assert viewer["personalizationSettings"] == {"discovery": 80}
    project = (await graph.data('{ project(key: "p0001") { likeCount viewerHasLiked } }', user("cook")))["project"]
    assert project == {"likeCount": 1, "viewerHasLiked": True}
    again = await answer(graph, CLAIM, BOTH)
    assert (again["status"], again["transferredCount"], again["userErrors"]) == ("ALREADY", 0, [])
    assert again["viewer"]["version"] == found["viewer"]["version"]


async def test_a_session_that_has_done_nothing_is_claimed_for_what_it_will_do(graph: Graph) -> None:
    assert (await answer(graph, CLAIM, Caller(user_key="new", session_key="s9")))["status"] == "CLAIMED"
    await graph.data('mutation { likeProject(key: "p0003") { changed } }', Caller(session_key="s9"))
    project = (await graph.data('{ project(key: "p0003") { viewerHasLiked } }', user("new")))["project"]
    assert project["viewerHasLiked"]


async def test_a_claim_needs_both_and_a_claimed_session_is_nobody_elses(graph: Graph) -> None:
    assert await graph.refusal(CLAIM, SESSION) == ("UNAUTHENTICATED", ["claimSession"])
    assert only(await answer(graph, CLAIM, user("cook"))) == ("INVALID", [])
    await answer(graph, CLAIM, BOTH)
    found = await answer(graph, CLAIM, Caller(user_key="ada", session_key="s1"))
    assert (found["status"], found["transferredCount"]) == ("FOREIGN", 0)
    assert only(found) == ("FORBIDDEN", [])


async def test_the_session_id_alone_neither_exports_nor_deletes_the_account(graph: Graph) -> None:
    await answer(graph, CLAIM, BOTH)
    for document, given in ((EXPORT, {}), (DELETE, {"projects": "REMOVE"})):
        assert only(await answer(graph, document, SESSION, **given)) == ("FORBIDDEN", [])
    assert (await graph.data(VIEWER, user("cook")))["viewer"]["version"] > 0


async def test_deleting_an_account_deletes_the_sessions_that_it_claimed(graph: Graph) -> None:
    await answer(graph, CLAIM, BOTH)
    await answer(graph, DELETE, user("cook"), projects="REMOVE")
    assert (await graph.data(VIEWER, SESSION))["viewer"]["kind"] == "SESSION"
