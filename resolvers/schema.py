"""The graph as a whole: every subject's queries and mutations in one schema."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from resolvers.catalogue import CatalogueQuery, Category, Tool
from resolvers.catalogue_writes import CatalogueMutation
from resolvers.control.claiming import ClaimingMutation
from resolvers.control.dismissal import DismissalMutation
from resolvers.control.interests import InterestsMutation
from resolvers.control.muting import MutingMutation
from resolvers.control.personalization import PersonalizationQuery
from resolvers.control.privacy import PrivacyMutation
from resolvers.control.removal import RemovalMutation, RemovalQuery
from resolvers.control.tuning import TuningMutation
from resolvers.executor import Executor
from resolvers.explanations.counterfactual import InterestCause, ProjectCause
from resolvers.explanations.explanation import REASON_TYPES
from resolvers.explanations.why_not import WhyNotQuery
from resolvers.feed import FeedQuery, edge_by_key
from resolvers.foundations.context import Info
from resolvers.foundations.fields import Cost, computed
from resolvers.foundations.ids import parse_global_id
from resolvers.foundations.node import Node
from resolvers.foundations.scalars import ANY_JSON, DATE_TIME
from resolvers.interaction import InteractionMutation
from resolvers.manual import ABOUT_MUTATION, ABOUT_QUERY, FAILURES, MUTATIONS, QUERIES, SUBSCRIPTIONS, complete
from resolvers.project import Project, ProjectQuery
from resolvers.quiz.onboarding import OnboardingQuery
from resolvers.quiz.onboarding_answers import OnboardingMutation
from resolvers.quiz.onboarding_writes import OnboardingServiceMutation
from resolvers.subscription import Subscription
from resolvers.user import User
from resolvers.viewer import ViewerQuery


async def _project(info: Info, key: str) -> Node | None:
    card = await info.context.loaders.cards_by_key.load(key)
    return None if card is None else Project.of(card)


async def _user(info: Info, key: str) -> Node | None:
    card = await info.context.loaders.users_by_key.load(key)
    return None if card is None else User.of(card)


async def _tool(info: Info, key: str) -> Node | None:
    tool = await info.context.loaders.tools_by_key.load(key)
    return None if tool is None else Tool.of(tool)


async def _category(info: Info, key: str) -> Node | None:
    category = await info.context.loaders.categories_by_key.load(key)
    return None if category is None else Category.of(category)


_FIND: dict[str, Callable[[Info, str], Awaitable[Node | None]]] = {
    "Project": _project,
    "User": _user,
    "Tool": _tool,
    "Category": _category,
    "FeedEdge": edge_by_key,
}


_FOUND = Cost(150)
"""A statement or two; for an edge also its stored ranking, 1.5 ms of CPU to read and unpack."""


@strawberry.type
class NodeQuery:
    """How things are found by global id."""

    @computed(
        "The thing with this id; null if there is none, or if it is not yours to see. The id of a `FeedEdge` gives the "
        "place as it was ranked, with its explanation: SNAPSHOT_EXPIRED once the ranking is gone.",
        _FOUND,
    )
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A field `id`, unchanged.")]
    ) -> Node | None:
        """Give the thing with this id."""
        wanted = parse_global_id(id)
        find = _FIND.get(wanted.type)
        return None if find is None else await find(info, wanted.key)


@strawberry.type(description=ABOUT_QUERY)
class Query(
    FeedQuery,
    WhyNotQuery,
    ProjectQuery,
    NodeQuery,
    CatalogueQuery,
    ViewerQuery,
    OnboardingQuery,
    PersonalizationQuery,
    RemovalQuery,
):
    """Every query."""


@strawberry.type(description=ABOUT_MUTATION)
class Mutation(
    InteractionMutation,
    DismissalMutation,
    InterestsMutation,
    MutingMutation,
    TuningMutation,
    OnboardingMutation,
    ClaimingMutation,
    PrivacyMutation,
    CatalogueMutation,
    OnboardingServiceMutation,
    RemovalMutation,
):
    """Every mutation."""


complete(Query, QUERIES)
complete(Mutation, MUTATIONS, FAILURES)
complete(Subscription, SUBSCRIPTIONS)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[*REASON_TYPES, InterestCause, ProjectCause],
    execution_context_class=Executor,
    config=StrawberryConfig(scalar_map={datetime: DATE_TIME, JSON: ANY_JSON}),
)


def sdl() -> str:
    """Write the schema in GraphQL's own language, as `schema.graphql` holds it."""
    lines = schema.as_str().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)  # the printer indents empty lines of descriptions
