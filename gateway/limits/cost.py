"""Cost of an operation in points: the points of its fields, multiplied by the entries of the lists that contain them.

A field costs ``Cost.points``, and ``Cost.points_per_item`` for every requested entry. Its block (the selection set
below it) costs ``BlockCost.fixed``, and ``BlockCost.per_entry`` for every requested entry. ``Cost.points_once`` is
charged once for an operation, however often it selects the field. A fragment costs as much as an attribute. A selection
that `@skip` or `@include` leaves out costs nothing.

A block's cost depends on the fields above it in one respect: whether one of them has read what the block needs
(``Cost.is_prefetching``). So each block has two costs, computed once, however often a fragment is used.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from itertools import chain
from math import ceil
from types import MappingProxyType
from typing import Any, NamedTuple

from graphql import IntValueNode, ListValueNode, NullValueNode, OperationDefinitionNode, ValueNode, VariableNode

from gateway.limits.selections import SelectedField, SelectionBlock, SelectionOutline
from resolvers.common.field_costs import ATTRIBUTE_COST

MAX_COST = 10**12
"""Upper bound of computed costs: larger sums exceed every limit."""

MAX_CACHED_COSTS = 64
"""Maximum number of cached costs of a document. A client requests pages of two or three sizes."""

_MAX_DIGITS = 9
"""Digits of the longest number in a document that is parsed. Python cannot parse some thousands of digits."""

_ROUNDING = 6
"""Decimals to which a sum is rounded before it is rounded up: sums of tenths are not exact."""


class BlockCost(NamedTuple):
    """Cost of a block in points. An unsized list is a list whose size no argument of its own field gives."""

    fixed: float = 0.0  # without the entries of unsized lists
    per_entry: float = 0.0  # of one entry of each unsized list; an argument of the field above may give their number
    unsized_lists: float = 0.0  # of the expected entries of unsized lists
    once: Mapping[tuple[str | None, str], float] = MappingProxyType({})  # `Cost.points_once` by type and field

    @property
    def total(self) -> float:
        """The points with the expected entries of unsized lists."""
        return self.fixed + self.unsized_lists


class BlockCosts(NamedTuple):
    """Costs of a block below fields that have not read what it needs, and below one that has."""

    loaded: BlockCost
    prefetched: BlockCost


@dataclass(slots=True)
class Analysis:
    """Outline of a document within its limits, and the costs that were computed so far.

    `reading_points` is the cost of parsing, validating and compiling the document. `variable_counts` has the number of
    nodes that name each variable, its definitions included.
    """

    outline: SelectionOutline
    operations: list[OperationDefinitionNode]
    reading_points: int
    variable_counts: InitVar[Mapping[str, int]]
    cost_variables: list[str] = field(init=False)  # names of the variables that determine a cost
    # Maximum length of each list that is sent as a variable and is nothing but the size of fields.
    max_lengths: dict[str, int] = field(init=False)
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def __post_init__(self, variable_counts: Mapping[str, int]) -> None:
        blocks = self.outline.blocks
        values: list[ValueNode | None] = []
        for block in blocks:
            conditions = [one.conditions for one in block.fields] + [one.conditions for one in block.fragments]
            values += [selected.size for selected in block.fields]
            values += [condition.value for condition in chain(*conditions)]
        self.cost_variables = list(dict.fromkeys(node.name.value for node in values if isinstance(node, VariableNode)))
        self.max_lengths = _max_lengths(self.outline, self.operations, variable_counts)

    def shorten(self, variables: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the variables with each list cut one item beyond the length at which its fields refuse it.

        The items beyond are never coerced. The error of the field is the same.
        """
        too_long = {
            name: variables[name][: length + 1]
            for name, length in self.max_lengths.items()
            if variables and isinstance(variables.get(name), list) and len(variables[name]) > length
        }
        return {**(variables or {}), **too_long} if too_long else variables

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """Return the cost of an operation in points, at most `MAX_COST`.

        `variables` are the coerced values that the resolvers receive. A variable without a value is absent, so the
        default of its argument counts.
        """
        sizes = {name: _size_of(variables[name]) for name in self.cost_variables if name in variables}
        key = (id(operation), *sizes.items())
        cost = self.costs.get(key)
        if cost is None:
            cost = self._compute(operation, sizes)
            if len(self.costs) < MAX_CACHED_COSTS:
                self.costs[key] = cost
        return cost

    def _compute(self, operation: OperationDefinitionNode, sizes: Mapping[str, int | None]) -> int:
        index = next(i for i, node in enumerate(self.operations) if node is operation)
        costs: list[BlockCosts] = []
        for block in self.outline.blocks[: self.outline.operations[index] + 1]:
            costs.append(
                BlockCosts(
                    _block_cost(block, costs, sizes, is_prefetched=False),
                    _block_cost(block, costs, sizes, is_prefetched=True),
                )
            )
        root = costs[-1].loaded
        return ceil(round(min(root.total + sum(root.once.values()), MAX_COST), _ROUNDING))


def _block_cost(
    block: SelectionBlock, costs: list[BlockCosts], sizes: Mapping[str, int | None], *, is_prefetched: bool
) -> BlockCost:
    """Compute the cost of a block; `costs` holds the costs of all blocks that it refers to."""
    fixed = per_entry = unsized_lists = 0.0
    once: dict[tuple[str | None, str], float] = {}
    for selected in block.fields:
        if not all(condition.holds(sizes) for condition in selected.conditions):
            continue
        field_cost = selected.field_cost
        cost = field_cost.prefetched_cost if is_prefetched else field_cost.cost
        child = BlockCost()
        if selected.block is not None:
            child = costs[selected.block][cost.is_prefetching]
            once.update(child.once)
        if cost.points_once:
            once[block.type, selected.name] = cost.points_once
        entries = _requested_entries(selected, sizes)
        fixed += cost.points + cost.points_per_item * entries
        if not field_cost.is_list:
            fixed += child.fixed + child.per_entry * entries if cost.size_argument else child.total
        elif cost.size_argument:
            fixed += child.total * entries
        else:
            per_entry += child.total
            unsized_lists += child.total * field_cost.entries
    for fragment in block.fragments:
        if all(condition.holds(sizes) for condition in fragment.conditions):
            spread = costs[fragment.block][is_prefetched]
            fixed += ATTRIBUTE_COST.points + spread.fixed
            per_entry += spread.per_entry
            unsized_lists += spread.unsized_lists
            once.update(spread.once)
    return BlockCost(min(fixed, MAX_COST), min(per_entry, MAX_COST), min(unsized_lists, MAX_COST), once)


def _max_lengths(
    outline: SelectionOutline, operations: list[OperationDefinitionNode], variable_counts: Mapping[str, int]
) -> dict[str, int]:
    """Return the maximum size that a field accepts, by the name of each variable with no other use than to size it."""
    sizes: dict[str, list[int]] = {}
    for selected in chain(*(block.fields for block in outline.blocks)):
        if isinstance(selected.size, VariableNode):
            sizes.setdefault(selected.size.name.value, []).append(selected.field_cost.cost.max_size)
    definitions = Counter(
        definition.variable.name.value
        for operation in operations
        for definition in operation.variable_definitions or ()
    )
    return {name: max(of) for name, of in sizes.items() if len(of) + definitions[name] == variable_counts[name]}


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

    Of a condition, it is the value itself. Any other value sizes an argument of another type, which validation rejects.
    """
    if value is None or isinstance(value, int):
        return value
    return len(value) if isinstance(value, list) else 1
