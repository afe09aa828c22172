"""All tables at revision 0013, the first revision. Earlier revisions were merged into it.

A database that an earlier version migrated to 0013 is already at this revision.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
PUBLIC: dict[str, Any] = {
    "postgresql_where": sa.text("NOT private AND NOT archived"),
    "sqlite_where": sa.text("private = 0 AND archived = 0"),
}
"""The SQL text of ``~private & ~archived`` in SQLAlchemy. A query uses an index only if both have the same text."""
FEEDS = "feed_kind IN ('for_you', 'trending', 'popular', 'newest', 'search', 'similar')"


def upgrade() -> None:
    """Create the schema. The naming convention of the models names keys, checks and indexes."""
    _create_catalog()
    _create_actors()
    _create_interactions()
    _create_counters()
    _create_onboarding()
    _create_operations()
    _create_trained_models()


def _create_catalog() -> None:
    op.create_table(
        "users", _id(), _unique("key"), *_strings("username"), *_texts("bio", "tier"), _integer("points", "0"),
        sa.Column("role", sa.String(), server_default="viewer", nullable=False), *_times("created_at", "updated_at"),
        sa.CheckConstraint("role IN ('viewer', 'service', 'administrator')", name="role_known"),
    )  # fmt: skip
    op.create_table(
        "projects", _id(), _unique("key"), *_strings("title"), *_texts("description"), *_strings("type"),
        _reference("owner_id", "users", "SET NULL", nullable=True, index=True), *_optional("url", "image_url"),
        *_flags("private", "archived"), _json("source", "{}"), _integer("like_count", "0"),
        _integer("view_count", "0"), _number("engagement_velocity", "0"), sa.Column("last_velocity_update", TIME),
        *_times("created_at", "updated_at"), sa.CheckConstraint("like_count >= 0", name="like_count_not_negative"),
        sa.CheckConstraint("view_count >= 0", name="view_count_not_negative"),
    )  # fmt: skip
    for name, first in (("newest", ()), ("popular", ("like_count",)), ("trending", ("engagement_velocity",))):
        columns = [_down(column) for column in (*first, "created_at", "id")]
        op.create_index(f"ix_projects_{name}", "projects", columns, **PUBLIC)
    op.create_table(
        "terms", _id(), *_strings("kind", "key", "name"), *_texts("description"), *_flags("listed"),
        sa.CheckConstraint("kind IN ('tool', 'category', 'topic')", name="kind_known"),
        sa.UniqueConstraint("kind", "key"),
    )  # fmt: skip
    op.create_table("tools", _key("term"), *_texts("tagline", "category"), _json("tags", "[]"), *_texts("use_cases"))
    op.create_table("project_terms", _key("project"), _key("term"))
    op.create_index(None, "project_terms", ["term_id", "project_id"])


def _create_actors() -> None:
    op.create_table(
        "actors", _id(), _reference("user_id", "users", nullable=True, unique=True),
        sa.Column("session_key", sa.String(), unique=True),
        _reference("merged_into", "actors", nullable=True, index=True), sa.Column("claim_ends_at", TIME),
        sa.Column("version", ID, server_default="0", nullable=False), _json("settings", "{}"), *_times("created_at"),
        sa.CheckConstraint("(user_id IS NULL) <> (session_key IS NULL)", name="user_or_session"),
    )  # fmt: skip
    op.create_table(
        "user_tags", _key("actor"), _key("term"), _number("confidence"), *_strings("source"),
        *_times("created_at", "updated_at"),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_in_range"),
        sa.CheckConstraint("source IN ('manual', 'quiz', 'imported', 'learned')", name="source_known"),
    )  # fmt: skip
    op.create_index("ix_user_tags_actor_term_confidence", "user_tags", ["actor_id", "term_id", _down("confidence")])
    op.create_index("ix_user_tags_term_actor", "user_tags", ["term_id", "actor_id"])
    op.create_table("removed_interests", _key("actor"), _key("term"), *_times("removed_at"))
    op.create_index(None, "removed_interests", ["term_id"])
    op.create_table(
        "mutes", _id(), _reference("actor_id", "actors", index=True), _reference("term_id", "terms", nullable=True),
        _reference("owner_id", "users", nullable=True), _reference("seed_id", "projects", nullable=True),
        _reference("dismissed_id", "projects", "SET NULL", nullable=True, index=True), *_times("created_at"),
        *(sa.UniqueConstraint(subject, "actor_id") for subject in ("term_id", "owner_id", "seed_id")),
        sa.CheckConstraint(
            "(CASE WHEN term_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN seed_id IS NULL THEN 0 ELSE 1 END) = 1", name="one_subject",
        ),
    )  # fmt: skip


def _create_interactions() -> None:
    types = "'view', 'like', 'bookmark', 'comment', 'follow', 'click', 'dismiss', 'impression'"
    op.create_table(
        "interactions", _key("actor"), _key("project"), sa.Column("type", sa.String(), primary_key=True),
        sa.Column("at", TIME, primary_key=True), *_optional("feed_kind"), sa.Column("position", sa.Integer()),
        *_optional("snapshot_id", "session_key"), *_times("recorded_at"),
        sa.CheckConstraint(f"type IN ({types})", name="type_known"),
        sa.CheckConstraint(FEEDS, name="feed_kind_known"),
        sa.CheckConstraint("position >= 0", name="position_not_negative"), postgresql_partition_by="RANGE (at)",
    )  # fmt: skip
    op.create_index("ix_interactions_actor_type_at", "interactions", ["actor_id", "type", _down("at")])
    op.create_index("ix_interactions_project_at", "interactions", ["project_id", _down("at")])
    if op.get_context().dialect.name == "postgresql":
        # Events of unknown time are stored in January 1970. Rows of a month without a partition are in the default one.
        op.execute("CREATE TABLE interactions_default PARTITION OF interactions DEFAULT")
        op.execute(
            "CREATE TABLE interactions_1970_01 PARTITION OF interactions "
            "FOR VALUES FROM ('1970-01-01 00:00:00+00') TO ('1970-02-01 00:00:00+00')"
        )
    op.create_table(
        "engagement", *_times("first_at", "last_at"), sa.Column("kinds", sa.Integer(), nullable=False), _key("actor"),
        _key("project"), _number("weight", "1"),
    )  # fmt: skip
    op.create_index("ix_engagement_actor_last", "engagement", ["actor_id", _down("last_at")])
    op.create_index("ix_engagement_first_at", "engagement", ["first_at"])
    op.create_index("ix_engagement_project_last", "engagement", ["project_id", _down("last_at")])
    op.create_table("likes", *_times("created_at"), _key("actor"), _key("project"))
    op.create_index("ix_likes_actor_created", "likes", ["actor_id", _down("created_at")])
    op.create_index("ix_likes_project_created", "likes", ["project_id", _down("created_at")])
    op.create_table("saves", *_times("created_at"), _key("actor"), _key("project"))
    op.create_index("ix_saves_project_id", "saves", ["project_id"])
    because = sa.Column("because", sa.String())
    op.create_table("dismissals", because, *_times("created_at"), _key("actor"), _key("project"))
    op.create_index("ix_dismissals_project_id", "dismissals", ["project_id"])
    event_id = sa.Column("event_id", sa.String(), primary_key=True)
    op.create_table("event_ids", _key("actor"), event_id, *_times("recorded_at"))
    op.create_index(None, "event_ids", ["recorded_at"])


def _create_counters() -> None:
    sums = ("people_1h", "people_6h", "people_3d", "people_14d", "busy_1h", "busy_6h", "busy_36h", "busy_7d", "last_h")
    op.create_table("project_pulses", _key("project"), _number("last_s"), *(_number(name, "0") for name in sums))
    network = sa.Column("network", sa.String(), primary_key=True)
    op.create_table("crowds", _key("project"), network, _number("people"), _number("last_s"))
    op.create_index(None, "crowds", ["last_s"])
    hour = sa.Column("hour", sa.Integer(), primary_key=True, autoincrement=False)
    hours = op.create_table("busy_hours", hour, _number("start_h"), _number("rate"))
    op.bulk_insert(hours, [{"hour": hour, "start_h": float(hour), "rate": 1.0} for hour in range(168)])


def _create_onboarding() -> None:
    op.create_table(
        "onboarding_questions", _id(), _unique("key"), *_strings("type", "text"), *_texts("description"),
        _json("options", "[]"), _json("translations", "{}"), _integer("least", "1"), _integer("most", "10"),
        *_flags("allows_text"), _integer("position", "0"), *_flags("active", default=sa.true()), *_flags("automatic"),
        _integer("version", "1"), *_times("created_at", "updated_at"),
        sa.CheckConstraint("type IN ('tool_select', 'category_select', 'use_case', 'experience')", name="type_known"),
    )  # fmt: skip
    op.create_table(
        "onboarding_responses", _id(), _reference("actor_id", "actors"),
        _reference("question_id", "onboarding_questions", index=True),
        sa.Column("selected_options", JSON, nullable=False), *_texts("text", "words"), _json("term_ids", "[]"),
        *_flags("skipped"), _integer("question_version", "1"), *_times("created_at", "updated_at"),
        sa.UniqueConstraint("actor_id", "question_id"),
    )  # fmt: skip
    op.create_index(None, "onboarding_responses", ["actor_id", "created_at"])


def _create_operations() -> None:
    op.create_table(
        "outbox", sa.Column("kind", sa.String(), primary_key=True), sa.Column("key", sa.String(), primary_key=True),
        sa.Column("version", ID, server_default="1", nullable=False), *_flags("urgent"),
        *_times("enqueued_at", "available_at"), _integer("attempts", "0"), *_flags("dead"), *_optional("last_error"),
        sa.Column("held_until", TIME), sa.CheckConstraint("kind IN ('project', 'profile', 'tool')", name="kind_known"),
    )  # fmt: skip
    op.create_index("ix_outbox_next", "outbox", ["dead", _down("urgent"), "available_at"])
    op.create_table(
        "erasures", sa.Column("id", sa.String(), primary_key=True), *_times("requested_at"),
        sa.Column("leftovers", JSON, nullable=False), sa.Column("report", JSON, nullable=False),
        sa.Column("completed_at", TIME, index=True),
    )  # fmt: skip
    op.create_table(
        "jobs", sa.Column("name", sa.String(), primary_key=True),
        sa.Column("token", ID, server_default="1", nullable=False), *_strings("holder"), sa.Column("until", TIME),
        sa.Column("due", TIME), *_times("started_at"), sa.Column("finished_at", TIME), *_optional("error"),
    )  # fmt: skip
    op.create_table(
        "served_pages", _id(), sa.Column("snapshot_id", sa.String(), nullable=False, index=True),
        _reference("actor_id", "actors", nullable=True, index=True), *_strings("feed_kind", "strategy", "model"),
        sa.Column("at", TIME, nullable=False, index=True), sa.Column("first_rank", sa.Integer(), nullable=False),
        sa.Column("projects", JSON, nullable=False), _json("signals", "[]"),
        sa.Column("contributions", sa.LargeBinary(), nullable=False), _json("explored", "[]"),
        sa.Column("values", sa.LargeBinary(), server_default="", nullable=False), _json("sampled", "[]"),
        sa.Column("sampled_values", sa.LargeBinary(), server_default="", nullable=False),
        _number("sampled_share", "0"), sa.CheckConstraint(FEEDS, name="feed_kind_known"),
    )  # fmt: skip


def _create_trained_models() -> None:
    lists = ("neighbours", "likeness")
    op.create_table("actor_tastes", _key("actor"), *_bytes("vector", *lists), sa.Column("circle", ID))
    op.create_table("taste_circles", _id(), *_bytes("vector"))
    op.create_table("project_tastes", _key("project"), *_bytes("vector"))
    op.create_table(
        "project_neighbours", _key("project"), sa.Column("kind", sa.String(), primary_key=True), *_bytes(*lists)
    )
    op.create_table(
        "ranking_models", _id(), _unique("name"), sa.Column("curves", JSON, nullable=False), _json("report", "{}"),
        *_flags("in_service"), sa.Column("retired_at", TIME), *_times("created_at"),
    )  # fmt: skip
    op.create_table(
        "velocity_constants", _id(), sa.Column("constants", JSON, nullable=False), _json("report", "{}"),
        *_flags("in_service"), *_times("created_at"),
    )  # fmt: skip
    only_one: dict[str, Any] = {"postgresql_where": sa.text("in_service"), "sqlite_where": sa.text("in_service")}
    for table in ("ranking_models", "velocity_constants"):
        op.create_index(f"uq_{table}_in_service", table, ["in_service"], unique=True, **only_one)


def _id() -> sa.Column[int]:
    return sa.Column("id", ID, primary_key=True)


def _reference(name: str, table: str, ondelete: str = "CASCADE", **options: Any) -> sa.Column[int]:
    options.setdefault("nullable", False)
    return sa.Column(name, ID, sa.ForeignKey(f"{table}.id", ondelete=ondelete), **options)


def _key(entity: str) -> sa.Column[int]:
    return _reference(f"{entity}_id", f"{entity}s", primary_key=True)


def _times(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, TIME, nullable=False) for name in names]


def _unique(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False, unique=True)


def _strings(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _optional(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String()) for name in names]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), server_default="", nullable=False) for name in names]


def _bytes(*names: str) -> list[sa.Column[bytes]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=False) for name in names]


def _integer(name: str, default: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=False)


def _number(name: str, default: str | None = None) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), server_default=default, nullable=False)


def _flags(*names: str, default: Any = None) -> list[sa.Column[bool]]:
    default = sa.false() if default is None else default
    return [sa.Column(name, sa.Boolean(), server_default=default, nullable=False) for name in names]


def _json(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, JSON, server_default=sa.text(f"'{default}'"), nullable=False)


def _down(column: str) -> sa.ColumnClause[str]:
    return sa.literal_column(f"{column} DESC")
