"""The relational truth: one model for SQLite and PostgreSQL.

Three groups of tables:

- the catalogue: `User`, `Project`, `Term` (a tool, a category or a topic), `Tool`, `ProjectTerm`;
- who did what: `Actor` (a user or a session), `Interaction` (raw, append-only), `Engagement` (one row for each
  actor and project), `Like`, `Save`, `Dismissal`, `ProjectPulse`, `UserTag`, the onboarding quiz;
- the machine's own: `OutboxRow`, `Job`, `RankingModel`, `ServedPage`.

Keys: ``id`` is ours, ``key`` is the platform's own and what every input takes.
"""

from datetime import UTC, datetime
from enum import IntFlag, StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.columns import Identity, Json, UtcDateTime


class Role(StrEnum):
    """What a caller may do: read as a viewer, write the catalogue, or run experiments as well."""

    VIEWER = "viewer"
    SERVICE = "service"
    ADMINISTRATOR = "administrator"


class TermKind(StrEnum):
    """What a taxonomy term is."""

    TOOL = "tool"
    CATEGORY = "category"
    TOPIC = "topic"


class TagSource(StrEnum):
    """Where a viewer's tag comes from: stated by hand, answered in the quiz, imported, or learned from behaviour."""

    MANUAL = "manual"
    QUIZ = "quiz"
    IMPORTED = "imported"
    LEARNED = "learned"


class InteractionType(StrEnum):
    """What an actor did with a project. All but the last two count as engagement."""

    VIEW = "view"
    LIKE = "like"
    BOOKMARK = "bookmark"
    COMMENT = "comment"
    FOLLOW = "follow"
    CLICK = "click"
    DISMISS = "dismiss"
    IMPRESSION = "impression"


class EngagementKind(IntFlag):
    """The kinds of engagement one actor has had with one project, as bits of `Engagement.kinds`."""

    VIEW = 1
    LIKE = 2
    BOOKMARK = 4
    COMMENT = 8
    FOLLOW = 16
    CLICK = 32


ENGAGEMENT_BIT: dict[InteractionType, EngagementKind] = {
    type_: EngagementKind[type_.name]
    for type_ in InteractionType
    if type_ not in (InteractionType.DISMISS, InteractionType.IMPRESSION)
}


class FeedKind(StrEnum):
    """The feeds that a page can come from."""

    FOR_YOU = "for_you"
    TRENDING = "trending"
    POPULAR = "popular"
    NEWEST = "newest"
    SEARCH = "search"
    SIMILAR = "similar"


class QuestionType(StrEnum):
    """The plan's four kinds of onboarding question."""

    TOOL_SELECT = "tool_select"
    CATEGORY_SELECT = "category_select"
    USE_CASE = "use_case"
    EXPERIENCE = "experience"


class OutboxKind(StrEnum):
    """Which shadow an outbox row will bring up to date."""

    PROJECT = "project"
    PROFILE = "profile"
    TOOL = "tool"


def now() -> datetime:
    """Give the present time in UTC."""
    return datetime.now(UTC)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value.value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class Base(DeclarativeBase):
    """All tables, with constraints named alike on both engines so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        datetime: UtcDateTime(),
        dict[str, Any]: Json,
        list[Any]: Json,
    }


# --- the catalogue -------------------------------------------------------------------------------------------------


class User(Base):
    """A person of the platform."""

    __tablename__ = "users"
    __table_args__ = (_one_of("role", Role),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    username: Mapped[str]
    bio: Mapped[str] = mapped_column(default="", server_default="")
    tier: Mapped[str] = mapped_column(default="", server_default="")
    points: Mapped[int] = mapped_column(default=0, server_default="0")
    role: Mapped[str] = mapped_column(default=Role.VIEWER, server_default=Role.VIEWER.value)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Project(Base):
    """What is recommended. `like_count` and `view_count` are kept by the writes of `Like` and `Interaction`."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    type: Mapped[str]
    owner_id: Mapped[int | None] = mapped_column(Identity, ForeignKey("users.id", ondelete="SET NULL"), index=True)
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


_PUBLIC = ~Project.private & ~Project.archived
Index(
    "ix_projects_newest",
    Project.created_at.desc(),
    Project.id.desc(),
    postgresql_where=_PUBLIC,
    sqlite_where=_PUBLIC,
)
Index(
    "ix_projects_popular",
    Project.like_count.desc(),
    Project.created_at.desc(),
    Project.id.desc(),
    postgresql_where=_PUBLIC,
    sqlite_where=_PUBLIC,
)
Index(
    "ix_projects_trending",
    Project.engagement_velocity.desc(),
    Project.created_at.desc(),
    Project.id.desc(),
    postgresql_where=_PUBLIC,
    sqlite_where=_PUBLIC,
)


class Term(Base):
    """A term of the taxonomy: a tool, a category or a topic. Projects carry terms, viewers' tags point at them."""

    __tablename__ = "terms"
    __table_args__ = (UniqueConstraint("kind", "key"), _one_of("kind", TermKind))

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    kind: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")


