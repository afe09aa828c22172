"""The cache on Redis or Redis Cluster, for gateways on several machines.

A URL with several nodes selects Redis Cluster; with one node, the server is asked for its mode. The client reconnects
automatically. Values that Redis loses in an outage are not restored.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    NoPermissionError,
    ResponseError,
)
from redis.exceptions import ConnectionError as ConnectionLost

from db.cache.base import Cache, Entry
from db.cache.redis_address import node_options
from db.errors import Store, StoreMisconfigured, StoreUnavailable

T = TypeVar("T")
# redis-py types the result of every command as "awaitable or not" for both clients; tests check the results.
_Client: TypeAlias = Any
log = logging.getLogger(__name__)

DEADLINE_S = 0.5
"""Deadline of a call. A call takes 0.2 ms within a data center; after half a second, computing the value again is
faster."""

CONNECTIONS = 32
"""Maximum connections to each node from each worker process. Further calls wait for a connection until the deadline."""

PREFIX = "explore:"
"""Prefix of each key, because a Redis server is often shared with other programs."""

DEFAULT_PORT = 6379

_WRONG_DATABASE = ("DB index is out of range", "invalid DB index", "SELECT is not allowed")

SCAN_COUNT = 1_000
"""Keys that Redis examines in one SCAN call: about 0.3 ms of server time."""


class RedisCache(Cache):
    """Bytes by key in Redis.

    Parameters
    ----------
    url
        ``redis://[user:password@]host:port/0``; ``rediss://`` for TLS, with ``?ssl_ca_certs=…`` for a private
        certificate authority; ``unix:///path?db=0``; several nodes of a cluster as ``redis://host:port,host:port``.
    deadline_s
        Time limit of a call, including connecting.
    prefix
        Prefix of each key.

    Raises `StoreMisconfigured` if the URL is invalid.
    """

    def __init__(self, url: str, *, deadline_s: float = DEADLINE_S, prefix: str = PREFIX) -> None:
        self._nodes = node_options(url)
        self._hosts = [(node.get("host", "localhost"), node.get("port", DEFAULT_PORT)) for node in self._nodes]
        self._address = self._nodes[0].get("unix_socket_path") or ",".join(
            f"{host}:{port}" for host, port in self._hosts
        )
        self._deadline_s = deadline_s
        self._prefix = prefix
        self._client: _Client = None
        self._connect_lock = asyncio.Lock()
        self._connection_slots = asyncio.Semaphore(CONNECTIONS)

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        if extend_s is None:
            return await self.run(lambda client: client.get(self._name(key)))
        return await self.run(lambda client: client.getex(self._name(key), px=_milliseconds(extend_s)))

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}

        async def get_many(client: _Client) -> list[bytes | None]:
            # A pipeline instead of MGET, because the keys of an MGET must all lie in one slot of a cluster.
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.get(self._name(key))
            values: list[bytes | None] = await pipeline.execute()
            return values

        values = await self.run(get_many)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self.run(lambda client: client.set(self._name(key), value, px=_milliseconds(ttl_s)))

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        if not values:
            return

        async def put_many(client: _Client) -> None:
            pipeline = client.pipeline(transaction=False)
            for key, (value, ttl_s) in values.items():
                pipeline.set(self._name(key), value, px=_milliseconds(ttl_s))
            await pipeline.execute()

        await self.run(put_many)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Store a value if there is none, and return whether it was stored.

        If the connection breaks before Redis acknowledges the write, the retry returns False although the value was
        stored. Callers that depend on the result read the key and compare its value.
        """
        name, ttl_ms = self._name(key), _milliseconds(ttl_s)
        return bool(await self.run(lambda client: client.set(name, value, nx=True, px=ttl_ms)))

    async def delete(self, key: str) -> None:
        await self.run(lambda client: client.delete(self._name(key)))

    async def keys(self, prefix: str) -> list[str]:
        pattern = re.sub(r"([*?\[\]\\^-])", r"\\\1", self._name(prefix)) + "*"

        async def scan(client: _Client) -> list[bytes]:
            return [key async for key in client.scan_iter(match=pattern, count=SCAN_COUNT)]

        names = {bytes(name).decode() for name in await self.run(scan)}
        return sorted(name.removeprefix(self._name("")) for name in names)

    async def scrub(self) -> None:
        """Do nothing: Redis frees deleted values. docs/privacy.md describes the files of Redis."""

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _name(self, key: str) -> str:
        return self._prefix + key

    async def run(self, call: Callable[[_Client], Awaitable[T]]) -> T:
        """Run a call on the client within the deadline. Other libraries may use the client this way too."""
        try:
            async with asyncio.timeout(self._deadline_s), self._connection_slots:
                return await call(self._client or await self._connect())
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._deadline_s} s") from error
        except (AuthenticationError, AuthenticationWrongNumberOfArgsError, NoPermissionError) as error:
            raise StoreMisconfigured(
                Store.CACHE,
                f"Redis at {self._address} rejects the login ({error}); check user and password in REDIS_URL",
            ) from error
        except ResponseError as error:
            if not any(words in str(error) for words in _WRONG_DATABASE):
                raise self._unavailable(str(error)) from error
            reason = f"Redis at {self._address} refuses the database ({error}); correct the number in REDIS_URL"
            raise StoreMisconfigured(Store.CACHE, reason) from error
        except Exception as error:
            # Besides its own errors, redis-py 8.1 raises AttributeError while a cluster is down (it closes connections
            # that other tasks are opening), and others for a response that Redis did not send.
            raise self._unavailable(str(error) or type(error).__name__) from error

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(Store.CACHE, f"Redis at {self._address}: {reason}")

    async def _connect(self) -> _Client:
        async with self._connect_lock:
            if self._client is None:
                self._client = await self._new_client()
        return self._client

    async def _new_client(self) -> _Client:
        if len(self._nodes) > 1:
            return await self._new_cluster_client()
        client: _Client = new_client(_client_options(self._nodes[0]))
        try:
            is_cluster = await _is_cluster(client)
        except BaseException:  # also on cancellation: nothing else references this client
            await client.aclose()
            raise
        if not is_cluster:
            return client
        await client.aclose()
        return await self._new_cluster_client()

    async def _new_cluster_client(self) -> _Client:
        options = {name: value for name, value in self._nodes[0].items() if name not in ("host", "port", "db")}
        nodes = [ClusterNode(host, port) for host, port in self._hosts]
        # `reinitialize_steps` 0: by default every fifth MOVED response closes the connections of all tasks.
        client: _Client = RedisCluster(startup_nodes=nodes, **_client_options(options), reinitialize_steps=0)
        kind = _RECONNECTING[client.connection_kwargs["connection_class"]]
        client.connection_kwargs["connection_class"] = kind  # of the nodes that the cluster names
        for node in client.startup_nodes:
            node.connection_class = kind
        # Before the first command, since commands sent before the slot map is loaded go to random nodes.
        return await client.initialize()


