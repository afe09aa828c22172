"""The data folder at the command line: some commands make a missing one and say so, all others require it."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway.callers.token_authority import SECRET_FILE
from gateway.errors import CannotStart
from gateway.settings import Settings, make_var_dir

_POINT_THERE = "run this in the folder where the server was started, or set VAR_DIR (in the environment or a file .env)"


def create_data_folder(settings: Settings, say: Callable[[str], None]) -> None:
    """Make the data folder if it is missing, and say where.

    Raises
    ------
    CannotStart
        If it cannot be made or written.
    """
    is_missing = not settings.var_dir.is_dir()
    folder = make_var_dir(settings)
    if is_missing:
        say(f"made the data folder {folder}")


def require_data(settings: Settings) -> None:
    """Refuse to go on without the data of an installation, and make nothing.

    Raises
    ------
    CannotStart
        If the SQLite file of the database, or the folder of another embedded store, is missing.
    """
    file = database_file(settings)
    if settings.uses_data_folder and not settings.var_dir.is_dir():
        raise CannotStart(f"there is no data folder {settings.var_dir}; {_POINT_THERE}. To make one: explore serve")
    if file is not None and not file.exists():
        raise CannotStart(f"there is no database {file}; {_POINT_THERE}. To make one: explore serve")


def require_secret(settings: Settings) -> None:
    """Refuse to go on without a signing secret, and make none: no server accepts what another secret signs.

    Raises
    ------
    CannotStart
        If there is neither TOKEN_SECRET nor the file that a server makes at its first start.
    """
    path = settings.var_dir / SECRET_FILE
    if settings.token_secret is None and not path.exists():
        raise CannotStart(
            f"there is no signing secret {path}; {_POINT_THERE}, or set TOKEN_SECRET as the server has it"
        )


def database_file(settings: Settings) -> Path | None:
    """Return the SQLite file of the database; None for a server, or for a URL that cannot be read."""
    try:
        url = make_url(settings.effective_database_url)
    except (ArgumentError, ValueError):  # said in full by whoever opens it
        return None
    return Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" and url.database else None
