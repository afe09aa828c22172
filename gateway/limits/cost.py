"""Cost of an operation in points: the points of its fields, multiplied by the entries of the lists that contain them.

A field costs ``Cost.points``, and ``Cost.points_per_item`` for every requested entry. Its block (the selection set
below it) costs ``BlockCost.fixed``, and ``BlockCost.per_entry`` for every requested entry. A block's cost does not
depend on the field above it, so it is computed once, however often a fragment is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from graphql import IntValueNode, ListValueNode, NullValueNode, OperationDefinitionNode, ValueNode, VariableNode

from gateway.limits.selections import SelectedField, SelectionBlock, SelectionOutline

MAX_COST = 10**12
"""Upper bound of computed costs: larger sums exceed every limit."""

MAX_CACHED_COSTS = 64
"""Maximum number of cached costs of a document. A client requests pages of two or three sizes."""

_MAX_DIGITS = 9
"""Digits of the longest number in a document that is parsed. Python cannot parse some thousands of digits."""


class BlockCost(NamedTuple):
    """Cost of a block in points. An unsized list is a list whose size no argument of its own field gives."""

    fixed: float = 0.0  # without the entries of unsized lists
    per_entry: float = 0.0  # of one entry of each unsized list; an argument of the field above may give their number
    unsized_lists: float = 0.0  # of the expected entries of unsized lists


@dataclass(slots=True)
class Analysis:
    """Outline of a document within its limits, and the costs that were computed so far."""

    outline: SelectionOutline
    operations: list[OperationDefinitionNode]
    sizing_variables: list[str] = field(init=False)  # names of the variables that determine a cost
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [selected.size for block in self.outline.blocks for selected in block.fields]
        self.sizing_variables = list(dict.fromkeys(size.name.value for size in sizes if isinstance(size, VariableNode)))

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """Return the cost of an operation in points, at most `MAX_COST`.

        `variables` are the coerced values that the resolvers receive. A variable without a value is absent, so the
        default of its argument counts.
        """
        sizes = {name: _size_of(variables[name]) for name in self.sizing_variables if name in variables}
        key = (id(operation), *sizes.items())
        cost = self.costs.get(key)
        if cost is None:
            cost = self._compute(operation, sizes)
            if len(self.costs) < MAX_CACHED_COSTS:
                self.costs[key] = cost
        return cost

    def _compute(self, operation: OperationDefinitionNode, sizes: Mapping[str, int | None]) -> int:
        index = next(i for i, node in enumerate(self.operations) if node is operation)
        costs: list[BlockCost] = []
        for block in self.outline.blocks[: self.outline.operations[index] + 1]:
            costs.append(_block_cost(block, costs, sizes))
        return ceil(min(costs[-1].fixed + costs[-1].unsized_lists, MAX_COST))


def _block_cost(block: SelectionBlock, costs: list[BlockCost], sizes: Mapping[str, int | None]) -> BlockCost:
    """Compute the cost of a block; `costs` holds the costs of all blocks that it refers to."""
    fixed = per_entry = unsized_lists = 0.0
    for selected in block.fields:
        entries = _requested_entries(selected, sizes)
        child = costs[selected.block] if selected.block is not None else BlockCost()
        cost = selected.field_cost.cost
        fixed += cost.points + cost.points_per_item * entries
        child_total = child.fixed + child.unsized_lists
        if not selected.field_cost.is_list:
            fixed += child.fixed + child.per_entry * entries if cost.size_argument else child_total
        elif cost.size_argument:
            fixed += child_total * entries
        else:
            per_entry += child_total
            unsized_lists += child_total * selected.field_cost.entries
    for fragment in block.fragments:
        spread = costs[fragment]
        fixed += spread.fixed
        per_entry += spread.per_entry
        unsized_lists += spread.unsized_lists
    return BlockCost(min(fixed, MAX_COST), min(per_entry, MAX_COST), min(unsized_lists, MAX_COST))


def _requested_entries(selected: SelectedField, sizes: Mapping[str, int | None]) -> int:
    """Return the number of entries that the sizing argument of a field requests, else the default."""
    cost, default = selected.field_cost.cost, selected.field_cost.default
    match selected.size:
        case None:
            return default
        case VariableNode():
            size = sizes.get(selected.size.name.value, default)
        case _:
            size = _size_of_literal(selected.size, cost.max_size)
    return default if size is None else max(0, min(size, cost.max_size))


def _size_of_literal(value: ValueNode, max_size: int) -> int | None:
    match value:
        case NullValueNode():
            return None
        case IntValueNode():
            return int(value.value) if len(value.value) <= _MAX_DIGITS else max_size
        case ListValueNode():
            return len(value.values)
        case _:
            return 1


def _size_of(value: Any) -> int | None:
    """Return the size that a coerced value requests: the number itself, the length of a list, None for null.

    Any other value sizes an argument of another type, which validation rejects.
    """
    if value is None or isinstance(value, int):
        return value
    return len(value) if isinstance(value, list) else 1
