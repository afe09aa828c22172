"""The private parts of Strawberry and graphql-core that the resolvers use are there, and are noticed when they go."""

from typing import Any

import pytest
import strawberry

from resolvers.common import compat


def test_the_installed_versions_have_all_that_the_resolvers_use() -> None:
    assert compat.incompatibilities() == []


def test_a_version_that_was_not_tested_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "TESTED", {"strawberry-graphql": (9, 9)})
    (sentence,) = compat.incompatibilities()
    assert "strawberry-graphql" in sentence
    assert "replace 9.9 in TESTED" in sentence


def test_a_part_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_PARTS", {compat.ExecutionContext: "execute_fields execute_no_fields"})
    (sentence,) = compat.incompatibilities()
    assert "StrawberryGraphQLCoreExecutionContext has no execute_no_fields any more" in sentence


def test_an_input_is_read_by_the_function_that_it_names() -> None:
    @strawberry.input
    class Pair:
        first_one: int
        second: int = 2

    compat.read_input_by(Pair, lambda values: Pair(first_one=values["firstOne"] + 1))

    @strawberry.type
    class Query:
        @strawberry.field
        def total(self, pair: Pair) -> int:
            return pair.first_one + pair.second

    result: Any = strawberry.Schema(Query).execute_sync("{ total(pair: {firstOne: 10}) }")
    assert (result.errors, result.data) == (None, {"total": 13})
    assert compat.is_input(Pair(first_one=1))
    assert not compat.is_input("text")
