"""What the service role writes, and who may not."""

from typing import Any

from sqlalchemy import select, update

from db.models import OutboxRow, Project, Role, User
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ADMINISTRATOR, ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, all_errors, user

INPUTS = {
    "upsertProjects": ("projects", "ProjectInput", {"key": "new", "title": "New", "type": "article"}),
    "upsertTools": ("tools", "ToolInput", {"key": "new", "name": "New"}),
    "upsertCategories": ("categories", "CategoryInput", {"key": "new", "name": "New"}),
    "upsertUsers": ("users", "UserInput", {"key": "new", "username": "New"}),
}
REMOVALS = ("removeProjects", "removeUsers")


def upsert(name: str) -> str:
    argument, type_, _ = INPUTS[name]
    return f"""mutation ($given: [{type_}!]!) {{ {name}({argument}: $given) {{
        added changed unchanged refused userErrors {{ code message path }}
        results {{ index key status userErrors {{ code message path }} }} }} }}"""


def remove(name: str) -> str:
    return f"mutation ($given: [String!]!) {{ {name}(keys: $given) {{ removed userErrors {{ code path }} }} }}"


async def write(graph: Graph, name: str, *given: dict[str, Any], caller: Caller = SERVICE) -> dict[str, Any]:
    payload: dict[str, Any] = (await graph.data(upsert(name), caller, given=list(given)))[name]
    all_errors(payload)
    return payload


def counts(payload: dict[str, Any]) -> tuple[int, int, int, int]:
    return payload["added"], payload["changed"], payload["unchanged"], payload["refused"]


async def test_only_the_service_role_writes_the_catalogue(graph: Graph) -> None:
    queries = [(name, upsert(name), [INPUTS[name][2]]) for name in INPUTS]
    queries += [(name, remove(name), ["p0001", "ada"]) for name in REMOVALS]
    refused = (
        (ANONYMOUS_VIEWER, "UNAUTHENTICATED"),
        (SESSION, "UNAUTHENTICATED"),
        (user("ada"), "FORBIDDEN"),
        (user("stranger"), "FORBIDDEN"),
        (Caller(user_key="ada", role=Role.VIEWER), "FORBIDDEN"),
    )
    for name, query, given in queries:
        for caller, code in refused:
            assert await graph.refusal(query, caller, given=given) == (code, [name])
    assert graph.notifications == []
    assert (await graph.data('{ project(key: "p0001") { key } }'))["project"] is not None
    for caller in (SERVICE, ADMINISTRATOR):
        for _, query, given in queries:
            await graph.data(query, caller, given=given)


async def test_a_role_in_the_users_row_counts_unless_the_token_says_less(graph: Graph) -> None:
    async with graph.database.write() as connection:
        await connection.execute(update(User).where(User.key == "maker").values(role=Role.SERVICE))
    query, given = upsert("upsertTools"), [INPUTS["upsertTools"][2]]
    await graph.data(query, user("maker"), given=given)
    less = Caller(user_key="maker", role=Role.VIEWER)
    assert await graph.refusal(query, less, given=given) == ("FORBIDDEN", ["upsertTools"])


async def test_a_refusal_leaves_the_other_mutations_of_the_document_alone(graph: Graph) -> None:
    result = await graph.ask(
        'mutation { likeProject(key: "p0001") { changed } removeProjects(keys: ["p0001"]) { removed } }', user("ada")
    )
    assert result.data == {"likeProject": {"changed": True}, "removeProjects": None}


async def test_records_are_added_changed_and_left_alone(graph: Graph) -> None:
    for name, (_, _, record) in INPUTS.items():
        assert counts(await write(graph, name, record)) == (1, 0, 0, 0)
        assert counts(await write(graph, name, record)) == (0, 0, 1, 0)
        described = "bio" if name == "upsertUsers" else "description"
        assert counts(await write(graph, name, record | {described: "More."})) == (0, 1, 0, 0)
    assert len(graph.notifications) == 12


