"""Tools, categories, topics and users."""

from typing import Annotated, Any

import strawberry

from db.actors.users import UserCard
from db.catalog import catalog_entries
from db.catalog.catalog_entries import CatalogTerm, CatalogTool
from db.errors import Store
from db.text_rules import is_storable
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidArgument
from resolvers.common.field_costs import Cost, Sharing, computed
from resolvers.common.global_ids import bad_cursor, decode_cursor, encode_cursor, global_id
from resolvers.common.relay import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, After, Connection, First, Node, validate_first
from resolvers.common.views import View, view_type
from scoring.pipelines.tool_search import (
    MIN_SEMANTIC_LENGTH,
    NamePosition,
    SimilarityPosition,
    ToolPosition,
    find_tools,
)

MAX_SEARCH_LENGTH = 200


@view_type(id=lambda tool: global_id("Tool", tool.key))
class Tool(Node, View):
    """A tool that projects are made with."""

    row: strawberry.Private[CatalogTool | CatalogTerm]
    key: Annotated[str, "The platform's own id."]
    name: Annotated[str, "The display name."]

    @computed(sharing=Sharing.PUBLIC, read="tagline")
    async def tagline(self, info: Info) -> str:
        """The purpose of the tool in one line; may be empty."""
        return (await self._record(info)).tagline

    @computed(sharing=Sharing.PUBLIC, read="description")
    async def description(self, info: Info) -> str:
        """The description; may be empty."""
        return (await self._record(info)).description

    @computed(sharing=Sharing.PUBLIC, read="category")
    async def category(self, info: Info) -> str:
        """The platform's own group of tools, as free text; may be empty. Not related to `Category`."""
        return (await self._record(info)).category

    @computed(sharing=Sharing.PUBLIC, read="tags")
    async def tags(self, info: Info) -> list[str]:
        """The tags of the tool, as free text."""
        return list((await self._record(info)).tags)

    @computed(sharing=Sharing.PUBLIC, read="use_cases")
    async def use_cases(self, info: Info) -> str:
        """The use cases; may be empty."""
        return (await self._record(info)).use_cases

    async def _record(self, info: Info) -> CatalogTool:
        """Read the tool of a term, which has a key and a name only."""
        key, name = self.row.key, self.row.name
        return await info.context.loaders.tools_by_key.load(key) or CatalogTool(0, key, name, "", "", "", (), "")


@view_type(id=lambda category: global_id("Category", category.key))
class Category(Node, View):
    """A category of projects."""

    row: strawberry.Private[catalog_entries.Category | CatalogTerm]
    key: Annotated[str, "The platform's own id."]
    name: Annotated[str, "The display name."]

    @computed(sharing=Sharing.PUBLIC, read="description")
    async def description(self, info: Info) -> str:
        """The description; may be empty."""
        category = await info.context.loaders.categories_by_key.load(self.key)
        return category.description if category is not None else ""


@view_type(id=lambda topic: global_id("Topic", topic.key))
class Topic(Node, View):
    """A topic of projects."""

    row: strawberry.Private[CatalogTerm]
    key: Annotated[str, "The platform's own id."]
    name: Annotated[str, "The display name."]


@view_type(id=lambda card: global_id("User", card.key))
class User(Node, View):
    """A user of the platform."""

    row: strawberry.Private[UserCard]

    key: Annotated[str, "The platform's own id."]
    username: Annotated[str, "The display name."]
    bio: Annotated[str, "The user's description of themselves; may be empty."]
    tier: Annotated[str, "The platform's own tier of the user; may be empty."]
    points: Annotated[int, "The platform's own score of the user."]


async def user_by_id(info: Info, user_id: int | None) -> User | None:
    """Return the user with a database id; None if there is none."""
    card = None if user_id is None else await info.context.loaders.users_by_id.load(user_id)
    return None if card is None else User.of(card)


@object_type
class ToolConnection(Connection[Tool]):
    """A page of tools."""

    degraded: Annotated[
        list[Store], "The stores that were unavailable; a search then matches names only. Empty in the normal case."
    ]


@strawberry.type
class CatalogQuery:
    @computed(Cost(100, 2, "first", MAX_PAGE_SIZE, points_once=150, is_prefetching=True), sharing=Sharing.PUBLIC)
    async def tools(
        self,
        info: Info,
        search: Annotated[
            str | None, f"Part of a name (case-insensitive), or a purpose in at least {MIN_SEMANTIC_LENGTH} characters."
        ] = None,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = None,
    ) -> ToolConnection:
        """Tools, sorted by name.

        With `search`, returns the tools whose name contains the text, sorted by name, then a few tools with a similar
        meaning, most similar first.
        """
        first, search = validate_first(first), _validate_search(search)
        position = None if after is None else _tool_position(after)
        # One item more than requested shows whether there is a next page.
        results = await find_tools(info.context.stores, search, first + 1, position)
        info.context.is_complete = info.context.is_complete and not results.degraded
        items = [(_tool_cursor(entry.position), Tool.of(entry.tool)) for entry in results.tools]
        return ToolConnection.from_items(
            items, first, has_previous=position is not None, degraded=list(results.degraded)
        )

    @computed(Cost(100, 2, "first", MAX_PAGE_SIZE, points_once=150, is_prefetching=True), sharing=Sharing.PUBLIC)
    async def topics(
        self,
        info: Info,
        search: Annotated[str | None, "Part of a name (case-insensitive)."] = None,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = None,
    ) -> Connection[Topic]:
        """Topics of public projects, sorted by name; with `search`, the topics whose name contains it."""
        first, search = validate_first(first), _validate_search(search)
        position = None if after is None else _name_position("topic", decode_cursor(after))
        terms = await catalog_entries.search_topics(info.context.stores.database, search, first + 1, position)
        items = [(encode_cursor("topic", term.name, term.id), Topic.of(term)) for term in terms]
        return Connection.from_items(items, first, has_previous=position is not None)

    @computed(Cost(20, default_size=50, points_once=100, is_prefetching=True), sharing=Sharing.PUBLIC)
    async def categories(self, info: Info) -> list[Category]:
        """All categories, sorted by name."""
        loader = info.context.loaders.categories_by_key
        all_categories = await catalog_entries.all_categories(info.context.stores.database)
        for category in all_categories:
            loader.prime(category.key, category)
        return [Category.of(category) for category in all_categories]


def _validate_search(search: str | None) -> str:
    search = search or ""
    if not (len(search) <= MAX_SEARCH_LENGTH and is_storable(search)):
        raise InvalidArgument(f"`search` must have at most {MAX_SEARCH_LENGTH} characters and no NUL.")
    return search


def _tool_cursor(position: ToolPosition) -> str:
    if isinstance(position, NamePosition):
        return encode_cursor("tool", position.name, position.id)
    return encode_cursor("near", position.similarity, position.key)


def _tool_position(cursor: str) -> ToolPosition:
    match decode_cursor(cursor):
        case ["near", float(similarity), str(key)] if is_storable(key) and -1 <= similarity <= 1:
            return SimilarityPosition(similarity, key)
        case values:
            return NamePosition(*_name_position("tool", values))


def _name_position(kind: str, values: list[Any]) -> tuple[str, int]:
    match values:
        case [str(cursor_kind), str(name), int(id_)] if (
            cursor_kind == kind and is_storable(name) and type(id_) is int and 0 <= id_ < 2**63
        ):
            return name, id_
    raise bad_cursor()
