"""Deleting users as the platform's service does, and the receipts of deletions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

import strawberry

from db.models import Role
from db.privacy.erasure import ErasureReceipt, OwnedProjects, receipt_of
from resolvers.catalog.catalog_mutations import Keys
from resolvers.common.context import Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import READ_COST, Cost, computed, mutation
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases import manage_account
from scoring.use_cases.platform_keys import MAX_RECORDS, is_valid_key

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

    name: str = strawberry.field(description="What they were, for example `likes`.")
    count: int = strawberry.field(description="How many.")


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
    return [DeletedRows(name=name, count=count) for name, count in sorted(report.items())]


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
        use_case = manage_account.remove_users(info.context, keys, projects, unset_to_none(new_owner))
        (removed, receipt), errors = await attempt(use_case, (0, None))
        shown = None if receipt is None else DeletionReceipt.of(receipt)
        return RemoveUsersPayload(removed=removed, receipt=shown, user_errors=errors)


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
