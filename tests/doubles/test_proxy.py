"""The fault proxy, on open and on new connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.doubles.proxy import FaultProxy

SOON_S = 2.0
NOT_YET_S = 0.15


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, what: bytes) -> None:
        self.writer.write(what)

    async def receive(self, n_bytes: int, within_s: float = SOON_S) -> bytes:
        async with asyncio.timeout(within_s):
            return await self.reader.readexactly(n_bytes)

    async def everything(self) -> bytes:
        """Read until the connection ends, however it does."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(SOON_S):
                while piece := await self.reader.read(65_536):
                    received += piece
        return received

    async def ask(self, what: bytes) -> bytes:
        self.send(what)
        return await self.receive(len(what))


async def connect(proxy: FaultProxy) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def test_bytes_pass_both_ways_and_connections_are_counted(proxy: FaultProxy) -> None:
    one, other = await connect(proxy), await connect(proxy)
    long = bytes(range(256)) * 4_000
    assert await one.ask(long) == long
    assert await other.ask(b"hello") == b"hello"
    assert proxy.connections == 2


async def test_the_end_of_one_side_reaches_the_other(proxy: FaultProxy) -> None:
    client = await connect(proxy)
    client.send(b"last words")
    client.writer.write_eof()
    async with asyncio.timeout(SOON_S):
        assert await client.reader.read() == b"last words"


async def test_refusing_resets_what_is_open_and_refuses_the_new(proxy: FaultProxy) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    await proxy.refuse()
    with pytest.raises(ConnectionResetError):
        await client.receive(1)
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    await proxy.forward()
    assert await (await connect(proxy)).ask(b"again") == b"again"


async def test_a_black_hole_takes_everything_and_answers_nothing_until_it_ends(proxy: FaultProxy) -> None:
    before = await connect(proxy)
    await before.ask(b"hello")
    proxy.black_hole()
    within = await connect(proxy)
    for client in (before, within):
        client.send(b"anybody?")
        with pytest.raises(TimeoutError):
            await client.receive(1, within_s=NOT_YET_S)
    await proxy.forward()
    for client in (before, within):
        assert await client.receive(8) == b"anybody?"


async def test_a_reset_reaches_open_and_new_connections(proxy: FaultProxy) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await client.receive(1)
    newer = await connect(proxy)
    with pytest.raises(ConnectionResetError):
        await newer.receive(1)
    await proxy.forward()
    assert await (await connect(proxy)).ask(b"again") == b"again"


async def test_a_reset_ends_those_who_wait_in_a_black_hole(proxy: FaultProxy) -> None:
    proxy.black_hole()
    client = await connect(proxy)
    client.send(b"anybody?")
    await asyncio.sleep(NOT_YET_S)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await client.receive(1)


async def test_resetting_what_is_open_leaves_new_connections_alone(proxy: FaultProxy) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    proxy.reset_open()
    with pytest.raises(ConnectionResetError):
        await client.receive(1)
    assert await (await connect(proxy)).ask(b"again") == b"again"


async def test_a_delay_holds_answers_back(proxy: FaultProxy) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    proxy.delay(2 * NOT_YET_S)
    client.send(b"slow")
    with pytest.raises(TimeoutError):
        await client.receive(1, within_s=NOT_YET_S)
    assert await client.receive(4) == b"slow"


@pytest.mark.parametrize("n_bytes", [0, 1, 5, 100_000])
async def test_a_cut_lets_exactly_so_many_bytes_through(proxy: FaultProxy, n_bytes: int) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    proxy.cut_after(n_bytes)
    sending = asyncio.create_task(_send(client, bytes(200_000)))
    assert await client.everything() == bytes(n_bytes)
    await sending


async def _send(client: Client, what: bytes) -> None:
    client.send(what)
    with contextlib.suppress(OSError):
        await client.writer.drain()


async def test_a_throttle_lets_bytes_through_little_by_little(proxy: FaultProxy) -> None:
    client = await connect(proxy)
    await client.ask(b"hello")
    proxy.throttle(20_000)
    client.send(bytes(20_000))
    with pytest.raises(TimeoutError):
        await client.receive(20_000, within_s=0.4)
    await proxy.forward()
    assert await (await connect(proxy)).ask(bytes(20_000)) == bytes(20_000)


async def test_the_port_stays_the_same_while_it_refuses(proxy: FaultProxy) -> None:
    port = proxy.port
    for _ in range(3):
        await proxy.refuse()
        await proxy.forward()
    assert proxy.port == port
    assert await (await connect(proxy)).ask(b"hello") == b"hello"
