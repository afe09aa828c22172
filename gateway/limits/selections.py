"""A document as a list of blocks: each selection set once, behind all that it refers to.

Fragments make a document a graph, in which a text of 700 bytes can stand for a million fields. A pass through the
blocks in order computes each result once: the cost of a limit is linear in the document. Nothing here is recursive, so
that no document is too deep for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)

from gateway.errors import OverLimit
from gateway.limits.field_costs import FieldCost, FieldCosts


@dataclass(frozen=True, slots=True)
class SelectedField:
    """A field in a selection set."""

    name: str
    key: str  # its response name
    is_aliased: bool
    field_cost: FieldCost
    size: ValueNode | None  # the value of the argument that determines how many things it selects; None without one
    block: int | None  # the index of the block below it; None for a leaf


@dataclass(frozen=True, slots=True)
class SelectionBlock:
    """A selection set: its own fields, and the indices of the blocks of its fragments."""

    type: str | None  # the type whose fields it selects; None for an unknown type
    fields: list[SelectedField] = field(default_factory=list)
    fragments: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SelectionOutline:
    """A document's blocks, each behind those that it refers to."""

    blocks: list[SelectionBlock]
    operations: list[int]  # the index of each operation's block, in the order of the document's operations
    definitions: list[int]  # the indices of the blocks of named fragments


@dataclass(slots=True)
class _Open:
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
        self._index: dict[int, int] = {}  # by the id of the selection set's node: the document holds it

    def run(self) -> SelectionOutline:
        operations, definitions = [], []
        for node in self._document.definitions:
            if isinstance(node, OperationDefinitionNode):
                root = self._costs.roots.get(node.operation.value)
                operations.append(self._add(_Open(node.selection_set, root)))
            elif isinstance(node, FragmentDefinitionNode):  # also an unused one: validation looks at it
                definitions.append(self._add(_open_fragment(node)))
        return SelectionOutline(self._blocks, operations, definitions)

    def _add(self, first: _Open) -> int:
        """Add a selection set behind all that it refers to, and return its index."""
        stack, entered = [first], set[int]()
        while stack:
            top = stack[-1]
            key = id(top.node)
            if key in self._index:
                stack.pop()
                continue
            missing = [below for below in self._below(top) if id(below.node) not in self._index]
            if not missing:
                stack.pop()
                self._index[key] = len(self._blocks)
                self._blocks.append(self._block(top))
                continue
            entered.add(key)
            if any(id(below.node) in entered for below in missing):
                message = "A fragment contains itself, directly or through others. Remove the cycle."
                raise OverLimit("FRAGMENT_CYCLE", message, asked=1, allowed=0)
            stack += missing
        return self._index[id(first.node)]

    def _below(self, top: _Open) -> Iterator[_Open]:
        for node in top.node.selections:
            match node:
                case FieldNode(selection_set=SelectionSetNode() as below):
                    yield _Open(below, self._costs.of(top.type, node.name.value).type)
                case InlineFragmentNode():
                    condition = node.type_condition
                    yield _Open(node.selection_set, top.type if condition is None else condition.name.value)
                case FragmentSpreadNode() if node.name.value in self._fragments:
                    yield _open_fragment(self._fragments[node.name.value])

    def _block(self, top: _Open) -> SelectionBlock:
        block = SelectionBlock(top.type)
        for node in top.node.selections:
            match node:
                case FieldNode():
                    block.fields.append(self._asked(node, top.type))
                case InlineFragmentNode():
                    block.fragments.append(self._index[id(node.selection_set)])
                case FragmentSpreadNode() if node.name.value in self._fragments:
                    below = self._fragments[node.name.value].selection_set
                    block.fragments.append(self._index[id(below)])
        return block

    def _asked(self, node: FieldNode, type_: str | None) -> SelectedField:
        field_cost = self._costs.of(type_, node.name.value)
        sizing = (field_cost.cost.by, field_cost.cost.or_by)
        size = next((given.value for given in node.arguments or () if given.name.value in sizing), None)
        below = None if node.selection_set is None else self._index[id(node.selection_set)]
        key = node.name.value if node.alias is None else node.alias.value
        return SelectedField(node.name.value, key, node.alias is not None, field_cost, size, below)


def _open_fragment(node: FragmentDefinitionNode) -> _Open:
    return _Open(node.selection_set, node.type_condition.name.value)