async def test_a_project_is_written_with_all_it_has_and_put_into_the_outbox(graph: Graph) -> None:
    given = {
        "key": "new", "title": "New", "description": "Text", "type": "github_repo", "tools": ["tool-1", "fresh"],
        "categories": ["chess"], "topics": ["daily"], "owner": "maker", "url": "https://example.org/x",
        "imageUrl": "https://example.org/x.png", "createdAt": "2026-01-02T03:04:05+01:00", "private": False,
        "archived": False, "source": {"subreddit": "rust", "deep": [1, {"a": None}]},
    }  # fmt: skip
    assert counts(await write(graph, "upsertProjects", given)) == (1, 0, 0, 0)
    data = await graph.data(
        """{ project(key: "new") { title description type url imageUrl createdAt topics { key }
             tools { key } categories { key } owner { key } } }"""
    )
    assert data["project"] == {
        "title": "New", "description": "Text", "type": "github_repo", "url": "https://example.org/x",
        "imageUrl": "https://example.org/x.png", "createdAt": "2026-01-02T02:04:05Z", "topics": [{"key": "daily"}],
        "tools": [{"key": "fresh"}, {"key": "tool-1"}], "categories": [{"key": "chess"}], "owner": {"key": "maker"},
    }  # fmt: skip
    (row,) = await graph.database.fetch(select(Project.source).where(Project.key == "new"))
    assert row.source == given["source"]
    outbox = await graph.database.fetch(select(OutboxRow.key).where(OutboxRow.kind == "project"))
    assert [row.key for row in outbox] == ["new"]


async def test_every_record_has_a_result(graph: Graph) -> None:
    records = [
        {"key": "a", "name": "A"},
        {"key": "", "name": "B"},
        {"key": "tool-1", "name": "C"},
        {"key": "a", "name": "D"},
    ]
    payload = await write(graph, "upsertTools", *records)
    assert [(one["index"], one["key"], one["status"], len(one["userErrors"])) for one in payload["results"]] == [
        (0, "a", "UNCHANGED", 0), (1, "", "REFUSED", 1), (2, "tool-1", "CHANGED", 0), (3, "a", "ADDED", 0),
    ]  # fmt: skip
    assert counts(payload) == (1, 1, 1, 1)
    assert payload["userErrors"] == []


async def test_what_is_left_out_or_null_goes_back_to_its_default(graph: Graph) -> None:
    record = INPUTS["upsertProjects"][2]
    await write(graph, "upsertProjects", record | {"description": "Text", "tools": ["tool-1"], "private": True})
    await write(graph, "upsertProjects", record | {"description": None, "tools": None, "owner": None})
    data = await graph.data('{ project(key: "new") { description tools { key } } }')
    assert data["project"] == {"description": "", "tools": []}


async def test_a_bad_record_is_named_by_its_path_and_does_not_keep_the_others_out(graph: Graph) -> None:
    good = INPUTS["upsertProjects"][2]
    bad = [
        ({"title": ""}, "title"), ({"title": "x" * 1_001}, "title"), ({"type": "Not A Type"}, "type"),
        ({"url": "javascript:alert(1)"}, "url"), ({"imageUrl": "x"}, "imageUrl"), ({"key": "\x00"}, "key"),
        ({"createdAt": "2999-01-01T00:00:00Z"}, "createdAt"), ({"source": [1]}, "source"),
        ({"source": {"a": "\x00"}}, "source"), ({"description": "x" * 100_001}, "description"),
    ]  # fmt: skip
    records = [good | {"key": f"n{n}"} | change for n, (change, _) in enumerate(bad)]
    payload = await write(graph, "upsertProjects", *records, good | {"key": "fine", "owner": "nobody"}, good)
    assert counts(payload) == (1, 0, 0, len(bad) + 1)
    paths = [error["path"] for error in all_errors(payload)]
    assert paths == [["projects", str(n), field] for n, (_, field) in enumerate(bad)] + [
        ["projects", str(len(bad)), "owner"]
    ]
    codes = [error["code"] for error in all_errors(payload)]
    assert codes == ["INVALID"] * len(bad) + ["UNKNOWN_REFERENCE"]


