"""`explore reindex`: a rebuild of the index, or its comparison with the database."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from db import jobs, outbox
from db.database.engine import Database
from db.errors import InvalidRecord, StoreUnavailable
from db.jobs import JobLease
from db.models import OutboxKind
from db.synchronization.index_comparison import SAMPLE, Differences
from db.synchronization.reindex import Reindex
from gateway.background.scheduled_jobs import REINDEX
from gateway.commands.progress import format_duration, progress
from gateway.commands.shared import errors, say, settings_of_data
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_indexed, open_migrated


def reindex(
    check: Annotated[bool, typer.Option("--check", help="Compare with the database and repair differences.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --check: only print the differences.")] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="With --check: search all documents by their own vectors, not a sample.")
    ] = False,
    drop_unused: Annotated[
        bool,
        typer.Option(
            "--drop-unused", help="List and drop collections of other models, older generations and text analyses."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --drop-unused: do not ask.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Rebuild although Weaviate holds the index of another installation.")
    ] = False,
) -> None:
    """Rebuild the vector index from the database and activate it.

    With --check, exit code 1 if the index differed or rows still wait for it.
    """
    if sum((check, drop_unused, take_over)) > 1:
        raise InvalidRecord("give only one of --check, --drop-unused and --take-over")
    if (dry_run or thorough) and not check:
        option = "--dry-run" if dry_run else "--thorough"
        raise InvalidRecord(f"{option} goes with --check: explore reindex --check {option}")
    if yes and not drop_unused:
        raise InvalidRecord("--yes goes with --drop-unused: explore reindex --drop-unused --yes")
    settings = settings_of_data()
    if drop_unused:
        say(asyncio.run(drop_unused_collections(settings, asks=not yes)))
        return
    if take_over:
        asyncio.run(take_over_index(settings))
    if not check:
        for line in asyncio.run(rebuild(settings, errors)):
            say(line)
        return
    comparison = asyncio.run(compare(settings, repair=not dry_run, thorough=thorough))
    for difference, names in comparison.differences.by_kind().items():
        for kind, key in names:
            typer.echo(f"{difference} {kind.value}:{key}")
    say(comparison.summary(repaired=not dry_run))
    raise typer.Exit(0 if comparison.is_clean else 1)


async def rebuild(settings: Settings, errors: Console) -> list[str]:
    """Rebuild the index from the database beside the active one, activate it, and return the sentences of the report.

    Raises `CannotStart` if another process rebuilds the index, or a store becomes unavailable. The message states the
    progress. Raises `IndexIncomplete` if the new index differs from the database; the old one stays active.
    """
    report: list[str] = []
    began_at = time.monotonic()
    async with open_indexed(settings) as stores:

        async def work(lease: JobLease) -> None:
            index = Reindex(stores.database, stores.vectors, stores.embedder)
            actor_count = (await index.totals())[OutboxKind.PROFILE]
            try:
                with progress(errors, "written") as report_progress:
                    done = await index.run(report_progress, lambda: jobs.renew_lease(stores.database, lease))
            except StoreUnavailable as unavailable:
                raise CannotStart(
                    f"the {unavailable.store.value} cannot be reached any more ({unavailable.reason}). "
                    f"{index.written:,} objects are written; the active index has not changed. "
                    "To continue: explore reindex"
                ) from None
            others = sum(done.counts.values()) - done.written - done.kept
            report.append(
                f"index complete: {done.written:,} written, {done.kept:,} kept, {done.rejected:,} rejected"
                + (f", {others:,} written by a worker" if others > 0 else "")
                + f", in {format_duration(time.monotonic() - began_at)}"
            )
            report.append(f"it holds {describe_counts(done.counts, actor_count)}")

        await _run_exclusively(stores.database, work)
    return report


async def drop_unused_collections(settings: Settings, *, asks: bool) -> str:
    """Print the collections that are not used any more, drop them after a confirmation, and return the result."""
    async with open_indexed(settings) as stores:
        names = await stores.vectors.unused()
        for name in names:
            typer.echo(name)
        if names and asks and not typer.confirm(f"Drop {_collections(len(names))}?", err=True):
            return "nothing was dropped"
        dropped = len(await stores.vectors.drop_unused()) if names else 0
        return f"{_collections(dropped)} {'was' if dropped == 1 else 'were'} dropped"


def _collections(count: int) -> str:
    return f"{count} collection{'' if count == 1 else 's'}"


async def take_over_index(settings: Settings) -> None:
    """Let this installation use the collections of another one."""
    async with open_migrated(settings) as stores:
        await stores.vectors.take_over()


def describe_counts(counts: Mapping[str, int], actor_count: int = 0) -> str:
    """Describe the content of the index, and why profiles are missing."""
    profiles = counts["UserProfile"]
    content = f"{counts['Project']:,} projects, {profiles:,} user profiles, {counts['Tool']:,} tools"
    if profiles >= actor_count:
        return content
    return (
        f"{content}; {actor_count - profiles:,} of {actor_count:,} users and sessions have no profile yet: it requires "
        "stated interests, onboarding answers, a bio, a tier or activity of the last 30 days"
    )


@dataclass(frozen=True, slots=True)
class IndexComparison:
    """Differences between index and database, and the number of rows in the outbox."""

    differences: Differences
    waiting_rows: int

    @property
    def is_clean(self) -> bool:
        """Whether the index matches the database, and no row waits."""
        return not self.differences and not self.waiting_rows

    def summary(self, *, repaired: bool) -> str:
        """Return the report in one sentence."""
        if self.is_clean:
            return "the index matches the database"
        sentences = []
        if self.differences:
            sentences.append(f"{len(self.differences):,} differ" + ("ed and were repaired" if repaired else ""))
        if self.waiting_rows:
            sentences.append(
                f"{self.waiting_rows:,} rows wait in the outbox; explore serve or explore worker writes them, "
                "explore reindex --check writes those that are due"
            )
        return "; ".join(sentences)


async def compare(settings: Settings, *, repair: bool, thorough: bool = False) -> IndexComparison:
    """Compare the index with the database, and with `repair` repair the differences.

    With `thorough`, all documents are searched by their own vectors.

    Raises `CannotStart` if another process rebuilds the index.
    """
    comparisons: list[IndexComparison] = []
    async with open_indexed(settings) as stores:

        async def work(_lease: JobLease) -> None:
            index = Reindex(stores.database, stores.vectors, stores.embedder)
            differences = await index.compare(None if thorough else SAMPLE)
            if repair:
                await index.repair(differences)
            comparisons.append(IndexComparison(differences, (await outbox.backlog(stores.database)).rows))

        await _run_exclusively(stores.database, work)
    return comparisons[0]


async def _run_exclusively(database: Database, work: Callable[[JobLease], Awaitable[None]]) -> None:
    if not await jobs.run_exclusively(database, REINDEX, work):
        record = (await jobs.job_statuses(database))[REINDEX]
        raise CannotStart(
            f"{record.holder} has been rebuilding the index since {record.started_at:%H:%M:%S} UTC; wait for it. "
            f"If that process was killed, its lease ends within {jobs.LEASE_S:.0f} s"
        )
