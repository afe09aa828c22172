"""Claiming a session after signing in, and ending such claims."""

import strawberry

from db.actors.users import ensure_actor, ensure_session
from db.privacy.session_claims import ClaimStatus, claim, end_claim, end_claims_of
from resolvers.common.context import Info
from resolvers.common.enums import register_enum
from resolvers.common.errors import Unauthenticated
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.user_errors import UserError, UserErrorCode, user_error
from resolvers.preferences.viewer import Viewer, current_viewer

register_enum(
    ClaimStatus,
    "ClaimStatus",
    "What became of a claim.",
    {
        "CLAIMED": "What was done in the session is yours now.",
        "ALREADY": "It was yours already; what came in between has been carried over too.",
        "FOREIGN": "It belongs to another account, and stays there.",
    },
)


@strawberry.type(description="What became of a claim.")
class ClaimSessionPayload:
    """The answer to a claim."""

    status: ClaimStatus | None = strawberry.field(description="What became of it; null with an error.")
    carried: int = strawberry.field(
        description="How many likes, saves, events, interests, answers and the like were carried over just now."
    )
    user_errors: list[UserError] = strawberry.field(
        description="What was wrong with the request; empty if all is well."
    )

    @computed("You, as you are now.")
    async def viewer(self, info: Info) -> Viewer:
        """Give the viewer as it is now."""
        return await current_viewer(info)


@strawberry.type(description="The answer to `revokeSessions`.")
class RevokeSessionsPayload:
    """The answer to `revokeSessions`."""

    revoked: int = strawberry.field(description="Number of session ids that no longer stand for the account.")
    user_errors: list[UserError] = strawberry.field(
        description="What was wrong with the request; empty if all is well."
    )


@strawberry.type
class SessionMutation:
    """Mutations that claim a session and end such claims."""

    @mutation(
        "Take over what you did before you signed in: events, likes, saves, dismissals, mutes, interests, answers and "
        "settings of a session become your account's. Send the new bearer token together with the session's own "
        "`X-Session-Id`: only who holds both may. What both have done counts once; sending it again does no harm. "
        "The `X-Session-Id` stands for the account for a while (CLAIMED_SESSION_HOURS, 1 hour by default), so that "
        "requests under way are not lost; after that it begins a new session. Forget it when the person signs out, or "
        "end it at once with `revokeSessions`.",
        Cost(3_000),
    )
    async def claim_session(self, info: Info) -> ClaimSessionPayload | None:
        """Claim."""
        context, caller = info.context, info.context.caller
        if caller.user_key is None:
            raise Unauthenticated("Send the bearer token of the account that takes the session over.")
        if caller.session_key is None:
            return _refused(
                UserErrorCode.INVALID, "Send the X-Session-Id that an earlier answer carried, beside the bearer token."
            )
        account = await context.viewer()
        async with context.write() as connection:
            account_id = await ensure_actor(connection, account)
            session_id = await ensure_session(connection, caller.session_key)
            found = await claim(connection, session_id, account_id, context.claimed_session_lifetime)
        errors = [_FOREIGN] if found.status is ClaimStatus.FOREIGN else []
        return ClaimSessionPayload(status=found.status, carried=sum(found.carried.values()), user_errors=errors)

    @mutation(
        "Revoke claimed session ids: from now on each of them begins a new session. With a bearer token it revokes all "
        "ids that were claimed for the account, for example when the person signs out or a device is lost; with an "
        "`X-Session-Id` only, that id. A session that was not claimed stays as it is; `deleteMyData` deletes it.",
        Cost(1_000),
    )
    async def revoke_sessions(self, info: Info) -> RevokeSessionsPayload | None:
        """Revoke."""
        context, caller = info.context, info.context.caller
        revoked = 0
        async with context.write() as connection:
            if caller.user_key is not None:
                revoked = await end_claims_of(connection, caller.user_key)
            elif caller.session_key is not None:
                revoked = await end_claim(connection, caller.session_key)
        return RevokeSessionsPayload(revoked=revoked, user_errors=[])


_FOREIGN = user_error(
    UserErrorCode.FORBIDDEN,
    "This session belongs to another account. Forget its X-Session-Id: the next answer without one carries a new one.",
)


def _refused(code: UserErrorCode, message: str) -> ClaimSessionPayload:
    return ClaimSessionPayload(status=None, carried=0, user_errors=[user_error(code, message)])