async def test_the_place_of_a_fault_inside_a_list_is_named(graph: Graph) -> None:
    record = INPUTS["upsertUsers"][2]
    payload = await write(
        graph,
        "upsertUsers",
        record | {"interests": [{"name": "tool-1", "kind": "TOOL"}, {"name": "x", "kind": "TOPIC", "confidence": 1.5}]},
        record | {"points": -1},
    )
    assert [error["path"] for error in all_errors(payload)] == [
        ["users", "0", "interests", "1", "confidence"],
        ["users", "1", "points"],
    ]


async def test_a_users_tags_become_interests(graph: Graph) -> None:
    tags = [{"name": "tool-1", "kind": "TOOL", "confidence": 0.5}, {"name": "go", "kind": "TOPIC"}]
    assert counts(await write(graph, "upsertUsers", {"key": "ada", "username": "Ada", "interests": tags})) == (
        0,
        1,
        0,
        0,
    )
    data = await graph.data("{ viewer { interests { key name kind confidence source } } }", user("ada"))
    assert data["viewer"]["interests"] == [
        {"key": "go", "name": "go", "kind": "TOPIC", "confidence": 1.0, "source": "IMPORTED"},
        {"key": "tool-1", "name": "tool-1", "kind": "TOOL", "confidence": 0.5, "source": "IMPORTED"},
    ]


async def test_only_an_administrator_appoints_administrators(graph: Graph) -> None:
    record = INPUTS["upsertUsers"][2] | {"role": "ADMINISTRATOR"}
    payload = await write(graph, "upsertUsers", record)
    assert counts(payload) == (0, 0, 0, 1)
    assert [(error["code"], error["path"]) for error in all_errors(payload)] == [("FORBIDDEN", ["users", "0", "role"])]
    assert counts(await write(graph, "upsertUsers", record, caller=ADMINISTRATOR)) == (1, 0, 0, 0)


async def test_more_than_a_thousand_records_are_refused_and_none_is_written(graph: Graph) -> None:
    for name, (argument, _, record) in INPUTS.items():
        payload = await write(graph, name, *[record] * 1_001)
        assert counts(payload) == (0, 0, 0, 1_001)
        assert [(error["code"], error["path"]) for error in all_errors(payload)] == [("TOO_MANY", [argument])]
    for name in REMOVALS:
        data = await graph.data(remove(name), SERVICE, given=["p0001"] * 1_001)
        assert data[name] == {"removed": 0, "userErrors": [{"code": "TOO_MANY", "path": ["keys"]}]}
    assert graph.notifications == []


async def test_what_is_removed_is_gone(graph: Graph) -> None:
    keys = ["p0001", "p0001", "nothing", "\x00", ""]
    assert (await graph.data(remove("removeProjects"), SERVICE, given=keys))["removeProjects"]["removed"] == 1
    assert await graph.data('{ project(key: "p0001") { key } }') == {"project": None}
    likes = (await graph.data('{ project(key: "p0000") { likeCount } }'))["project"]["likeCount"]
    assert (await graph.data(remove("removeUsers"), SERVICE, given=["ada", "author"]))["removeUsers"]["removed"] == 2
    data = await graph.data(
        '{ project(key: "p0000") { likeCount owner { key } } viewer { user { key } version } }', user("ada")
    )
    assert data["project"] == {"likeCount": likes - 1, "owner": None}
    assert data["viewer"] == {"user": None, "version": 0}
    for name in REMOVALS:
        assert (await graph.data(remove(name), SERVICE, given=[]))[name] == {"removed": 0, "userErrors": []}
