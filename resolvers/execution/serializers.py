"""Serializers of leaf values, which reject each value that graphql-core reports or converts."""

from collections.abc import Callable
from datetime import date, datetime
from math import isfinite
from types import NoneType
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
)

from resolvers.common.compat import enum_class

Serialize = Callable[[Any], Any]
"""A function from a value that is not null to its serialized form; raises `UnexpectedValue` for any other value."""

INT_BOUND = 2**31
"""The bound of GraphQL's Int, which has 32 bits."""


class UnexpectedValue(Exception):
    """A value that graphql-core handles."""


TYPES_SERIALIZED_UNCHANGED: dict[str, type] = {
    GraphQLString.name: str,
    GraphQLID.name: str,
    "URL": str,
    GraphQLBoolean.name: bool,
}
"""Python types, by the name of a scalar, whose values are their own serialized form."""

_TIMES: dict[str, type] = {"DateTime": datetime, "Date": date}


def exact_types(type_: GraphQLLeafType, *, nullable: bool) -> frozenset[type] | None:
    """Return the types of values that are their own serialized form; None if the values have to be serialized."""
    expected = TYPES_SERIALIZED_UNCHANGED.get(type_.name)
    if expected is None:
        return None
    return frozenset({expected, NoneType} if nullable else {expected})


def serializer(type_: GraphQLLeafType) -> Serialize | None:
    """Return the serializer of a scalar or an enum; None if graphql-core serializes its values."""
    if isinstance(type_, GraphQLEnumType):
        return _enum(type_)
    if type_.name in TYPES_SERIALIZED_UNCHANGED:
        return _exactly(TYPES_SERIALIZED_UNCHANGED[type_.name])
    if type_.name in _TIMES:
        return _time(_TIMES[type_.name], type_.coerce_output_value)
    return {GraphQLInt.name: _int, GraphQLFloat.name: _float}.get(type_.name)


def _enum(type_: GraphQLEnumType) -> Serialize | None:
    expected = enum_class(type_)
    if expected is None:
        return None
    names = {member: type_.coerce_output_value(member) for member in expected}

    def serialize(value: Any) -> Any:
        if type(value) is not expected:
            raise UnexpectedValue
        return names[value]

    return serialize


def _exactly(expected: type) -> Serialize:
    def serialize(value: Any) -> Any:
        if type(value) is not expected:
            raise UnexpectedValue
        return value

    return serialize


def _time(expected: type, write: Serialize) -> Serialize:
    def serialize(value: Any) -> Any:
        if type(value) is not expected:
            raise UnexpectedValue
        return write(value)

    return serialize


def _int(value: Any) -> int:
    if type(value) is int and -INT_BOUND <= value < INT_BOUND:
        return value
    raise UnexpectedValue


def _float(value: Any) -> float:
    if type(value) is float and isfinite(value):
        return value
    raise UnexpectedValue
