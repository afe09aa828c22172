"""A gateway in this process, on a small graph of its own: what is tested here is the edge, not the feeds."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import strawberry
from graphql import GraphQLError

from db.errors import InvalidRecord, Store, StoreUnavailable, UnknownReference
from db.vectors.coverage import IndexCoverage
from gateway.app import build
from gateway.callers.clock import Clock
from gateway.callers.token_authority import TokenAuthority
from gateway.limits.rate_limits import MemoryRateLimitStore
from gateway.settings import Settings
from resolvers.common.field_costs import Sharing, computed
from scoring.use_cases.unit_of_work import Caller

# Builds are made up here, so that tests need no npm; tests/browser opens the true ones.
SCRIPT = b"console.log('explore')"
EXPLORE, GRAPHIQL = "<head><title>explore</title>", "<head><title>graphiql</title>"

SECRET = "a secret of the tests, long enough for HS256"


@strawberry.enum
class Mood(Enum):
    GLAD = 1


@strawberry.type
class Thing:
    name: str = "a"

    @computed(sharing=Sharing.PUBLIC)
    def size(self) -> int:
        return 1

    @computed()
    def is_mine(self) -> bool:
        return False

    @computed(sharing=Sharing.ANONYMOUS)
    def is_liked(self) -> bool:
        return False

    @computed(sharing=Sharing.PUBLIC)
    def like_it(self) -> list["Thing"]:
        return [Thing()]


@strawberry.type
class Query:
    @computed(sharing=Sharing.PUBLIC)
    def thing(self, info: strawberry.Info, whole: bool = True, fails: bool = False) -> Thing | None:
        info.context.is_complete = whole
        if fails:
            raise KeyError("no")
        return Thing()

    @computed(sharing=Sharing.PUBLIC)
    def whose(self, info: strawberry.Info) -> str:
        return str(info.context.caller)

    @strawberry.field
    def caller(self, info: strawberry.Info) -> str:
        caller = info.context.caller
        return f"{caller.user_key}|{caller.session_key}|{caller.role.value if caller.role else None}"

    @strawberry.field
    def echo(self, text: str = "", number: int = 0) -> str:
        return f"{text}{number}"

    @strawberry.field
    def how(self, mood: Mood | None = None) -> str:
        return mood.name if mood else ""

    @strawberry.field
    def fails(self, how: str) -> str | None:
        raise {
            "key": KeyError("the password is hunter2"),
            "known": GraphQLError("The cursor is malformed.", extensions={"code": "BAD_CURSOR"}),
            "record": InvalidRecord("title is too long", ("projects", 3, "title")),
            "reference": UnknownReference("there is no project 'x'"),
            "store": StoreUnavailable(Store.VECTORS, "10.0.0.7 refused"),
            "recursion": RecursionError("maximum recursion depth exceeded"),
        }[how]

    @strawberry.field
    async def sleeps(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return True

    @strawberry.field
    def wrong_output(self) -> int:
        return "not a number"  # type: ignore[return-value]

    @strawberry.field
    def nothing(self) -> int:
        return None  # type: ignore[return-value]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        return "changed"


GRAPH = strawberry.Schema(Query, Mutation)


@dataclass
class FakeStore:
    """Answers every question of /readyz, or fails as it is told."""

    fault: Exception | None = None
    silent: bool = False

    async def answer(self, *_: Any, **__: Any) -> Any:
        if self.silent:
            await asyncio.sleep(60)
        if self.fault is not None:
            raise self.fault
        return {}

    counts = embed = get = answer


@dataclass
class FakeContext:
    caller: Caller
    is_complete: bool = True
    has_changed_catalog: bool = False

    def stop(self) -> None:
        pass


@dataclass
class FakeRuntime:
    stores: Any = field(
        default_factory=lambda: SimpleNamespace(
            database=SimpleNamespace(connection_wait_s=0.0),
            vectors=FakeStore(),
            embedder=FakeStore(),
            cache=FakeStore(),
            coverage=IndexCoverage(),
        )
    )

    rate_limits: MemoryRateLimitStore = field(default_factory=MemoryRateLimitStore)

    def connection_wait(self) -> float:
        return 0.0

    def open_context(self, caller: Caller) -> FakeContext:
        return FakeContext(caller)


Gateway = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def gateway(tmp_path) -> Gateway:
    """Start a gateway: `async with gateway(graphiql=False) as client`. Its pages are not built."""

    @asynccontextmanager
    async def start(
        runtime: Any = None, frontend: Path | None = None, clock: Clock | None = None, **settings: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Any]:
            yield runtime or FakeRuntime()

        given = {"var_dir": tmp_path, "token_secret": SECRET, **settings}
        app = build(Settings(_env_file=None, **given), GRAPH, opened, frontend or tmp_path, clock or Clock())
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
                yield client

    return start


@pytest.fixture
def authority() -> TokenAuthority:
    """Whoever may sign tokens for the gateway above."""
    return TokenAuthority(SECRET.encode(), "explore-gateway", "explore")


@pytest.fixture
async def client(gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with the default settings."""
    async with gateway() as started:
        yield started


@pytest.fixture
def frontend(tmp_path: Path) -> Path:
    """Give a folder with both packages built."""
    page, graphiql = tmp_path / "built" / "dist", tmp_path / "built" / "graphiql" / "dist"
    for folder, words, script in ((page, EXPLORE, "index-4f3a.js"), (graphiql, GRAPHIQL, "index-9c1b.js")):
        (folder / "assets").mkdir(parents=True)
        (folder / "index.html").write_text(words)
        (folder / "index.html.br").write_text(f"as brotli: {words}")
        (folder / "assets" / script).write_bytes(SCRIPT)
        (folder / "assets" / f"{script}.gz").write_bytes(gzip.compress(SCRIPT))
    (page / "favicon.svg").write_text("<svg/>")
    (page / ".built").touch()
    (page.parent / "package.json").write_text("{}")
    return tmp_path / "built"
