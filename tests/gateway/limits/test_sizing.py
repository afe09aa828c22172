"""Each argument that says how many things are asked for is priced by the value that execution passes on."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLString,
    Undefined,
    get_argument_values,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_required_input_field,
    parse,
    validate,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.limit_settings import LimitSettings
from gateway.limits.cost import Analysis
from gateway.limits.limits import Limits
from resolvers.common.field_costs import COST, Cost
from resolvers.execution.executor import Executor
from resolvers.schema import schema

SCHEMA = schema._schema
LIMITS = Limits(SCHEMA, LimitSettings())

AT = {
    "Query": "query{declared} {{ {field} }}",
    "Mutation": "mutation{declared} {{ {field} }}",
    "Viewer": "query{declared} {{ viewer {{ {field} }} }}",
    "Project": 'query{declared} {{ project(key: "a") {{ {field} }} }}',
    "OnboardingPayload": 'mutation{declared} {{ skipOnboardingQuestion(question: "a") {{ {field} }} }}',
}
"""A document that asks for a field of each type that has sized ones."""

UNSIZED = {
    ("Subscription", "feedChanged", "feeds"): "one of each kind of feed at most",
    ("Subscription", "feedChanged", "since"): "a version",
}
"""Numbers and lists among the arguments that do not say how many things are asked for."""


@dataclass(frozen=True, eq=False)
class Sized:
    """A field and the argument that sizes it."""

    type: str
    name: str
    field: GraphQLField
    cost: Cost

    @property
    def argument_type(self) -> str:
        return str(self.field.args[self.cost.size_argument].type)

    @property
    def is_list(self) -> bool:
        return isinstance(get_nullable_type(self.field.args[self.cost.size_argument].type), GraphQLList)

    def document(self, value: str | None, declared: str = "") -> str:
        """Write a document that asks for the field with this value of the argument."""
        given = [f"{self.cost.size_argument}: {value}"] if value is not None else []
        given += [
            f"{name}: {literal(argument.type)}"
            for name, argument in self.field.args.items()
            if name != self.cost.size_argument and str(argument.type).endswith("!")
        ]
        below = " { __typename }" if is_composite_type(get_named_type(self.field.type)) else ""
        field = f"{self.name}{'(' + ', '.join(given) + ')' if given else ''}{below}"
        return AT[self.type].format(declared=declared, field=field)


def cost_of(field: GraphQLField) -> Cost | None:
    definition = field.extensions.get("strawberry-definition")
    return None if definition is None else definition.metadata.get(COST)


def fields() -> list[tuple[str, str, GraphQLField]]:
    return [
        (type_.name, name, field)
        for type_ in SCHEMA.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
    ]


SIZED = [
    Sized(type_, name, field, cost)
    for type_, name, field in fields()
    if (cost := cost_of(field)) is not None and cost.size_argument is not None
]


def least(type_: GraphQLNamedType) -> Any:
    """Give the smallest value of an input type, as JSON."""
    named = get_named_type(type_)
    match named:
        case GraphQLEnumType():
            return next(iter(named.values))
        case GraphQLInputObjectType():
            return {name: least(one.type) for name, one in named.fields.items() if is_required_input_field(one)}
        case _:
            return {"Int": 1, "Boolean": True, "DateTime": "2026-01-01T00:00:00Z"}.get(named.name, "a")


def literal(type_: GraphQLNamedType) -> str:
    """Write the smallest value of an input type in GraphQL."""
    named, value = get_named_type(type_), least(type_)
    match named:
        case GraphQLInputObjectType():
            return "{" + ", ".join(f"{name}: {literal(named.fields[name].type)}" for name in value) + "}"
        case GraphQLEnumType():
            return value
        case _:
            return f'"{value}"' if named is GraphQLString or isinstance(value, str) else str(value).lower()


NOTHING = object()
"""No value: the argument, the default or the variable is left out."""


@st.composite
def asked(draw: st.DrawFn) -> tuple[Sized, str, dict[str, Any]]:
    """A sized field asked for in one of many ways: its document, and the variables sent with it."""
    sized = draw(st.sampled_from(SIZED))
    one, one_literal = (
        least(sized.field.args[sized.cost.size_argument].type),
        literal(sized.field.args[sized.cost.size_argument].type),
    )
    item = get_named_type(sized.field.args[sized.cost.size_argument].type).name
    count = st.integers(0, 3)
    if sized.is_list:
        sent = st.one_of(
            (count | st.just(sized.cost.max_size + 1)).map(lambda n: [one] * n),
            st.just(one),
            st.none(),
            st.just([None]),
            st.just(1.5),
        )
        written = st.one_of(
            count.map(lambda n: f"[{', '.join([one_literal] * n)}]"),
            st.sampled_from([one_literal, "null", f"[$v, {one_literal}]", "[$v, $v]", "[[]]"]),
        )
        types = [sized.argument_type, f"[{item}!]", f"{item}!", item]
    else:
        number = st.integers(-2, 120)
        sent = st.one_of(
            number,
            number.map(float),
            st.sampled_from([1.5, None, "100", True, [100], {"n": 1}, 2**31 - 1, 2**31, 10**30, 1e30, float("inf")]),
        )
        written = st.one_of(number.map(str), st.sampled_from(["null", "1e2", "100.0", '"100"', "9" * 12, "[100]"]))
        types = [sized.argument_type, "Int!", "Int", "Float"]
    way = draw(st.sampled_from(["absent", "literal", "variable", "variable"]))
    value = {"absent": None, "literal": draw(written), "variable": "$v"}[way]
    if value is None or "$v" not in value:
        return sized, sized.document(value), {}
    default = draw(st.just(NOTHING) | written.filter(lambda text: "$" not in text))
    declared = f"($v: {draw(st.sampled_from(types))}{'' if default is NOTHING else f' = {default}'})"
    given_value = draw(st.just(NOTHING) | sent)
    return sized, sized.document(value, declared), {} if given_value is NOTHING else {"v": given_value}


def prepared(text: str, variables: dict[str, Any]) -> tuple[Analysis, Any]:
    document = parse(text)
    return LIMITS.analyze(document), Executor.build(SCHEMA, document, raw_variable_values=variables)


def price(text: str, variables: dict[str, Any] | None = None) -> int:
    analysis, executor = prepared(text, variables or {})
    return analysis.cost(analysis.operations[0], executor.variable_values.coerced)


@cache
def prices_of(sized: Sized, size: int) -> int:
    if not sized.is_list:
        return price(sized.document(str(size)))
    one = literal(sized.field.args[sized.cost.size_argument].type)
    return price(sized.document(f"[{', '.join([one] * size)}]"))


def field_node(sized: Sized, node: Any) -> FieldNode:
    """Find the sized field in a document."""
    (found,) = node.selection_set.selections
    return found if found.name.value == sized.name else field_node(sized, found)


@given(asked())
@settings(max_examples=100, deadline=None)
def test_the_priced_size_is_the_size_that_the_resolver_receives(question):
    sized, text, variables = question
    _, executor = prepared(text, variables)  # neither may fail, whatever was sent
    assume(not isinstance(executor, list) and not validate(SCHEMA, parse(text)))
    argument = sized.field.args[sized.cost.size_argument]
    try:
        values = get_argument_values(sized.field, field_node(sized, executor.operation), executor.variable_values)
    except GraphQLError:
        return  # null for an argument that may not be null: the resolver is not called
    received = values.get(argument.out_name or sized.cost.size_argument)
    received = argument.default_value if received is None else received  # resolvers take null for left out
    if received is Undefined or received is None:
        size = sized.cost.max_size  # the resolver refuses it, or takes the other argument
    else:
        size = len(received) if isinstance(received, list) else received
    none, most = prices_of(sized, 0), prices_of(sized, sized.cost.max_size)
    assert most > none
    expected = none + (most - none) / sized.cost.max_size * max(0, min(size, sized.cost.max_size))
    assert abs(price(text, variables) - expected) <= 1  # prices are rounded up


def test_each_number_and_list_among_the_arguments_is_priced_or_named_here():
    unpriced = {
        (type_, name, argument)
        for type_, name, field in fields()
        for argument, definition in field.args.items()
        if isinstance(get_nullable_type(definition.type), GraphQLList) or get_named_type(definition.type).name == "Int"
        if argument not in ((cost_of(field) or Cost()).size_argument, (cost_of(field) or Cost()).alternative_argument)
    }
    assert unpriced == UNSIZED.keys()


@pytest.mark.parametrize("sized", SIZED, ids=lambda one: f"{one.type}.{one.name}")
def test_a_sizing_argument_costs_something_for_each(sized):
    assert sized.type in AT
    assert sized.cost.points_per_item > 0


def test_a_field_of_an_interface_costs_as_much_as_the_most_expensive_of_its_types():
    interfaces = [type_ for type_ in SCHEMA.type_map.values() if isinstance(type_, GraphQLInterfaceType)]
    for interface in interfaces:
        for name, field in interface.fields.items():
            costs = {cost_of(type_.fields[name]) for type_ in SCHEMA.get_possible_types(interface)}
            assert costs <= {cost_of(field), None}, f"{interface.name}.{name}"


def test_ids_cost_as_much_as_keys():
    def cost(argument: str, n: int) -> int:
        return price(f"{{ projects({argument}: {json.dumps(['a'] * n)}) {{ key }} }}")

    assert cost("ids", 1) == cost("keys", 1) < cost("ids", 50) == cost("keys", 50)
