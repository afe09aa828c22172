"""`explore reindex`: a new index, or a comparison of the index with the database, and their reports."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from db import jobs, outbox
from db.database.engine import Database
from db.errors import StoreUnavailable
from db.jobs import JobLease
from db.models import OutboxKind
from db.synchronization.index_comparison import Differences
from db.synchronization.reindex import Reindex
from gateway.background.scheduled_jobs import REINDEX
from gateway.commands.prepare import open_migrated
from gateway.commands.progress import progress
from gateway.errors import CannotStart
from gateway.settings import Settings


async def reindex(settings: Settings, errors: Console) -> list[str]:
    """Write the index anew from the database beside the one in service, show how far it is, and swap it in.

    Returns
    -------
    list of str
        The report, a sentence each.

    Raises
    ------
    CannotStart
        If another process writes the index, or a store goes away meanwhile; the message says how far it came.
    IndexIncomplete
        If the new index differs from the database; the old one stays in service.
    """
    told: list[str] = []
    async with open_migrated(settings) as stores:

        async def work(turn: JobLease) -> None:
            rebuild = Reindex(stores.database, stores.vectors, stores.embedder)
            people = (await rebuild.totals())[OutboxKind.PROFILE]
            try:
                with progress(errors, "written") as tell:
                    report = await rebuild.run(tell, lambda: jobs.renew_lease(stores.database, turn))
            except StoreUnavailable as away:
                raise CannotStart(
                    f"the {away.store.value} cannot be reached any more ({away.reason}). {rebuild.written:,} objects "
                    "are written; the index in service is as it was. To go on from there: explore reindex"
                ) from None
            told.append(
                f"the index is whole: {report.written:,} written, {report.kept:,} kept, {report.refused:,} refused"
            )
            told.append(f"it holds {describe_counts(report.counts, people)}")

        await _alone(stores.database, work)
    return told


def describe_counts(counts: Mapping[str, int], people: int = 0) -> str:
    """Describe what the index holds, and why it has fewer profiles than there are people."""
    profiles = counts["UserProfile"]
    held = f"{counts['Project']:,} projects, {profiles:,} user profiles, {counts['Tool']:,} tools"
    if profiles >= people:
        return held
    return (
        f"{held}; {people - profiles:,} of {people:,} people have no profile yet: it takes stated interests, "
        "quiz answers, a bio, a tier or activity of the last 30 days"
    )


@dataclass(frozen=True, slots=True)
class IndexComparison:
    """Result of a comparison: what differed, and how many rows wait in the outbox or are dead there."""

    differences: Differences
    waiting: int

    @property
    def is_clean(self) -> bool:
        """Whether the index matches the database, and no row waits."""
        return not self.differences and not self.waiting

    def told(self, *, repaired: bool) -> str:
        """Return the report in one sentence."""
        if self.is_clean:
            return "the index matches the database"
        found = []
        if self.differences:
            found.append(f"{len(self.differences):,} differ" + ("ed and were repaired" if repaired else ""))
        if self.waiting:
            found.append(
                f"{self.waiting:,} rows wait in the outbox; explore serve or explore worker writes them, "
                "explore reindex --check writes those that are due"
            )
        return "; ".join(found)


async def check(settings: Settings, *, repair: bool) -> IndexComparison:
    """Compare the index with the database, and repair what differs if told to.

    Raises
    ------
    CannotStart
        If another process is writing the index anew.
    """
    found: list[IndexComparison] = []
    async with open_migrated(settings) as stores:

        async def work(_turn: JobLease) -> None:
            comparison = Reindex(stores.database, stores.vectors, stores.embedder)
            differences = await comparison.compare()
            if repair:
                await comparison.repair(differences)
            found.append(IndexComparison(differences, (await outbox.backlog(stores.database)).rows))

        await _alone(stores.database, work)
    return found[0]


async def _alone(database: Database, work: Callable[[JobLease], Awaitable[None]]) -> None:
    if not await jobs.run_exclusively(database, REINDEX, work):
        record = (await jobs.job_statuses(database))[REINDEX]
        raise CannotStart(
            f"the index is being written anew by {record.holder} since {record.started_at:%H:%M:%S} UTC; wait for it. "
            f"If that process was killed, its claim ends within {jobs.LEASE_S:.0f} s"
        )
