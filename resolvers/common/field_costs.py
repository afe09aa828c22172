"""Decorators that make methods fields, mutations and subscriptions, and declare their costs.

Before an operation runs, `gateway.limits` adds up the costs of its fields. The descriptions in the schema state the
higher costs. `python -m bench.prices` compares the costs with the CPU that they stand for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import wraps
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar, cast

import strawberry

from db.models import Role
from resolvers.common.compat import complete_definition, value_class
from resolvers.common.descriptions import description_of
from resolvers.common.views import View, instances

F = TypeVar("F", bound=Callable[..., Any])

COST = "cost"
"""The key of the cost in a field's metadata."""

SHARING = "sharing"
"""The key of the `Sharing` in a field's metadata."""


class Sharing(IntEnum):
    """The callers who get the same value of a field; a greater member shares with more of them."""

    NONE = 0
    ANONYMOUS = 1  # callers without token and session; only the gateway keeps the answer
    PUBLIC = 2  # the same callers; proxies may keep the answer, too


DIRECT = "direct"
"""The key of the `DirectRead` in a field's metadata."""

MIN_DOCUMENTED_COST = 500
"""Points from which a description states the cost; a page of results costs more than a cheaper field itself."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of resolving a field once, without its subfields. A point is about 10 µs of CPU."""

    points: float = 0  # for each object that has the field
    points_per_item: float = 0  # for each item that `size_argument` requests
    # Argument that states the number of requested items: a number, or a list whose length counts. Lists directly below
    # the field are assumed to have as many items. None if no argument states a number.
    size_argument: str | None = None
    max_size: int = 100  # maximum number of items that the resolver accepts; larger numbers are counted as this one
    default_size: int = 10  # assumed number of items of a list field without `size_argument`
    alternative_argument: str | None = None  # used if `size_argument` is omitted, for example `ids` beside `keys`
    # Charged once per operation, however often the field is selected: for statements and loads that all objects share.
    points_once: float = 0
    # Whether the field reads what a `DirectRead` below it needs, which then costs as much as an attribute.
    is_prefetching: bool = False

    def description_suffix(self, *, is_read_directly: bool = False) -> str:
        """Return the last sentence of a description; empty for cheap fields.

        A field that is read directly costs this only where no field above has read what it needs: outside of feeds.
        """
        if self.points + self.points_once < MIN_DOCUMENTED_COST and self.points_per_item < MIN_DOCUMENTED_COST // 100:
            return ""
        item_cost = once = ""
        if self.points_per_item:
            item = "requested item" if self.size_argument == "first" else f"item of `{self.size_argument}`"
            item_cost = f" plus {self.points_per_item:,} per {item}"
        if self.points_once:
            once = f", and {self.points_once:,} once per operation"
        verb = "Outside of feeds, costs" if is_read_directly else "Costs"
        return f" {verb} {self.points:,} points{item_cost}{once}."


@dataclass(frozen=True, slots=True)
class DirectRead:
    """A way to read a field without its resolver, if the object has what is needed.

    Parameters
    ----------
    read
        A function of the object (of the row, if its type is a view) and the arguments. It has no side effect. It raises
        an exception if the object lacks what is needed; the resolver is then called.
    needs
        A function of the arguments that returns what the object needs for `read`; None for nothing in particular.
    """

    read: Callable[..., Any]
    needs: Callable[..., Any] | None = None


ATTRIBUTE_COST = Cost(0.2)
"""Cost of a value that is read directly, and its share of the JSON."""

LOADER_COST = Cost(12, points_once=100)
"""Cost of a resolver that awaits a loader: a call of the executor for each object, and one statement for all."""

READ_COST = Cost(20, points_once=100)
"""Cost of a resolver with a statement that the same field elsewhere in the operation shares."""

WRITE_COST = Cost(400, points_once=1_500)
"""Cost of a mutation: a transaction, and once a share of ranking the viewer's feed again."""


def computed(
    cost: Cost = LOADER_COST,
    *,
    sharing: Sharing = Sharing.NONE,
    read: str | Callable[..., Any] | None = None,
    needs: Callable[..., Any] | None = None,
    is_partial: bool = False,
) -> Callable[[F], F]:
    """Make a method the resolver of a field; its docstring is the description, `Annotated` text that of an argument.

    Parameters
    ----------
    sharing
        The callers who get the same value, so that their answers can be kept.
    read, needs
        How the field is read without the resolver (`DirectRead`); a text is the path of an attribute.
    is_partial
        Whether the object that is read lacks some of its type's fields. If one of them is selected, graphql-core calls
        the resolver.
    """
    direct = None if read is None else DirectRead(attrgetter(read) if isinstance(read, str) else read, needs)

    def decorate(resolver: F) -> F:
        resolve = resolver if direct is None or is_partial else cast(F, _reading_first(resolver, direct))
        return _field(strawberry.field, resolve, cost, {SHARING: sharing, DIRECT: direct})

    return decorate


def mutation(cost: Cost = WRITE_COST, role: Role = Role.VIEWER) -> Callable[[F], F]:
    """Make a method the resolver of a mutation that requires a role; its docstring is the description."""

    def decorate(resolver: F) -> F:
        @wraps(resolver)
        async def checked(self: Any, info: Any, **arguments: Any) -> Any:
            await info.context.require(role)
            return await resolver(self, info, **arguments)

        return _field(strawberry.mutation, cast(F, checked), cost)

    return decorate


def subscription(cost: Cost) -> Callable[[F], F]:
    """Make a method the source of a subscription; its docstring is the description, `cost` the cost of starting it."""
    return lambda resolver: _field(strawberry.subscription, resolver, cost)


def _reading_first(resolver: Callable[..., Any], direct: DirectRead) -> Callable[..., Any]:
    """Return a resolver that calls another one only if the row of its view lacks what is needed."""

    @wraps(resolver)
    async def resolve(self: View, info: Any, **arguments: Any) -> Any:
        try:
            value = direct.read(self.row, **arguments)
        except Exception:  # the resolver reports the error
            return await resolver(self, info, **arguments)
        return instances(value_class(info._field), value)

    return resolve


def _field(make: Callable[..., Any], resolver: F, cost: Cost, metadata: Mapping[str, Any] = MappingProxyType({})) -> F:
    is_read_directly = metadata.get(DIRECT) is not None
    description = description_of(resolver) + cost.description_suffix(is_read_directly=is_read_directly)
    return cast(F, complete_definition(make(resolver, description=description, metadata={COST: cost, **metadata})))