class Tool(Base):
    """What a tool has beyond its `Term`."""

    __tablename__ = "tools"

    term_id: Mapped[int] = mapped_column(Identity, ForeignKey("terms.id", ondelete="CASCADE"), primary_key=True)
    tagline: Mapped[str] = mapped_column(default="", server_default="")
    category: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    use_cases: Mapped[str] = mapped_column(default="", server_default="")


class ProjectTerm(Base):
    """A project carries a term."""

    __tablename__ = "project_terms"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "term_id"),
        Index(None, "term_id", "project_id"),
    )

    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"))
    term_id: Mapped[int] = mapped_column(Identity, ForeignKey("terms.id", ondelete="CASCADE"))


# --- who did what --------------------------------------------------------------------------------------------------


class Actor(Base):
    """Who acts: a user, or the session of somebody not signed in. Everything personal hangs on an actor.

    `version` rises in the transaction of every act, so that a stored ranking can tell that it is out of date.
    """

    __tablename__ = "actors"
    __table_args__ = (CheckConstraint("(user_id IS NULL) <> (session_key IS NULL)", name="user_or_session"),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(Identity, ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    session_key: Mapped[str | None] = mapped_column(unique=True)
    merged_into: Mapped[int | None] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"), index=True)
    version: Mapped[int] = mapped_column(Identity, default=0, server_default="0")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Interaction(Base):
    """One raw event. Its identity is (actor, project, type, at); append-only; partitioned by month on PostgreSQL.

    An event whose time nobody knows stands at `db.columns.UNKNOWN_TIME`.
    """

    __tablename__ = "interactions"

    actor_id: Mapped[int] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"))
    type: Mapped[str]
    at: Mapped[datetime]
    feed_kind: Mapped[str | None]
    position: Mapped[int | None]
    snapshot_id: Mapped[str | None]
    session_key: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        PrimaryKeyConstraint("actor_id", "project_id", "type", "at"),
        _one_of("type", InteractionType),
        _one_of("feed_kind", FeedKind),
        CheckConstraint("position >= 0", name="position_not_negative"),
        {"postgresql_partition_by": "RANGE (at)"},
    )


Index("ix_interactions_actor_type_at", Interaction.actor_id, Interaction.type, Interaction.at.desc())
Index("ix_interactions_project_at", Interaction.project_id, Interaction.at.desc())


class _ActorOnProject:
    """The two columns of every table that says something about an actor and a project."""

    actor_id: Mapped[int] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)


class Engagement(_ActorOnProject, Base):
    """All that one actor has done with one project, in one row; `kinds` holds `EngagementKind` bits.

    `weight` is how much this person counts in the project's pulse, 0 to 1: how far the actor was trusted at its first
    engagement. It stands here so that the pulse can be counted again from the truth.
    """

    __tablename__ = "engagement"

    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    kinds: Mapped[int]
    weight: Mapped[float] = mapped_column(default=1.0, server_default="1")


class Like(_ActorOnProject, Base):
    """An actor likes a project."""

    __tablename__ = "likes"

    created_at: Mapped[datetime] = mapped_column(default=now)


class Save(_ActorOnProject, Base):
    """An actor keeps a project for later."""

    __tablename__ = "saves"

    created_at: Mapped[datetime] = mapped_column(default=now)


class Dismissal(_ActorOnProject, Base):
    """An actor does not want to see a project; `because` is the reason's id if one was given."""

    __tablename__ = "dismissals"

    because: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class ProjectPulse(Base):
    """How many distinct people came to a project lately: each counts by its weight, halved every so often.

    The four sums are as of `last_s`, Unix seconds of the latest first engagement in them (`db.pulse` decays them on).
    """

    __tablename__ = "project_pulses"

    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    people_1h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    people_6h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    people_3d: Mapped[float] = mapped_column(default=0.0, server_default="0")
    people_14d: Mapped[float] = mapped_column(default=0.0, server_default="0")
    last_s: Mapped[float]


class Crowd(Base):
    """How many new people came to a project from one network, halved every day: what one network adds is bounded.

    `network` is a keyed hash that changes daily; no address is ever stored. Forgotten after some days.
    """

    __tablename__ = "crowds"

    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    network: Mapped[str] = mapped_column(primary_key=True)
    people: Mapped[float]
    last_s: Mapped[float] = mapped_column(index=True)


class EventId(Base):
    """A client's own id of an event, kept for as long as the event may be sent again."""

    __tablename__ = "event_ids"

    actor_id: Mapped[int] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(default=now, index=True)


Index("ix_engagement_actor_last", Engagement.actor_id, Engagement.last_at.desc())
Index("ix_engagement_first_at", Engagement.first_at)
Index("ix_engagement_project_last", Engagement.project_id, Engagement.last_at.desc())
Index("ix_likes_project_created", Like.project_id, Like.created_at.desc())
Index("ix_likes_actor_created", Like.actor_id, Like.created_at.desc())
Index("ix_saves_project_id", Save.project_id)
Index("ix_dismissals_project_id", Dismissal.project_id)


