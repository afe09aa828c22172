"""What is done to the stores before or beside serving: migrations, the demo data, a new index."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from asyncpg import PostgresError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db import schema
from db.demo import generate, is_empty, load
from db.engine import Database
from db.models import OutboxKind, now
from db.stores import Stores
from gateway.errors import CannotStart
from gateway.runtime import database_of, open_stores, synchroniser_of
from gateway.settings import Settings

CONNECT_TIMEOUT_S = 10.0
"""How long the truth may take to answer a command's first question."""

_ALIVE = text("SELECT 1")

Say = Callable[[str], None]


async def prepare(settings: Settings, *, demo: bool, say: Say) -> bool:
    """Migrate, and with `demo` fill an empty store and its index, so that the first feed is whole.

    Returns
    -------
    bool
        Whether the demo data was loaded by this call.
    """
    async with open_migrated(settings) as stores:
        if not demo or not await is_empty(stores.database):
            return False
        say("loading the demo data ...")
        await load(stores.database, generate(now()))
        await drain(stores)
    return True


async def migrate_only(settings: Settings) -> list[str]:
    """Bring the schema up to date; gives the revisions that were applied."""
    async with open_database(settings) as database:
        return await schema.migrate(database)


@asynccontextmanager
async def open_migrated(settings: Settings) -> AsyncIterator[Stores]:
    """Open the stores with the truth's schema up to date."""
    async with open_stores(settings) as stores:
        await require_reachable(stores.database)
        await schema.migrate(stores.database)
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        yield stores


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the truth alone."""
    database = database_of(settings)
    try:
        await require_reachable(database)
        yield database
    finally:
        await database.close()


async def require_reachable(database: Database) -> None:
    """Ask the truth one question.

    Raises
    ------
    CannotStart
        If it does not answer: where it was looked for (without the password), why, and how to mend it.
    """
    where = database.url.render_as_string(hide_password=True)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await database.fetch(_ALIVE)
    except TimeoutError:
        raise CannotStart(
            f"no answer from {where} within {CONNECT_TIMEOUT_S:.0f} s; start it, or mend DATABASE_URL"
        ) from None
    except (SQLAlchemyError, PostgresError, OSError) as error:
        raise CannotStart(
            f"the database {where} cannot be used ({_reason(error)}); start it, or mend DATABASE_URL"
        ) from None


async def drain(stores: Stores) -> None:
    """Do all the outbox's work now."""
    synchroniser = synchroniser_of(stores)
    while await synchroniser.drain():
        pass


async def reindex(settings: Settings, console: Console) -> None:
    """Write the whole index again from the truth, and show how far it is."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed}"), TimeElapsedColumn())
    async with open_migrated(settings) as stores:
        with Progress(*columns, console=console) as progress:
            bars = {kind: progress.add_task(f"{kind.value}s", total=None) for kind in OutboxKind}
            await synchroniser_of(stores).rebuild(lambda kind, more: progress.advance(bars[kind], more))


def _reason(error: Exception) -> str:
    """Give the driver's own first line, without SQLAlchemy's frame around it."""
    cause = getattr(error, "orig", None) or error
    line = str(cause).partition("\n")[0]
    return re.sub(r"^<class '[^']*'>: ", "", line).rstrip(".") or type(cause).__name__
