import pytest
from graphql import get_introspection_query, parse

from gateway.errors import OverLimit
from gateway.limit_settings import LimitSettings
from gateway.limits.limits import Limits, check_cost
from resolvers.schema import schema
from tests.gateway.limits.conftest import SCHEMA


def refusal(text, **settings):
    with pytest.raises(OverLimit) as refused:
        Limits(SCHEMA, LimitSettings(**settings)).analyze(parse(text))
    return refused.value


def nested(depth):
    return "{ named { " + "similar { best { " * depth + "name" + " } }" * depth + " } }"


def many(what, count):
    return " ".join(f"{what.replace('#', str(at))}" for at in range(count))


AT_THE_LIMIT = {  # a document that is within the limit, and the same with a little more
    "TOO_DEEP": ("{ named { " + "a { " * 9 + "b" + " }" * 11, "{ named { " + "a { " * 11 + "b" + " }" * 13, 12),
    "TOO_MANY_ALIASES": (
        "{ named { " + many("a#: name", 30) + " } }",
        "{ named { " + many("a#: name", 31) + " } }",
        30,
    ),
    "TOO_MANY_REPEATS": ("{" + many("named { name }", 15) + "}", "{" + many("named { name }", 16) + "}", 15),
    "TOO_MANY_DIRECTIVES": (
        "{ named { name " + many("@include(if: true)", 5) + "} }",
        "{ named { name " + many("@include(if: true)", 6) + "} }",
        5,
    ),
    "TOO_MANY_FIELDS": (
        "{ named { " + many("f#", 399) + "} }",
        "{ named { " + many("f#", 400) + "} }",
        400,
    ),
    "TOO_MANY_FRAGMENTS": (
        "{ named { name " + many("... { n# }", 200) + "} }",
        "{ named { name " + many("... { n# }", 201) + "} }",
        200,
    ),
    "TOO_MANY_MERGES": (
        "{ named { " + "name " * 100 + "} }",  # 100 * 99 / 2
        "{ named { " + "name " * 101 + "} }",
        5_000,
    ),
    "TOO_MANY_VALUES": (
        "{ books(keys: {" + many("a#: 1", 50) + "}) { name } }",
        "{ books(keys: {" + many("a#: 1", 51) + "}) { name } }",
        50,
    ),
    "TOO_MANY_OPERATIONS": (
        many("query Q# { named { name } }", 20),
        many("query Q# { named { name } }", 21),
        20,
    ),
    "VALUES_TOO_DEEP": (
        "{ books(keys: " + "[" * 20 + "]" * 20 + ") { name } }",
        "{ books(keys: " + "[" * 21 + "]" * 21 + ") { name } }",
        20,
    ),
}


@pytest.mark.parametrize("code", AT_THE_LIMIT)
def test_a_document_may_go_as_far_as_the_limit_and_no_further(limits, code):
    within, beyond, allowed = AT_THE_LIMIT[code]
    assert limits.analyze(parse(within))
    refused = refusal(beyond)
    assert (refused.status, refused.code) == (400, code)
    assert refused.extensions["allowed"] == allowed < refused.extensions["asked"]
    assert f"{allowed:,} " in refused.message
    assert refused.message.endswith(".")


def test_aliases_repeats_and_fields_come_in_through_fragments():
    aliases = "{ " + "...f " * 8 + "} fragment f on Query { a: named { name } b: named { c: name d: name } }"
    assert refusal(aliases).code == "TOO_MANY_ALIASES"
    repeats = "{ " + "...f " * 8 + "} fragment f on Query { named { name } ... { ... on Query { named { name } } } }"
    refused = refusal(repeats)
    assert (refused.code, refused.extensions["asked"]) == ("TOO_MANY_REPEATS", 16)
    assert "`named`" in refused.message


def doubling(times, leaf="__typename"):
    return (
        "{ ...f0 }"
        + "".join(f" fragment f{at} on Query {{ ...f{at + 1} ...f{at + 1} }}" for at in range(times))
        + f" fragment f{times} on Query {{ {leaf} }}"
    )


