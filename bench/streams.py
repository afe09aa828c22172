"""Memory of idle subscriptions: opens WebSockets to a gateway and reads the memory of its process.

    .venv/bin/python -m bench.streams --sockets 1000

A second figure is the CPU time of a change for all subscriptions: each socket belongs to another viewer, who likes a
project and is notified.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway.callers.token_authority import TokenAuthority
from tests.running import address_in, serving

SECRET = "a secret of the bench, long enough for HS256"  # noqa: S105
SUBSCRIBE = "subscription { feedChanged(feeds: [FOR_YOU]) { version } }"


def process_of(pid: int) -> tuple[float, float]:
    """Return the memory (MB) and CPU time (s) of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return memory / 1024, (int(ticks[11]) + int(ticks[12])) / 100


async def opened(stack: AsyncExitStack, url: str, token: str) -> ClientConnection:
    """Open a socket, and subscribe."""
    protocols = [Subprotocol("graphql-transport-ws")]
    socket = await stack.enter_async_context(connect(url, subprotocols=protocols, ping_interval=None))
    init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}
    await socket.send(json.dumps(init))
    await socket.recv()
    await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": SUBSCRIBE}}))
    return socket


async def acted(address: str, tokens: list[str]) -> None:
    """Send a like of each viewer."""
    body = {"query": 'mutation { likeProject(key: "KEY") { changed } }'}
    async with httpx.AsyncClient(timeout=60) as client:
        key = (
            await client.post(f"{address}/graphql", json={"query": "{ newest(first: 1) { edges { node { key } } } }"})
        ).json()
        body["query"] = body["query"].replace("KEY", key["data"]["newest"]["edges"][0]["node"]["key"])
        for token in tokens:
            await client.post(f"{address}/graphql", json=body, headers={"Authorization": f"Bearer {token}"})


async def measure(pid: int, address: str, sockets: int) -> None:
    """Open the sockets, wait, and trigger a notification of each."""
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
    tokens = [authority.issue(f"viewer-{number}") for number in range(sockets)]
    await acted(address, [authority.issue("somebody else")])
    await asyncio.sleep(10)  # the jobs that a start catches up with
    memory, cpu = process_of(pid)
    async with AsyncExitStack() as stack:
        started = time.perf_counter()
        talks = [await opened(stack, f"{address.replace('http', 'ws')}/graphql", token) for token in tokens]
        opening = time.perf_counter() - started
        await asyncio.sleep(5)
        with_all, busy = process_of(pid)
        print(f"{sockets} sockets opened in {opening:.1f} s, {1e3 * (busy - cpu) / sockets:.2f} ms CPU each")
        print(f"memory {memory:.0f} -> {with_all:.0f} MB: {1024 * (with_all - memory) / sockets:.0f} KB each")
        await asyncio.sleep(30)
        print(f"idle: {(process_of(pid)[1] - busy) / 30:.1%} of a core")
        await acted(address, tokens)
        told = await asyncio.gather(*(asyncio.wait_for(talk.recv(), 60) for talk in talks))
        print(f"{len(told)} of {sockets} were told of their own act")


def main() -> None:
    """Start a gateway with the demo data, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=1_000)
    given = parser.parse_args()
    settings = {"TOKEN_SECRET": SECRET, "MAX_STREAMS_ADDRESS": "100000", "MAX_STREAMS": "100000"}
    settings |= {"MAX_CONNECTIONS": "100000", "RATE_LIMIT_ADDRESS": "0"}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--demo", **settings) as (process, welcome):
        address: str = address_in(welcome)  # type: ignore[no-untyped-call]
        asyncio.run(measure(process.pid, address, given.sockets))


if __name__ == "__main__":
    main()
