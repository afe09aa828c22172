"""Mutations on a whole account: claims of sessions, export and deletion of personal data, deletion of users."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from db.models import Role
from db.privacy.erasure import ErasureReceipt, OwnedProjects, receipt_of
from db.privacy.personal_data_export import MAX_EXPORT_ROWS, ExportCursor, ExportPage, key_types
from db.privacy.session_claims import ClaimStatus
from resolvers.catalog.catalog_mutations import Keys
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import register_enum
from resolvers.common.errors import InvalidPage
from resolvers.common.field_costs import READ_COST, Cost, computed, mutation
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor
from resolvers.common.relay import After, PageInfo
from resolvers.common.user_errors import UserError, attempt, user_error
from resolvers.preferences.viewer import ViewerPayload
from scoring.use_cases import manage_account
from scoring.use_cases.input_errors import UserErrorCode
from scoring.use_cases.platform_keys import MAX_RECORDS, is_valid_key

register_enum(
    OwnedProjects,
    "OwnedProjects",
    "What happens to the projects of a deleted user.",
    {
        "REMOVE": "The projects are deleted with all their data.",
        "KEEP": "The projects stay, without an owner or with a new one.",
    },
)


@object_type
class DeletedRows:
    """The number of deleted rows of one kind."""

    name: Annotated[str, "The kind, for example `likes`."]
    count: Annotated[int, "The number of rows."]


@object_type
class DeletionReceipt:
    """The receipt of a deletion. It does not identify the user."""

    id: Annotated[strawberry.ID, "The id to pass to `deletionReceipt`."]
    requested_at: Annotated[
        datetime, "When the data was deleted from the database. From then on, the data is not shown to anybody."
    ]
    completed_at: Annotated[
        datetime | None,
        "When the data was also deleted from caches, index and files, about two minutes later; null until then. "
        "Backups follow the operator's policy.",
    ]
    deleted: Annotated[list[DeletedRows], "The deleted rows by kind."]


def _deletion_receipt(receipt: ErasureReceipt | None) -> DeletionReceipt | None:
    if receipt is None:
        return None
    return DeletionReceipt(
        id=strawberry.ID(receipt.id),
        requested_at=receipt.requested_at,
        completed_at=receipt.completed_at,
        deleted=[DeletedRows(name=name, count=count) for name, count in sorted(receipt.report.items())],
    )


@object_type
class RemoveUsersPayload:
    """The return value of `removeUsers`."""

    removed: Annotated[int, "The number of deleted users. Unknown keys are ignored."]
    receipt: Annotated[
        DeletionReceipt | None, "A receipt of the deletion; null if there was no such user, or on error."
    ]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]


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
class ClaimSessionPayload(ViewerPayload):
    """The return value of `claimSession`."""

    status: Annotated[ClaimStatus | None, "The outcome; null on error."]
    transferred_count: Annotated[
        int, "The number of likes, saves, interactions, interests, answers and other rows transferred by this request."
    ]


@object_type
class RevokeSessionsPayload:
    """The return value of `revokeSessions`."""

    revoked: Annotated[int, "The number of revoked session ids."]
    user_errors: Annotated[list[UserError], "The errors in the request; empty on success."]


@object_type
class ExportMyDataPayload:
    """A page of the personal data stored about you."""

    data: Annotated[
        JSON,
        "The data as an object. The first page has `accounts` (your account and the sessions claimed for it), "
        "`projects` (yours) and `vector` (your profile vector); all pages have rows by table name. Keys identify "
        "projects, tools, categories, topics, users and questions. Times are UTC, bytes are base64. "
        "docs/privacy.md describes each table.",
    ]
    page_info: Annotated[PageInfo, "The position of this page in the export."]
    user_errors: Annotated[list[UserError], "The errors in the request; empty on success."]


@object_type
class DeleteMyDataPayload:
    """The return value of `deleteMyData`."""

    receipt: Annotated[DeletionReceipt | None, "A receipt of the deletion; null if nothing was stored, or on error."]
    user_errors: Annotated[list[UserError], "The errors in the request; empty on success."]


_FOREIGN = user_error(
    UserErrorCode.FORBIDDEN,
    "This session belongs to another account. Discard its X-Session-Id; your next request without one gets a new one.",
)


@strawberry.type
class AccountMutation:
    @mutation(Cost(800))
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

    @mutation(Cost(400))
    async def revoke_sessions(self, info: Info) -> RevokeSessionsPayload | None:
        """End the claims of session ids.

        A revoked id no longer acts as the account; its next request starts a new session. With a bearer token, revokes
        all ids claimed for the account, for example on sign-out or when a device is lost. With only an `X-Session-Id`,
        revokes that id. A session that was not claimed is unaffected; use `deleteMyData` to delete it.
        """
        revoked, errors = await attempt(lambda: manage_account.revoke_sessions(info.context), 0)
        return RevokeSessionsPayload(revoked=revoked, user_errors=errors)

    @mutation(Cost(500, 2, "first", MAX_EXPORT_ROWS))
    async def export_my_data(
        self,
        info: Info,
        first: Annotated[int | None, f"The number of rows per page: 1 to {MAX_EXPORT_ROWS:,}."] = 1_000,
        after: After = None,
    ) -> ExportMyDataPayload | None:
        """Export the personal data stored about you, page by page.

        This is a mutation so that a link cannot trigger it. It does not change data.
        """
        limit = 1_000 if first is None else first
        if not 1 <= limit <= MAX_EXPORT_ROWS:
            raise InvalidPage(f"`first` must be from 1 to {MAX_EXPORT_ROWS:,}.", "FIRST_OUT_OF_RANGE")
        position = None if after is None else _read_cursor(after)
        page, errors = await attempt(
            lambda: manage_account.export_viewer(info.context, limit, position), ExportPage({}, None)
        )
        cursor = None
        if page.next is not None:
            cursor = encode_cursor("export", page.next.table, *map(_to_json, page.next.primary_key))
        return ExportMyDataPayload(
            data=JSON(dict(page.data)),
            page_info=PageInfo(
                has_next_page=cursor is not None,
                has_previous_page=position is not None,
                start_cursor=None,
                end_cursor=cursor,
            ),
            user_errors=errors,
        )

    @mutation(Cost(1_000))
    async def delete_my_data(
        self, info: Info, projects: Annotated[OwnedProjects, "What happens to your projects."]
    ) -> DeleteMyDataPayload | None:
        """Delete all personal data stored about you.

        This includes account, claimed sessions, interactions, likes, saves, dismissals, mutes, interests, answers,
        settings, profile vector and stored rankings. The deletion takes effect at once and cannot be undone. Your token
        remains valid; you continue with an empty profile.
        """
        receipt, errors = await attempt(lambda: manage_account.delete_viewer(info.context, projects), None)
        return DeleteMyDataPayload(receipt=_deletion_receipt(receipt), user_errors=errors)

    @mutation(Cost(500, 50, "keys", MAX_RECORDS), Role.SERVICE)
    async def remove_users(
        self,
        info: Info,
        keys: Keys,
        projects: Annotated[OwnedProjects, "What happens to the projects of these users."] = OwnedProjects.KEEP,
        new_owner: Annotated[
            str | None,
            "The key of the user who becomes the owner of projects that are kept. Default: none. The new "
            "owner sees private projects among them.",
        ] = None,
    ) -> RemoveUsersPayload | None:
        """Delete users and all their data.

        This includes interactions, likes, saves, interests, answers, profile vectors, stored rankings and claimed
        sessions. Requires the role SERVICE; only administrators delete administrators.
        """
        (removed, receipt), errors = await attempt(
            lambda: manage_account.remove_users(info.context, keys, projects, new_owner), (0, None)
        )
        return RemoveUsersPayload(removed=removed, receipt=_deletion_receipt(receipt), user_errors=errors)


@strawberry.type
class DeletionReceiptQuery:
    @computed(READ_COST)
    async def deletion_receipt(
        self, info: Info, id: Annotated[strawberry.ID, "The `id` of the receipt."]
    ) -> DeletionReceipt | None:
        """The progress of a deletion; null if there is no such receipt. Anybody who has the id may query it."""
        receipt = await receipt_of(info.context.stores.database, id) if is_valid_key(id) else None
        return _deletion_receipt(receipt)


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _read_cursor(cursor: str) -> ExportCursor:
    match decode_cursor(cursor):
        case ["export", str(table), *values]:
            try:
                types = key_types(table)
                if len(types) == len(values) or not values:
                    return ExportCursor(table, tuple(map(_from_json, values, types)))
            except (ValueError, KeyError, TypeError):
                pass
    raise bad_cursor()


def _from_json(value: Any, type_: type) -> Any:
    if type_ is datetime:
        return datetime.fromisoformat(value)
    if type(value) is not type_ or (isinstance(value, int) and not -(2**63) <= value < 2**63):
        raise TypeError(value)
    return value
