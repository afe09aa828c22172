"""The limits of one gateway: what an operation may ask for, by whom."""

from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode

from gateway.documents.document import Document
from gateway.limit_settings import LimitSettings
from gateway.limits.document_limits import Analysis, DocumentLimits, check_cost
from gateway.limits.parsing import parse_within
from gateway.limits.variables import check_variables

CHARACTERS = 1_000
"""In a thousand of the setting's characters."""

VALUES_A_POINT = 3
"""Values of variables that are coerced for a point: 10,000 in objects take 15 ms, 32 ms if the last does not fit."""

FEW_VALUES = 1_000
"""Values that are coerced before anything is charged, in 3 ms at most: a separate charge would cost as much."""


class Limits:
    """What may be asked for. What raises `OverLimit` says which limit it was.

    Parameters
    ----------
    schema
        The schema that documents are written for.
    settings
        The limits.
    """

    def __init__(self, schema: GraphQLSchema, settings: LimitSettings) -> None:
        self._documents = DocumentLimits(schema, settings)
        self._settings = settings

    def max_body(self, *, is_privileged: bool) -> int:
        """Give the bytes that a request body may have."""
        return 1024 * (self._settings.max_body_kb_service if is_privileged else self._settings.max_body_kb)

    @property
    def body_timeout_s(self) -> float:
        """The seconds that a request body may take to arrive."""
        return self._settings.body_timeout_s

    def timeout_s(self, *, is_privileged: bool) -> float:
        """Give the seconds that an operation may run."""
        most = self._settings
        return most.operation_timeout_service_s if is_privileged else most.operation_timeout_s

    def parse(self, text: str) -> DocumentNode:
        """Parse a document that is not too long."""
        most = self._settings
        return parse_within(text, characters=most.max_document_kb * CHARACTERS, tokens=most.max_tokens)

    def measure(self, document: Document, variables: dict[str, Any] | None, *, is_privileged: bool) -> int:
        """Check the size of the variables as they were sent, and of a document the first time that it is sent.

        Returns
        -------
        Points for coercing the variables; 0 for few.
        """
        most = self._settings
        allowed = most.max_values_service if is_privileged else most.max_values
        values = check_variables(variables, depth=most.max_nesting, values=allowed)
        self._analysis(document)
        return values // VALUES_A_POINT if values > FEW_VALUES else 0

    def cost(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        *,
        is_privileged: bool,
    ) -> int:
        """Return the cost of an operation in points.

        Parameters
        ----------
        variables
            Coerced: the values that the operation runs with.
        """
        cost = self._analysis(document).cost(operation, variables)
        check_cost(cost, self._settings.max_cost_service if is_privileged else self._settings.max_cost)
        return cost

    def _analysis(self, document: Document) -> Analysis:
        if document.analysis is None:
            document.analysis = self._documents.analyze(document.node)
        return document.analysis
