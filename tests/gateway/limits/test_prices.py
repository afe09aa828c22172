"""Prices on the real schema: new documents, lists, introspection, descriptions, and ordinary use within the budget."""

import re
from pathlib import Path

import pytest
from graphql import (
    FragmentDefinitionNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    get_introspection_query,
    parse,
    print_ast,
)

from gateway.limit_settings import LimitSettings
from gateway.limits import budget, limits
from gateway.limits.limits import NEW_DOCUMENT_POINTS, NODE_POINTS, PAIR_POINTS, Limits
from resolvers.common.field_costs import ATTRIBUTE_COST, COST, DIRECT, Cost
from resolvers.schema import schema
from resolvers.schema_documentation import EXPLORE_PAGE
from scoring.use_cases.project_interactions import MAX_EVENTS

ROOT = Path(__file__).parents[3]
SCHEMA = schema._schema
LIMITS = Limits(SCHEMA, LimitSettings())
NINE_FIELDS = """viewer { id } onboardingProgress { remaining } personalizationStatus { id } categories { id }
  tools(first: 1) { nodes { id } } topics(first: 1) { nodes { id } } newest(first: 1) { nodes { id } }
  popular(first: 1) { nodes { id } } trending(first: 1) { nodes { id } }"""


def new_document_points(text: str) -> int:
    return LIMITS.analyze(parse(text)).reading_points


def price(text: str, **variables: object) -> int:
    analysis = LIMITS.analyze(parse(text))
    return analysis.cost(analysis.operations[0], variables)


def test_a_new_document_costs_its_nodes():
    # document, operation and selection set; the field with its name
    assert new_document_points("{ __typename }") == NEW_DOCUMENT_POINTS + NODE_POINTS * 5


def test_a_new_document_costs_its_characters():
    assert new_document_points("{ __typename }" + " " * 6_000) == new_document_points("{ __typename }") + 100


def test_of_20_operations_in_a_new_document_all_are_paid_for():
    def nodes_of(text: str) -> float:
        characters = len(text) // limits.DOCUMENT_CHARACTERS_PER_POINT
        return new_document_points(text) - NEW_DOCUMENT_POINTS - NODE_POINTS - characters

    twenty = " ".join(f"query Q{at} {{ {NINE_FIELDS} }}" for at in range(20))
    assert nodes_of(twenty) == 20 * nodes_of(f"query Q {{ {NINE_FIELDS} }}") > 9_000


def test_nested_inline_fragments_cost_their_nodes_when_new_and_their_number_each_time():
    nested = "{ " + "... on Query { " * 199 + "__typename" + " }" * 200
    # a fragment has a type condition with a name, and a selection set
    characters = len(nested) // limits.DOCUMENT_CHARACTERS_PER_POINT
    assert new_document_points(nested) == NEW_DOCUMENT_POINTS + NODE_POINTS * (5 + 199 * 4) + characters
    assert price(nested) == 200 * ATTRIBUTE_COST.points


