from math import ceil

import pytest
from graphql import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limit_settings import LimitSettings
from gateway.limits.limits import Limits
from resolvers.common.field_costs import ATTRIBUTE_COST
from tests.gateway.limits.conftest import SCHEMA

A = ATTRIBUTE_COST.points

# shelf costs 100, and 2 for each of `first`; an attribute A.
SHELF = {
    "{ shelf { books { name } } }": 100 + 2 * 10 + A + 10 * A,
    "{ shelf(first: 3) { books { name } } }": 100 + 2 * 3 + A + 3 * A,
    "{ shelf(first: 0) { books { name } } }": 100 + 0 + A + 0,
    "{ shelf(first: null) { books { name } } }": 100 + 2 * 10 + A + 10 * A,
    "{ shelf(first: 3) { best { name } } }": 100 + 2 * 3 + A + A,
    "{ shelf(first: 3) { books { name } best { authors { name } } } }": 106 + (A + 3 * A) + (A + 4 + 3 * A),
    "{ shelf(first: 3) { books { authors { books { name } } } } }": 106 + A + 3 * (4 + 3 * (A + 10 * A)),
    "{ shelf(first: 2) { books { similar(first: 4) { books { name } } } } }": 104 + A + 2 * (100 + 8 + A + 4 * A),
    '{ books(keys: ["a", "b"]) { name } }': 5 + 2 + 2 * A,
    '{ books(keys: "a") { name } }': 5 + 1 + A,
    '{ books(keys: ["a", "b"]) { authors { name } } }': 5 + 2 + 2 * (4 + 3 * A),
    "{ named { name ... on Book { name authors { name } } ... on Author { books { name } } } }": (
        1 + A + (A + A + 4 + 3 * A) + (A + A + 10 * A)
    ),
    "{ ...a ...a } fragment a on Query { named { name } }": 2 * (A + 1 + A),
    "{ ... { ... on Query { named { name } } } }": A + A + 1 + A,
    "mutation { like(key: 1) { name } }": 2 * A,
    "{ nothing { there } }": 2 * A,
    "{ nothing { ... on Nobody { there } ...a } } fragment a on Nowhere { at { all } }": 6 * A,
    # notes cost 3 each, and 50 once for an operation
    "{ shelf(first: 4) { books { notes } } }": 108 + A + 4 * 3 + 50,
    "{ a: shelf(first: 4) { books { notes } } b: shelf(first: 2) { books { notes ...f } } }"
    " fragment f on Book { notes }": (212 + 2 * A + 2 * A + (4 + 2 + 2) * 3 + 50),
    # a read shelf has read what notes and similar shelves need
    "{ read(first: 4) { books { notes similar(first: 2) { books { notes } } } } }": (
        10 + A + 4 * (A + 104 + A + 2 * 3) + 50
    ),
    "{ read(first: 4) { books { ...n } } shelf(first: 1) { books { ...n } } } fragment n on Book { notes }": (
        10 + A + 4 * 2 * A + 102 + A + A + 3 + 50
    ),
    # what is skipped costs nothing
    "{ shelf @skip(if: true) { books { name } } named { name } }": 1 + A,
    "{ shelf @include(if: false) { books { name } } named { name } }": 1 + A,
    "{ shelf @skip(if: false) @include(if: true) { best { name } } }": 120 + 2 * A,
    "{ shelf @skip(if: false) @include(if: false) { best { name } } named { name } }": 1 + A,
    "{ ...s @include(if: false) ... @skip(if: true) { named { name } } } fragment s on Query { named { name } }": 0,
    "{ ... @include(if: true) { named { name } } }": A + 1 + A,
}


def points(sum_: float) -> int:
    return ceil(round(sum_, 6))


@pytest.mark.parametrize("text", SHELF)
def test_an_operation_costs_its_fields_times_the_lists_that_they_stand_in(cost_of, text):
    assert cost_of(text) == points(SHELF[text])


@pytest.mark.parametrize(
    ("first", "entries"),
    [(7, 7), (7.0, 7), (3e1, 30), (50, 50), (51, 50), (2**31 - 1, 50), (-1, 0), (-0.0, 0), (None, 10)],
)
def test_the_value_of_a_variable_says_how_many(cost_of, first, entries):
    text = "query($n: Int) { shelf(first: $n) { books { name } } }"
    assert cost_of(text, n=first) == points(100 + 2 * entries + A + A * entries)


