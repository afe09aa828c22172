"""Things named by `key` or by `id`: the same thing either way, and one clear error otherwise."""

from typing import Any

import pytest

from resolvers.common.global_ids import global_id
from tests.resolvers.conftest import SERVICE, Graph, all_errors, user

PROJECT, OTHER, TOOL = global_id("Project", "p0001"), global_id("User", "ada"), global_id("Tool", "tool-1")
ADA = user("ada")


async def test_a_query_finds_the_same_by_key_and_by_id(graph: Graph) -> None:
    query = """query ($key: String, $id: ID, $keys: [String!], $ids: [ID!]) {
        project(key: $key, id: $id) { key } projects(keys: $keys, ids: $ids) { key }
        whyNot(key: $key, id: $id) { project { key } } }"""
    by_key = await graph.data(query, ADA, key="p0001", keys=["p0001", "p0900"])
    by_id = await graph.data(query, ADA, id=PROJECT, ids=[PROJECT, global_id("Project", "p0900")])
    assert by_key == by_id
    assert by_id["projects"] == [{"key": "p0001"}, None]


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("", "BAD_USER_INPUT"),
        (f'(key: "p0001", id: "{PROJECT}")', "BAD_USER_INPUT"),
        (f'(id: "{OTHER}")', "BAD_ID"),
        ('(id: "made up")', "BAD_ID"),
    ],
)
async def test_a_query_that_names_nothing_is_one_error(graph: Graph, named: str, code: str) -> None:
    assert await graph.refusal(f"{{ project{named} {{ key }} }}") == (code, ["project"])
    assert await graph.refusal(f"{{ whyNot{named} {{ outcome }} }}") == (code, ["whyNot"])


async def test_lists_are_named_by_keys_or_by_ids(graph: Graph) -> None:
    for named in ("", f'(keys: ["p0001"], ids: ["{PROJECT}"])'):
        assert await graph.refusal(f"{{ projects{named} {{ key }} }}") == ("BAD_USER_INPUT", ["projects"])
    assert await graph.refusal(f'{{ projects(ids: ["{OTHER}"]) {{ key }} }}') == ("BAD_ID", ["projects"])


@pytest.mark.parametrize(
    "mutation",
    [
        f'likeProject(id: "{PROJECT}")',
        f'saveProject(id: "{PROJECT}")',
        f'dismissProject(id: "{PROJECT}")',
        f'mute(id: "{TOOL}")',
        f'mute(id: "{PROJECT}")',
        f'setInterests(interests: [{{id: "{TOOL}"}}])',
    ],
)
async def test_a_mutation_takes_an_id(graph: Graph, mutation: str) -> None:
    answer = await graph.data(f"mutation {{ done: {mutation} {{ changed userErrors {{ code path message }} }} }}", ADA)
    assert answer["done"] == {"changed": True, "userErrors": []}


@pytest.mark.parametrize(
    ("mutation", "path"),
    [
        ("likeProject", ["key"]),
        (f'unlikeProject(key: "p0001", id: "{PROJECT}")', ["key"]),
        (f'dismissProject(id: "{OTHER}")', ["id"]),
        ("undoDismissal", ["key"]),
        ("mute(kind: TOOL)", ["id"]),
        (f'unmute(kind: TOOL, id: "{TOOL}")', ["id"]),
        (f'setInterests(interests: [{{id: "{TOOL}"}}, {{id: "{PROJECT}"}}])', ["interests", "1", "id"]),
        ("removeInterest(interest: {kind: TOOL})", ["interest", "id"]),
    ],
)
async def test_a_mutation_that_names_nothing_changes_nothing(graph: Graph, mutation: str, path: list[str]) -> None:
    answer = await graph.data(f"mutation {{ done: {mutation} {{ changed userErrors {{ code path message }} }} }}", ADA)
    assert answer["done"]["changed"] is False
    ((code, found),) = [(error["code"], error["path"]) for error in all_errors(answer["done"] | {"results": []})]
    assert (code, found) == ("INVALID", path)


async def test_a_key_is_found_in_any_unicode_normalization(graph: Graph) -> None:
    """A key is stored in NFC; arguments and variables, as text and as id, may be decomposed."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    write = """mutation ($p: [ProjectInput!]!) { upsertProjects(projects: $p) {
        added changed unchanged results { key } } }"""
    made = {"title": "C", "type": "article", "owner": "ada", "url": "https://e.com/\u00e9"}
    payload = await graph.data(write, SERVICE, p=[made | {"key": key} for key in (decomposed, composed)])
    assert payload["upsertProjects"]["added"] == 1
    query = """query ($key: String, $keys: [String!], $id: ID) {
        byVariable: project(key: $key) { key } projects(keys: $keys) { key } byId: project(id: $id) { key }
        literal: project(key: "cafe\\u0301") { key } }"""
    id_ = global_id("Project", decomposed)
    found = await graph.data(query, ADA, key=decomposed, keys=[decomposed, composed], id=id_)
    project = {"key": composed}
    assert found == {"byVariable": project, "projects": [project] * 2, "byId": project, "literal": project}
    like = f'mutation {{ likeProject(key: "{decomposed}") {{ changed }} }}'
    assert (await graph.data(like, ADA))["likeProject"]["changed"]
    removed = await graph.data(
        "mutation ($k: [String!]!) { removeProjects(keys: $k) { removed } }", SERVICE, k=[decomposed]
    )
    assert removed["removeProjects"]["removed"] == 1


async def test_each_event_names_its_project(graph: Graph) -> None:
    events: list[dict[str, Any]] = [
        {"type": "VIEW", "projectId": PROJECT},
        {"type": "VIEW"},
        {"type": "VIEW", "project": "p0002", "projectId": PROJECT},
        {"type": "VIEW", "projectId": OTHER},
        {"type": "VIEW", "project": "p0002"},
    ]
    query = """mutation ($events: [InteractionInput!]!) { recordInteractions(events: $events) {
        recorded results { index status userErrors { code path message } } userErrors { code path message } } }"""
    payload = (await graph.data(query, ADA, events=events))["recordInteractions"]
    assert payload["recorded"] == 2
    assert [(error["code"], error["path"]) for error in all_errors(payload)] == [
        ("INVALID", ["events", "1", "project"]),
        ("INVALID", ["events", "2", "project"]),
        ("INVALID", ["events", "3", "projectId"]),
    ]


async def test_a_question_is_named_by_key_or_by_id(graph: Graph) -> None:
    question = {"key": "level", "type": "USE_CASE", "text": "?", "options": [{"key": "new", "label": "New"}]}
    write = "mutation ($q: [OnboardingQuestionInput!]!) { upsertOnboardingQuestions(questions: $q) { added } }"
    await graph.data(write, SERVICE, q=[question])
    id_ = global_id("OnboardingQuestion", "level")
    for answer, errors in (
        (f'questionId: "{id_}"', []),
        (f'question: "level", questionId: "{id_}"', [["answers", "0", "question"]]),
        ("", [["answers", "0", "question"]]),
    ):
        sent = f'mutation {{ submitOnboarding(answers: [{{{answer} options: ["new"]}}]) {{ userErrors {{ path }} }} }}'
        payload = (await graph.data(sent, ADA))["submitOnboarding"]
        assert [error["path"] for error in payload["userErrors"]] == errors
    skip = f'mutation {{ skipOnboardingQuestion(questionId: "{id_}") {{ saved }} }}'
    assert (await graph.data(skip, ADA))["skipOnboardingQuestion"]["saved"]
