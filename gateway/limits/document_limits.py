"""The limits on a document: measured once a document, and its cost once for each size of its lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode

from gateway.limit_settings import LimitSettings
from gateway.limits.cost import cost_of, sizes_of, sizing_variables
from gateway.limits.document_size import DocumentSize, measure, pairs_to_merge
from gateway.limits.errors import OverLimit, amount
from gateway.limits.field_costs import FieldCosts
from gateway.limits.selections import SelectionOutline, outline

COSTS_KEPT = 64
"""Costs that are remembered for a document; a client asks for pages of two or three sizes."""

TYPES_WITHIN_TYPES = 1
"""How often introspection may go from types to types. GraphiQL's query does once; a second time multiplies the whole
schema by itself."""

MOST_MEMBERS = 50
"""Fields of an object that stands in a document; no input has 20. Each that is not there has the whole object written
into an error: 400 of them took 0.7 s."""


@dataclass(slots=True)
class Analysis:
    """What was found out about a document within its limits.

    Attributes
    ----------
    sizing
        The variables that say how many things are asked for.
    costs
        Costs that were added up, by operation and the sizes of those variables.
    """

    outline: SelectionOutline
    operations: list[OperationDefinitionNode]
    sizing: tuple[str, ...]
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """Add up what an operation costs with these coerced variables, in points."""
        sizes = sizes_of(variables, self.sizing)
        key = (id(operation), *sizes.items())
        known = self.costs.get(key)
        if known is None:
            index = next(i for i, node in enumerate(self.operations) if node is operation)
            known = cost_of(self.outline, self.outline.operations[index], sizes)
            if len(self.costs) < COSTS_KEPT:
                self.costs[key] = known
        return known


class DocumentLimits:
    """Measures documents against the settings.

    Parameters
    ----------
    schema
        The schema that documents are written for.
    """

    def __init__(self, schema: GraphQLSchema, settings: LimitSettings) -> None:
        self._prices = FieldCosts(schema)
        self._settings = settings

    def analyze(self, document: DocumentNode) -> Analysis:
        """Measure a document that has been parsed and not yet validated.

        Raises
        ------
        OverLimit
            If it is beyond one of the limits.
        """
        outlined = outline(document, self._prices)
        self._check(measure(document, outlined))
        self._check_merging(outlined)
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        return Analysis(outlined, operations, sizing_variables(outlined))

    def _check(self, sizes: DocumentSize) -> None:
        most, largest = self._settings, sizes.largest
        times, name = sizes.repeats
        for code, asked, allowed, sentence in (
            ("TOO_MANY_OPERATIONS", sizes.operations, most.max_operations, _OPERATIONS),
            ("TOO_MANY_FIELDS", largest.fields, most.max_fields, _FIELDS),
            ("TOO_MANY_FRAGMENTS", largest.fragments, most.max_fragments, _FRAGMENTS),
            ("TOO_MANY_FRAGMENTS", sizes.definitions, most.max_named_fragments, _NAMED_FRAGMENTS),
            ("TOO_DEEP", largest.depth, most.max_depth, _DEPTH),
            ("TOO_DEEP", largest.introspection_depth, most.max_introspection_depth, _INTROSPECTION),
            ("TOO_DEEP", largest.types_within_types, TYPES_WITHIN_TYPES, _TYPES),
            ("TOO_MANY_ALIASES", largest.aliases, most.max_aliases, _ALIASES),
            ("TOO_MANY_REPEATS", times, most.max_root_repeats, _REPEATS),
            ("TOO_MANY_DIRECTIVES", sizes.directives, most.max_directives, _DIRECTIVES),
            ("TOO_MANY_VALUES", sizes.members, MOST_MEMBERS, _MEMBERS),
            ("VALUES_TOO_DEEP", sizes.nesting, most.max_nesting, _NESTING),
        ):
            if asked > allowed:
                message = sentence.format(asked=amount(asked), allowed=amount(allowed), name=name[:50])
                raise OverLimit(code, message, asked=asked, allowed=allowed)

    def _check_merging(self, outlined: SelectionOutline) -> None:
        asked, allowed = pairs_to_merge(outlined), self._settings.max_merges
        if asked > allowed:
            message = _MERGES.format(asked=amount(asked), allowed=amount(allowed))
            raise OverLimit("TOO_MANY_MERGES", message, asked=asked, allowed=allowed)


def check_cost(asked: int, allowed: int) -> None:
    """Refuse an operation that costs too much.

    Raises
    ------
    OverLimit
        If it costs more points than it may.
    """
    if asked > allowed:
        message = _COST.format(asked=amount(asked), allowed=amount(allowed))
        raise OverLimit("TOO_COSTLY", message, asked=asked, allowed=allowed)


_OPERATIONS = "The document has {asked} operations; {allowed} are allowed. Send those that belong together."
_FIELDS = "The document asks for {asked} fields, fragments put in; {allowed} are allowed. Ask for less at a time."
_FRAGMENTS = "The document uses fragments {asked} times; {allowed} are allowed. Write some of them out."
_NAMED_FRAGMENTS = "The document has {asked} named fragments; {allowed} are allowed. Send only those that are used."
_MERGES = (
    "The document asks for the same fields again and again: {asked} pairs of them have to be compared; {allowed} are "
    "allowed. Ask for each once."
)
_MEMBERS = "An object in the document has {asked} fields; {allowed} are allowed. Send it as a variable."
_DEPTH = "The document is {asked} fields deep; {allowed} are allowed. Ask for what lies deeper in a query of its own."
_INTROSPECTION = "The introspection is {asked} fields deep; {allowed} are allowed. Ask for fewer `ofType`."
_TYPES = (
    "The introspection goes from types to types {asked} times; {allowed} is allowed. "
    "Ask for `__schema` once, and follow the names yourself."
)
_ALIASES = "The document gives {asked} fields another name; {allowed} are allowed. Use several requests."
_REPEATS = "An operation asks for `{name}` {asked} times; {allowed} are allowed. Use several requests."
_DIRECTIVES = "A place in the document has {asked} directives; {allowed} are allowed. One of a kind is enough."
_NESTING = "A value in the document is nested {asked} deep; {allowed} are allowed. Write it flatter."
_COST = (
    "The operation costs {asked} points; {allowed} are allowed. Ask for fewer things at a time: a smaller `first`, "
    "no list within a list, or fewer of the fields whose description names a cost."
)
