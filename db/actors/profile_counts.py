"""Counts of an actor's interests, answers and engagement: inputs of personalization status and viewer stages."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, ScalarSelect, SQLColumnExpression, bindparam, func, join, select

from db.database.column_types import ACTOR_ID, SINCE, UtcDateTime
from db.database.engine import Database
from db.models import (
    ActorInterest,
    Engagement,
    EngagementKind,
    InterestSource,
    Like,
    OnboardingQuestion,
    OnboardingResponse,
)


@dataclass(frozen=True, slots=True)
class SignalCounts:
    """Counts of an actor's data. Interactions and likes count distinct projects."""

    interests: int = 0
    learned_interests: int = 0
    interactions: int = 0
    recent_interactions: int = 0
    likes: int = 0
    answered: int = 0  # answered active questions
    skipped: int = 0  # declined active questions
    questions: int = 0  # active questions
    has_answered: bool = False  # also counts inactive questions
    last_engaged_at: datetime | None = None
    last_stated_at: datetime | None = None  # latest stated or imported interest, or answer


_HAS_KINDS = Engagement.kinds.bitwise_and(bindparam("kinds", type_=Integer())) > 0


def _count(model: type, *conditions: SQLColumnExpression[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(model).where(model.actor_id == ACTOR_ID, *conditions).scalar_subquery()  # type: ignore[attr-defined]


def _count_answers(*conditions: SQLColumnExpression[bool]) -> ScalarSelect[int]:
    answers = select(func.count()).select_from(
        join(OnboardingResponse, OnboardingQuestion, OnboardingQuestion.id == OnboardingResponse.question_id)
    )
    by_actor = answers.where(OnboardingResponse.actor_id == ACTOR_ID, OnboardingQuestion.active, *conditions)
    return by_actor.correlate(None).scalar_subquery()


def _latest(
    column: SQLColumnExpression[datetime], actor: SQLColumnExpression[int], *conditions: SQLColumnExpression[bool]
) -> ScalarSelect[datetime]:
    return select(func.max(column, type_=UtcDateTime())).where(actor == ACTOR_ID, *conditions).scalar_subquery()


COUNTS = select(
    _count(ActorInterest).label("interests"),
    _count(ActorInterest, ActorInterest.source == InterestSource.LEARNED.value).label("learned_interests"),
    _count(Engagement, _HAS_KINDS).label("interactions"),
    _count(Engagement, _HAS_KINDS, Engagement.last_at > SINCE).label("recent_interactions"),
    _count(Like).label("likes"),
    _count_answers(~OnboardingResponse.skipped).label("answered"),
    _count_answers(OnboardingResponse.skipped).label("skipped"),
    select(func.count())
    .select_from(OnboardingQuestion)
    .where(OnboardingQuestion.active)
    .scalar_subquery()
    .label("questions"),
    (_count(OnboardingResponse, ~OnboardingResponse.skipped) > 0).label("has_answered"),
    _latest(Engagement.last_at, Engagement.actor_id).label("last_engaged_at"),
    _latest(
        ActorInterest.updated_at, ActorInterest.actor_id, ActorInterest.source != InterestSource.LEARNED.value
    ).label("last_interest"),
    _latest(OnboardingResponse.updated_at, OnboardingResponse.actor_id).label("last_answer"),
)


async def signal_counts(
    database: Database, actor_id: int | None, recent_since: datetime, kinds: EngagementKind
) -> SignalCounts:
    """Count an actor's data in one statement.

    Interactions are engagements of these `kinds`; recent interactions are after `recent_since`.
    """
    [row] = await database.fetch(COUNTS, {"actor": actor_id, "since": recent_since, "kinds": int(kinds)})
    *counts, last_interest, last_answer = row
    last_stated_at = max((time for time in (last_interest, last_answer) if time is not None), default=None)
    return SignalCounts(*(*counts, last_stated_at))
