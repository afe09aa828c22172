"""The connection to Weaviate: opened on first use, reopened after a failure, with a time limit for each call.

The client's own limits are too long: with gRPC down a search sleeps 1 + 2 + … + 32 s between its attempts, and gRPC
keeps a TCP connection that no longer delivers packets. A call that times out therefore abandons its connection.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import grpc  # type: ignore[import-untyped]
import httpx
from weaviate import WeaviateAsyncClient
from weaviate.auth import Auth
from weaviate.config import AdditionalConfig, GrpcConfig, Timeout
from weaviate.connect import ConnectionParams
from weaviate.exceptions import (
    ResponseCannotBeDecodedError,
    UnexpectedStatusCodeError,
    WeaviateBaseError,
    WeaviateInvalidInputError,
    WeaviateStartUpError,
)

from db.errors import Store, StoreMisconfigured, StoreUnavailable
from db.redaction import display_url

T = TypeVar("T")

OLDEST_VERSION = (1, 33)
"""The first version with aliases and the filter ContainsNone."""

DEFAULT_GRPC_PORT = 50051

CANCELLATION_COUNTS_AFTER_S = 0.2
"""A call canceled after this long, with no response to any other call meanwhile, abandons the connection."""

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    # gRPC shares connections among channels of one address: a new channel would get the dead connection again.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

KEY_REFUSED = re.compile(r"unauthenticated|unauthorized|invalid api key|anonymous access", re.IGNORECASE)
LENGTHS_DIFFER = re.compile(r"vector lengths don't match|vector with length|dimension", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Addresses and keys of a server."""

    url: str  # address of REST: ``https://weaviate.example.org``
    # Address of gRPC: ``https://grpc.example.org:443`` or ``host:50051``. Empty: host and TLS of `url`, port 50051.
    grpc_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    openai_api_key: str | None = field(default=None, repr=False)  # sent for the server's text2vec-openai

    def parameters(self) -> ConnectionParams:
        """Return the parameters for the client; raise `StoreMisconfigured` for an invalid address."""
        rest = _split(self.url, "WEAVIATE_URL", ("http", "https"))
        if rest.path.strip("/"):
            raise _misconfigured(
                f"WEAVIATE_URL {display_url(self.url)} has a path; the client knows only host and port"
            )
        secure = rest.scheme == "https"
        given = self.grpc_url or f"{rest.scheme}://{_in_brackets(rest.hostname)}:{DEFAULT_GRPC_PORT}"
        url = given if "://" in given else f"{rest.scheme}://{given}"
        rpc = _split(url, "WEAVIATE_GRPC_URL", ("http", "https", "grpc", "grpcs"))
        rpc_secure = rpc.scheme in ("https", "grpcs")
        try:
            return ConnectionParams.from_params(
                http_host=str(rest.hostname),
                http_port=rest.port or (443 if secure else 80),
                http_secure=secure,
                grpc_host=str(rpc.hostname),
                grpc_port=rpc.port or (443 if rpc_secure else DEFAULT_GRPC_PORT),
                grpc_secure=rpc_secure,
            )
        except ValueError:
            raise _misconfigured("WEAVIATE_GRPC_URL and WEAVIATE_URL name the same port; gRPC has its own") from None