def test_a_variable_that_is_not_sent_leaves_the_defaults(cost_of):
    assert cost_of("query($n: Int = 3) { shelf(first: $n) { books { name } } }") == points(100 + 6 + A + 3 * A)
    assert cost_of("query($n: Int = null) { shelf(first: $n) { books { name } } }") == points(100 + 20 + A + 10 * A)
    assert cost_of("query($n: Int) { shelf(first: $n) { books { name } } }") == points(100 + 20 + A + 10 * A)
    assert cost_of("query($n: [String!]) { books(keys: $n) { name } }") == points(5 + 20 + 20 * A)


@pytest.mark.parametrize(("keys", "entries"), [("a", 1), (["a"], 1), (["a", "b"], 2), ([], 0), (["a"] * 30, 20)])
def test_a_single_value_is_a_list_of_one(cost_of, keys, entries):
    assert cost_of("query($k: [String!]!) { books(keys: $k) { name } }", k=keys) == points(5 + entries + A * entries)


def test_variables_in_a_list_count_one_each(cost_of):
    assert cost_of('query($a: String!) { books(keys: [$a, "b", $a]) { name } }', a="a") == points(5 + 3 + 3 * A)


def test_a_number_of_thousands_of_digits_is_as_much_as_there_can_be(cost_of):
    assert cost_of("{ shelf(first: " + "9" * 10_000 + ") { books { name } } }") == points(100 + 2 * 50 + A + 50 * A)


def test_of_several_operations_each_has_its_own_cost(limits):
    analysis = limits.analyze(parse("query A { shelf { best { name } } } query B { named { name } }"))
    assert [analysis.cost(operation, {}) for operation in analysis.operations] == [points(120 + 2 * A), points(1 + A)]


def test_the_same_sizes_are_added_up_once(limits):
    analysis = limits.analyze(parse("query($n: Int, $other: Int) { shelf(first: $n) { books { name } } }"))
    (operation,) = analysis.operations
    for n, other in [(3, 1), (3, 2), (4, 2), (3, None)]:
        analysis.cost(operation, {"n": n, "other": other})
    assert list(analysis.costs.values()) == [points(106 + 4 * A), points(108 + 5 * A)]


SKIPPED = """query($no: Boolean!, $yes: Boolean = true) {
  shelf @skip(if: $yes) { best { name } } ...f @include(if: $no) named { name } }
fragment f on Query { books(keys: ["a"]) { name } }"""


def test_what_variables_skip_costs_nothing(cost_of):
    named, shelf, books = 1 + A, 120 + 2 * A, A + 6 + A
    assert cost_of(SKIPPED, no=False) == points(named)
    assert cost_of(SKIPPED, no=False, yes=False) == points(named + shelf)
    assert cost_of(SKIPPED, no=True) == points(named + books)
    assert cost_of(SKIPPED, no=True, yes=False) == points(named + shelf + books)


def test_a_list_is_cut_one_item_beyond_the_length_at_which_it_is_refused(limits):
    analysis = limits.analyze(
        parse("query A($k: [String!]!) { books(keys: $k) { name } } query B($k: Int) { named { name } }")
    )
    assert analysis.shorten({"k": ["a"] * 2_000, "n": 1}) == {"k": ["a"] * 21, "n": 1}
    for variables in ({"k": ["a"] * 20}, {"k": "a"}, {"k": None}, {}, None):
        assert analysis.shorten(variables) is variables


def test_a_list_that_has_another_use_is_not_cut(limits):
    analysis = limits.analyze(
        parse("query($k: [String!]!) { books(keys: $k) { name } named(of: {keys: $k}) { name } }")
    )
    variables = {"k": ["a"] * 2_000}
    assert analysis.shorten(variables) is variables


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


def count_spreads(blocks: list[list[int | None]], index: int) -> int:
    """Count the spreads of fragments below a block, fragments expanded."""
    return sum(1 + count_spreads(blocks, below) for below in blocks[index] if below is not None)


@given(fragments())
@settings(max_examples=100)
def test_fragments_cost_what_they_put_in_and_an_attribute_for_each_spread(blocks):
    text = "{ named { ...f0 } }" + "".join(
        f" fragment f{at} on Named {{ {' '.join('name' if one is None else f'...f{one}' for one in block)} }}"
        for at, block in enumerate(blocks)
    )
    parts = WIDE.analyze(parse(text))
    attributes = written_out(blocks, 0).count("name")
    expected = 1 + A * (attributes + 1 + count_spreads(blocks, 0))
    assert parts.cost(parts.operations[0], {}) == points(expected)
