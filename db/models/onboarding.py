"""Onboarding questions and answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false, true
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.database.column_types import BigIntId
from db.models.base import Base, now, one_of_check
from db.models.enums import QuestionType


class OnboardingQuestion(Base):
    """An onboarding question.

    `options` is a list of ``{id, label, icon, description, term, translations}``, where `term` is ``{kind, key}`` or
    null. `translations` is ``{locale: {text, description}}``, and in an option ``{locale: {label, description}}``.
    `least` and `most` are the minimum and maximum number of chosen options. Each change increases `version`. An
    `automatic` question was generated from the catalog. It is regenerated until the platform sends a question with the
    same key.
    """

    __tablename__ = "onboarding_questions"
    __table_args__ = (one_of_check("type", QuestionType),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    text: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    options: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    translations: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    least: Mapped[int] = mapped_column(default=1, server_default="1")
    most: Mapped[int] = mapped_column(default=10, server_default="10")
    allows_text: Mapped[bool] = mapped_column(default=False, server_default=false())
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    automatic: Mapped[bool] = mapped_column(default=False, server_default=false())
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class OnboardingResponse(Base):
    """An actor's answer to one question. A new answer replaces it.

    `term_ids` are the interests that the answer sets, `words` is its part of the text from which the profile vector is
    computed. Both are stored with the answer, so that later changes of the question do not change them. `skipped` means
    that the actor declined to answer.
    """

    __tablename__ = "onboarding_responses"
    __table_args__ = (UniqueConstraint("actor_id", "question_id"), Index(None, "actor_id", "created_at"))

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"))
    question_id: Mapped[int] = mapped_column(
        BigIntId, ForeignKey("onboarding_questions.id", ondelete="CASCADE"), index=True
    )
    selected_options: Mapped[list[Any]]
    text: Mapped[str] = mapped_column(default="", server_default="")
    words: Mapped[str] = mapped_column(default="", server_default="")
    term_ids: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    skipped: Mapped[bool] = mapped_column(default=False, server_default=false())
    question_version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
