"""All tables, as the first release has them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
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
"""What SQLAlchemy makes of ``~private & ~archived``: an index serves a query only if their words agree."""


def upgrade() -> None:
    """Go forward."""
    _create_users()
    _create_projects()
    _create_terms()
    _create_tools()
    _create_project_terms()
    _create_actors()
    _create_user_tags()
    _create_onboarding_questions()
    _create_onboarding_responses()
    _create_interactions()
    _create_engagement()
    _create_likes()
    _create_saves()
    _create_dismissals()
    _create_outbox()
    _create_ranking_models()
    _create_served_pages()
    _create_partitions()


def downgrade() -> None:
    """Go back to nothing."""
    for table in (
        "served_pages",
        "ranking_models",
        "outbox",
        "dismissals",
        "saves",
        "likes",
        "engagement",
        "interactions",
        "onboarding_responses",
        "onboarding_questions",
        "user_tags",
        "actors",
        "project_terms",
        "tools",
        "terms",
        "projects",
        "users",
    ):
        op.drop_table(table)


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("bio", sa.String(), server_default="", nullable=False),
        sa.Column("tier", sa.String(), server_default="", nullable=False),
        sa.Column("points", sa.Integer(), server_default="0", nullable=False),
        sa.Column("role", sa.String(), server_default="viewer", nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'service', 'administrator')", name=op.f("ck_users_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("key", name=op.f("uq_users_key")),
    )


def _create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("image_url", sa.String(), nullable=True),
        sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("archived", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("source", JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("like_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("view_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("engagement_velocity", sa.Double(), server_default="0", nullable=False),
        sa.Column("last_velocity_update", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("like_count >= 0", name=op.f("ck_projects_like_count_not_negative")),
        sa.CheckConstraint("view_count >= 0", name=op.f("ck_projects_view_count_not_negative")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_projects_owner_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("key", name=op.f("uq_projects_key")),
    )
    op.create_index("ix_projects_newest", "projects", [_down("created_at"), _down("id")], **PUBLIC)
    op.create_index(op.f("ix_projects_owner_id"), "projects", ["owner_id"])
    op.create_index(
        "ix_projects_popular", "projects", [_down("like_count"), _down("created_at"), _down("id")], **PUBLIC
    )
    op.create_index(
        "ix_projects_trending", "projects", [_down("engagement_velocity"), _down("created_at"), _down("id")], **PUBLIC
    )


def _create_terms() -> None:
    op.create_table(
        "terms",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('tool', 'category', 'topic')", name=op.f("ck_terms_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_terms_kind_key")),
    )


def _create_tools() -> None:
    op.create_table(
        "tools",
        sa.Column("term_id", ID, nullable=False),
        sa.Column("tagline", sa.String(), server_default="", nullable=False),
        sa.Column("category", sa.String(), server_default="", nullable=False),
        sa.Column("tags", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("use_cases", sa.String(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["term_id"], ["terms.id"], name=op.f("fk_tools_term_id_terms"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("term_id", name=op.f("pk_tools")),
    )


def _create_project_terms() -> None:
    op.create_table(
        "project_terms",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("term_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_terms_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["term_id"], ["terms.id"], name=op.f("fk_project_terms_term_id_terms"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "term_id", name=op.f("pk_project_terms")),
    )
    op.create_index(op.f("ix_project_terms_term_id_project_id"), "project_terms", ["term_id", "project_id"])


def _create_actors() -> None:
    op.create_table(
        "actors",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("session_key", sa.String(), nullable=True),
        sa.Column("merged_into", ID, nullable=True),
        sa.Column("version", ID, server_default="0", nullable=False),
        sa.Column("settings", JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("(user_id IS NULL) <> (session_key IS NULL)", name=op.f("ck_actors_user_or_session")),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["actors.id"], name=op.f("fk_actors_merged_into_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_actors_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actors")),
        sa.UniqueConstraint("session_key", name=op.f("uq_actors_session_key")),
        sa.UniqueConstraint("user_id", name=op.f("uq_actors_user_id")),
    )
    op.create_index(op.f("ix_actors_merged_into"), "actors", ["merged_into"])


def _create_user_tags() -> None:
    op.create_table(
        "user_tags",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("term_id", ID, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "source IN ('manual', 'quiz', 'imported', 'learned')", name=op.f("ck_user_tags_source_known")
        ),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_user_tags_confidence_in_range")),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_user_tags_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["term_id"], ["terms.id"], name=op.f("fk_user_tags_term_id_terms"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("actor_id", "term_id", name=op.f("pk_user_tags")),
    )
    op.create_index("ix_user_tags_actor_term_confidence", "user_tags", ["actor_id", "term_id", _down("confidence")])
    op.create_index("ix_user_tags_term_actor", "user_tags", ["term_id", "actor_id"])


def _create_onboarding_questions() -> None:
    op.create_table(
        "onboarding_questions",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("options", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "type IN ('tool_select', 'category_select', 'use_case', 'experience')",
            name=op.f("ck_onboarding_questions_type_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onboarding_questions")),
        sa.UniqueConstraint("key", name=op.f("uq_onboarding_questions_key")),
    )


def _create_onboarding_responses() -> None:
    op.create_table(
        "onboarding_responses",
        sa.Column("id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("question_id", ID, nullable=False),
        sa.Column("selected_options", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_onboarding_responses_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["question_id"],
            ["onboarding_questions.id"],
            name=op.f("fk_onboarding_responses_question_id_onboarding_questions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onboarding_responses")),
        sa.UniqueConstraint("actor_id", "question_id", name=op.f("uq_onboarding_responses_actor_id_question_id")),
    )
    op.create_index(
        op.f("ix_onboarding_responses_actor_id_created_at"), "onboarding_responses", ["actor_id", "created_at"]
    )
    op.create_index(op.f("ix_onboarding_responses_question_id"), "onboarding_responses", ["question_id"])


def _create_interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("feed_kind", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("snapshot_id", sa.String(), nullable=True),
        sa.Column("session_key", sa.String(), nullable=True),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.CheckConstraint(
            "feed_kind IN ('for_you', 'trending', 'popular', 'newest', 'search', 'similar')",
            name=op.f("ck_interactions_feed_kind_known"),
        ),
        sa.CheckConstraint(
            "type IN ('view', 'like', 'bookmark', 'comment', 'follow', 'click', 'dismiss', 'impression')",
            name=op.f("ck_interactions_type_known"),
        ),
        sa.CheckConstraint("position >= 0", name=op.f("ck_interactions_position_not_negative")),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_interactions_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_interactions_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", "project_id", "type", "at", name=op.f("pk_interactions")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_interactions_actor_type_at", "interactions", ["actor_id", "type", _down("at")])
    op.create_index("ix_interactions_project_at", "interactions", ["project_id", _down("at")])


def _create_engagement() -> None:
    op.create_table(
        "engagement",
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("kinds", sa.Integer(), nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_engagement_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_engagement_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", "project_id", name=op.f("pk_engagement")),
    )
    op.create_index("ix_engagement_actor_last", "engagement", ["actor_id", _down("last_at")])
    op.create_index("ix_engagement_project_last", "engagement", ["project_id", _down("last_at")])


def _create_likes() -> None:
    op.create_table(
        "likes",
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_likes_actor_id_actors"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_likes_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", "project_id", name=op.f("pk_likes")),
    )
    op.create_index("ix_likes_actor_created", "likes", ["actor_id", _down("created_at")])
    op.create_index("ix_likes_project_created", "likes", ["project_id", _down("created_at")])


def _create_saves() -> None:
    op.create_table(
        "saves",
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_saves_actor_id_actors"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_saves_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", "project_id", name=op.f("pk_saves")),
    )
    op.create_index("ix_saves_project_id", "saves", ["project_id"])


def _create_dismissals() -> None:
    op.create_table(
        "dismissals",
        sa.Column("because", sa.String(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_dismissals_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_dismissals_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", "project_id", name=op.f("pk_dismissals")),
    )
    op.create_index("ix_dismissals_project_id", "dismissals", ["project_id"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", ID, server_default="1", nullable=False),
        sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("enqueued_at", TIME, nullable=False),
        sa.Column("available_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("dead", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.CheckConstraint("kind IN ('project', 'profile', 'tool')", name=op.f("ck_outbox_kind_known")),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_next", "outbox", ["dead", _down("urgent"), "available_at"])


def _create_ranking_models() -> None:
    op.create_table(
        "ranking_models",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("curves", JSON, nullable=False),
        sa.Column("report", JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("in_service", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_models")),
        sa.UniqueConstraint("name", name=op.f("uq_ranking_models_name")),
    )
    op.create_index(
        "uq_ranking_models_in_service",
        "ranking_models",
        ["in_service"],
        unique=True,
        postgresql_where=sa.text("in_service"),
        sqlite_where=sa.text("in_service"),
    )


def _create_served_pages() -> None:
    op.create_table(
        "served_pages",
        sa.Column("id", ID, nullable=False),
        sa.Column("snapshot_id", sa.String(), nullable=False),
        sa.Column("actor_id", ID, nullable=True),
        sa.Column("feed_kind", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("first_rank", sa.Integer(), nullable=False),
        sa.Column("projects", JSON, nullable=False),
        sa.Column("signals", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("contributions", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "feed_kind IN ('for_you', 'trending', 'popular', 'newest', 'search', 'similar')",
            name=op.f("ck_served_pages_feed_kind_known"),
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_served_pages_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_pages")),
    )
    op.create_index(op.f("ix_served_pages_actor_id"), "served_pages", ["actor_id"])
    op.create_index(op.f("ix_served_pages_at"), "served_pages", ["at"])
    op.create_index(op.f("ix_served_pages_snapshot_id"), "served_pages", ["snapshot_id"])


def _down(column: str) -> sa.ColumnClause[str]:
    return sa.literal_column(f"{column} DESC")


def _create_partitions() -> None:
    """Make what no month's partition takes: events whose time nobody knows (1970), and a net below everything."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE TABLE interactions_default PARTITION OF interactions DEFAULT")
        op.execute(
            "CREATE TABLE interactions_1970_01 PARTITION OF interactions "
            "FOR VALUES FROM ('1970-01-01 00:00:00+00') TO ('1970-02-01 00:00:00+00')"
        )
