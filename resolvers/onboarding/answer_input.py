"""Answers as clients send them, checked: what may be stored, or every fault with its path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import strawberry

from db.onboarding.answers import CheckedAnswer
from db.onboarding.question_records import MAX_ANSWER_LENGTH
from db.onboarding.questions import Question
from resolvers.common.global_ids import is_storable_text
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserError, UserErrorCode, too_many_error, user_error

MAX_ANSWERS = 50
"""Answers in one go: ten times what a quiz asks."""

MAX_REPORTED_ERRORS = 20
"""Faults that are told at once."""

Step = str | int


@strawberry.input(description="What you answer to one question of the quiz.")
class OnboardingAnswerInput:
    """An answer as a client sends it."""

    question: str = strawberry.field(description="The question's `key`.")
    options: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="The options chosen, by `key`, from the question's `minChoices` to its `maxChoices`. The same one "
        "twice counts once.",
    )
    text: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"Your own words, where the question's `allowsText` is true: up to {MAX_ANSWER_LENGTH} characters, kept "
        "exactly as sent. They join the text that your profile is made from.",
    )
    skip: bool | None = strawberry.field(
        default=strawberry.UNSET, description="True: you would rather not say. Leave the others out then."
    )


@dataclass
class CheckedAnswers:
    """What became of answers: those that may be stored, and the faults; with any fault nothing is to be stored."""

    choices: list[CheckedAnswer] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)


def check(answers: Sequence[OnboardingAnswerInput], questions: Sequence[Question], *path: Step) -> CheckedAnswers:
    """Check answers against the questions, whether these are asked today or not.

    Parameters
    ----------
    path
        Where the answers stand in the mutation's arguments. The index is added if it is ``"answers"``.
    """
    checked = CheckedAnswers()
    if not answers:
        checked.errors.append(user_error(UserErrorCode.EMPTY, "Answer at least one question.", *path))
    elif len(answers) > MAX_ANSWERS:
        checked.errors.append(too_many_error("answers", len(answers), MAX_ANSWERS))
    else:
        _check_each(answers, {question.key: question for question in questions}, checked, *path)
    return checked


def _check_each(
    answers: Sequence[OnboardingAnswerInput], questions: Mapping[str, Question], checked: CheckedAnswers, *path: Step
) -> None:
    seen: set[str] = set()
    for index, answer in enumerate(answers):
        where = (*path, index) if path == ("answers",) else path
        found = _question(answer.question, questions, seen)
        seen.add(answer.question)
        if isinstance(found, Question):
            _check_one(answer, found, checked, *where)
        else:
            code, message = found
            checked.errors.append(user_error(code, message, *where, "question"))
    del checked.errors[MAX_REPORTED_ERRORS:]


def _question(key: str, questions: Mapping[str, Question], seen: set[str]) -> Question | tuple[UserErrorCode, str]:
    if key in seen:
        return UserErrorCode.INVALID, "This question is answered twice; send one answer to it."
    question = questions.get(key)
    if question is None:
        return UserErrorCode.UNKNOWN_QUESTION, "The quiz has no such question; `onboardingQuestions` lists them by key."
    if not question.active:
        return UserErrorCode.INACTIVE_QUESTION, "This question is not asked any more; read `onboardingQuestions` anew."
    return question


def _check_one(answer: OnboardingAnswerInput, question: Question, checked: CheckedAnswers, *where: Step) -> None:
    keys = list(dict.fromkeys(unset_to_none(answer.options) or ()))
    text = (unset_to_none(answer.text) or "").strip()
    if unset_to_none(answer.skip):
        if keys or text:
            message = "Either skip the question or answer it: leave out `skip`, or `options` and `text`."
            checked.errors.append(user_error(UserErrorCode.INVALID, message, *where, "skip"))
        else:
            checked.choices.append(CheckedAnswer(question))
        return
    faults = [*_faults_of_options(keys, answer, question, *where), *_faults_of_text(text, question, *where)]
    if not faults and len(keys) + bool(text) < max(question.least, 1):
        faults = [_too_little(question, len(keys), *where)]
    checked.errors += faults
    if not faults:
        options = [option for key in keys if (option := question.option(key)) is not None]
        checked.choices.append(CheckedAnswer(question, tuple(options), text))


def _faults_of_options(
    keys: Sequence[str], answer: OnboardingAnswerInput, question: Question, *where: Step
) -> list[UserError]:
    if len(keys) > question.most:
        message = f"{len(keys)} options are too many: choose at most {question.most}."
        return [user_error(UserErrorCode.TOO_MANY, message, *where, "options")]
    sent = unset_to_none(answer.options) or []
    message = "The question has no such option (any more); `onboardingQuestions` lists what can be chosen."
    return [
        user_error(UserErrorCode.UNKNOWN_OPTION, message, *where, "options", sent.index(key))
        for key in keys
        if question.option(key) is None
    ]


def _faults_of_text(text: str, question: Question, *where: Step) -> list[UserError]:
    if text and not question.allows_text:
        message = "This question takes no answer in own words; choose among its options."
    elif len(text) > MAX_ANSWER_LENGTH:
        message = f"Say it in at most {MAX_ANSWER_LENGTH} characters; these are {len(text)}."
    elif not is_storable_text(text):
        message = "The text must not contain the character NUL or half characters."
    else:
        return []
    return [user_error(UserErrorCode.INVALID, message, *where, "text")]


def _too_little(question: Question, chosen: int, *where: Step) -> UserError:
    if chosen:
        message = f"Choose at least {question.least}, or skip the question."
        return user_error(UserErrorCode.INVALID, message, *where, "options")
    own = ", say it in `text`" if question.allows_text else ""
    return user_error(
        UserErrorCode.EMPTY, f"Choose at least {max(question.least, 1)}{own}, or skip the question.", *where
    )
