"""What each role may do: a rule for every mutation, and what is private from every side."""

from typing import Any

import pytest
from graphql import GraphQLSchema
from sqlalchemy import func, select, update

from db.models import Actor, Role, User
from resolvers.common.global_ids import global_id
from resolvers.schema import schema
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ADMINISTRATOR, ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, all_errors, user

SCHEMA: GraphQLSchema = schema._schema

ANYBODY, SOMEBODY, ACCOUNT, PLATFORM = "anybody", "somebody", "account", "platform"
"""Who may: whoever asks; who can be remembered (a token or a session); who has a token; the platform's own service."""

CHANGED = "{ changed userErrors { code } }"
ERRORS = "{ userErrors { code } }"
RULES = {
    "likeProject": (SOMEBODY, f'likeProject(key: "p0001") {CHANGED}'),
    "unlikeProject": (SOMEBODY, f'unlikeProject(key: "p0001") {CHANGED}'),
    "saveProject": (SOMEBODY, f'saveProject(key: "p0001") {CHANGED}'),
    "unsaveProject": (SOMEBODY, f'unsaveProject(key: "p0001") {CHANGED}'),
    "recordInteractions": (SOMEBODY, f'recordInteractions(events: [{{project: "p0001", type: VIEW}}]) {ERRORS}'),
    "dismissProject": (SOMEBODY, f'dismissProject(key: "p0001") {CHANGED}'),
    "undoDismissal": (SOMEBODY, f'undoDismissal(key: "p0001") {CHANGED}'),
    "setInterests": (SOMEBODY, f'setInterests(interests: [{{kind: TOOL, key: "tool-1"}}]) {ERRORS}'),
    "removeInterest": (SOMEBODY, f'removeInterest(interest: {{kind: TOOL, key: "tool-1"}}) {ERRORS}'),
    "mute": (SOMEBODY, f'mute(kind: OWNER, key: "author") {ERRORS}'),
    "unmute": (SOMEBODY, f'unmute(kind: OWNER, key: "author") {ERRORS}'),
    "updatePersonalizationSettings": (
        SOMEBODY,
        f"updatePersonalizationSettings(settings: {{discovery: 50}}) {ERRORS}",
    ),
    "submitOnboarding": (SOMEBODY, f"submitOnboarding(answers: []) {ERRORS}"),
    "answerOnboardingQuestion": (SOMEBODY, f'answerOnboardingQuestion(answer: {{question: "x"}}) {ERRORS}'),
    "skipOnboardingQuestion": (SOMEBODY, f'skipOnboardingQuestion(question: "x") {ERRORS}'),
    "resetOnboarding": (SOMEBODY, f"resetOnboarding {ERRORS}"),
    "claimSession": (ACCOUNT, f"claimSession {ERRORS}"),
    "revokeSessions": (SOMEBODY, f"revokeSessions {ERRORS}"),
    "exportMyData": (SOMEBODY, f"exportMyData {ERRORS}"),
    "deleteMyData": (SOMEBODY, f"deleteMyData(projects: KEEP) {ERRORS}"),
    "upsertProjects": (
        PLATFORM,
        f'upsertProjects(projects: [{{key: "new", title: "New", type: "article"}}]) {ERRORS}',
    ),
    "removeProjects": (PLATFORM, f'removeProjects(keys: ["p0039"]) {ERRORS}'),
    "upsertTools": (PLATFORM, f'upsertTools(tools: [{{key: "new", name: "New"}}]) {ERRORS}'),
    "upsertCategories": (PLATFORM, f'upsertCategories(categories: [{{key: "new", name: "New"}}]) {ERRORS}'),
    "upsertUsers": (PLATFORM, f'upsertUsers(users: [{{key: "new", username: "New"}}]) {ERRORS}'),
    "upsertOnboardingQuestions": (PLATFORM, f"upsertOnboardingQuestions(questions: []) {ERRORS}"),
    "refreshOnboardingQuestions": (PLATFORM, "refreshOnboardingQuestions { __typename }"),
    "removeUsers": (PLATFORM, f'removeUsers(keys: ["painter-5"]) {ERRORS}'),
}

ASKERS = {
    "nobody": (ANONYMOUS_VIEWER, {ANYBODY}),
    "a session": (SESSION, {ANYBODY, SOMEBODY}),
    "a viewer": (Caller(user_key="cook", role=Role.VIEWER), {ANYBODY, SOMEBODY, ACCOUNT}),
    "a token without a role": (user("cook"), {ANYBODY, SOMEBODY, ACCOUNT}),
    "the service": (SERVICE, {ANYBODY, SOMEBODY, ACCOUNT, PLATFORM}),
    "an administrator": (ADMINISTRATOR, {ANYBODY, SOMEBODY, ACCOUNT, PLATFORM}),
}
REFUSALS = {"UNAUTHENTICATED", "FORBIDDEN"}


def test_every_mutation_has_a_rule() -> None:
    mutation = SCHEMA.mutation_type
    assert mutation is not None
    assert set(mutation.fields) == set(RULES)


