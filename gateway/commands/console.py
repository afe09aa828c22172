"""Consoles of the command line. They print no secret, and wrap lines on a terminal only."""

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from db.redaction import redact

UNLIMITED_WIDTH = 100_000
"""Columns of an output that is no terminal, so that no line is wrapped."""


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output or standard error. Only a terminal wraps lines."""
    terminal = Console(stderr=stderr)
    return terminal if terminal.is_terminal else Console(stderr=stderr, width=UNLIMITED_WIDTH)


def plain(text: str) -> Text:
    """Return text without markup and without secrets, as for the cell of a table."""
    return Text(redact(text))


def print_plain(output: Console, text: str, style: str | None = None) -> None:
    """Print text that may quote data: without markup, secrets and line breaks, so that `grep` finds it in one piece."""
    output.print(plain(text), style=style, soft_wrap=True)


def program_name() -> str:
    """Return the name by which the user called this program: `explore` if PATH finds it, else the typed path."""
    typed = Path(sys.argv[0])
    if typed.name != "explore":  # a test, or another program that uses these modules
        return "explore"
    on_path = shutil.which("explore")
    if on_path is not None and Path(on_path).absolute() == typed.absolute():
        return "explore"
    return shlex.quote(sys.argv[0])
