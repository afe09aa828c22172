"""The lines that `explore serve` prints once it is ready."""

import socket

from rich.console import Console

from gateway.assets import FRONTEND
from gateway.commands.console import program_name
from gateway.server import browser_url
from gateway.settings import Settings


def print_welcome(console: Console, settings: Settings, listening: socket.socket, *, demo: bool) -> None:
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
        console.print(line, highlight=False, soft_wrap=True)
