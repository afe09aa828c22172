"""Admission of an operation: authentication, document, limits, budget and validation, for HTTP and WebSockets alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import strawberry
from graphql import Executor, GraphQLError, OperationDefinitionNode, OperationType
from starlette.requests import HTTPConnection

from gateway.callers.authentication import Authentication, Authenticator
from gateway.compat import graphql_schema, optimized_is_awaitable
from gateway.documents.document import Document, DocumentRefused
from gateway.documents.document_cache import DocumentCache
from gateway.documents.graphql_request import GraphQLRequest
from gateway.documents.resolution import DocumentResolver
from gateway.errors import RequestRefused, Unauthenticated
from gateway.limits.budget import (
    INVALID_VARIABLES_POINTS,
    REQUEST_POINTS,
    UNAUTHENTICATED_POINTS,
    Budgets,
    OverBudget,
    refused_points,
)
from gateway.limits.limits import Limits
from gateway.limits.rate_limits import RateLimitStore

MAX_VARIABLE_ERRORS, MAX_VARIABLE_ERRORS_OF_MANY_VALUES = 50, 10
"""Maximum number of reported errors in variables: the first for up to `limits.FREE_VALUES` values, the second for more.
Each error quotes the whole value: 50 errors of an object with 9,000 unknown fields take 100 ms of CPU, 10 errors take
25 ms."""

MAX_LOGGED_NAME = 100
"""Characters of an operation's name in the log."""

Prepared = Executor[Any] | list[GraphQLError]
"""An executor with coerced variables and no context yet, or the list of errors in the variables."""


@dataclass(frozen=True, slots=True)
class AdmittedOperation:
    """An operation that may run."""

    document: Document
    kind: OperationType  # query, mutation or subscription
    points: int  # the price of its fields
    cost: Mapping[str, int]  # the cost and the remaining budget, for `extensions`
    prepared: Prepared


class Admission:
    """Admits operations on a graph."""

    def __init__(
        self,
        graph: strawberry.Schema,
        authenticator: Authenticator,
        resolver: DocumentResolver,
        documents: DocumentCache,
        limits: Limits,
        budgets: Budgets,
    ) -> None:
        self._graph = graph
        self.authenticator = authenticator
        self._resolver = resolver
        self._documents = documents
        self.limits = limits
        self._budgets = budgets

    async def authenticate(self, request: HTTPConnection) -> Authentication:
        """Authenticate a request. An invalid token is charged to its address. Raises `RequestRefused`."""
        try:
            return await self.authenticator.authenticate(request)
        except Unauthenticated:
            address = self.authenticator.client_address(request)
            await self._budgets.charge_address(address, UNAUTHENTICATED_POINTS, _rate_limit_store(request))
            raise

    async def admit(
        self, request: HTTPConnection, authentication: Authentication, parameters: GraphQLRequest
    ) -> AdmittedOperation:
        """Admit an operation that is valid and within the limits and the budget of the caller.

        Raises `RequestRefused` or `DocumentRefused` if the operation may not run. The message says why.
        """
        is_privileged, store = authentication.is_privileged, _rate_limit_store(request)
        try:
            resolved = await self._resolver.find(parameters, may_run_any=is_privileged)
            document, operation = self._select_operation(request, parameters, resolved.text)
            coercion_points = self.limits.check_variables(parameters.variables, is_privileged=is_privileged)
            if document.analysis is None:
                document.analysis = self.limits.analyze(document.node)
            if coercion_points:
                await self._budgets.charge(authentication, coercion_points, store)
            parameters = replace(parameters, variables=document.analysis.shorten(parameters.variables))
            prepared = self._prepare(document, parameters, max_errors=0)
            new_document_points = 0 if document.is_cached else document.analysis.reading_points
            points = self._price(document, operation, prepared, is_privileged=is_privileged)
            points += REQUEST_POINTS + new_document_points
            budget = await self._budgets.charge(authentication, points, store)
            self._documents.validate(document)
        except OverBudget:
            raise
        except (RequestRefused, DocumentRefused):
            await self._budgets.charge(authentication, refused_points(parameters.query), store)
            raise
        await self._resolver.register(resolved)
        if isinstance(prepared, list):
            # The points have been charged, so the errors of the variables may be returned.
            max_errors = MAX_VARIABLE_ERRORS_OF_MANY_VALUES if coercion_points else MAX_VARIABLE_ERRORS
            prepared = self._prepare(document, parameters, max_errors)
        else:
            prepared.plans = document.plans  # type: ignore[attr-defined]  # an attribute of `resolvers.execution`
        cost = {} if budget is None else budget.extension
        cost |= {"asked": coercion_points + points, "newDocument": new_document_points}
        return AdmittedOperation(document, operation.operation, points, cost, prepared)

    def _select_operation(
        self, request: HTTPConnection, parameters: GraphQLRequest, text: str
    ) -> tuple[Document, OperationDefinitionNode]:
        document = self._documents.read(text)
        operation = document.operation(parameters.operation_name)
        request.state.operation = operation.name.value[:MAX_LOGGED_NAME] if operation.name else None
        if operation.operation is OperationType.MUTATION and not parameters.allows_mutation:
            raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Send a mutation with POST.", {"Allow": "POST"})
        return document, operation

    def _prepare(self, document: Document, parameters: GraphQLRequest, max_errors: int) -> Prepared:
        """Coerce the variables. Cost and execution use the same coerced values."""
        return self._graph.execution_context_class.build(
            graphql_schema(self._graph),
            document.node,
            raw_variable_values=parameters.variables,
            operation_name=parameters.operation_name,
            max_coercion_errors=max_errors,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # declares bool instead of a TypeGuard
            hide_suggestions=not self._documents.allows_introspection,
            operation_extensions=parameters.extensions,
        )

    def _price(
        self, document: Document, operation: OperationDefinitionNode, prepared: Prepared, *, is_privileged: bool
    ) -> int:
        """Return the points of the fields of an operation. With variables that do not fit, none of them runs."""
        if isinstance(prepared, list):
            return INVALID_VARIABLES_POINTS
        assert document.analysis is not None  # noqa: S101 (for the type checker)
        variables = prepared.variable_values.coerced
        return self.limits.cost(document.analysis, operation, variables, is_privileged=is_privileged)


def _rate_limit_store(request: HTTPConnection) -> RateLimitStore:
    store: RateLimitStore = request.app.state.runtime.rate_limits
    return store
