"""Mutations that claim a session after sign-in, and revoke claims."""

from typing import Annotated

import strawberry

from db.privacy.session_claims import ClaimStatus
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.user_errors import UserError, attempt, user_error
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases import manage_account
from scoring.use_cases.input_errors import UserErrorCode

register_enum(
    ClaimStatus,
    "ClaimStatus",
    "The outcome of `claimSession`.",
    {
        "CLAIMED": "The data of the session now belongs to your account.",
        "ALREADY": "The session was already yours; data added since then has been transferred as well.",
        "FOREIGN": "The session belongs to another account and stays there.",
    },
)


@object_type
class ClaimSessionPayload:
    """The return value of `claimSession`."""

    status: Annotated[ClaimStatus | None, "The outcome; null on error."]
    transferred_count: Annotated[
        int, "The number of likes, saves, interactions, interests, answers and other rows transferred by this request."
    ]
    user_errors: Annotated[list[UserError], "The errors in the request; empty on success."]

    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The viewer after the change."""
        return await current_viewer(info)


@object_type
class RevokeSessionsPayload:
    """The return value of `revokeSessions`."""

    revoked: Annotated[int, "The number of revoked session ids."]
    user_errors: Annotated[list[UserError], "The errors in the request; empty on success."]


@strawberry.type
class SessionMutation:
    @mutation(Cost(3_000))
    async def claim_session(self, info: Info) -> ClaimSessionPayload | None:
        """Transfer to your account what you did in this session before you signed in.

        This includes interactions, likes, saves, dismissals, mutes, interests, answers and settings. Send the bearer
        token together with the `X-Session-Id` of the session. Data that exists in both the session and the account is
        counted once; repeating the request is safe. For a limited time (CLAIMED_SESSION_HOURS, 1 hour by default),
        requests with the `X-Session-Id` act as the account; later requests with it start a new session. When the user
        signs out, discard the `X-Session-Id` or call `revokeSessions`.
        """
        claimed, errors = await attempt(lambda: manage_account.claim_session(info.context), None)
        if claimed is None:
            return ClaimSessionPayload(status=None, transferred_count=0, user_errors=errors)
        errors = [_FOREIGN] if claimed.status is ClaimStatus.FOREIGN else []
        return ClaimSessionPayload(
            status=claimed.status, transferred_count=sum(claimed.moved_rows.values()), user_errors=errors
        )

    @mutation(Cost(1_000))
    async def revoke_sessions(self, info: Info) -> RevokeSessionsPayload | None:
        """End the claims of session ids.

        A revoked id no longer acts as the account; its next request starts a new session. With a bearer token, revokes
        all ids claimed for the account, for example on sign-out or when a device is lost. With only an `X-Session-Id`,
        revokes that id. A session that was not claimed is unaffected; use `deleteMyData` to delete it.
        """
        revoked, errors = await attempt(lambda: manage_account.revoke_sessions(info.context), 0)
        return RevokeSessionsPayload(revoked=revoked, user_errors=errors)


_FOREIGN = user_error(
    UserErrorCode.FORBIDDEN,
    "This session belongs to another account. Discard its X-Session-Id; your next request without one gets a new one.",
)
