"""Circles of like-minded people, built at night with everybody's taste."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "taste_circles",
        sa.Column("id", ID, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taste_circles")),
    )
    op.add_column("actor_tastes", sa.Column("circle", ID, nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("actor_tastes", "circle")
    op.drop_table("taste_circles")
