"""What viewers have muted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "mutes",
        sa.Column("id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("term_id", ID, nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("seed_id", ID, nullable=True),
        sa.Column("dismissed_id", ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(CASE WHEN term_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN seed_id IS NULL THEN 0 ELSE 1 END) = 1",
            name=op.f("ck_mutes_one_subject"),
        ),
        _foreign_key("actor_id", "actors", "CASCADE"),
        _foreign_key("term_id", "terms", "CASCADE"),
        _foreign_key("owner_id", "users", "CASCADE"),
        _foreign_key("seed_id", "projects", "CASCADE"),
        _foreign_key("dismissed_id", "projects", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mutes")),
        sa.UniqueConstraint("term_id", "actor_id", name=op.f("uq_mutes_term_id_actor_id")),
        sa.UniqueConstraint("owner_id", "actor_id", name=op.f("uq_mutes_owner_id_actor_id")),
        sa.UniqueConstraint("seed_id", "actor_id", name=op.f("uq_mutes_seed_id_actor_id")),
    )
    op.create_index(op.f("ix_mutes_actor_id"), "mutes", ["actor_id"])
    op.create_index(op.f("ix_mutes_dismissed_id"), "mutes", ["dismissed_id"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("mutes")


def _foreign_key(column: str, of: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=op.f(f"fk_mutes_{column}_{of}"), ondelete=ondelete)
