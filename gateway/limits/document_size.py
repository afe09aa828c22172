"""Size of a document with its fragments expanded, computed without expanding them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graphql import DocumentNode, Node, VariableNode

from gateway.limits.selections import SelectedField, SelectionBlock, SelectionOutline

INTROSPECTION = frozenset({"__schema", "__type"})

_LISTS_OF_TYPES = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
"""Fields of `__Type` that lead from one type to many: nested, they traverse the schema many times."""


class SelectionSize(NamedTuple):
    """Size of a selection set, including all selection sets below it."""

    depth: int = 0  # nesting of fields outside `__schema` and `__type`
    introspection_depth: int = 0  # nesting of fields from `__schema` or `__type` on
    nested_type_lists: int = 0  # nesting of lists of types, fields or arguments in introspection
    fields: int = 0  # number of fields, fragments expanded
    fragments: int = 0  # number of fragment spreads, fragments expanded
    aliases: int = 0  # number of aliased fields, fragments expanded


@dataclass(frozen=True, slots=True)
class DocumentSize:
    """Measures of a document that do not depend on its variables."""

    # The maximum of each size over all operations and fragments: all of them are validated.
    largest: SelectionSize
    repeats: tuple[int, str]  # the number of selections of the most selected root field, and its name
    directives: int  # maximum number of directives at one place
    operations: int  # number of operations
    named_fragments: int  # number of named fragments
    nesting: int  # nesting of lists and objects in a literal value
    object_fields: int  # maximum number of fields of an object literal
    nodes: int  # number of nodes of the syntax tree
    variables: Counter[str]  # number of nodes that name a variable, its definitions included


def measure(document: DocumentNode, outline: SelectionOutline) -> DocumentSize:
    """Measure a document."""
    sizes: list[SelectionSize] = []
    for block in outline.blocks:
        sizes.append(_selection_size(block, sizes))
    directives, nesting, object_fields, nodes, variables = _measure_nodes(document)
    return DocumentSize(
        largest=SelectionSize(*map(max, zip(*sizes, strict=True))),
        repeats=_repeats(outline),
        directives=directives,
        operations=len(outline.operations),
        named_fragments=len(outline.named_fragments),
        nesting=nesting,
        object_fields=object_fields,
        nodes=nodes,
        variables=variables,
    )


def pairs_to_merge(outline: SelectionOutline) -> int:
    """Count the pairs of fields with the same response name, fragments expanded. Validation compares each pair."""
    spread_blocks = {fragment.block for block in outline.blocks for fragment in block.fragments}
    pending = [[root] for root in (*outline.operations, *outline.named_fragments) if root not in spread_blocks]
    pairs = 0
    while pending:
        by_key: dict[str, list[int | None]] = {}
        blocks = pending.pop()
        while blocks:
            block = outline.blocks[blocks.pop()]
            blocks += [fragment.block for fragment in block.fragments]
            for selected in block.fields:
                by_key.setdefault(selected.key, []).append(selected.block)
        for children in by_key.values():
            pairs += len(children) * (len(children) - 1) // 2
            blocks_below = [index for index in children if index is not None]
            if blocks_below:
                pending.append(blocks_below)
    return pairs


def _selection_size(block: SelectionBlock, sizes: list[SelectionSize]) -> SelectionSize:
    depth = introspection_depth = nested_type_lists = fields = fragments = aliases = 0
    for selected in block.fields:
        child = sizes[selected.block] if selected.block is not None else SelectionSize()
        if selected.name in INTROSPECTION or _is_introspection(block):
            introspection_depth = max(introspection_depth, 1 + child.introspection_depth)
        else:
            depth = max(depth, 1 + child.depth)
            introspection_depth = max(introspection_depth, child.introspection_depth)
        nested_type_lists = max(nested_type_lists, child.nested_type_lists + _is_list_of_types(block, selected))
        fields += 1 + child.fields
        fragments += child.fragments
        aliases += selected.is_aliased + child.aliases
    for fragment in block.fragments:
        spread = sizes[fragment.block]
        depth = max(depth, spread.depth)
        introspection_depth = max(introspection_depth, spread.introspection_depth)
        nested_type_lists = max(nested_type_lists, spread.nested_type_lists)
        fields += spread.fields
        fragments += 1 + spread.fragments
        aliases += spread.aliases
    return SelectionSize(depth, introspection_depth, nested_type_lists, fields, fragments, aliases)


def _is_introspection(block: SelectionBlock) -> bool:
    return block.type is not None and block.type.startswith("__")


def _is_list_of_types(block: SelectionBlock, selected: SelectedField) -> bool:
    return block.type == "__Type" and selected.name in _LISTS_OF_TYPES


def _repeats(outline: SelectionOutline) -> tuple[int, str]:
    """Find the most selected root field of an operation, aliases and fragments included."""
    roots = {outline.blocks[operation].type for operation in outline.operations}
    counts: list[Counter[str]] = []
    for block in outline.blocks:
        count = Counter(selected.name for selected in block.fields) if block.type in roots else Counter[str]()
        for fragment in block.fragments:
            count.update(counts[fragment.block])
        counts.append(count)
    maxima = [counts[operation].most_common(1) for operation in outline.operations]
    return max(((times, name) for ((name, times),) in filter(None, maxima)), default=(0, ""))


def _measure_nodes(document: DocumentNode) -> tuple[int, int, int, int, Counter[str]]:
    """Return the maxima of directives at one place, of the nesting of literals and of the fields of an object.

    Then follow the number of nodes, and the number of nodes that name each variable.
    """
    directives = nesting = object_fields = nodes = 0
    variables = Counter[str]()
    pending: list[tuple[Node, int]] = [(document, 0)]
    while pending:
        node, depth = pending.pop()
        nodes += 1
        directives = max(directives, len(getattr(node, "directives", None) or ()))
        if isinstance(node, VariableNode):
            variables[node.name.value] += 1
        if node.kind in ("list_value", "object_value"):
            depth += 1
            nesting = max(nesting, depth)
            object_fields = max(object_fields, len(getattr(node, "fields", ())))
        pending += [(child, depth) for child in _children(node)]
    return directives, nesting, object_fields, nodes, variables


def _children(node: Node) -> Iterator[Node]:
    for value in vars(node).values():
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple | list):
            yield from value