@pytest.mark.parametrize("times", [18, 300])
def test_fragments_that_double_are_counted_and_not_put_in(times):
    refused = refusal(doubling(times))
    assert refused.code in ("TOO_MANY_FIELDS", "TOO_MANY_FRAGMENTS")
    assert refused.extensions["asked"] <= 10**9


def test_fragments_that_double_and_hold_nothing_are_counted_too():
    refused = refusal(doubling(18, leaf="...nobody"))
    assert refused.code == "TOO_MANY_FRAGMENTS"
    assert refused.extensions["asked"] > 2**18


def test_a_fragment_that_nobody_uses_is_measured_all_the_same():
    unused = doubling(18).replace("{ ...f0 }", "{ named { name } }", 1)
    assert refusal(unused).code == "TOO_MANY_FIELDS"


@pytest.mark.parametrize(
    "text",
    [
        "{ ...a } fragment a on Query { ...a }",
        "{ ...a } fragment a on Query { ...b } fragment b on Query { named { name } ...a }",
        "{ named { name } } fragment a on Query { ... { ... on Query { ...b } } } fragment b on Query { ...a }",
        "{ ...a ...c } fragment a on Query { ...b } fragment b on Query { ...c } fragment c on Query { ...b }",
    ],
)
def test_a_fragment_in_a_circle_is_refused(text):
    assert refusal(text).code == "FRAGMENT_CYCLE"


def test_named_fragments_are_counted():
    assert refusal("{ named { name } }" + many("fragment f# on Query { a }", 61)).extensions == {
        "asked": 61,
        "allowed": 60,
    }


def test_fields_are_merged_through_aliases_fragments_and_parents(limits):
    """`a` four times is 6 pairs, below them `b` five times 10, and in a fragment that is used once `c` twice 1."""
    text = "{ a { b } x: y a: z { b b } ... { a { b b } } ...f } fragment f on Query { a { c } ... { c: d } c }"
    refused = refusal(text, max_merges=10)
    assert refused.code == "TOO_MANY_MERGES"
    assert refused.extensions["asked"] == 6 + 10 + 1


def test_a_fragment_that_is_used_twice_is_no_circle(limits):
    assert limits.analyze(parse("{ ...a ...b } fragment a on Query { ...b } fragment b on Query { named { name } }"))


def test_a_fragment_that_is_not_there_is_left_to_validation(limits):
    assert limits.analyze(parse("{ ...nobody named { name } }"))


INTROSPECTION = get_introspection_query(
    descriptions=True, specified_by_url=True, directive_is_repeatable=True, schema_description=True,
    input_value_deprecation=True,
)  # fmt: skip


def test_what_graphiql_asks_of_the_schema_is_within_all_limits():
    limits = Limits(schema._schema, LimitSettings())
    analysis = limits.analyze(parse(INTROSPECTION))
    check_cost(analysis.cost(analysis.operations[0], {}), LimitSettings().max_cost)


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { types { fields { type { fields { name } } } } } }",
        "{ __schema { types { ...t } } } fragment t on __Type { interfaces { possibleTypes { name } } }",
        "{ __schema { queryType { fields { type { ofType { fields { name } } } } } } }",
        '{ __type(name: "Query") { ' + "ofType { " * 15 + "name" + " }" * 17,
    ],
)
def test_introspection_that_goes_round_in_circles_is_refused(text):
    assert refusal(text).code == "TOO_DEEP"


def test_each_limit_can_be_set():
    assert refusal("{ a: named { name } }", max_aliases=0).extensions == {"asked": 1, "allowed": 0}
    assert refusal("{ named { a { b { c } } } }", max_depth=3).extensions == {"asked": 4, "allowed": 3}


def test_an_operation_may_cost_as_much_as_the_limit():
    check_cost(100, 100)
    with pytest.raises(OverLimit, match="costs 101 points; 100 are allowed") as refused:
        check_cost(101, 100)
    assert (refused.value.status, refused.value.code) == (400, "TOO_COSTLY")
    assert refused.value.extensions == {"asked": 101, "allowed": 100}
