"""Outline of a document: a list of its selection sets (blocks), each once, after all blocks that it refers to.

With nested fragments, a document of 700 bytes can expand to a million fields. One pass over the blocks computes each
measure, so the time is linear in the length of the document. Nothing here is recursive, so no document is too deep.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from gateway.errors import OverLimit
from gateway.limits.field_costs import FieldCost, FieldCosts


class Condition(NamedTuple):
    """The condition of a `@skip` or an `@include`."""

    value: VariableNode | BooleanValueNode
    selects: bool  # the value with which the selection is executed

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Tell whether the selection is executed. A variable without a value is an error of the request."""
        if isinstance(self.value, BooleanValueNode):
            return self.value.value is self.selects
        return variables.get(self.value.name.value, self.selects) is self.selects


@dataclass(frozen=True, slots=True)
class SelectedField:
    """A field in a selection set."""

    name: str
    key: str  # its response name
    is_aliased: bool
    field_cost: FieldCost
    size: ValueNode | None  # the value of the argument that determines the number of entries, or None without one
    block: int | None  # the index of its block, or None for a leaf
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectedFragment:
    """An inline fragment or a fragment spread in a selection set."""

    block: int  # the index of its block
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectionBlock:
    """A selection set: its fields and its fragments."""

    type: str | None  # the type whose fields it selects, or None for an unknown type
    fields: list[SelectedField] = field(default_factory=list)
    fragments: list[SelectedFragment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SelectionOutline:
    """The blocks of a document, each after all blocks that it refers to."""

    blocks: list[SelectionBlock]
    operations: list[int]  # the index of each operation's block, in the order of the document's operations
    named_fragments: list[int]  # the indices of the blocks of named fragments


class _PendingBlock(NamedTuple):
    """A selection set that is not yet a block."""

    node: SelectionSetNode
    type: str | None


def outline(document: DocumentNode, costs: FieldCosts) -> SelectionOutline:
    """List the blocks of a document. Raises `OverLimit` if a fragment contains itself."""
    return _Builder(document, costs).run()


class _Builder:
    def __init__(self, document: DocumentNode, costs: FieldCosts) -> None:
        self._document = document
        self._costs = costs
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._blocks: list[SelectionBlock] = []
        self._index_by_node: dict[int, int] = {}  # by the `id` of the node, which the document keeps alive

    def run(self) -> SelectionOutline:
        operations, named_fragments = [], []
        for node in self._document.definitions:
            if isinstance(node, OperationDefinitionNode):
                root_type = self._costs.roots.get(node.operation.value)
                operations.append(self._add(_PendingBlock(node.selection_set, root_type)))
            elif isinstance(node, FragmentDefinitionNode):  # an unused fragment too: it is validated
                named_fragments.append(self._add(_open_fragment(node)))
        return SelectionOutline(self._blocks, operations, named_fragments)

    def _add(self, root: _PendingBlock) -> int:
        """Add a selection set after all selection sets that it refers to, and return its index."""
        stack, open_nodes = [root], set[int]()
        while stack:
            pending = stack[-1]
            key = id(pending.node)
            if key in self._index_by_node:
                stack.pop()
                continue
            missing = [block for block in self._referenced(pending) if id(block.node) not in self._index_by_node]
            if not missing:
                stack.pop()
                self._index_by_node[key] = len(self._blocks)
                self._blocks.append(self._finish_block(pending))
                continue
            open_nodes.add(key)
            if any(id(block.node) in open_nodes for block in missing):
                message = "A fragment contains itself, directly or through others. Remove the cycle."
                raise OverLimit("FRAGMENT_CYCLE", message, asked=1, allowed=0)
            stack += missing
        return self._index_by_node[id(root.node)]

    def _referenced(self, pending: _PendingBlock) -> Iterator[_PendingBlock]:
        for node in pending.node.selections:
            match node:
                case FieldNode(selection_set=SelectionSetNode() as selection_set):
                    yield _PendingBlock(selection_set, self._costs.find(pending.type, node.name.value).type)
                case InlineFragmentNode():
                    condition = node.type_condition
                    yield _PendingBlock(node.selection_set, pending.type if condition is None else condition.name.value)
                case FragmentSpreadNode() if node.name.value in self._fragments:
                    yield _open_fragment(self._fragments[node.name.value])

    def _finish_block(self, pending: _PendingBlock) -> SelectionBlock:
        block = SelectionBlock(pending.type)
        for node in pending.node.selections:
            match node:
                case FieldNode():
                    block.fields.append(self._selected_field(node, pending.type))
                case InlineFragmentNode():
                    block.fragments.append(self._selected_fragment(node, node.selection_set))
                case FragmentSpreadNode() if node.name.value in self._fragments:
                    block.fragments.append(
                        self._selected_fragment(node, self._fragments[node.name.value].selection_set)
                    )
        return block

    def _selected_field(self, node: FieldNode, type_: str | None) -> SelectedField:
        field_cost = self._costs.find(type_, node.name.value)
        sizing = (field_cost.cost.size_argument, field_cost.cost.alternative_argument)
        size = next((argument.value for argument in node.arguments or () if argument.name.value in sizing), None)
        block = None if node.selection_set is None else self._index_by_node[id(node.selection_set)]
        key = node.name.value if node.alias is None else node.alias.value
        return SelectedField(node.name.value, key, node.alias is not None, field_cost, size, block, _conditions(node))

    def _selected_fragment(
        self, node: InlineFragmentNode | FragmentSpreadNode, selection_set: SelectionSetNode
    ) -> SelectedFragment:
        return SelectedFragment(self._index_by_node[id(selection_set)], _conditions(node))


def _open_fragment(node: FragmentDefinitionNode) -> _PendingBlock:
    return _PendingBlock(node.selection_set, node.type_condition.name.value)


def _conditions(node: SelectionNode) -> tuple[Condition, ...]:
    """Return the conditions of a selection. Validation reports a directive without a valid one."""
    return tuple(
        Condition(argument.value, directive.name.value == "include")
        for directive in node.directives or ()
        if directive.name.value in ("include", "skip")
        for argument in directive.arguments or ()
        if argument.name.value == "if" and isinstance(argument.value, VariableNode | BooleanValueNode)
    )
