"""Compilation of selections into plans."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
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
    VariableNode,
    get_named_type,
)
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
from resolvers.execution.plans import Call, Copy, Need, OperationPlan, Read, Run, Selection
from resolvers.execution.serializers import UnexpectedValue, exact_types, serializer

_BUILT_IN_SCALARS = frozenset({"Int", "Float", "String", "Boolean", "ID"})
"""Scalars whose coerced arguments resolvers get unchanged."""


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
