"""Terms remember whether the platform has sent them, apart from those that only projects and interests name."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("terms", sa.Column("listed", sa.Boolean(), server_default=sa.false(), nullable=False))
    terms, tools = (
        sa.table("terms", *map(sa.column, ("id", "kind", "key", "name", "description", "listed"))),
        sa.table("tools", sa.column("term_id")),
    )
    # A category that the platform sent without a name of its own and without words looks like one that a project made.
    described = sa.or_(terms.c.description != "", terms.c.name != terms.c.key)
    sent = sa.or_(terms.c.id.in_(sa.select(tools.c.term_id)), sa.and_(terms.c.kind == "category", described))
    op.execute(sa.update(terms).where(sent).values(listed=sa.true()))


def downgrade() -> None:
    """Go back."""
    op.drop_column("terms", "listed")