def test_pairs_that_validation_compares_cost_points():
    def owners(count: int) -> int:
        return new_document_points("{ newest { nodes { " + "owner { key } " * count + "} } }")

    per_owner = NODE_POINTS * 5  # each has two names, two fields and a selection set
    pairs = 2 * (70 * 69 // 2)  # of owners and of keys
    assert owners(70) - owners(1) == pytest.approx(69 * per_owner + PAIR_POINTS * pairs + 69 * 14 / 60, abs=2)


def test_a_skipped_feed_costs_nothing():
    feed = "forYou(first: 50) %s { edges { node { key } } }"
    alone = price("{ viewer { id } }")
    assert price("{ viewer { id } " + feed % "@skip(if: true)" + " }") == alone
    document = "query($no: Boolean!) { viewer { id } " + feed % "@include(if: $no)" + " }"
    assert price(document, no=False) == alone
    assert price(document, no=True) > alone + 300


def test_of_2000_events_one_more_than_allowed_is_coerced():
    analysis = LIMITS.analyze(
        parse("mutation($e: [InteractionInput!]!) { recordInteractions(events: $e) { recorded } }")
    )
    shortened = analysis.shorten({"e": [{"project": "a", "type": "VIEW"}] * 2_000})
    assert shortened is not None
    assert len(shortened["e"]) == MAX_EVENTS + 1


def test_introspection_costs_the_values_that_this_schema_has():
    """GraphiQL's query selects `ofType` nine deep; few types have more than two levels."""
    nine_deep = price('{ __type(name: "Query") { fields { type { ' + "ofType { " * 9 + "name" + " }" * 12 + " }")
    two_deep = price('{ __type(name: "Query") { fields { type { ofType { ofType { name } } } } } }')
    assert nine_deep < 1.5 * two_deep
    assert 5_000 < price(get_introspection_query()) < LimitSettings().max_cost


def documented() -> list[object]:
    """All fields whose description states a cost."""
    types = [one for one in SCHEMA.type_map.values() if isinstance(one, GraphQLObjectType | GraphQLInterfaceType)]
    return [
        pytest.param(field, id=f"{type_.name}.{name}")
        for type_ in types
        for name, field in type_.fields.items()
        if " points" in (field.description or "")
    ]


_STATED = re.compile(
    r"(?P<where>Outside of feeds, costs|Costs) (?P<points>[\d,]+) points(?: plus (?P<item>[\d,]+) per [^.,]+)?"
    r"(?:, and (?P<once>[\d,]+) once per operation)?\."
)


@pytest.mark.parametrize("field", documented())
def test_a_description_states_the_cost_that_is_charged(field):
    stated = _STATED.search(field.description)
    assert stated is not None
    metadata = field.extensions["strawberry-definition"].metadata
    cost: Cost = metadata[COST]
    numbers = [int((stated[name] or "0").replace(",", "")) for name in ("points", "item", "once")]
    assert numbers == [cost.points, cost.points_per_item, cost.points_once]
    assert (stated["where"] == "Costs") is (metadata.get(DIRECT) is None)


def test_more_than_30_descriptions_state_a_cost():
    assert len(documented()) > 30


@pytest.mark.parametrize(
    ("document", "amounts"),
    [
        (
            "docs/http.md",
            [
                f"{budget.REQUEST_POINTS} points",
                f"{NEW_DOCUMENT_POINTS} points",
                f"{NODE_POINTS:g} per node",
                f"{PAIR_POINTS:g} per pair",
                f"every {limits.DOCUMENT_CHARACTERS_PER_POINT} characters",
                f"every {limits.VALUES_PER_POINT} values",
                f"more than {limits.FREE_VALUES:,} values",
                f"{budget.REFUSED_POINTS} to {budget.MAX_REFUSED_POINTS:,} points",
                f"{budget.INVALID_VARIABLES_POINTS:,} points",
            ],
        ),
        ("docs/security.md", [f"{limits.FREE_VALUES:,} values"]),
    ],
)
def test_documents_state_the_points_of_the_code(document, amounts):
    text = " ".join((ROOT / document).read_text().split())
    assert [amount for amount in amounts if amount not in text] == []


def explore_page_queries() -> list[object]:
    """The queries of the explore page, each with the fragments of its file; explanations are loaded on request."""
    found = []
    for path in sorted((ROOT / "frontend/src/services").glob("*.graphql")):
        if path.stem == "why":
            continue
        definitions = parse(path.read_text()).definitions
        fragments = [one for one in definitions if isinstance(one, FragmentDefinitionNode)]
        for one in definitions:
            if isinstance(one, OperationDefinitionNode) and one.operation is OperationType.QUERY:
                text = "\n".join(map(print_ast, [one, *fragments]))
                found.append(pytest.param(text, id=f"{path.stem}.{one.name and one.name.value}"))
    return found


@pytest.mark.parametrize("text", [*explore_page_queries(), pytest.param(EXPLORE_PAGE, id="the example of the schema")])
def test_a_viewer_may_load_a_page_each_second(text):
    asked = budget.REQUEST_POINTS + price(text, first=30)
    assert 60 * asked <= LimitSettings().rate_limit
