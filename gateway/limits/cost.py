"""What an operation costs: its fields' points, times the lists that they stand in.

With F the points of a block that it costs once, L those that it costs for every entry of the lists right in it, and n
the entries that the argument of the field above asks for, a field costs ``points + each * n + F + L * n``. Both F and L
belong to the block alone, so each is computed once however often a fragment is used.
"""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, NamedTuple

from graphql import (
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ValueNode,
    VariableNode,
)

from gateway.limits.selections import SelectedField, SelectionBlock, SelectionOutline

MOST = 10**12
"""Beyond it nothing is added up exactly: it is over every limit."""

_LONGEST_NUMBER = 9
"""Digits of a number in the document that is read at all; Python refuses to read some thousands of them."""


class Points(NamedTuple):
    """What a block costs.

    Attributes
    ----------
    once
        Without the lists right in it.
    lists
        With one entry in each of those lists.
    assumed
        Those lists, with as many entries as the schema says they have where no argument sizes them.
    """

    once: float = 0.0
    lists: float = 0.0
    assumed: float = 0.0


def cost_of(outline: SelectionOutline, operation: int, sizes: Mapping[str, int | None]) -> int:
    """Add up what an operation costs.

    Parameters
    ----------
    operation
        The index of its block.
    sizes
        Sizes of the variables as `sizes_of` gives them.

    Returns
    -------
    Points, at most `MOST`.
    """
    points: list[Points] = []
    for block in outline.blocks[: operation + 1]:
        points.append(_points(block, points, sizes))
    total = points[operation]
    return ceil(min(total.once + total.assumed, MOST))


def _points(block: SelectionBlock, below: list[Points], sizes: Mapping[str, int | None]) -> Points:
    once = lists = assumed = 0.0
    for asked in block.fields:
        many = _many(asked, sizes)
        under = below[asked.block] if asked.block is not None else Points()
        cost = asked.price.cost
        alone = cost.points + cost.each * many
        entry = under.once + under.assumed
        if not asked.price.is_list:
            once += alone + (under.once + under.lists * many if cost.by else entry)
        elif cost.by:
            once += alone + entry * many
        else:
            once += alone
            lists += entry
            assumed += entry * asked.price.entries
    for used in block.fragments:
        put_in = below[used]
        once, lists, assumed = once + put_in.once, lists + put_in.lists, assumed + put_in.assumed
    return Points(min(once, MOST), min(lists, MOST), min(assumed, MOST))


def _many(asked: SelectedField, sizes: Mapping[str, int | None]) -> int:
    """Give how many things a field asks for; the most that there can be where that cannot be told."""
    cost, default = asked.price.cost, asked.price.default
    match asked.many:
        case None:
            return default
        case VariableNode():
            found = sizes.get(asked.many.name.value, default)
        case _:
            found = size_of_literal(asked.many, cost.most)
    return default if found is None else max(0, min(found, cost.most))


def size_of_literal(value: ValueNode, most: int) -> int | None:
    """Give how many things a value in the document asks for; None for null, and 1 for what is no list and no number."""
    match value:
        case NullValueNode():
            return None
        case IntValueNode():
            return int(value.value) if len(value.value) <= _LONGEST_NUMBER else most
        case ListValueNode():
            return len(value.values)
        case _:
            return 1


def size_of(value: Any) -> int | None:
    """Return the size that a coerced value asks for: a number itself, the length of a list, None for null.

    Any other value sizes an argument of another type, which validation refuses.
    """
    if value is None or isinstance(value, int):
        return value
    return len(value) if isinstance(value, list) else 1


def sizing_variables(outline: SelectionOutline) -> tuple[str, ...]:
    """Return the names of the variables that say how many things are asked for."""
    names = (
        asked.many.name.value
        for block in outline.blocks
        for asked in block.fields
        if isinstance(asked.many, VariableNode)
    )
    return tuple(dict.fromkeys(names))


def sizes_of(variables: Mapping[str, Any], names: Iterable[str]) -> dict[str, int | None]:
    """Return the sizes of these variables.

    Parameters
    ----------
    variables
        Coerced values, with the operation's defaults filled in: those that the resolvers receive. A variable without
        a value is absent, and the default of its argument counts.
    """
    return {name: size_of(variables[name]) for name in names if name in variables}
