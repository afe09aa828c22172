"""What the platform's servers write: projects, tools, categories and users, in batches."""

from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Self

import strawberry
from strawberry.scalars import JSON

from db.models import Role, TermKind
from resolvers.common.compat import is_input
from resolvers.common.context import Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, mutation
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.scalars import URL
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases import upsert_catalog
from scoring.use_cases.platform_keys import MAX_RECORDS
from scoring.use_cases.upsert_catalog import UpsertedRecord, UpsertStatus

_WHOLE = "The record is taken as a whole: a field that is left out goes back to its default."
_BATCH = f"Up to {MAX_RECORDS:,} at once. Needs the role SERVICE. A bad record does not keep the others out. {_WHOLE}"


@strawberry.input(description="A project as the platform knows it.")
class ProjectInput:
    """A `ProjectRecord`."""

    key: str = strawberry.field(description="The platform's own id, 1 to 200 characters.")
    title: str = strawberry.field(description="The title, up to 1,000 characters.")
    type: str = strawberry.field(
        description="The platform's own kind of project: `[a-z][a-z0-9_]*`, up to 50 characters."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="The text, up to 100,000 characters."
    )
    tools: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Keys of tools, up to 100. One that is not known is made, named like its key.",
    )
    categories: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Keys of categories, up to 100. One that is not known is made, named like its key.",
    )
    topics: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Topics: free words, up to 200.")
    owner: str | None = strawberry.field(
        default=strawberry.UNSET, description="The key of the user who made it; must be known."
    )
    url: URL | None = strawberry.field(default=strawberry.UNSET, description="Where it lives: http or https.")
    image_url: URL | None = strawberry.field(default=strawberry.UNSET, description="A picture of it: http or https.")
    created_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it was made. Left out: as it is stored, or now for a new one."
    )
    private: bool | None = strawberry.field(default=strawberry.UNSET, description="True: only its owner may see it.")
    archived: bool | None = strawberry.field(default=strawberry.UNSET, description="True: it is in no feed any more.")
    source: JSON | None = strawberry.field(
        default=strawberry.UNSET,
        description='An object with what only this type has, for example `{"subreddit": "rust"}`.',
    )


@strawberry.input(description="A tool as the platform knows it.")
class ToolInput:
    """A `ToolRecord`."""

    key: str = strawberry.field(description="The platform's own id, 1 to 200 characters.")
    name: str = strawberry.field(description="The name to show.")
    tagline: str | None = strawberry.field(default=strawberry.UNSET, description="One line on what it is for.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description="What it is.")
    category: str | None = strawberry.field(
        default=strawberry.UNSET, description="The platform's own grouping of tools."
    )
    tags: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Free words it is filed under, up to 200."
    )
    use_cases: str | None = strawberry.field(default=strawberry.UNSET, description="What people use it for.")


@strawberry.input(description="A category as the platform knows it.")
class CategoryInput:
    """A `CategoryRecord`."""

    key: str = strawberry.field(description="The platform's own id, 1 to 200 characters.")
    name: str = strawberry.field(description="The name to show.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description="What belongs in it.")


@strawberry.input(description="An interest that a user has stated on the platform.")
class TagInput:
    """A `TagRecord`."""

    name: str = strawberry.field(description="The key or the name of a tool, category or topic.")
    kind: TermKind = strawberry.field(description="Which of the three it is.")
    confidence: float | None = strawberry.field(
        default=strawberry.UNSET, description="How sure it is, 0 to 1. Left out: 1."
    )


@strawberry.input(description="A user as the platform knows one.")
class UserInput:
    """A `UserRecord`."""

    key: str = strawberry.field(
        description="The platform's own id, 1 to 200 characters; the subject of the user's tokens."
    )
    username: str = strawberry.field(description="The name to show.")
    bio: str | None = strawberry.field(default=strawberry.UNSET, description="What they say about themselves.")
    tier: str | None = strawberry.field(default=strawberry.UNSET, description="The platform's own rank of its people.")
    points: int | None = strawberry.field(
        default=strawberry.UNSET, description="The platform's own score of its people, from 0."
    )
    role: Role | None = strawberry.field(
        default=strawberry.UNSET,
        description="What they may do. Left out: VIEWER. Only an administrator appoints administrators.",
    )
    tags: list[TagInput] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Their interests, up to 1,000: they replace those that were sent before; what the user said to the "
        "gateway itself stays.",
    )


register_enum(
    UpsertStatus,
    "UpsertStatus",
    "The outcome of one record.",
    {
        "ADDED": "The record is new.",
        "CHANGED": "The record replaces a different one of the same key.",
        "UNCHANGED": "The stored record is the same, or a later record of the batch has the same key.",
        "REFUSED": "The record is not stored; `userErrors` says why.",
    },
)


