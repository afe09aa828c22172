"""Operations that nobody would write, against a gateway that really runs: no 5xx, no fault of ours, nothing of Python.

Two sources: schemathesis, whose operations fit the schema, and a strategy of our own whose values need not fit it. Both
are the same in each run of the suite; `FUZZ_EXAMPLES=200` makes more of each, and others every time.
"""

import json
import os
import re
import shutil

import httpx
import pytest
import schemathesis
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.models import Role
from gateway.callers.token_authority import TokenAuthority
from resolvers.schema import schema, sdl
from tests.gateway.conftest import SECRET
from tests.running import address_in, serving

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "4"))
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

LEAK = re.compile(
    r"Traceback|site-packages|graphql-core|sqlalchemy|sqlite3|asyncpg|aiosqlite|pydantic|<class|object at 0x|"
    r"\bSELECT .* FROM\b|\bINSERT INTO\b|[\w/]+\.py\b|NoneType|\w+Error\(|KeyError|TypeError|ValueError"
)
GRAPH = schema._schema
FITTING = [found.ok() for found in schemathesis.graphql.from_file(sdl()).get_all_operations()]


@pytest.fixture(scope="module")
def gateway(demo_data, tmp_path_factory):
    """A gateway with the demo data, a client, and what says who asks: somebody new, a viewer, the platform."""
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(demo_data, folder / "var")
    free = {"RATE_LIMIT": "0", "RATE_LIMIT_ADDRESS": "0", "TOKEN_SECRET": SECRET, "LOG_LEVEL": "error"}
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
    tokens = [authority.issue("ada", None), authority.issue("batch", Role.SERVICE)]
    with (
        serving(folder, **free) as (_process, welcome),
        httpx.Client(base_url=address_in(welcome), timeout=60) as client,
    ):
        yield client, [{}, *({"Authorization": f"Bearer {token}"} for token in tokens)]


def check(gateway, body, caller):
    client, askers = gateway
    headers = {"Content-Type": "application/json", **askers[caller]}
    answer = client.post("/graphql", content=json.dumps(body), headers=headers)
    assert answer.status_code < 500, (body, answer.text[:1_000])
    errors = answer.json().get("errors", [])
    assert "INTERNAL" not in {error["extensions"]["code"] for error in errors}, (body, answer.text[:1_000])
    spoken = "\n".join(error["message"] for error in errors)
    assert not LEAK.search(spoken), (body, spoken[:1_000])


ASKERS = st.integers(0, 2)


@pytest.mark.parametrize("operation", FITTING, ids=lambda operation: operation.label)
def test_operations_that_fit_the_schema_are_answered(gateway, operation):
    @BOUNDED
    @given(operation.as_strategy(), ASKERS)
    def run(case, caller):
        check(gateway, {"query": case.body}, caller)

    run()


# --- values that need not fit -------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "\0", "a" * 300, "' OR 1=1 --", "%_\\", "\u202e\ufdfa", "\U0001f600" * 40, "NaN", "1e999", "null", "😀é"]
    ),
    st.sampled_from(["2026-11-23T09:30:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "2026-02-30", "-1"]),
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 100, 101, 2**31 - 1, 2**31, 2**63, 1e308, -0.0, 0.5]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


def value_for(type_) -> st.SearchStrategy:
    """Values for an input: mostly of its shape, with scalars of any kind where its own would stand."""
    named = get_named_type(type_)
    if hasattr(named, "fields"):
        fields = {name: value_for(field.type) for name, field in named.fields.items()}
        parse_graphql_request = st.fixed_dictionaries({}, optional=fields)
    elif hasattr(named, "values"):
        parse_graphql_request = st.sampled_from([*named.values, "NOTHING"])
    else:
        parse_graphql_request = SCALARS
    if "[" in str(type_):
        parse_graphql_request = st.lists(parse_graphql_request, max_size=3)
    return st.integers(0, 9).flatmap(lambda roll: ANYTHING if roll == 0 else parse_graphql_request)


def selection(type_, depth: int) -> str:
    """Every field that needs no argument, down to some depth."""
    if is_leaf_type(type_):
        return ""
    if isinstance(type_, GraphQLUnionType) or depth == 0:
        return "{ __typename }"
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    asked = [
        f"{name} {selection(get_named_type(field.type), depth - 1)}"
        for name, field in type_.fields.items()
        if not any(map(is_required_argument, field.args.values())) and name not in ("similar", "whatWouldRemoveIt")
    ]
    return "{ " + " ".join(asked) + " }"


def document(kind: str, name: str, field: GraphQLField) -> str:
    def declared(argument: str, definition: GraphQLArgument) -> str:
        return f"${argument}: {definition.type}"

    declares = ", ".join(declared(*given) for given in field.args.items())
    passes = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    below = selection(get_named_type(field.type), 2)
    return f"{kind}{f'({declares})' if declares else ''} {{ {name}{f'({passes})' if passes else ''} {below} }}"


ROOTS = [
    pytest.param(kind, name, field, id=name)
    for kind, root in (("query", GRAPH.query_type), ("mutation", GRAPH.mutation_type))
    for name, field in root.fields.items()
]


@pytest.mark.parametrize(("kind", "name", "field"), ROOTS)
def test_values_that_nobody_would_send_are_answered(gateway, kind, name, field):
    values = {argument: value_for(definition.type) for argument, definition in field.args.items()}

    @BOUNDED
    @given(st.fixed_dictionaries({}, optional=values), ASKERS)
    def run(variables, caller):
        check(gateway, {"query": document(kind, name, field), "variables": variables}, caller)

    run()