class _Reconnecting:
    """A connection that reports a transport that uvloop has closed as lost, as asyncio's transports do.

    After a reset, uvloop raises `RuntimeError` for the next write. redis-py reconnects only after its own
    `ConnectionError`; nothing was sent, so it may send the command again.
    """

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        try:
            await super().send_packed_command(*arguments, **options)  # type: ignore[misc]
        except RuntimeError as error:
            raise ConnectionLost(str(error)) from error


class _ReconnectingConnection(_Reconnecting, Connection):
    """Connection without TLS."""


class _ReconnectingTlsConnection(_Reconnecting, SSLConnection):
    """Connection with TLS."""


class _ReconnectingSocketConnection(_Reconnecting, UnixDomainSocketConnection):
    """Connection by a Unix socket."""


_RECONNECTING = {
    Connection: _ReconnectingConnection,
    SSLConnection: _ReconnectingTlsConnection,
    UnixDomainSocketConnection: _ReconnectingSocketConnection,
}


def new_client(options: Mapping[str, Any]) -> _Client:
    """Create a client of one server that reconnects on uvloop too."""
    client: _Client = Redis(**options)
    pool = client.connection_pool
    pool.connection_class = _RECONNECTING[pool.connection_class]
    return client


def _client_options(options: dict[str, Any]) -> dict[str, Any]:
    return {
        **options,
        "protocol": 2,  # with RESP3, the client requests notifications that only Redis Enterprise supports
        "max_connections": 2 * CONNECTIONS,
        "retry": Retry(ConstantBackoff(0.01), 1),  # after a restart of Redis, every pooled connection is broken
    }


async def _is_cluster(client: _Client) -> bool:
    try:
        return bool((await client.info("cluster")).get("cluster_enabled"))
    except AuthenticationError:
        raise
    except ResponseError:  # a hosted Redis may not allow INFO
        log.info("Redis rejects INFO, which tells whether it is a cluster; assuming a single server")
        return False


def _milliseconds(seconds: float) -> int:
    """Round to milliseconds; Redis rejects 0."""
    return max(1, round(seconds * 1000))
