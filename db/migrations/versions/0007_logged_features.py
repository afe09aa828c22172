"""What a model learns from: the values of what was served, and a sample of what was not; when a model was retired."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Go forward."""
    for name in ("values", "sampled_values"):
        op.add_column("served_pages", sa.Column(name, sa.LargeBinary(), server_default="", nullable=False))
    op.add_column("served_pages", sa.Column("sampled", JSON, server_default=sa.text("'[]'"), nullable=False))
    op.add_column("served_pages", sa.Column("sampled_share", sa.Double(), server_default="0", nullable=False))
    op.add_column("ranking_models", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("ranking_models", "retired_at")
    for name in ("sampled_share", "sampled", "sampled_values", "values"):
        op.drop_column("served_pages", name)
