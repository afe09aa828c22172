"""Add titles, descriptions and names of terms as search compares them. `db.catalog.search_texts` fills them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table and the column, empty: their locks on projects and terms end at once, and servers go on."""
    op.create_table(
        "project_search_texts",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_project_search_texts_project_id_projects", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", name="pk_project_search_texts"),
    )
    op.add_column("terms", sa.Column("folded_name", sa.String(), server_default="", nullable=False))
