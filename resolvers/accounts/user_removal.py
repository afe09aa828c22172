"""Deletion of users by the platform, and the receipts of deletions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

import strawberry

from db.models import Role
from db.privacy.erasure import ErasureReceipt, OwnedProjects, receipt_of
from resolvers.catalog.catalog_mutations import Keys
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import READ_COST, Cost, computed, mutation
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases import manage_account
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

    @classmethod
    def from_receipt(cls, receipt: ErasureReceipt) -> Self:
        """Convert a receipt."""
        return cls(
            id=strawberry.ID(receipt.id),
            requested_at=receipt.requested_at,
            completed_at=receipt.completed_at,
            deleted=_deleted_rows(receipt.report),
        )


def _deleted_rows(report: Mapping[str, int]) -> list[DeletedRows]:
    return [DeletedRows(name=name, count=count) for name, count in sorted(report.items())]


@object_type
class RemoveUsersPayload:
    """The return value of `removeUsers`."""

    removed: Annotated[int, "The number of deleted users. Unknown keys are ignored."]
    receipt: Annotated[
        DeletionReceipt | None, "A receipt of the deletion; null if there was no such user, or on error."
    ]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]


@strawberry.type
class UserRemovalMutation:
    @mutation(Cost(5_000, 100, "keys", MAX_RECORDS), Role.SERVICE)
    async def remove_users(
        self,
        info: Info,
        keys: Keys,
        projects: Annotated[
            OwnedProjects, strawberry.argument(description="What happens to the projects of these users.")
        ] = OwnedProjects.KEEP,
        new_owner: Annotated[
            str | None,
            strawberry.argument(
                description=(
                    "The key of the user who becomes the owner of projects that are kept. Default: none. The new "
                    "owner sees private projects among them."
                )
            ),
        ] = strawberry.UNSET,
    ) -> RemoveUsersPayload | None:
        """Delete users and all their data.

        This includes interactions, likes, saves, interests, answers, profile vectors, stored rankings and claimed
        sessions. Requires the role SERVICE; only administrators delete administrators.
        """
        (removed, receipt), errors = await attempt(
            lambda: manage_account.remove_users(info.context, keys, projects, unset_to_none(new_owner)), (0, None)
        )
        payload_receipt = None if receipt is None else DeletionReceipt.from_receipt(receipt)
        return RemoveUsersPayload(removed=removed, receipt=payload_receipt, user_errors=errors)


@strawberry.type
class DeletionReceiptQuery:
    @computed(READ_COST)
    async def deletion_receipt(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The `id` of the receipt.")]
    ) -> DeletionReceipt | None:
        """The progress of a deletion; null if there is no such receipt. Anybody who has the id may query it."""
        receipt = await receipt_of(info.context.stores.database, id) if is_valid_key(id) else None
        return None if receipt is None else DeletionReceipt.from_receipt(receipt)
