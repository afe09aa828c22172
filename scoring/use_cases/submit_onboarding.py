"""Answers to the onboarding questions: checked together, stored together, and forgotten on request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from db.actors.users import ensure_actor
from db.errors import StoreUnavailable
from db.onboarding import answers
from db.onboarding.answers import CheckedAnswer
from db.onboarding.question_records import MAX_ANSWER_LENGTH
from db.onboarding.questions import Question, all_questions
from db.synchronization.profile_refresh import refresh_profile
from scoring.use_cases.input_errors import InputError, InputRefused, Step, UserErrorCode, too_many_error
from scoring.use_cases.platform_keys import is_storable_text
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_ANSWERS = 50
"""Answers in one call: ten times what onboarding asks."""

MAX_REPORTED_ERRORS = 20
"""Errors that are reported at once."""

REFRESH_WITHIN_S = 2.0
"""Longest wait for the profile's vector; WordLlama takes some milliseconds, an endpoint a few hundred."""


@dataclass(frozen=True, slots=True)
class SentAnswer:
    """An answer as a client sends it: keys of options, own words, or a skip."""

    question: str
    options: tuple[str, ...] = ()
    text: str = ""
    skip: bool = False


async def submit_answers(work: UnitOfWork, sent: Sequence[SentAnswer], *path: Step) -> bool:
    """Store all answers or none; return whether the profile in the vector index has them already.

    Parameters
    ----------
    path
        The place of the answers in the caller's input, for errors; ``("answers",)`` is followed by the index.
    """
    viewer = await work.identified_viewer()
    choices = check_answers(sent, await all_questions(work.stores.database), *path)
    async with work.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        await answers.store_answers(connection, actor_id, choices)
    return await _refresh_profile(work, actor_id)


async def reset_answers(work: UnitOfWork) -> bool:
    """Forget all answers and the interests that came from them; return whether the vector index knows."""
    viewer = await work.identified_viewer()
    if viewer.actor_id is None:
        return True
    async with work.write() as connection:
        forgot = await answers.delete_answers(connection, viewer.actor_id)
    return not forgot or await _refresh_profile(work, viewer.actor_id)


async def _refresh_profile(work: UnitOfWork, actor_id: int) -> bool:
    """Update the profile's vector now; if that fails, the outbox does it later."""
    try:
        async with asyncio.timeout(REFRESH_WITHIN_S):
            await refresh_profile(work.stores, actor_id)
    except (StoreUnavailable, TimeoutError):
        return False
    return True


def check_answers(sent: Sequence[SentAnswer], questions: Sequence[Question], *path: Step) -> list[CheckedAnswer]:
    """Check answers against the questions."""
    if not sent:
        raise InputRefused(InputError(UserErrorCode.EMPTY, "Answer at least one question.", path))
    if len(sent) > MAX_ANSWERS:
        raise InputRefused(too_many_error("answers", len(sent), MAX_ANSWERS))
    by_key = {question.key: question for question in questions}
    errors: list[InputError] = []
    choices: list[CheckedAnswer] = []
    seen: set[str] = set()
    for index, answer in enumerate(sent):
        where = (*path, index) if path == ("answers",) else path
        question = by_key.get(answer.question)
        found = _question_errors(answer.question, question, seen, where)
        seen.add(answer.question)
        if question is not None and not found:
            found = _answer_errors(answer, question, where)
        errors += found
        if question is not None and not found:
            options = tuple(one for key in dict.fromkeys(answer.options) if (one := question.option(key)) is not None)
            choices.append(CheckedAnswer(question, options, answer.text.strip()))
    if errors:
        raise InputRefused(*errors[:MAX_REPORTED_ERRORS])
    return choices


Path = tuple[Step, ...]


def _question_errors(key: str, question: Question | None, seen: set[str], path: Path) -> list[InputError]:
    if key in seen:
        code, message = UserErrorCode.INVALID, "This question is answered twice; send one answer to it."
    elif question is None:
        code = UserErrorCode.UNKNOWN_QUESTION
        message = "There is no such onboarding question; `onboardingQuestions` lists them by key."
    elif not question.active:
        code = UserErrorCode.INACTIVE_QUESTION
        message = "This question is retired. Reload `onboardingQuestions`."
    else:
        return []
    return [InputError(code, message, (*path, "question"))]


def _answer_errors(answer: SentAnswer, question: Question, path: Path) -> list[InputError]:
    chosen, text = len(set(answer.options)), answer.text.strip()
    if answer.skip:
        message = "Either skip the question or answer it: leave out `skip`, or `options` and `text`."
        return [InputError(UserErrorCode.INVALID, message, (*path, "skip"))] if chosen or text else []
    errors = [*_option_errors(answer, chosen, question, path), *_text_errors(text, question, path)]
    if errors or chosen + bool(text) >= max(question.least, 1):
        return errors
    if chosen:
        message = f"Choose at least {question.least}, or skip the question."
        return [InputError(UserErrorCode.INVALID, message, (*path, "options"))]
    own = ", answer in `text`" if question.allows_text else ""
    message = f"Choose at least {max(question.least, 1)}{own}, or skip the question."
    return [InputError(UserErrorCode.EMPTY, message, path)]


def _option_errors(answer: SentAnswer, chosen: int, question: Question, path: Path) -> list[InputError]:
    if chosen > question.most:
        message = f"{chosen} options are too many: choose at most {question.most}."
        return [InputError(UserErrorCode.TOO_MANY, message, (*path, "options"))]
    message = "The question has no such option; `onboardingQuestions` lists its options."
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
    elif not is_storable_text(text):
        message = "The text must not contain the character NUL or lone surrogates."
    else:
        return []
    return [InputError(UserErrorCode.INVALID, message, (*path, "text"))]
