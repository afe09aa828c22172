"""Steps that several commands share."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import typer

from db.database.engine import Database
from db.stores import Stores
from gateway.commands.console import console, print_plain
from gateway.data_folder import require_data
from gateway.logs import configure_logs
from gateway.settings import Settings, load_settings
from gateway.stores import open_migrated

T = TypeVar("T")

output = console()
errors = console(stderr=True)


def say(sentence: str) -> None:
    """Print a sentence to standard error."""
    print_plain(errors, sentence)


def read_settings(**overrides: Any) -> Settings:
    """Read the settings, and configure the log accordingly."""
    settings = load_settings(**overrides)
    configure_logs(settings)
    return settings


def settings_of_data() -> Settings:
    """Read the settings of a command that requires existing data."""
    settings = read_settings()
    require_data(settings)
    return settings


def run_on_stores(work: Callable[[Stores], Awaitable[T]]) -> T:
    """Run a command on the stores, with the migrated database, which must exist."""

    async def run(settings: Settings) -> T:
        async with open_migrated(settings) as stores:
            return await work(stores)

    return asyncio.run(run(settings_of_data()))


def run_on_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run a command on the migrated database, which must exist."""
    return run_on_stores(lambda stores: work(stores.database))


def _check_writable(file: Path | None) -> Path | None:
    if file is not None and (file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK)):
        raise typer.BadParameter(f"{file} cannot be written; name a file in an existing folder that can be written")
    return file


def output_file(help_text: str) -> Any:
    """Return an option for a file to write. A file that cannot be written is refused before any work is done."""
    return typer.Option(metavar="FILE", callback=_check_writable, help=help_text)
