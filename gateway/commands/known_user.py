"""Check whether the user of a token exists, for the warning of `explore token`."""

from db.actors.users import find_viewer
from db.errors import DatabaseLayerError
from db.schema import require_current
from gateway.commands.prepare import open_database
from gateway.data_folder import require_data
from gateway.errors import CannotStart
from gateway.settings import Settings


async def unknown_user_warning(settings: Settings, user: str) -> str | None:
    """Return a sentence if the database does not know this user, or cannot be asked; None if all is well."""
    try:
        require_data(settings)
        async with open_database(settings) as database:
            await require_current(database)
            viewer = await find_viewer(database, user_key=user)
    except (CannotStart, DatabaseLayerError) as error:
        return f"cannot check whether the user exists: {error}"
    if viewer.user_id is not None:
        return None
    return f"no user has the key {user!r}: the token is good, and its first write makes the user; check the spelling"
