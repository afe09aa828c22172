"""Give each database an id of its installation."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table with its one row."""
    table = op.create_table("installation", sa.Column("id", sa.String(), primary_key=True))
    op.bulk_insert(table, [{"id": str(uuid4())}])
