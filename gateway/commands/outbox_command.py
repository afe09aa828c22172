"""`explore outbox`: the backlog of the vector index, and the rows that it rejects."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from db import dead_letters, outbox
from db.database.engine import Database
from db.errors import InvalidRecord
from gateway.commands.console import plain, print_plain

MAX_ROWS = 100
"""Maximum number of dead rows that are listed; the printed count includes all."""


async def show(database: Database, console: Console) -> int:
    """Print the backlog and the dead rows; returns the exit code, 1 if a row is dead."""
    backlog = await outbox.backlog(database)
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


async def retry(database: Database, names: Sequence[str]) -> list[str]:
    """Retry dead rows, all of them if none is named. Raises `InvalidRecord` for a name that is not dead."""
    return _require_dead(names, await dead_letters.retry(database, names))


async def drop(database: Database, names: Sequence[str]) -> list[str]:
    """Delete dead rows. Raises `InvalidRecord` if none is named, and for a name that is not dead."""
    if not names:
        raise InvalidRecord("name the rows to delete: explore outbox --drop KIND:KEY")
    return _require_dead(names, await dead_letters.drop(database, names))


def _require_dead(names: Sequence[str], dead_rows: list[str]) -> list[str]:
    if unknown := sorted(set(names) - set(dead_rows)):
        raise InvalidRecord(f"no dead row is named {', '.join(unknown)}; see: explore outbox")
    return dead_rows
