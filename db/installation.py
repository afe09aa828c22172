"""The id of this installation, by which shared servers tell installations apart."""

from sqlalchemy import select

from db.database.engine import Database
from db.models import Installation


async def installation_id(database: Database) -> str:
    """Return the id, which a migration has made. A restored or copied database keeps it."""
    [row] = await database.fetch(select(Installation.id))
    return str(row.id)
