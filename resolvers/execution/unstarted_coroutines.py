"""Closing of the coroutines that graphql-core leaves when an error ends an operation early."""

from collections.abc import Awaitable
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from typing import Any, TypeVar

from resolvers.common.compat import ExecutionContext

T = TypeVar("T")


class ClosesUnstartedCoroutines(ExecutionContext):
    """An execution that closes the coroutines that have not started when it ends.

    If a field that is not nullable fails, graphql-core cancels the tasks of the fields beside it. A task that has not
    started drops the coroutine that it would have awaited, for which Python logs a warning.
    """

    def __init__(self, *arguments: Any, **keyword_arguments: Any) -> None:
        super().__init__(*arguments, **keyword_arguments)
        self._coroutines: list[Any] = []

    def note(self, value: T) -> T:
        """Return a value; if it is a coroutine, it is closed at the end unless it has started."""
        if iscoroutine(value):
            self._coroutines.append(value)
        return value

    def complete_awaitable_value(self, *arguments: Any) -> Any:
        """Complete the value of a field whose resolver is a coroutine."""
        self.note(arguments[4])
        return self.note(super().complete_awaitable_value(*arguments))

    def execute_fields(self, *arguments: Any) -> Awaitable[dict[str, Any]] | dict[str, Any]:
        """Resolve the fields of one object."""
        return self.note(super().execute_fields(*arguments))

    def complete_iterable_value(self, *arguments: Any) -> Any:
        """Complete the items of a list."""
        return self.note(super().complete_iterable_value(*arguments))

    def build_response(self, data: dict[str, Any] | None) -> Any:
        """Return the result of the operation."""
        if self.collected_errors.errors:
            for coroutine in self._coroutines:
                if getcoroutinestate(coroutine) == CORO_CREATED:
                    coroutine.close()
        return super().build_response(data)
