import pytest

from gateway.errors import OverLimit
from gateway.limits.limits import count_values


def nested(depth):
    value = 1
    for at in range(depth):
        value = [value] if at % 2 else {"a": value}
    return {"x": value}


def code_of(variables, **limits):
    with pytest.raises(OverLimit) as refused:
        count_values(variables, **{"max_nesting": 20, "max_values": 1_000, **limits})
    return refused.value.code


@pytest.mark.parametrize("variables", [None, {}, {"a": None, "b": [], "c": {}}, nested(20), {"x": [1] * 999}])
def test_variables_within_the_limits_pass(variables):
    count_values(variables, max_nesting=20, max_values=1_000)


def test_variables_beyond_a_limit_are_refused():
    assert code_of(nested(21)) == "VALUES_TOO_DEEP"
    assert code_of({"x": [1] * 1_000}) == "TOO_MANY_VALUES"
    assert code_of({"x": [[1] * 40] * 40}) == "TOO_MANY_VALUES"


def test_no_depth_is_too_deep_to_be_refused():
    assert code_of(nested(100_000), max_values=10_000_000) == "VALUES_TOO_DEEP"


def test_empty_lists_count_as_values_and_as_depth():
    assert code_of({"x": [[]] * 1_000}) == "TOO_MANY_VALUES"
    assert code_of({"x": nested(20) | {"y": [[[]]]}}, max_nesting=3) == "VALUES_TOO_DEEP"
