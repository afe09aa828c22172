"""The connection to Weaviate: opened on first use, reopened after a failure, with a time limit for each call.

The time limits of the client library are too long: if gRPC is unavailable, a search waits 1 + 2 + … + 32 s between
attempts. Also, gRPC keeps a TCP connection that no longer delivers packets. A call that times out therefore abandons
the connection: the connection is closed later, and the next call opens a new one.
"""

import asyncio
import re
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
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
from db.resilience import CANCELLATION_COUNTS_AFTER_S

T = TypeVar("T")

MIN_VERSION = (1, 33)
"""The first version with aliases and the filter ContainsNone."""

DEFAULT_GRPC_PORT = 50051

READ_ALL_DEADLINE_S = 120.0
"""Time limit of a call for which the server reads all objects of a collection: 0.3 s for 20,000."""

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    # By default, gRPC shares connections among channels of one address, so a new channel would get the dead connection.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

KEY_REJECTED = re.compile(r"unauthenticated|unauthorized|invalid api key|anonymous access", re.IGNORECASE)
LENGTHS_DIFFER = re.compile(r"vector lengths don't match|vector with length|dimension", re.IGNORECASE)

FOREIGN_VECTORS_ADVICE = (
    "another program has written them: set WEAVIATE_PREFIX to a new name, or delete the collection in Weaviate"
)
"""Advice for a collection with vectors of another length: `prepare` refuses it, so a rebuild cannot begin."""


@dataclass(frozen=True, slots=True)
class Address:
    """Addresses and keys of a Weaviate server."""

    url: str  # address of REST: ``https://weaviate.example.org``
    # Address of gRPC: ``https://grpc.example.org:443`` or ``host:50051``. Empty: host and TLS of `url`, port 50051.
    grpc_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    openai_api_key: str | None = field(default=None, repr=False)  # sent to the server for its text2vec-openai module

    def parameters(self) -> ConnectionParams:
        """Return the connection parameters for the client; raise `StoreMisconfigured` for an invalid address."""
        rest = _parse_url(self.url, "WEAVIATE_URL", ("http", "https"))
        if rest.path.strip("/"):
            raise _misconfigured_error(
                f"WEAVIATE_URL {display_url(self.url)} has a path; the client supports only host and port"
            )
        rpc, rpc_port = rest, DEFAULT_GRPC_PORT
        if self.grpc_url:
            url = self.grpc_url if "://" in self.grpc_url else f"{rest.scheme}://{self.grpc_url}"
            rpc = _parse_url(url, "WEAVIATE_GRPC_URL", ("http", "https", "grpc", "grpcs"))
            rpc_port = rpc.port or (443 if rpc.scheme in ("https", "grpcs") else DEFAULT_GRPC_PORT)
        try:
            return ConnectionParams.from_params(
                http_host=str(rest.hostname),
                http_port=rest.port or (443 if rest.scheme == "https" else 80),
                http_secure=rest.scheme == "https",
                grpc_host=str(rpc.hostname),
                grpc_port=rpc_port,
                grpc_secure=rpc.scheme in ("https", "grpcs"),
            )
        except ValueError:
            raise _misconfigured_error(
                "WEAVIATE_GRPC_URL and WEAVIATE_URL have the same port; gRPC needs another one"
            ) from None


