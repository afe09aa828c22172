"""Projects, their owners and their terms."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint, false
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.database.column_types import BigIntId
from db.models.base import Base, now, one_of_check
from db.models.enums import Role, TermKind
from db.vectors.text_analysis import fold


class User(Base):
    """A user of the platform."""

    __tablename__ = "users"
    __table_args__ = (one_of_check("role", Role),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    username: Mapped[str]
    bio: Mapped[str] = mapped_column(default="", server_default="")
    tier: Mapped[str] = mapped_column(default="", server_default="")
    points: Mapped[int] = mapped_column(default=0, server_default="0")
    role: Mapped[str] = mapped_column(default=Role.VIEWER, server_default=Role.VIEWER.value)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Project(Base):
    """A project, the recommended item. Writes of `Like` and `Interaction` update `like_count` and `view_count`."""

    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    type: Mapped[str]
    owner_id: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("users.id", ondelete="SET NULL"), index=True)
    url: Mapped[str | None]
    image_url: Mapped[str | None]
    private: Mapped[bool] = mapped_column(default=False, server_default=false())
    archived: Mapped[bool] = mapped_column(default=False, server_default=false())
    source: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    like_count: Mapped[int] = mapped_column(default=0, server_default="0")
    view_count: Mapped[int] = mapped_column(default=0, server_default="0")
    engagement_velocity: Mapped[float] = mapped_column(default=0.0, server_default="0")
    last_velocity_update: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    __table_args__ = (
        CheckConstraint("like_count >= 0", name="like_count_not_negative"),
        CheckConstraint("view_count >= 0", name="view_count_not_negative"),
    )


Index("ix_projects_updated_at", Project.updated_at)

_PUBLIC = ~Project.private & ~Project.archived
for _name, _first in (
    ("newest", ()),
    ("popular", (Project.like_count.desc(),)),
    ("trending", (Project.engagement_velocity.desc(),)),
):
    Index(
        f"ix_projects_{_name}",
        *_first,
        Project.created_at.desc(),
        Project.id.desc(),
        postgresql_where=_PUBLIC,
        sqlite_where=_PUBLIC,
    )


class ProjectEmbedding(Base):
    """An embedding of a project that the platform has sent: its model, and float32 components in little-endian order.

    Only embeddings of the configured model and dimension are used.
    """

    __tablename__ = "project_embeddings"
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str]
    vector: Mapped[bytes]


class ProjectSearchText(Base):
    """Title and description of a project as `db.vectors.text_analysis.fold` returns them, for search in SQL."""

    __tablename__ = "project_search_texts"
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    title: Mapped[str]
    description: Mapped[str]


def _folded_name(context: Any) -> str:
    return fold(context.get_current_parameters()["name"])


class Term(Base):
    """A tool, category or topic. Projects have terms, and interests refer to terms.

    A `listed` term was sent by the platform as a tool or category, or is in an onboarding question. Listed terms are
    visible to everybody (`db.catalog.visibility`).
    """

    __tablename__ = "terms"
    __table_args__ = (UniqueConstraint("kind", "key"), one_of_check("kind", TermKind))

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    kind: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    folded_name: Mapped[str] = mapped_column(default=_folded_name, server_default="")  # for search
    description: Mapped[str] = mapped_column(default="", server_default="")
    listed: Mapped[bool] = mapped_column(default=False, server_default=false())


class Tool(Base):
    """Attributes of a tool that `Term` does not have."""

    __tablename__ = "tools"
    term_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("terms.id", ondelete="CASCADE"), primary_key=True)
    tagline: Mapped[str] = mapped_column(default="", server_default="")
    category: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    use_cases: Mapped[str] = mapped_column(default="", server_default="")


class ProjectTerm(Base):
    """The association of a project with a term."""

    __tablename__ = "project_terms"
    __table_args__ = (PrimaryKeyConstraint("project_id", "term_id"), Index(None, "term_id", "project_id"))

    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"))
    term_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("terms.id", ondelete="CASCADE"))
