"""What client caches build on: things with a global id, and pages of lists."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

import strawberry

T = TypeVar("T")


@strawberry.interface(description="A thing that can be found again by its id.")
class Node:
    """The interface of everything that `Query.node` gives."""

    id: strawberry.ID = strawberry.field(
        description="Opaque and the same for ever, for client caches and for `node`; every other input takes `key`."
    )


@strawberry.type(
    description="Where a page of a list stands, as Relay defines it. Lists run forward only: keep what you have shown."
)
class PageInfo:
    """The page that the edges are."""

    has_next_page: bool = strawberry.field(description="Whether there is more behind the last edge.")
    has_previous_page: bool = strawberry.field(
        description="Whether there is anything before the first edge: true for every page but the first."
    )
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last edge: give it as `after` to get the next page; null on an empty page."
    )


def page_info(cursors: list[str], *, has_next: bool, has_previous: bool) -> PageInfo:
    """Describe the page whose edges have these cursors."""
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


@strawberry.type(description="An item on a page of a list.")
class Edge(Generic[T]):
    """An item with its cursor."""

    cursor: str = strawberry.field(description="A cursor for `after`: the next page starts behind this item.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]] = strawberry.field(description="The items of this page with their cursors.")
    nodes: list[T] = strawberry.field(description="The items of this page.")
    page_info: PageInfo = strawberry.field(description="The position of this page in the list.")


def edges_of(items: Sequence[tuple[str, T]]) -> tuple[list[Edge[T]], list[T]]:
    """Return the edges and the nodes of items with their cursors."""
    return [Edge(cursor=cursor, node=item) for cursor, item in items], [item for _, item in items]


After = Annotated[
    str | None,
    strawberry.argument(
        description="Start behind this cursor: the `pageInfo.endCursor` of the page before. Left out: the first page. "
        "A cursor of a feed holds for half an hour after its last use; then the code is SNAPSHOT_EXPIRED: begin anew "
        "without it. BAD_CURSOR: it is not of this list."
    ),
]
