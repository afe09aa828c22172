"""Execution of operations by graphql-core, with a fast path for the fields that a plan reads directly.

graphql-core builds a path and an info and calls a resolver for every field of every object. This takes 3.6 µs per
attribute, and a page of a feed has thousands of them. Reading a field directly takes 0.2 µs.

If a value violates the schema (wrong type, null, exception, awaitable), graphql-core resolves the field again and
reports the error. Reading a field twice has no side effect.
"""

from collections.abc import Awaitable
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo

from resolvers.common.compat import GroupedFieldSet, Path
from resolvers.common.context import Context
from resolvers.execution.compiler import Compiler
from resolvers.execution.plans import Contents, DocumentPlans, OperationPlan, Run, Selection
from resolvers.execution.unstarted_coroutines import ClosesUnstartedCoroutines

MAX_CONTENT_BYTES = 12 * 2**20
"""Size of all kept contents as JSON: 15,000 cards of 0.8 KB. In memory, a card with owner and terms takes 3 KB."""

_CONTENTS = Contents(MAX_CONTENT_BYTES)


class Executor(ClosesUnstartedCoroutines):
    """The execution of one operation."""

    def __init__(self, *arguments: Any, **keyword_arguments: Any) -> None:
        super().__init__(*arguments, **keyword_arguments)
        self.plans = DocumentPlans()
        """The plans of the document; replaced by those of a cached document."""
        self.resolved_fields = 0
        """Number of fields below the root fields that graphql-core has resolved."""
        self._plan: OperationPlan | None = None
        self._run: Run

    def execute_root_grouped_field_set(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        position_context: Any,
    ) -> Awaitable[dict[str, Any]] | dict[str, Any]:
        """Execute the operation by its plan."""
        if self.middleware_manager is None or not self.middleware_manager.middlewares:
            plan = self.plans.find(self.operation, self.fragment_definitions, self.variable_values.coerced)
            grouped_field_set = plan.root = plan.root or grouped_field_set
            self._plan, self._relevant_sub_fields = plan, plan.subfields
            plan.executions += 1
            # A document that is executed once must not evict the contents of others.
            self._run = Run(self.variable_values, _CONTENTS if plan.executions > 1 else None)
            if isinstance(self.context_value, Context):
                self.context_value.needs_below = self._needs_below
        return super().execute_root_grouped_field_set(
            root_type, root_value, grouped_field_set, serially, position_context
        )

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> Awaitable[dict[str, Any]] | dict[str, Any]:
        """Resolve the fields of one object: direct fields here, others by graphql-core."""
        if self._plan is None or position_context is not None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        selection = self._selection(self._plan, parent_type, grouped_field_set)
        others = selection.others
        try:
            results = selection.lay_out(source_value, self._run)
        except Exception:
            results, failed = selection.lay_out_possible(source_value, self._run)
            others = {name: details for name, details in grouped_field_set.items() if name in failed}
        if not others:
            return results
        if path is not None:
            self.resolved_fields += len(others)
        rest = super().execute_fields(parent_type, source_value, path, others, position_context)
        if isinstance(rest, dict):
            return _merged(results, rest, others)
        return self.note(_merged_later(results, rest, others))

    def _selection(self, plan: OperationPlan, type_: GraphQLObjectType, fields: GroupedFieldSet) -> Selection:
        cached = plan.selections.get((type_.name, id(fields)))
        return cached[1] if cached is not None else self._compiler(plan).selection(type_, fields)

    def _compiler(self, plan: OperationPlan) -> Compiler:
        return Compiler(plan, self.schema, self.collect_subfields)

    def _needs_below(self, info: GraphQLResolveInfo[Any]) -> list[Any]:
        """Return what the fields below a field declare to need (`computed(needs=...)`), for their arguments."""
        assert self._plan is not None  # noqa: S101 (for the type checker)
        key = tuple(map(id, info.field_nodes))
        needs = self._plan.needs.get(key)
        if needs is None:
            details = self._plan.details(info.field_nodes)
            needs = self._plan.needs[key] = self._compiler(self._plan).needs(info.return_type, details)
        return [need.of(**({} if need.call is None else self._run.arguments(need.call))) for need in needs]


def _merged(results: dict[str, Any], rest: dict[str, Any], others: GroupedFieldSet) -> dict[str, Any]:
    results.update(rest)
    for name in others.keys() - rest.keys():
        del results[name]  # a field that is not in the schema
    return results


async def _merged_later(
    results: dict[str, Any], rest: Awaitable[dict[str, Any]], others: GroupedFieldSet
) -> dict[str, Any]:
    return _merged(results, await rest, others)
