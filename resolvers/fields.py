"""`strawberry.field` and `strawberry.mutation` as decorators that keep the function's type for the type checker."""

from collections.abc import Callable
from typing import Any, TypeVar

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def computed(description: str) -> Callable[[F], F]:
    """Make a method the resolver of a field."""
    decorator: Callable[[F], F] = strawberry.field(description=description)
    return decorator


def mutation(description: str) -> Callable[[F], F]:
    """Make a method the resolver of a mutation."""
    decorator: Callable[[F], F] = strawberry.mutation(description=description)
    return decorator
