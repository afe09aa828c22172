"""Generated documents over the whole schema: two executors give equal data, errors and order of fields."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
)
from strawberry.execution import optimized_is_awaitable

from db.models import base
from resolvers.common.global_ids import global_id
from resolvers.execution.executor import Executor
from resolvers.execution.plans import DocumentPlans
from resolvers.execution.unstarted_coroutines import ClosesUnstartedCoroutines
from resolvers.schema import schema
from scoring import tunables
from scoring.use_cases.unit_of_work import Caller
from tests.resolvers.conftest import ANONYMOUS_VIEWER, Graph, user

SCHEMA = schema._schema
DOCUMENTS = 15
MAX_DEPTH = 7
LEFT_OUT = {"whatWouldRemoveIt", "__schema", "__type"}
"""The first field has a time limit."""

STRINGS = ["p0001", "p0002", "author", "tool-0", "painting", "daily", "nothing-like-it", "watercolor portrait"]
IDS = [
    *(global_id(type_, key) for type_, key in (("Project", "p0001"), ("User", "author"), ("Tool", "tool-0"))),
    global_id("Project", "nothing-like-it"),
    "no id",
]


_USUAL: dict[str, list[Any]] = {
    "first": [1, 2, 3],
    "days": [1, 2, 7, 14],
    "after": [None],
    "key": STRINGS[:2],
    "id": IDS[:3],
}
_UNUSUAL = {"first": [0, 500, -1], "days": [0, 91, -1], "after": ["p0001"], "key": STRINGS, "id": IDS}


def keep_rankings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the rankings of all feeds as long as a test, so that both executors read one ranking."""
    for feed in ("NEWEST", "TRENDING", "SEARCH"):
        monkeypatch.setattr(tunables, f"{feed}_FRESH_S", 600.0)


