"""Store titles, descriptions and names of terms as search compares them."""

import sqlalchemy as sa
from alembic import op

from db.database.column_types import BigIntId
from db.vectors.text_analysis import fold

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BATCH = 1_000


def upgrade() -> None:
    """Create the folded columns, and fill them in batches."""
    texts = op.create_table(
        "project_search_texts",
        sa.Column("project_id", BigIntId, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_project_search_texts_project_id_projects", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", name="pk_project_search_texts"),
    )
    op.add_column("terms", sa.Column("folded_name", sa.String(), server_default="", nullable=False))
    connection = op.get_bind()
    projects = sa.table("projects", sa.column("id"), sa.column("title"), sa.column("description"))
    terms = sa.table("terms", sa.column("id"), sa.column("name"), sa.column("folded_name"))
    after = 0
    while rows := connection.execute(
        sa.select(projects).where(projects.c.id > after).order_by("id").limit(BATCH)
    ).all():
        folded = [
            {"project_id": row.id, "title": fold(row.title), "description": fold(row.description)} for row in rows
        ]
        connection.execute(texts.insert(), folded)
        after = rows[-1].id
    names = connection.execute(sa.select(terms.c.id, terms.c.name)).all()
    if names:
        update = terms.update().where(terms.c.id == sa.bindparam("term")).values(folded_name=sa.bindparam("folded"))
        connection.execute(update, [{"term": row.id, "folded": fold(row.name)} for row in names])
