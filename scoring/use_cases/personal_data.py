"""Export and deletion of everything that is held of a viewer."""

from db.actors.users import Viewer
from db.privacy.erasure import OwnedProjects, Receipt, erase_session, erase_users
from db.privacy.personal_data_export import ExportPage, Place, export
from db.privacy.projection_erasure import finish
from scoring.use_cases.input_errors import UserErrorCode, refused
from scoring.use_cases.unit_of_work import UnitOfWork

_SIGN_IN = (
    "This session belongs to an account. Send the account's bearer token: "
    "the X-Session-Id alone is not enough for this."
)


async def export_personal_data(work: UnitOfWork, limit: int, after: Place | None = None) -> ExportPage:
    """Read a page of everything that is held of the viewer.

    Raises
    ------
    InputRefused
        As `delete_personal_data`.
    """
    viewer = await _owner(work)
    if viewer.actor_id is None:
        return ExportPage({}, None)
    return await export(work.stores, viewer.actor_id, limit, after)


async def delete_personal_data(work: UnitOfWork, projects: OwnedProjects) -> Receipt | None:
    """Delete everything that is held of the viewer; None if nothing is.

    Raises
    ------
    InputRefused
        If the caller holds only a session that an account has claimed.
    """
    viewer = await _owner(work)
    receipt: Receipt | None = None
    async with work.write() as connection:
        if work.caller.user_key is not None:
            _, receipt = await erase_users(connection, [work.caller.user_key], projects)
        elif viewer.actor_id is not None:
            receipt = await erase_session(connection, viewer.actor_id)
    await finish_deletion(work, receipt)
    return receipt


async def finish_deletion(work: UnitOfWork, receipt: Receipt | None) -> None:
    """Empty the other stores of what a receipt names, as far as they answer; the periodic job does the rest."""
    if receipt is not None:
        await finish(work.stores, only=receipt.id)


async def _owner(work: UnitOfWork) -> Viewer:
    """Return the viewer, who must hold more than a session id to reach an account's data."""
    viewer = await work.identified_viewer()
    if work.caller.user_key is None and viewer.user_id is not None:
        raise refused(UserErrorCode.FORBIDDEN, _SIGN_IN)
    return viewer
