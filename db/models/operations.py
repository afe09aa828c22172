"""Operational tables: outbox, erasures, jobs, installation, trained models, served pages."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, PrimaryKeyConstraint, false
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.database.column_types import BigIntId
from db.models.base import Base, now, one_of_check
from db.models.enums import FeedKind, OutboxKind


class OutboxRow(Base):
    """An index document to update. The row has no payload: a worker reads the data from the database.

    Each change increases `version`. A worker deletes the row only if its version is the same. `urgent` rows (removals)
    are processed first. A row can be leased when `available_at` has passed; a lease sets `available_at` to its end.
    `held_until` is the end of a lease that a newer change interrupted. A `dead` row (dead letter) was rejected
    `MAX_ATTEMPTS` times and waits for an operator.
    """

    __tablename__ = "outbox"
    kind: Mapped[str]
    key: Mapped[str]
    version: Mapped[int] = mapped_column(BigIntId, default=1, server_default="1")
    urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    enqueued_at: Mapped[datetime] = mapped_column(default=now)
    available_at: Mapped[datetime] = mapped_column(default=now)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    dead: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_error: Mapped[str | None]
    held_until: Mapped[datetime | None]

    __table_args__ = (PrimaryKeyConstraint("kind", "key"), one_of_check("kind", OutboxKind))


Index("ix_outbox_next", OutboxRow.dead, OutboxRow.urgent.desc(), OutboxRow.available_at)


class Erasure(Base):
    """A deletion of actors: the remaining work in cache and index, and later the receipt.

    `leftovers` lists the actors and projects that cache and index may still contain, and is emptied when both are
    clean. `report` counts the deleted rows. A completed row contains no personal data.
    """

    __tablename__ = "erasures"
    id: Mapped[str] = mapped_column(primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(default=now)
    leftovers: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]]
    completed_at: Mapped[datetime | None] = mapped_column(index=True)


class Job(Base):
    """The lock of a periodic job, so that one worker at a time runs it.

    Each acquisition increases `token`. The lease ends at `until`, by the database's clock; `until` is None while no
    worker holds the job. `due` is the latest acquired occurrence, which is not run again.
    """

    __tablename__ = "jobs"
    name: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[int] = mapped_column(BigIntId, default=1, server_default="1")
    holder: Mapped[str]
    until: Mapped[datetime | None]
    due: Mapped[datetime | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]


class Installation(Base):
    """The one row with the id of this installation (see `db.installation`)."""

    __tablename__ = "installation"
    id: Mapped[str] = mapped_column(primary_key=True)


class UserFactors(Base):
    """Latent factors and taste cluster of an actor, rebuilt from `engagement` by the nightly training.

    `vector` is little-endian float16. `cluster` is the id of a `TasteCluster` of the same training run. A run does not
    reuse ids of the previous run.
    """

    __tablename__ = "user_factors"
    actor_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    cluster: Mapped[int | None] = mapped_column(BigIntId)


class TasteCluster(Base):
    """The mean user factors (float16) of at least ten similar actors."""

    __tablename__ = "taste_clusters"
    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class ItemFactors(Base):
    """Latent factors (float16) of a project, rebuilt nightly. Projects with too few actors have no row."""

    __tablename__ = "item_factors"
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class ItemNeighbors(Base):
    """Projects with similar actors: little-endian int64 ids, the most similar first, and float32 cosines."""

    __tablename__ = "item_neighbors"
    project_id: Mapped[int] = mapped_column(BigIntId, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    neighbors: Mapped[bytes] = mapped_column(LargeBinary)
    similarity: Mapped[bytes] = mapped_column(LargeBinary)


class RankingModel(Base):
    """A ranking model of a training run. Models are never deleted.

    `retired_at` is the time of the last deactivation. A roll-back activates the model with the latest `retired_at`.
    """

    __tablename__ = "ranking_models"
    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    curves: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    is_active: Mapped[bool] = mapped_column(default=False, server_default=false())
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


Index(
    "uq_ranking_models_is_active",
    RankingModel.is_active,
    unique=True,
    postgresql_where=RankingModel.is_active,
    sqlite_where=RankingModel.is_active,
)


class VelocityConstants(Base):
    """Fitted constants of the trending formula, by window. Rows are never deleted."""

    __tablename__ = "velocity_constants"
    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    constants: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    is_active: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=now)


Index(
    "uq_velocity_constants_is_active",
    VelocityConstants.is_active,
    unique=True,
    postgresql_where=VelocityConstants.is_active,
    sqlite_where=VelocityConstants.is_active,
)


class ActivityRate(Base):
    """Active hours per wall-clock hour (`rate`) in an hour of the week, 0 to 167 from Monday 00:00 UTC.

    `start_h` is the start of the hour in active hours since the start of the week; see `db.interactions.activity_time`.
    """

    __tablename__ = "activity_rates"
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start_h: Mapped[float]
    rate: Mapped[float]


class ServedPage(Base):
    """A served page, logged for training, replay and support. Rows are deleted after 7 days.

    `projects` lists project ids in the order of their ranks, which begin at `first_rank`. `contributions` is a
    (projects, signals) matrix of integer millionths (little-endian int64), `values` the matrix of signal values
    (float32). `explored` lists the projects placed by exploration as ``[id, propensity]``. `sampled` lists other
    candidates of the ranking, each drawn with probability `sampled_share`, and `sampled_values` has their signal
    values. They are logged because a model that is trained only on shown projects learns to repeat the choices of the
    model that ranked them.
    """

    __tablename__ = "served_pages"
    __table_args__ = (one_of_check("feed_kind", FeedKind),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    snapshot_id: Mapped[str] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(BigIntId, ForeignKey("actors.id", ondelete="CASCADE"), index=True)
    feed_kind: Mapped[str]
    strategy: Mapped[str]
    model: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    first_rank: Mapped[int]
    projects: Mapped[list[Any]]
    signals: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    contributions: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    explored: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    values: Mapped[bytes] = mapped_column(LargeBinary, default=b"", server_default="")
    sampled: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    sampled_values: Mapped[bytes] = mapped_column(LargeBinary, default=b"", server_default="")
    sampled_share: Mapped[float] = mapped_column(default=0.0, server_default="0")
