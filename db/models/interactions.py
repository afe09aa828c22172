"""Actors, their interactions with projects, and counters."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.database.column_types import BigIntId
from db.models.base import Base, now, one_of_check
from db.models.enums import FeedKind, InterestSource


class Actor(Base):
    """A user or an anonymous session. Every interaction and setting belongs to an actor.

    Every write for the actor increases `version`, which shows that a ranking snapshot is outdated. A claimed session is
    `merged_into` the actor of the account. Requests with its id act as the account until `claim_ends_at`.
    """

    __tablename__ = "actors"
    __table_args__ = (CheckConstraint("(user_id IS NULL) <> (session_key IS NULL)", name="user_or_session"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    session_key: Mapped[str | None] = mapped_column(unique=True)
    merged_into: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"), index=True)
    claim_ends_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(BigIntId, default=0, server_default="0")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Interaction(Base):
    """One event: append-only, identified by (actor, project, type, at), partitioned by month on PostgreSQL.

    `type` is a value of `InteractionType` or the name of a `CustomInteractionType`; some of these have a `value`. `at`
    is `db.database.column_types.UNKNOWN_TIME` if the time is unknown.
    """

    __tablename__ = "interactions"
    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"))
    type: Mapped[str]
    at: Mapped[datetime]
    feed_kind: Mapped[str | None]
    position: Mapped[int | None]
    snapshot_id: Mapped[str | None]
    session_key: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(default=now)
    value: Mapped[float | None]

    __table_args__ = (
        PrimaryKeyConstraint("actor_id", "project_id", "type", "at"),
        one_of_check("feed_kind", FeedKind),
        CheckConstraint("position >= 0", name="position_not_negative"),
        {"postgresql_partition_by": "RANGE (at)"},
    )


Index("ix_interactions_actor_type_at", Interaction.actor_id, Interaction.type, Interaction.at.desc())
Index("ix_interactions_project_at", Interaction.project_id, Interaction.at.desc())


class CustomInteractionType(Base):
    """A platform's own type of interaction: the configuration, and the bit of the type in `Engagement.kinds`.

    An interaction is positive if its value, or 0 without one, is at least `positive_from`, and negative if it is at
    most `negative_to`. A type that is no longer configured is not active; its bit is kept.
    """

    __tablename__ = "custom_interaction_types"
    name: Mapped[str] = mapped_column(primary_key=True)
    bit: Mapped[int] = mapped_column(unique=True)
    is_active: Mapped[bool]
    weight: Mapped[float]
    positive_from: Mapped[float | None]
    negative_to: Mapped[float | None]


class _ActorOnProject:
    """The primary key of tables about an actor and a project."""

    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)


class Engagement(_ActorOnProject, Base):
    """Aggregate of the interactions of one actor with one project; `kinds` holds `EngagementKind` bits.

    `weight` is the weight of the actor in the project's decayed counters, 0 to 1. It is set at the first engagement and
    stored for recounts. `strength` is the factor in it of the strongest type of interaction: 1, except for a platform's
    own types of less weight. `inactive_kinds` holds the bits of types that are no longer configured.
    """

    __tablename__ = "engagement"
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    kinds: Mapped[int]
    weight: Mapped[float] = mapped_column(default=1.0, server_default="1")
    strength: Mapped[float] = mapped_column(default=1.0, server_default="1")
    inactive_kinds: Mapped[int] = mapped_column(default=0, server_default="0")


class Like(_ActorOnProject, Base):
    """A project that an actor likes."""

    __tablename__ = "likes"
    created_at: Mapped[datetime] = mapped_column(default=now)


class Save(_ActorOnProject, Base):
    """A project that an actor saved for later."""

    __tablename__ = "saves"
    created_at: Mapped[datetime] = mapped_column(default=now)


class Dismissal(_ActorOnProject, Base):
    """A project hidden from an actor's feeds. `reason_id` is the reason that the actor gave, if any."""

    __tablename__ = "dismissals"
    reason_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Mute(Base):
    """A muted term or owner, whose projects the actor's feeds exclude, or a project that is not used as evidence.

    Exactly one of `term_id`, `owner_id` and `seed_id` is set. `dismissed_id` is the project whose dismissal created the
    mute, if any.
    """

    __tablename__ = "mutes"
    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"), index=True)
    term_id: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("terms.id", ondelete="CASCADE"))
    owner_id: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("users.id", ondelete="CASCADE"))
    seed_id: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"))
    dismissed_id: Mapped[int | None] = mapped_column(
        BigIntId, ForeignKey("projects.id", ondelete="SET NULL"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=now)

    # The subject comes first: queries look up the mutes of each term of each candidate.
    __table_args__ = (
        UniqueConstraint("term_id", "actor_id"),
        UniqueConstraint("owner_id", "actor_id"),
        UniqueConstraint("seed_id", "actor_id"),
        CheckConstraint(
            "(CASE WHEN term_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN seed_id IS NULL THEN 0 ELSE 1 END) = 1",
            name="one_subject",
        ),
    )


class DecayedCounters(Base):
    """Decayed sums of the weights of a project's distinct actors, by half-life (`db.interactions.decayed_counters`).

    The `actors_…` sums decay in wall-clock time up to `as_of_s` (Unix seconds), the `active_…` sums in activity time up
    to `as_of_active_h` (active hours). Both are the time of the latest first engagement in the sums.
    """

    __tablename__ = "decayed_counters"
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    actors_1h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    actors_6h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    actors_3d: Mapped[float] = mapped_column(default=0.0, server_default="0")
    actors_14d: Mapped[float] = mapped_column(default=0.0, server_default="0")
    as_of_s: Mapped[float]
    active_1h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    active_6h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    active_36h: Mapped[float] = mapped_column(default=0.0, server_default="0")
    active_7d: Mapped[float] = mapped_column(default=0.0, server_default="0")
    as_of_active_h: Mapped[float] = mapped_column(default=0.0, server_default="0")


class NetworkCount(Base):
    """Decayed count of a project's new actors from one network, used to cap the weight of the network's next actors.

    `network` is a keyed hash that changes daily. No address is stored.
    """

    __tablename__ = "network_counts"
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    network: Mapped[str] = mapped_column(primary_key=True)
    actors: Mapped[float]
    as_of_s: Mapped[float] = mapped_column(index=True)


class EventId(Base):
    """A client's own id of an event, kept while the client can send the event again."""

    __tablename__ = "event_ids"
    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(default=now, index=True)


Index("ix_engagement_actor_last", Engagement.actor_id, Engagement.last_at.desc())
Index("ix_engagement_first_at", Engagement.first_at)
Index("ix_engagement_project_last", Engagement.project_id, Engagement.last_at.desc())
Index("ix_likes_project_created", Like.project_id, Like.created_at.desc())
Index("ix_likes_actor_created", Like.actor_id, Like.created_at.desc())
Index("ix_saves_project_id", Save.project_id)
Index("ix_dismissals_project_id", Dismissal.project_id)


class ActorInterest(Base):
    """A stated, imported or learned interest of an actor; `confidence` is from 0 to 1."""

    __tablename__ = "user_tags"
    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"))
    term_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("terms.id", ondelete="CASCADE"))
    confidence: Mapped[float]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    __table_args__ = (
        PrimaryKeyConstraint("actor_id", "term_id"),
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_in_range"),
        one_of_check("source", InterestSource),
    )


Index(
    "ix_user_tags_actor_term_confidence", ActorInterest.actor_id, ActorInterest.term_id, ActorInterest.confidence.desc()
)
Index("ix_user_tags_term_actor", ActorInterest.term_id, ActorInterest.actor_id)


class RemovedInterest(Base):
    """An interest that an actor removed. Training and imports do not add it again; the actor can."""

    __tablename__ = "removed_interests"
    __table_args__ = (PrimaryKeyConstraint("actor_id", "term_id"), Index(None, "term_id"))

    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"))
    term_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("terms.id", ondelete="CASCADE"))
    removed_at: Mapped[datetime] = mapped_column(default=now)
