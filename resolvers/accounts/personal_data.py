"""Export and deletion of the viewer's personal data."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from db.privacy.erasure import OwnedProjects
from db.privacy.personal_data_export import MAX_EXPORT_ROWS, ExportCursor, ExportPage, key_types
from resolvers.accounts.user_removal import DeletionReceipt
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidPage
from resolvers.common.field_costs import Cost, mutation
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.relay import PageInfo
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases.manage_account import delete_viewer, export_viewer


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


@strawberry.type
class PersonalDataMutation:
    @mutation(Cost(1_000, 2, "first", MAX_EXPORT_ROWS))
    async def export_my_data(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description=f"The number of rows per page: 1 to {MAX_EXPORT_ROWS:,}.")
        ] = 1_000,
        after: Annotated[
            str | None,
            strawberry.argument(
                description=("The `pageInfo.endCursor` of the previous page. Default: the first page.")
            ),
        ] = strawberry.UNSET,
    ) -> ExportMyDataPayload | None:
        """Export the personal data stored about you, page by page.

        This is a mutation so that a link cannot trigger it. It does not change data.
        """
        limit = 1_000 if first is None else first
        if not 1 <= limit <= MAX_EXPORT_ROWS:
            raise InvalidPage(f"`first` must be from 1 to {MAX_EXPORT_ROWS:,}.", "FIRST_OUT_OF_RANGE")
        after = unset_to_none(after)
        position = None if after is None else _read_cursor(after)
        page, errors = await attempt(lambda: export_viewer(info.context, limit, position), ExportPage({}, None))
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

    @mutation(Cost(10_000))
    async def delete_my_data(
        self,
        info: Info,
        projects: Annotated[OwnedProjects, strawberry.argument(description="What happens to your projects.")],
    ) -> DeleteMyDataPayload | None:
        """Delete all personal data stored about you.

        This includes account, claimed sessions, interactions, likes, saves, dismissals, mutes, interests, answers,
        settings, profile vector and stored rankings. The deletion takes effect at once and cannot be undone. Your token
        remains valid; you continue with an empty profile.
        """
        receipt, errors = await attempt(lambda: delete_viewer(info.context, projects), None)
        return DeleteMyDataPayload(
            receipt=None if receipt is None else DeletionReceipt.from_receipt(receipt), user_errors=errors
        )


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
