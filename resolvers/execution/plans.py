"""Plans of documents: which fields of each selection are read directly, and which ones graphql-core resolves.

A field is read directly if its value is an attribute, or its declaration says how to read it
(`resolvers.common.views`, `computed(read=...)`), and if all its subfields are read directly. A plan is made once per
document, operation and values of the variables in `@skip` and `@include`, and it is part of the cached document.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Undefined
from strawberry.types.field import StrawberryField

from resolvers.common.compat import (
    TYPE_CAST_ATTRIBUTE,
    CollectedFields,
    FieldDetailsList,
    GroupedFieldSet,
    field_definition,
    object_definition,
    to_camel_case,
)
from resolvers.common.field_costs import DIRECT, DirectRead
from resolvers.common.views import View
from resolvers.execution.content_cache import ContentCache
from resolvers.execution.serializers import UnexpectedValue, exact_types, serializer

MAX_PLANS = 8
"""Maximum number of plans of a document: an operation with three variables in `@skip` or `@include`."""

_BUILT_IN_SCALARS = frozenset({"Int", "Float", "String", "Boolean", "ID"})
"""Scalars whose coerced arguments resolvers get unchanged."""


class Run:
    """The state of one execution: the arguments of its fields, and the cache of contents."""

    def __init__(self, variables: VariableValues, contents: ContentCache | None) -> None:
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
    """What a directly read field needs below a page: a function of the field's arguments."""

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
            run.contents.put((self.number, key), content, len(self.content))
        return content

    def _read_content(self, row: Any, run: Run) -> dict[str, Any]:
        values: dict[str, Any] = self.blank.copy()
        for name, read in self.content:
            values[name] = read(row, run)
        return values


@dataclass(slots=True, eq=False)
class OperationPlan:
    """The plan of an operation, made as its fields are executed."""

    root: GroupedFieldSet | None = None
    # graphql-core's own cache of collected fields. Shared between executions, it gives stable ids to selections.
    subfields: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, CollectedFields]] = field(
        default_factory=dict
    )
    selections: dict[tuple[str, int], tuple[GroupedFieldSet, Selection]] = field(default_factory=dict)
    needs: dict[tuple[int, ...], tuple[Need, ...]] = field(default_factory=dict)  # by ids of the nodes of a field
    executions: int = 0

    def details(self, nodes: list[FieldNode]) -> FieldDetailsList:
        """Return the collected field with these nodes that graphql-core resolves."""
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
        """Return the plan of an operation for the values of the variables in `@skip` and `@include`."""
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


class _Field(NamedTuple):
    """A compiled field. `read` is None if graphql-core resolves it."""

    read: Read | None
    is_content: bool = False  # whether its value depends on nothing but the key of the object's content


_RESOLVED = _Field(None)


