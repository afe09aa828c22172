"""Bulk mutations by which the platform sends projects, tools, categories and users."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Self

import strawberry
from strawberry.scalars import JSON

from db.models import Role, TermKind
from resolvers.common.compat import is_input
from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, mutation
from resolvers.common.scalars import URL
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases import upsert_catalog
from scoring.use_cases.platform_keys import MAX_RECORDS
from scoring.use_cases.unit_of_work import UnitOfWork
from scoring.use_cases.upsert_catalog import Item, UpsertedRecord, UpsertStatus

Upsert = Callable[[UnitOfWork, Sequence[Item]], Awaitable[list[UpsertedRecord]]]

_BATCH = (
    f"Up to {MAX_RECORDS:,} records. Requires the role SERVICE. An invalid record does not affect the others. "
    "A record replaces the stored record with the same key; omitted fields get their defaults"
)


@input_type
class ProjectInput:
    """The data of a project."""

    key: Annotated[str, "The platform's own id, 1 to 200 characters."]
    title: Annotated[str, "The title, up to 1,000 characters."]
    type: Annotated[str, "The platform's own type of project: `[a-z][a-z0-9_]*`, up to 50 characters."]
    description: Annotated[str | None, "The description, up to 100,000 characters."] = None
    tools: Annotated[
        list[str] | None, "The keys of tools, up to 100. Unknown tools are created with their key as name."
    ] = None
    categories: Annotated[
        list[str] | None, "The keys of categories, up to 100. Unknown categories are created with their key as name."
    ] = None
    topics: Annotated[
        list[str] | None, "The keys of topics, up to 200. Unknown topics are created with their key as name."
    ] = None
    owner: Annotated[str | None, "The key of the owner, an existing user."] = None
    url: Annotated[URL | None, "The address of the project, http or https."] = None
    image_url: Annotated[URL | None, "The address of an image, http or https."] = None
    created_at: Annotated[
        datetime | None, "When the project was created. Default: the stored time, or now for a new project."
    ] = None
    private: Annotated[bool | None, "Whether only its owner may see the project."] = None
    archived: Annotated[bool | None, "Whether the project is excluded from all feeds."] = None
    source: Annotated[JSON | None, 'An object with data specific to the type, for example `{"subreddit": "rust"}`.'] = (
        None
    )
    embedding: Annotated[
        list[float] | None,
        "The platform's own embedding of the project, used in place of the gateway's, for example `[0.12, -0.5]`: "
        "PROJECT_EMBEDDING_DIMENSION finite numbers, not all 0. Omitted: the stored embedding is deleted.",
    ] = None


@input_type
class ToolInput:
    """The data of a tool."""

    key: Annotated[str, "The platform's own id, 1 to 200 characters."]
    name: Annotated[str, "The display name."]
    tagline: Annotated[str | None, "The purpose of the tool in one line."] = None
    description: Annotated[str | None, "The description."] = None
    category: Annotated[str | None, "The platform's own group of tools, as free text."] = None
    tags: Annotated[list[str] | None, "Free tags, up to 200."] = None
    use_cases: Annotated[str | None, "The use cases."] = None


@input_type
class CategoryInput:
    """The data of a category."""

    key: Annotated[str, "The platform's own id, 1 to 200 characters."]
    name: Annotated[str, "The display name."]
    description: Annotated[str | None, "The description."] = None


@input_type
class UserInterestInput:
    """An interest that a user stated on the platform."""

    name: Annotated[str, "The key or the name of a tool, category or topic."]
    kind: Annotated[TermKind, "The kind."]
    confidence: Annotated[float | None, "The confidence, 0 to 1. Default: 1."] = None


@input_type
class UserInput:
    """The data of a user."""

    key: Annotated[str, "The platform's own id, 1 to 200 characters, which is the subject of the user's tokens."]
    username: Annotated[str, "The display name."]
    bio: Annotated[str | None, "The user's description of themselves."] = None
    tier: Annotated[str | None, "The platform's own tier of the user."] = None
    points: Annotated[int | None, "The platform's own score of the user, from 0."] = None
    role: Annotated[Role | None, "The role. Default: VIEWER. Only administrators appoint administrators."] = None
    interests: Annotated[
        list[UserInterestInput] | None,
        "The interests, up to 1,000. They replace the interests of earlier requests; interests that the user stated "
        "here are kept.",
    ] = None


register_enum(
    UpsertStatus,
    "UpsertStatus",
    "The outcome of one record.",
    {
        "ADDED": "The record is new.",
        "CHANGED": "The record replaces a different record with the same key.",
        "UNCHANGED": "The stored record is the same, or a later record of the batch has the same key.",
        "REFUSED": "The record is not stored; `userErrors` says why.",
    },
)


@object_type
class UpsertResult:
    """The outcome of one record of a batch."""

    index: Annotated[int, "The index of the record in the argument, from 0."]
    key: Annotated[str, "The key of the record."]
    status: Annotated[UpsertStatus, "The outcome."]
    user_errors: Annotated[list[UserError], "Why the record was refused; empty otherwise."]


@object_type
class UpsertPayload:
    """The outcome of a batch of records."""

    results: Annotated[
        list[UpsertResult], "The outcome of each record, in order; empty if the whole batch was refused."
    ]
    added: Annotated[int, "The number of new records."]
    changed: Annotated[int, "The number of records that differed from the stored records."]
    unchanged: Annotated[int, "The number of records that were stored already."]
    refused: Annotated[int, "The number of records that were refused."]
    user_errors: Annotated[
        list[UserError], "The errors in the batch as a whole; the errors of single records are in `results`."
    ]

    @classmethod
    async def from_use_case(cls, info: Info, use_case: Upsert, items: Sequence[Item]) -> Self:
        """Run a use case on a batch and return its outcome."""
        upserted, errors = await attempt(lambda: use_case(info.context, items), [])
        count = Counter(record.status for record in upserted)
        return cls(
            results=[
                UpsertResult(
                    index=index,
                    key=record.key,
                    status=record.status,
                    user_errors=[UserError.from_input_error(error) for error in record.errors],
                )
                for index, record in enumerate(upserted)
            ],
            added=count[UpsertStatus.ADDED],
            changed=count[UpsertStatus.CHANGED],
            unchanged=count[UpsertStatus.UNCHANGED],
            refused=len(items) if errors else count[UpsertStatus.REFUSED],
            user_errors=errors,
        )


@object_type
class RemovePayload:
    """The return value of a removal."""

    removed: Annotated[int, "The number of deleted projects. Unknown keys are ignored."]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]


Keys = Annotated[list[str], f"The `key`s, up to {MAX_RECORDS:,}."]


@strawberry.type
class CatalogMutation:
    @mutation(Cost(300, 20, "projects", MAX_RECORDS), Role.SERVICE)
    async def upsert_projects(
        self, info: Info, projects: Annotated[list[ProjectInput], "The projects."]
    ) -> UpsertPayload | None:
        """Create or update projects. {_BATCH}."""
        return await UpsertPayload.from_use_case(info, upsert_catalog.upsert_projects, input_fields(projects))

    @mutation(Cost(300, 15, "keys", MAX_RECORDS), Role.SERVICE)
    async def remove_projects(self, info: Info, keys: Keys) -> RemovePayload | None:
        """Delete projects and all their data. Requires the role SERVICE."""
        removed, errors = await attempt(lambda: upsert_catalog.remove_projects(info.context, keys), 0)
        return RemovePayload(removed=removed, user_errors=errors)

    @mutation(Cost(300, 15, "tools", MAX_RECORDS), Role.SERVICE)
    async def upsert_tools(self, info: Info, tools: Annotated[list[ToolInput], "The tools."]) -> UpsertPayload | None:
        """Create or update tools. {_BATCH}."""
        return await UpsertPayload.from_use_case(info, upsert_catalog.upsert_tools, input_fields(tools))

    @mutation(Cost(300, 15, "categories", MAX_RECORDS), Role.SERVICE)
    async def upsert_categories(
        self, info: Info, categories: Annotated[list[CategoryInput], "The categories."]
    ) -> UpsertPayload | None:
        """Create or update categories. {_BATCH}."""
        return await UpsertPayload.from_use_case(info, upsert_catalog.upsert_categories, input_fields(categories))

    @mutation(Cost(300, 15, "users", MAX_RECORDS), Role.SERVICE)
    async def upsert_users(self, info: Info, users: Annotated[list[UserInput], "The users."]) -> UpsertPayload | None:
        """Create or update users. {_BATCH}."""
        return await UpsertPayload.from_use_case(info, upsert_catalog.upsert_users, input_fields(users))


def input_fields(value: Any) -> Any:
    """Convert input objects to dictionaries for records, without the fields that are omitted or null."""
    if isinstance(value, list):
        return [input_fields(item) for item in value]
    if not is_input(value):
        return value
    return {
        field.name: input_fields(getattr(value, field.name))
        for field in fields(value)
        if getattr(value, field.name) is not None
    }