@pytest.mark.parametrize("who", ASKERS)
async def test_each_role_may_do_what_its_rule_says_and_nothing_else(graph: Graph, who: str) -> None:
    caller, allowed = ASKERS[who]
    for name, (rule, document) in RULES.items():
        assert (await _refusals(graph, f"mutation {{ {document} }}", name, caller) == set()) is (rule in allowed), name


async def test_a_mutation_of_nobody_has_one_error_and_no_payload(graph: Graph) -> None:
    before = await graph.database.fetch(select(func.count()).select_from(Actor))
    for name, (_, document) in RULES.items():
        assert await graph.refusal(f"mutation {{ {document} }}", ANONYMOUS_VIEWER) == ("UNAUTHENTICATED", [name])
    assert await graph.database.fetch(select(func.count()).select_from(Actor)) == before
    assert graph.notifications == []


async def _refusals(graph: Graph, document: str, name: str, caller: Caller) -> set[str]:
    """Ask, and give those codes of the answer that say that the asker may not."""
    result = await graph.ask(document, caller)
    codes = {(error.extensions or {}).get("code") for error in result.errors or []}
    payload = (result.data or {}).get(name) or {}
    codes |= {getattr(error["code"], "name", error["code"]) for error in payload.get("userErrors", [])}
    assert None not in codes, [error.message for error in result.errors or []]
    return codes & REFUSALS


# Administrators.


async def _appoint(graph: Graph, key: str) -> None:
    async with graph.database.write() as connection:
        await connection.execute(update(User).where(User.key == key).values(role=Role.ADMINISTRATOR))


async def _roles(graph: Graph) -> dict[str, str]:
    return {row.key: row.role for row in await graph.database.fetch(select(User.key, User.role))}


async def _upsert_users(graph: Graph, caller: Caller, *users: dict[str, Any]) -> dict[str, Any]:
    document = """mutation ($given: [UserInput!]!) { upsertUsers(users: $given) {
        added changed unchanged refused userErrors { code message path }
        results { index key status userErrors { code message path } } } }"""
    payload: dict[str, Any] = (await graph.data(document, caller, given=list(users)))["upsertUsers"]
    all_errors(payload)
    return payload


async def test_a_service_takes_no_administrators_role_away_and_writes_the_others(graph: Graph) -> None:
    await _appoint(graph, "maker")
    demoted = {"key": "maker", "username": "Maker", "role": "VIEWER"}
    payload = await _upsert_users(graph, SERVICE, demoted, {"key": "cook", "username": "Chef"})
    assert (payload["changed"], payload["refused"]) == (1, 1)
    (error,) = all_errors(payload)
    assert (error["code"], error["path"]) == ("FORBIDDEN", ["users", "0", "role"])
    assert (await _roles(graph))["maker"] == "administrator"
    assert (await _upsert_users(graph, ADMINISTRATOR, demoted))["changed"] == 1
    assert (await _roles(graph))["maker"] == "viewer"


async def test_a_record_of_the_same_key_further_down_demotes_nobody_either(graph: Graph) -> None:
    await _appoint(graph, "maker")
    kept, demoted = {"key": "maker", "username": "A"}, {"key": "maker", "username": "B", "role": "SERVICE"}
    payload = await _upsert_users(graph, SERVICE, demoted, kept, demoted)
    assert (payload["changed"], payload["refused"]) == (1, 2)
    assert (await _roles(graph))["maker"] == "administrator"


async def test_a_service_changes_what_else_is_said_of_an_administrator(graph: Graph) -> None:
    await _appoint(graph, "maker")
    payload = await _upsert_users(graph, SERVICE, {"key": "maker", "username": "The maker"})
    assert (payload["changed"], payload["refused"]) == (1, 0)
    assert (await _roles(graph))["maker"] == "administrator"


async def test_a_service_appoints_no_administrator(graph: Graph) -> None:
    for key in ("cook", "unheard-of"):
        payload = await _upsert_users(graph, SERVICE, {"key": key, "username": "X", "role": "ADMINISTRATOR"})
        assert [error["code"] for error in all_errors(payload)] == ["FORBIDDEN"]
    assert "administrator" not in (await _roles(graph)).values()


async def test_a_service_deletes_no_administrator_and_then_nobody_else_of_the_batch(graph: Graph) -> None:
    await _appoint(graph, "maker")
    document = 'mutation { removeUsers(keys: ["cook", "maker"]) { removed receipt { id } userErrors { code path } } }'
    refused = (await graph.data(document, SERVICE))["removeUsers"]
    assert refused == {"removed": 0, "receipt": None, "userErrors": [{"code": "FORBIDDEN", "path": ["keys"]}]}
    assert {"cook", "maker"} <= (await _roles(graph)).keys()
    assert (await graph.data(document, ADMINISTRATOR))["removeUsers"]["removed"] == 2


