"""Nobody sees anything of another viewer: every field of the graph is asked with another's token and session.

The proof is a comparison: what others are answered is the same whether the viewer has a life here or not. What a viewer
does in public (a like, a view) is counted for everybody, so the life is one of things that nobody else may notice.
"""

from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
)

from db.models import InteractionType
from resolvers.common.global_ids import global_id
from resolvers.schema import schema
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ANONYMOUS_VIEWER, SERVICE, SESSION, Graph, user
from tests.templates import Template

SCHEMA: GraphQLSchema = schema._schema
DEPTH = 5
"""Far enough for a project's owner behind the reason of an edge of a feed."""

ARGUMENTS = {
    "key": '"p0000"',
    "keys": '["p0000", "p0001", "p0900"]',
    "id": f'"{global_id("User", "ada")}"',
    "query": '"painting with models"',
    "first": "12",
    "days": "14",
}
VOLATILE = {"cursor", "snapshotId", "generatedAt", "startCursor", "endCursor", "profileAgeSeconds"}
"""What is new with each answer, whoever asks; the `id` of a `FeedEdge` too, since it names its ranking."""

OTHERS = (ANONYMOUS_VIEWER, SESSION, user("cook"), SERVICE)


@pytest.fixture
def template(sqlite_template: Template) -> Template:
    """Take one engine: what is compared is the code of the graph, whose statements the layers below test on both."""
    return sqlite_template


def _selection(type_: GraphQLOutputType, depth: int, seen: tuple[str, ...]) -> str:
    """Select everything below a type."""
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    if depth == 0:
        return "{ __typename }"
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        parts = [f"... on {one.name} {_selection(one, depth, seen)}" for one in SCHEMA.get_possible_types(named)]
        return f"{{ __typename {' '.join(parts)} }}"
    assert isinstance(named, GraphQLObjectType)
    again = named.name in seen  # of what leads back to itself, only what stands on it
    fields = [
        _field(f"{named.name}_{name}: {name}", name, field, depth - 1, (*seen, named.name))
        for name, field in named.fields.items()
        if name not in VOLATILE
        and (named.name, name) != ("FeedEdge", "id")
        and (is_leaf_type(get_named_type(field.type)) or not again)
    ]
    return f"{{ __typename {' '.join(fields)} }}"


def _field(shown: str, name: str, field: GraphQLField, depth: int, seen: tuple[str, ...]) -> str:
    # Where a key or an id names the project, the key does.
    named = ARGUMENTS.keys() - ({"id"} if "key" in field.args else set())
    given = [f"{argument}: {ARGUMENTS[argument]}" for argument in field.args if argument in named]
    needed = {one for one, argument in field.args.items() if isinstance(argument.type, GraphQLNonNull)}
    assert needed <= ARGUMENTS.keys() | {one for one, a in field.args.items() if a.default_value is not None}, name
    arguments = f"({', '.join(given)})" if given else ""
    return f"{shown}{arguments} {_selection(field.type, depth, seen)}"


def everything() -> dict[str, str]:
    """Write a document for each query, with all that it can give."""
    query = SCHEMA.query_type
    assert query is not None
    return {name: f"{{ {_field(name, name, field, DEPTH, ())} }}" for name, field in query.fields.items()}


async def answers(graph: Graph, caller: Caller) -> dict[str, Any]:
    found = {}
    for name, document in everything().items():
        result = await graph.ask(document, caller)
        found[name] = result.data, [(error.message, error.path) for error in result.errors or []]
    return found


async def a_private_life(graph: Graph) -> None:
    """Do, as ada, all that is nobody's business."""
    me = user("ada")
    for document in (
        'mutation { dismissProject(key: "p0006") { changed } }',
        'mutation { mute(kind: OWNER, key: "author") { changed } }',
        'mutation { mute(kind: CATEGORY, key: "cooking") { changed } }',
        "mutation { updatePersonalizationSettings(settings: {discovery: 100, learnFromViews: false}) { changed } }",
        'mutation { setInterests(interests: [{kind: TOOL, key: "tool-3"}, {kind: CATEGORY, key: "chess"}]) '
        "{ userErrors { message } } }",
    ):
        await graph.data(document, me)
    await graph.world.act("ada", InteractionType.IMPRESSION, "p0009")
    await graph.world.settle()


async def test_what_others_are_answered_is_the_same_whatever_a_viewer_has_said_and_set(graph: Graph) -> None:
    before = {caller: await answers(graph, caller) for caller in (*OTHERS, user("ada"))}
    await a_private_life(graph)
    for caller in OTHERS:
        after = await answers(graph, caller)
        for name, answered in before[caller].items():
            assert after[name] == answered, (caller, name)
    mine = await answers(graph, user("ada"))
    assert {name for name in mine if mine[name] != before[user("ada")][name]} >= {"viewer", "forYou", "project"}


def test_every_query_is_asked_and_none_takes_a_persons_key() -> None:
    assert {"viewer", "forYou", "search", "node", "personalizationStatus", "whyNot"} & set(everything()) >= {
        "viewer",
        "forYou",
        "node",
        "personalizationStatus",
    }
    query = SCHEMA.query_type
    assert query is not None
    named = {(name, argument) for name, field in query.fields.items() for argument in field.args}
    assert not {(name, argument) for name, argument in named if argument in ("user", "viewer", "actor", "owner")}


def test_of_another_person_only_the_public_card_can_be_asked_for() -> None:
    card = SCHEMA.type_map["User"]
    assert isinstance(card, GraphQLObjectType)
    assert set(card.fields) == {"id", "key", "username", "bio", "tier", "points"}


@pytest.mark.parametrize("document", ["exportMyData { data }", "claimSession { status viewer { key } }"])
async def test_what_is_held_is_given_to_its_owner_only(graph: Graph, document: str) -> None:
    await a_private_life(graph)
    for caller in OTHERS:
        told = repr((await graph.ask(f"mutation {{ {document} }}", caller)).data)
        assert "'ada'" not in told
        assert "chess" not in told


async def test_the_evidence_of_a_reason_is_the_askers_own(graph: Graph) -> None:
    await graph.world.act("ada", InteractionType.VIEW, "p0003")
    document = """{ forYou(first: 40) { edges { explanation { reasons { __typename
      ... on SimilarToProject { project { key } } ... on StatedInterest { name } } } } } }"""
    for caller, own in ((user("ada"), True), (user("cook"), False), (SESSION, False), (ANONYMOUS_VIEWER, False)):
        edges = (await graph.data(document, caller))["forYou"]["edges"]
        found = {reason["__typename"] for edge in edges for reason in edge["explanation"]["reasons"]}
        assert bool(found & {"SimilarToProject", "StatedInterest"}) is own
