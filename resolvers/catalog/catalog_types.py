"""Tools, categories and topics."""

from typing import Annotated, Any, Self

import strawberry

from db.catalog import catalog_entries
from db.catalog.catalog_entries import CatalogTerm, CatalogTool
from db.errors import Store
from resolvers.common import enums  # noqa: F401 (publishes the enum that is named below)
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor, global_id
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.relay import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    After,
    Connection,
    First,
    Node,
    checked_first,
    connection_parts,
)
from scoring.pipelines.tool_search import (
    MIN_SEMANTIC_LENGTH,
    NamePosition,
    SimilarityPosition,
    ToolPosition,
    find_tools,
)
from scoring.use_cases.platform_keys import is_storable_text

MAX_SEARCH_LENGTH = 200


@object_type
class Tool(Node):
    """A tool that projects are made with."""

    key: Annotated[str, "The platform's own id."]
    name: Annotated[str, "The display name."]
    known: strawberry.Private[CatalogTool | None] = None

    @classmethod
    def of(cls, tool: CatalogTool) -> Self:
        """Return a tool with all its fields."""
        return cls(id=global_id("Tool", tool.key), key=tool.key, name=tool.name, known=tool)

    @classmethod
    def of_term(cls, term: CatalogTerm) -> Self:
        """Return a tool by key and name; other fields are loaded on demand."""
        return cls(id=global_id("Tool", term.key), key=term.key, name=term.name)

    @computed(shared=True)
    async def tagline(self, info: Info) -> str:
        """The purpose of the tool in one line; may be empty."""
        return (await self._whole(info)).tagline

    @computed(shared=True)
    async def description(self, info: Info) -> str:
        """The description; may be empty."""
        return (await self._whole(info)).description

    @computed(shared=True)
    async def category(self, info: Info) -> str:
        """The platform's own group of tools; may be empty."""
        return (await self._whole(info)).category

    @computed(shared=True)
    async def tags(self, info: Info) -> list[str]:
        """The free tags of the tool."""
        return list((await self._whole(info)).tags)

    @computed(shared=True)
    async def use_cases(self, info: Info) -> str:
        """The use cases; may be empty."""
        return (await self._whole(info)).use_cases

    async def _whole(self, info: Info) -> CatalogTool:
        if self.known is None:
            found = await info.context.loaders.tools_by_key.load(self.key)
            self.known = found or CatalogTool(0, self.key, self.name, "", "", "", (), "")
        return self.known


@object_type
class Category(Node):
    """A category of projects."""

    key: Annotated[str, "The platform's own id."]
    name: Annotated[str, "The display name."]

    @classmethod
    def of(cls, category: catalog_entries.Category | CatalogTerm) -> Self:
        """Return a category."""
        return cls(id=global_id("Category", category.key), key=category.key, name=category.name)

    @computed(shared=True)
    async def description(self, info: Info) -> str:
        """The description; may be empty."""
        category = await info.context.loaders.categories_by_key.load(self.key)
        return category.description if category is not None else ""


@object_type
class Topic(Node):
    """A topic of projects."""

    key: Annotated[str, "The platform's own id."]
    name: Annotated[str, "The display name."]

    @classmethod
    def of(cls, term: CatalogTerm) -> Self:
        """Return a topic."""
        return cls(id=global_id("Topic", term.key), key=term.key, name=term.name)


@object_type
class ToolConnection(Connection[Tool]):
    """A page of tools."""

    degraded: Annotated[
        list[Store],
        "The stores that were unavailable; a search then matches names only. Empty in the normal case.",
    ]


@strawberry.type
class CatalogQuery:
    """Queries of the catalog."""

    @computed(Cost(200, 2, "first", MAX_PAGE_SIZE), shared=True)
    async def tools(
        self,
        info: Info,
        search: Annotated[
            str | None,
            strawberry.argument(
                description=(
                    f"A part of a name, case-insensitive, or a purpose of at least {MIN_SEMANTIC_LENGTH} characters."
                )
            ),
        ] = strawberry.UNSET,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = strawberry.UNSET,
    ) -> ToolConnection:
        """A list of tools by name, or the results of a search.

        A search returns tools whose name contains `search`, by name, and after them a few tools of similar meaning,
        most similar first.
        """
        first, search, after = checked_first(first), _checked_search(search), unset_to_none(after)
        place = None if after is None else _tool_place(after)
        # One item more than requested tells whether there is a next page.
        found = await find_tools(info.context.stores, search, first + 1, place)
        info.context.is_complete = info.context.is_complete and not found.degraded
        items = [(_tool_cursor(one.place), Tool.of(one.tool)) for one in found.tools]
        parts = connection_parts(items, first, has_previous=place is not None)
        return ToolConnection(**parts, degraded=list(found.degraded))

    @computed(Cost(200, 2, "first", MAX_PAGE_SIZE), shared=True)
    async def topics(
        self,
        info: Info,
        search: Annotated[
            str | None, strawberry.argument(description="A part of a name, case-insensitive.")
        ] = strawberry.UNSET,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = strawberry.UNSET,
    ) -> Connection[Topic]:
        """A list of the topics of public projects by name, or of those whose name contains `search`."""
        first, search, after = checked_first(first), _checked_search(search), unset_to_none(after)
        place = None if after is None else _name_place("topic", decode_cursor(after))
        found = await catalog_entries.search_topics(info.context.stores.database, search, first + 1, place)
        items = [(encode_cursor("topic", one.name, one.id), Topic.of(one)) for one in found]
        return Connection(**connection_parts(items, first, has_previous=place is not None))

    @computed(Cost(50, entries=50), shared=True)
    async def categories(self, info: Info) -> list[Category]:
        """All categories by name."""
        loader = info.context.loaders.categories_by_key
        found = await catalog_entries.all_categories(info.context.stores.database)
        for category in found:
            loader.prime(category.key, category)
        return [Category.of(category) for category in found]


def _checked_search(search: str | None) -> str:
    search = unset_to_none(search) or ""
    if not (len(search) <= MAX_SEARCH_LENGTH and is_storable_text(search)):
        raise InvalidArgument(f"`search` must have at most {MAX_SEARCH_LENGTH} characters, none of them NUL.")
    return search


def _tool_cursor(place: ToolPosition) -> str:
    if isinstance(place, NamePosition):
        return encode_cursor("tool", place.name, place.id)
    return encode_cursor("near", place.similarity, place.key)


def _tool_place(cursor: str) -> ToolPosition:
    match decode_cursor(cursor):
        case ["near", float(similarity), str(key)] if is_storable_text(key) and -1 <= similarity <= 1:
            return SimilarityPosition(similarity, key)
        case place:
            return NamePosition(*_name_place("tool", place))


def _name_place(kind: str, place: list[Any]) -> tuple[str, int]:
    match place:
        case [str(found), str(name), int(id_)] if (
            found == kind and is_storable_text(name) and type(id_) is int and 0 <= id_ < 2**63
        ):
            return name, id_
    raise bad_cursor()
