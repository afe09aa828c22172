"""The rules that clients may rely on, held for every part of the schema, whoever adds it."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_list_type,
    parse,
    validate,
)

from resolvers.schema import sdl
from tests.resolvers.conftest import SERVICE, SESSION, Graph, user

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"```graphql\n(.*?)```", re.DOTALL)
DEPRECATION = re.compile(r"Use `[A-Za-z.]+(\([a-zA-Z]+:\))?`.* Gone after (\d{4}-\d{2}-\d{2})\.", re.DOTALL)
PAYLOADS_WITHOUT_ERRORS = {"refreshOnboardingQuestions": "it takes nothing that could be wrong"}


@pytest.fixture(scope="module")
def served() -> GraphQLSchema:
    return build_schema(sdl())


def fields(schema: GraphQLSchema) -> Iterator[tuple[GraphQLObjectType | GraphQLInterfaceType, str, GraphQLField]]:
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__"):
            for field_name, field in type_.fields.items():
                yield type_, field_name, field


def roots(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    return [root for root in (schema.query_type, schema.mutation_type, schema.subscription_type) if root is not None]


# --- the manual ----------------------------------------------------------------------------------------------------


def test_every_example_of_the_docs_pane_is_a_valid_document(served: GraphQLSchema) -> None:
    found = [
        (text, example)
        for text in (
            *(root.description or "" for root in roots(served)),
            *(f.description or "" for *_, f in fields(served)),
        )
        for example in FENCE.findall(text)
    ]
    assert len(found) > 40
    for _, example in found:
        assert validate(served, parse(example)) == [], example


def test_every_example_of_graphiql_is_a_valid_document(served: GraphQLSchema) -> None:
    examples = sorted((ROOT / "frontend" / "graphiql" / "src" / "examples").glob("*.graphql"))
    assert len(examples) >= 7
    for example in examples:
        assert validate(served, parse(example.read_text())) == [], example.name


def test_every_root_field_shows_an_example_that_asks_for_it(served: GraphQLSchema) -> None:
    for root in roots(served):
        for name, field in root.fields.items():
            (example,) = FENCE.findall(field.description or "") or [""]
            assert re.search(rf"\b{name}\b", example), (
                f"{root.name}.{name}: add an example to resolvers/schema_documentation.py"
            )


def test_limits_of_list_arguments_are_told(served: GraphQLSchema) -> None:
    for type_, name, field in fields(served):
        for argument_name, argument in field.args.items():
            if argument_name == "first":
                assert re.search(r"\b[01] to [\d,]+\b", argument.description or ""), f"{type_.name}.{name}"
            elif is_list_type(get_nullable_type(argument.type)) and not is_enum_type(get_named_type(argument.type)):
                told = f"{argument.description} {field.description}"
                assert re.search(r"[Uu]p to [\d,]+|at most [\d,]+", told), f"{type_.name}.{name}({argument_name}:)"


# --- connections and ids -------------------------------------------------------------------------------------------


def connections(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    return [t for t in schema.type_map.values() if isinstance(t, GraphQLObjectType) and "edges" in t.fields]


def test_connections_are_as_relay_wants_them(served: GraphQLSchema) -> None:
    found = connections(served)
    assert {one.name for one in found} >= {"FeedConnection", "ToolConnection"}
    for one in found:
        assert str(one.fields["pageInfo"].type) == "PageInfo!"
        edge = get_named_type(one.fields["edges"].type)
        assert isinstance(edge, GraphQLObjectType)
        assert str(edge.fields["cursor"].type) == "String!"
        assert "node" in edge.fields
        assert get_named_type(one.fields["nodes"].type) is get_named_type(edge.fields["node"].type)
    page_info = served.type_map["PageInfo"]
    assert isinstance(page_info, GraphQLObjectType)
    assert {name: str(field.type) for name, field in page_info.fields.items()} == {
        "hasNextPage": "Boolean!", "hasPreviousPage": "Boolean!", "startCursor": "String", "endCursor": "String",
    }  # fmt: skip


def test_every_connection_takes_first_and_after_and_nothing_that_it_would_ignore(served: GraphQLSchema) -> None:
    names = {one.name for one in connections(served)}
    for type_, name, field in fields(served):
        if get_named_type(field.type).name in names and (type_.name, name) != ("OnboardingPayload", "feed"):
            assert {"first", "after"} <= set(field.args), f"{type_.name}.{name}"
            assert not {"last", "before"} & set(field.args), f"{type_.name}.{name}"


def test_an_id_is_never_null_and_says_that_it_is_one(served: GraphQLSchema) -> None:
    for type_, name, field in fields(served):
        if name == "id":
            assert str(field.type) == "ID!", type_.name


IDS = """{ viewer { id } personalizationStatus { id } onboardingQuestions { id options { id } } categories { id }
  tools { edges { node { id } } }
  forYou(first: 20) {
    edges { id node { id owner { id } tools { id } categories { id } } explanation { reasons { id } } } } }"""


def ids(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Walk an answer; give each id with the names of the fields that led to it."""
    if isinstance(value, dict):
        if "id" in value:
            yield value["id"], at
        for name, one in value.items():
            yield from ids(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from ids(one, at)


async def test_no_two_things_share_an_id_in_a_clients_cache(graph: Graph) -> None:
    question = {"type": "USE_CASE", "text": "?", "options": [{"key": "p0000", "label": "Other"}]}
    sent = "mutation ($q: [OnboardingQuestionInput!]!) { upsertOnboardingQuestions(questions: $q) { added } }"
    await graph.data(sent, SERVICE, q=[question | {"key": "one"}, question | {"key": "p0000"}])
    answer = await graph.data(IDS, user("ada"))
    kinds: dict[str, set[str]] = {}
    for id_, kind in ids(answer):
        kinds.setdefault(id_, set()).add({"reasons": "reason", "options": "option"}.get(kind, kind))
    shared = {id_: names for id_, names in kinds.items() if len(names) > 1}
    assert all(names <= {"node", "tools"} for names in shared.values()), shared  # (tools come as nodes too)
    asked = answer["onboardingQuestions"]
    options = [option["id"] for one in asked for option in one["options"]]
    assert len(set(options)) == len(options) == 2


async def test_the_id_of_a_viewer_stays_and_is_another_ones_for_somebody_else(graph: Graph) -> None:
    wanted = "{ viewer { id } personalizationStatus { id } }"
    ada, cook, session = [await graph.data(wanted, caller) for caller in (user("ada"), user("cook"), SESSION)]
    liked = await graph.data('mutation { likeProject(key: "p0001") { viewer { id version } } }', user("ada"))
    assert liked["likeProject"]["viewer"]["id"] == ada["viewer"]["id"]
    every = [one[name]["id"] for one in (ada, cook, session) for name in ("viewer", "personalizationStatus")]
    assert len(set(every)) == 6


async def test_every_implementation_of_node_is_found_again_by_its_id(graph: Graph, served: GraphQLSchema) -> None:
    node = served.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    given = {
        "Project": '{ project(key: "p0000") { id } }',
        "User": '{ project(key: "p0000") { owner { id } } }',
        "Tool": "{ tools(first: 1) { edges { node { id } } } }",
        "Category": "{ categories { id } }",
        "Topic": "{ topics(first: 1) { nodes { id } } }",
        "FeedEdge": "{ forYou(first: 1) { edges { id } } }",
    }
    assert {one.name for one in served.get_possible_types(node)} == set(given)
    for type_, query in given.items():
        id_, _ = next(ids(await graph.data(query)))
        found = await graph.data("query ($id: ID!) { node(id: $id) { __typename id } }", id=id_)
        assert found["node"] == {"__typename": type_, "id": id_}


def test_lists_and_what_is_in_them_are_never_null_but_where_places_answer_to_keys(served: GraphQLSchema) -> None:
    loose = {f"{t.name}.{n}" for t, n, f in fields(served) if "]" in str(f.type) and not str(f.type).endswith("!]!")}
    assert loose == {"Query.projects"}


# --- what a mutation answers ---------------------------------------------------------------------------------------


def test_every_mutation_may_fail_alone_and_tells_what_was_wrong_as_data(served: GraphQLSchema) -> None:
    assert served.mutation_type is not None
    for name, field in served.mutation_type.fields.items():
        assert not isinstance(field.type, GraphQLNonNull), name
        payload = get_named_type(field.type)
        assert isinstance(payload, GraphQLObjectType)
        assert payload.name.endswith("Payload"), name
        if name in PAYLOADS_WITHOUT_ERRORS:
            continue
        assert str(payload.fields["userErrors"].type) == "[UserError!]!", name
        assert "clientMutationId" not in payload.fields


def test_what_may_be_left_out_of_an_input_is_null_by_default_or_has_one(served: GraphQLSchema) -> None:
    for name, type_ in served.type_map.items():
        if not isinstance(type_, GraphQLInputObjectType):
            continue
        if type_.is_one_of:
            assert not any(isinstance(field.type, GraphQLNonNull) for field in type_.fields.values()), name
        for field_name, field in type_.fields.items():
            assert field.description, f"{name}.{field_name}"


# --- scalars -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["yesterday", "", 3, True, {"a": 1}, ["2026-01-01"], "99999-01-01T00:00:00Z"])
async def test_a_wrong_time_is_refused_with_how_to_write_one(graph: Graph, wrong: Any) -> None:
    query = "query ($t: DateTime!) { newest(where: { createdAfter: $t }) { kind } }"
    result = await graph.ask(query, t=wrong)
    assert result.errors is not None
    message = result.errors[0].message
    assert "2026-11-23T09:30:00Z" in message, message
    assert "Python" not in message
    written = json.dumps(wrong).replace('"a"', "a")
    literal = f"{{ newest(where: {{ createdAfter: {written} }}) {{ kind }} }}"
    result = await graph.ask(literal)
    assert result.errors is not None
    assert "DateTime" in result.errors[0].message or "2026-11-23" in result.errors[0].message


def test_every_scalar_of_ours_says_where_it_is_specified(served: GraphQLSchema) -> None:
    ours = [
        one
        for name, one in served.type_map.items()
        if hasattr(one, "specified_by_url") and name in ("DateTime", "JSON")
    ]
    assert len(ours) == 2
    assert all(one.specified_by_url for one in ours)


# --- deprecation ---------------------------------------------------------------------------------------------------


def deprecated(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    for type_, name, field in fields(schema):
        for at, one in (
            (f"{type_.name}.{name}", field),
            *((f"{type_.name}.{name}({a}:)", b) for a, b in field.args.items()),
        ):
            if one.deprecation_reason is not None:
                yield at, one.deprecation_reason
    for name, other in schema.type_map.items():
        if isinstance(other, GraphQLEnumType | GraphQLInputObjectType):
            members = other.values if isinstance(other, GraphQLEnumType) else other.fields
            for member, value in members.items():
                if value.deprecation_reason is not None:
                    yield f"{name}.{member}", value.deprecation_reason


def against_the_policy(schema: GraphQLSchema) -> list[str]:
    """Name what is deprecated otherwise than docs/schema.md says."""
    wrong = []
    for at, reason in deprecated(schema):
        match = DEPRECATION.fullmatch(reason)
        if match is None or date.fromisoformat(match[2]) < date(2026, 11, 23):
            wrong.append(at)
    return wrong


def test_what_is_deprecated_names_its_successor_and_the_day_it_goes(served: GraphQLSchema) -> None:
    assert against_the_policy(served) == []


def test_a_deprecation_without_a_successor_or_a_day_is_found() -> None:
    schema = build_schema(
        """type Query { a: Int @deprecated
          b(c: Int @deprecated(reason: "Old.")): Int @deprecated(reason: "Use `Query.a`. Gone after 2027-06-01.") }
        enum E { F @deprecated(reason: "Use `E.G`. Gone after 2020-01-01.") G }
        input I { j: E @deprecated(reason: "Gone after 2027-06-01.") k: Int }"""
    )
    assert against_the_policy(schema) == ["Query.a", "Query.b(c:)", "E.F", "I.j"]
