"""Work on the stores before serving: the data folder, migrations and the demo data."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from asyncpg import PostgresError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db import outbox, schema
from db.database.engine import Database
from db.demo import generate, holds_demo, is_empty
from db.errors import StoreMisconfigured, StoreUnavailable
from db.models import now
from db.stores import Stores
from gateway.callers.token_authority import token_authority
from gateway.commands.console import console
from gateway.commands.progress import ReportProgress, progress
from gateway.data_folder import create_data_folder
from gateway.documents.trusted_documents import trusted_documents
from gateway.errors import CannotStart
from gateway.runtime import build_scheduler, build_synchronizer
from gateway.settings import Settings
from gateway.stores import connect_database, open_stores
from scoring.demo import load_demo

CONNECT_TIMEOUT_S = 10.0
"""How long the truth may take to answer a command's first question."""

ANSWER_TIMEOUT_S = 3.0
"""How long a start waits for a store that it can do without."""

DEMO_LINE_EVERY_S = 5.0
"""Seconds between two lines of progress where the output is no terminal: `make run` is never silent for ten."""

_ALIVE = text("SELECT 1")

Say = Callable[[str], None]


async def prepare(settings: Settings, *, demo: bool, say: Say) -> bool:
    """Migrate, and with `demo` fill an empty store and its index, so that the first feed is whole.

    Returns
    -------
    bool
        Whether the demo data was loaded by this call.
    """
    await _make_data_folder(settings, say)
    token_authority(settings)  # a secret that cannot be had shows now, and not in each worker
    trusted_documents(settings)
    async with open_stores(settings) as stores:
        await require_reachable(stores.database)
        await schema.migrate(stores.database)
        searchable = await _searchable(stores, say)
        await _require_accepted(settings, stores)
        if not demo or not await is_empty(stores.database):
            return False
        with progress(console(stderr=True), "rows", every_s=DEMO_LINE_EVERY_S) as tell:
            tell("loading the demo data", None)
            await load_demo(stores.database, generate(now()))
            tell("loading the demo data", 1.0)
            # A server would do this beside the first requests, and pages would change while viewers look at them.
            tell("learning from it", None)
            await build_scheduler(stores, settings).catch_up()
            tell("learning from it", 1.0)
            if searchable:
                await drain(stores, tell)
    return True


async def holds_demo_data(settings: Settings) -> bool:
    """Say whether the store holds the demo data, and so the demo viewers."""
    async with open_database(settings) as database:
        return await holds_demo(database)


async def _make_data_folder(settings: Settings, say: Say) -> None:
    """Make the data folder, unless the database is elsewhere and cannot be used."""
    if settings.database_url:
        async with open_database(settings):
            pass
    create_data_folder(settings, say)


async def _searchable(stores: Stores, say: Say) -> bool:
    """Make the index if it is not there; a server starts without a vector store that is away, and goes on asking."""
    try:
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
    except StoreMisconfigured as error:
        raise CannotStart(error.reason) from None
    except StoreUnavailable as away:
        say(f"starting without the vector index, which is away: {away.reason}")
        return False
    return True


async def _require_accepted(settings: Settings, stores: Stores) -> None:
    """Ask the paid model and Redis one question each: a key that is refused shows now, and not in the first search.

    The model's answer is kept, so that the next start pays nothing.

    Raises
    ------
    CannotStart
        If one of them refuses our key or our settings; one that is away is no reason not to start.
    """
    questions: list[Callable[[], Awaitable[object]]] = []
    if settings.openai_api_key is not None or settings.openai_base_url:
        questions.append(lambda: stores.embedder.embed(["a project about music"]))
    if settings.redis_url.get_secret_value():
        questions.append(lambda: stores.cache.get("start"))
    for ask in questions:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await ask()
        except StoreMisconfigured as error:
            raise CannotStart(error.reason) from None
        except (StoreUnavailable, TimeoutError):
            continue


async def migrate_only(settings: Settings, say: Say = lambda _: None) -> list[str]:
    """Bring the schema up to date; gives the revisions that were applied."""
    await _make_data_folder(settings, say)
    async with open_database(settings) as database:
        return await schema.migrate(database)


@asynccontextmanager
async def open_migrated(settings: Settings, say: Say | None = None) -> AsyncIterator[Stores]:
    """Open the stores with the truth's schema up to date; `say` takes where a missing data folder was made."""
    if say is not None:
        await _make_data_folder(settings, say)
    async with open_stores(settings) as stores:
        await require_reachable(stores.database)
        await schema.migrate(stores.database)
        await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
        yield stores


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the truth alone."""
    database = connect_database(settings)
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
    where = database.where
    advice = (
        "see that this user may write the file, or mend DATABASE_URL"
        if database.is_sqlite
        else "start it, or mend DATABASE_URL"
    )
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await database.fetch(_ALIVE)
    except TimeoutError:
        raise CannotStart(
            f"no answer from {where} within {CONNECT_TIMEOUT_S:.0f} s; start it, or mend DATABASE_URL"
        ) from None
    except StoreUnavailable as away:
        raise CannotStart(f"the database {where} cannot be used ({away.reason.lower()}); {advice}") from None
    except (SQLAlchemyError, PostgresError, OSError) as error:
        raise CannotStart(f"the database {where} cannot be used ({driver_message(error)}); {advice}") from None


async def drain(stores: Stores, tell: ReportProgress) -> None:
    """Do all the outbox's work now."""
    synchronizer, waiting, done = build_synchronizer(stores), (await outbox.backlog(stores.database)).rows, 0
    while taken := await synchronizer.drain():
        done += taken
        tell("search index", min(done / max(waiting, 1), 0.99), done)
    tell("search index", 1.0, done)


def driver_message(error: Exception) -> str:
    """Return the driver's own first line, without SQLAlchemy's frame around it."""
    cause = getattr(error, "orig", None) or error
    line = str(cause).partition("\n")[0]
    return re.sub(r"^<class '[^']*'>: ", "", line).rstrip(".") or type(cause).__name__
