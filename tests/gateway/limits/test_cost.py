import pytest
from graphql import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limit_settings import LimitSettings
from gateway.limits.limits import Limits
from tests.gateway.limits.conftest import SCHEMA

# shelf costs 100, and 2 for each of `first`; a plain field 1.
SHELF = {
    "{ shelf { books { name } } }": 100 + 2 * 10 + 1 + 10 * 1,
    "{ shelf(first: 3) { books { name } } }": 100 + 2 * 3 + 1 + 3 * 1,
    "{ shelf(first: 0) { books { name } } }": 100 + 0 + 1 + 0,
    "{ shelf(first: null) { books { name } } }": 100 + 2 * 10 + 1 + 10 * 1,
    "{ shelf(first: 3) { best { name } } }": 100 + 2 * 3 + 1 + 1,
    "{ shelf(first: 3) { books { name } best { authors { name } } } }": 106 + (1 + 3 * 1) + (1 + 4 + 3 * 1),
    "{ shelf(first: 3) { books { authors { books { name } } } } }": 106 + 1 + 3 * (4 + 3 * (1 + 10 * 1)),
    "{ shelf(first: 2) { books { similar(first: 4) { books { name } } } } }": 104 + 1 + 2 * (100 + 8 + 1 + 4 * 1),
    '{ books(keys: ["a", "b"]) { name } }': 5 + 2 + 2 * 1,
    '{ books(keys: "a") { name } }': 5 + 1 + 1,
    '{ books(keys: ["a", "b"]) { authors { name } } }': 5 + 2 + 2 * (4 + 3 * 1),
    "{ named { name ... on Book { name authors { name } } ... on Author { books { name } } } }": 1 + 1 + 8 + 11,
    "{ ...a ...a } fragment a on Query { named { name } }": 2 + 2,
    "{ ... { ... on Query { named { name } } } }": 2,
    "mutation { like(key: 1) { name } }": 2,
    "{ nothing { there } }": 2,
    "{ nothing { ... on Nobody { there } ...a } } fragment a on Nowhere { at { all } }": 1 + 1 + 2,
}


@pytest.mark.parametrize("text", SHELF)
def test_an_operation_costs_its_fields_times_the_lists_that_they_stand_in(cost_of, text):
    assert cost_of(text) == SHELF[text]


@pytest.mark.parametrize(
    ("first", "entries"),
    [(7, 7), (7.0, 7), (3e1, 30), (50, 50), (51, 50), (2**31 - 1, 50), (-1, 0), (-0.0, 0), (None, 10)],
)
def test_the_value_of_a_variable_says_how_many(cost_of, first, entries):
    text = "query($n: Int) { shelf(first: $n) { books { name } } }"
    assert cost_of(text, n=first) == 100 + 2 * entries + 1 + entries


def test_a_variable_that_is_not_sent_leaves_the_defaults(cost_of):
    assert cost_of("query($n: Int = 3) { shelf(first: $n) { books { name } } }") == 100 + 6 + 1 + 3
    assert cost_of("query($n: Int = null) { shelf(first: $n) { books { name } } }") == 100 + 20 + 1 + 10
    assert cost_of("query($n: Int) { shelf(first: $n) { books { name } } }") == 100 + 20 + 1 + 10
    assert cost_of("query($n: [String!]) { books(keys: $n) { name } }") == 5 + 20 + 20


@pytest.mark.parametrize(("keys", "entries"), [("a", 1), (["a"], 1), (["a", "b"], 2), ([], 0), (["a"] * 30, 20)])
def test_a_single_value_is_a_list_of_one(cost_of, keys, entries):
    assert cost_of("query($k: [String!]!) { books(keys: $k) { name } }", k=keys) == 5 + entries + entries


def test_variables_in_a_list_count_one_each(cost_of):
    assert cost_of('query($a: String!) { books(keys: [$a, "b", $a]) { name } }', a="a") == 5 + 3 + 3


def test_a_number_of_thousands_of_digits_is_as_much_as_there_can_be(cost_of):
    assert cost_of("{ shelf(first: " + "9" * 10_000 + ") { books { name } } }") == 100 + 2 * 50 + 1 + 50


def test_of_several_operations_each_has_its_own_cost(limits):
    analysis = limits.analyze(parse("query A { shelf { best { name } } } query B { named { name } }"))
    assert [analysis.cost(operation, {}) for operation in analysis.operations] == [122, 2]


def test_the_same_sizes_are_added_up_once(limits):
    analysis = limits.analyze(parse("query($n: Int, $other: Int) { shelf(first: $n) { books { name } } }"))
    (operation,) = analysis.operations
    for n, other in [(3, 1), (3, 2), (4, 2), (3, None)]:
        analysis.cost(operation, {"n": n, "other": other})
    assert list(analysis.costs.values()) == [100 + 6 + 1 + 3, 100 + 8 + 1 + 4]


def test_costs_that_are_remembered_do_not_grow_without_bound(limits):
    analysis = limits.analyze(parse("query($n: Int) { shelf(first: $n) { books { name } } }"))
    for n in range(10_000):
        analysis.cost(analysis.operations[0], {"n": n})
    assert len(analysis.costs) <= 64


def written_out(blocks: list[list[int | None]], index: int) -> str:
    """Write a block with everything that its fragments put in, without fragments."""
    return (
        "{" + " ".join("name" if below is None else written_out(blocks, below)[1:-1] for below in blocks[index]) + "}"
    )


@st.composite
def fragments(draw: st.DrawFn) -> list[list[int | None]]:
    """Fragments that hold fields (None) and fragments further behind, so that there is no cycle."""
    count = draw(st.integers(1, 7))
    return [
        draw(
            st.lists(
                st.one_of(st.none(), st.integers(at + 1, count - 1)) if at < count - 1 else st.none(),
                min_size=1,
                max_size=4,
            )
        )
        for at in range(count)
    ]


WIDE = Limits(SCHEMA, LimitSettings(max_fields=100_000, max_fragments=100_000))


@given(fragments())
@settings(max_examples=100)
def test_fragments_cost_what_the_same_query_costs_with_the_fragments_put_in(blocks):
    text = "{ named { ...f0 } }" + "".join(
        f" fragment f{at} on Named {{ {' '.join('name' if one is None else f'...f{one}' for one in block)} }}"
        for at, block in enumerate(blocks)
    )
    whole = WIDE.analyze(parse("{ named " + written_out(blocks, 0) + " }"))
    parts = WIDE.analyze(parse(text))
    assert parts.cost(parts.operations[0], {}) == whole.cost(whole.operations[0], {})
