"""What clients read of their own mistakes: JSON's words, or GraphQL's, and never Python's."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking import plain_message


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Variable '$f' has invalid value: Int cannot represent non-integer value: True",
            "Variable '$f' has invalid value: Int cannot represent non-integer value: true.",
        ),
        (
            "Variable '$w' has invalid value: Expected value of type 'A' to be an object, found: 'x'.",
            "Variable '$w' has invalid value: Expected value of type 'A' to be an object, found: \"x\".",
        ),
        (
            "Variable '$w' has invalid value: Unknown field 'typs'. Did you mean 'types'? Found: {'typs': [None]}.",
            "Variable '$w' has invalid value: Unknown field 'typs'. Did you mean 'types'? Found: {\"typs\":[null]}.",
        ),
        (
            "Variable '$w' has invalid value: Unknown field 'typs'. Did you mean 'types'? Found: {'a': [Array]}.",
            "Variable '$w' has invalid value: Unknown field 'typs'. Did you mean 'types'?",
        ),
        (
            "Variable '$f' has invalid value: Int cannot represent non 32-bit signed integer value: 1" + "0" * 30,
            "Variable '$f' has invalid value: Int cannot represent non 32-bit signed integer.",
        ),
        (
            "Expected value of non-null type 'String!' not to be None.",
            "Expected value of non-null type 'String!' not to be null.",
        ),
        ("Int cannot represent non-integer value: { a: 1 }", "Int cannot represent non-integer value: { a: 1 }."),
        (
            "Expected value of type 'Day', found: 7, but encountered error 'int' object has no attribute 'strip'",
            "Expected value of type 'Day', found: 7.",
        ),
    ],
)
def test_a_value_is_quoted_as_the_client_wrote_it(said, told):
    assert plain_message(said) == told


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)


@given(JSON)
def test_every_value_is_told_as_json_or_not_at_all(value):
    from graphql.pyutils import inspect

    told = plain_message(f"Variable '$f' has invalid value: Int cannot represent non-integer value: {inspect(value)}")
    said, _, quoted = told.removesuffix(".").partition(" non-integer value: ")
    assert said.startswith("Variable '$f' has invalid value: Int cannot represent")
    assert told.endswith(".")
    assert not quoted or orjson.loads(quoted) == value
