"""The onboarding quiz: questions and answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, true
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import Identity
from db.models.base import Base, now, one_of
from db.models.kinds import QuestionType


class OnboardingQuestion(Base):
    """A question of the quiz. `options` is a list of ``{id, label, icon, description, term}``."""

    __tablename__ = "onboarding_questions"
    __table_args__ = (one_of("type", QuestionType),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    text: Mapped[str]
    options: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class OnboardingResponse(Base):
    """An actor's answer to one question; sending it again replaces it."""

    __tablename__ = "onboarding_responses"
    __table_args__ = (
        UniqueConstraint("actor_id", "question_id"),
        Index(None, "actor_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    actor_id: Mapped[int] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"))
    question_id: Mapped[int] = mapped_column(
        Identity, ForeignKey("onboarding_questions.id", ondelete="CASCADE"), index=True
    )
    selected_options: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
