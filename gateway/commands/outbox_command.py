"""`explore outbox`: the backlog of the vector index, and the rows that it rejects."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from db import dead_letters
from db.database.engine import Database
from db.errors import InvalidRecord
from db.outbox import backlog as read_backlog
from db.schema import require_current
from gateway.commands.console import plain, print_plain
from gateway.commands.shared import output, say, settings_of_data
from gateway.stores import open_database

MAX_ROWS = 100
"""Maximum number of dead rows that are listed. The printed count includes all."""


def outbox(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[KIND:KEY]...", help="Dead rows, by name.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Retry them; without a name, all.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Delete them: the index stays as it is.")] = False,
) -> None:
    """Show the backlog of the vector index and its dead rows; exit code 1 if there are dead rows."""
    if retry and drop:
        raise InvalidRecord("give either --retry or --drop, not both")
    if rows and not (retry or drop):
        raise InvalidRecord("give --retry or --drop for the named rows")

    async def run() -> int:
        async with open_database(settings_of_data()) as database:
            await require_current(database)
            if retry:
                say(f"{len(await retry_rows(database, rows or []))} rows will be retried")
            elif drop:
                say(f"{len(await drop_rows(database, rows or []))} rows were deleted")
            else:
                return await show(database, output)
        return 0

    raise typer.Exit(asyncio.run(run()))


async def show(database: Database, console: Console) -> int:
    """Print the backlog and the dead rows, and return the exit code: 1 if a row is dead."""
    backlog = await read_backlog(database)
    console.print(f"{backlog.rows} rows wait, the oldest for {backlog.lag_s:.1f} s; {backlog.dead} are dead")
    if backlog.dead:
        table = Table(box=None, pad_edge=False)
        for title in ("row", "since", "tries", "error"):
            table.add_column(title, overflow="fold")
        for row in await dead_letters.list_dead_letters(database, MAX_ROWS):
            since = f"{row.enqueued_at:%Y-%m-%d %H:%M:%S} UTC"
            table.add_row(plain(f"{row.kind.value}:{row.key}"), since, str(row.attempts), plain(row.error))
        console.print(table)
        print_plain(console, "to retry them: explore outbox --retry; to drop one: explore outbox --drop KIND:KEY")
    return int(backlog.dead > 0)


async def retry_rows(database: Database, names: Sequence[str]) -> list[str]:
    """Retry dead rows, all of them if none is named. Raises `InvalidRecord` for a name that is not dead."""
    return _require_dead(names, await dead_letters.retry(database, names))


async def drop_rows(database: Database, names: Sequence[str]) -> list[str]:
    """Delete dead rows. Raises `InvalidRecord` if none is named, and for a name that is not dead."""
    if not names:
        raise InvalidRecord("name the rows to delete: explore outbox --drop KIND:KEY")
    return _require_dead(names, await dead_letters.drop(database, names))


def _require_dead(names: Sequence[str], dead_rows: list[str]) -> list[str]:
    if unknown := sorted(set(names) - set(dead_rows)):
        raise InvalidRecord(f"no dead row is named {', '.join(unknown)}; see: explore outbox")
    return dead_rows
