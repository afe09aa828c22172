"""What is done to the stores before or beside serving: migrations, the demo data, a new index."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from asyncpg import PostgresError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db import jobs, schema
from db.demo import generate, holds_demo, is_empty
from db.engine import Database
from db.errors import StoreMisconfigured, StoreUnavailable
from db.jobs import Turn
from db.models import now
from db.stores import Stores
from db.synchronisation.differences import Differences
from db.synchronisation.reindex import Reindex, Report
from gateway.background.timetable import REINDEX
from gateway.callers.auth import authority_of
from gateway.documents.trusted import trusted_documents
from gateway.errors import CannotStart
from gateway.runtime import scheduler_of, synchroniser_of
from gateway.settings import Settings
from gateway.stores import database_of, open_stores
from scoring.demo import load_demo

CONNECT_TIMEOUT_S = 10.0
"""How long the truth may take to answer a command's first question."""

ANSWER_TIMEOUT_S = 3.0
"""How long a start waits for a store that it can do without."""

_ALIVE = text("SELECT 1")

Say = Callable[[str], None]


class _Rate(ProgressColumn):
    """How many objects a second go through, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Show it, or a dash before the first."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "-", style="progress.data.speed")


_PROGRESS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    _Rate(),
    TimeRemainingColumn(elapsed_when_finished=True),
)


async def prepare(settings: Settings, *, demo: bool, say: Say) -> bool:
    """Migrate, and with `demo` fill an empty store and its index, so that the first feed is whole.

    Returns
    -------
    bool
        Whether the demo data was loaded by this call.
    """
    authority_of(settings)  # a secret that cannot be had shows now, and not in each worker
    trusted_documents(settings)
    async with open_stores(settings) as stores:
        await require_reachable(stores.database)
        await schema.migrate(stores.database)
        searchable = await _searchable(stores, say)
        await _require_accepted(settings, stores)
        if not demo or not await is_empty(stores.database):
            return False
        say("Loading the demo data: 600 projects, 300 users, 60 days of interactions ...")
        await load_demo(stores.database, generate(now()))
        # A server would do this beside the first requests, and the pages that viewers look at would change under them.
        say("Learning from the demo data ...")
        await scheduler_of(stores, settings).catch_up()
        if searchable:
            say("Indexing the demo data ...")
            await drain(stores)
    return True


async def holds_demo_data(settings: Settings) -> bool:
    """Tell whether the store is the demo's, so that there are demo viewers to look as."""
    async with open_database(settings) as database:
        return await holds_demo(database)


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
    where = database.where
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await database.fetch(_ALIVE)
    except TimeoutError:
        raise CannotStart(
            f"no answer from {where} within {CONNECT_TIMEOUT_S:.0f} s; start it, or mend DATABASE_URL"
        ) from None
    except StoreUnavailable as away:
        raise CannotStart(
            f"the database {where} cannot be used ({away.reason.lower()}); start it, or mend DATABASE_URL"
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


async def reindex(settings: Settings, console: Console) -> Report:
    """Write the index anew from the truth beside the one in service, show how far it is, and swap it in.

    Raises
    ------
    CannotStart
        If another process is at it.
    IndexIncomplete
        If the new index is not as the truth is; the old one stays in service.
    """
    reports: list[Report] = []
    async with open_migrated(settings) as stores:

        async def work(turn: Turn) -> None:
            rebuild = Reindex(stores.database, stores.vectors, stores.embedder)
            with Progress(*_PROGRESS, console=console) as progress:
                totals = await rebuild.totals()
                bars = {kind: progress.add_task(f"{kind.value}s", total=total) for kind, total in totals.items()}
                reports.append(
                    await rebuild.run(
                        lambda kind, more: progress.advance(bars[kind], more), lambda: jobs.renew(stores.database, turn)
                    )
                )

        await _alone(stores.database, work)
    return reports[0]


async def check(settings: Settings, *, repair: bool) -> Differences:
    """Compare the index with the truth, and bring up to date what differs if told to; gives what differed.

    Raises
    ------
    CannotStart
        If another process is writing the index anew.
    """
    found: list[Differences] = []
    async with open_migrated(settings) as stores:

        async def work(_turn: Turn) -> None:
            comparison = Reindex(stores.database, stores.vectors, stores.embedder)
            found.append(await comparison.compare())
            if repair:
                await comparison.repair(found[0])

        await _alone(stores.database, work)
    return found[0]


async def _alone(database: Database, work: Callable[[Turn], Awaitable[None]]) -> None:
    if not await jobs.in_turn(database, REINDEX, work):
        record = (await jobs.records(database))[REINDEX]
        raise CannotStart(
            f"the index is being written anew by {record.holder} since {record.started_at:%H:%M:%S} UTC; wait for it. "
            f"If that process was killed, its claim ends within {jobs.LEASE_S:.0f} s"
        )


def _reason(error: Exception) -> str:
    """Give the driver's own first line, without SQLAlchemy's frame around it."""
    cause = getattr(error, "orig", None) or error
    line = str(cause).partition("\n")[0]
    return re.sub(r"^<class '[^']*'>: ", "", line).rstrip(".") or type(cause).__name__
