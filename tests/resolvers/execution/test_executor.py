"""Our executor against graphql-core's: whatever is asked and whatever an object holds, they answer the same."""

import asyncio
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry
from graphql import execute, parse
from hypothesis import given
from hypothesis import strategies as st
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.execution.executor import Executor


@strawberry.enum
class Mood(Enum):
    GLAD = 1
    SAD = 2


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Leaf:
    text: str
    number: int
    real: float | None
    yes: bool
    mood: Mood | None
    at: datetime | None
    key: strawberry.ID
    words: list[str]
    rows: list[list[int | None]] | None


@strawberry.type
class Branch(Named):
    name: str
    leaf: Leaf
    perhaps: Leaf | None
    leaves: list[Leaf]
    gaps: list[Leaf | None] | None

    @strawberry.field
    def computed(self) -> Leaf:
        return self.leaf

    @strawberry.field
    async def later(self) -> Leaf | None:
        await asyncio.sleep(0)
        return self.perhaps

    @strawberry.field
    def sized(self, first: int = 1) -> list[Leaf]:
        return self.leaves[:first]


@strawberry.type
class Other(Named):
    name: str
    leaf: Leaf


@strawberry.type
class Query:
    branch: Branch | None
    sure: Branch
    branches: list[Branch]
    named: Named | None
    either: list[Branch | Other]


SCHEMA = strawberry.Schema(Query, types=[Other], execution_context_class=Executor)


class Raising:
    """Raises for every attribute, as a property that fails does."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


@dataclass
class Row:
    """Has the attributes, and is no type of the graph."""

    text: Any = "row"
    number: Any = 1
    real: Any = 1.0
    yes: Any = True
    mood: Any = None
    at: Any = None
    key: Any = "k"
    words: Any = ()
    rows: Any = None
    name: Any = "row"


class Soon:
    """A value to await. Not a coroutine, which warns if nobody does."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self.value


WRONG: list[Any] = [
    None,
    "",
    "7",
    7,
    2**31,
    -(2**31) - 1,
    1.5,
    3.0,
    math.nan,
    math.inf,
    True,
    Decimal("1.5"),
    b"bytes",
    [],
    {},
    object,
    KeyError("as a value"),
    Mood.GLAD,
    1,
    datetime(2026, 11, 23, tzinfo=UTC),
]
values = st.sampled_from(WRONG)
anything = st.one_of(values, values.map(lambda value: ("awaited", value)), st.just(("generated",)))


def rarely(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any] = anything) -> st.SearchStrategy[Any]:
    """Give what is promised, and one time in eight something else."""
    return st.integers(0, 7).flatmap(lambda n: odd if n == 0 else usual)


