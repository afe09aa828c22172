"""The quiz: bounds, languages and versions of questions, what an answer meant; interests that were taken away."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)

QUESTION = (
    ("description", sa.String(), ""),
    ("translations", JSON, sa.text("'{}'")),
    ("least", sa.Integer(), "1"),
    ("most", sa.Integer(), "10"),
    ("allows_text", sa.Boolean(), sa.false()),
    ("automatic", sa.Boolean(), sa.false()),
    ("version", sa.Integer(), "1"),
)
RESPONSE = (
    ("text", sa.String(), ""),
    ("words", sa.String(), ""),
    ("term_ids", JSON, sa.text("'[]'")),
    ("skipped", sa.Boolean(), sa.false()),
    ("question_version", sa.Integer(), "1"),
)
COLUMNS = (("onboarding_questions", QUESTION), ("onboarding_responses", RESPONSE))


def upgrade() -> None:
    """Go forward."""
    for table, columns in COLUMNS:
        for name, type_, default in columns:
            op.add_column(table, sa.Column(name, type_, server_default=default, nullable=False))
    op.create_table(
        "removed_interests",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("term_id", ID, nullable=False),
        sa.Column("removed_at", TIME, nullable=False),
        _foreign_key("actor"),
        _foreign_key("term"),
        sa.PrimaryKeyConstraint("actor_id", "term_id", name=op.f("pk_removed_interests")),
    )
    op.create_index(op.f("ix_removed_interests_term_id"), "removed_interests", ["term_id"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("removed_interests")
    for table, columns in COLUMNS:
        for name, _, _ in columns:
            op.drop_column(table, name)


def _foreign_key(of: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_removed_interests_{of}_id_{of}s")
    return sa.ForeignKeyConstraint([f"{of}_id"], [f"{of}s.id"], name=name, ondelete="CASCADE")
