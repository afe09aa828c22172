"""The environment of Alembic. `db.schema` provides the connection, which is in a transaction."""

from typing import Any, Literal

from alembic import context

from db.database.column_types import UtcDateTime
from db.models import Base


def _render(kind: str, item: Any, _autogenerate: object) -> str | Literal[False]:
    """Write `UtcDateTime` into a new revision as its database type, so that revisions do not depend on our code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _include(_item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    """Leave out the monthly partitions of `interactions` (`db.partitions`)."""
    return not (kind == "table" and reflected and compared is None and str(name).startswith("interactions_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_item=_render,
    include_object=_include,
    compare_server_default=False,  # revisions are drafted on SQLite, where Alembic reports '' as a change
    transaction_per_migration=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
