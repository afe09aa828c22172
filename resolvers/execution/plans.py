"""Plans of documents: which fields of each selection are read directly, and which ones graphql-core resolves.

A field is read directly if its value is an attribute, or its declaration says how to read it
(`resolvers.common.views`, `computed(read=...)`), and if all its subfields are read directly. A plan is made once per
document, operation and values of the variables in `@skip` and `@include`, and it is part of the cached document.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Undefined

from db.cache.lru_cache import LruCache
from resolvers.common.compat import (
    CollectedFields,
    FieldDetailsList,
    GroupedFieldSet,
)
from resolvers.common.views import View

Contents = LruCache[Hashable, dict[str, Any]]
"""Serialized contents of objects, by selection and `View.content_key`, sized by their JSON.

Responses share each dictionary, so none may be changed.
"""

MAX_PLANS = 8
"""Maximum number of plans of a document: an operation with three variables in `@skip` or `@include`."""


class Run:
    """The state of one execution: the arguments of its fields, and the cache of contents."""

    def __init__(self, variables: VariableValues, contents: Contents | None) -> None:
        self._variables = variables
        self._arguments: dict[int, dict[str, Any]] = {}
        self.contents = contents

    def arguments(self, call: "Call") -> dict[str, Any]:
        """Return the arguments of a field, coerced once per execution. Raises `GraphQLError` if they are invalid."""
        if call.constant is not None:
            return call.constant
        arguments = self._arguments.get(id(call))
        if arguments is None:
            arguments = self._arguments[id(call)] = call.coerce(self._variables)
        return arguments


Read = Callable[[Any, Run], Any]
"""A function from an object and the execution to the serialized value of one of its fields."""

Copy = Callable[[Any, Run], Any]
"""A function from a resolved value and the execution to its serialized form."""


@dataclass(slots=True, eq=False)
class Call:
    """A field with arguments in a document. `constant` has the arguments if no variable is among them."""

    field: GraphQLField
    node: FieldNode
    python_names: Mapping[str, str]
    constant: dict[str, Any] | None = None

    def coerce(self, variables: VariableValues | None) -> dict[str, Any]:
        """Return the arguments by Python name. Raises `GraphQLError` if they are invalid."""
        arguments = get_argument_values(self.field, self.node, variables)
        return {self.python_names[name]: value for name, value in arguments.items()}


class Need(NamedTuple):
    """A function of a field's arguments that returns what its page has to read."""

    of: Callable[..., Any]
    call: Call | None


@dataclass(slots=True, eq=False)
class Selection:
    """The fields of one selection on one type."""

    blank: dict[str, None]  # all fields, in the order of the response
    direct: tuple[tuple[str, Read], ...]  # fields that are read for each object
    content: tuple[tuple[str, Read], ...]  # fields that are read once for each `View.content_key`
    others: GroupedFieldSet  # fields that graphql-core resolves
    needs: tuple[Need, ...]  # of all directly read fields, at any depth
    view: type[View] | None  # the class if it is a view: its fields are read from the row
    number: int = field(default_factory=count().__next__)  # distinguishes the selections in the cache of contents

    def lay_out(self, source: Any, run: Run) -> dict[str, Any]:
        """Return the fields of an object, null for those that graphql-core resolves.

        Raises any exception if graphql-core has to resolve a field again.
        """
        row = source.row if type(source) is self.view else source
        values: dict[str, Any] = self._content(row, run).copy() if self.content else self.blank.copy()
        for name, read in self.direct:
            values[name] = read(row, run)
        return values

    def lay_out_possible(self, source: Any, run: Run) -> tuple[dict[str, Any], set[str]]:
        """Return the fields of an object, and the names of those that graphql-core has to resolve."""
        row = source.row if type(source) is self.view else source
        values, failed = dict[str, Any](self.blank), set(self.others)
        for name, read in (*self.direct, *self.content):
            try:
                values[name] = read(row, run)
            except Exception:  # graphql-core resolves the field again and reports the error
                failed.add(name)
        return values, failed

    def _content(self, row: Any, run: Run) -> dict[str, Any]:
        """Return the fields that depend on the key of the content only. The result must not be changed."""
        assert self.view is not None  # noqa: S101 (for the type checker)
        key = None if run.contents is None else self.view.content_key(row)
        if run.contents is None or key is None:
            return self._read_content(row, run)
        content = run.contents.get((self.number, key))
        if content is None:
            content = self._read_content(row, run)
            run.contents.put((self.number, key), content, len(orjson.dumps(content)))
        return content

    def _read_content(self, row: Any, run: Run) -> dict[str, Any]:
        values: dict[str, Any] = self.blank.copy()
        for name, read in self.content:
            values[name] = read(row, run)
        return values


@dataclass(slots=True, eq=False)
class OperationPlan:
    """The selections of an operation, compiled as its fields are executed."""

    root: GroupedFieldSet | None = None
    # graphql-core's own cache of collected fields. Shared between executions, it gives stable ids to selections.
    subfields: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, CollectedFields]] = field(
        default_factory=dict
    )
    selections: dict[tuple[str, int], tuple[GroupedFieldSet, Selection]] = field(default_factory=dict)
    needs: dict[tuple[int, ...], tuple[Need, ...]] = field(default_factory=dict)  # by ids of the nodes of a field
    executions: int = 0

    def details(self, nodes: list[FieldNode]) -> FieldDetailsList:
        """Return what graphql-core has collected for a field, which it resolves itself, by the nodes of the field."""
        field_sets = [self.root or {}, *(selection.others for _, selection in self.selections.values())]
        return next(
            details
            for field_set in field_sets
            for details in field_set.values()
            if len(details) == len(nodes)
            and all(detail.node is node for detail, node in zip(details, nodes, strict=True))
        )


class DocumentPlans:
    """The plans of one document's operations."""

    def __init__(self) -> None:
        self._conditions: dict[int, tuple[str, ...]] = {}
        self._plans: dict[tuple[Any, ...], OperationPlan] = {}

    def find(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> OperationPlan:
        """Return an operation's plan for the values of the variables in `@skip` and `@include`."""
        conditions = self._conditions.get(id(operation))
        if conditions is None:
            conditions = self._conditions[id(operation)] = tuple(sorted(_condition_variables(operation, fragments)))
        key = (id(operation), *[variables.get(name, Undefined) for name in conditions])
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[key] = OperationPlan()
        return plan


def _condition_variables(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> set[str]:
    """Return the names of the variables in the directives of selections."""
    selection_sets = [operation.selection_set, *(fragment.selection_set for fragment in fragments.values())]
    return {name for selection_set in selection_sets for name in _directive_variables(selection_set)}


def _directive_variables(selection_set: SelectionSetNode) -> Iterator[str]:
    for selection in selection_set.selections:
        for directive in selection.directives or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    yield argument.value.name.value
        if isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set is not None:
            yield from _directive_variables(selection.selection_set)
