"""Private parts of Strawberry and graphql-core that the resolvers rely on, in one place.

`tests/resolvers/common/test_compat.py` reports each of these parts that a new version has changed.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from graphql import GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as ExecutionContext
from strawberry.types import get_object_definition
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.unset import UNSET
from strawberry.utils.str_converters import to_camel_case

__all__ = [
    "TYPE_CAST_ATTRIBUTE",
    "ExecutionContext",
    "FieldDetailsList",
    "GroupedFieldSet",
    "Path",
    "complete_definition",
    "enum_definition",
    "field_definition",
    "fields_of",
    "is_input",
    "object_definition",
    "read_input_by",
    "to_camel_case",
]

F = TypeVar("F")

_DEFINITION = "strawberry-definition"


def field_definition(field: GraphQLField) -> StrawberryField | None:
    """Return the Strawberry field behind a field of the graphql-core schema."""
    definition = field.extensions.get(_DEFINITION)
    return definition if isinstance(definition, StrawberryField) else None


def object_definition(type_: GraphQLObjectType) -> StrawberryObjectDefinition | None:
    """Return the Strawberry type behind a type of the graphql-core schema."""
    definition = type_.extensions.get(_DEFINITION)
    return definition if isinstance(definition, StrawberryObjectDefinition) else None


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
    """Convert values of an input type with `read`, whose argument maps GraphQL names to values."""
    get_object_definition(type_, strict=True).from_input = lambda _type, values, _context: read(values)
