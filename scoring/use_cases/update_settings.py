"""Settings of what the ranking may do with what it knows of a viewer."""

from collections.abc import Mapping

from pydantic import ValidationError

from db.actors.actor_preferences import change_preferences
from db.actors.users import ensure_actor
from scoring.use_cases.input_errors import InputRefused, validation_errors
from scoring.use_cases.unit_of_work import UnitOfWork


async def update_settings(work: UnitOfWork, changes: Mapping[str, bool | int]) -> bool:
    """Apply all changes or none; a setting that is left out stays. Return whether anything changed.

    Raises
    ------
    InputRefused
        If a value is out of its range.
    """
    viewer = await work.identified_viewer()
    try:
        async with work.write() as connection:
            return await change_preferences(connection, await ensure_actor(connection, viewer), changes)
    except ValidationError as error:
        raise InputRefused(*validation_errors(error, "settings")) from None