@dataclass
class Generator:
    """Writes documents that are valid, with random selections, aliases, fragments, directives and arguments."""

    random: random.Random
    variables: dict[str, Any] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)

    def document(self) -> str:
        roots = SCHEMA.query_type
        assert roots is not None
        page = self.random.choice(["forYou", "trending", "popular", "newest", "search", "project"])
        chosen = [*self.random.sample(sorted(roots.fields), 2), page]
        parts = [self._field(name, roots.fields[name], 1, alias=True) for name in chosen if name not in LEFT_OUT]
        definitions = ", ".join(["$yes: Boolean!", *self.definitions])
        return (
            f"query ({definitions}) {{ x: __typename @include(if: $yes) {' '.join(parts)} }} {' '.join(self.fragments)}"
        )

    def _field(self, name: str, definition: GraphQLField, depth: int, *, alias: bool = False) -> str:
        named = get_named_type(definition.type)
        written = f"a{self.random.randrange(10**6)}: {name}" if alias or self.random.random() < 0.1 else name
        written += self._arguments(definition)
        if self.random.random() < 0.1:
            written += self.random.choice([" @skip(if: $yes)", " @include(if: $yes)", " @include(if: true)"])
        return written if is_leaf_type(named) else f"{written} {self._selection(named, depth)}"

    def _selection(self, type_: Any, depth: int) -> str:
        parts = ["__typename"] if self.random.random() < 0.4 else []
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            parts += [
                f"... on {possible.name} {self._selection(possible, depth)}"
                for possible in SCHEMA.get_possible_types(type_)
                if self.random.random() < 0.6
            ]
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            parts += self._fields(type_, depth)
        body = f"{{ {' '.join(parts or ['__typename'])} }}"
        if self.random.random() < 0.15 and isinstance(type_, GraphQLObjectType):
            name = f"F{len(self.fragments)}x{self.random.randrange(10**6)}"
            self.fragments.append(f"fragment {name} on {type_.name} {body}")
            return f"{{ ...{name} __typename }}"
        return body

    def _fields(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> Iterator[str]:
        for name, definition in type_.fields.items():
            named = get_named_type(definition.type)
            is_leaf = is_leaf_type(named)
            likelihood = 0.5 if is_leaf else 0.45 if depth < MAX_DEPTH else 0.0
            if name in LEFT_OUT or (depth > 4 and name in ("similar", "project", "blockedBy", "explanation")):
                continue
            # Several `... on` of one interface must not select one name with different arguments: they get an alias.
            if self.random.random() < likelihood:
                yield self._field(name, definition, depth + 1, alias=not is_leaf or bool(definition.args))

    def _arguments(self, definition: GraphQLField) -> str:
        given = []
        for name, argument in definition.args.items():
            is_required = isinstance(argument.type, GraphQLNonNull)
            if not is_required and self.random.random() < 0.5 and name not in ("first", "key"):
                continue
            value = self._value(name, argument.type)
            if self.random.random() < 0.4:
                variable = f"v{len(self.variables)}"
                self.variables[variable] = value
                self.definitions.append(f"${variable}: {argument.type}")
                given.append(f"{name}: ${variable}")
            elif not isinstance(get_named_type(argument.type), GraphQLInputObjectType):
                is_enum = isinstance(get_named_type(argument.type), GraphQLEnumType)
                text = orjson.dumps(value).decode()
                given.append(f"{name}: {text.replace(chr(34), '') if is_enum else text}")
        return f"({', '.join(given)})" if given else ""

    def _value(self, name: str, type_: Any) -> Any:
        if isinstance(type_, GraphQLNonNull):
            return self._value(name, type_.of_type)
        if isinstance(type_, GraphQLList):
            return [self._value(name, type_.of_type) for _ in range(self.random.randrange(3))]
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice(sorted(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            return {"tools": ["tool-0"]} if "tools" in type_.fields else {}
        if name in _USUAL:
            unusual = self.random.random() < 0.05
            return self.random.choice(_UNUSUAL[name] if unusual else _USUAL[name])
        return self._scalar(type_)

    def _scalar(self, type_: Any) -> Any:
        return {
            "Int": self.random.randrange(3),
            "Float": self.random.random(),
            "Boolean": self.random.random() < 0.5,
            "ID": self.random.choice(IDS),
            "String": self.random.choice(STRINGS),
        }.get(type_.name)


async def answer(
    graph: Graph, executor: type[Any], document: Any, variables: dict[str, Any], caller: Caller, plans: Any = None
) -> tuple[str, list[str]]:
    prepared = executor.build(
        SCHEMA,
        document,
        context_value=graph.context(caller),
        raw_variable_values=variables,
        is_awaitable=optimized_is_awaitable,
        operation_extensions=None,
    )
    if isinstance(prepared, list):
        return "", [error.message for error in prepared]
    if plans is not None:
        prepared.plans = plans
    result = prepared.execute_operation()
    result = await result if isawaitable(result) else result
    errors = [repr((error.message, error.path, error.locations, error.extensions)) for error in result.errors or []]
    return orjson.dumps(result.data).decode(), sorted(errors)


@pytest.mark.parametrize("caller", [user("ada"), ANONYMOUS_VIEWER], ids=["user", "anonymous"])
async def test_both_executors_give_the_same_answers(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, caller: Caller
) -> None:
    keep_rankings(monkeypatch)
    moment = base.now()
    monkeypatch.setattr(base, "datetime", SimpleNamespace(now=lambda _zone: moment))
    successes = 0
    for seed in range(DOCUMENTS):
        generator = Generator(random.Random(f"{seed} {caller}"))
        text = generator.document()
        document = parse(text)
        assert validate(SCHEMA, document) == [], text
        plans = DocumentPlans()
        for is_included in (True, False, True):  # the third answer uses the plan and the contents of the first one
            variables = {**generator.variables, "yes": is_included}
            expected = await answer(graph, ClosesUnstartedCoroutines, document, variables, caller)
            assert await answer(graph, Executor, document, variables, caller, plans) == expected, text
            successes += expected[1] == []
    assert successes > DOCUMENTS  # a third of the answers have no errors


ODD = [
    # one field selected several times, in fragments on objects and interfaces, with other subfields each
    """query ($yes: Boolean!) { popular(first: 3) { nodes { owner { key } ...A ... on Node { id }
    ... { owner { username } } ... on Project @skip(if: $yes) { owner { bio } title } } ...B }
    popular(first: 3) { nodes { tools { key } } } }
    fragment A on Project { owner { id __typename } tools { name } ... on Node { id ... on Project { title } } }
    fragment B on FeedConnection { nodes { ...A } edges { node { ...A } } pageInfo { hasNextPage } }""",
    # a field with different arguments, constants, variables, defaults, nulls and missing variables
    """query ($yes: Boolean!, $d: Int = 3, $missing: Int, $none: Int = null, $w: Int! = 2) { newest(first: 2) { nodes {
    a: activity(days: $d) b: activity(days: $missing) c: activity(days: $none) d: activity(days: null) e: activity
    f: activity(days: 0) g: activityByDay(days: 91) { count } h: activityByDay(days: $w) { date } i: activity(days: $w)
    ... @include(if: $yes) { j: activity(days: 91) } } } }""",
    # conditions on everything, with defaults and with variables that are not given
    """query ($yes: Boolean!, $no: Boolean = false, $also: Boolean! = true) { forYou(first: 3) @include(if: $yes) {
    edges @skip(if: $no) { node { key @skip(if: $yes) @include(if: $also) title @include(if: $no) } } }
    forYou(first: 3) { edges { rank @include(if: $also) } strategy @skip(if: false) } }""",
    # interfaces and unions, and fragments that never apply
    """query ($yes: Boolean!) { forYou(first: 8) { edges { explanation { reasons { __typename id group ...R
    ... on SimilarToProject { project { key title similar(first: 1) { nodes { key } } } similarity }
    ... on FromOwner { owner { key } } ... on Popular { text @include(if: $yes) likeCount } } adjustments { rule
    blockedBy { key owner { key } activity(days: 2) } } contributions { signal { name label } value } summary } } } }
    fragment R on Reason { t: text ... on StatedInterest { confidence kind key } }""",
    # ids that are numbers or wrong, errors in lists, and what becomes null above them
    """query ($yes: Boolean!) { t: __typename @include(if: $yes) node(id: 1) { id } x: project(id: 7) { key }
    n: node(id: "no id") { __typename }
    projects(keys: ["p0001", "nope", "p0001"]) { key similar(first: -1) { nodes { key } } activity(days: -3) }
    y: popular(first: 500) { nodes { key } } z: popular(after: "no") { nodes { key } } __typename
    w: newest(first: 0) { nodes { key } edges { cursor } pageInfo { endCursor } } v: viewer { id role __typename } }""",
    # deep nesting through lists
    """query ($yes: Boolean!) { t: __typename @include(if: $yes)
    a: newest(first: 2) { nodes { similar(first: 2) { nodes { similar(first: 2) { edges { node {
    owner { key } similar(first: 1) { nodes { key explanation { score reasons { text } } } } } } } } } } } }""",
    # arguments in lists and objects with variables
    """query ($yes: Boolean!, $tool: String! = "tool-0", $where: ProjectFilter = {tools: ["tool-1"]}) {
    t: __typename @include(if: $yes) a: popular(where: {tools: [$tool]}, first: 3) { nodes { key } }
    b: popular(where: $where, first: 3) { nodes { key } }
    c: search(query: $tool, first: 2, alpha: 1) { nodes { key } } d: projects(keys: [$tool, "p0002"]) { key } }""",
]


@pytest.mark.parametrize("document", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("caller", [user("ada"), ANONYMOUS_VIEWER], ids=["user", "anonymous"])
async def test_odd_documents_have_the_same_answers(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, caller: Caller, document: str
) -> None:
    keep_rankings(monkeypatch)
    parsed, plans = parse(document), DocumentPlans()
    assert [error.message for error in validate(SCHEMA, parsed)] == []
    for is_included in (True, False, True):
        variables = {"yes": is_included}
        expected = await answer(graph, ClosesUnstartedCoroutines, parsed, variables, caller)
        assert await answer(graph, Executor, parsed, variables, caller, plans) == expected
