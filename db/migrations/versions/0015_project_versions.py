"""Index projects by the time of their last change."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index by which processes find changed projects."""
    op.create_index("ix_projects_updated_at", "projects", ["updated_at"])
