"""How large a document is once its fragments are put in, found without putting them in."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from graphql import DocumentNode, Node

from gateway.limits.selections import SelectedField, SelectionBlock, SelectionOutline

INTROSPECTION = frozenset({"__schema", "__type"})

_LISTS_OF_TYPES = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
"""Fields of `__Type` that lead from one type to many: one within another goes through the schema many times over."""


@dataclass(frozen=True, slots=True)
class SelectionSize:
    """The size of a selection set and of all below it.

    Attributes
    ----------
    depth
        Fields within fields; `__schema` and `__type` and what is below are not counted.
    introspection_depth
        The same from `__schema` or `__type` on.
    types_within_types
        How often a list of types, fields or arguments stands within another, in introspection.
    fields, fragments, aliases
        Fields, uses of fragments, and fields with another name than their own; each counted wherever it comes in.
    """

    depth: int = 0
    introspection_depth: int = 0
    types_within_types: int = 0
    fields: int = 0
    fragments: int = 0
    aliases: int = 0


@dataclass(frozen=True, slots=True)
class DocumentSize:
    """All that is measured of a document, whatever its variables.

    Attributes
    ----------
    largest
        The largest of each size over all operations and fragments, also those that are not run: validation looks at
        them all.
    repeats
        How often the root field that is asked for most is asked for, and its name.
    directives
        The most on one place.
    operations, definitions
        How many operations and how many named fragments it has.
    nesting
        Lists and objects within each other in a value that stands in the document.
    members
        The most fields of an object that stands in the document.
    """

    largest: SelectionSize
    repeats: tuple[int, str]
    directives: int
    operations: int
    definitions: int
    nesting: int
    members: int


def measure(document: DocumentNode, outline: SelectionOutline) -> DocumentSize:
    """Measure a document."""
    shapes: list[SelectionSize] = []
    for block in outline.blocks:
        shapes.append(_shape(block, shapes))
    directives, nesting, members = _places(document)
    return DocumentSize(
        largest=_largest(shapes),
        repeats=_repeats(outline),
        directives=directives,
        operations=len(outline.operations),
        definitions=len(outline.definitions),
        nesting=nesting,
        members=members,
    )


def pairs_to_merge(outline: SelectionOutline) -> int:
    """Count the pairs of fields that stand under one name in the answer: validation compares each.

    It writes fragments out, so it is for a document whose fields and fragments have been counted.
    """
    used = {index for block in outline.blocks for index in block.fragments}
    merged = [[root] for root in (*outline.operations, *outline.definitions) if root not in used]
    pairs = 0
    while merged:
        by_key: dict[str, list[int | None]] = {}
        blocks = merged.pop()
        while blocks:
            block = outline.blocks[blocks.pop()]
            blocks += block.fragments
            for asked in block.fields:
                by_key.setdefault(asked.key, []).append(asked.block)
        for same in by_key.values():
            pairs += len(same) * (len(same) - 1) // 2
            below = [index for index in same if index is not None]
            if below:
                merged.append(below)
    return pairs


def _shape(block: SelectionBlock, below: list[SelectionSize]) -> SelectionSize:
    depth = introspection_depth = types_within_types = fields = fragments = aliases = 0
    for asked in block.fields:
        under = below[asked.block] if asked.block is not None else SelectionSize()
        if asked.name in INTROSPECTION or _is_introspection(block):
            introspection_depth = max(introspection_depth, 1 + under.introspection_depth)
        else:
            depth = max(depth, 1 + under.depth)
            introspection_depth = max(introspection_depth, under.introspection_depth)
        types_within_types = max(types_within_types, under.types_within_types + _is_list_of_types(block, asked))
        fields += 1 + under.fields
        fragments += under.fragments
        aliases += asked.is_aliased + under.aliases
    for used in block.fragments:
        put_in = below[used]
        depth = max(depth, put_in.depth)
        introspection_depth = max(introspection_depth, put_in.introspection_depth)
        types_within_types = max(types_within_types, put_in.types_within_types)
        fields += put_in.fields
        fragments += 1 + put_in.fragments
        aliases += put_in.aliases
    return SelectionSize(depth, introspection_depth, types_within_types, fields, fragments, aliases)


def _is_introspection(block: SelectionBlock) -> bool:
    return block.type is not None and block.type.startswith("__")


def _is_list_of_types(block: SelectionBlock, asked: SelectedField) -> bool:
    return block.type == "__Type" and asked.name in _LISTS_OF_TYPES


def _largest(shapes: list[SelectionSize]) -> SelectionSize:
    return SelectionSize(
        *(
            max((getattr(shape, size) for shape in shapes), default=0)
            for size in ("depth", "introspection_depth", "types_within_types", "fields", "fragments", "aliases")
        )
    )


def _repeats(outline: SelectionOutline) -> tuple[int, str]:
    """Find the root field that an operation asks for most often, under all its names and through all fragments."""
    roots = {outline.blocks[operation].type for operation in outline.operations}
    counted: list[Counter[str]] = []
    for block in outline.blocks:
        count = Counter(asked.name for asked in block.fields) if block.type in roots else Counter[str]()
        for used in block.fragments:
            count.update(counted[used])
        counted.append(count)
    most = [counted[operation].most_common(1) for operation in outline.operations]
    return max(((times, name) for ((name, times),) in filter(None, most)), default=(0, ""))


def _places(document: DocumentNode) -> tuple[int, int, int]:
    """Give the most directives on one place, how deep values are nested, and the most fields of an object."""
    directives = nesting = members = 0
    pending: list[tuple[Node, int]] = [(document, 0)]
    while pending:
        node, depth = pending.pop()
        directives = max(directives, len(getattr(node, "directives", None) or ()))
        if node.kind in ("list_value", "object_value"):
            depth += 1
            nesting = max(nesting, depth)
            members = max(members, len(getattr(node, "fields", ())))
        pending += [(child, depth) for child in _children(node)]
    return directives, nesting, members


def _children(node: Node) -> Iterator[Node]:
    for value in vars(node).values():
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple | list):
            yield from value
