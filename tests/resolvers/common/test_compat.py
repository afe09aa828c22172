"""The private parts of Strawberry and graphql-core that the resolvers use are there, and are noticed when they go."""

from collections.abc import Mapping
from importlib.metadata import version
from inspect import getsource
from typing import Any

import strawberry
from strawberry.types import Info
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from resolvers.common import compat

TESTED = {"strawberry-graphql": (0, 341), "graphql-core": (3, 3)}
"""Tested versions, as the first components of the version number."""

USED_ATTRIBUTES: dict[type, str] = {
    compat.ExecutionContext: "execute_fields execute_root_grouped_field_set collect_subfields middleware_manager "
    "operation fragment_definitions _relevant_sub_fields variable_values",
    StrawberryField: "base_resolver default_resolver default_value arguments extensions python_name graphql_name "
    "description metadata",
    StrawberryObjectDefinition: "fields from_input is_type_of origin",
    StrawberryEnumDefinition: "values wrapped_cls",
    Info: "_raw_info _field",
    StrawberryArgument: "default description type_annotation",
}
"""Attributes of each class that the resolvers use."""


def untested_versions(tested_versions: Mapping[str, tuple[int, ...]]) -> list[str]:
    messages = []
    for package, tested in tested_versions.items():
        installed = version(package)
        if tuple(int(part) for part in installed.split(".")[: len(tested)]) != tested:
            expected = ".".join(map(str, tested))
            messages.append(
                f"{package} {installed} is not tested: run tests/resolvers, then replace {expected} in TESTED"
            )
    return messages


def missing_attributes(attributes: Mapping[type, str]) -> list[str]:
    messages = []
    for owner, names in attributes.items():
        source = "".join(getsource(base) for base in owner.__mro__ if base is not object and base.__module__ != "abc")
        messages += [
            f"{owner.__module__}.{owner.__name__} has no {name} any more: adapt resolvers/common/compat.py"
            for name in names.split()
            if not hasattr(owner, name) and f"self.{name}" not in source and f"{name}:" not in source
        ]
    return messages


def test_the_installed_versions_have_all_that_the_resolvers_use() -> None:
    assert untested_versions(TESTED) == []
    assert missing_attributes(USED_ATTRIBUTES) == []


def test_a_version_that_was_not_tested_is_named() -> None:
    (sentence,) = untested_versions({"strawberry-graphql": (9, 9)})
    assert "strawberry-graphql" in sentence
    assert "replace 9.9 in TESTED" in sentence


def test_a_part_that_is_gone_is_named() -> None:
    (sentence,) = missing_attributes({compat.ExecutionContext: "execute_fields execute_no_fields"})
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
