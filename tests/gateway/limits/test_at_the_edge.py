"""The limits where a client meets them: statuses, headers and `extensions`."""

import pytest
from graphql import GraphQLEnumType, GraphQLNonNull, get_named_type, get_nullable_type, is_list_type

from db.models import Role
from gateway.limits.budget import INVALID_VARIABLES_POINTS, REFUSED_POINTS, REQUEST_POINTS
from gateway.limits.limits import DOCUMENT_CHARACTERS_PER_POINT, NEW_DOCUMENT_POINTS, NODE_POINTS
from resolvers.common.field_costs import COST
from resolvers.schema import schema

PROXY_OF_THE_TESTS = "127.0.0.1"  # httpx calls itself so
SESSION = "X-Session-Id"
ECHO = REQUEST_POINTS + 1  # `{ echo }` is one attribute, rounded up
NEW = int(NEW_DOCUMENT_POINTS + NODE_POINTS * 5)  # document, operation, selection set, field and its name


async def ask(client, query="{ echo }", headers=None, **body):
    return await client.post("/graphql", json={"query": query, **body}, headers=headers)


def error_of(answer):
    (error,) = answer.json()["errors"]
    return error


async def test_an_answer_says_what_it_cost_and_what_is_left(gateway):
    async with gateway(rate_limit_address=1_000) as client:
        costs = [(await ask(client)).json()["extensions"]["cost"] for _ in range(3)]
    assert {**costs[0], "resetsInSeconds": 0} == {
        "asked": NEW + ECHO, "newDocument": NEW, "limit": 1_000, "remaining": 1_000 - NEW - ECHO, "resetsInSeconds": 0
    }  # fmt: skip
    assert 60 < costs[0]["resetsInSeconds"] <= 120
    assert [cost["newDocument"] for cost in costs] == [NEW, NEW, 0], "a document is kept when it comes again"
    assert [cost["asked"] for cost in costs] == [NEW + ECHO, NEW + ECHO, ECHO]
    assert costs[-1]["remaining"] == 1_000 - 2 * NEW - 3 * ECHO


async def test_all_operations_of_a_new_document_are_paid_for_and_only_one_when_it_is_remembered(gateway):
    document = " ".join(f"query Q{at} {{ a: echo b: echo c: echo }}" for at in range(20))
    async with gateway() as client:
        costs = [(await ask(client, document, operationName="Q7")).json()["extensions"]["cost"] for _ in range(3)]
    nodes = 1 + 20 * (3 + 3 * 3)  # an operation: itself, its name, its selection set; a field: itself, alias, name
    characters = len(document) // DOCUMENT_CHARACTERS_PER_POINT
    assert costs[0]["newDocument"] == NEW_DOCUMENT_POINTS + NODE_POINTS * nodes + characters
    assert [cost["asked"] - cost["newDocument"] for cost in costs] == [ECHO] * 3
    assert costs[2]["newDocument"] == 0


