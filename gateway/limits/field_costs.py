"""Cost of each field of a schema, read once from its declarations (`resolvers.common.field_costs`)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_wrapping_type,
)

from resolvers.common.compat import field_definition
from resolvers.common.field_costs import ATTRIBUTE_COST, COST, DIRECT, Cost

INTROSPECTION_COST = Cost(1)
"""Cost of a field of introspection, which graphql-core resolves: 10 µs with its share of the JSON."""


@dataclass(frozen=True, slots=True)
class FieldCost:
    """Cost of one field of the schema."""

    cost: Cost = ATTRIBUTE_COST  # the declared cost
    prefetched_cost: Cost = ATTRIBUTE_COST  # the cost below a field with `Cost.is_prefetching`
    type: str | None = None  # the type of its value, or None for a scalar or an enum value
    is_list: bool = False  # whether its value is a list of objects
    entries: float = 1.0  # expected entries of the list if no argument gives its size
    # Number of entries if the argument `cost.size_argument` is omitted: its default in the schema, else the maximum.
    default: int = 0


UNKNOWN = FieldCost()
"""Cost of an unknown field, which validation reports."""


class FieldCosts:
    """Costs of a schema's fields, from the `resolvers.common.field_costs.Cost` in their metadata."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._by_type = {
            name: {field: _field_cost(definition) for field, definition in type_.fields.items()}
            for name, type_ in schema.type_map.items()
            if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        }
        roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}
        self.roots: Mapping[str, str] = {name: root.name for name, root in roots.items() if root is not None}
        self._set_introspection_entries(schema)

    def find(self, type_: str | None, field: str) -> FieldCost:
        """Return the cost of a field of a type; `UNKNOWN` if there is none."""
        return self._by_type.get(type_ or "", {}).get(field, UNKNOWN)

    def _set_introspection_entries(self, schema: GraphQLSchema) -> None:
        """Set the expected entries of introspection lists to their means in this schema."""
        for name, definition in (("__schema", SchemaMetaFieldDef), ("__type", TypeMetaFieldDef)):
            self._by_type[self.roots["query"]][name] = _field_cost(definition)
        for (type_, field), entries in _mean_introspection_entries(schema).items():
            fields = self._by_type[type_]
            # `ofType` has no or one value, and counts as a list of as many entries as it has values on average.
            fields[field] = replace(fields[field], is_list=True, entries=entries)


def _field_cost(field: GraphQLField) -> FieldCost:
    named_type = get_named_type(field.type)
    is_leaf = is_leaf_type(named_type)
    is_list = not is_leaf and is_list_type(get_nullable_type(field.type))
    cost, prefetched_cost = _costs(field)
    return FieldCost(
        cost,
        prefetched_cost,
        type=None if is_leaf else named_type.name,
        is_list=is_list,
        entries=cost.default_size if is_list else 1.0,
        default=_default(field, cost),
    )


def _costs(field: GraphQLField) -> tuple[Cost, Cost]:
    """Return the cost of a field, and its cost if what it needs has been read with a field above."""
    definition = field_definition(field)
    if definition is None:
        return INTROSPECTION_COST, INTROSPECTION_COST
    cost = definition.metadata.get(COST, ATTRIBUTE_COST)
    if definition.base_resolver is not None and definition.metadata.get(DIRECT) is None:
        return cost, cost
    return cost, replace(cost, points=ATTRIBUTE_COST.points, points_once=0, is_prefetching=True)


def _default(field: GraphQLField, cost: Cost) -> int:
    default = field.args[cost.size_argument].default_value if cost.size_argument in field.args else None
    return min(default, cost.max_size) if isinstance(default, int) else cost.max_size


def _mean_introspection_entries(schema: GraphQLSchema) -> dict[tuple[str, str], float]:
    """Return the mean number of entries of each list of introspection, by type and field."""
    types = list(schema.type_map.values())
    types_with_fields = [type_ for type_ in types if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)]
    fields = [field for type_ in types_with_fields for field in type_.fields.values()]
    inputs = [type_ for type_ in types if isinstance(type_, GraphQLInputObjectType)]
    enums = [type_ for type_ in types if isinstance(type_, GraphQLEnumType)]
    interfaces = [type_ for type_ in types if isinstance(type_, GraphQLInterfaceType)]
    directives = schema.directives
    wrappers = [_wrappers(field.type) for field in fields]
    return {
        ("__Schema", "types"): len(types),
        ("__Schema", "directives"): len(directives),
        ("__Type", "fields"): len(fields) / len(types),
        ("__Type", "interfaces"): sum(len(type_.interfaces) for type_ in types_with_fields) / len(types),
        ("__Type", "possibleTypes"): sum(len(schema.get_possible_types(type_)) for type_ in interfaces) / len(types),
        ("__Type", "enumValues"): sum(len(type_.values) for type_ in enums) / len(types),
        ("__Type", "inputFields"): sum(len(type_.fields) for type_ in inputs) / len(types),
        ("__Type", "ofType"): sum(wrappers) / (sum(wrappers) + len(wrappers)),
        ("__Field", "args"): fmean(len(field.args) for field in fields),
        ("__Directive", "args"): fmean(len(directive.args) for directive in directives),
    }


def _wrappers(type_: GraphQLOutputType) -> int:
    """Return how many lists and non-null types a type is wrapped in."""
    return 1 + _wrappers(type_.of_type) if is_wrapping_type(type_) else 0
