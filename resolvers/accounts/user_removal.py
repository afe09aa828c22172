"""Deleting users as the platform's service does, and the receipts of deletions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

import strawberry

from db.errors import ProtectedUser, UnknownReference
from db.models import Role
from db.privacy.erasure import ErasureReceipt, OwnedProjects, erase_users, receipt_of
from db.privacy.projection_erasure import finish_erasures
from resolvers.catalog.catalog_mutations import MAX_RECORDS, Keys
from resolvers.common.context import Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import READ_COST, Cost, computed, mutation
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserError, too_many_error, user_error
from scoring.use_cases.input_errors import UserErrorCode
from scoring.use_cases.keys import is_valid_key

register_enum(
    OwnedProjects,
    "OwnedProjects",
    "What becomes of the projects that a deleted user made.",
    {
        "REMOVE": "They are deleted too, with everything that was ever done with them.",
        "KEEP": "They stay, without an owner or handed to another one.",
    },
)


@strawberry.type(description="How many rows of a kind were deleted.")
class DeletedRows:
    """A line of a receipt."""

    what: str = strawberry.field(description="What they were, for example `likes`.")
    rows: int = strawberry.field(description="How many.")


@strawberry.type(description="What was deleted. A receipt names nobody.")
class DeletionReceipt:
    """A receipt as its holder sees it."""

    id: strawberry.ID = strawberry.field(description="Ask `deletionReceipt` with it how far the deletion is.")
    requested_at: datetime = strawberry.field(
        description="When everything was deleted from the database: from then on nobody is shown any of it."
    )
    completed_at: datetime | None = strawberry.field(
        description="When the caches, the index and the files of this service held nothing of it any more, some two "
        "minutes later; null until then. What backups keep is the operator's."
    )
    deleted: list[DeletedRows] = strawberry.field(description="What was deleted, by name.")

    @classmethod
    def of(cls, receipt: ErasureReceipt) -> Self:
        """Show a receipt."""
        return cls(
            id=strawberry.ID(receipt.id),
            requested_at=receipt.requested_at,
            completed_at=receipt.completed_at,
            deleted=_lines(receipt.report),
        )


def _lines(report: Mapping[str, int]) -> list[DeletedRows]:
    return [DeletedRows(what=what, rows=rows) for what, rows in sorted(report.items())]


@strawberry.type(description="What became of a removal of users.")
class RemoveUsersPayload:
    """The answer to a removal of users."""

    removed: int = strawberry.field(description="How many there were. Keys that name nobody are no fault.")
    receipt: DeletionReceipt | None = strawberry.field(
        description="What was deleted, and whether all is gone by now; null if there was nobody, or with an error."
    )
    user_errors: list[UserError] = strawberry.field(description="What was wrong with the input; empty if all is well.")


@strawberry.type
class UserRemovalMutation:
    """How the platform's service deletes users."""

    @mutation(
        "Delete users with everything they ever did: events, likes, saves, interests, answers, vectors, stored "
        "rankings, and the sessions that were claimed for them. Needs the role SERVICE; administrators are deleted by "
        "administrators only.",
        Cost(5_000, 100, "keys", MAX_RECORDS),
        Role.SERVICE,
    )
    async def remove_users(
        self,
        info: Info,
        keys: Keys,
        projects: Annotated[
            OwnedProjects, strawberry.argument(description="What becomes of the projects that they made.")
        ] = OwnedProjects.KEEP,
        new_owner: Annotated[
            str | None,
            strawberry.argument(
                description="The key of the user who owns the projects that are kept, for example a placeholder of the "
                "platform's own. Left out: nobody does. That user sees the private ones among them."
            ),
        ] = strawberry.UNSET,
    ) -> RemoveUsersPayload | None:
        """Delete users."""
        if len(keys) > MAX_RECORDS:
            return _refused(too_many_error("keys", len(keys), MAX_RECORDS))
        new_owner = unset_to_none(new_owner)
        if new_owner is not None and not is_valid_key(new_owner):
            return _refused(_no_owner("There is no such user."))
        possible = [key for key in dict.fromkeys(keys) if is_valid_key(key)]
        try:
            async with info.context.write() as connection:
                removed, receipt = await erase_users(
                    connection, possible, projects, new_owner, protected=not await info.context.is_administrator()
                )
        except ProtectedUser:
            return _refused(_ADMINISTRATOR)
        except UnknownReference as error:
            return _refused(_no_owner(f"{error.message[:1].upper()}{error.message[1:]}."))
        if receipt is not None:
            await finish_erasures(info.context.stores, only=receipt.id)
        shown = None if receipt is None else DeletionReceipt.of(receipt)
        return RemoveUsersPayload(removed=removed, receipt=shown, user_errors=[])


@strawberry.type
class DeletionReceiptQuery:
    """How far deletions are."""

    @computed("How far a deletion is; null if there is no such receipt. Whoever has the receipt may ask.", READ_COST)
    async def deletion_receipt(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The receipt's `id`.")]
    ) -> DeletionReceipt | None:
        """Give a receipt."""
        found = await receipt_of(info.context.stores.database, id) if is_valid_key(id) else None
        return None if found is None else DeletionReceipt.of(found)


_ADMINISTRATOR = user_error(
    UserErrorCode.FORBIDDEN,
    "One of these users is an administrator, whom only an administrator may delete. Nobody was deleted.",
    "keys",
)


def _refused(error: UserError) -> RemoveUsersPayload:
    return RemoveUsersPayload(removed=0, receipt=None, user_errors=[error])


def _no_owner(message: str) -> UserError:
    return user_error(UserErrorCode.UNKNOWN_REFERENCE, message, "newOwner")
