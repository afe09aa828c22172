"""Each way in which a mutation may fail, as its description lists them: provoked, and nothing besides."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from sqlalchemy import insert, literal, select

from db.models import InteractionType, Mute, User, now
from resolvers.schema import schema
from resolvers.schema_documentation import MUTATION_ERROR_CODES
from scoring.use_cases.change_preferences import MAX_MUTES
from scoring.use_cases.input_errors import UserErrorCode
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ADMINISTRATOR, SERVICE, SESSION, Graph, all_errors, user
from tests.resolvers.onboarding.test_question_mutations import LEVEL, TOOLS

ADA = user("ada")
BOTH = Caller(user_key="cook", session_key="s1")
ANOTHER = Caller(user_key="ada", session_key="s1")
MANY = ["x"] * 1_001


class Try(NamedTuple):
    """Arguments of a mutation as they are written, who sends them, and the code that comes back."""

    mutation: str
    arguments: str
    caller: Caller
    code: str
    variables: Mapping[str, Any] = MappingProxyType({})
    declared: str = ""


def acts(mutation: str, unknown: str) -> list[Try]:
    """What fails for everything that is done to a project."""
    return [Try(mutation, unknown, ADA, "UNKNOWN_PROJECT"), Try(mutation, "", ADA, "INVALID")]


def answers(mutation: str, name: str, one: str) -> list[Try]:
    """What fails for the two mutations that answer the quiz; `one` is written around an answer."""

    def attempt(answer: str, code: str, caller: Caller = ADA) -> Try:
        return Try(mutation, f"{name}: {one.replace('*', answer)}", caller, code)

    eleven = ", ".join(f'"{n}"' for n in range(11))
    return [
        attempt('{question: "nothing", options: ["a"]}', "UNKNOWN_QUESTION"),
        attempt('{question: "retired", options: ["x"]}', "INACTIVE_QUESTION"),
        attempt('{question: "tools", options: ["z"]}', "UNKNOWN_OPTION"),
        attempt('{question: "tools"}', "EMPTY"),
        attempt('{question: "tools", options: ["a"], skip: true}', "INVALID"),
        attempt(f'{{question: "tools", options: [{eleven}]}}', "TOO_MANY"),
    ]


ON_PROJECTS = ("likeProject", "unlikeProject", "saveProject", "unsaveProject", "dismissProject", "undoDismissal")
INPUTS = {
    "projects": "ProjectInput",
    "tools": "ToolInput",
    "categories": "CategoryInput",
    "users": "UserInput",
    "questions": "OnboardingQuestionInput",
}


def batches(mutation: str, name: str, sound: dict[str, Any], bad: dict[str, Any]) -> list[Try]:
    """What fails for batches of records."""
    declared = f"($x: [{INPUTS[name]}!]!)"
    return [
        Try(mutation, f"{name}: $x", SERVICE, "INVALID", {"x": [sound | bad]}, declared),
        Try(mutation, f"{name}: $x", SERVICE, "TOO_MANY", {"x": [sound] * 1_001}, declared),
    ]


TRIES: list[Try] = [
    *(one for name in ON_PROJECTS for one in acts(name, 'key: "p0900"')),
    Try("dismissProject", 'key: "p0000", reasonId: "made up"', ADA, "INVALID"),
    Try("recordInteractions", "events: $x", ADA, "TOO_MANY", {"x": [{"project": "p0000", "type": "VIEW"}] * 501},
        "($x: [InteractionInput!]!)"),
    Try("setInterests", 'interests: [{kind: TOOL, key: "none"}]', ADA, "UNKNOWN_REFERENCE"),
    Try("setInterests", "interests: $x", ADA, "TOO_MANY", {"x": [{"kind": "TOOL", "key": "tool-1"}] * 201},
        "($x: [InterestInput!]!)"),
    Try("removeInterest", 'interest: {kind: TOOL, key: "none"}', ADA, "UNKNOWN_REFERENCE"),
    Try("removeInterest", "interest: {kind: TOOL}", ADA, "INVALID"),
    Try("setInterests", "interests: [{kind: TOOL}]", ADA, "INVALID"),
    Try("unmute", "kind: TOOL", ADA, "INVALID"),
    Try("skipOnboardingQuestion", "", ADA, "INVALID"),
    *acts("mute", 'kind: PROJECT, key: "p0900"'),
    Try("mute", 'kind: OWNER, key: "none"', ADA, "UNKNOWN_REFERENCE"),
    Try("mute", 'kind: OWNER, key: "author"', user("hermit"), "TOO_MANY"),
    Try("updatePersonalizationSettings", "settings: {discovery: 101}", ADA, "INVALID"),
    *answers("submitOnboarding", "answers", "[*]"),
    *answers("answerOnboardingQuestion", "answer", "*"),
    Try("skipOnboardingQuestion", 'question: "nothing"', ADA, "UNKNOWN_QUESTION"),
    Try("skipOnboardingQuestion", 'question: "retired"', ADA, "INACTIVE_QUESTION"),
    Try("claimSession", "", ADA, "INVALID"),
    Try("claimSession", "", ANOTHER, "FORBIDDEN"),
    Try("exportMyData", "first: 1", SESSION, "FORBIDDEN"),
    Try("deleteMyData", "projects: KEEP", SESSION, "FORBIDDEN"),
    *batches("upsertProjects", "projects", {"key": "n", "title": "N", "type": "t"}, {"type": "Not So"}),
    Try("upsertProjects", 'projects: [{key: "n", title: "N", type: "t", owner: "none"}]', SERVICE, "UNKNOWN_REFERENCE"),
    *batches("upsertTools", "tools", {"key": "n", "name": "N"}, {"key": ""}),
    *batches("upsertCategories", "categories", {"key": "n", "name": "N"}, {"key": ""}),
    *batches("upsertUsers", "users", {"key": "n", "username": "N"}, {"key": ""}),
    Try("upsertUsers", 'users: [{key: "n", username: "N", role: ADMINISTRATOR}]', SERVICE, "FORBIDDEN"),
    *batches("upsertOnboardingQuestions", "questions", LEVEL, {"key": ""}),
    Try("upsertOnboardingQuestions", "questions: $x", SERVICE, "UNKNOWN_REFERENCE",
        {"x": [TOOLS | {"options": [{"key": "a", "label": "A", "term": {"tool": "none"}}], "maxChoices": 1}]},
        "($x: [OnboardingQuestionInput!]!)"),
    Try("removeProjects", "keys: $x", SERVICE, "TOO_MANY", {"x": MANY}, "($x: [String!]!)"),
    Try("removeUsers", "keys: $x", SERVICE, "TOO_MANY", {"x": MANY}, "($x: [String!]!)"),
    Try("removeUsers", 'keys: ["maker"], newOwner: "none"', SERVICE, "UNKNOWN_REFERENCE"),
    Try("removeUsers", 'keys: ["chief"]', SERVICE, "FORBIDDEN"),
]  # fmt: skip


@pytest.fixture
async def prepared(graph: Graph) -> Graph:
    """Give the graph with a quiz, a question retired, a session claimed, an administrator, and who mutes everybody."""
    write = "mutation ($q: [OnboardingQuestionInput!]!) { upsertOnboardingQuestions(questions: $q) { refused } }"
    await graph.data(write, SERVICE, q=[TOOLS, LEVEL | {"key": "retired", "active": False}])
    await graph.world.act("cook", InteractionType.VIEW, "p0001")
    await graph.data("mutation { claimSession { status } }", BOTH)
    appoint = 'mutation { upsertUsers(users: [{key: "chief", username: "C", role: ADMINISTRATOR}]) { added } }'
    await graph.data(appoint, ADMINISTRATOR)
    await graph.world.add_users("hermit", *(f"somebody-{n}" for n in range(MAX_MUTES)))
    await graph.data('mutation { likeProject(key: "p0000") { changed } }', user("hermit"))
    actor_id = (await graph.world.viewer("hermit")).actor_id
    everybody = select(literal(actor_id), User.id, literal(now())).where(User.key.startswith("somebody-"))
    async with graph.database.write() as connection:
        await connection.execute(insert(Mute).from_select(["actor_id", "owner_id", "created_at"], everybody))
    return graph


def test_every_code_that_a_description_lists_is_tried() -> None:
    assert schema.mutation is not None
    described = {(name, code.name) for name, codes in MUTATION_ERROR_CODES.items() for code in codes}
    tried = {(one.mutation, one.code) for one in TRIES}
    assert tried == described


def test_every_mutation_says_how_it_may_fail() -> None:
    mutation = schema._schema.mutation_type
    assert mutation is not None
    assert set(MUTATION_ERROR_CODES) == set(mutation.fields)
    for name, codes in MUTATION_ERROR_CODES.items():
        told = (mutation.fields[name].description or "").partition("```")[0]
        assert {code.name for code in UserErrorCode if code.name in told} == {code.name for code in codes}, name


async def test_what_may_go_wrong_comes_back_as_data_with_its_code(prepared: Graph) -> None:
    for one in TRIES:
        arguments = f"({one.arguments})" if one.arguments else ""
        results = "results { userErrors { code message path } }" if one.mutation.startswith("upsert") else ""
        asked = f"userErrors {{ code message path }} {results}"
        document = f"mutation {one.declared} {{ {one.mutation}{arguments} {{ {asked} }} }}"
        payload = (await prepared.data(document, one.caller, **dict(one.variables)))[one.mutation]
        errors = all_errors({"results": []} | payload)
        codes = [error["code"] for error in errors]
        assert codes, one[:4]
        assert set(codes) == {one.code}, one[:4]
