"""Served pages remember which of their projects were drawn by lot, and how likely that was."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Go forward."""
    op.add_column("served_pages", sa.Column("explored", JSON, server_default=sa.text("'[]'"), nullable=False))


def downgrade() -> None:
    """Go back."""
    op.drop_column("served_pages", "explored")
