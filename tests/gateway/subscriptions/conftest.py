"""A gateway on a real socket, with a real store behind it, and clients that speak its protocols byte by byte."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from gateway.app import build
from gateway.callers.clock import Clock
from gateway.callers.token_authority import TokenAuthority
from gateway.runtime import open_runtime
from gateway.server import server_config
from gateway.settings import Settings
from resolvers.schema import schema
from tests.gateway.conftest import SECRET
from tests.templates import Template
from tests.world import World

_turns = itertools.count(1)

WAIT_AT_MOST_S = 20.0
"""Tells what comes from what hangs; nothing here is timed."""

SUBSCRIBE = "subscription ($since: Int) { feedChanged(feeds: [FOR_YOU], since: $since) { feed reason version } }"
LIKE = "mutation ($key: String!) { likeProject(key: $key) { changed viewer { version } userErrors { message } } }"


@dataclass
class Running:
    """A gateway that answers at `url`; whoever is named is somebody else in each `turn`."""

    server: uvicorn.Server
    url: str
    authority: TokenAuthority
    app: Starlette
    turn: int = 0

    @property
    def receives_remote(self) -> bool:
        """Whether hints of other processes arrive."""
        changes = self.app.state.runtime.changes
        return bool(changes._notifier.receives_remote)

    def bearer(self, user: str, hours: float = 1.0) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.authority.issue(f'{user}-{self.turn}', hours=hours)}"}

    async def ask(self, query: str, headers: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=WAIT_AT_MOST_S) as client:
            body = {"query": query, "variables": variables}
            answer = (await client.post(self.url, json=body, headers=headers)).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def like(self, user: str, key: str) -> int:
        """Let a user like a project; gives the user's version afterwards."""
        liked = (await self.ask(LIKE, self.bearer(user), key=key))["likeProject"]
        assert liked["userErrors"] == []
        return int(liked["viewer"]["version"])

    @asynccontextmanager
    async def socket(self, payload: Any = None, *, init: bool = True, **options: Any) -> AsyncIterator["Talk"]:
        given = {"subprotocols": [Subprotocol("graphql-transport-ws")], **options}
        async with connect(self.url.replace("http", "ws", 1), **given) as socket:
            talk = Talk(socket)
            if init:
                await talk.say(type="connection_init", **({} if payload is None else {"payload": payload}))
                talk.ack = await talk.hear("connection_ack")
            yield talk


class Talk:
    """One socket, from the client's side."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ack: dict[str, Any] = {}

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, type_: str) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_AT_MOST_S):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        assert message["type"] == type_, message
        return message

    async def subscribe(self, id_: str = "1", query: str = SUBSCRIBE, **variables: Any) -> None:
        await self.say(type="subscribe", id=id_, payload={"query": query, "variables": variables})

    async def told(self, id_: str = "1") -> dict[str, Any]:
        """Hear the next event; gives what it says of the feed."""
        message = await self.hear("next")
        assert message["id"] == id_
        changed: dict[str, Any] = message["payload"]["data"]["feedChanged"]
        return changed

    async def closed(self) -> tuple[int, str]:
        """Wait for the end; gives its code and reason."""
        async with asyncio.timeout(WAIT_AT_MOST_S):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Running]:
    app = build(settings, schema, partial(open_runtime, settings), clock=clock or Clock())
    server = uvicorn.Server(server_config(settings, app))
    config = server.config
    config.port = 0
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), serving
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
        yield Running(server, f"http://127.0.0.1:{port}/graphql", authority, app)
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def truth(sqlite_template: Template, tmp_path: Path) -> AsyncIterator[str]:
    """Give the URL of a store with some people and projects."""
    async with sqlite_template.copy(tmp_path) as database:
        await _fill(database)
        yield f"sqlite:///{database.url.database}"


async def _fill(database: Database) -> None:
    async with database.write() as connection:
        await upsert_projects(connection, [World.project(number) for number in range(20)])


@pytest.fixture
def serve(truth: str, tmp_path: Path) -> Serve:
    """Start a gateway on the store: `async with serve(max_streams=1) as gateway`."""

    def start(clock: Clock | None = None, **settings: Any) -> AbstractAsyncContextManager[Running]:
        given = {"var_dir": tmp_path, "token_secret": SECRET, "database_url": truth, **settings}
        return running(Settings(_env_file=None, **given), clock)

    return start


@pytest.fixture(scope="module")
async def shared_gateway(sqlite_template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A gateway with the default settings, for all tests of a file: to start one takes a second."""
    folder = tmp_path_factory.mktemp("gateway")
    async with sqlite_template.copy(folder) as database:
        await _fill(database)
    given = {"var_dir": folder, "token_secret": SECRET, "database_url": f"sqlite:///{database.url.database}"}
    async with running(Settings(_env_file=None, **given)) as started:
        yield started


@pytest.fixture
def gateway(shared_gateway: Running) -> Running:
    """The gateway of this file, with people who have not been there before."""
    return replace(shared_gateway, turn=next(_turns))
