"""Validation, storage and deletion of the viewer's onboarding answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.actors.users import ensure_actor
from db.deadlines import deadline
from db.errors import StoreUnavailable
from db.onboarding import answers
from db.onboarding.answers import CheckedAnswer
from db.onboarding.question_records import MAX_ANSWER_LENGTH
from db.onboarding.questions import Question, all_questions
from db.synchronization.index_writer import refresh_profile
from db.text_rules import text_fault
from scoring.use_cases.input_errors import InputError, InputRefused, Step, UserErrorCode, too_many_error
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_ANSWERS = 50
"""Maximum number of answers per call, ten times the number of active questions."""

MAX_REPORTED_ERRORS = 20
"""Maximum number of reported errors per call."""

PROFILE_REFRESH_TIMEOUT_S = 2.0
"""Timeout for the profile vector, in seconds. WordLlama takes a few milliseconds, an HTTP endpoint a few hundred."""


@dataclass(frozen=True, slots=True)
class SentAnswer:
    """An answer as a client sends it: keys of options, free text, or a skip."""

    question: str
    options: tuple[str, ...] = ()
    text: str = ""
    skip: bool = False


async def submit_answers(work: UnitOfWork, sent_answers: Sequence[SentAnswer], *path: Step) -> bool:
    """Store all answers or none; return whether the profile vector is already up to date.

    Parameters
    ----------
    path
        The path of the answers in the input, for errors. With ``("answers",)``, the path of the first answer is
        ``("answers", 0)``.
    """
    viewer = await work.identified_viewer()
    choices = check_answers(sent_answers, await all_questions(work.stores.database), *path)
    async with work.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        await answers.store_answers(connection, actor_id, choices)
    return await _refresh_profile(work, actor_id)


async def reset_answers(work: UnitOfWork) -> bool:
    """Delete all answers and their interests; return whether the profile vector is already up to date."""
    viewer = await work.identified_viewer()
    if viewer.actor_id is None:
        return True
    async with work.write() as connection:
        deleted = await answers.delete_answers(connection, viewer.actor_id)
    return not deleted or await _refresh_profile(work, viewer.actor_id)


async def _refresh_profile(work: UnitOfWork, actor_id: int) -> bool:
    """Update the profile vector now; if that fails, the synchronizer does it later."""
    try:
        async with deadline(PROFILE_REFRESH_TIMEOUT_S):
            await refresh_profile(work.stores, actor_id)
    except (StoreUnavailable, TimeoutError):
        return False
    return True


def check_answers(
    sent_answers: Sequence[SentAnswer], questions: Sequence[Question], *path: Step
) -> list[CheckedAnswer]:
    """Check answers against the questions. Raises `InputRefused` with the errors."""
    if not sent_answers:
        raise InputRefused(InputError(UserErrorCode.EMPTY, "Answer at least one question.", path))
    if len(sent_answers) > MAX_ANSWERS:
        raise InputRefused(too_many_error("answers", MAX_ANSWERS))
    by_key = {question.key: question for question in questions}
    errors: list[InputError] = []
    choices: list[CheckedAnswer] = []
    answered_keys: set[str] = set()
    for index, answer in enumerate(sent_answers):
        answer_path = (*path, index) if path == ("answers",) else path
        question = by_key.get(answer.question)
        is_repeated = answer.question in answered_keys
        answered_keys.add(answer.question)
        if is_repeated or question is None or not question.active:
            errors.append(_question_error(question, is_repeated, answer_path))
            continue
        errors += _answer_errors(answer, question, answer_path)
        options = tuple(option for key in dict.fromkeys(answer.options) if (option := question.option(key)) is not None)
        choices.append(CheckedAnswer(question, options, answer.text.strip()))
    if errors:
        raise InputRefused(*errors[:MAX_REPORTED_ERRORS])
    return choices


Path = tuple[Step, ...]


def _question_error(question: Question | None, is_repeated: bool, path: Path) -> InputError:
    if is_repeated:
        code, message = UserErrorCode.INVALID, "There are two answers to this question; send one."
    elif question is None:
        code = UserErrorCode.UNKNOWN_QUESTION
        message = "There is no such onboarding question. Query `onboardingQuestions` for the keys."
    else:
        code = UserErrorCode.INACTIVE_QUESTION
        message = "This question is no longer asked. Query `onboardingQuestions` again."
    return InputError(code, message, (*path, "question"))


def _answer_errors(answer: SentAnswer, question: Question, path: Path) -> list[InputError]:
    option_count, text = len(set(answer.options)), answer.text.strip()
    if answer.skip:
        message = "Either answer the question or skip it: omit `skip`, or omit `options` and `text`."
        return [InputError(UserErrorCode.INVALID, message, (*path, "skip"))] if option_count or text else []
    errors = [*_option_errors(answer, option_count, question, path), *_text_errors(text, question, path)]
    if errors or option_count + bool(text) >= max(question.least, 1):
        return errors
    if option_count:
        message = f"Choose at least {question.least}, or skip the question."
        return [InputError(UserErrorCode.INVALID, message, (*path, "options"))]
    text_hint = ", answer in `text`" if question.allows_text else ""
    message = f"Choose at least {max(question.least, 1)}{text_hint}, or skip the question."
    return [InputError(UserErrorCode.EMPTY, message, path)]


def _option_errors(answer: SentAnswer, option_count: int, question: Question, path: Path) -> list[InputError]:
    if option_count > question.most:
        message = f"You chose {option_count} options; choose at most {question.most}."
        return [InputError(UserErrorCode.TOO_MANY, message, (*path, "options"))]
    message = "The question has no such option. Query `onboardingQuestions` for its options."
    return [
        InputError(UserErrorCode.UNKNOWN_OPTION, message, (*path, "options", answer.options.index(key)))
        for key in dict.fromkeys(answer.options)
        if question.option(key) is None
    ]


def _text_errors(text: str, question: Question, path: Path) -> list[InputError]:
    if text and not question.allows_text:
        message = "This question takes no free text. Choose among its options."
    elif len(text) > MAX_ANSWER_LENGTH:
        message = f"Use at most {MAX_ANSWER_LENGTH} characters; the text has {len(text)}."
    elif (fault := text_fault(text)) is not None:
        message = f"The text {fault}."
    else:
        return []
    return [InputError(UserErrorCode.INVALID, message, (*path, "text"))]
