"""Limits of operations, which depend on the role of the caller."""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Any, TypeVar

from graphql import DocumentNode, GraphQLSchema, GraphQLSyntaxError, OperationDefinitionNode, parse

from db.deadlines import deadline
from gateway.errors import OverLimit, RequestRefused, format_amount
from gateway.limit_settings import LimitSettings
from gateway.limits.cost import Analysis
from gateway.limits.document_size import DocumentSize, measure, pairs_to_merge
from gateway.limits.field_costs import FieldCosts
from gateway.limits.selections import outline

CHARACTERS_PER_KB = 1_000

NEW_DOCUMENT_POINTS, NODE_POINTS, PAIR_POINTS = 150, 6.0, 0.7
"""Points of a document that the process does not remember, of each node of its syntax tree, and of each pair of
selections or fragments that validation compares. Parsing, validation and compilation take 1.5 ms and 60 µs per node."""

DOCUMENT_CHARACTERS_PER_POINT = 60
"""Characters of such a document per point: 60,000 take 30 ms in a text of many lines, and 3 ms as blanks."""

VALUES_PER_POINT = 10
"""Values of variables that are read and coerced per point: 9,000 take 3 ms in one list, 15 ms in objects."""

FREE_VALUES = 1_000
"""Values that are coerced before anything is charged: that takes 3 ms at most, as long as a separate charge."""

MAX_NESTED_TYPE_LISTS = 1
"""Nesting of lists of types in introspection. GraphiQL's query has one level; each further level multiplies the answer
by the size of the schema."""

MAX_OBJECT_FIELDS = 50
"""Maximum number of fields of an object literal in a document. No input type has 20. The error of each unknown field
quotes the whole object: 400 unknown fields took 0.7 s."""

T = TypeVar("T")


class Limits:
    """Limits of one gateway. The methods raise `OverLimit` with the code of the exceeded limit."""

    def __init__(self, schema: GraphQLSchema, settings: LimitSettings) -> None:
        self._field_costs = FieldCosts(schema)
        self._settings = settings

    def max_body_bytes(self, *, is_privileged: bool) -> int:
        """Return the bytes of the largest request body."""
        return 1024 * (self._settings.max_body_kb_service if is_privileged else self._settings.max_body_kb)

    @property
    def body_timeout_s(self) -> float:
        """The seconds that a request body may take to arrive."""
        return self._settings.body_timeout_s

    def timeout_s(self, *, is_privileged: bool) -> float:
        """Return the seconds that an operation may run."""
        settings = self._settings
        return settings.operation_timeout_service_s if is_privileged else settings.operation_timeout_s

    def parse(self, text: str) -> DocumentNode:
        """Parse a document that is not too long.

        Raises `OverLimit` if it has too many characters (64,000 blanks take 3 ms), tokens or comments. Raises
        `GraphQLSyntaxError` if it breaks GraphQL's grammar, or is nested too deep for a parser.
        """
        characters, tokens = self._settings.max_document_kb * CHARACTERS_PER_KB, self._settings.max_tokens
        _require("DOCUMENT_TOO_LONG", _CHARACTERS_MESSAGE, len(text), characters)
        try:
            return parse(text, max_lexical_tokens=tokens, max_comments=tokens)
        except GraphQLSyntaxError as error:
            if "Document contains more than" not in error.message:
                raise
        raise OverLimit("TOO_MANY_TOKENS", _TOKENS_MESSAGE.format(tokens), asked=tokens + 1, allowed=tokens)

    def check_variables(self, variables: dict[str, Any] | None, *, is_privileged: bool) -> int:
        """Check the size of the sent variables, and return the points for coercing them: 0 for few values."""
        max_values = self._settings.max_values_service if is_privileged else self._settings.max_values
        value_count = count_values(variables, max_nesting=self._settings.max_nesting, max_values=max_values)
        return value_count // VALUES_PER_POINT if value_count > FREE_VALUES else 0

    def analyze(self, document: DocumentNode) -> Analysis:
        """Measure a document that has been parsed and not yet validated."""
        outlined = outline(document, self._field_costs)
        sizes = measure(document, outlined)
        self._check_size(sizes)
        # Counting the pairs expands fragments, so their number is checked before.
        pairs = pairs_to_merge(outlined)
        _require("TOO_MANY_MERGES", _MERGES, pairs, self._settings.max_merges)
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        pairs += sizes.named_fragments * (sizes.named_fragments - 1) // 2
        characters = 0 if document.loc is None else document.loc.end
        points = NEW_DOCUMENT_POINTS + NODE_POINTS * sizes.nodes + PAIR_POINTS * pairs
        points += characters // DOCUMENT_CHARACTERS_PER_POINT
        return Analysis(outlined, operations, ceil(points), sizes.variables)

    def cost(
        self,
        analysis: Analysis,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        *,
        is_privileged: bool,
    ) -> int:
        """Return the cost of an operation in points. `variables` are the coerced values with which it runs."""
        cost = analysis.cost(operation, variables)
        check_cost(cost, self._settings.max_cost_service if is_privileged else self._settings.max_cost)
        return cost

    def _check_size(self, sizes: DocumentSize) -> None:
        settings, largest = self._settings, sizes.largest
        repeats, name = sizes.repeats
        for code, asked, allowed, sentence in (
            ("TOO_MANY_OPERATIONS", sizes.operations, settings.max_operations, _OPERATIONS_MESSAGE),
            ("TOO_MANY_FIELDS", largest.fields, settings.max_fields, _FIELDS_MESSAGE),
            ("TOO_MANY_FRAGMENTS", largest.fragments, settings.max_fragments, _FRAGMENTS),
            ("TOO_MANY_FRAGMENTS", sizes.named_fragments, settings.max_named_fragments, _NAMED_FRAGMENTS),
            ("TOO_DEEP", largest.depth, settings.max_depth, _DEPTH),
            ("TOO_DEEP", largest.introspection_depth, settings.max_introspection_depth, _INTROSPECTION),
            ("TOO_DEEP", largest.nested_type_lists, MAX_NESTED_TYPE_LISTS, _TYPES),
            ("TOO_MANY_ALIASES", largest.aliases, settings.max_aliases, _ALIASES),
            ("TOO_MANY_REPEATS", repeats, settings.max_root_repeats, _REPEATS),
            ("TOO_MANY_DIRECTIVES", sizes.directives, settings.max_directives, _DIRECTIVES),
            ("TOO_MANY_VALUES", sizes.object_fields, MAX_OBJECT_FIELDS, _MEMBERS),
            ("VALUES_TOO_DEEP", sizes.nesting, settings.max_nesting, _NESTING),
        ):
            _require(code, sentence, asked, allowed, name[:50])


