"""Relay types: nodes and connections."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

import strawberry

from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidPage
from scoring import tunables

T = TypeVar("T")

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 50


@strawberry.interface(description="An object with an id.")
class Node:
    """The interface of the objects that `Query.node` returns."""

    id: strawberry.ID = strawberry.field(description="The global id, opaque and stable, for client caches and `node`.")


@object_type
class PageInfo:
    """The position of a page in a list, as Relay defines it. Lists can only be paged forward."""

    has_next_page: Annotated[bool, "Whether there is a next page."]
    has_previous_page: Annotated[bool, "Whether there is a previous page."]
    start_cursor: Annotated[str | None, "The cursor of the first edge; null on an empty page."]
    end_cursor: Annotated[str | None, "The cursor of the last edge, to pass as `after`; null on an empty page."]


def page_info(cursors: list[str], *, has_next: bool, has_previous: bool) -> PageInfo:
    """Return the position of a page with the cursors of its edges."""
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


@object_type
class Edge(Generic[T]):
    """An item of a list."""

    cursor: Annotated[str, "The cursor of the item, to pass as `after`."]
    node: Annotated[T, "The item."]


@object_type
class Connection(Generic[T]):
    """A page of a list."""

    edges: Annotated[list[Edge[T]], "The items of this page with their cursors."]
    nodes: Annotated[list[T], "The items of this page."]
    page_info: Annotated[PageInfo, "The position of this page in the list."]

    @classmethod
    def from_items(cls, items: Sequence[tuple[str, T]], first: int, *, has_previous: bool, **fields: Any) -> Self:
        """Return the page with the first `first` of the items.

        Parameters
        ----------
        items
            Cursors and items; more than `first` of them if there is a next page.
        has_previous
            Whether the page is not the first one.
        """
        page = items[:first]
        position = page_info([cursor for cursor, _ in page], has_next=len(items) > first, has_previous=has_previous)
        edges = [Edge(cursor=cursor, node=item) for cursor, item in page]
        return cls(edges=edges, nodes=[item for _, item in page], page_info=position, **fields)


def validate_first(first: int | None) -> int:
    """Return the page size, by default `DEFAULT_PAGE_SIZE`. Raises `InvalidPage` if it is out of range."""
    if first is None:
        return DEFAULT_PAGE_SIZE
    if not 0 <= first <= MAX_PAGE_SIZE:
        raise InvalidPage(f"`first` must be from 0 to {MAX_PAGE_SIZE}.", "FIRST_OUT_OF_RANGE")
    return first


First = Annotated[int | None, f"The number of items per page: 0 to {MAX_PAGE_SIZE}."]
FeedFirst = Annotated[int | None, f"The number of projects per page: 0 to {tunables.MAX_PAGE_SIZE}."]
_AFTER = "The `pageInfo.endCursor` of the previous page. Default: the first page."
_BAD_CURSOR = "BAD_CURSOR: the cursor belongs to another list."
After = Annotated[str | None, f"{_AFTER} {_BAD_CURSOR}"]
FeedAfter = Annotated[
    str | None,
    f"{_AFTER} A cursor expires half an hour after the last use of its ranking. SNAPSHOT_EXPIRED: query the "
    f"first page again. {_BAD_CURSOR}",
]
