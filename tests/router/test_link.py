"""The router's session with a shard, where the test is the shard."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.router.link import FULL_SECONDS, Link
from brokerfix.router.text import Names
from tests.live import Wire
from tests.router.hubs import Bench
from tests.router.live import Market


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    yield market
    market.stop()


def accepted(listener: socket.socket) -> Wire:
    listener.settimeout(20)
    connection, _ = listener.accept()
    connection.settimeout(20)
    wire = Wire(connection, "BROKER", target="ONE")
    assert wire.read()[35] == "A"
    return wire


def test_what_comes_while_a_shard_answers_the_logon_goes_behind_it(market: Market) -> None:
    """The shard takes its time: the client is logged on before, and its order waits."""
    with socket.create_server(("127.0.0.1", market.upstreams[3])) as listener:
        market.router.start()
        one = market.direct("ONE")
        one.connect()
        one.new_order("early", "1", "10", "AAPL", "149.00")
        shard = accepted(listener)
        with shard.socket:
            shard.send("A", 1, (98, "0"), (108, "30"))
            order = shard.read_until("D")
            assert (order[11], order[34]) == ("early", "2")
            shard.send(
                "8", 2, (37, "20261127-03-1"), (17, "20261127-03-2"), (150, "0"), (39, "0"), (11, "early"),
                (1, "SOUTH"), (55, "AAPL"), (54, "1"), (151, "10"), (14, "0"), (6, "0"),
            )  # fmt: skip
            assert one.receive()[11] == "early"
        one.close()


def test_a_shard_that_takes_nothing_any_more_does_not_keep_the_client_from_others(tmp_path: Path) -> None:
    """It hangs: the client waits for a moment, then the shard is down."""

    over = asyncio.Event()

    slowly = asyncio.Event()

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"10=")
        writer.write(Names("FIX.4.4", "BROKER", "ALICE").message(b"A", 1, b"98=0\x01108=10\x01"))
        await slowly.wait()
        await reader.readexactly(1 << 23)
        await over.wait()
        writer.transport.abort()

    async def run() -> None:
        bench = Bench(tmp_path)
        waits: list[bool] = []
        bench.hub.pause = waits.append
        server = await asyncio.start_server(hangs, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()[:2]
        link = bench.hub.links[3] = Link(bench.hub, 3, [address], lambda: b"secret" * 9, "BROKER", lambda: 0)
        await link.settled.wait()
        assert link.is_up
        # More than the system takes for both sides (36 MB here), even after the shard has read a part.
        link.write(b"x" * (1 << 26))
        assert waits == [True]
        now = time.monotonic()
        link.tick(now + FULL_SECONDS - 1)
        waited = link._transport.get_write_buffer_size()  # type: ignore[union-attr]
        slowly.set()
        while link._transport.get_write_buffer_size() == waited:  # type: ignore[union-attr]
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        link.tick(now + FULL_SECONDS + 1)
        assert link.is_up, "it takes what it is sent, if slowly"
        link.tick(now + 2 * FULL_SECONDS + 2)
        while link.is_up:
            await asyncio.sleep(0.001)
        assert waits == [True, False]
        bench.client("D", "11=C1|1=SOUTH|55=AAPL|54=1|38=100|40=2|44=150.00")
        assert b"SHARD_DOWN" in bench.take()[0].rest
        over.set()
        link.close()
        server.close()
        await asyncio.sleep(0.01)

    asyncio.run(run())
