"""What viewers can do about everything that is held of them: read it, and delete it."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from db.privacy.erasure import OwnedProjects
from db.privacy.personal_data_export import MAX_EXPORT_ROWS, ExportCursor, ExportPage, key_types
from resolvers.accounts.user_removal import DeletionReceipt
from resolvers.common.context import Info
from resolvers.common.errors import InvalidPage
from resolvers.common.field_costs import Cost, mutation
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.relay import PageInfo
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases.manage_account import delete_viewer, export_viewer


@strawberry.type(description="A page of all that is held of you.")
class ExportMyDataPayload:
    """A page of an export."""

    data: JSON = strawberry.field(
        description="What is held, as an object: `accounts` (the account, and sessions claimed for it), `projects` "
        "(those you made) and `vector` (what your profile is compared by) on the first page; then rows by the name of "
        "the table that they lie in. Projects, tools, categories, topics, people and questions are named by the "
        "platform's keys, times are UTC, bytes are base64. docs/privacy.md says what each table is for."
    )
    page_info: PageInfo = strawberry.field(description="The position of this page in the export.")
    user_errors: list[UserError] = strawberry.field(
        description="What was wrong with the request; empty if all is well."
    )


@strawberry.type(description="What became of a deletion.")
class DeleteMyDataPayload:
    """The answer to a deletion."""

    receipt: DeletionReceipt | None = strawberry.field(
        description="What was deleted, and whether all is gone by now; null if nothing was held, or with an error."
    )
    user_errors: list[UserError] = strawberry.field(
        description="What was wrong with the request; empty if all is well."
    )


@strawberry.type
class PersonalDataMutation:
    """What a viewer can do about what is held."""

    @mutation(
        "Everything that is held of you, a page at a time. It is a mutation so that nobody is made to ask for it by "
        "following a link; it changes nothing.",
        Cost(1_000, 2, "first", MAX_EXPORT_ROWS),
    )
    async def export_my_data(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description=f"Rows at most on this page: 1 to {MAX_EXPORT_ROWS:,}.")
        ] = 1_000,
        after: Annotated[
            str | None,
            strawberry.argument(description="The `pageInfo.endCursor` of the page before. Default: the first page."),
        ] = strawberry.UNSET,
    ) -> ExportMyDataPayload | None:
        """Export."""
        limit = 1_000 if first is None else first
        if not 1 <= limit <= MAX_EXPORT_ROWS:
            raise InvalidPage(f"`first` must be from 1 to {MAX_EXPORT_ROWS:,}.", "FIRST_OUT_OF_RANGE")
        after = unset_to_none(after)
        place = None if after is None else _read_cursor(after)
        page, errors = await attempt(export_viewer(info.context, limit, place), ExportPage({}, None))
        cursor = None
        if page.next is not None:
            cursor = encode_cursor("export", page.next.table, *map(_written, page.next.behind))
        return ExportMyDataPayload(
            data=JSON(dict(page.data)),
            page_info=PageInfo(
                has_next_page=cursor is not None,
                has_previous_page=place is not None,
                start_cursor=None,
                end_cursor=cursor,
            ),
            user_errors=errors,
        )

    @mutation(
        "Delete everything that is held of you: account, sessions claimed for it, events, likes, saves, dismissals, "
        "mutes, interests, answers, settings, vector and stored rankings. It takes effect at once; the receipt says "
        "when the last copy is gone. It cannot be undone. Your token stays good: what you do with it afterwards begins "
        "anew.",
        Cost(10_000),
    )
    async def delete_my_data(
        self,
        info: Info,
        projects: Annotated[
            OwnedProjects, strawberry.argument(description="What becomes of the projects that you made.")
        ],
    ) -> DeleteMyDataPayload | None:
        """Delete."""
        receipt, errors = await attempt(delete_viewer(info.context, projects), None)
        return DeleteMyDataPayload(receipt=None if receipt is None else DeletionReceipt.of(receipt), user_errors=errors)


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _read_cursor(cursor: str) -> ExportCursor:
    match decode_cursor(cursor):
        case ["export", str(table), *values]:
            try:
                types = key_types(table)
                if len(types) == len(values) or not values:
                    return ExportCursor(table, tuple(map(_read, values, types)))
            except (ValueError, KeyError, TypeError):
                pass
    raise bad_cursor()


def _read(value: Any, type_: type) -> Any:
    if type_ is datetime:
        return datetime.fromisoformat(value)
    if type(value) is not type_ or (isinstance(value, int) and not -(2**63) <= value < 2**63):
        raise TypeError(value)
    return value
