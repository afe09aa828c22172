"""Pulses: how many people came to a project lately; what bounds a crowd from one network; clients' ids of events."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Go forward."""
    op.add_column("engagement", sa.Column("weight", sa.Double(), server_default="1", nullable=False))
    op.create_table(
        "project_pulses",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("people_1h", sa.Double(), server_default="0", nullable=False),
        sa.Column("people_6h", sa.Double(), server_default="0", nullable=False),
        sa.Column("people_3d", sa.Double(), server_default="0", nullable=False),
        sa.Column("people_14d", sa.Double(), server_default="0", nullable=False),
        sa.Column("last_s", sa.Double(), nullable=False),
        _foreign_key("project_pulses", "project"),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_pulses")),
    )
    op.create_table(
        "crowds",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("people", sa.Double(), nullable=False),
        sa.Column("last_s", sa.Double(), nullable=False),
        _foreign_key("crowds", "project"),
        sa.PrimaryKeyConstraint("project_id", "network", name=op.f("pk_crowds")),
    )
    op.create_index(op.f("ix_crowds_last_s"), "crowds", ["last_s"])
    op.create_table(
        "event_ids",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        _foreign_key("event_ids", "actor"),
        sa.PrimaryKeyConstraint("actor_id", "event_id", name=op.f("pk_event_ids")),
    )
    op.create_index(op.f("ix_event_ids_recorded_at"), "event_ids", ["recorded_at"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("event_ids")
    op.drop_table("crowds")
    op.drop_table("project_pulses")
    op.drop_column("engagement", "weight")


def _foreign_key(table: str, of: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{of}_id_{of}s")
    return sa.ForeignKeyConstraint([f"{of}_id"], [f"{of}s.id"], name=name, ondelete="CASCADE")
