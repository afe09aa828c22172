"""Progress at the terminal, one bar for each thing that is being done."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from scoring.evaluation.lists import Progress as Tell


@contextmanager
def bars(output: Console) -> Iterator[Tell]:
    """Show bars while the block runs; what it gets tells how far (0 to 1) the thing of a name has come."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=output, auto_refresh=output.is_terminal) as progress:

        def tell(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=1.0)
            progress.update(tasks[what], completed=share)

        yield tell
