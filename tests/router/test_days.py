"""A trading day ends: the numbers of the client's session and of those with shards begin anew, and orders go on."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brokerfix.tools.client import Client, Disconnected
from tests.live import until
from tests.router.live import Market

SECONDS = (16, 60)
"""Until the day ends, for both processes to start, and an order; the longer where the machine is busy."""
pytestmark = pytest.mark.timeout(120)


class TooSlow(Exception):
    """The day has begun before all was up."""


def test_a_new_day_begins_all_numbers_anew(tmp_path: Path) -> None:
    for seconds in SECONDS:
        try:
            return a_new_day(tmp_path / str(seconds), seconds)
        except TooSlow:
            continue
    pytest.fail("this machine is too slow for the test")


def a_new_day(folder: Path, seconds: int) -> None:
    market = Market(folder)
    shard, router = market.shard(3), market.router
    begins = datetime.now(UTC) + timedelta(seconds=seconds)
    for process in (shard, router):
        text = process.config.read_text().partition("[venues")[0] if process is shard else process.config.read_text()
        process.config.write_text(text.replace("[broker]", f'[broker]\ntrading_day_start = "{begins:%H:%M:%S}"', 1))
    one = market.direct("ONE")
    try:
        shard.start()
        until(lambda: "is up on port" in shard.log.read_text())
        router.start()
        one.connect()
        one.new_order("kept", "1", "10", "AAPL", "149.00", tif="1")
        kept = one.receive()
        assert (kept[11], kept[39]) == ("kept", "0")
        if datetime.now(UTC) > begins:
            raise TooSlow
        with pytest.raises(Disconnected):
            ends(one, begins)
        restated = one.receive_until(lambda m: m[150] == "D")
        one.messages.clear()
        one.received_pairs.clear()
        until(lambda: connects(one))
        again = one.receive_until(lambda m: m[17] == restated[17])
        assert (again[97], int(again[34]) < 5) == ("Y", True), "it has not said that it has it"
        one.status("kept", "1", "AAPL")
        told = one.receive_until(lambda m: m[35] == "8" and m[150] == "I")
        assert (told[11], told[39], told[37]) == ("kept", "0", kept[37])
        one.new_order("new", "1", "10", "AAPL", "148.00")
        assert one.receive_until(lambda m: m.get(11) == "new")[39] == "0"
        assert "begin anew: its MsgSeqNum" not in router.log.read_text(), "both sides have begun the day at 1"
    finally:
        one.close()
        market.stop()


def ends(client: Client, begins: datetime) -> None:
    """Wait for the session's end."""
    deadline = time.monotonic() + (begins - datetime.now(UTC)).total_seconds() + 10
    while time.monotonic() < deadline:
        client.poll(0.5)


def connects(client: Client) -> bool:
    client.next_out = client.next_in = 1
    client._sent.clear()
    try:
        client.connect()
    except (Disconnected, TimeoutError):
        client.close()
        return False
    return True
