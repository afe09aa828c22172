"""A document as a list of blocks: every selection set once, what it holds before itself.

Fragments make a document a graph, in which a text of 700 bytes can stand for a million fields. Whoever goes through the
blocks in their order needs each result once and never looks twice: a limit that is linear in the document. Nothing here
calls itself, so that no document is too deep for it.
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

from gateway.limits.errors import OverLimit
from gateway.limits.field_costs import FieldCost, FieldCosts


@dataclass(frozen=True, slots=True)
class SelectedField:
    """A field as a document asks for it.

    Attributes
    ----------
    key
        The name that it has in the answer.
    many
        The value that says how many things it asks for; None if it is left out, or nothing says so.
    block
        The index of the block below it; None for a leaf.
    """

    name: str
    key: str
    is_aliased: bool
    price: FieldCost
    many: ValueNode | None
    block: int | None


@dataclass(frozen=True, slots=True)
class SelectionBlock:
    """A selection set: its own fields, and the indices of the blocks that its fragments put in.

    Attributes
    ----------
    type
        The type whose fields it selects; None if the document names one that is not there.
    """

    type: str | None
    fields: list[SelectedField] = field(default_factory=list)
    fragments: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SelectionOutline:
    """A document's blocks, each behind those that it refers to.

    Attributes
    ----------
    operations
        The index of each operation's block, in the order of the document's operations.
    definitions
        The indices of the blocks of named fragments.
    """

    blocks: list[SelectionBlock]
    operations: list[int]
    definitions: list[int]


@dataclass(slots=True)
class _Open:
    """A selection set that is looked at."""

    node: SelectionSetNode
    type: str | None


def outline(document: DocumentNode, prices: FieldCosts) -> SelectionOutline:
    """List the blocks of a document.

    Raises
    ------
    OverLimit
        If a fragment contains itself: it has no end.
    """
    return _Outlining(document, prices).run()


class _Outlining:
    def __init__(self, document: DocumentNode, prices: FieldCosts) -> None:
        self._document = document
        self._prices = prices
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._blocks: list[SelectionBlock] = []
        self._index: dict[int, int] = {}  # by the id of the selection set's node: the document holds it

    def run(self) -> SelectionOutline:
        operations, definitions = [], []
        for node in self._document.definitions:
            if isinstance(node, OperationDefinitionNode):
                root = self._prices.roots.get(node.operation.value)
                operations.append(self._add(_Open(node.selection_set, root)))
            elif isinstance(node, FragmentDefinitionNode):  # also one that nobody uses: validation will look at it
                definitions.append(self._add(self._fragment(node)))
        return SelectionOutline(self._blocks, operations, definitions)

    def _add(self, first: _Open) -> int:
        """Add a selection set behind all that it refers to, and give its index."""
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
                raise OverLimit("FRAGMENT_CYCLE", _CYCLE, asked=1, allowed=0)
            stack += missing
        return self._index[id(first.node)]

    def _below(self, top: _Open) -> Iterator[_Open]:
        for node in top.node.selections:
            match node:
                case FieldNode(selection_set=SelectionSetNode() as below):
                    yield _Open(below, self._prices.of(top.type, node.name.value).type)
                case InlineFragmentNode():
                    yield self._inline(node, top.type)
                case FragmentSpreadNode() if node.name.value in self._fragments:
                    yield self._fragment(self._fragments[node.name.value])

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
        price = self._prices.of(type_, node.name.value)
        sizing = (price.cost.by, price.cost.or_by)
        many = next((given.value for given in node.arguments or () if given.name.value in sizing), None)
        below = None if node.selection_set is None else self._index[id(node.selection_set)]
        key = node.name.value if node.alias is None else node.alias.value
        return SelectedField(node.name.value, key, node.alias is not None, price, many, below)

    def _inline(self, node: InlineFragmentNode, type_: str | None) -> _Open:
        condition = node.type_condition
        return _Open(node.selection_set, type_ if condition is None else condition.name.value)

    def _fragment(self, node: FragmentDefinitionNode) -> _Open:
        return _Open(node.selection_set, node.type_condition.name.value)


_CYCLE = "A fragment contains itself, directly or through others. Take it out of there: such a query has no end."
