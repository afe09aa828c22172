"""How much is known of an actor: counts of what it stated and did, and when that was, in one statement."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, ScalarSelect, SQLColumnExpression, bindparam, func, join, select

from db.database.column_types import BigIntId, UtcDateTime
from db.database.engine import Database
from db.models import Engagement, EngagementKind, Like, OnboardingQuestion, OnboardingResponse, TagSource, UserTag


@dataclass(frozen=True, slots=True)
class SignalCounts:
    """What is known of an actor.

    Attributes
    ----------
    tags, learned_tags
        Interests of any source, and how many of them are learned.
    interactions, recent_interactions, likes
        Distinct projects: touched at any time, touched lately, and liked.
    answered, skipped
        Questions of today's quiz that were answered, and those that the actor did not want to answer.
    questions
        Questions of today's quiz.
    has_answered
        Whether any question was ever answered, asked today or not.
    last_engaged_at, last_stated_at
        When the actor last did something, and last said something (an interest or an answer); None for never.
    """

    tags: int = 0
    learned_tags: int = 0
    interactions: int = 0
    recent_interactions: int = 0
    likes: int = 0
    answered: int = 0
    skipped: int = 0
    questions: int = 0
    has_answered: bool = False
    last_engaged_at: datetime | None = None
    last_stated_at: datetime | None = None


_ACTOR = bindparam("actor", type_=BigIntId)
_SINCE = bindparam("since", type_=UtcDateTime())
_TELLING = Engagement.kinds.bitwise_and(bindparam("kinds", type_=Integer())) > 0


def _count(model: type, *conditions: SQLColumnExpression[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(model).where(model.actor_id == _ACTOR, *conditions).scalar_subquery()  # type: ignore[attr-defined]


def _asked(*conditions: SQLColumnExpression[bool]) -> ScalarSelect[int]:
    """Count the actor's answers to questions that are asked today."""
    answers = select(func.count()).select_from(
        join(OnboardingResponse, OnboardingQuestion, OnboardingQuestion.id == OnboardingResponse.question_id)
    )
    mine = answers.where(OnboardingResponse.actor_id == _ACTOR, OnboardingQuestion.active, *conditions)
    return mine.correlate(None).scalar_subquery()


def _latest(
    column: SQLColumnExpression[datetime], actor: SQLColumnExpression[int], *conditions: SQLColumnExpression[bool]
) -> ScalarSelect[datetime]:
    return select(func.max(column, type_=UtcDateTime())).where(actor == _ACTOR, *conditions).scalar_subquery()


COUNTS = select(
    _count(UserTag).label("tags"),
    _count(UserTag, UserTag.source == TagSource.LEARNED.value).label("learned_tags"),
    _count(Engagement, _TELLING).label("interactions"),
    _count(Engagement, _TELLING, Engagement.last_at > _SINCE).label("recent_interactions"),
    _count(Like).label("likes"),
    _asked(~OnboardingResponse.skipped).label("answered"),
    _asked(OnboardingResponse.skipped).label("skipped"),
    select(func.count())
    .select_from(OnboardingQuestion)
    .where(OnboardingQuestion.active)
    .scalar_subquery()
    .label("questions"),
    _count(OnboardingResponse, ~OnboardingResponse.skipped).label("has_answered"),
    _latest(Engagement.last_at, Engagement.actor_id).label("last_engaged_at"),
    _latest(UserTag.updated_at, UserTag.actor_id, UserTag.source != TagSource.LEARNED.value).label("last_tag"),
    _latest(OnboardingResponse.updated_at, OnboardingResponse.actor_id).label("last_answer"),
)


async def signal_counts(
    database: Database, actor_id: int | None, recent_since: datetime, kinds: EngagementKind
) -> SignalCounts:
    """Count what is known of an actor, in one statement; of nobody only the quiz is known.

    Parameters
    ----------
    recent_since
        From when on a touch is a recent one.
    kinds
        The kinds of engagement that count as touching.
    """
    [row] = await database.fetch(COUNTS, {"actor": actor_id, "since": recent_since, "kinds": int(kinds)})
    said = [moment for moment in (row.last_tag, row.last_answer) if moment is not None]
    return SignalCounts(
        tags=row.tags,
        learned_tags=row.learned_tags,
        interactions=row.interactions,
        recent_interactions=row.recent_interactions,
        likes=row.likes,
        answered=row.answered,
        skipped=row.skipped,
        questions=row.questions,
        has_answered=row.has_answered > 0,
        last_engaged_at=row.last_engaged_at,
        last_stated_at=max(said, default=None),
    )
