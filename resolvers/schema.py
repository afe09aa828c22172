"""The GraphQL schema, composed of the queries and mutations of each subject."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from graphql import GraphQLID, GraphQLString
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from resolvers.account_mutations import AccountMutation, DeletionReceiptQuery
from resolvers.catalog.catalog_mutations import CatalogMutation
from resolvers.catalog.catalog_types import CatalogQuery, Category, Tool, Topic, User
from resolvers.common.context import Info
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import parse_global_id
from resolvers.common.relay import Node
from resolvers.common.scalars import ANY_JSON, DATE, DATE_TIME, URL, URL_SCALAR, normalize_texts
from resolvers.execution.executor import Executor
from resolvers.feed_subscription import Subscription
from resolvers.feeds.explanation import REASON_TYPES, InterestCause, ProjectCause
from resolvers.feeds.feed_connection import FeedQuery, edge_by_key
from resolvers.feeds.project import Project, ProjectQuery
from resolvers.interactions.dismissal_mutations import DismissalMutation
from resolvers.interactions.interaction_mutations import InteractionMutation
from resolvers.onboarding.onboarding_mutations import OnboardingMutation
from resolvers.onboarding.onboarding_questions import OnboardingQuery
from resolvers.onboarding.question_mutations import QuestionMutation
from resolvers.preferences.personalization_status import PersonalizationQuery
from resolvers.preferences.preference_mutations import PreferenceMutation
from resolvers.preferences.viewer import ViewerQuery
from resolvers.schema_documentation import (
    ABOUT_MUTATION,
    ABOUT_QUERY,
    MUTATION_ERROR_CODES,
    MUTATION_EXAMPLES,
    QUERY_EXAMPLES,
    SUBSCRIPTION_EXAMPLES,
    append_examples,
)
from resolvers.why_not_query import WhyNotQuery

_NODES: dict[str, tuple[str, Callable[[Any], Node]]] = {
    "Project": ("cards_by_key", Project.of),
    "User": ("users_by_key", User.of),
    "Tool": ("tools_by_key", Tool.of),
    "Category": ("categories_by_key", Category.of),
    "Topic": ("topics_by_key", Topic.of),
}
"""For each node type except `FeedEdge`: the loader by key, and the converter of its values."""

_NODE_COST = Cost(20, points_once=150)
"""Cost of `node`: one or two statements. For an edge, reading and unpacking the stored ranking takes 1.5 ms of CPU."""


@strawberry.type
class NodeQuery:
    @computed(_NODE_COST)
    async def node(self, info: Info, id: Annotated[strawberry.ID, "The global id."]) -> Node | None:
        """The object with a global id; null if it does not exist or you may not see it.

        The id of a `FeedEdge` returns the edge with its explanation, or the error SNAPSHOT_EXPIRED if the ranking has
        expired.
        """
        requested = parse_global_id(id)
        if requested.type == "FeedEdge":
            return await edge_by_key(info, requested.key)
        if requested.type not in _NODES:
            return None
        loader, convert = _NODES[requested.type]
        value = await getattr(info.context.loaders, loader).load(requested.key)
        return None if value is None else convert(value)


@strawberry.type(description=ABOUT_QUERY)
class Query(
    FeedQuery,
    WhyNotQuery,
    ProjectQuery,
    NodeQuery,
    CatalogQuery,
    ViewerQuery,
    OnboardingQuery,
    PersonalizationQuery,
    DeletionReceiptQuery,
):
    """All queries."""


@strawberry.type(description=ABOUT_MUTATION)
class Mutation(
    InteractionMutation,
    DismissalMutation,
    PreferenceMutation,
    OnboardingMutation,
    AccountMutation,
    CatalogMutation,
    QuestionMutation,
):
    """All mutations."""


append_examples(Query, QUERY_EXAMPLES)
append_examples(Mutation, MUTATION_EXAMPLES, MUTATION_ERROR_CODES)
append_examples(Subscription, SUBSCRIPTION_EXAMPLES)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[*REASON_TYPES, InterestCause, ProjectCause],
    execution_context_class=Executor,
    config=StrawberryConfig(scalar_map={date: DATE, datetime: DATE_TIME, JSON: ANY_JSON, URL: URL_SCALAR}),
)

for _scalar in (GraphQLString, GraphQLID):
    normalize_texts(_scalar)


def sdl() -> str:
    """Return the schema definition language, as in `schema.graphql`."""
    lines = schema.as_str().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)  # the printer indents empty lines of descriptions
