"""A gateway in this process whose data grow step by step: a log is imported up to a moment, then pages are served.

The clock of the feeds stands at the moment of the last step. Nightly training and the hourly refresh of velocities run
at the times at which a worker starts them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from db import schema as database_schema
from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.columns.column_store import ColumnStore
from db.imports.importer import BATCH_EVENTS, BATCH_ROWS, find_files, read_batches
from db.imports.references import InteractionWriter
from db.models import Role
from db.stores import Stores
from db.synchronization.synchronizer import IndexSynchronizer
from gateway.app import build
from gateway.background.scheduled_jobs import COLLABORATIVE, INTERESTS, VELOCITY, scheduled_jobs
from gateway.callers.token_authority import TokenAuthority, token_authority
from gateway.limits.rate_limits import MemoryRateLimitStore
from gateway.logs import configure_logs
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.stores import BATCH_READ_DEADLINE_S, open_stores
from resolvers.common.context import Context
from resolvers.schema import schema
from scoring.collaborative.collaborative_training import train_collaborative_model
from scoring.deadlines import PATIENT
from scoring.feeds import Feeds
from scoring.mathematics.additive_model import Model
from scoring.mathematics.signals import Floats
from scoring.models.active_model import ActiveTrendConstants, refresh_trends
from scoring.models.model_presets import DEFAULT
from scoring.profiles.interest_learning import learn_interests
from scoring.tunables import RELEASE_WINDOW_DAYS

DOCUMENT = "query Page($first: Int!) { forYou(first: $first) { degraded nodes { key } } }"


class Log:
    """The records of a folder, projects by their (p,) Unix seconds of creation and interactions by time."""

    def __init__(self, folder: Path, created_s: Floats) -> None:
        records: dict[str, list[Any]] = {"tools": [], "categories": [], "users": [], "projects": [], "interactions": []}
        for kind, path in find_files(folder).items():
            records[kind] = [record for batch in read_batches(path, kind) for record in batch.records]
        self.tools, self.categories, self.users = records["tools"], records["categories"], records["users"]
        self.project_keys = [record.key for record in records["projects"]]
        dated = [
            record.model_copy(update={"created_at": datetime.fromtimestamp(created, UTC)})
            for record, created in zip(records["projects"], np.nan_to_num(created_s).tolist(), strict=True)
        ]
        self.projects = sorted(dated, key=lambda record: record.created_at)
        self.interactions = sorted((r for r in records["interactions"] if r.at is not None), key=lambda r: r.at)
        self.created_s = np.array([record.created_at.timestamp() for record in self.projects])
        self.at_s = np.array([record.at.timestamp() for record in self.interactions])


class SteppedClock:
    """A clock that stands at the moment of the last step."""

    def __init__(self) -> None:
        self.at = datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        """Return the moment of the last step."""
        return self.at


class SteppedGateway:
    """The gateway of a bench run. `model` ranks; without `is_trained`, no job runs."""

    def __init__(self, stores: Stores, log: Log, clock: SteppedClock, authority: TokenAuthority) -> None:
        self.model: Model = DEFAULT
        self.is_trained = False
        self._stores = stores
        self._log = log
        self._authority = authority
        self._clock = clock
        self._write_interactions = InteractionWriter()
        self._synchronizer = IndexSynchronizer(stores.database, stores.vectors, stores.embedder)
        self._due: dict[str, datetime] = {}
        self._projects = self._interactions = 0  # numbers of imported records
        self.client: httpx.AsyncClient

    @property
    def stores(self) -> Stores:
        """The stores of the gateway."""
        return self._stores

    async def provide_model(self) -> Model:
        """Return the model that ranks."""
        return self.model

    async def start(self) -> None:
        """Import what has no time."""
        async with self._stores.database.write() as connection:
            await upsert_tools(connection, self._log.tools)
            await upsert_categories(connection, self._log.categories)
        for first in range(0, len(self._log.users), BATCH_ROWS):
            async with self._stores.database.write() as connection:
                await upsert_users(connection, self._log.users[first : first + BATCH_ROWS])

    async def step(self, at: datetime) -> None:
        """Advance to a moment: import all that happened strictly before it, and run the jobs that became due."""
        jobs = {
            VELOCITY: self._refresh_velocities,
            COLLABORATIVE: self._train_collaborative,
            INTERESTS: self._learn_interests,
        }
        due = {job.name: job.due_at(at) for job in scheduled_jobs(self._stores) if job.name in jobs}
        ran = False
        for name, moment in sorted(due.items(), key=lambda pair: pair[1]) if self.is_trained else ():
            if self._due.get(name) != moment:
                await self._import(moment)
                await jobs[name]()
                self._due[name] = moment
                ran = True
        await self._import(at)
        columns = self._stores.columns
        assert columns is not None  # noqa: S101 (the bench made it)
        await (columns.load() if ran or columns.current is None else columns.refresh())

    async def page(self, user: str, first: int) -> list[str]:
        """Request a page as this user; return its keys, best first."""
        headers = {"Authorization": f"Bearer {self._authority.issue(user, Role.VIEWER)}"}
        body = {"query": DOCUMENT, "variables": {"first": first}}
        answer = (await self.client.post("/graphql", json=body, headers=headers)).json()
        if "errors" in answer:
            raise RuntimeError(answer["errors"][0]["message"])
        feed = answer["data"]["forYou"]
        if feed["degraded"]:
            raise RuntimeError(f"the page was ranked without {feed['degraded']}")
        return [node["key"] for node in feed["nodes"]]

    async def _import(self, at: datetime) -> None:
        self._clock.at = at
        projects, interactions = (
            int(np.searchsorted(times, at.timestamp())) for times in (self._log.created_s, self._log.at_s)
        )
        for first in range(self._projects, projects, BATCH_ROWS):
            async with self._stores.database.write() as connection:
                await upsert_projects(connection, self._log.projects[first : min(first + BATCH_ROWS, projects)])
        for first in range(self._interactions, interactions, BATCH_EVENTS):
            async with self._stores.database.write() as connection:
                records = self._log.interactions[first : min(first + BATCH_EVENTS, interactions)]
                await self._write_interactions(connection, records)
        self._projects, self._interactions = max(self._projects, projects), max(self._interactions, interactions)
        while await self._synchronizer.drain():
            pass

    async def _train_collaborative(self) -> None:
        await train_collaborative_model(self._stores.database)

    async def _refresh_velocities(self) -> None:
        await refresh_trends(self._stores.database, self._clock.at)

    async def _learn_interests(self) -> None:
        await learn_interests(self._stores.database, self._clock.at)


@asynccontextmanager
async def stepped_gateway(log: Log, folder: Path, exploration: float) -> AsyncIterator[SteppedGateway]:
    """Open a gateway with its stores in a folder. `exploration` is EXPLORATION_SHARE."""
    settings = Settings(
        _env_file=None,
        var_dir=folder,
        rate_limit=0,
        rate_limit_address=0,
        log_level="warning",
        exploration_share=exploration,
        subscriptions=False,
    )
    configure_logs(settings)
    async with open_stores(settings, read_deadline_s=BATCH_READ_DEADLINE_S) as opened:
        await database_schema.migrate(opened.database)
        await opened.vectors.prepare(opened.embedder.model, opened.embedder.dimension)
        clock, window = SteppedClock(), timedelta(days=RELEASE_WINDOW_DAYS)
        columns = ColumnStore(opened.database, window, settings.columns_max_mb, clock=clock.now)
        stores = Stores(opened.database, opened.vectors, opened.embedder, opened.cache, columns)
        gateway = SteppedGateway(stores, log, clock, token_authority(settings))
        feeds = Feeds(
            stores,
            gateway.provide_model,
            clock=clock.now,
            deadlines=PATIENT,
            trend_constants=ActiveTrendConstants(stores.database),
            exploration=exploration,
        )
        open_context: Callable[..., Context] = partial(Context, stores=stores, feeds=feeds)

        @asynccontextmanager
        async def runtime() -> AsyncIterator[Runtime]:
            yield Runtime(stores, open_context, MemoryRateLimitStore())

        app = build(settings, schema, runtime)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                gateway.client = client
                await gateway.start()
                yield gateway
