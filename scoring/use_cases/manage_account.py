"""Claims of sessions, and the export and deletion of personal data."""

from collections.abc import Sequence

from db.actors.users import Viewer, ensure_actor, ensure_session
from db.errors import ProtectedUser, UnknownReference
from db.models import Role
from db.privacy.erasure import ErasureReceipt, OwnedProjects, erase_session, erase_users
from db.privacy.personal_data_export import ExportCursor, ExportPage, export_personal_data
from db.privacy.projection_erasure import finish_erasures
from db.privacy.session_claims import Claim, claim, end_claim, end_claims_of
from scoring.use_cases.input_errors import CallerUnidentified, UserErrorCode, refusal
from scoring.use_cases.platform_keys import distinct_valid_keys, is_valid_key
from scoring.use_cases.unit_of_work import UnitOfWork

_SIGN_IN_MESSAGE = (
    "This session belongs to an account. Send the bearer token of the account; an X-Session-Id is not sufficient."
)


async def claim_session(work: UnitOfWork) -> Claim:
    """Transfer the data of the caller's session to the caller's account, unless another account has claimed it.

    The caller must send both a bearer token and the session id.
    """
    caller = work.caller
    if caller.user_key is None:
        raise CallerUnidentified("Send the bearer token of the account that claims the session.")
    if caller.session_key is None:
        message = "Send the X-Session-Id of an earlier response together with the bearer token."
        raise refusal(UserErrorCode.INVALID, message)
    account = await work.viewer()
    async with work.write() as connection:
        account_id = await ensure_actor(connection, account)
        session_id = await ensure_session(connection, caller.session_key)
        return await claim(connection, session_id, account_id, work.claimed_session_lifetime)


async def revoke_sessions(work: UnitOfWork) -> int:
    """End the claims of all sessions of the account, or only of the caller's session; return their number."""
    caller = work.require_identified()
    async with work.write() as connection:
        if caller.user_key is not None:
            return await end_claims_of(connection, caller.user_key)
        return await end_claim(connection, caller.session_key or "")


async def export_viewer(work: UnitOfWork, limit: int, after: ExportCursor | None = None) -> ExportPage:
    """Read a page of the viewer's personal data."""
    viewer = await _account_holder(work)
    if viewer.actor_id is None:
        return ExportPage({}, None)
    return await export_personal_data(work.stores, viewer.actor_id, limit, after)


async def delete_viewer(work: UnitOfWork, projects: OwnedProjects) -> ErasureReceipt | None:
    """Delete the viewer's personal data; return the receipt, None if there was nothing to delete."""
    viewer = await _account_holder(work)
    receipt: ErasureReceipt | None = None
    async with work.write(changes_catalog=True) as connection:
        if work.caller.user_key is not None:
            _, receipt = await erase_users(connection, [work.caller.user_key], projects)
        elif viewer.actor_id is not None:
            receipt = await erase_session(connection, viewer.actor_id)
    if receipt is not None:
        await finish_erasures(work.stores, only=receipt.id)  # a periodic job retries for unavailable stores
    return receipt


async def remove_users(
    work: UnitOfWork, keys: Sequence[str], projects: OwnedProjects, new_owner: str | None = None
) -> tuple[int, ErasureReceipt | None]:
    """Delete users and all their data; return their number and the receipt.

    Kept projects get the owner `new_owner`, or no owner. Only administrators can delete administrators. If another
    caller names an administrator, nobody is deleted.
    """
    valid_keys = distinct_valid_keys(keys)
    if new_owner is not None and not is_valid_key(new_owner):
        raise refusal(UserErrorCode.UNKNOWN_REFERENCE, "There is no user with this key.", "new_owner")
    protected = await work.role() is not Role.ADMINISTRATOR
    try:
        async with work.write(changes_catalog=True) as connection:
            removed, receipt = await erase_users(connection, valid_keys, projects, new_owner, protected=protected)
    except ProtectedUser:
        message = (
            "One of these users is an administrator. Only administrators can delete administrators. "
            "No user was deleted."
        )
        raise refusal(UserErrorCode.FORBIDDEN, message, "keys") from None
    except UnknownReference as error:
        raise refusal(UserErrorCode.UNKNOWN_REFERENCE, error.message, "new_owner") from None
    if receipt is not None:
        await finish_erasures(work.stores, only=receipt.id)
    return removed, receipt


async def _account_holder(work: UnitOfWork) -> Viewer:
    """Return the viewer. Refuses a claimed session id without the account's token."""
    viewer = await work.identified_viewer()
    if work.caller.user_key is None and viewer.user_id is not None:
        raise refusal(UserErrorCode.FORBIDDEN, _SIGN_IN_MESSAGE)
    return viewer