leaves = st.builds(
    Leaf,
    text=rarely(st.text(max_size=3)),
    number=rarely(st.integers(-5, 5)),
    real=rarely(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    yes=rarely(st.booleans()),
    mood=rarely(st.none() | st.sampled_from(Mood)),
    at=rarely(st.none() | st.datetimes()),
    key=rarely(st.text(max_size=3)),
    words=rarely(st.lists(rarely(st.text(max_size=2)), max_size=2)),
    rows=rarely(st.none() | st.lists(st.lists(st.none() | st.integers(0, 9), max_size=2), max_size=2)),
)
objects = rarely(leaves, st.one_of(anything, st.builds(Row), st.builds(Raising)))
branches = st.builds(
    Branch,
    name=rarely(st.text(max_size=3)),
    leaf=objects,
    perhaps=st.none() | objects,
    leaves=rarely(st.lists(objects, max_size=3)),
    gaps=rarely(st.none() | st.lists(st.none() | objects, max_size=3)),
)
others = st.builds(Other, name=st.just("other"), leaf=objects)
roots = st.builds(
    Query,
    branch=rarely(st.none() | branches),
    sure=rarely(branches),
    branches=rarely(st.lists(rarely(branches), max_size=3)),
    named=st.none() | branches | others,
    either=st.lists(branches | others, max_size=3),
)

LEAF = ["text", "number", "real", "yes", "mood", "at", "key", "words", "rows", "__typename", "again: text"]
leaf_selections = st.lists(st.sampled_from(LEAF), min_size=1, max_size=6, unique=True).map(" ".join)
skips = st.sampled_from(["", "", "@skip(if: $yes)", "@include(if: $yes)", "@include(if: false)"])


@st.composite
def branch_selections(draw: st.DrawFn) -> str:
    fields = draw(
        st.lists(
            st.sampled_from(["name", "leaf", "perhaps", "leaves", "gaps", "computed", "later", "sized(first: $n)"]),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    parts = [field if field == "name" else f"{field} {draw(skips)} {{ {draw(leaf_selections)} }}" for field in fields]
    if draw(st.booleans()):
        parts.append(f"... {draw(skips)} {{ leaf {{ {draw(leaf_selections)} }} }}")
    if draw(st.booleans()):
        parts.append("...F")
    return " ".join([*parts, "__typename"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    parts = [
        f"{field} {{ {draw(branch_selections())} }}" for field in draw(st.sets(st.sampled_from(ROOTS), min_size=1))
    ]
    if draw(st.booleans()):
        parts.append(f"named {{ name ... on Branch {{ {draw(branch_selections())} }} }}")
    if draw(st.booleans()):
        parts.append("either { ... on Branch { ...F } ... on Other { leaf { text number } name } }")
    fragment = f"fragment F on Branch {{ name leaf {{ {draw(leaf_selections)} }} }}"
    shared = f"fragment Q on Query {{ sure {{ ...F }} }} {fragment}"
    return f"query($yes: Boolean!, $n: Int) {{ {' '.join(parts)} ...Q }} {shared}"


ROOTS = ["branch", "sure", "branches"]


def alive(value: Any) -> Any:
    """Make what may be looked at only once anew, for each executor its own."""
    if isinstance(value, tuple) and value and value[0] == "awaited":
        return Soon(value[1])
    if value == ("generated",):
        return (text for text in ("a", "b"))
    if isinstance(value, list):
        return [alive(one) for one in value]
    if isinstance(value, Leaf | Branch | Other | Query):
        return type(value)(**{name: alive(one) for name, one in vars(value).items()})
    return value


async def answer(executor: type, document: str, root: Any, variables: dict[str, Any]) -> Any:
    running = execute(
        SCHEMA._schema,
        parse(document),
        root_value=alive(root),
        variable_values=variables,
        executor_class=executor,
        is_awaitable=optimized_is_awaitable,
        operation_extensions=None,
    )
    result = running if not hasattr(running, "__await__") else await running
    await asyncio.sleep(0)
    errors = [(error.message, error.path, error.locations) for error in result.errors or []]
    return repr(result.data), sorted(map(repr, errors))


@given(documents(), roots, st.booleans(), st.none() | st.integers(0, 3))
def test_both_executors_answer_the_same(document, root, yes, n):
    variables = {"yes": yes, "n": n}

    async def both() -> tuple[Any, Any]:
        stock = await answer(StrawberryGraphQLCoreExecutionContext, document, root, variables)
        return stock, await answer(Executor, document, root, variables)

    stock, ours = asyncio.run(both())
    assert ours == stock


GOOD = Leaf(
    text="a",
    number=1,
    real=1.5,
    yes=True,
    mood=Mood.GLAD,
    at=datetime(2026, 11, 23, tzinfo=UTC),
    key=strawberry.ID("k"),
    words=["a"],
    rows=[[1, None]],
)


def ask(document: str, leaf: Any = GOOD) -> Any:
    branch = Branch(name="b", leaf=leaf, perhaps=None, leaves=[leaf], gaps=None)
    root = Query(branch=branch, sure=branch, branches=[branch], named=branch, either=[branch])
    return asyncio.run(answer(Executor, document, root, {}))


def test_what_is_plain_all_the_way_down_costs_no_resolve_info(monkeypatch):
    built: list[str] = []
    stock = Executor.build_resolve_info

    def counted(self: Any, field_def: Any, field_nodes: Any, *rest: Any) -> Any:
        built.append(field_nodes[0].name.value)
        return stock(self, field_def, field_nodes, *rest)

    monkeypatch.setattr(Executor, "build_resolve_info", counted)
    data, errors = ask("{ branches { name leaf { text number real yes mood at key words rows } leaves { text } } }")
    assert errors == []
    assert "'mood': 'GLAD'" in data
    assert "'at': '2026-11-23T00:00:00+00:00'" in data
    assert built == []


def test_the_fields_of_an_answer_stand_in_the_order_of_the_document():
    data, _ = ask("{ sure { computed { text } name later { text } leaf { number text } } }")
    assert (
        data == "{'sure': {'computed': {'text': 'a'}, 'name': 'b', 'later': None, 'leaf': {'number': 1, 'text': 'a'}}}"
    )
