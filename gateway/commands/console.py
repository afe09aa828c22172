"""Output of the commands: consoles that never cut a line, and advice that names the command the way it was called."""

import re
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

UNCUT = 100_000
"""Columns of an output that is no terminal: a file or a pipe takes a line of any length."""

_COMMAND = "explore"


def console(*, stderr: bool = False) -> Console:
    """Make a console for standard output or standard error; only a terminal has a width to wrap at."""
    made = Console(stderr=stderr)
    return made if made.is_terminal else Console(stderr=stderr, width=UNCUT)


def print_plain(output: Console, text: str) -> None:
    """Print text that may quote data: nothing in it is markup, and no line is broken, so that `grep` finds it whole."""
    output.print(Text(text), soft_wrap=True)


def program_name() -> str:
    """Return what calls this program: `explore` if the path leads to it, else what was typed (`.venv/bin/explore`)."""
    typed = Path(sys.argv[0])
    if typed.name != _COMMAND:  # a test, or another program that uses these modules
        return _COMMAND
    on_path = shutil.which(_COMMAND)
    if on_path is not None and Path(on_path).absolute() == typed.absolute():
        return _COMMAND
    return shlex.quote(sys.argv[0])


def with_program_name(message: str) -> str:
    """Write each `explore COMMAND` in a sentence of ours the way this program was called."""
    return re.sub(rf"\b{_COMMAND} (?=[a-z])(?!pages?\b)", lambda _: f"{program_name()} ", message)
