"""Evaluation of the wire protocol's filters."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from weaviate.proto.v1 import base_pb2

from tests.doubles.weaviate.keywords import STOP_WORDS, words
from tests.doubles.weaviate.state import Collection, Refused, StoredObject

Filters = base_pb2.Filters
VALUES = ("value_text", "value_int", "value_boolean", "value_number")
ARRAYS = ("value_text_array", "value_int_array", "value_boolean_array", "value_number_array")


Predicate = Callable[[StoredObject], bool]


def predicate(filters: Filters, collection: Collection) -> Predicate:
    """Return a predicate of objects."""
    operator = filters.operator
    inner = [predicate(one, collection) for one in filters.filters]
    if operator == Filters.OPERATOR_AND:
        return lambda item: all(one(item) for one in inner)
    if operator == Filters.OPERATOR_OR:
        return lambda item: any(one(item) for one in inner)
    if operator == Filters.OPERATOR_NOT:
        return lambda item: not inner[0](item)
    name = filters.target.property
    if name not in ("_id", "id"):
        collection.check_filterable(name)
    asked = [_in_type(value, name, collection) for value in _asked(filters)]
    holds = _comparison(operator, asked)
    return lambda item: holds(_held(name, item, collection))


def _asked(filters: Filters) -> list[Any]:
    for name in VALUES:
        if filters.WhichOneof("test_value") == name:
            return [getattr(filters, name)]
    for name in ARRAYS:
        if filters.WhichOneof("test_value") == name:
            return list(getattr(filters, name).values)
    raise Refused("a filter without a value")


def _held(name: str, item: StoredObject, collection: Collection) -> list[Any]:
    if name in ("_id", "id"):
        return [item.uuid]
    value = item.properties.get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [_in_type(one, name, collection) for one in values]


def _in_type(value: Any, name: str, collection: Collection) -> Any:
    """Return a value for comparison: a time for a date, the words of a tokenized text."""
    kind = collection.type_of(name)
    if kind == "date":
        return datetime.fromisoformat(value)
    if kind.startswith("text") and name not in ("_id", "id") and collection.tokenisation_of(name) == "word":
        return frozenset(words(value)) - STOP_WORDS
    return value


def _comparison(operator: int, asked: list[Any]) -> Callable[[list[Any]], bool]:
    """Return a function that compares an object's values with those of the filter."""
    exact = frozenset(asked)
    by_words = any(isinstance(one, frozenset) for one in asked)

    def matches(value: Any, other: Any) -> bool:
        return other <= value if by_words else bool(value == other)

    def any_of(held: list[Any]) -> bool:
        if not by_words:
            return not exact.isdisjoint(held)
        return any(matches(value, other) for value in held for other in asked)

    comparisons: dict[int, Callable[[list[Any]], bool]] = {
        Filters.OPERATOR_EQUAL: any_of,
        Filters.OPERATOR_CONTAINS_ANY: any_of,
        Filters.OPERATOR_NOT_EQUAL: lambda held: not any_of(held),
        Filters.OPERATOR_CONTAINS_NONE: lambda held: not any_of(held),
        Filters.OPERATOR_CONTAINS_ALL: lambda held: all(any(matches(one, other) for one in held) for other in asked),
        Filters.OPERATOR_GREATER_THAN: lambda held: any(one > asked[0] for one in held),
        Filters.OPERATOR_GREATER_THAN_EQUAL: lambda held: any(one >= asked[0] for one in held),
        Filters.OPERATOR_LESS_THAN: lambda held: any(one < asked[0] for one in held),
        Filters.OPERATOR_LESS_THAN_EQUAL: lambda held: any(one <= asked[0] for one in held),
    }
    if operator not in comparisons:
        raise Refused(f"the double does not know the operator {Filters.Operator.Name(operator)}")
    return comparisons[operator]
