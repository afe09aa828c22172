"""Tools and categories: what projects are made with and filed under."""

import json
from typing import Annotated, Self

import strawberry

from db.catalog import catalog_entries
from db.catalog.catalog_entries import CatalogTerm, CatalogTool
from db.errors import Store
from resolvers.common import enums  # noqa: F401 (publishes the enum that is named below)
from resolvers.common.context import Info
from resolvers.common.errors import InvalidArgument, InvalidPage
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import decode_opaque, encode_opaque, global_id, is_storable_text
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.relay import After, Node, PageInfo, page_info
from scoring.pipelines.tool_search import (
    MIN_SEMANTIC_LENGTH,
    NamePosition,
    SimilarityPosition,
    ToolMatches,
    ToolPosition,
    find_tools,
)

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 50
MAX_SEARCH_LENGTH = 200


@strawberry.type(description="A tool that projects are made with.")
class Tool(Node):
    """A tool. A project's terms carry its key and name only; the rest is read when asked for."""

    key: str = strawberry.field(description="The platform's own id.")
    name: str = strawberry.field(description="The name to show.")
    known: strawberry.Private[CatalogTool | None] = None

    @classmethod
    def of(cls, tool: CatalogTool) -> Self:
        """Show a tool that has been read whole."""
        return cls(id=global_id("Tool", tool.key), key=tool.key, name=tool.name, known=tool)

    @classmethod
    def of_term(cls, term: CatalogTerm) -> Self:
        """Show a tool of which the key and the name have been read."""
        return cls(id=global_id("Tool", term.key), key=term.key, name=term.name)

    @computed("One line on what it is for; empty if nobody wrote one.", shared=True)
    async def tagline(self, info: Info) -> str:
        """Give the tagline."""
        return (await self._whole(info)).tagline

    @computed("What it is, in a paragraph or more; may be empty.", shared=True)
    async def description(self, info: Info) -> str:
        """Give the description."""
        return (await self._whole(info)).description

    @computed("The platform's own grouping of tools, as free text; may be empty.", shared=True)
    async def category(self, info: Info) -> str:
        """Give the category."""
        return (await self._whole(info)).category

    @computed("Free words it is filed under.", shared=True)
    async def tags(self, info: Info) -> list[str]:
        """Give the tags."""
        return list((await self._whole(info)).tags)

    @computed("What people use it for; may be empty.", shared=True)
    async def use_cases(self, info: Info) -> str:
        """Give the use cases."""
        return (await self._whole(info)).use_cases

    async def _whole(self, info: Info) -> CatalogTool:
        if self.known is None:
            found = await info.context.loaders.tools_by_key.load(self.key)
            self.known = found or CatalogTool(0, self.key, self.name, "", "", "", (), "")
        return self.known


@strawberry.type(description="A category that projects are filed under.")
class Category(Node):
    """A category. A project's terms carry its key and name only; the description is read when asked for."""

    key: str = strawberry.field(description="The platform's own id.")
    name: str = strawberry.field(description="The name to show.")

    @classmethod
    def of(cls, category: catalog_entries.Category | CatalogTerm) -> Self:
        """Show a category."""
        return cls(id=global_id("Category", category.key), key=category.key, name=category.name)

    @computed("What belongs in it; may be empty.", shared=True)
    async def description(self, info: Info) -> str:
        """Give the description."""
        category = await info.context.loaders.categories_by_key.load(self.key)
        return category.description if category is not None else ""


@strawberry.type(description="A tool on a page of the list of tools.")
class ToolEdge:
    """A place on a page of tools."""

    cursor: str = strawberry.field(description="Give it as `after` to start behind this tool.")
    node: Tool = strawberry.field(description="The tool.")


@strawberry.type(description="A page of tools.")
class ToolConnection:
    """A page of tools."""

    edges: list[ToolEdge] = strawberry.field(description="The tools of this page.")
    nodes: list[Tool] = strawberry.field(description="The tools of this page: `edges` without cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    degraded: list[Store] = strawberry.field(
        description="The stores that a search had to do without: then it looked at names alone. Empty when all is well."
    )


@strawberry.type
class CatalogQuery:
    """What can be asked of the catalog."""

    @computed(
        "Tools, for pickers and filters: all of them by name, or those that `search` finds. A search gives those whose "
        "name contains it, by name, and behind them a few that mean something like it, the most similar first.",
        Cost(200, 2, "first", MAX_PAGE_SIZE),
        shared=True,
    )
    async def tools(
        self,
        info: Info,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="What to look for: a part of a name (upper and lower case are alike), or, from "
                f"{MIN_SEMANTIC_LENGTH} letters on, what a tool is good for."
            ),
        ] = strawberry.UNSET,
        first: Annotated[
            int | None, strawberry.argument(description=f"How many at most: 0 to {MAX_PAGE_SIZE}.")
        ] = DEFAULT_PAGE_SIZE,
        after: After = strawberry.UNSET,
    ) -> ToolConnection:
        """Give a page of tools."""
        first, search, after = _checked(first), unset_to_none(search), unset_to_none(after)
        if search is not None and not (len(search) <= MAX_SEARCH_LENGTH and is_storable_text(search)):
            raise InvalidArgument(f"`search` must have at most {MAX_SEARCH_LENGTH} characters, none of them NUL.")
        place = None if after is None else _read_cursor(after)
        # One more than asked for tells whether there is a next page.
        found = await find_tools(info.context.stores, search or "", first + 1, place)
        info.context.is_complete = info.context.is_complete and not found.degraded
        return _page(found, first, has_previous=after is not None)

    @computed("All categories, by name.", Cost(50, entries=50), shared=True)
    async def categories(self, info: Info) -> list[Category]:
        """Give all categories."""
        loader = info.context.loaders.categories_by_key
        found = await catalog_entries.all_categories(info.context.stores.database)
        for category in found:
            loader.prime(category.key, category)
        return [Category.of(category) for category in found]


def _checked(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE_SIZE
    if not 0 <= first <= MAX_PAGE_SIZE:
        raise InvalidPage(f"`first` must be from 0 to {MAX_PAGE_SIZE}.", "FIRST_OUT_OF_RANGE")
    return first


def _page(found: ToolMatches, first: int, *, has_previous: bool) -> ToolConnection:
    edges = [ToolEdge(cursor=_cursor(one.place), node=Tool.of(one.tool)) for one in found.tools[:first]]
    info = page_info([edge.cursor for edge in edges], has_next=len(found.tools) > first, has_previous=has_previous)
    nodes = [edge.node for edge in edges]
    return ToolConnection(edges=edges, nodes=nodes, page_info=info, degraded=list(found.degraded))


def _cursor(place: ToolPosition) -> str:
    what = ["tool", place.name, place.id] if isinstance(place, NamePosition) else ["near", place.similarity, place.key]
    return encode_opaque(json.dumps(what, ensure_ascii=False))


def _read_cursor(cursor: str) -> ToolPosition:
    try:
        match json.loads(decode_opaque(cursor) or ""):
            case ["tool", str(name), int(id_)] if is_storable_text(name) and type(id_) is int and 0 <= id_ < 2**63:
                return NamePosition(name, id_)
            case ["near", float(similarity), str(key)] if is_storable_text(key) and -1 <= similarity <= 1:
                return SimilarityPosition(similarity, key)
    except (ValueError, RecursionError):
        pass
    raise InvalidPage("`after` was not made by this service. Take it from `pageInfo.endCursor`.", "BAD_CURSOR")
