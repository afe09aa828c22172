"""The matrix: faults of each store and of the gateway's processes.

Each fault is a context manager that acts on an installation: the fault begins before its `yield` and ends after it.
"""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from pathlib import Path

import asyncpg
from redis.asyncio import Redis as RedisClient

from bench.reliability.installation import Installation
from bench.reliability.servers import Postgresql, Server, fill_disk
from db.private_files import DataFile
from tests.doubles.proxy import FaultProxy

Apply = Callable[[Installation], AbstractAsyncContextManager[None]]

SLOW_S = 0.3
CUT_AFTER_BYTES = 100
SESSIONS_TRIED = 200
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND NOT pid = ANY($1)"
)

NEEDED_BY = {
    "DATABASE": ("forYou", "trending", "search"),
    "CACHE": ("forYou", "search"),
    "VECTORS": ("forYou", "search"),
    "EMBEDDINGS": ("search",),
}
"""Feeds that must name a store while it is away. A page of `trending` needs neither vectors nor, for a while, Redis."""


@dataclass(frozen=True)
class Fault:
    """A cell of the matrix.

    `stores` are the names that `degraded` may have while the fault acts; with `is_away` the feeds that need these
    stores must have them. With `keeps_sql` every feed must be answered.
    """

    store: str
    name: str
    apply: Apply
    stores: tuple[str, ...] = ()
    is_away: bool = False
    keeps_sql: bool = True
    installation: str = "servers"
    prepare: Callable[[Installation], Awaitable[None]] | None = None
    needs_clock: bool = False


@asynccontextmanager
async def proxied(
    installation: Installation, names: Sequence[str], start: Callable[[FaultProxy], object]
) -> AsyncIterator[None]:
    """Set a fault of proxies."""
    for name in names:
        started = start(installation.proxies[name])
        if isawaitable(started):
            await started
    yield
    for name in names:
        await installation.proxies[name].forward()


@asynccontextmanager
async def nothing(installation: Installation) -> AsyncIterator[None]:
    """Do nothing, which shows what the load alone does to the feeds."""
    yield


def _server(installation: Installation, store: str) -> Server:
    server: Server | None = getattr(installation, store)
    if server is None:
        raise Inapplicable("the server is not one that this bench started")
    return server


class Inapplicable(Exception):
    """A fault cannot act on this installation; the message says why."""


@asynccontextmanager
async def suspended(installation: Installation, store: str) -> AsyncIterator[None]:
    """Suspend the processes of a server (SIGSTOP)."""
    server = _server(installation, store)
    server.send(signal.SIGSTOP)
    yield
    server.send(signal.SIGCONT)


@asynccontextmanager
async def killed(installation: Installation, store: str) -> AsyncIterator[None]:
    """Kill a server, and start it again at the end."""
    server = _server(installation, store)
    await asyncio.to_thread(server.kill)
    yield
    await asyncio.to_thread(server.start)


@asynccontextmanager
async def full_disk(installation: Installation) -> AsyncIterator[None]:
    """Fill the small file system."""
    if installation.disk is None:
        raise Inapplicable("mounting a small file system needs root")
    ballast = await asyncio.to_thread(fill_disk, installation.disk)
    yield
    ballast.unlink()


@asynccontextmanager
async def exhausted_postgresql(installation: Installation) -> AsyncIterator[None]:
    """Take all connections of PostgreSQL: end those of others until there are none."""
    server = _server(installation, "postgresql")
    url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
    taken = [await asyncpg.connect(url)]
    for _ in range(SESSIONS_TRIED):
        try:
            taken.append(await asyncpg.connect(url))
        except asyncpg.TooManyConnectionsError:
            ours = [connection.get_server_pid() for connection in taken]
            if not await taken[0].fetch(END_OTHERS, ours):
                break
    yield
    for connection in taken:
        await connection.close()


@asynccontextmanager
async def configured_redis(installation: Installation, name: str, value: str, usual: str) -> AsyncIterator[None]:
    """Change a parameter of Redis, and end the other clients' connections."""
    async with RedisClient(port=_server(installation, "redis").port) as client:
        await client.config_set(name, value)
        await client.client_kill_filter(_type="normal", skipme=True)
        yield
        await client.config_set(name, usual)