def count_values(variables: dict[str, Any] | None, *, max_nesting: int, max_values: int) -> int:
    """Count the values of variables, lists and objects included, without recursion.

    Raises `OverLimit` if there are more than `max_values`, or they are nested deeper than `max_nesting`.
    """
    level: list[Any] = list((variables or {}).values())
    levels = count = 0
    while level:
        count += len(level)
        if count > max_values:
            message = f"The variables hold more than {format_amount(max_values)} values. Use several requests."
            raise OverLimit("TOO_MANY_VALUES", message, asked=count, allowed=max_values)
        next_level: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                next_level += value.values()
            elif isinstance(value, list):
                next_level += value
        if any(isinstance(value, dict | list) for value in level):
            levels += 1
        if levels > max_nesting:
            message = f"The variables are nested more than {max_nesting} deep. Send flatter values."
            raise OverLimit("VALUES_TOO_DEEP", message, asked=levels, allowed=max_nesting)
        level = next_level
    return count


def check_cost(asked: int, allowed: int) -> None:
    """Refuse an operation that costs too many points. Raises `OverLimit`."""
    _require("TOO_COSTLY", _COST, asked, allowed)


def _require(code: str, sentence: str, asked: int, allowed: int, name: str = "") -> None:
    if asked > allowed:
        message = sentence.format(asked=format_amount(asked), allowed=format_amount(allowed), name=name)
        raise OverLimit(code, message, asked=asked, allowed=allowed)


class OperationTimeout(RequestRefused):
    """An operation took too long. Its committed writes remain; each mutation is one transaction."""

    def __init__(self, timeout_s: float) -> None:
        message = f"The operation did not end within {timeout_s:g} s and was stopped. Request less data at a time."
        super().__init__(503, "TIMEOUT", message, extensions={"seconds": timeout_s})


async def run_within(seconds: float, operation: Awaitable[T], cancel: Callable[[], None]) -> T:
    """Wait for an operation, then call `cancel` to stop the tasks that it has started. Raises `OperationTimeout`."""
    try:
        async with deadline(seconds) as timeout:
            return await operation
    except TimeoutError:
        if not timeout.expired():
            raise  # the timeout of a resolver
        raise OperationTimeout(seconds) from None
    finally:
        cancel()


_CHARACTERS_MESSAGE = (
    "The document has {asked} characters; {allowed} are allowed. Send values as variables, or split the document."
)
_TOKENS_MESSAGE = "The document has more than {:,} tokens. Send values as variables, or split the document."
_OPERATIONS_MESSAGE = "The document has {asked} operations; {allowed} are allowed. Send them in several documents."
_FIELDS_MESSAGE = (
    "The document selects {asked} fields, fragments expanded; {allowed} are allowed. Use several requests."
)
_FRAGMENTS = "The document uses fragments {asked} times; {allowed} are allowed. Inline some of them."
_NAMED_FRAGMENTS = "The document has {asked} named fragments; {allowed} are allowed. Send only those that are used."
_MERGES = (
    "The document selects the same fields repeatedly: {asked} pairs of them have to be compared; {allowed} are "
    "allowed. Select each field once."
)
_MEMBERS = "An object in the document has {asked} fields; {allowed} are allowed. Send it as a variable."
_DEPTH = "The document is {asked} fields deep; {allowed} are allowed. Select deeper fields in a separate query."
_INTROSPECTION = "The introspection is {asked} fields deep; {allowed} are allowed. Select fewer `ofType`."
_TYPES = (
    "The introspection nests {asked} lists of types; {allowed} is allowed. "
    "Select `__schema` once, and follow the names yourself."
)
_ALIASES = "The document has {asked} aliases; {allowed} are allowed. Use several requests."
_REPEATS = "An operation selects `{name}` {asked} times; {allowed} are allowed. Use several requests."
_DIRECTIVES = "A place in the document has {asked} directives; {allowed} are allowed. Remove the repeated ones."
_NESTING = "A value in the document is nested {asked} deep; {allowed} are allowed. Send a flatter value."
_COST = (
    "The operation costs {asked} points; {allowed} are allowed. Request less data at a time: a smaller `first`, no "
    "list within a list, or fewer of the fields whose description states a cost."
)
