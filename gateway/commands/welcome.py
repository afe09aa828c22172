"""What `explore serve` prints once it is ready: what to open, and with the demo data a token for each demo viewer."""

import json
import shlex
import socket

from rich.console import Console

from db.demo import DEMO_VIEWERS
from gateway.callers.auth import authority_of
from gateway.serving import address_of
from gateway.settings import Settings

DEMO_TOKEN_HOURS = 30 * 24.0
"""Long enough to come back to after a holiday; the secret lies in VAR_DIR beside the data."""

_QUERY = "{ forYou(first: 5) { strategy edges { rank score node { title } explanation { summary } } } }"
_SHOWN_IN_CURL = "heavy"


def print_welcome(console: Console, settings: Settings, listening: socket.socket, *, demo: bool) -> None:
    """Print the addresses, and what a stranger needs for a first personalised feed."""
    address = address_of(listening)
    _line(console, f"\n[bold]explore-gateway[/bold] serves on [link={address}]{address}[/link]   (Ctrl-C stops)")
    if settings.graphiql:
        _line(console, f"  {address}/graphql   GraphiQL in a browser; POST for programs")
    _line(console, f"  {address}/readyz    whether the stores are there")
    if demo:
        _print_viewers(console, settings, address)
    _line(console, "")


def _print_viewers(console: Console, settings: Settings, address: str) -> None:
    authority = authority_of(settings)
    tokens = {viewer.key: authority.issue(viewer.key, hours=DEMO_TOKEN_HOURS) for viewer in DEMO_VIEWERS}
    _line(console, "\n[bold]Demo viewers[/bold] (a token is good for 30 days; explore token USER makes another)")
    for viewer in DEMO_VIEWERS:
        _line(console, f"\n  [bold]{viewer.key}[/bold]  {viewer.username}: {viewer.what}\n  {tokens[viewer.key]}")
    _line(console, '\nIn GraphiQL, under Headers: {"Authorization": "Bearer TOKEN"}. Or in another terminal:\n')
    console.print(_curl(address, tokens[_SHOWN_IN_CURL]), markup=False, highlight=False, soft_wrap=True)


def _curl(address: str, token: str) -> str:
    body = shlex.quote(json.dumps({"query": _QUERY}))
    return (
        f"curl -s {address}/graphql -H 'Content-Type: application/json' \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n  -d {body}"
    )


def _line(console: Console, text: str) -> None:
    # Never wrapped: a token that is broken over two lines cannot be copied.
    console.print(text, highlight=False, soft_wrap=True)
