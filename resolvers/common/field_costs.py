"""Decorators for fields and mutations that keep the function's type and declare the cost of a field.

A cost stands where the field does. The edge adds the costs of an operation up before it runs anything
(`gateway.limits`), and whoever reads the schema finds those that matter in the descriptions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

import strawberry

from db.models import Role
from resolvers.common.descriptions import description_of

F = TypeVar("F", bound=Callable[..., Any])

COST = "cost"
"""The key of the cost in a field's metadata."""

SHARED = "shared"
"""The key in a field's metadata that tells whether its answer is the same for all anonymous callers."""

MIN_DOCUMENTED_COST = 1_000
"""Points from which on a description names the cost; below, a page of results costs more than the field itself."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of answering a field once, without the fields below it. A point is about ten microseconds of CPU."""

    points: int = 0  # for asking at all
    each: int = 0  # for each thing that the argument `by` asks for
    # The argument that says how many: a number, or a list whose length counts. Lists right below the field have as many
    # entries. None where no argument does.
    by: str | None = None
    most: int = 100  # the most that the resolver takes; what is beyond is refused by it, and counts as this much
    entries: int = 10  # how many entries the list has, where the field is a list that no argument sizes
    or_by: str | None = None  # the argument that says how many where `by` is left out: `ids` beside `keys`

    @property
    def description_suffix(self) -> str:
        """The end of a description; empty for what costs next to nothing."""
        if self.points < MIN_DOCUMENTED_COST and self.each < MIN_DOCUMENTED_COST // 100:
            return ""
        each = f", and {self.each:,} for each of `{self.by}`" if self.each and self.by else ""
        return f" Costs {self.points:,} points{each}."


ATTRIBUTE_COST = Cost(1)
"""An attribute: 3.6 µs in the executor, and its share of the JSON."""

LOADER_COST = Cost(4)
"""A resolver that waits for a loader: 35 µs in the executor, and its share of the batch."""

READ_COST = Cost(50)
"""A resolver with one or two statements of its own."""

WRITE_COST = Cost(500)
"""A mutation: a transaction, and reading again what it may have changed."""


def computed(cost: Cost = LOADER_COST, *, shared: bool = False) -> Callable[[F], F]:
    """Make a method the resolver of a field that its docstring describes.

    Parameters
    ----------
    cost
        The cost of the field.
    shared
        Whether all callers without a token and a session get the same answer, so that caches may keep it.
    """

    def decorate(resolver: F) -> F:
        made: Any = strawberry.field(
            resolver, description=_description(resolver, cost), metadata={**_metadata(cost), SHARED: shared}
        )
        return cast(F, made)

    return decorate


def mutation(cost: Cost = WRITE_COST, role: Role = Role.VIEWER) -> Callable[[F], F]:
    """Make a method the resolver of a mutation for callers with at least this role; its docstring describes it."""

    def decorate(resolver: F) -> F:
        @wraps(resolver)
        async def checked(self: Any, info: Any, **arguments: Any) -> Any:
            await info.context.require(role)
            return await resolver(self, info, **arguments)

        made: Any = strawberry.mutation(checked, description=_description(resolver, cost), metadata=_metadata(cost))
        return cast(F, made)

    return decorate


def subscription(cost: Cost = READ_COST) -> Callable[[F], F]:
    """Make a method the source of a subscription that its docstring describes; the cost is that of starting it."""

    def decorate(resolver: F) -> F:
        made: Any = strawberry.subscription(
            resolver, description=_description(resolver, cost), metadata=_metadata(cost)
        )
        return cast(F, made)

    return decorate


def _description(resolver: Any, cost: Cost) -> str:
    return description_of(resolver) + cost.description_suffix


def _metadata(cost: Cost) -> Mapping[str, Cost]:
    return {COST: cost}
