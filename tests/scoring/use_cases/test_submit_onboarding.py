"""Rules of onboarding answers."""

import pytest

from db.models import QuestionType
from db.onboarding.question_records import MAX_ANSWER_LENGTH
from db.onboarding.questions import Option, Question
from scoring.use_cases.input_errors import InputRefused, Step, UserErrorCode
from scoring.use_cases.submit_onboarding import MAX_ANSWERS, MAX_REPORTED_ERRORS, SentAnswer, check_answers


def question(
    key: str, *options: str, least: int = 1, most: int = 2, text: bool = False, active: bool = True
) -> Question:
    listed = tuple(Option(id=one, label=one, icon="", description="", term=None) for one in options)
    return Question(
        id=1, key=key, type=QuestionType.USE_CASE, text=key, description="", options=listed, position=0, active=active,
        least=least, most=most, allows_text=text, automatic=False, version=1, locale=None,
    )  # fmt: skip


QUESTIONS = [
    question("tools", "suno", "udio", "piano"),
    question("use-case", "art", text=True),
    question("level", "new", "old", most=1),
    question("pair", "left", "right", least=2),
    question("retired", "a", active=False),
]
TOOLS = SentAnswer("tools", ("suno",))
Expected = list[tuple[UserErrorCode, tuple[Step, ...]]]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], [(UserErrorCode.EMPTY, ("answers",))]),
        ([SentAnswer("tools")], [(UserErrorCode.EMPTY, ("answers", 0))]),
        ([SentAnswer("use-case", text="  ")], [(UserErrorCode.EMPTY, ("answers", 0))]),
        ([SentAnswer("x", ("y",))], [(UserErrorCode.UNKNOWN_QUESTION, ("answers", 0, "question"))]),
        ([SentAnswer("\x00")], [(UserErrorCode.UNKNOWN_QUESTION, ("answers", 0, "question"))]),
        ([SentAnswer("retired", ("a",))], [(UserErrorCode.INACTIVE_QUESTION, ("answers", 0, "question"))]),
        ([SentAnswer("tools", ("suno", "art"))], [(UserErrorCode.UNKNOWN_OPTION, ("answers", 0, "options", 1))]),
        ([TOOLS, SentAnswer("tools", ("udio",))], [(UserErrorCode.INVALID, ("answers", 1, "question"))]),
        ([SentAnswer("level", ("new", "old"))], [(UserErrorCode.TOO_MANY, ("answers", 0, "options"))]),
        ([SentAnswer("tools", tuple(map(str, range(9_999))))], [(UserErrorCode.TOO_MANY, ("answers", 0, "options"))]),
        ([SentAnswer("pair", ("left",))], [(UserErrorCode.INVALID, ("answers", 0, "options"))]),
        ([TOOLS] * (MAX_ANSWERS + 1), [(UserErrorCode.TOO_MANY, ("answers",))]),
        ([SentAnswer("tools", text="x")], [(UserErrorCode.INVALID, ("answers", 0, "text"))]),
        (
            [SentAnswer("use-case", text="x" * (MAX_ANSWER_LENGTH + 1))],
            [(UserErrorCode.INVALID, ("answers", 0, "text"))],
        ),
        ([SentAnswer("use-case", text="a\x00b")], [(UserErrorCode.INVALID, ("answers", 0, "text"))]),
        ([SentAnswer("tools", ("suno",), skip=True)], [(UserErrorCode.INVALID, ("answers", 0, "skip"))]),
        (
            [SentAnswer("tools", ("a", "b")), SentAnswer("level", ("new",)), SentAnswer("x")],
            [
                (UserErrorCode.UNKNOWN_OPTION, ("answers", 0, "options", 0)),
                (UserErrorCode.UNKNOWN_OPTION, ("answers", 0, "options", 1)),
                (UserErrorCode.UNKNOWN_QUESTION, ("answers", 2, "question")),
            ],
        ),
    ],
)
def test_each_error_is_reported_with_its_path(sent: list[SentAnswer], expected: Expected) -> None:
    with pytest.raises(InputRefused) as refused:
        check_answers(sent, QUESTIONS, "answers")
    assert [(error.code, error.path) for error in refused.value.errors] == expected


def test_no_more_than_twenty_errors_are_reported() -> None:
    with pytest.raises(InputRefused) as refused:
        check_answers([SentAnswer(f"unknown-{n}") for n in range(MAX_REPORTED_ERRORS + 5)], QUESTIONS, "answers")
    assert len(refused.value.errors) == MAX_REPORTED_ERRORS


def test_a_single_answer_is_reported_without_an_index() -> None:
    with pytest.raises(InputRefused) as refused:
        check_answers([SentAnswer("tools", ("x",))], QUESTIONS, "answer")
    assert refused.value.errors[0].path == ("answer", "options", 0)


def test_an_option_twice_counts_once_and_own_words_count_as_a_choice() -> None:
    sent = [SentAnswer("level", ("new", "new")), SentAnswer("use-case", text=" songs "), SentAnswer("tools", skip=True)]
    level, use_case, tools = check_answers(sent, QUESTIONS, "answers")
    assert [option.id for option in level.options] == ["new"]
    assert use_case.text == "songs"
    assert tools.skipped
