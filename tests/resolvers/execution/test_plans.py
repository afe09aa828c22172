"""Plans of documents, and the cache of contents: both are bounded."""

from itertools import product
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from resolvers.execution import executor
from resolvers.execution.plans import MAX_PLANS, Contents, DocumentPlans
from tests.resolvers.conftest import Graph, user

DOCUMENT = """query ($a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!, $n: Int) {
  a: __typename @skip(if: $a) b: __typename @include(if: $b)
  ... @skip(if: $c) { viewer { key @skip(if: $d) } }
  popular(first: $n) { nodes { key } }
}"""


def operation() -> OperationDefinitionNode:
    (node,) = parse(DOCUMENT).definitions
    assert isinstance(node, OperationDefinitionNode)
    return node


def test_a_plan_depends_on_the_variables_of_skip_and_include_only() -> None:
    plans, node = DocumentPlans(), operation()
    given = dict.fromkeys("abcd", True)
    plan = plans.find(node, {}, {**given, "n": 1})
    assert plans.find(node, {}, {**given, "n": 2}) is plan
    assert plans.find(node, {}, {**given, "d": False}) is not plan
    assert plans.find(node, {}, given) is plan


def test_a_document_keeps_few_plans() -> None:
    plans, node = DocumentPlans(), operation()
    for values in product([False, True], repeat=4):
        plans.find(node, {}, dict(zip("abcd", values, strict=True)))
    assert len(plans._plans) <= MAX_PLANS


async def test_a_document_that_is_executed_once_leaves_nothing_behind(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents: Any = Contents(1_000)
    monkeypatch.setattr(executor, "_CONTENTS", contents)
    for number in range(3):
        await graph.data(f"{{ p{number}: popular(first: 3) {{ nodes {{ key title }} }} }}", user("ada"))
    assert len(contents) == 0