@strawberry.type(description="The outcome of one record of a batch.")
class UpsertResult:
    """The outcome of one record."""

    index: int = strawberry.field(description="The index of the record in the argument, from 0.")
    key: str = strawberry.field(description="The key of the record.")
    status: UpsertStatus = strawberry.field(description="The outcome.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty otherwise.")

    @classmethod
    def of(cls, index: int, one: UpsertedRecord) -> Self:
        """Show the outcome of a record."""
        errors = [UserError.of(error) for error in one.errors]
        return cls(index=index, key=one.key, status=one.status, user_errors=errors)


@strawberry.type(description="The outcome of a batch of records.")
class UpsertPayload:
    """The outcome of a batch of records."""

    results: list[UpsertResult] = strawberry.field(
        description="One for each record, in order; empty if the whole batch was refused."
    )
    added: int = strawberry.field(description="The number of new records.")
    changed: int = strawberry.field(description="The number of records that differed from the stored ones.")
    unchanged: int = strawberry.field(description="The number of records that were stored already.")
    refused: int = strawberry.field(description="The number of records that were refused.")
    user_errors: list[UserError] = strawberry.field(
        description="What is wrong with the batch as a whole; the errors of single records are in `results`."
    )

    @classmethod
    async def of(cls, items: Sequence[Any], use_case: Awaitable[list[UpsertedRecord]]) -> Self:
        """Run a use case on a batch and show its outcome."""
        upserted, errors = await attempt(use_case, [])
        count = Counter(one.status for one in upserted)
        return cls(
            results=[UpsertResult.of(index, one) for index, one in enumerate(upserted)],
            added=count[UpsertStatus.ADDED],
            changed=count[UpsertStatus.CHANGED],
            unchanged=count[UpsertStatus.UNCHANGED],
            refused=len(items) if errors else count[UpsertStatus.REFUSED],
            user_errors=errors,
        )


@strawberry.type(description="What became of a removal.")
class RemovePayload:
    """The answer to a removal."""

    removed: int = strawberry.field(description="How many there were. Keys that name nothing are no fault.")
    user_errors: list[UserError] = strawberry.field(description="What was wrong with the input; empty if all is well.")


Keys = Annotated[list[str], strawberry.argument(description=f"Up to {MAX_RECORDS:,} of the platform's own ids.")]


@strawberry.type
class CatalogMutation:
    """What the service role can write."""

    @mutation(
        f"Add projects, or change those that are there. {_BATCH}",
        Cost(1_000, 50, "projects", MAX_RECORDS),
        Role.SERVICE,
    )
    async def upsert_projects(
        self, info: Info, projects: Annotated[list[ProjectInput], strawberry.argument(description="The projects.")]
    ) -> UpsertPayload | None:
        """Write projects."""
        return await UpsertPayload.of(projects, upsert_catalog.upsert_projects(info.context, input_fields(projects)))

    @mutation(
        "Delete projects with everything that was ever done with them. Needs the role SERVICE.",
        Cost(1_000, 50, "keys", MAX_RECORDS),
        Role.SERVICE,
    )
    async def remove_projects(self, info: Info, keys: Keys) -> RemovePayload | None:
        """Delete projects."""
        removed, errors = await attempt(upsert_catalog.remove_projects(info.context, keys), 0)
        return RemovePayload(removed=removed, user_errors=errors)

    @mutation(
        f"Add tools, or change those that are there. {_BATCH}", Cost(1_000, 50, "tools", MAX_RECORDS), Role.SERVICE
    )
    async def upsert_tools(
        self, info: Info, tools: Annotated[list[ToolInput], strawberry.argument(description="The tools.")]
    ) -> UpsertPayload | None:
        """Write tools."""
        return await UpsertPayload.of(tools, upsert_catalog.upsert_tools(info.context, input_fields(tools)))

    @mutation(
        f"Add categories, or change those that are there. {_BATCH}",
        Cost(1_000, 50, "categories", MAX_RECORDS),
        Role.SERVICE,
    )
    async def upsert_categories(
        self,
        info: Info,
        categories: Annotated[list[CategoryInput], strawberry.argument(description="The categories.")],
    ) -> UpsertPayload | None:
        """Write categories."""
        return await UpsertPayload.of(
            categories, upsert_catalog.upsert_categories(info.context, input_fields(categories))
        )

    @mutation(
        f"Add users, or change those that are there. {_BATCH}", Cost(1_000, 50, "users", MAX_RECORDS), Role.SERVICE
    )
    async def upsert_users(
        self,
        info: Info,
        people: Annotated[list[UserInput], strawberry.argument(name="users", description="The users.")],
    ) -> UpsertPayload | None:
        """Write users."""
        return await UpsertPayload.of(people, upsert_catalog.upsert_users(info.context, input_fields(people)))


def input_fields(value: Any) -> Any:
    """Give an input object as what a record is made of: fields that were left out, or null, take the default."""
    if isinstance(value, list):
        return [input_fields(item) for item in value]
    if not is_input(value):
        return value  # (an enum that the graph knows is text)
    return {
        field.name: input_fields(getattr(value, field.name))
        for field in fields(value)
        if unset_to_none(getattr(value, field.name)) is not None
    }
