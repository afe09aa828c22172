"""The data folder (VAR_DIR): some commands create a missing one, all others require it."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from db.private_files import DataFile, make_private_folder
from gateway.errors import CannotStart, os_reason
from gateway.settings import Settings

_ADVICE = "run this in the folder where the server was started, or set VAR_DIR (in the environment or a file .env)"


def make_var_dir(settings: Settings) -> None:
    """Create the data folder. Raises `CannotStart` if it cannot be created or written."""
    folder = settings.var_dir
    try:
        make_private_folder(folder)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        message = (
            f"{folder} cannot be written ({os_reason(error)}); make it writable, or set VAR_DIR to a folder that is"
        )
        raise CannotStart(message) from None


def require_data(settings: Settings) -> None:
    """Require the data of an installation, and create nothing.

    Raises `CannotStart` if the SQLite file of the database, or the folder of another embedded store, is missing.
    """
    file = database_file(settings)
    if settings.uses_data_folder and not settings.var_dir.is_dir():
        raise CannotStart(f"there is no data folder {settings.var_dir}; {_ADVICE}. To create one: explore serve")
    if file is not None and not file.exists():
        raise CannotStart(f"there is no database {file}; {_ADVICE}. To create one: explore serve")


def require_secret(settings: Settings) -> None:
    """Require an existing signing secret. A running server would not accept tokens signed with a new secret.

    Raises `CannotStart` if there is neither TOKEN_SECRET nor the file that a server creates at its first start.
    """
    path = settings.data_file(DataFile.TOKEN_SECRET)
    if settings.token_secret is None and not path.exists():
        message = f"there is no signing secret {path}; {_ADVICE}, or set TOKEN_SECRET to the server's value"
        raise CannotStart(message)


def database_file(settings: Settings) -> Path | None:
    """Return the SQLite file of the database, or None for a server, or for a URL that cannot be parsed."""
    try:
        url = make_url(settings.effective_database_url)
    except (ArgumentError, ValueError):  # opening the database reports it in full
        return None
    return Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" and url.database else None
