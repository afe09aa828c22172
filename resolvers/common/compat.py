"""Private parts of Strawberry and graphql-core that the resolvers rely on, in one place.

`tests/resolvers/common/test_compat.py` reports each of these parts that a new version has changed.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from graphql import GraphQLEnumType, GraphQLField, GraphQLInterfaceType, GraphQLObjectType, GraphQLResolveInfo
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as ExecutionContext
from strawberry.types import Info, get_object_definition
from strawberry.types.base import StrawberryContainer, StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET
from strawberry.utils.str_converters import to_camel_case

__all__ = [
    "TYPE_CAST_ATTRIBUTE",
    "CollectedFields",
    "ExecutionContext",
    "FieldDetailsList",
    "GroupedFieldSet",
    "Path",
    "complete_definition",
    "enum_class",
    "enum_definition",
    "field_definition",
    "fields_of",
    "graphql_info",
    "is_input",
    "object_definition",
    "read_input_by",
    "to_camel_case",
    "value_class",
]

F = TypeVar("F")

_DEFINITION = "strawberry-definition"


def field_definition(field: GraphQLField) -> StrawberryField | None:
    """Return the Strawberry field behind a field of the graphql-core schema."""
    definition = field.extensions.get(_DEFINITION)
    return definition if isinstance(definition, StrawberryField) else None


def object_definition(type_: GraphQLObjectType | GraphQLInterfaceType) -> StrawberryObjectDefinition | None:
    """Return the Strawberry type behind a type of the graphql-core schema."""
    definition = type_.extensions.get(_DEFINITION)
    return definition if isinstance(definition, StrawberryObjectDefinition) else None


def graphql_info(info: Info[Any, Any]) -> GraphQLResolveInfo[Any]:
    """Return graphql-core's information behind that of Strawberry."""
    return info._raw_info


def value_class(field: StrawberryField) -> type | None:
    """Return the class of a field's values, or of their items; None if it is no object type."""
    type_ = field.type
    while isinstance(type_, StrawberryContainer | LazyType):
        type_ = type_.of_type if isinstance(type_, StrawberryContainer) else type_.resolve_type()
    return type_ if isinstance(type_, type) else None


def enum_class(type_: GraphQLEnumType) -> type[Enum] | None:
    """Return the Python enum behind an enum of the graphql-core schema."""
    definition = type_.extensions.get(_DEFINITION)
    return definition.wrapped_cls if isinstance(definition, StrawberryEnumDefinition) else None  # type: ignore[return-value]


def fields_of(type_: type) -> list[StrawberryField]:
    """Return the fields of a class that is a Strawberry type."""
    return get_object_definition(type_, strict=True).fields


def enum_definition(enum: type[Enum]) -> StrawberryEnumDefinition:
    """Return the definition of an enum that is part of the graph."""
    definition: StrawberryEnumDefinition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    return definition


def is_input(value: Any) -> bool:
    """Return whether a value is an instance of an input type."""
    return isinstance(getattr(value, "__strawberry_definition__", None), StrawberryObjectDefinition)


def complete_definition(field: F) -> F:
    """Read the descriptions of a field's arguments from `Annotated`, and leave each default None out of the schema.

    Null and omitted then mean the same.
    """
    assert isinstance(field, StrawberryField)  # noqa: S101 (tells the type checker)
    for argument in field.arguments:
        metadata = getattr(argument.type_annotation.annotation, "__metadata__", ())
        argument.description = next((text for text in metadata if isinstance(text, str)), None)
        argument.default = UNSET if argument.default is None else argument.default
    field.default_value = UNSET if field.default_value is None else field.default_value
    return field


def read_input_by(type_: type, read: Callable[[Mapping[str, Any]], Any]) -> None:
    """Convert input objects of a type with the function `read`. The argument of `read` maps GraphQL names to values."""
    get_object_definition(type_, strict=True).from_input = lambda _type, values, _context: read(values)
