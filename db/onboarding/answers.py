"""Answers to onboarding questions, and the interests and settings that follow from them.

An answer keeps its meaning (terms, words) from the time it was given, so that a later change of the question does not
alter it. Tools and categories become interests; everything else goes into the profile's text and the settings.
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
"""Key in `Actor.settings`, present after any answer: ids of chosen options by the types of question that do not set
interests, ``{"use_case": ["work"], "experience": ["new"]}``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The stored answer to one question."""

    question_id: int
    options: tuple[str, ...]  # ids, in the answered version of the question
    text: str  # the viewer's own words
    skipped: bool  # the viewer declined to answer
    question_version: int
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """A validated answer: the question, the chosen options, and own words; neither means declined."""

    question: Question
    options: tuple[Option, ...] = ()
    text: str = ""

    @property
    def skipped(self) -> bool:
        """Whether the answer is empty."""
        return not self.options and not self.text

    @property
    def words(self) -> str:
        """The part of the profile's text. Options with a term are interests instead."""
        texts = (
            f"{option.label} ({option.description})" if option.description else option.label for option in self.free
        )
        return ", ".join(texts)

    @property
    def free(self) -> tuple[Option, ...]:
        """The chosen options without a term."""
        return tuple(option for option in self.options if option.term is None)


class _Setting(NamedTuple):
    """The part of an answer that the settings hold."""

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
_SET = (
    update(Actor).where(Actor.id == _ACTOR).values(settings=bindparam("changed", type_=Json), version=Actor.version + 1)
)


async def answers_of(database: Database, actor_id: int) -> dict[int, Answer]:
    """Read an actor's answers, by question id."""
    rows = await database.fetch(ANSWERS, {"actor": actor_id})
    return {row[0]: Answer(row[0], tuple(row[1]), *row[2:]) for row in rows}


async def store_answers(connection: AsyncConnection, actor_id: int, choices: Sequence[CheckedAnswer]) -> None:
    """Store answers in place of earlier ones to the same questions, in a constant number of statements.

    The actor's row is locked first, so that of two concurrent calls the second replaces the first.
    """
    settings: dict[str, Any] = (await connection.execute(_LOCK, {"actor": actor_id})).scalar_one()
    stored = (await connection.execute(_STORED, {"actor": actor_id})).all()
    terms = await _terms(connection, choices)
    rows = [_row(actor_id, choice, terms) for choice in choices]
    await connection.execute(_UPSERT, {"rows": rows})
    answered = {choice.question.id for choice in choices}
    chosen = {term_id for choice in choices for term_id in _chosen(choice, terms)}
    kept = {term_id for row in stored if row.question_id not in answered for term_id in row.term_ids}
    before = {term_id for row in stored if row.question_id in answered for term_id in row.term_ids}
    await store_onboarding_interests(connection, actor_id, sorted(chosen), sorted(before - chosen - kept))
    settings_of = [
        _Setting(row.type, row.selected_options, row.skipped) for row in stored if row.question_id not in answered
    ]
    settings_of += [_Setting(c.question.type, [option.id for option in c.options], c.skipped) for c in choices]
    await _set(connection, actor_id, settings, settings_of)


async def delete_answers(connection: AsyncConnection, actor_id: int) -> bool:
    """Delete all answers with their interests; return whether there were any."""
    settings: dict[str, Any] = (await connection.execute(_LOCK, {"actor": actor_id})).scalar_one()
    stored = (await connection.execute(_STORED, {"actor": actor_id})).all()
    if not stored:
        return False
    await connection.execute(_DELETE, {"actor": actor_id})
    await store_onboarding_interests(connection, actor_id, [], [term_id for row in stored for term_id in row.term_ids])
    await _set(connection, actor_id, settings, [])
    return True


async def _terms(connection: AsyncConnection, choices: Sequence[CheckedAnswer]) -> Mapping[TermName, int]:
    named = {option.term for choice in choices for option in choice.options if option.term is not None}
    rows = await connection.execute(TERMS_BY_KEY, {"keys": sorted({key for _, key in named})}) if named else ()
    return {(TermKind(row.kind), row.key): row.id for row in rows}


def _chosen(choice: CheckedAnswer, terms: Mapping[TermName, int]) -> list[int]:
    return [terms[option.term] for option in choice.options if option.term is not None and option.term in terms]


def _row(actor_id: int, choice: CheckedAnswer, terms: Mapping[TermName, int]) -> tuple[object, ...]:
    question, options, at = choice.question, [option.id for option in choice.options], now()
    content = (choice.text, choice.words, _chosen(choice, terms), choice.skipped)
    return (actor_id, question.id, options, *content, question.version, at, at)


async def _set(
    connection: AsyncConnection, actor_id: int, settings: Mapping[str, Any], answers: Sequence[_Setting]
) -> None:
    """Store the answers to use case and experience questions in the settings, and raise the version."""
    changed = {name: value for name, value in settings.items() if name != ONBOARDING_SETTING}
    if any(not one.skipped for one in answers):
        changed[ONBOARDING_SETTING] = {
            kind: [option for one in answers if one.type == kind for option in one.options] for kind in _SETTING_TYPES
        }
    await connection.execute(_SET, {"actor": actor_id, "changed": changed})
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id)])