def _in_brackets(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else str(host)


def _split(url: str, setting: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise _misconfigured(
            f"{setting} is {display_url(url)}, which is not an address: write {schemes[0]}://host:port"
        )
    return parts


def _misconfigured(reason: str) -> StoreMisconfigured:
    return StoreMisconfigured(Store.VECTORS, reason)


class Connection:
    """Runs calls on a client, which it opens, replaces and closes. The time limits of calls include connecting."""

    def __init__(self, address: Address, read_deadline_s: float, write_deadline_s: float) -> None:
        self._address = address
        self._parameters = address.parameters()
        self._read_deadline_s = read_deadline_s
        self._write_deadline_s = write_deadline_s
        self._client: WeaviateAsyncClient | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._answered_at = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Address of the server, for messages."""
        return display_url(self._address.url)

    async def read(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]]) -> T:
        """Run a call that only reads."""
        return await self._run(call, self._read_deadline_s)

    async def write(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]]) -> T:
        """Run a call that writes."""
        return await self._run(call, self._write_deadline_s)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        tasks = [*self._closing, *([self._connecting] if self._connecting is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if client is not None:
            await client.close()

    async def _run(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]], deadline_s: float) -> T:
        """Run a call within its time limit, and convert the client's errors to those of this layer."""
        started_at = time.monotonic()
        client: WeaviateAsyncClient | None = None
        try:
            async with asyncio.timeout(deadline_s):
                client = await self._connected()
                answer = await call(client)
        except TimeoutError as error:
            self._abandon(client, started_at)
            raise self._unavailable(f"no answer within {deadline_s:g} s") from error
        except asyncio.CancelledError:
            # A feed's time limit is shorter than ours; a dead connection must not survive many of those.
            if time.monotonic() - started_at >= CANCELLATION_COUNTS_AFTER_S:
                self._abandon(client, started_at)
            raise
        except WeaviateInvalidInputError:
            raise  # an error of this code
        except UnexpectedStatusCodeError as error:
            raise self._by_status(error) from error
        except WeaviateBaseError as error:
            raise self._by_message(str(error.message)) from error
        except (httpx.HTTPError, OSError, grpc.RpcError) as error:
            self._abandon(client, started_at)
            raise self._unavailable(str(error) or type(error).__name__) from error
        self._answered_at = time.monotonic()
        return answer

    async def _connected(self) -> WeaviateAsyncClient:
        """Return the client; canceling one caller does not cancel the connecting that others wait for."""
        while self._client is None:
            task, mine = self._connecting, self._connecting is None
            if task is None:
                task = self._connecting = asyncio.create_task(self._connect_once())
                task.add_done_callback(_retrieve)
            try:
                await asyncio.shield(task)
            except TimeoutError:
                if mine:
                    raise
                # Connecting for another caller timed out; this one has time left.
        return self._client

    async def _connect_once(self) -> None:
        try:
            async with asyncio.timeout(self._read_deadline_s):
                self._client = await self._connect()
        finally:
            self._connecting = None

    async def _connect(self) -> WeaviateAsyncClient:
        # The client's own checks query the package index at each start; ours are in `_check`.
        client = WeaviateAsyncClient(
            self._parameters,
            auth_client_secret=Auth.api_key(self._address.api_key) if self._address.api_key else None,
            additional_headers=(
                {"X-OpenAI-Api-Key": self._address.openai_api_key} if self._address.openai_api_key else None
            ),
            additional_config=AdditionalConfig(
                timeout=Timeout(query=self._read_deadline_s, insert=self._write_deadline_s, init=self._read_deadline_s),
                grpc_config=GrpcConfig(channel_options=CHANNEL_OPTIONS),
            ),
            skip_init_checks=True,
        )
        try:
            await client.connect()
            await self._check(client)
        except (ResponseCannotBeDecodedError, KeyError, TypeError, AttributeError, ValueError) as error:
            await client.close()
            raise self._no_weaviate() from error
        except UnexpectedStatusCodeError as error:
            await client.close()
            if error.status_code in (401, 403) or error.status_code >= 500:
                raise
            raise self._no_weaviate() from error
        except WeaviateStartUpError as error:
            await client.close()
            if "is not supported" in str(error.message):
                raise self._too_old(str(error.message)) from error
            raise
        except BaseException:  # also on cancellation: nothing else references this client
            await client.close()
            raise
        return client

    async def _check(self, client: WeaviateAsyncClient) -> None:
        version = str((await client.get_meta())["version"])
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if numbers < OLDEST_VERSION:
            raise self._too_old(f"it is {version}")

    def _no_weaviate(self) -> StoreMisconfigured:
        return _misconfigured(f"no Weaviate answers at {self.url}; correct WEAVIATE_URL, or empty it")

    def _too_old(self, what: str) -> StoreMisconfigured:
        needed = ".".join(map(str, OLDEST_VERSION))
        return _misconfigured(f"Weaviate at {self.url} is too old ({what}); {needed} or newer is needed")

    def _key_refused(self) -> StoreMisconfigured:
        return _misconfigured(f"Weaviate at {self.url} rejects the key; correct WEAVIATE_API_KEY")

    def _by_status(self, error: UnexpectedStatusCodeError) -> StoreUnavailable:
        if error.status_code in (401, 403):
            return self._key_refused()
        return self._unavailable(f"{error.status_code}: {error.message}")

    def _by_message(self, message: str) -> StoreUnavailable:
        if KEY_REFUSED.search(message):
            return self._key_refused()
        if LENGTHS_DIFFER.search(message):
            return _misconfigured(
                f"Weaviate at {self.url} holds vectors of another length than the model makes; run `explore reindex`"
            )
        return self._unavailable(message)

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(Store.VECTORS, f"Weaviate at {self.url}: {reason}")

    def _abandon(self, client: WeaviateAsyncClient | None, since: float) -> None:
        """Make the next call reconnect, unless another call was answered meanwhile; running calls may still end."""
        if client is None or client is not self._client or self._answered_at > since:
            return
        self._client = None
        task = asyncio.create_task(self._close_later(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_later(self, client: WeaviateAsyncClient) -> None:
        try:
            await asyncio.sleep(self._write_deadline_s)
        finally:
            await client.close()


def _retrieve(task: asyncio.Task[None]) -> None:
    """Retrieve a task's error, since all of its callers may be gone."""
    if not task.cancelled():
        task.exception()
