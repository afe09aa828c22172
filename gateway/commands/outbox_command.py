"""`explore outbox`: how far the index is behind, and what it refuses."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from db import dead_letters, outbox
from db.database.engine import Database
from db.errors import InvalidRecord
from db.redaction import redact
from gateway.commands.console import print_plain, with_program_name

SHOWN = 100
"""Dead rows that are listed; there are seldom more than a few, and the count says if there are."""


async def show(database: Database, console: Console) -> int:
    """Print the backlog and the dead rows; gives the exit code, 1 if a row is dead."""
    behind = await outbox.backlog(database)
    console.print(f"{behind.rows} rows wait, the oldest for {behind.lag_s:.1f} s; {behind.dead} are dead")
    if behind.dead:
        table = Table(box=None, pad_edge=False)
        for title in ("row", "since", "tries", "error"):
            table.add_column(title, overflow="fold")
        for row in await dead_letters.list_dead_letters(database, SHOWN):
            since = f"{row.enqueued_at:%Y-%m-%d %H:%M:%S} UTC"
            table.add_row(escape(f"{row.kind.value}:{row.key}"), since, str(row.attempts), escape(redact(row.error)))
        console.print(table)
        advice = "try them again: explore outbox --retry; forget one: explore outbox --drop KIND:KEY"
        print_plain(console, with_program_name(advice))
    return int(behind.dead > 0)


async def retry(database: Database, names: Sequence[str]) -> list[str]:
    """Bring dead rows back to life, all of them if none is named.

    Raises
    ------
    InvalidRecord
        If one that is named is not dead; the others live.
    """
    return _all_were_dead(names, await dead_letters.retry(database, names))


async def drop(database: Database, names: Sequence[str]) -> list[str]:
    """Forget dead rows.

    Raises
    ------
    InvalidRecord
        If none is named, or one that is named is not dead; the others are gone.
    """
    if not names:
        raise InvalidRecord("say which rows to forget: explore outbox --drop KIND:KEY")
    return _all_were_dead(names, await dead_letters.drop(database, names))


def _all_were_dead(names: Sequence[str], found: list[str]) -> list[str]:
    if unknown := sorted(set(names) - set(found)):
        raise InvalidRecord(f"no dead row is named {', '.join(unknown)}; see: explore outbox")
    return found
