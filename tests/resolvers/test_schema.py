"""The contract: what is committed is what is served, and each part of it says what it is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    parse,
    validate,
)

from resolvers.common.enums import register_enum
from resolvers.schema import sdl

COMMITTED = Path(__file__).parents[2] / "schema.graphql"


def built() -> GraphQLSchema:
    return build_schema(sdl())


def parts() -> Iterator[tuple[str, Any]]:
    """Walk everything that a client can see, with its name."""
    for name, type_ in built().type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        yield name, type_
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{value}", definition) for value, definition in type_.values.items())
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field
                arguments = getattr(field, "args", {})
                yield from ((f"{name}.{field_name}({a}:)", argument) for a, argument in arguments.items())


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert COMMITTED.read_text() == sdl(), "run `make schema` and look at the difference"


def test_everything_has_a_description_that_is_a_sentence() -> None:
    bare = [name for name, part in parts() if not (part.description or "").strip()]
    assert bare == []
    unfinished = [name for name, part in parts() if not part.description.rstrip().endswith((".", "`", "…", "you"))]
    assert unfinished == []


def test_no_name_betrays_the_language_it_was_written_in() -> None:
    for name, part in parts():
        leaf = re.split(r"[.(]", name.rstrip(":)"))[-1]
        assert not leaf.startswith("_")
        if not isinstance(part, GraphQLEnumType) and "." in name and not leaf.isupper():
            assert "_" not in leaf, name


@pytest.mark.parametrize(
    "field",
    [
        "forYou(first: Int = 30, after: String, where: ProjectFilter): FeedConnection",
        "popular(first: Int = 30, after: String, where: ProjectFilter): FeedConnection",
        "newest(first: Int = 30, after: String, where: ProjectFilter): FeedConnection",
        "project(key: String, id: ID): Project",
        "whyNot(key: String, id: ID, where: ProjectFilter): WhyNot",
        "projects(keys: [String!], ids: [ID!]): [Project]!",
        "node(id: ID!): Node",
        "tools(search: String, first: Int = 50, after: String): ToolConnection!",
        "categories: [Category!]!",
        "viewer: Viewer!",
    ],
)
def test_queries_are_as_the_contract_says(field: str) -> None:
    wanted = build_schema(
        f"type Query {{ {field} }} type FeedConnection {{ a: Int }} type Project {{ a: Int }} "
        "interface Node { a: Int } type ToolConnection { a: Int } type Category { a: Int } type Viewer { a: Int } "
        "type WhyNot { a: Int } input ProjectFilter { a: Int }"
    )
    assert wanted.query_type is not None
    ((name, contract),) = wanted.query_type.fields.items()
    served_query = built().query_type
    assert served_query is not None
    served = served_query.fields[name]
    assert str(served.type) == str(contract.type)
    assert {n: (str(a.type), a.default_value) for n, a in served.args.items()} == {
        n: (str(a.type), a.default_value) for n, a in contract.args.items()
    }


def test_a_document_that_uses_every_reason_is_valid() -> None:
    document = parse(
        """{ forYou { edges { node { ... on Node { id } } explanation { reasons { id text group
          ... on StatedInterest { key name kind confidence } ... on FromOwner { owner { key } projectCount }
          ... on SimilarToProject { project { key } similarity basis viewerAction at }
          ... on PeopleLikeYou { count } ... on Popular { likeCount } ... on Fresh { ageDays } } } } } }"""
    )
    assert validate(built(), document) == []


def test_an_enum_without_a_word_on_each_value_is_not_published() -> None:
    from enum import Enum

    class Colour(Enum):
        RED = 1
        BLUE = 2

    with pytest.raises(KeyError):
        register_enum(Colour, "Colour", "Colours.", {"RED": "Red."})
