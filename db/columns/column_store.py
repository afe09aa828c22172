"""The columns of a process: loading at the start, deltas every second, and reading all anew from time to time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select

from db.columns.engagement_columns import EngagementColumns, read_engagement, with_latest
from db.columns.factor_columns import FactorColumns, read_factors
from db.columns.project_columns import ProjectColumns, changed_since, read_projects, with_projects
from db.database.column_types import SINCE
from db.database.engine import Database
from db.errors import StoreUnavailable
from db.models import Engagement, Project, UserFactors, now
from db.time_units import microseconds

REFRESH_EVERY_S, RELOAD_EVERY_S = 1.0, 60.0
"""Minimum pause before a refresh, and after a reload before the next one."""

REFRESH_SHARE, RELOAD_SHARE = 0.02, 0.01
"""Maximum share of the time that refreshes take, and reloads: after longer ones the pause is longer."""

RETRY_S = 5.0
"""Minimum pause after a failure. It does not depend on the duration: a hanging database takes 5 s for each attempt."""

MAX_REFRESH_PAUSE_S = 20.0
"""Longest pause before a refresh, so that one slow refresh does not make the columns lag."""

OVERLAP = timedelta(seconds=10)
"""Usual maximum delay between the time of a change and its commit. A change that is committed later appears at the next
reload."""

LAGGING_AFTER = timedelta(seconds=60)
"""Age from which columns are outdated: rankings that use them are marked as degraded."""

PROJECT_BYTES, ENGAGEMENT_BYTES, ACTOR_BYTES = 700, 32, 500
"""Memory of a project with its terms and factors, of a first engagement, and of the factors of an actor, each with what
reading it takes."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Projects, recent first engagements and factors, as of one time."""

    projects: ProjectColumns
    engagement: EngagementColumns
    factors: FactorColumns
    read_at: datetime

    def is_lagging(self, at: datetime) -> bool:
        """Whether the columns are outdated at a time, or the clock was set back since they were read."""
        return abs(at - self.read_at) > LAGGING_AFTER


def refresh_pause_s(duration_s: float, *, succeeded: bool) -> float:
    """Return the pause after a refresh of a given duration."""
    return min(duration_s / REFRESH_SHARE, MAX_REFRESH_PAUSE_S) if succeeded else RETRY_S


class ColumnStore:
    """Keeps the columns of a process. `current` is None until they are loaded, and if they would take too much memory.

    `window` is the age up to which first engagements are kept. `on_read` is called with the time of each reading.
    """

    def __init__(
        self,
        database: Database,
        window: timedelta,
        max_mb: int,
        clock: Callable[[], datetime] = now,
        on_read: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._window = window
        self._max_mb = max_mb
        self._clock = clock
        self._on_read = on_read
        self.current: Columns | None = None
        self._problem = ""  # why the columns could not be read the last time

    async def run(self, stop: asyncio.Event) -> None:
        """Load the columns and keep them fresh until `stop` is set."""
        reload_at_s = refresh_at_s = 0.0
        while not stop.is_set():
            started_s = time.monotonic()
            if started_s >= reload_at_s:
                succeeded = await self._succeeds(self.load)
                ended_s = time.monotonic()
                duration_s = ended_s - started_s
                reload_at_s = ended_s + (max(RELOAD_EVERY_S, duration_s / RELOAD_SHARE) if succeeded else RETRY_S)
            elif started_s >= refresh_at_s:
                succeeded = await self._succeeds(self.refresh)
                ended_s = time.monotonic()
                refresh_at_s = ended_s + refresh_pause_s(ended_s - started_s, succeeded=succeeded)
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY_S):
                    await stop.wait()

    async def _succeeds(self, read: Callable[[], Awaitable[None]]) -> bool:
        """Read, and return whether the database answered. If not, the columns stay as they are, until they lag."""
        try:
            await read()
        except StoreUnavailable as error:
            self._report(f"the columns were not read: {error.reason}")
            return False
        return True

    def _report(self, problem: str, **details: Any) -> None:
        """Log a problem once, until there is another one or none."""
        if problem != self._problem:
            self._problem = problem
            if problem:
                log.warning(problem, **details)

    async def load(self) -> None:
        """Read everything anew. Without enough memory there are no columns; rankings then read the database."""
        try:
            columns = await self._read() if await self._fits() else None
        except MemoryError:
            self._report("no memory for columns, rankings read the database")
            columns = None
        self._set(columns)

    async def refresh(self) -> None:
        """Read what has changed since the last time."""
        columns = self.current
        if columns is None:
            return
        at, since = self._clock(), columns.read_at - OVERLAP
        engagement = await with_latest(columns.engagement, self._database, since)
        engaged = engagement.since(microseconds(since)).projects.tolist()
        changed = sorted({*engaged, *await changed_since(self._database, since)})
        projects = await with_projects(columns.projects, self._database, changed) if changed else columns.projects
        self._set(replace(columns, projects=projects, engagement=engagement, read_at=at))

    def _set(self, columns: Columns | None) -> None:
        self.current = columns
        if columns is not None:
            self._report("")
            self._on_read(columns.read_at)

    async def _read(self) -> Columns:
        at = self._clock()
        return Columns(
            projects=await read_projects(self._database),
            engagement=await read_engagement(self._database, at - self._window, at),
            factors=await read_factors(self._database),
            read_at=at,
        )

    async def _fits(self) -> bool:
        if self._max_mb == 0:
            return False
        rows = await self._database.fetch(_SIZES, {"since": self._clock() - self._window})
        sizes = zip(rows[0], (PROJECT_BYTES, ENGAGEMENT_BYTES, ACTOR_BYTES), strict=True)
        needed_mb = sum(count * size for count, size in sizes) / 1_000_000
        fits: bool = needed_mb <= self._max_mb
        if not fits:
            needed = max(round(needed_mb), 1)
            self._report("columns would exceed COLUMNS_MAX_MB, rankings read the database", needed_mb=needed)
        return fits


_SIZES = select(
    select(func.count()).select_from(Project).scalar_subquery().label("projects"),
    select(func.count()).where(Engagement.first_at >= SINCE).scalar_subquery().label("engagement"),
    select(func.count()).select_from(UserFactors).scalar_subquery().label("actors"),
)