class UserTag(Base):
    """A stated or learned interest of an actor, from 0 to 1."""

    __tablename__ = "user_tags"

    actor_id: Mapped[int] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"))
    term_id: Mapped[int] = mapped_column(Identity, ForeignKey("terms.id", ondelete="CASCADE"))
    confidence: Mapped[float]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    __table_args__ = (
        PrimaryKeyConstraint("actor_id", "term_id"),
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_in_range"),
        _one_of("source", TagSource),
    )


Index("ix_user_tags_actor_term_confidence", UserTag.actor_id, UserTag.term_id, UserTag.confidence.desc())
Index("ix_user_tags_term_actor", UserTag.term_id, UserTag.actor_id)


class OnboardingQuestion(Base):
    """A question of the quiz. `options` is a list of ``{id, label, icon, description, term}``."""

    __tablename__ = "onboarding_questions"
    __table_args__ = (_one_of("type", QuestionType),)

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


# --- the machine's own ---------------------------------------------------------------------------------------------


class OutboxRow(Base):
    """One shadow that is behind the truth: which one, and since when. It carries no payload: a worker reads the truth.

    `version` rises each time the truth changes again, and a worker deletes the row only if it has not moved meanwhile.
    `urgent` rows (what must leave the index) go first. A row is free when `available_at` has passed; taking it moves
    `available_at` forward, which is the lease. `held_until` is the end of an earlier lease that the row was pulled out
    of by a newer change. A `dead` row was refused too often and waits for an operator.
    """

    __tablename__ = "outbox"

    kind: Mapped[str]
    key: Mapped[str]
    version: Mapped[int] = mapped_column(Identity, default=1, server_default="1")
    urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    enqueued_at: Mapped[datetime] = mapped_column(default=now)
    available_at: Mapped[datetime] = mapped_column(default=now)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    dead: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_error: Mapped[str | None]
    held_until: Mapped[datetime | None]

    __table_args__ = (
        PrimaryKeyConstraint("kind", "key"),
        _one_of("kind", OutboxKind),
    )


Index("ix_outbox_next", OutboxRow.dead, OutboxRow.urgent.desc(), OutboxRow.available_at)


class Job(Base):
    """Whose turn a periodic job is, so that one runner does it however many workers there are.

    `token` rises each time the job is taken; a holder's lease ends at `until` by the database's clock, and is None
    while nobody holds it. `due` is the occurrence that was taken last: no other worker does it a second time.
    """

    __tablename__ = "jobs"

    name: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[int] = mapped_column(Identity, default=1, server_default="1")
    holder: Mapped[str]
    until: Mapped[datetime | None]
    due: Mapped[datetime | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]


class ActorTaste(Base):
    """What was built last night of an actor: latent factors, and the people most alike.

    `vector` holds little-endian float16; `neighbours` little-endian int64 actor ids, `likeness` their float32, the most
    alike first. A shadow of `engagement`: it can be built again at any time.
    """

    __tablename__ = "actor_tastes"

    actor_id: Mapped[int] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    neighbours: Mapped[bytes] = mapped_column(LargeBinary)
    likeness: Mapped[bytes] = mapped_column(LargeBinary)


class ProjectTaste(Base):
    """What was built last night of a project: latent factors (float16), empty for one of too few people."""

    __tablename__ = "project_tastes"

    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class ProjectNeighbours(Base):
    """The projects that are touched by the same people, by kind of likeness; blobs as in `ActorTaste`."""

    __tablename__ = "project_neighbours"
    __table_args__ = (PrimaryKeyConstraint("project_id", "kind"),)

    project_id: Mapped[int] = mapped_column(Identity, ForeignKey("projects.id", ondelete="CASCADE"))
    kind: Mapped[str]
    neighbours: Mapped[bytes] = mapped_column(LargeBinary)
    likeness: Mapped[bytes] = mapped_column(LargeBinary)


class RankingModel(Base):
    """A set of curves that ranks: the weights of one preset or of one training run, kept for ever."""

    __tablename__ = "ranking_models"

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    curves: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    in_service: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=now)


Index(
    "uq_ranking_models_in_service",
    RankingModel.in_service,
    unique=True,
    postgresql_where=RankingModel.in_service,
    sqlite_where=RankingModel.in_service,
)


class ServedPage(Base):
    """What was served, for training, replay and support; a sample, kept for 7 days.

    `projects` lists the ids in the order of their ranks from `first_rank`; `contributions` holds their
    millionths, little-endian int64, row by row, in the order of `signals`.
    """

    __tablename__ = "served_pages"
    __table_args__ = (_one_of("feed_kind", FeedKind),)

    id: Mapped[int] = mapped_column(Identity, primary_key=True)
    snapshot_id: Mapped[str] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(Identity, ForeignKey("actors.id", ondelete="CASCADE"), index=True)
    feed_kind: Mapped[str]
    strategy: Mapped[str]
    model: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    first_rank: Mapped[int]
    projects: Mapped[list[Any]]
    signals: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    contributions: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
