"""One document: its operations, and what has been found out about it so far."""

from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode

from gateway.errors import RequestRefused
from gateway.limits.document_limits import Analysis
from gateway.masking import VALIDATING

_NAMES_TOLD = 10
"""Operations that a refusal lists; nobody chooses from more."""


class DocumentRefused(Exception):
    """A document that cannot be run: what GraphQL calls a request error, before any field is asked for.

    Parameters
    ----------
    errors
        What is wrong with it, with places.
    found_while
        As in `gateway.masking.visible`.
    """

    def __init__(self, errors: list[GraphQLError], found_while: str = VALIDATING) -> None:
        super().__init__(errors[0].message)
        self.errors = errors
        self.found_while = found_while


@dataclass(slots=True)
class Document:
    """A parsed document.

    Attributes
    ----------
    text
        As it was sent.
    node
        Its syntax tree. One tree serves every request that sends the same text: never change it.
    is_valid
        Whether it has been validated against the schema.
    analysis
        What was measured of it; None until somebody has.
    is_shared
        Whether all that it asks for is the same for everybody unknown (`graphql_http.caching`); None until asked.
    """

    text: str
    node: DocumentNode
    is_valid: bool = False
    analysis: Analysis | None = None
    is_shared: bool | None = None
    operations: list[OperationDefinitionNode] = field(init=False)

    def __post_init__(self) -> None:
        self.operations = [node for node in self.node.definitions if isinstance(node, OperationDefinitionNode)]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Give the operation of this name, or the only one.

        Raises
        ------
        RequestRefused
            If there is none of this name, or several and no name.
        """
        if name is None and len(self.operations) == 1:
            return self.operations[0]
        found = next((node for node in self.operations if node.name and node.name.value == name), None)
        if found is None:
            raise RequestRefused(400, "OPERATION_RESOLUTION_FAILURE", self._choice(name))
        return found

    def _choice(self, name: str | None) -> str:
        if not self.operations:
            return "The document holds fragments only. Add a query or a mutation."
        names = [node.name.value[:100] for node in self.operations[:_NAMES_TOLD] if node.name]
        offered = f" It has: {', '.join(names)}." if names else ""
        if name is None:
            return f"The document has several operations: say in operationName which one to run.{offered}"
        return f"The document has no operation of the name in operationName.{offered}"
