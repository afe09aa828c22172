"""Answers to onboarding questions, and the interests and settings that they set.

The terms and words of an answer are stored with it, so that later changes of the question do not change them. Chosen
tools and categories become interests. Other options become part of the settings and of the text from which the profile
vector is computed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.stated_interests import store_onboarding_interests
from db.catalog.terms import TERMS_BY_KEY, TermName
from db.database.batches import upsert_batch
from db.database.column_types import BigIntId, Json
from db.database.engine import Database
from db.models import Actor, OnboardingQuestion, OnboardingResponse, OutboxKind, QuestionType, TermKind, now
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
    """A validated answer: the question, the chosen options and own words. Without both, the viewer declined."""

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
            for option in self.options_without_term
        )
        return ", ".join(texts)

    @property
    def options_without_term(self) -> tuple[Option, ...]:
        """The chosen options without a term."""
        return tuple(option for option in self.options if option.term is None)


class _AnswerSetting(NamedTuple):
    """The part of an answer that is stored in the settings."""

    type: str
    options: Sequence[str]
    skipped: bool


_SETTING_TYPES = (QuestionType.USE_CASE.value, QuestionType.EXPERIENCE.value)
_ACTOR = bindparam("actor", type_=BigIntId)
ANSWERS = select(
    OnboardingResponse.question_id, OnboardingResponse.selected_options, OnboardingResponse.text,
    OnboardingResponse.skipped, OnboardingResponse.question_version, OnboardingResponse.updated_at,
).where(OnboardingResponse.actor_id == _ACTOR)  # fmt: skip
_LOCK = select(Actor.settings).where(Actor.id == _ACTOR).with_for_update(key_share=True)
_STORED = (
    select(
        OnboardingResponse.question_id,
        OnboardingResponse.term_ids,
        OnboardingResponse.selected_options,
        OnboardingResponse.skipped,
        OnboardingQuestion.type,
    )
    .join(OnboardingQuestion, OnboardingQuestion.id == OnboardingResponse.question_id)
    .where(OnboardingResponse.actor_id == _ACTOR)
)
_UPSERT = upsert_batch(
    OnboardingResponse, "actor_id", "question_id", "selected_options", "text", "words", "term_ids", "skipped",
    "question_version", "created_at", "updated_at",
    key=["actor_id", "question_id"], keep=["created_at"],
)  # fmt: skip
_DELETE = delete(OnboardingResponse).where(OnboardingResponse.actor_id == _ACTOR)
_UPDATE_SETTINGS = (
    update(Actor).where(Actor.id == _ACTOR).values(settings=bindparam("changed", type_=Json), version=Actor.version + 1)
)


async def answers_of(database: Database, actor_id: int) -> dict[int, Answer]:
    """Read an actor's answers, by question id."""
    rows = await database.fetch(ANSWERS, {"actor": actor_id})
    return {row[0]: Answer(row[0], tuple(row[1]), *row[2:]) for row in rows}


async def store_answers(connection: AsyncConnection, actor_id: int, choices: Sequence[CheckedAnswer]) -> None:
    """Store answers, replacing earlier answers to the same questions, in a constant number of statements.

    The actor is locked first, so that the second of two concurrent calls replaces the answers of the first.
    """
    settings: dict[str, Any] = (await connection.execute(_LOCK, {"actor": actor_id})).scalar_one()
    stored = (await connection.execute(_STORED, {"actor": actor_id})).all()
    terms = await _terms(connection, choices)
    rows = [_row(actor_id, choice, terms) for choice in choices]
    await connection.execute(_UPSERT, {"rows": rows})
    answered = {choice.question.id for choice in choices}
    chosen = {term_id for choice in choices for term_id in _chosen_terms(choice, terms)}
    kept = {term_id for row in stored if row.question_id not in answered for term_id in row.term_ids}
    replaced = {term_id for row in stored if row.question_id in answered for term_id in row.term_ids}
    await store_onboarding_interests(connection, actor_id, sorted(chosen), sorted(replaced - chosen - kept))
    answers = [
        _AnswerSetting(row.type, row.selected_options, row.skipped) for row in stored if row.question_id not in answered
    ]
    answers += [_AnswerSetting(c.question.type, [option.id for option in c.options], c.skipped) for c in choices]
    await _store_settings(connection, actor_id, settings, answers)


async def delete_answers(connection: AsyncConnection, actor_id: int) -> bool:
    """Delete all answers and the interests that they set; return whether there were any."""
    settings: dict[str, Any] = (await connection.execute(_LOCK, {"actor": actor_id})).scalar_one()
    stored = (await connection.execute(_STORED, {"actor": actor_id})).all()
    if not stored:
        return False
    await connection.execute(_DELETE, {"actor": actor_id})
    await store_onboarding_interests(connection, actor_id, [], [term_id for row in stored for term_id in row.term_ids])
    await _store_settings(connection, actor_id, settings, [])
    return True


async def _terms(connection: AsyncConnection, choices: Sequence[CheckedAnswer]) -> Mapping[TermName, int]:
    named = {option.term for choice in choices for option in choice.options if option.term is not None}
    rows = await connection.execute(TERMS_BY_KEY, {"keys": sorted({key for _, key in named})}) if named else ()
    return {(TermKind(row.kind), row.key): row.id for row in rows}


def _chosen_terms(choice: CheckedAnswer, terms: Mapping[TermName, int]) -> list[int]:
    return [terms[option.term] for option in choice.options if option.term is not None and option.term in terms]


def _row(actor_id: int, choice: CheckedAnswer, terms: Mapping[TermName, int]) -> tuple[object, ...]:
    question, options, at = choice.question, [option.id for option in choice.options], now()
    content = (choice.text, choice.words, _chosen_terms(choice, terms), choice.skipped)
    return (actor_id, question.id, options, *content, question.version, at, at)


async def _store_settings(
    connection: AsyncConnection, actor_id: int, settings: Mapping[str, Any], answers: Sequence[_AnswerSetting]
) -> None:
    """Store the answers to use case and experience questions in the settings, and increase the version."""
    changed = {name: value for name, value in settings.items() if name != ONBOARDING_SETTING}
    if any(not answer.skipped for answer in answers):
        changed[ONBOARDING_SETTING] = {
            kind: [option for answer in answers if answer.type == kind for option in answer.options]
            for kind in _SETTING_TYPES
        }
    await connection.execute(_UPDATE_SETTINGS, {"actor": actor_id, "changed": changed})
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id)])
