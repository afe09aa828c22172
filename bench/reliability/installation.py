"""Two installations: one on servers, with a fault proxy before each store, and one on the embedded stores."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.reliability.client import Client
from bench.reliability.gateway import Gateway, clock_library
from bench.reliability.ledger import Ledger, drained
from bench.reliability.load import Load
from bench.reliability.servers import Postgresql, Redis, WeaviateProcess, small_disk
from gateway.settings import Settings
from gateway.stores import open_stores
from tests.doubles.openai import KEY, OpenAIDouble
from tests.doubles.proxy import FaultProxy

DISK_MB = {"servers": 200, "embedded": 100}
"""Size of the file system for PostgreSQL's data folder, and for VAR_DIR."""


@dataclass
class Installation:
    """A running gateway with a catalog, and everything that a fault can act on."""

    gateway: Gateway
    load: Load
    direct: Settings
    """Settings that lead to the stores without the proxies."""
    folder: Path
    disk: Path | None
    """The small file system, or None where this process may not mount one."""
    clock_file: Path | None
    proxies: dict[str, FaultProxy] = field(default_factory=dict)
    postgresql: Postgresql | None = None
    redis: Redis | None = None
    weaviate: WeaviateProcess | None = None
    standby: Postgresql | None = None

    @property
    def client(self) -> Client:
        """The client of the load."""
        return self.load.client


@dataclass(frozen=True)
class TrueWeaviate:
    """Addresses of a Weaviate that runs already."""

    url: str
    grpc: str


@asynccontextmanager
async def running(
    kind: str, folder: Path, *, with_clock: bool = False, weaviate: TrueWeaviate | None = None
) -> AsyncIterator[Installation]:
    """Start an installation of a kind, "servers" or "embedded", fill it, and wait until it is indexed.

    With `with_clock` the clock of the gateway can be changed, which makes its start slower.
    """
    async with AsyncExitStack() as stack:
        disk: Path | None = folder / ("disk" if kind == "servers" else "var")
        try:
            stack.enter_context(small_disk(folder / (disk or folder).name, DISK_MB[kind]))
        except PermissionError:
            disk = None
        clock_file = folder / "clock" if with_clock and clock_library() else None
        if clock_file is not None:
            clock_file.write_text("+0")
        parts = _Parts(folder, disk)
        if kind == "servers":
            await parts.start(stack, weaviate)
        gateway = Gateway(folder, parts.settings, clock_file)
        stack.callback(gateway.stop)
        await gateway.start()
        client = Client(gateway.url)
        stack.push_async_callback(client.close)
        load = Load(client, Ledger(), random.Random(1))
        direct = gateway.settings(**parts.direct)
        await load.fill()
        async with open_stores(direct) as stores:
            await drained(stores)
        yield Installation(
            gateway,
            load,
            direct,
            folder,
            disk,
            clock_file,
            parts.proxies,
            parts.postgresql,
            parts.redis,
            parts.weaviate,
        )


class _Parts:
    """The servers of an installation, with the settings that lead to them through proxies and directly."""

    def __init__(self, folder: Path, disk: Path | None) -> None:
        self._folder, self._disk = folder, disk
        self.settings: dict[str, str] = {}
        self.direct: dict[str, str] = {}
        self.proxies: dict[str, FaultProxy] = {}
        self.postgresql: Postgresql | None = None
        self.redis: Redis | None = None
        self.weaviate: WeaviateProcess | None = None

    async def start(self, stack: AsyncExitStack, true_weaviate: TrueWeaviate | None) -> None:
        """Start all servers and their proxies."""
        self.postgresql = Postgresql((self._disk or self._folder) / "postgresql")
        await asyncio.to_thread(self.postgresql.create)
        self.redis = Redis(self._folder / "redis")
        if true_weaviate is None:
            self.weaviate = WeaviateProcess(self._folder / "weaviate")
            host = "127.0.0.1"
            true_weaviate = TrueWeaviate(f"http://{host}:{self.weaviate.port}", f"{host}:{self.weaviate.grpc_port}")
        for server in (self.postgresql, self.redis, self.weaviate):
            if server is not None:
                stack.callback(server.kill)
                await asyncio.to_thread(server.start)
        openai = await stack.enter_async_context(OpenAIDouble())
        self.direct = {
            "DATABASE_URL": self.postgresql.url,
            "REDIS_URL": self.redis.url,
            "WEAVIATE_URL": true_weaviate.url,
            "WEAVIATE_GRPC_URL": true_weaviate.grpc,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{openai.port}/v1",
        }
        names = ("postgresql", "redis", "weaviate", "weaviate_grpc", "embeddings")
        for name, (setting, address) in zip(names, self.direct.items(), strict=True):
            parts = urlsplit(address if "://" in address else f"//{address}")
            proxy = await stack.enter_async_context(FaultProxy(parts.hostname or "", parts.port or 80))
            self.proxies[name] = proxy
            self.settings[setting] = address.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")
        fixed = {"OPENAI_API_KEY": KEY, "EMBEDDING_DIMENSION": "256"}
        self.settings |= fixed