@asynccontextmanager
async def read_only(installation: Installation) -> AsyncIterator[None]:
    """Make PostgreSQL refuse writes, as a primary that was demoted."""
    await _alter(installation, "default_transaction_read_only = on")
    yield
    await _alter(installation, "default_transaction_read_only = off")


async def _alter(installation: Installation, parameter: str) -> None:
    url = f"postgresql://postgres@127.0.0.1:{_server(installation, 'postgresql').port}/postgres"
    connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    await connection.execute(f"ALTER SYSTEM SET {parameter}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def add_standby(installation: Installation) -> None:
    """Start a synchronous standby, so that an acknowledged commit is on both servers."""
    primary = installation.postgresql
    assert primary is not None  # noqa: S101 (of this installation)
    standby = Postgresql(installation.folder / "standby")
    await asyncio.to_thread(standby.copy_from, primary)
    await asyncio.to_thread(standby.start)
    installation.standby = standby
    await _alter(installation, "synchronous_standby_names = '*'")


@asynccontextmanager
async def failover(installation: Installation) -> AsyncIterator[None]:
    """Kill the primary; at the end promote the standby and lead the address to it."""
    standby, primary = installation.standby, installation.postgresql
    assert standby is not None and primary is not None  # noqa: S101, PT018 (`add_standby` was called)
    await asyncio.to_thread(primary.kill)
    yield
    connection = await asyncpg.connect(standby.url)
    await connection.execute("SELECT pg_promote()")
    await connection.close()
    installation.proxies["postgresql"].lead_to(standby.port)
    installation.postgresql, installation.standby = standby, None
    installation.direct = installation.direct.model_copy(update={"database_url": standby.url})


@asynccontextmanager
async def clock_changed(installation: Installation, offset: str) -> AsyncIterator[None]:
    """Set the clock of the gateway's processes forward or back."""
    if installation.clock_file is None:
        raise Inapplicable("libfaketime is missing; install it: apt-get install libfaketime")
    installation.clock_file.write_text(offset)
    yield
    installation.clock_file.write_text("+0")


@asynccontextmanager
async def set_back_at_the_end(installation: Installation) -> AsyncIterator[None]:
    """Refuse Weaviate's connections; when they pass again, the clock is a day earlier."""
    if installation.clock_file is None:
        raise Inapplicable("libfaketime is missing; install it: apt-get install libfaketime")
    async with proxied(installation, WEAVIATE, FaultProxy.refuse):
        yield
        installation.clock_file.write_text("-1d")


@asynccontextmanager
async def both(installation: Installation, first: Apply, second: Apply) -> AsyncIterator[None]:
    """Let two faults act at once."""
    async with AsyncExitStack() as stack:
        for apply in (first, second):
            await stack.enter_async_context(apply(installation))
        yield


@asynccontextmanager
async def killed_process(installation: Installation, process: str) -> AsyncIterator[None]:
    """Kill the gateway's server or worker, and start it again at once."""
    gateway = installation.gateway
    if process == "server":
        gateway.kill_server()
        gateway.start_server()
        await gateway.until_healthy()
        yield
    else:
        gateway.kill_worker()
        yield
        gateway.start_worker()


@asynccontextmanager
async def locked(installation: Installation, file: DataFile) -> AsyncIterator[None]:
    """Lock a file of an embedded store against writers, as a long transaction of another process does."""
    path = Path(installation.direct.var_dir) / file
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


WEAVIATE = ("weaviate", "weaviate_grpc")

BY_PROXY: dict[str, Callable[[FaultProxy], object]] = {
    "refused": FaultProxy.refuse,
    "black-holed": FaultProxy.black_hole,
    "reset": FaultProxy.reset,
    "slow": lambda proxy: proxy.delay(SLOW_S),
    "cut": lambda proxy: proxy.cut_after(CUT_AFTER_BYTES),
}


def _of_proxies(store: str, names: Sequence[str], flag: str) -> list[Fault]:
    """Return the faults of a store's connections."""
    return [
        Fault(
            store,
            name,
            partial(proxied, names=names, start=start),
            (flag,),
            is_away=name != "slow",
            keeps_sql=store != "postgresql" or name == "slow",
        )
        for name, start in BY_PROXY.items()
    ]


def _by_proxy(store: str, name: str) -> Apply:
    return partial(proxied, names=WEAVIATE if store == "weaviate" else (store,), start=BY_PROXY[name])


def _two(first: tuple[str, str], second: tuple[str, str], *stores: str, keeps_sql: bool) -> Fault:
    """Return a fault of two stores at once."""
    name = f"{' '.join(first)} and {' '.join(second)}"
    apply = partial(both, first=_by_proxy(*first), second=_by_proxy(*second))
    return Fault("two", name, apply, stores, is_away=True, keeps_sql=keeps_sql)


def matrix() -> list[Fault]:
    """Return all faults, in the order of the table."""
    postgresql = partial(Fault, "postgresql", stores=("DATABASE",))
    redis = partial(Fault, "redis", stores=("CACHE",))
    weaviate = partial(Fault, "weaviate", stores=("VECTORS",), is_away=True)
    gateway = partial(Fault, "gateway")
    embedded = partial(Fault, installation="embedded")
    forward, back = partial(clock_changed, offset="+1d"), partial(clock_changed, offset="-1d")
    return [
        Fault("none", "no fault", nothing),
        *_of_proxies("postgresql", ("postgresql",), "DATABASE"),
        postgresql("SIGSTOP", partial(suspended, store="postgresql"), is_away=True, keeps_sql=False),
        postgresql("SIGKILL, restart", partial(killed, store="postgresql"), is_away=True, keeps_sql=False),
        postgresql("full disk", full_disk),
        postgresql("no connection left", exhausted_postgresql, is_away=True, keeps_sql=False),
        postgresql("read-only", read_only),
        postgresql("failover to a standby", failover, is_away=True, keeps_sql=False, prepare=add_standby),
        *_of_proxies("redis", ("redis",), "CACHE"),
        redis("SIGSTOP", partial(suspended, store="redis"), is_away=True),
        redis("SIGKILL, restart", partial(killed, store="redis"), is_away=True),
        redis("full memory", partial(configured_redis, name="maxmemory", value="1", usual="0")),
        redis(
            "no connection left", partial(configured_redis, name="maxclients", value="1", usual="10000"), is_away=True
        ),
        *_of_proxies("weaviate", WEAVIATE, "VECTORS"),
        weaviate("SIGSTOP", partial(suspended, store="weaviate")),
        weaviate("SIGKILL, restart (empty)", partial(killed, store="weaviate")),
        *_of_proxies("embeddings", ("embeddings",), "EMBEDDINGS"),
        _two(("redis", "refused"), ("weaviate", "refused"), "CACHE", "VECTORS", keeps_sql=True),
        _two(("redis", "black-holed"), ("weaviate", "black-holed"), "CACHE", "VECTORS", keeps_sql=True),
        _two(("weaviate", "refused"), ("embeddings", "refused"), "VECTORS", "EMBEDDINGS", keeps_sql=True),
        _two(("postgresql", "refused"), ("redis", "refused"), "DATABASE", "CACHE", keeps_sql=False),
        _two(("postgresql", "black-holed"), ("weaviate", "black-holed"), "DATABASE", "VECTORS", keeps_sql=False),
        gateway("SIGKILL of the server", partial(killed_process, process="server"), keeps_sql=False),
        gateway("SIGKILL of the worker", partial(killed_process, process="worker")),
        gateway("clock a day ahead", forward, needs_clock=True),
        gateway("clock a day back", back, needs_clock=True),
        Fault(
            "two", "weaviate refused, then clock a day back", set_back_at_the_end, ("VECTORS",), True, needs_clock=True
        ),
        embedded("sqlite", "locked", partial(locked, file=DataFile.DATABASE)),
        embedded("index", "locked", partial(locked, file=DataFile.VECTORS)),
        embedded("cache", "locked", partial(locked, file=DataFile.CACHE), ("CACHE",)),
        embedded("data folder", "full disk", full_disk, ("CACHE", "DATABASE")),
        embedded(
            "gateway (embedded)", "SIGKILL of the server", partial(killed_process, process="server"), keeps_sql=False
        ),
        embedded("gateway (embedded)", "SIGKILL of the worker", partial(killed_process, process="worker")),
    ]