async def test_an_administrator_may_delete_what_is_held_of_himself(graph: Graph) -> None:
    await _appoint(graph, "maker")
    document = "mutation { deleteMyData(projects: KEEP) { receipt { id } userErrors { code } } }"
    assert (await graph.data(document, user("maker")))["deleteMyData"]["receipt"] is not None
    assert "maker" not in await _roles(graph)


# What is private.

HIDDEN = "p0900"
CARD = "{ key title owner { key } }"
WAYS = {
    "project": f'project(key: "{HIDDEN}") {CARD}',
    "projects": f'projects(keys: ["{HIDDEN}"]) {CARD}',
    "node": f'node(id: "{global_id("Project", HIDDEN)}") {{ id ... on Project {CARD} }}',
    "similar": f'project(key: "{HIDDEN}") {{ similar(first: 3) {{ edges {{ node {CARD} }} }} }}',
    "explanation": f'project(key: "{HIDDEN}") {{ explanation {{ summary }} }}',
    "whyNot": f'whyNot(key: "{HIDDEN}") {{ summary }}',
    "forYou": f"forYou(first: 100) {{ edges {{ node {CARD} }} }}",
    "newest": f"newest(first: 100) {{ edges {{ node {CARD} }} }}",
    "popular": f"popular(first: 100) {{ edges {{ node {CARD} }} }}",
    "trending": f"trending(first: 100) {{ edges {{ node {CARD} }} }}",
    "search": f'search(query: "Hidden", first: 100) {{ edges {{ node {CARD} }} }}',
}
OTHERS = (ANONYMOUS_VIEWER, SESSION, user("ada"), SERVICE, ADMINISTRATOR)


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_private_is_shown_to_its_owner_only_whatever_the_way(graph: Graph, way: str) -> None:
    for caller in OTHERS:
        told = repr((await graph.ask(f"{{ {WAYS[way]} }}", caller)).data)
        assert "Hidden" not in told, caller
        assert "'maker'" not in told, caller
        unknown = (
            WAYS[way].replace(HIDDEN, "p7777").replace(global_id("Project", HIDDEN), global_id("Project", "p7777"))
        )
        assert repr((await graph.ask(f"{{ {unknown} }}", caller)).data) == told, caller
    if way in ("project", "projects", "node"):
        assert "Hidden" in repr((await graph.ask(f"{{ {WAYS[way]} }}", user("maker"))).data)


@pytest.mark.parametrize("act", ["likeProject", "saveProject", "dismissProject"])
async def test_nothing_can_be_done_with_what_is_private_and_its_existence_is_not_told(graph: Graph, act: str) -> None:
    for caller in (SESSION, user("ada"), ADMINISTRATOR):
        answers = [
            await graph.data(
                f'mutation {{ {act}(key: "{key}") {{ changed userErrors {{ code message path }} }} }}', caller
            )
            for key in (HIDDEN, "p7777")
        ]
        assert answers[0] == answers[1]
        assert answers[0][act]["userErrors"][0]["code"] == "UNKNOWN_PROJECT"


@pytest.mark.parametrize("feed", ["forYou(first: 2", 'search(query: "painting", first: 2', "trending(first: 2"])
async def test_another_viewers_cursor_opens_nothing(graph: Graph, feed: str) -> None:
    page = f"{feed}%s) {{ pageInfo {{ endCursor }} edges {{ node {{ key }} }} }}"
    name = feed.partition("(")[0]
    mine = (await graph.data(f"{{ {page % ''} }}", user("ada")))[name]
    next_page = page % f', after: "{mine["pageInfo"]["endCursor"]}"'
    assert (await graph.data(f"{{ {next_page} }}", user("ada")))[name]["edges"]
    for caller in (ANONYMOUS_VIEWER, SESSION, user("cook"), ADMINISTRATOR):
        result = await graph.ask(f"{{ {next_page} }}", caller)
        if result.errors is None:  # a ranking that everybody shares
            shared = (await graph.data(f"{{ {page % ''} }}", caller))[name]
            assert shared["edges"] == mine["edges"]
        else:
            assert [(error.extensions or {})["code"] for error in result.errors] == ["FOREIGN_CURSOR"]


async def test_a_token_that_lives_too_long_gives_an_administrators_row_no_more_than_a_viewers_rights(
    graph: Graph,
) -> None:
    appoint = 'mutation { upsertUsers(users: [{key: "chief", username: "C", role: ADMINISTRATOR}]) { added } }'
    await graph.data(appoint, ADMINISTRATOR)
    short, long = Caller(user_key="chief"), Caller(user_key="chief", may_administer=False)
    remove = 'mutation { removeTheUser: removeUsers(keys: ["nobody"]) { removed userErrors { code } } }'
    for caller, role in ((short, "ADMINISTRATOR"), (long, "VIEWER")):
        assert (await graph.data("{ viewer { role } }", caller))["viewer"]["role"] == role
    assert (await graph.data(remove, short))["removeTheUser"] == {"removed": 0, "userErrors": []}
    result = await graph.ask(remove, long)
    assert result.errors is not None
    assert "TOKEN_ADMINISTRATOR_HOURS" in result.errors[0].message
