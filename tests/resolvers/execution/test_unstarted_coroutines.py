"""An error that ends an operation early leaves no coroutine that nobody awaits."""

import asyncio
import gc
import warnings

import strawberry

from resolvers.execution.executor import Executor


@strawberry.type
class Item:
    number: strawberry.Private[int]

    @strawberry.field
    async def sure(self) -> str:
        """Fails for the first item, at once; the others have not started then."""
        if self.number == 0:
            raise ValueError("the first item is broken")
        await asyncio.sleep(0)
        return "sure"

    @strawberry.field
    async def items(self) -> list["Item"]:
        return [Item(number=number) for number in range(3)]

    @strawberry.field
    async def texts(self) -> list[str]:
        return ["text"]


@strawberry.type
class Query:
    @strawberry.field
    async def items(self) -> list[Item] | None:
        return [Item(number=number) for number in range(20)]

    @strawberry.field
    def direct(self) -> list[Item] | None:
        return [Item(number=number) for number in range(3)]


SCHEMA = strawberry.Schema(Query, execution_context_class=Executor)


async def test_an_error_leaves_no_coroutine_behind() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            result = await SCHEMA.execute(
                "{ items { texts sure items { sure texts } } direct { sure items { texts } } }"
            )
            assert result.data == {"items": None, "direct": None}
            assert {error.message for error in result.errors or []} == {"the first item is broken"}
        del result
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
