"""A TCP proxy that injects faults of networks and failing servers into a store's connections.

    async with FaultProxy("127.0.0.1", server_port) as proxy:
        client = connect(proxy.port)
        proxy.black_hole()

Every switch works on the connections that are open as well as on new ones, and `forward` ends it.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

CHUNK_BYTES = 65_536
CONNECT_TIMEOUT_S = 5.0


@dataclass(eq=False)
class _Link:
    """One connection: the client's side, the server's side, and how many bytes the server has sent through it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    answered: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class FaultProxy:
    """Forwards bytes between clients and one server until a fault is set.

    Attributes
    ----------
    connections
        How many were accepted so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._port = 0
        self._held: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._changed = asyncio.Event()
        self._mode: Literal["forward", "black hole", "reset"] = "forward"
        self._delay_s = 0.0
        self._cut_after: int | None = None
        self._bytes_per_s: float | None = None
        self.connections = 0

    @property
    def port(self) -> int:
        """Port for clients on 127.0.0.1; it stays the same while the proxy refuses connections."""
        return self._port

    async def __aenter__(self) -> "FaultProxy":
        # A socket that is bound and never listens: it keeps the port ours, and makes the kernel refuse connections.
        self._held = _bound(0)
        self._port = self._held.getsockname()[1]
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close_listener()
        self._reset_all()
        tasks = [task for link in self._links for task in link.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._held is not None:
            self._held.close()

    async def forward(self) -> None:
        """Forward everything without delay; bytes held by a black hole arrive now."""
        self._mode, self._delay_s, self._cut_after, self._bytes_per_s = "forward", 0.0, None, None
        await self._listen()
        self._wake()

    async def refuse(self) -> None:
        """Reset open connections, and refuse new ones: a server that is down."""
        self._mode = "forward"
        self._wake()
        await self._close_listener()
        self._reset_all()

    def black_hole(self) -> None:
        """Accept connections and bytes without any response: a cut cable, a hanging server."""
        self._mode = "black hole"
        self._wake()

    def reset(self) -> None:
        """Reset (RST) open connections, and each new one as soon as it is accepted."""
        self._mode = "reset"
        self._wake()
        self._reset_all()

    def reset_open(self) -> None:
        """Reset open connections once: a restarted server. New connections pass."""
        self._reset_all()

    def lead_to(self, port: int) -> None:
        """Lead new connections to another server of this machine, as a moved address does after a failover."""
        self._target = ("127.0.0.1", port)

    def delay(self, seconds: float) -> None:
        """Delay each piece that the server sends."""
        self._delay_s = seconds

    def cut_after(self, n_bytes: int) -> None:
        """Close each connection after this many bytes of the server, counted from now."""
        self._cut_after = n_bytes
        for link in self._links:
            link.answered = 0

    def throttle(self, bytes_per_s: float) -> None:
        """Limit the bytes per second in each direction of each connection."""
        self._bytes_per_s = bytes_per_s

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=_bound(self._port))

    async def _close_listener(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _reset_all(self) -> None:
        for link in self._links:
            _reset(link.client)
            if link.server is not None:
                link.server.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = _Link(writer)
        self._links.add(link)
        if (task := asyncio.current_task()) is not None:
            link.tasks.append(task)
        try:
            await self._serve(link, reader)
        except (OSError, TimeoutError):
            _reset(writer)
        except asyncio.CancelledError:  # at the end of a test: the streams of Python 3.11 would log that as an error
            pass
        finally:
            self._links.discard(link)
            writer.close()

    async def _serve(self, link: _Link, reader: asyncio.StreamReader) -> None:
        if not await self._passable(link):
            return
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            answers, link.server = await asyncio.open_connection(*self._target)
        back = asyncio.create_task(self._pump(link, answers, link.client, is_answer=True))
        link.tasks.append(back)
        try:
            await self._pump(link, reader, link.server, is_answer=False)
            await back
        finally:
            back.cancel()
            link.server.close()

    async def _passable(self, link: _Link) -> bool:
        """Wait until bytes may pass; False if the connection was reset instead."""
        while self._mode == "black hole":
            await self._changed.wait()
        if self._mode == "reset":
            _reset(link.client)
            return False
        return True

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: uvloop, on a closed transport
            while piece := await reader.read(CHUNK_BYTES):
                if is_answer and self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if not await self._passable(link):
                    return
                if is_answer:
                    piece, is_cut = self._cut(link, piece)
                    await self._pass(writer, piece)
                    if is_cut:
                        writer.close()
                        return
                else:
                    await self._pass(writer, piece)
            if writer.can_write_eof():
                writer.write_eof()

    def _cut(self, link: _Link, piece: bytes) -> tuple[bytes, bool]:
        if self._cut_after is None:
            return piece, False
        left = self._cut_after - link.answered
        link.answered += len(piece)
        return piece[:left], len(piece) >= left

    async def _pass(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        if self._bytes_per_s is None:
            writer.write(piece)
            await writer.drain()
            return
        step = max(1, int(self._bytes_per_s * 0.05))
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            writer.write(part)
            await writer.drain()
            if self._bytes_per_s is not None:
                await asyncio.sleep(len(part) / self._bytes_per_s)


def _bound(port: int) -> socket.socket:
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN: a linger of 0 seconds makes the kernel do so."""
    if not writer.is_closing():
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
