"""The public audits of GraphQL over HTTP, run by their own program against a server on a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from gateway.app import build
from gateway.settings import Settings
from tests.gateway.conftest import GRAPH, SECRET, FakeRuntime

AUDITS = 61


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[str]:
    """Serve the small graph of these tests on a free port, and give its address."""

    @asynccontextmanager
    async def opened():
        yield FakeRuntime()

    app = build(settings, GRAPH, opened)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not serving.done()
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        server.should_exit = True
        await serving


async def test_every_audit_of_graphql_over_http_passes_without_a_warning(node, tmp_path):
    settings = Settings(_env_file=None, var_dir=tmp_path, token_secret=SECRET)
    async with listening(settings) as url:
        told = await asyncio.to_thread(node.run, "audits.mjs", url)
    assert told.returncode == 0, told.stderr
    audits = json.loads(told.stdout)
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len(audits) == AUDITS
