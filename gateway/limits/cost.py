"""Cost of an operation: the points of its fields, times the lists that they stand in.

With F the points of a block that it costs once, L those that it costs for every entry of the lists directly in it, and
n the entries that the argument of the field above asks for, a field costs ``points + each * n + F + L * n``. F and L
belong to the block alone, so each is computed once however often a fragment is used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from graphql import IntValueNode, ListValueNode, NullValueNode, OperationDefinitionNode, ValueNode, VariableNode

from gateway.limits.selections import SelectedField, SelectionBlock, SelectionOutline

MAX_COST = 10**12
"""Larger sums are not computed exactly: they exceed every limit."""

COSTS_KEPT = 64
"""Costs that are cached for a document; a client asks for pages of two or three sizes."""

_MAX_DIGITS = 9
"""Digits of a number in the document that is parsed; Python rejects some thousands of digits."""


class Points(NamedTuple):
    """Cost of a block: without the lists in it, of one entry of each list, and of the lists at their usual size."""

    once: float = 0.0
    lists: float = 0.0
    assumed: float = 0.0


@dataclass(slots=True)
class Analysis:
    """Measures of a document within its limits; `sizing` names the variables that its cost depends on."""

    outline: SelectionOutline
    operations: list[OperationDefinitionNode]
    sizing: tuple[str, ...]
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """Return the cost of an operation with these coerced variables, in points."""
        sizes = sizes_of(variables, self.sizing)
        key = (id(operation), *sizes.items())
        known = self.costs.get(key)
        if known is None:
            index = next(i for i, node in enumerate(self.operations) if node is operation)
            known = cost_of(self.outline, self.outline.operations[index], sizes)
            if len(self.costs) < COSTS_KEPT:
                self.costs[key] = known
        return known


def cost_of(outline: SelectionOutline, operation: int, sizes: Mapping[str, int | None]) -> int:
    """Compute the points of the operation whose block has this index, at most `MAX_COST`."""
    points: list[Points] = []
    for block in outline.blocks[: operation + 1]:
        points.append(_points(block, points, sizes))
    total = points[operation]
    return ceil(min(total.once + total.assumed, MAX_COST))


def _points(block: SelectionBlock, below: list[Points], sizes: Mapping[str, int | None]) -> Points:
    once = lists = assumed = 0.0
    for selected in block.fields:
        many = _selected_count(selected, sizes)
        under = below[selected.block] if selected.block is not None else Points()
        cost = selected.field_cost.cost
        alone = cost.points + cost.each * many
        entry = under.once + under.assumed
        if not selected.field_cost.is_list:
            once += alone + (under.once + under.lists * many if cost.by else entry)
        elif cost.by:
            once += alone + entry * many
        else:
            once += alone
            lists += entry
            assumed += entry * selected.field_cost.entries
    for used in block.fragments:
        spread = below[used]
        once, lists, assumed = once + spread.once, lists + spread.lists, assumed + spread.assumed
    return Points(min(once, MAX_COST), min(lists, MAX_COST), min(assumed, MAX_COST))


def _selected_count(selected: SelectedField, sizes: Mapping[str, int | None]) -> int:
    """Return how many things a field selects; the maximum where that is unknown."""
    cost, default = selected.field_cost.cost, selected.field_cost.default
    match selected.size:
        case None:
            return default
        case VariableNode():
            found = sizes.get(selected.size.name.value, default)
        case _:
            found = _size_of_literal(selected.size, cost.most)
    return default if found is None else max(0, min(found, cost.most))


def _size_of_literal(value: ValueNode, most: int) -> int | None:
    match value:
        case NullValueNode():
            return None
        case IntValueNode():
            return int(value.value) if len(value.value) <= _MAX_DIGITS else most
        case ListValueNode():
            return len(value.values)
        case _:
            return 1


def _size_of(value: Any) -> int | None:
    """Return the size that a coerced value asks for: the number itself, the length of a list, None for null.

    Any other value sizes an argument of another type, which validation rejects.
    """
    if value is None or isinstance(value, int):
        return value
    return len(value) if isinstance(value, list) else 1


def sizing_variables(outline: SelectionOutline) -> tuple[str, ...]:
    """Return the names of the variables that determine how many things are selected."""
    names = (
        selected.size.name.value
        for block in outline.blocks
        for selected in block.fields
        if isinstance(selected.size, VariableNode)
    )
    return tuple(dict.fromkeys(names))


def sizes_of(variables: Mapping[str, Any], names: Iterable[str]) -> dict[str, int | None]:
    """Return the sizes of these variables.

    `variables` are the coerced values that the resolvers receive. A variable without a value is absent, and the default
    of its argument counts.
    """
    return {name: _size_of(variables[name]) for name in names if name in variables}
