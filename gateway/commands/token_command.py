"""`explore token`: a bearer token for a user, and a warning if the database does not know the user."""

import asyncio
from typing import Annotated

import typer

from db.actors.users import find_viewer
from db.errors import DatabaseLayerError
from db.models import Role
from db.schema import require_current
from gateway.callers.token_authority import token_authority
from gateway.commands.shared import read_settings, say
from gateway.data_folder import require_data, require_secret
from gateway.errors import CannotStart
from gateway.settings import Settings
from gateway.stores import open_database


def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's platform key.")],
    role: Annotated[Role | None, typer.Option(help="A role for the token. Default: the user's own role.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=87_600, help="Hours for which it is valid.")] = 24.0,
) -> None:
    """Print a bearer token for a user. Standard output has nothing else.

    For a user who is not in the database, a warning goes to standard error; the token is valid, and its first write
    creates the user.
    """
    settings = read_settings()
    require_secret(settings)
    bearer = token_authority(settings).issue(user, role, hours)
    if warning := asyncio.run(_user_warning(settings, user)):
        say(f"warning: {warning}")
    typer.echo(bearer)


async def _user_warning(settings: Settings, user: str) -> str | None:
    """Return a warning if the user is not in the database, or if the database cannot be read; else None."""
    try:
        require_data(settings)
        async with open_database(settings) as database:
            await require_current(database)
            viewer = await find_viewer(database, user_key=user)
    except (CannotStart, DatabaseLayerError) as error:
        return f"cannot check whether the user exists: {error}"
    if viewer.user_id is not None:
        return None
    return f"no user has the key {user!r}: the token is valid, and its first write creates the user; check the spelling"
