"""Claiming a session after signing in, and ending such claims."""

import strawberry

from db.privacy.session_claims import ClaimStatus
from resolvers.common.context import Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.user_errors import UserError, attempt, user_error
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases import manage_account
from scoring.use_cases.input_errors import UserErrorCode

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
    transferred_count: int = strawberry.field(
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
        claimed, errors = await attempt(manage_account.claim_session(info.context), None)
        if claimed is None:
            return ClaimSessionPayload(status=None, transferred_count=0, user_errors=errors)
        errors = [_FOREIGN] if claimed.status is ClaimStatus.FOREIGN else []
        return ClaimSessionPayload(
            status=claimed.status, transferred_count=sum(claimed.carried.values()), user_errors=errors
        )

    @mutation(
        "Revoke claimed session ids: from now on each of them begins a new session. With a bearer token it revokes all "
        "ids that were claimed for the account, for example when the person signs out or a device is lost; with an "
        "`X-Session-Id` only, that id. A session that was not claimed stays as it is; `deleteMyData` deletes it.",
        Cost(1_000),
    )
    async def revoke_sessions(self, info: Info) -> RevokeSessionsPayload | None:
        """Revoke."""
        revoked, errors = await attempt(manage_account.revoke_sessions(info.context), 0)
        return RevokeSessionsPayload(revoked=revoked, user_errors=errors)


_FOREIGN = user_error(
    UserErrorCode.FORBIDDEN,
    "This session belongs to another account. Forget its X-Session-Id: the next answer without one carries a new one.",
)
