"""The quiz through the graph: asked, answered, skipped, gone on with, and every way to get it wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from db.database.engine import Database
from db.embeddings.base import Embedder
from db.errors import Store, StoreUnavailable
from db.models import ActorInterest, OnboardingQuestion, OnboardingResponse
from db.onboarding.questions import upsert_questions
from db.stores import Stores
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.onboarding.generated_questions import refresh_questions
from scoring.use_cases.unit_of_work import Caller
from tests.conftest import CountStatements
from tests.resolvers.conftest import SESSION, Graph, assert_plain, user
from tests.scoring.onboarding.test_generated_questions import own_question
from tests.world import MOMENT, embedded_world

PAYLOAD = """{ saved profileUpdated userErrors { code message path }
  interests { key kind confidence source fromOnboarding }
  progress { questions answered skipped remaining share complete next { key } }
  status { needsOnboarding hasCompletedOnboarding stage strategy signalSummary { interests answers } }
  viewer { version } }"""
SUBMIT = f"mutation ($answers: [OnboardingAnswerInput!]!) {{ submitOnboarding(answers: $answers) {PAYLOAD} }}"
ANSWER = f"mutation ($answer: OnboardingAnswerInput!) {{ answerOnboardingQuestion(answer: $answer) {PAYLOAD} }}"
SKIP = f"mutation ($question: String!) {{ skipOnboardingQuestion(question: $question) {PAYLOAD} }}"
RESET = f"mutation {{ resetOnboarding {PAYLOAD} }}"
QUESTIONS = """query ($locale: String) { onboardingQuestions(locale: $locale) {
  id key type text description order minChoices maxChoices allowsText version locale
  options { id key label icon description chosen tool { key name } category { key name } }
  answer { options text skipped outdated answeredAt } } }"""
PROGRESS = (
    "{ onboardingProgress { questions answered skipped remaining share complete next { key options { chosen } } } }"
)

ANSWERS: list[dict[str, Any]] = [
    {"question": "tools", "options": ["tool-1", "tool-2"]},
    {"question": "categories", "options": ["robots"]},
    {"question": "use-case", "options": ["art"], "text": "Robots that paint <b>🎨</b>"},
    {"question": "experience", "options": ["builder"]},
]


@pytest.fixture
async def quiz(graph: Graph) -> Graph:
    """Give the graph with the quiz that its catalog makes."""
    await refresh_questions(graph.database)
    return graph


async def submit(graph: Graph, answers: list[dict[str, Any]], caller: Caller | None = None) -> dict[str, Any]:
    payload: dict[str, Any] = (await graph.data(SUBMIT, caller or user("cook"), answers=answers))["submitOnboarding"]
    return payload


async def rows(graph: Graph, model: Any) -> int:
    return int((await graph.database.fetch(select(func.count()).select_from(model)))[0][0])


# --- asking --------------------------------------------------------------------------------------------------------


async def test_the_quiz_has_all_that_a_page_needs_to_show_it(quiz: Graph) -> None:
    asked = (await quiz.data(QUESTIONS))["onboardingQuestions"]
    assert [one["type"] for one in asked] == ["TOOL_SELECT", "CATEGORY_SELECT", "USE_CASE", "EXPERIENCE"]
    assert [one["order"] for one in asked] == [0, 1, 2, 3]
    tools, categories, use_case, experience = asked
    assert {option["tool"]["key"] for option in tools["options"]} == {f"tool-{n}" for n in range(7)}
    assert all(option["category"] is None for option in tools["options"])
    assert "robots" in {option["category"]["key"] for option in categories["options"]}
    assert (tools["minChoices"], tools["maxChoices"]) == (1, 6)
    assert (experience["minChoices"], experience["maxChoices"]) == (1, 1)
    assert use_case["allowsText"]
    assert all(option["icon"] and option["description"] for option in use_case["options"])
    assert all(one["answer"] is None and one["version"] == 1 and one["description"] for one in asked)


async def test_the_quiz_is_asked_in_another_language(quiz: Graph) -> None:
    asked = (await quiz.data(QUESTIONS, locale="de-AT"))["onboardingQuestions"]
    assert (asked[2]["text"], asked[2]["locale"]) == ("Was führt Sie her?", "de")
    for locale in ("", "xx", "-" * 100_000, "\x00"):
        asked = (await quiz.data(QUESTIONS, locale=locale))["onboardingQuestions"]
        assert (asked[2]["text"], asked[2]["locale"]) == ("What brings you here?", None)


async def test_asking_costs_the_same_whatever_the_number_of_options(quiz: Graph, statements: CountStatements) -> None:
    with statements(quiz.database) as issued:
        await quiz.data(QUESTIONS, user("cook"))
    assert len(issued) == 5, issued  # the questions, the viewer, the answers; tools and categories for their names
    with statements(quiz.database) as issued:
        await quiz.data(PROGRESS, user("cook"))
    assert len(issued) == 3, issued


# --- answering -----------------------------------------------------------------------------------------------------


async def test_answers_become_interests_a_status_and_a_feed_in_one_round_trip(quiz: Graph) -> None:
    payload = await submit(quiz, ANSWERS)
    assert (payload["saved"], payload["profileUpdated"], payload["userErrors"]) == (True, True, [])
    assert {(one["kind"], one["key"]) for one in payload["interests"]} == {
        ("TOOL", "tool-1"), ("TOOL", "tool-2"), ("CATEGORY", "robots"),
    }  # fmt: skip
    assert {(one["confidence"], one["source"], one["fromOnboarding"]) for one in payload["interests"]} == {
        (1.0, "MANUAL", True)
    }
    assert payload["status"] == {
        "needsOnboarding": False, "hasCompletedOnboarding": True, "stage": "QUIZ", "strategy": "ONBOARDING",
        "signalSummary": {"interests": 3, "answers": 4},
    }  # fmt: skip
    assert payload["progress"] == {
        "questions": 4, "answered": 4, "skipped": 0, "remaining": 0, "share": 1.0, "complete": True, "next": None,
    }  # fmt: skip
    assert payload["viewer"] == {"version": 1}
    stored = await quiz.database.fetch(select(OnboardingResponse.text).where(OnboardingResponse.text != ""))
    assert [row.text for row in stored] == ["Robots that paint <b>🎨</b>"]
    asked = (await quiz.data(QUESTIONS, user("cook")))["onboardingQuestions"]
    assert [option["key"] for option in asked[0]["options"] if option["chosen"]] == ["tool-1", "tool-2"]
    assert asked[2]["answer"] | {"answeredAt": None} == {
        "options": ["art"], "text": "Robots that paint <b>🎨</b>", "skipped": False, "outdated": False,
        "answeredAt": None,
    }  # fmt: skip


FEED = """mutation ($answers: [OnboardingAnswerInput!]!, $first: Int) { submitOnboarding(answers: $answers) {
  saved feed(first: $first) { kind strategy degraded edges { score node { key tools { key } categories { key } }
  explanation { summary score contributions { contribution signal { name label } } reasons { text } } } } } }"""


async def test_the_feed_of_the_answer_is_made_from_the_answers(quiz: Graph) -> None:
    before = (await quiz.data("{ forYou(first: 10) { edges { node { key } } } }", user("cook")))["forYou"]
    feed = (await quiz.data(FEED, user("cook"), answers=ANSWERS, first=10))["submitOnboarding"]["feed"]
    assert (feed["kind"], feed["strategy"], feed["degraded"]) == ("FOR_YOU", "ONBOARDING", [])
    assert [edge["node"]["key"] for edge in feed["edges"]] != [edge["node"]["key"] for edge in before["edges"]]
    chosen = {"tool-1", "tool-2", "robots"}
    first = feed["edges"][0]
    assert chosen & {one["key"] for one in (*first["node"]["tools"], *first["node"]["categories"])}
    assert any("Matches your interest in" in reason["text"] for reason in first["explanation"]["reasons"])
    for edge in feed["edges"]:
        parts = edge["explanation"]["contributions"]
        assert {part["signal"]["name"] for part in parts} == {"answer_matches", "vector_similarity", "popularity"}
        assert sum(part["contribution"] for part in parts) == pytest.approx(edge["score"], abs=1e-9)


async def test_answering_with_the_feed_takes_a_constant_number_of_statements(
    quiz: Graph, statements: CountStatements
) -> None:
    counts = []
    for options, first in ((["tool-1"], 10), (["tool-1", "tool-2", "tool-3", "tool-4"], 30)):
        answers = [{"question": "tools", "options": options}, *ANSWERS[1:]]
        await submit(quiz, answers)  # so that both replace as much as they write
        with statements(quiz.database) as issued:
            await quiz.data(FEED, user("cook"), answers=answers, first=first)
        counts.append(len(issued))
    # The questions and the viewer; 8 for the answers (tests/db/onboarding/test_answers.py); 4 for the profile's vector;
    # the viewer again, 6 for a new ranking, the page, its contents, the terms; and 3 for the reasons.
    assert counts == [26, 26]


async def test_sending_it_again_replaces_and_never_duplicates(quiz: Graph) -> None:
    await submit(quiz, ANSWERS)
    await submit(quiz, ANSWERS)
    assert await rows(quiz, OnboardingResponse) == 4
    payload = await submit(quiz, [{"question": "tools", "options": ["tool-3"]}])
    assert {one["key"] for one in payload["interests"]} == {"tool-3", "robots"}
    assert await rows(quiz, OnboardingResponse) == 4
    assert payload["progress"]["answered"] == 4


async def test_interests_made_by_hand_outlive_every_answer(quiz: Graph) -> None:
    stated = 'mutation { setInterests(interests: [{kind: TOOL, key: "tool-1"}]) { changed } }'
    await quiz.data(stated, user("cook"))
    await submit(quiz, ANSWERS)
    payload = await submit(quiz, [{"question": "tools", "options": ["tool-3"]}])
    shown = {one["key"]: one["fromOnboarding"] for one in payload["interests"]}
    assert shown == {"tool-1": False, "tool-3": True, "robots": True}


async def test_a_quiz_is_gone_on_with_where_it_was_left(quiz: Graph) -> None:
    async def progress() -> dict[str, Any]:
        found: dict[str, Any] = (await quiz.data(PROGRESS, user("cook")))["onboardingProgress"]
        return found

    assert ((await progress())["next"]["key"], (await progress())["share"]) == ("tools", 0.0)
    payload = (await quiz.data(ANSWER, user("cook"), answer=ANSWERS[0]))["answerOnboardingQuestion"]
    assert (payload["saved"], payload["progress"]["next"]) == (True, {"key": "categories"})
    payload = (await quiz.data(SKIP, user("cook"), question="categories"))["skipOnboardingQuestion"]
    assert (payload["progress"]["skipped"], payload["progress"]["next"]) == (1, {"key": "use-case"})
    assert (await progress())["share"] == 0.5
    await quiz.data(SKIP, user("cook"), question="tools")  # changes one's mind: what came from the answer goes
    payload = (await quiz.data(RESET, user("cook")))["resetOnboarding"]
    assert (payload["saved"], payload["interests"], payload["progress"]["remaining"]) == (True, [], 4)
    assert payload["status"]["needsOnboarding"] is True


async def test_whoever_skips_all_is_not_asked_again_and_gets_what_is_popular(quiz: Graph) -> None:
    payload = await submit(quiz, [{"question": one["question"], "skip": True} for one in ANSWERS])
    assert payload["progress"]["complete"] is True
    assert payload["status"] == {
        "needsOnboarding": False, "hasCompletedOnboarding": True, "stage": "NEW", "strategy": "POPULAR",
        "signalSummary": {"interests": 0, "answers": 0},
    }  # fmt: skip
    assert (await quiz.data("{ forYou { strategy } }", user("cook")))["forYou"]["strategy"] == "POPULAR"


async def test_a_use_case_alone_makes_a_feed_by_meaning(quiz: Graph) -> None:
    words = [{"question": "use-case", "text": "robots that play chess"}]
    payload = await submit(quiz, words)
    assert (payload["interests"], payload["status"]["strategy"]) == ([], "ONBOARDING")
    feed = (await quiz.data("{ forYou(first: 6) { strategy edges { node { title } } } }", user("cook")))["forYou"]
    assert feed["strategy"] == "ONBOARDING"
    near = [edge for edge in feed["edges"] if "robots" in edge["node"]["title"] or "chess" in edge["node"]["title"]]
    assert len(near) >= 4


async def test_a_session_answers_like_a_user(quiz: Graph) -> None:
    payload = await submit(quiz, ANSWERS, SESSION)
    assert payload["saved"]
    assert (await quiz.data("{ forYou { strategy } }", SESSION))["forYou"]["strategy"] == "ONBOARDING"


async def test_of_two_submissions_at_once_one_wins_whole(quiz: Graph) -> None:
    one = [{"question": "tools", "options": ["tool-1"]}, {"question": "categories", "options": ["robots"]}]
    other = [{"question": "tools", "options": ["tool-2"]}, {"question": "categories", "options": ["chess"]}]
    await asyncio.gather(*(submit(quiz, answers, user("twice")) for answers in (one, other)))
    data = await quiz.data("{ viewer { interests { key } version } }", user("twice"))
    assert {row["key"] for row in data["viewer"]["interests"]} in ({"tool-1", "robots"}, {"tool-2", "chess"})
    assert data["viewer"]["version"] == 2
    assert await rows(quiz, OnboardingResponse) == 2


# --- bad input -----------------------------------------------------------------------------------------------------

# Each rule is tested in tests/scoring/use_cases/test_submit_onboarding.py.
BAD: list[tuple[str, list[dict[str, Any]], list[tuple[str, list[str]]]]] = [
    ("nothing", [], [("EMPTY", ["answers"])]),
    (
        "an inactive question",
        [{"question": "old", "options": ["a"]}],
        [("INACTIVE_QUESTION", ["answers", "0", "question"])],
    ),
    (
        "a skip that says something",
        [{"question": "tools", "options": ["tool-1"], "skip": True}],
        [("INVALID", ["answers", "0", "skip"])],
    ),
    (
        "several faults at once",
        [{"question": "tools", "options": ["a", "b"]}, ANSWERS[1], {"question": "x"}],
        [
            ("UNKNOWN_OPTION", ["answers", "0", "options", "0"]),
            ("UNKNOWN_OPTION", ["answers", "0", "options", "1"]),
            ("UNKNOWN_QUESTION", ["answers", "2", "question"]),
        ],
    ),
]


async def test_every_fault_is_named_with_its_path_and_nothing_is_stored(quiz: Graph) -> None:
    async with quiz.database.write() as connection:
        await upsert_questions(connection, [own_question("old", active=False)])
    for what, answers, faults in BAD:
        payload = await submit(quiz, answers)
        found = [(error["code"], error["path"]) for error in payload["userErrors"]]
        assert found == faults, what
        assert not payload["saved"]
        for error in payload["userErrors"]:
            assert_plain(error["message"])
    assert await rows(quiz, OnboardingResponse) == 0
    assert await rows(quiz, ActorInterest) == 2  # of the tests' painter
    assert quiz.notifications == []


async def test_a_fault_of_one_answer_has_the_path_of_that_argument(quiz: Graph) -> None:
    bad = {"question": "tools", "options": ["x"]}
    payload = (await quiz.data(ANSWER, user("cook"), answer=bad))["answerOnboardingQuestion"]
    assert [error["path"] for error in payload["userErrors"]] == [["answer", "options", "0"]]
    payload = (await quiz.data(SKIP, user("cook"), question="x"))["skipOnboardingQuestion"]
    assert [(e["code"], e["path"]) for e in payload["userErrors"]] == [("UNKNOWN_QUESTION", ["question"])]


class AwayEmbedder:
    """An embedding model that is away."""

    def __init__(self, real: Embedder) -> None:
        self.model, self.dimension = real.model, real.dimension

    async def embed(self, texts: Any) -> Any:
        raise StoreUnavailable(Store.EMBEDDINGS, "away")

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def without_embeddings(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Graph]:
    """Give the graph with a quiz, and no embedding model."""
    async with embedded_world(sqlite_database, tmp_path) as world:
        await world.add_projects(40)
        await world.settle()
        await refresh_questions(sqlite_database)
        stores = world.stores
        world.stores = Stores(stores.database, stores.vectors, AwayEmbedder(stores.embedder), stores.cache)
        world.feeds = Feeds(world.stores, clock=lambda: MOMENT, deadlines=PATIENT, exploration=0.0)
        yield Graph(world)


async def test_while_the_embedding_model_is_away_answers_count_and_the_payload_says_what_is_missing(
    without_embeddings: Graph,
) -> None:
    payload = await submit(without_embeddings, ANSWERS)
    assert (payload["saved"], payload["profileUpdated"]) == (True, False)
    query = """{ forYou(first: 5) { strategy edges { node { tools { key } categories { key } }
        explanation { adjustments { rule } } } } }"""
    feed = (await without_embeddings.data(query, user("cook")))["forYou"]
    assert feed["strategy"] == "ONBOARDING"
    ranked = [edge for edge in feed["edges"] if {"rule": "EXPLORATION"} not in edge["explanation"]["adjustments"]]
    assert len(ranked) >= 4  # which project exploration places here depends on the date
    for edge in ranked:
        carried = {one["key"] for one in (*edge["node"]["tools"], *edge["node"]["categories"])}
        assert carried & {"tool-1", "tool-2", "robots"}


async def test_an_answer_to_a_question_that_has_changed_is_marked(quiz: Graph) -> None:
    await submit(quiz, ANSWERS)
    async with quiz.database.write() as connection:
        await connection.execute(OnboardingQuestion.__table__.update().values(version=9))
    asked = (await quiz.data(QUESTIONS, user("cook")))["onboardingQuestions"]
    assert all(one["answer"]["outdated"] for one in asked)