class Compiler:
    """Compiles the selections of one plan.

    Parameters
    ----------
    collect
        Collects the subfields of a field, as graphql-core does.
    """

    def __init__(
        self,
        plan: OperationPlan,
        schema: GraphQLSchema,
        collect: Callable[[GraphQLObjectType, FieldDetailsList], CollectedFields],
    ) -> None:
        self._plan, self._schema, self._collect = plan, schema, collect

    def selection(self, type_: GraphQLObjectType, fields: GroupedFieldSet) -> Selection:
        """Compile the fields of an object."""
        key = (type_.name, id(fields))
        cached = self._plan.selections.get(key)
        if cached is not None:
            return cached[1]
        definition = object_definition(type_)
        origin = None if definition is None else definition.origin
        view = origin if origin is not None and issubclass(origin, View) else None
        has_content = view is not None and view.content_key is not View.content_key
        needs: list[Need] = []
        compiled = {name: self._field(type_, view, details, needs) for name, details in fields.items()}
        selection = Selection(
            blank=dict.fromkeys(fields),
            direct=tuple(
                (name, found.read)
                for name, found in compiled.items()
                if found.read is not None and not (has_content and found.is_content)
            ),
            content=tuple(
                (name, found.read)
                for name, found in compiled.items()
                if found.read is not None and has_content and found.is_content
            ),
            others={name: fields[name] for name, found in compiled.items() if found.read is None},
            needs=tuple(needs),
            view=view,
        )
        self._plan.selections[key] = (fields, selection)  # the reference to the fields prevents the reuse of their id
        return selection

    def needs(self, type_: GraphQLOutputType, details: FieldDetailsList) -> tuple[Need, ...]:
        """Return what the fields below a field need."""
        needs: list[Need] = []
        self._copy(type_, details, needs)
        return tuple(needs)

    def _field(
        self, parent_type: GraphQLObjectType, view: type[View] | None, details: FieldDetailsList, needs: list[Need]
    ) -> _Field:
        node = details[0].node
        name = node.name.value
        if name == "__typename":
            type_name = parent_type.name
            return _Field(lambda _row, _run: type_name, is_content=True)
        graph_field = parent_type.fields.get(name)
        definition = None if graph_field is None else field_definition(graph_field)
        if graph_field is None or definition is None or definition.extensions:
            return _RESOLVED
        direct: DirectRead | None = definition.metadata.get(DIRECT)
        call = None
        if direct is not None:
            get = direct.read
            if graph_field.args:
                call = _call(graph_field, definition, node)
                if call is None:
                    return _RESOLVED
            if direct.needs is not None:
                needs.append(Need(direct.needs, call))
        elif definition.base_resolver is None and definition.default_resolver is getattr and not graph_field.args:
            get = attrgetter(definition.python_name) if view is None else view.row_readers[definition.python_name]
        else:
            return _RESOLVED
        copy = self._copy(graph_field.type, details, needs)
        if copy is None:
            return _RESOLVED
        is_content = call is None and view is not None and definition.python_name not in view.live_fields
        return _Field(_reader(get, call, graph_field.type, copy), is_content)

    def _copy(self, type_: GraphQLOutputType, details: FieldDetailsList, needs: list[Need]) -> Copy | None:
        if isinstance(type_, GraphQLNonNull):
            return self._copy_present(type_.of_type, details, needs)
        present = self._copy_present(type_, details, needs)
        return None if present is None else lambda value, run: None if value is None else present(value, run)

    def _copy_present(self, type_: GraphQLOutputType, details: FieldDetailsList, needs: list[Need]) -> Copy | None:
        """Return the serializer of non-null values; None if graphql-core serializes them."""
        if isinstance(type_, GraphQLList):
            entry = self._copy(type_.of_type, details, needs)
            return None if entry is None else _copy_list(entry)
        if isinstance(type_, GraphQLObjectType):
            return self._copy_object(type_, details, needs)
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            return self._copy_abstract(type_, details, needs)
        if isinstance(type_, GraphQLScalarType | GraphQLEnumType):
            serialize = serializer(type_)
            return None if serialize is None else lambda value, _run: serialize(value)
        return None

    def _copy_object(self, type_: GraphQLObjectType, details: FieldDetailsList, needs: list[Need]) -> Copy | None:
        selection = self.selection(type_, self._collect(type_, details).grouped_field_set)
        needs.extend(selection.needs)
        definition = object_definition(type_)
        if selection.others or definition is None or definition.is_type_of is not None:
            return None
        if selection.view is None:
            return _copy_instance(definition.origin, selection)
        return _copy_constant(selection) if selection.view.is_constant else selection.lay_out

    def _copy_abstract(
        self, type_: GraphQLInterfaceType | GraphQLUnionType, details: FieldDetailsList, needs: list[Need]
    ) -> Copy | None:
        """Return the serializer of objects of several types."""
        copies: dict[type, Copy] = {}
        is_complete = True
        for possible in self._schema.get_possible_types(type_):
            definition, copy = object_definition(possible), self._copy_object(possible, details, needs)
            if definition is None or copy is None:
                is_complete = False
            else:
                copies[definition.origin] = copy
        if not is_complete:
            return None
        interface = object_definition(type_) if isinstance(type_, GraphQLInterfaceType) else None
        if interface is not None and issubclass(interface.origin, View):
            class_of = interface.origin.class_of
            return lambda value, run: copies[class_of(value)](value, run)

        def copy_by_class(value: Any, run: Run) -> Any:
            copy = copies.get(type(value))
            if copy is None:
                raise UnexpectedValue
            return copy(value, run)

        return copy_by_class


def _call(field: GraphQLField, definition: StrawberryField, node: FieldNode) -> Call | None:
    """Return the arguments of a field; None if Strawberry converts them, or they are invalid."""
    if any(get_named_type(argument.type).name not in _BUILT_IN_SCALARS for argument in field.args.values()):
        return None
    python_names = {
        argument.graphql_name or to_camel_case(argument.python_name): argument.python_name
        for argument in definition.arguments
    }
    call = Call(field, node, python_names)
    if not any(_has_variable(argument.value) for argument in node.arguments or ()):
        try:
            call.constant = call.coerce(None)
        except GraphQLError:
            return None
    return call


def _has_variable(value: Any) -> bool:
    return isinstance(value, VariableNode) or any(
        _has_variable(entry) for entry in getattr(value, "values", None) or ()
    )


def _reader(get: Callable[..., Any], call: Call | None, type_: GraphQLOutputType, copy: Copy) -> Read:
    if call is not None:
        return lambda row, run: copy(get(row, **run.arguments(call)), run)
    present = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    types, serialize = None, None
    if isinstance(present, GraphQLScalarType | GraphQLEnumType):
        types = exact_types(present, nullable=present is type_)
        serialize = serializer(present) if present is not type_ else None
    if types is None and serialize is not None:
        return lambda row, _run: serialize(get(row))
    if types is None:
        return lambda row, run: copy(get(row), run)

    def read(row: Any, _run: Run) -> Any:
        value = get(row)
        if type(value) in types:
            return value
        raise UnexpectedValue

    return read


def _copy_instance(origin: type, selection: Selection) -> Copy:
    lay_out = selection.lay_out

    def copy(value: Any, run: Run) -> dict[str, Any]:
        if type(value) is not origin or TYPE_CAST_ATTRIBUTE in value.__dict__:
            raise UnexpectedValue
        return lay_out(value, run)

    return copy


def _copy_constant(selection: Selection) -> Copy:
    copies: dict[Any, dict[str, Any]] = {}

    def copy(row: Any, run: Run) -> dict[str, Any]:
        found = copies.get(row)
        if found is None:
            found = copies[row] = selection.lay_out(row, run)
        return found

    return copy


def _copy_list(entry: Copy) -> Copy:
    def copy(value: Any, run: Run) -> list[Any]:
        if type(value) is not list and type(value) is not tuple:
            raise UnexpectedValue  # iterating over a generator would consume it
        return [entry(item, run) for item in value]

    return copy
