"""Periodic jobs with their leases; outbox rows remember an earlier lease that may still be held."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="1", nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.Column("due", TIME, nullable=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_jobs")),
    )
    op.add_column("outbox", sa.Column("held_until", TIME, nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("outbox", "held_until")
    op.drop_table("jobs")
