"""Claims of sessions after signing in, and their end."""

from db.actors.users import ensure_actor, ensure_session
from db.privacy.session_claims import Claim, claim, end_claim, end_claims_of
from scoring.use_cases.input_errors import CallerUnidentified, UserErrorCode, refused
from scoring.use_cases.unit_of_work import UnitOfWork


async def claim_session(work: UnitOfWork) -> Claim:
    """Carry everything of the caller's session over to the caller's account.

    A session of another account is left alone: the status says so.

    Raises
    ------
    CallerUnidentified, InputRefused
        If the caller does not hold both a bearer token and a session id.
    """
    caller = work.caller
    if caller.user_key is None:
        raise CallerUnidentified("Send the bearer token of the account that takes the session over.")
    if caller.session_key is None:
        raise refused(
            UserErrorCode.INVALID, "Send the X-Session-Id that an earlier answer carried, beside the bearer token."
        )
    account = await work.viewer()
    async with work.write() as connection:
        account_id = await ensure_actor(connection, account)
        session_id = await ensure_session(connection, caller.session_key)
        return await claim(connection, session_id, account_id, work.claimed_session_lifetime)


async def revoke_sessions(work: UnitOfWork) -> int:
    """End the claims of all sessions of the account, or of the caller's session alone; return their number.

    Raises
    ------
    CallerUnidentified
        If the caller has neither a token nor a session.
    """
    caller = work.require_identified()
    async with work.write() as connection:
        if caller.user_key is not None:
            return await end_claims_of(connection, caller.user_key)
        return await end_claim(connection, caller.session_key or "")
