"""`explore serve`, and the commands `migrate`, `demo` and `worker`, each of which does a part of its work."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated

import typer

from gateway.assets import FRONTEND
from gateway.background.worker import run_worker
from gateway.background.worker_process import worker_process
from gateway.commands import prepare
from gateway.commands.console import program_name
from gateway.commands.shared import output, read_settings, say, settings_of_data
from gateway.errors import CannotStart
from gateway.server import browser_url, listen, run_server
from gateway.settings import Settings
from gateway.sharing.shared_folder import share_counts
from gateway.telemetry import share_metrics


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [HOST, 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [PORT, 8000]")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.  [WORKERS, 1]")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo data if the store is empty.")] = False,
) -> None:
    """Migrate the database and serve until Ctrl-C. Creates a missing data folder (VAR_DIR)."""
    settings = read_settings(host=host, port=port, workers=workers)
    with listen(settings) as listening:
        asyncio.run(prepare.prepare(settings, demo=demo, say=say))
        has_viewers = demo and asyncio.run(prepare.holds_demo_data(settings))
        if has_viewers:
            os.environ["DEMO_VIEWERS"] = "on"  # each server process reads its settings from the environment
        elif demo:
            say(
                "this store holds other data than the demo's, so there are no demo viewers; for the demo set VAR_DIR "
                "or DATABASE_URL to an empty store"
            )
        _print_welcome(settings, listening, demo=has_viewers)
        _run(settings, listening)


def _run(settings: Settings, listening: socket.socket) -> None:
    """Run the server processes and the worker process."""
    with ExitStack() as stack:
        on_restart: Callable[[], None] = _do_nothing
        if settings.workers > 1:
            stack.enter_context(share_counts(2 * (settings.max_connections + settings.max_streams), settings.workers))
        if settings.workers > 1 or settings.start_worker:
            stack.enter_context(share_metrics())
        if settings.start_worker:
            on_restart = stack.enter_context(worker_process()).replace
        run_server(settings, listening, on_restart)


def _do_nothing() -> None:
    """Restart no worker process, because there is none."""


def migrate() -> None:
    """Migrate the database. Creates a missing data folder (VAR_DIR)."""
    applied = asyncio.run(prepare.migrate_only(read_settings(), say))
    say(f"applied {', '.join(applied)}" if applied else "the schema was up to date")


def demo() -> None:
    """Load the demo data into an empty store. Creates a missing data folder (VAR_DIR)."""
    if not asyncio.run(prepare.prepare(read_settings(), demo=True, say=say)):
        raise CannotStart(
            "the store is not empty, so no demo data was loaded; set DATABASE_URL or VAR_DIR to an empty one"
        )


def worker() -> None:
    """Drain the outbox and run the periodic jobs in a process of its own, until Ctrl-C."""
    asyncio.run(run_worker(settings_of_data()))


def _print_welcome(settings: Settings, listening: socket.socket, *, demo: bool) -> None:
    """Print the URLs to open. With the demo data, also print the command that issues a token."""
    address = browser_url(listening)
    has_page = settings.explore_page and (FRONTEND / "dist" / "index.html").is_file()
    lines = ["", "[bold]explore-gateway is running.[/bold] Press Ctrl-C to stop it."]
    lines.append(f"  {'Explore page' if has_page else 'Start page':<14}{address}/")
    if settings.graphiql:
        lines.append(f"  {'GraphiQL':<14}{address}/graphql")
    lines.append(f"  {'Health':<14}{address}/readyz")
    if demo:
        lines.append(f"  {'API token':<14}{program_name()} token heavy   (a demo viewer with a long history)")
    for line in [*lines, ""]:
        output.print(line, highlight=False, soft_wrap=True)
