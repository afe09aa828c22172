"""The platform's own quiz: questions sent by its servers."""

from typing import Any

from sqlalchemy import select

from db.models import OnboardingQuestion
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, Graph, all_errors, user

UPSERT = """mutation ($questions: [OnboardingQuestionInput!]!, $retireOthers: Boolean) {
  upsertOnboardingQuestions(questions: $questions, retireOthers: $retireOthers) {
    added changed unchanged refused userErrors { code message path }
    results { index key status userErrors { code message path } } } }"""
QUESTIONS = """query ($locale: String) { onboardingQuestions(locale: $locale) {
  key type text version maxChoices minChoices allowsText locale options { key label icon tool { key } } } }"""

TOOLS: dict[str, Any] = {
    "key": "tools", "type": "TOOL_SELECT", "text": "Which?", "order": 1, "maxChoices": 2,
    "translations": [{"locale": "pt-BR", "text": "Quais?"}],
    "options": [
        {"key": "a", "label": "A", "icon": "🅰", "term": {"tool": "tool-1"},
         "translations": [{"locale": "pt", "label": "Á"}]},
        {"key": "b", "label": "B", "term": {"tool": "tool-2"}},
    ],
}  # fmt: skip
LEVEL: dict[str, Any] = {
    "key": "level", "type": "EXPERIENCE", "text": "How far?", "options": [{"key": "x", "label": "X"}],
}  # fmt: skip


async def upsert(graph: Graph, questions: list[dict[str, Any]], retire_others: bool = False) -> dict[str, Any]:
    data = await graph.data(UPSERT, SERVICE, questions=questions, retireOthers=retire_others)
    payload: dict[str, Any] = data["upsertOnboardingQuestions"]
    return payload


async def test_questions_are_added_changed_and_given_versions(graph: Graph) -> None:
    payload = await upsert(graph, [TOOLS, LEVEL])
    assert (payload["added"], payload["changed"], payload["userErrors"]) == (2, 0, [])
    asked = (await graph.data(QUESTIONS))["onboardingQuestions"]
    assert [(one["key"], one["version"], one["maxChoices"]) for one in asked] == [("level", 1, 1), ("tools", 1, 2)]
    assert asked[1]["options"][0] == {"key": "a", "label": "A", "icon": "🅰", "tool": {"key": "tool-1"}}
    payload = await upsert(graph, [TOOLS, LEVEL | {"text": "How far are you?"}])
    assert (payload["added"], payload["changed"], payload["unchanged"]) == (0, 1, 1)
    asked = (await graph.data(QUESTIONS))["onboardingQuestions"]
    assert [(one["key"], one["version"], one["text"]) for one in asked] == [
        ("level", 2, "How far are you?"), ("tools", 1, "Which?"),
    ]  # fmt: skip


async def test_a_language_falls_back_text_by_text(graph: Graph) -> None:
    await upsert(graph, [TOOLS])
    (asked,) = (await graph.data(QUESTIONS, locale="pt-br"))["onboardingQuestions"]
    assert (asked["text"], asked["locale"]) == ("Quais?", "pt-br")
    assert [option["label"] for option in asked["options"]] == ["Á", "B"]


async def test_a_question_is_retired_alone_or_with_all_others(graph: Graph) -> None:
    await upsert(graph, [TOOLS, LEVEL])
    await upsert(graph, [TOOLS | {"active": False}])
    assert [one["key"] for one in (await graph.data(QUESTIONS))["onboardingQuestions"]] == ["level"]
    await upsert(graph, [LEVEL | {"key": "other"}], retire_others=True)
    assert [one["key"] for one in (await graph.data(QUESTIONS))["onboardingQuestions"]] == ["other"]
    await upsert(graph, [], retire_others=True)
    assert (await graph.data(QUESTIONS))["onboardingQuestions"] == []


