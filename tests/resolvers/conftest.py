"""The graph on real stores: ask it as anybody."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import orjson
import pytest
import strawberry.schema.schema as strawberry_schema
from graphql import DocumentNode, GraphQLError, GraphQLSchema
from strawberry.types import ExecutionResult

from db.actors.users import Viewer
from db.cache.last_known import LastKnownValues
from db.database.engine import Database
from db.models import InteractionType, Role, TermKind
from db.records import InterestRecord
from resolvers.common.context import Context
from resolvers.schema import schema
from scoring.use_cases.unit_of_work import Caller
from tests.world import BEGIN, World, feeds_of, world_fixture

ANONYMOUS_VIEWER = Caller()
SESSION = Caller(session_key="s1")
SERVICE = Caller(user_key="platform", role=Role.SERVICE)
ADMINISTRATOR = Caller(user_key="chief", role=Role.ADMINISTRATOR)

PAINTER = (InterestRecord(name="painting", kind=TermKind.CATEGORY), InterestRecord(name="tool-0", kind=TermKind.TOOL))


def user(key: str) -> Caller:
    """Somebody with a token that claims no role."""
    return Caller(user_key=key)


@dataclass
class Graph:
    """The schema over a world; `notifications` counts how often subscriptions were notified."""

    world: World
    notifications: list[None] = field(default_factory=list)
    remembered_viewers: LastKnownValues[tuple[str, str], Viewer] = field(default_factory=lambda: LastKnownValues(1_000))

    @property
    def database(self) -> Database:
        return self.world.stores.database

    def restart(self) -> None:
        """Forget what a process keeps in memory."""
        self.world.feeds = feeds_of(self.world.stores)
        self.remembered_viewers.clear()

    def context(self, caller: Caller) -> Context:
        return Context(
            self.world.stores,
            caller,
            lambda: self.notifications.append(None),
            feeds=self.world.feeds,
            remembered_viewers=self.remembered_viewers,
        )

    async def ask(self, query: str, caller: Caller = ANONYMOUS_VIEWER, **variables: Any) -> ExecutionResult:
        return await schema.execute(query, variables, context_value=self.context(caller))

    async def data(self, query: str, caller: Caller = ANONYMOUS_VIEWER, **variables: Any) -> dict[str, Any]:
        """Ask for what must work, and give it as it goes over the wire."""
        result = await self.ask(query, caller, **variables)
        assert result.errors is None, [error.message for error in result.errors]
        wired: dict[str, Any] = orjson.loads(orjson.dumps(result.data))
        return wired

    async def refusal(
        self, query: str, caller: Caller = ANONYMOUS_VIEWER, **variables: Any
    ) -> tuple[str, list[str | int] | None]:
        """Ask for what must fail with one error; give its code and path."""
        result = await self.ask(query, caller, **variables)
        assert result.errors is not None
        assert len(result.errors) == 1, [error.message for error in result.errors]
        error = result.errors[0]
        assert_plain(error.message)
        return (error.extensions or {})["code"], error.path


def all_errors(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the user errors of a batch and those of its items."""
    errors = [*payload["userErrors"], *(error for item in payload["results"] for error in item["userErrors"])]
    for error in errors:
        assert_plain(error["message"])
    return errors


def assert_plain(message: str) -> None:
    """A client's sentence: it ends as one and shows nothing of Python."""
    assert not message[0].islower(), message
    assert message.endswith("."), message
    assert not any(word in message for word in ("Traceback", "NoneType", "object at", "Error", "<class")), message


async def a_small_community(world: World) -> None:
    """Add painters, a cook, and a maker who owns a private project."""
    await world.add_users("author", "maker", "cook", *(f"painter-{n}" for n in range(6)))
    await world.add_users("ada", tags=PAINTER)
    await world.add_projects(40, topics=("daily",), owner="author")
    await world.add_projects(1, start=900, title="Hidden", private=True, owner="maker")
    await world.add_projects(1, start=901, title="ShownProject")
    for n in range(6):
        await world.act(f"painter-{n}", InteractionType.LIKE, "p0000", "p0006", "p0012", at=BEGIN - timedelta(hours=2))
    await world.act("ada", InteractionType.LIKE, "p0000")
    await world.settle()


world = world_fixture(a_small_community)


@pytest.fixture(scope="session", autouse=True)
def documents_are_prepared_once() -> Iterator[None]:
    """Parse and validate each document once for all tests, as a gateway does: it takes two thirds of a request."""
    validate = strawberry_schema.validate_document
    valid: dict[int, DocumentNode] = {}

    def validate_once(graph: GraphQLSchema, document: DocumentNode, rules: Any) -> list[GraphQLError]:
        if id(document) in valid and graph is schema._schema:
            return []
        errors = validate(graph, document, rules)
        if not errors and graph is schema._schema:
            valid[id(document)] = document
        return errors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strawberry_schema, "parse", cache(strawberry_schema.parse))
        patch.setattr(strawberry_schema, "validate_document", validate_once)
        yield


@pytest.fixture
def graph(world: World) -> Graph:
    """Give the graph over a small community."""
    return Graph(world)
