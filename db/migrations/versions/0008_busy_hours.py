"""The platform's own clock, the sums that halve by it, and the fitted constants of trends."""

import sqlalchemy as sa
from alembic import op

from db.database.column_types import Json

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SUMS = ("busy_1h", "busy_6h", "busy_36h", "busy_7d", "last_h")


def upgrade() -> None:
    """Go forward. The new sums begin as the nearest of the old ones; the hourly mend counts them."""
    hours = op.create_table(
        "busy_hours",
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_h", sa.Double(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_busy_hours")),
    )
    op.bulk_insert(hours, [{"hour": hour, "start_h": float(hour), "rate": 1.0} for hour in range(168)])
    for name in SUMS:
        op.add_column("project_pulses", sa.Column(name, sa.Double(), server_default="0", nullable=False))
    op.execute(
        "UPDATE project_pulses SET busy_1h = people_1h, busy_6h = people_6h, busy_36h = people_3d, "
        "busy_7d = people_14d, last_h = (last_s - 345600.0) / 3600.0"
    )
    op.create_table(
        "velocity_constants",
        sa.Column("id", ID, nullable=False),
        sa.Column("constants", Json, nullable=False),
        sa.Column("report", Json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("in_service", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_velocity_constants")),
    )
    served = sa.text("in_service")
    op.create_index(
        "uq_velocity_constants_in_service",
        "velocity_constants",
        ["in_service"],
        unique=True,
        postgresql_where=served,
        sqlite_where=served,
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("velocity_constants")
    for name in SUMS:
        op.drop_column("project_pulses", name)
    op.drop_table("busy_hours")