BAD: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"key": ""}, "INVALID", ["questions", "1", "key"]),
    ({"text": ""}, "INVALID", ["questions", "1", "text"]),
    ({"options": []}, "INVALID", ["questions", "1", "options"]),
    ({"options": [TOOLS["options"][0]] * 51}, "INVALID", ["questions", "1", "options"]),
    ({"options": [{"key": "a", "label": "A", "term": {"tool": "tool-1"}}] * 2}, "INVALID", ["questions", "1"]),
    ({"options": [{"key": "a", "label": "A"}], "maxChoices": 1}, "INVALID", ["questions", "1"]),
    (
        {"options": [{"key": "a", "label": "A", "term": {"category": "robots"}}], "maxChoices": 1},
        "INVALID",
        ["questions", "1"],
    ),
    ({"maxChoices": 3}, "INVALID", ["questions", "1"]),
    ({"minChoices": 3}, "INVALID", ["questions", "1"]),
    ({"minChoices": -1}, "INVALID", ["questions", "1", "minChoices"]),
    (
        {"translations": [{"locale": "not a language", "text": "x"}]},
        "INVALID",
        ["questions", "1", "translations", "0", "locale"],
    ),
    (
        {"options": [{"key": "a", "label": "A", "term": {"tool": "nothing"}}], "maxChoices": 1},
        "UNKNOWN_REFERENCE",
        ["questions", "1", "options", "0", "term", "tool"],
    ),
]  # fmt: skip


async def test_an_option_stands_for_a_tool_or_a_category_and_the_schema_itself_says_so(graph: Graph) -> None:
    options = [{"key": "a", "label": "A", "term": {"tool": "tool-1", "category": "robots"}}]
    result = await graph.ask(UPSERT, SERVICE, questions=[TOOLS | {"options": options}])
    assert result.errors is not None
    assert "OptionTermInput" in result.errors[0].message
    payload = await upsert(graph, [TOOLS | {"options": [{"key": "", "label": "A", "term": {"tool": "tool-1"}}]}])
    assert ["questions", "0", "options", "0", "key"] in [error["path"] for error in all_errors(payload)]


async def test_a_bad_question_is_named_and_does_not_keep_the_others_out(graph: Graph) -> None:
    for wrong, code, path in BAD:
        payload = await upsert(graph, [LEVEL, TOOLS | wrong])
        found = [(error["code"], error["path"]) for error in all_errors(payload)]
        assert found == [(code, path)], (wrong, payload)
        assert payload["refused"] == 1
    assert len(await graph.database.fetch(select(OnboardingQuestion.id))) == 1


async def test_more_than_five_questions_are_refused_whole(graph: Graph) -> None:
    payload = await upsert(graph, [LEVEL | {"key": f"q{n}"} for n in range(6)])
    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("TOO_MANY", ["questions"])]
    assert "at most 5" in payload["userErrors"][0]["message"]
    payload = await upsert(graph, [LEVEL | {"key": f"q{n}"} for n in range(51)])
    assert [error["code"] for error in payload["userErrors"]] == ["TOO_MANY"]
    assert (await graph.data(QUESTIONS))["onboardingQuestions"] == []


async def test_only_the_platforms_servers_change_the_quiz(graph: Graph) -> None:
    refresh = "mutation { refreshOnboardingQuestions { changed } }"
    for caller, code in (
        (ANONYMOUS_VIEWER, "UNAUTHENTICATED"),
        (user("ada"), "FORBIDDEN"),
        (Caller(session_key="s"), "UNAUTHENTICATED"),
    ):
        assert (await graph.refusal(UPSERT, caller, questions=[LEVEL]))[0] == code
        assert (await graph.refusal(refresh, caller))[0] == code
    assert (await graph.data(refresh, SERVICE))["refreshOnboardingQuestions"] == {"changed": 4}
    assert (await graph.data(refresh, SERVICE))["refreshOnboardingQuestions"] == {"changed": 0}
