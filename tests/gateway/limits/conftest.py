"""A small schema whose costs are worked out by hand in the tests."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
import strawberry
from graphql import VariableValues, get_variable_values, parse

from gateway.limit_settings import LimitSettings
from gateway.limits.limits import Limits
from resolvers.common.field_costs import Cost, computed


@strawberry.interface
class ResolvedDocument:
    name: str


@strawberry.type
class Book(ResolvedDocument):
    @computed(Cost(100, 2, "first", 50))
    def similar(self, first: int = 10) -> "Shelf":
        raise NotImplementedError

    @computed(Cost(3, points_once=50), read="notes")
    def notes(self) -> str:
        raise NotImplementedError

    @computed(Cost(4, default_size=3))
    def authors(self) -> list["Author"]:
        raise NotImplementedError


@strawberry.type
class Author(ResolvedDocument):
    books: list[Book]


@strawberry.type
class Shelf:
    books: list[Book]
    best: Book | None


@strawberry.type
class Query:
    @computed(Cost(100, 2, "first", 50))
    def shelf(self, first: int | None = 10) -> Shelf | None:
        raise NotImplementedError

    @computed(Cost(2, 2, "first", 50, is_prefetching=True))
    def read(self, first: int) -> Shelf:
        raise NotImplementedError

    @computed(Cost(5, 1, "keys", 20))
    def books(self, keys: list[str]) -> list[Book | None]:
        raise NotImplementedError

    @computed(Cost(1))
    def named(self) -> ResolvedDocument | None:
        raise NotImplementedError


@strawberry.type
class Mutation:
    @strawberry.mutation
    def like(self, key: Annotated[str, strawberry.argument(description="Which.")]) -> Book | None:
        raise NotImplementedError


SCHEMA = strawberry.Schema(Query, Mutation, types=[Author])._schema

CostOf = Callable[..., int]


@pytest.fixture
def limits() -> Limits:
    """The limits as they are by default, on the small schema."""
    return Limits(SCHEMA, LimitSettings())


@pytest.fixture
def cost_of(limits: Limits) -> CostOf:
    """Return the cost of the first operation of a document with variables as a client sends them."""

    def cost(text: str, **variables: Any) -> int:
        analysis = limits.analyze(parse(text))
        operation = analysis.operations[0]
        values = get_variable_values(SCHEMA, operation.variable_definitions or (), variables)
        assert isinstance(values, VariableValues), values
        return analysis.cost(operation, values.coerced)

    return cost