async def test_whoever_has_spent_the_budget_is_told_when_to_come_back(gateway):
    async with gateway(rate_limit_address=2 * (NEW + ECHO) + 8) as client:
        answers = [await ask(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[-1]
    assert 0 < int(refused.headers["retry-after"]) <= 120
    error = error_of(refused)
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert error["extensions"]["cost"]["remaining"] == 8
    assert f"Try again in {refused.headers['retry-after']} s." in error["message"]


async def test_a_new_session_at_each_request_is_no_way_round(gateway):
    async with gateway(rate_limit=10_000, rate_limit_address=2 * NEW + 4 * ECHO) as client:
        sessions = [answer.headers[SESSION] for answer in [await ask(client) for _ in range(4)]]
        assert len(set(sessions)) == 4
        assert (await ask(client)).status_code == 429
        assert (await ask(client, headers={SESSION: sessions[0]})).status_code == 429
        assert (await ask(client, headers={SESSION: "s1.made.up"})).status_code == 429


async def test_behind_a_proxy_of_the_settings_each_caller_has_a_budget(gateway):
    def at(address):
        return {"X-Forwarded-For": address}

    async with gateway(rate_limit_address=NEW + ECHO, trusted_proxies=f"{PROXY_OF_THE_TESTS}, ::1") as client:
        assert (await ask(client, headers=at("203.0.113.1"))).status_code == 200
        assert (await ask(client, headers=at("203.0.113.1"))).status_code == 429
        assert (await ask(client, headers=at("203.0.113.2"))).status_code == 200
    async with gateway(rate_limit_address=NEW + ECHO) as client:
        assert (await ask(client, headers=at("203.0.113.1"))).status_code == 200
        assert (await ask(client, headers=at("203.0.113.2"))).status_code == 429, "nobody believes this proxy"


async def test_trying_tokens_spends_the_addresses_budget(gateway):
    async with gateway(rate_limit_address=300) as client:
        tried = [await ask(client, headers={"Authorization": f"Bearer {at}"}) for at in range(4)]
    assert [answer.status_code for answer in tried] == [401, 401, 401, 429]


@pytest.mark.parametrize(
    "query", ["{ noSuchField }", "{ echo", "{ a: echo b: echo }", "query A { echo } query B { echo }"]
)
async def test_a_refused_document_costs_as_much_as_reading_a_hard_one(gateway, query):
    async with gateway(rate_limit_address=REFUSED_POINTS + 500, max_aliases=1) as client:
        refused, again = await ask(client, query), await ask(client, query)
    assert refused.status_code in (200, 400)
    assert again.status_code == 429


NUMBER = "query($n: Int!) { echo(number: $n) }"


async def test_variables_that_do_not_fit_cost_as_much_as_a_refused_request(client):
    refused, run = await ask(client, NUMBER, variables={"n": "1"}), await ask(client, NUMBER, variables={"n": 1.0})
    assert error_of(refused)["extensions"]["code"] == "BAD_USER_INPUT"
    assert (
        refused.json()["extensions"]["cost"]["asked"] - refused.json()["extensions"]["cost"]["newDocument"]
        == INVALID_VARIABLES_POINTS + REQUEST_POINTS
    )
    assert run.json()["data"] == {"echo": "1"}
    cost = run.json()["extensions"]["cost"]
    assert cost["asked"] - cost["newDocument"] == ECHO


async def test_many_values_are_paid_for_before_they_are_coerced(gateway):
    values = {"n": "1", "others": [1] * 1_198}
    async with gateway(rate_limit_address=1_550) as client:
        refused, over = await ask(client, NUMBER, variables=values), await ask(client, NUMBER, variables=values)
    assert error_of(refused)["extensions"]["code"] == "BAD_USER_INPUT"
    cost = refused.json()["extensions"]["cost"]
    assert cost["asked"] == 120 + INVALID_VARIABLES_POINTS + REQUEST_POINTS + cost["newDocument"]
    assert cost["remaining"] == 1_550 - cost["asked"] == 90
    assert over.status_code == 429
    assert error_of(over)["extensions"]["cost"]["asked"] == 120


async def test_errors_of_a_document_come_before_errors_of_its_variables(client):
    document = "query($n: Int!, $n: Int!, $m: Nothing) { noSuchField(number: $n) }"
    answer = await ask(client, document, variables={"n": "1"})
    assert {one["extensions"]["code"] for one in answer.json()["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


async def test_the_platform_may_send_what_a_viewer_may_not(gateway, authority):
    headers = {"Authorization": f"Bearer {authority.issue('batch', Role.SERVICE)}"}
    values = {"x": [1] * 200}
    async with gateway(max_cost=100, max_cost_service=1_000, max_values=100, max_values_service=1_000) as client:
        assert error_of(await ask(client, variables=values))["extensions"]["code"] == "TOO_MANY_VALUES"
        assert (await ask(client, variables=values, headers=headers)).json()["data"]


async def test_an_operation_that_takes_too_long_is_stopped(gateway):
    async with gateway(operation_timeout_s=0.05) as client:
        answer = await ask(client, "{ sleeps(seconds: 60) }")
        assert (await ask(client, "{ sleeps(seconds: 0) }")).json()["data"] == {"sleeps": True}
    assert answer.status_code == 503
    assert error_of(answer)["extensions"] == {"code": "TIMEOUT", "seconds": 0.05}


@pytest.mark.parametrize("proxies", ["nonsense", "10.0.0.0/99", "1.2.3.4.5"])
async def test_a_proxy_that_is_no_address_stops_the_start(proxies):
    from gateway.errors import InvalidSettings
    from gateway.settings import load_settings

    with pytest.raises(InvalidSettings, match="trusted_proxies"):
        load_settings(trusted_proxies=proxies)


def fields_that_size_something():
    """All fields that take `first`, or a list of things to do something with."""
    for type_ in schema._schema.type_map.values():
        for name, field in getattr(type_, "fields", {}).items():
            for argument, definition in getattr(field, "args", {}).items():
                is_list = is_list_type(get_nullable_type(definition.type)) and isinstance(
                    definition.type, GraphQLNonNull
                )
                is_list = is_list and not isinstance(get_named_type(definition.type), GraphQLEnumType)  # a handful
                if not type_.name.startswith("__") and (argument == "first" or is_list):
                    yield pytest.param(field, argument, id=f"{type_.name}.{name}({argument}:)")


@pytest.mark.parametrize(("field", "argument"), list(fields_that_size_something()))
def test_whatever_can_be_asked_for_many_times_costs_by_how_many(field, argument):
    cost = field.extensions["strawberry-definition"].metadata.get(COST)
    assert cost is not None
    assert cost.size_argument == argument
    assert cost.points_per_item > 0
    assert 0 < cost.max_size <= 10_000


def root_pages():
    """Fields of Query that cut pages, with what else they need."""
    for name, field in schema._schema.query_type.fields.items():
        if "first" in field.args:
            needed = "".join(
                f'{other}: "a", ' for other, of in field.args.items() if isinstance(of.type, GraphQLNonNull)
            )
            yield pytest.param(f"{{ {name}({needed}first: 101) {{ __typename }} }}", id=name)


@pytest.mark.parametrize("query", list(root_pages()))
async def test_no_page_is_larger_than_a_hundred(query):
    """Pages are checked before anything is read, so there is nothing behind the stores here."""
    from types import SimpleNamespace

    from db.actors.users import ANONYMOUS_VIEWER
    from resolvers.common.context import Context
    from scoring.feeds import Feeds
    from scoring.use_cases.unit_of_work import Caller

    class Everybody(Context):
        async def viewer(self):
            return ANONYMOUS_VIEWER

    stores = SimpleNamespace(database=None, cache=None, vectors=None, embedder=None)
    context = Everybody(stores, Caller(), feeds=Feeds(stores))
    result = await schema.execute(query, context_value=context)
    assert [error.extensions["code"] for error in result.errors] == ["FIRST_OUT_OF_RANGE"]
