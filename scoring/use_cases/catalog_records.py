"""Batches of records that the platform's servers send or delete: projects, tools, categories and users."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import ProtectedUser, UnknownReference
from db.models import Role
from db.privacy.erasure import OwnedProjects, Receipt, erase_users
from scoring.use_cases.input_errors import InputRefused, UserErrorCode, refused, too_many_error
from scoring.use_cases.keys import is_valid_key
from scoring.use_cases.personal_data import finish_deletion
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_RECORDS = 1_000


async def remove_users(
    work: UnitOfWork, keys: Sequence[str], projects: OwnedProjects, new_owner: str | None = None
) -> tuple[int, Receipt | None]:
    """Delete users with everything they did; return how many there were, and the receipt of the deletion.

    Parameters
    ----------
    new_owner
        The key of the user who gets the projects that are kept; None for nobody.

    Raises
    ------
    InputRefused
        If there are more than `MAX_RECORDS`, the new owner is unknown, or one of them is an administrator and the
        caller is not. Nobody was deleted then.
    """
    possible = possible_keys(keys)
    if new_owner is not None and not is_valid_key(new_owner):
        raise refused(UserErrorCode.UNKNOWN_REFERENCE, "There is no such user.", "new_owner")
    protected = await work.role() is not Role.ADMINISTRATOR
    try:
        async with work.write() as connection:
            removed, receipt = await erase_users(connection, possible, projects, new_owner, protected=protected)
    except ProtectedUser:
        message = "One of these users is an administrator, whom only an administrator may delete. Nobody was deleted."
        raise refused(UserErrorCode.FORBIDDEN, message, "keys") from None
    except UnknownReference as error:
        raise refused(UserErrorCode.UNKNOWN_REFERENCE, error.message, "new_owner") from None
    await finish_deletion(work, receipt)
    return removed, receipt


async def remove_records(
    work: UnitOfWork, keys: Sequence[str], remove: Callable[[AsyncConnection, Sequence[str]], Awaitable[int]]
) -> int:
    """Delete records by key; return how many there were.

    Raises
    ------
    InputRefused
        If there are more than `MAX_RECORDS`.
    """
    possible = possible_keys(keys)
    if not possible:
        return 0
    async with work.write() as connection:
        return await remove(connection, possible)


def possible_keys(keys: Sequence[str]) -> list[str]:
    """Return those keys, each once, that can name something."""
    if len(keys) > MAX_RECORDS:
        raise InputRefused(too_many_error("keys", len(keys), MAX_RECORDS))
    return [key for key in dict.fromkeys(keys) if is_valid_key(key)]
