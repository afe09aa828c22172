"""A parsed document, its operations and its analysis."""

from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode

from gateway.errors import RequestRefused
from gateway.limits.cost import Analysis
from gateway.masking import VALIDATING
from resolvers.common.field_costs import Sharing
from resolvers.execution.plans import DocumentPlans

_MAX_NAMES = 10
"""Maximum number of operations that a message lists."""


class DocumentRefused(Exception):
    """A document that cannot run: a request error in GraphQL's terms, before any field is executed.

    `default_code` is the code of errors that have no code of their own (see `gateway.masking.error_for_client`).
    """

    def __init__(self, errors: list[GraphQLError], default_code: str = VALIDATING) -> None:
        super().__init__(errors[0].message)
        self.errors = errors
        self.default_code = default_code


@dataclass(slots=True)
class Document:
    """A parsed document."""

    text: str
    node: DocumentNode  # the syntax tree, which requests with the same text share: never modify it
    is_valid: bool = False  # whether it has been validated against the schema
    is_cached: bool = False  # whether it arrived before and is kept for further requests
    analysis: Analysis | None = None  # its analysis by `gateway.limits`, or None before the first request
    # The callers who get the same answer (`graphql_http.public_caching`), or None before the first check.
    sharing: Sharing | None = None
    plans: DocumentPlans = field(default_factory=DocumentPlans)  # how its operations are executed
    operations: list[OperationDefinitionNode] = field(init=False)

    def __post_init__(self) -> None:
        self.operations = [node for node in self.node.definitions if isinstance(node, OperationDefinitionNode)]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation of this name, or the only one. Raises `RequestRefused` if there is none."""
        if name is None and len(self.operations) == 1:
            return self.operations[0]
        operation = next((node for node in self.operations if node.name and node.name.value == name), None)
        if operation is None:
            raise RequestRefused(400, "OPERATION_RESOLUTION_FAILURE", self._selection_message(name))
        return operation

    def _selection_message(self, name: str | None) -> str:
        if not self.operations:
            return "The document contains only fragments. Add a query or a mutation."
        names = [node.name.value[:100] for node in self.operations[:_MAX_NAMES] if node.name]
        offered = f" It has: {', '.join(names)}." if names else ""
        if name is None:
            return f"The document has several operations: name one in operationName.{offered}"
        return f"The document has no operation of the name in operationName.{offered}"
