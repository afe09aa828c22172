"""Add a platform's own types of interactions and embeddings of projects."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TYPE_CHECK = re.compile(r",\s*CONSTRAINT ck_interactions_type_known CHECK \(type IN \([^)]*\)\)")


def upgrade() -> None:
    """Create the tables, add the columns, and drop the check that an interaction has a built-in type."""
    op.create_table(
        "custom_interaction_types",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("bit", sa.Integer(), nullable=False, unique=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("positive_from", sa.Double()),
        sa.Column("negative_to", sa.Double()),
    )
    op.create_table(
        "project_embeddings",
        sa.Column("project_id", ID, sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
    )
    op.add_column("engagement", sa.Column("strength", sa.Double(), server_default="1", nullable=False))
    op.add_column("engagement", sa.Column("inactive_kinds", sa.Integer(), server_default="0", nullable=False))
    _drop_type_check()
    op.add_column("interactions", sa.Column("value", sa.Double()))


def _drop_type_check() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_interactions_type_known"), "interactions", type_="check")
        return
    # SQLite cannot drop a constraint. Its documentation allows to edit the schema if only a CHECK changes.
    table = sa.text("SELECT sql FROM sqlite_master WHERE name = 'interactions'")
    without, count = TYPE_CHECK.subn("", connection.execute(table).scalar_one())
    assert count == 1  # noqa: S101 (a schema of another form must not be written)
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    update = sa.text("UPDATE sqlite_master SET sql = :sql WHERE name = 'interactions'")
    connection.execute(update, {"sql": without})
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")
