"""What is built at night: tastes of actors and projects, neighbour lists; and when engagement began."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "actor_tastes",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("neighbours", sa.LargeBinary(), nullable=False),
        sa.Column("likeness", sa.LargeBinary(), nullable=False),
        _foreign_key("actor_tastes", "actor"),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_actor_tastes")),
    )
    op.create_table(
        "project_tastes",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        _foreign_key("project_tastes", "project"),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_tastes")),
    )
    op.create_table(
        "project_neighbours",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("neighbours", sa.LargeBinary(), nullable=False),
        sa.Column("likeness", sa.LargeBinary(), nullable=False),
        _foreign_key("project_neighbours", "project"),
        sa.PrimaryKeyConstraint("project_id", "kind", name=op.f("pk_project_neighbours")),
    )
    op.create_index(op.f("ix_engagement_first_at"), "engagement", ["first_at"])


def downgrade() -> None:
    """Go back."""
    op.drop_index(op.f("ix_engagement_first_at"), table_name="engagement")
    op.drop_table("project_neighbours")
    op.drop_table("project_tastes")
    op.drop_table("actor_tastes")


def _foreign_key(table: str, of: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{of}_id_{of}s")
    return sa.ForeignKeyConstraint([f"{of}_id"], [f"{of}s.id"], name=name, ondelete="CASCADE")
