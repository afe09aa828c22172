"""Answers to onboarding questions, and the interests and settings that they set.

The terms and words of an answer are stored with it, so that later changes of the question do not change them. Chosen
tools and categories become interests. Other options become part of the settings and of the text from which the profile
vector is computed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.stated_interests import store_onboarding_interests
from db.actors.users import lock_settings, store_settings
from db.catalog.terms import TermName, existing_terms
from db.database.batches import upsert_batch
from db.database.column_types import ACTOR_ID
from db.database.engine import Database
from db.models import OnboardingQuestion, OnboardingResponse, OutboxKind, QuestionType, now
from db.onboarding.questions import Option, Question
from db.outbox import enqueue

ONBOARDING_SETTING = "quiz"
"""Key in `Actor.settings`, present if the actor answered a question. The value has the ids of the chosen options by
type, for types that do not set interests: ``{"use_case": ["work"], "experience": ["new"]}``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The stored answer to one question."""

    question_id: int
    options: tuple[str, ...]  # option ids of the answered version of the question
    text: str  # the viewer's own words
    skipped: bool  # the viewer declined to answer
    question_version: int
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """A validated answer: the question, the chosen options and own words.

    Without options and words, the viewer declined.
    """

    question: Question
    options: tuple[Option, ...] = ()
    text: str = ""

    @property
    def skipped(self) -> bool:
        """Whether the viewer declined to answer."""
        return not self.options and not self.text

    @property
    def words(self) -> str:
        """Labels and descriptions of the options without a term, for the text of the profile vector."""
        texts = (
            f"{option.label} ({option.description})" if option.description else option.label
            for option in self.options
            if option.term is None
        )
        return ", ".join(texts)


_SETTING_TYPES = (QuestionType.USE_CASE.value, QuestionType.EXPERIENCE.value)
ANSWERS = select(
    OnboardingResponse.question_id, OnboardingResponse.selected_options, OnboardingResponse.text,
    OnboardingResponse.skipped, OnboardingResponse.question_version, OnboardingResponse.updated_at,
).where(OnboardingResponse.actor_id == ACTOR_ID)  # fmt: skip
_STORED = (
    select(
        OnboardingResponse.question_id,
        OnboardingResponse.term_ids,
        OnboardingResponse.selected_options,
        OnboardingResponse.skipped,
        OnboardingQuestion.type,
    )
    .join(OnboardingQuestion, OnboardingQuestion.id == OnboardingResponse.question_id)
    .where(OnboardingResponse.actor_id == ACTOR_ID)
)
_UPSERT = upsert_batch(
    OnboardingResponse, "actor_id", "question_id", "selected_options", "text", "words", "term_ids", "skipped",
    "question_version", "created_at", "updated_at",
    key=["actor_id", "question_id"], keep=["created_at"],
)  # fmt: skip
_DELETE = delete(OnboardingResponse).where(OnboardingResponse.actor_id == ACTOR_ID)


async def answers_of(database: Database, actor_id: int) -> dict[int, Answer]:
    """Read an actor's answers, by question id."""
    rows = await database.fetch(ANSWERS, {"actor": actor_id})
    return {row[0]: Answer(row[0], tuple(row[1]), *row[2:]) for row in rows}


async def store_answers(connection: AsyncConnection, actor_id: int, choices: Sequence[CheckedAnswer]) -> None:
    """Store answers, replacing earlier answers to the same questions, in a constant number of statements.

    The actor is locked first, so that the second of two concurrent calls replaces the answers of the first.
    """
    settings = await lock_settings(connection, actor_id)
    stored = (await connection.execute(_STORED, {"actor": actor_id})).all()
    names = {option.term for choice in choices for option in choice.options if option.term is not None}
    terms = await existing_terms(connection, names)
    rows = [_row(actor_id, choice, terms) for choice in choices]
    await connection.execute(_UPSERT, {"rows": rows})
    question_ids = {choice.question.id for choice in choices}
    other_answers = [row for row in stored if row.question_id not in question_ids]
    chosen_term_ids = {term_id for choice in choices for term_id in _chosen_terms(choice, terms)}
    dropped_term_ids = {term_id for row in stored for term_id in row.term_ids} - chosen_term_ids
    dropped_term_ids -= {term_id for row in other_answers for term_id in row.term_ids}
    await store_onboarding_interests(connection, actor_id, sorted(chosen_term_ids), sorted(dropped_term_ids))
    answers = [(row.type, row.selected_options) for row in other_answers if not row.skipped]
    answers += [(c.question.type, [option.id for option in c.options]) for c in choices if not c.skipped]
    await _store_settings(connection, actor_id, settings, answers)


async def delete_answers(connection: AsyncConnection, actor_id: int) -> bool:
    """Delete all answers and the interests that they set; return whether there were any."""
    settings = await lock_settings(connection, actor_id)
    stored = (await connection.execute(_STORED, {"actor": actor_id})).all()
    if not stored:
        return False
    await connection.execute(_DELETE, {"actor": actor_id})
    await store_onboarding_interests(connection, actor_id, [], [term_id for row in stored for term_id in row.term_ids])
    await _store_settings(connection, actor_id, settings, [])
    return True


def _chosen_terms(choice: CheckedAnswer, terms: Mapping[TermName, int]) -> list[int]:
    return [terms[option.term] for option in choice.options if option.term is not None and option.term in terms]


def _row(actor_id: int, choice: CheckedAnswer, terms: Mapping[TermName, int]) -> tuple[object, ...]:
    question, options, at = choice.question, [option.id for option in choice.options], now()
    content = (choice.text, choice.words, _chosen_terms(choice, terms), choice.skipped)
    return (actor_id, question.id, options, *content, question.version, at, at)


async def _store_settings(
    connection: AsyncConnection,
    actor_id: int,
    settings: Mapping[str, Any],
    answers: Sequence[tuple[str, Sequence[str]]],
) -> None:
    """Store the option ids of use case and experience questions in the settings, and increase the version.

    `answers` has the question type and the option ids of each answer that was not skipped.
    """
    new_settings = {name: value for name, value in settings.items() if name != ONBOARDING_SETTING}
    if answers:
        new_settings[ONBOARDING_SETTING] = {
            setting: [id_ for type_, option_ids in answers if type_ == setting for id_ in option_ids]
            for setting in _SETTING_TYPES
        }
    await store_settings(connection, actor_id, new_settings)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id)])