def _parse_url(url: str, setting: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise _misconfigured_error(
            f"{setting} is {display_url(url)}, which is not an address: write {schemes[0]}://host:port"
        )
    return parts


def _misconfigured_error(reason: str) -> StoreMisconfigured:
    return StoreMisconfigured(Store.VECTORS, reason)


def server_text(error: UnexpectedStatusCodeError) -> str:
    """Return the text of the server's answer, without that of the client library."""
    body: Any = error.error
    match body:
        case {"error": [{"message": str(text)}, *_]} if text:
            return text
        case {"message": str(text)} if text:
            return text
    return str(body) if body else "without a reason; wait until it has started, or read its log"


class Connection:
    """Runs calls on a client, which it opens, replaces and closes. The time limit of a call includes connecting."""

    def __init__(self, address: Address, read_deadline_s: float, write_deadline_s: float) -> None:
        self._address = address
        self._parameters = address.parameters()
        self._read_deadline_s = read_deadline_s
        self._write_deadline_s = write_deadline_s
        self._client: WeaviateAsyncClient | None = None
        self._connecting_task: asyncio.Task[None] | None = None
        self._last_response_at = 0.0
        self._closing_tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Address of the server, for messages."""
        return display_url(self._address.url)

    @property
    def _grpc_address(self) -> str:
        return f"{self._parameters.grpc.host}:{self._parameters.grpc.port}"

    async def read(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]]) -> T:
        """Run a call that only reads, with the read deadline."""
        return await self._run(call, self._read_deadline_s)

    async def read_all(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]]) -> T:
        """Run a call for which the server reads whole collections."""
        return await self._run(call, READ_ALL_DEADLINE_S)

    async def write(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]]) -> T:
        """Run a call that writes, with the write deadline."""
        return await self._run(call, self._write_deadline_s)

    async def close(self) -> None:
        """Close the client and cancel connecting."""
        client, self._client = self._client, None
        tasks = [*self._closing_tasks, *([self._connecting_task] if self._connecting_task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if client is not None:
            await client.close()

    async def _run(self, call: Callable[[WeaviateAsyncClient], Awaitable[T]], deadline_s: float) -> T:
        """Run a call within its time limit, and convert errors of the client to errors of `db.errors`."""
        started_at = time.monotonic()
        client: WeaviateAsyncClient | None = None
        try:
            async with asyncio.timeout(deadline_s):
                client = await self._connected_client()
                result = await call(client)
        except TimeoutError as error:
            self._abandon(client, started_at)
            also = "" if client is None else f"; check gRPC at {self._grpc_address} too"  # REST has answered before
            raise self._unavailable_error(f"no answer within {deadline_s:g} s{also}") from error
        except asyncio.CancelledError:
            # A feed's time limit, shorter than the deadline here, canceled the call. A dead connection must not be
            # kept.
            if time.monotonic() - started_at >= CANCELLATION_COUNTS_AFTER_S:
                self._abandon(client, started_at)
            raise
        except WeaviateInvalidInputError:
            raise  # a programming error
        except WeaviateBaseError as error:
            raise self._store_error(error) from error
        except (httpx.HTTPError, OSError, grpc.RpcError) as error:
            self._abandon(client, started_at)
            raise self._unavailable_error(str(error) or type(error).__name__) from error
        self._last_response_at = time.monotonic()
        return result

    async def _connected_client(self) -> WeaviateAsyncClient:
        """Return the client, connecting if necessary. Canceling one caller does not affect the others."""
        while self._client is None:
            task, is_own_task = self._connecting_task, self._connecting_task is None
            if task is None:
                task = self._connecting_task = asyncio.create_task(self._connect_once())
                # Retrieve the exception, because all callers may have been canceled.
                task.add_done_callback(lambda task: task.cancelled() or task.exception())
            try:
                await asyncio.shield(task)
            except TimeoutError:
                if is_own_task:
                    raise
                # Connecting for another caller timed out; this caller has time left.
        return self._client

    async def _connect_once(self) -> None:
        try:
            async with asyncio.timeout(self._read_deadline_s):
                self._client = await self._connect()
        finally:
            self._connecting_task = None

    async def _connect(self) -> WeaviateAsyncClient:
        # The checks of the client library query the package index at each start; `_connect_and_check` replaces them.
        client = WeaviateAsyncClient(
            self._parameters,
            auth_client_secret=Auth.api_key(self._address.api_key) if self._address.api_key else None,
            additional_headers=(
                {"X-OpenAI-Api-Key": self._address.openai_api_key} if self._address.openai_api_key else None
            ),
            additional_config=AdditionalConfig(
                # `_run` limits each query further.
                timeout=Timeout(query=READ_ALL_DEADLINE_S, insert=self._write_deadline_s, init=self._read_deadline_s),
                grpc_config=GrpcConfig(channel_options=CHANNEL_OPTIONS),
            ),
            skip_init_checks=True,
        )
        try:
            await self._connect_and_check(client)
        except BaseException:  # also on cancellation, because nothing else references the client
            await client.close()
            raise
        return client

    async def _connect_and_check(self, client: WeaviateAsyncClient) -> None:
        try:
            await client.connect()
            version = str((await client.get_meta())["version"])
            numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        except (ResponseCannotBeDecodedError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._not_weaviate_error() from error
        except UnexpectedStatusCodeError as error:
            if error.status_code in (401, 403) or error.status_code >= 500:
                raise
            raise self._not_weaviate_error() from error
        except WeaviateStartUpError as error:
            if "is not supported" in str(error.message):
                raise self._version_error(str(error.message)) from error
            raise
        if numbers < MIN_VERSION:
            raise self._version_error(f"it is {version}")
        await self._check_grpc_port()

    async def _check_grpc_port(self) -> None:
        """Connect to the gRPC port once: the client would repeat a refused call until the deadline, without a reason.

        Other failures are left to the calls.
        """
        try:
            _, writer = await asyncio.open_connection(self._parameters.grpc.host, self._parameters.grpc.port)
        except (ConnectionRefusedError, socket.gaierror) as error:
            reason = f"gRPC at {self._grpc_address} refuses connections ({error.strerror}); correct WEAVIATE_GRPC_URL"
            raise self._unavailable_error(reason) from error
        writer.close()

    def _not_weaviate_error(self) -> StoreMisconfigured:
        return _misconfigured_error(f"no Weaviate answers at {self.url}; correct WEAVIATE_URL, or empty it")

    def _version_error(self, reason: str) -> StoreMisconfigured:
        min_version = ".".join(map(str, MIN_VERSION))
        return _misconfigured_error(f"Weaviate at {self.url} is too old ({reason}); {min_version} or newer is needed")

    def _store_error(self, error: WeaviateBaseError) -> StoreUnavailable:
        status = error.status_code if isinstance(error, UnexpectedStatusCodeError) else None
        cause = error.__cause__ or error.__context__  # of gRPC: its own text is one line
        message = str(cause.details() if isinstance(cause, grpc.aio.AioRpcError) else error.message)
        if isinstance(error, UnexpectedStatusCodeError) and error.status_code >= 500:
            return self._unavailable_error(f"it answers {status} ({server_text(error)})")
        if status in (401, 403) or (status is None and KEY_REJECTED.search(message)):
            return _misconfigured_error(f"Weaviate at {self.url} rejects the key; correct WEAVIATE_API_KEY")
        if status is None and LENGTHS_DIFFER.search(message):
            return _misconfigured_error(
                f"Weaviate at {self.url} holds vectors of another length than the model makes; {FOREIGN_VECTORS_ADVICE}"
            )
        return self._unavailable_error(message if status is None else f"{status}: {message}")

    def _unavailable_error(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(Store.VECTORS, f"Weaviate at {self.url}: {reason}")

    def _abandon(self, client: WeaviateAsyncClient | None, since: float) -> None:
        """Make the next call reconnect, unless another call got a response after `since`. Running calls continue."""
        if client is None or client is not self._client or self._last_response_at > since:
            return
        self._client = None
        task = asyncio.create_task(self._close_later(client))
        self._closing_tasks.add(task)
        task.add_done_callback(self._closing_tasks.discard)

    async def _close_later(self, client: WeaviateAsyncClient) -> None:
        try:
            await asyncio.sleep(self._write_deadline_s)
        finally:
            await client.close()
