"""The router's session with a shard, where the test is the shard."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Wire
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
