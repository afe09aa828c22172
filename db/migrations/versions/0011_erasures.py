"""Erasures that are not completed yet, and the receipts of those that are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("leftovers", JSON, nullable=False),
        sa.Column("report", JSON, nullable=False),
        sa.Column("completed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_completed_at"), "erasures", ["completed_at"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("erasures")
