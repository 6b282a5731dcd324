"""A broker over an exchange that misbehaves: positions stay right and every oddity is alerted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.fix.outgoing.encode import Out
from brokerfix.record.audit import verify
from brokerfix.settings.sections import ChaosSection
from brokerfix.simulate.chaos import Chaos
from tests.live import UNSTORED, Market

REPORT = "8=FIX.4.4|9=0|35=8|37=1|17=20261122-{id}|150={kind}|39=0|44=150.00|151=0|14=3|10=000|".replace("|", "\x01")


def spoiled(kind: str, count: int = 1, **settings: int) -> list[str]:
    """What becomes of `count` reports of a kind: the tags of what is sent."""
    sent: list[Out] = []
    chaos = Chaos(ChaosSection(**settings), sent.append, lambda client: sent.append(Out(False, client, "disconnect")))
    for number in range(count):
        chaos.send(Out(False, "BROKER", REPORT.format(id=number, kind=kind)), 0)
    return [out.text for out in sent]


def test_each_fault() -> None:
    assert spoiled("0", 3, drop_ack_every=1) == []
    assert len(spoiled("0", 4, drop_ack_every=2)) == 2
    assert spoiled("0", 1, delay_ack_ms=5) == []
    assert all("\x019999=chaos\x01" in text for text in spoiled("F", 2, unknown_tag_every=1))
    assert spoiled("F", 1, disconnect_every=1)[-1] == "disconnect"
    repeated = spoiled("F", 2, repeat_exec_id_every=1)
    assert [re.findall("\x0117=([^\x01]*)", text)[0] for text in repeated] == ["20261122-0", "20261122-0", "20261122-1"]
    late = spoiled("4", 1, fill_after_cancel_every=1)[-1]
    assert "\x01150=F\x01" in late
    assert "\x0132=1\x0131=150.00\x01" in late
    assert "\x0114=4\x01" in late


def test_a_delayed_acknowledgement_comes_when_its_time_is_over() -> None:
    sent: list[Out] = []
    chaos = Chaos(ChaosSection(delay_ack_ms=5), sent.append, lambda client: None)
    chaos.send(Out(False, "BROKER", REPORT.format(id=1, kind="0")), 0)
    chaos.release(4_999_999)
    assert sent == []
    chaos.release(5_000_000)
    assert len(sent) == 1


def test_an_exec_id_that_waits_to_be_sent_is_not_sent_again() -> None:
    """With another report it would be the first that is heard of it, and no repetition."""
    sent: list[Out] = []
    chaos = Chaos(ChaosSection(delay_ack_ms=5, repeat_exec_id_every=1), sent.append, lambda client: None)
    for number, kind in enumerate("0FF"):
        chaos.send(Out(False, "BROKER", REPORT.format(id=number, kind=kind)), 0)
    ids = [re.findall("\x0117=([^\x01]*)", out.text)[0] for out in sent]
    assert ids == ["20261122-1", "20261122-1", "20261122-2"]


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path, broker=UNSTORED)
    chaos = "drop_ack_every = 2\nrepeat_exec_id_every = 2\nfill_after_cancel_every = 1\nunknown_tag_every = 2\n"
    config = market.exchange.config
    config.write_text(config.read_text() + f"[chaos]\ndisconnect_every = 25\n{chaos}")
    market.start()
    yield market
    market.stop()


def test_positions_are_right_over_a_misbehaving_exchange(market: Market) -> None:
    lp = market.client("LP", market.exchange, "XNAS")
    alice = market.client("ALICE")
    for number in range(15):
        name = f"C{number}"
        alice.new_order(name, "1", "10", "AAPL", "149.00")
        alice.receive_until(lambda m, name=name: m.get(11) == name and m[150] == "0")  # type: ignore[misc]
        if number % 3 == 0:
            alice.cancel(f"X{number}", name, "1", "AAPL")
            alice.receive_until(lambda m, number=number: m.get(11) == f"X{number}" and m[150] == "4")  # type: ignore[misc]
    if not lp.connected:
        lp.connect()
    lp.new_order("hit", "2", "100", "AAPL", "149.00")
    filled = 0
    while filled < 100:
        message = alice.receive()
        filled += int(message.get(32, 0)) if message[35] == "8" and message[11].startswith("C") else 0
    for process in (market.broker, market.exchange):
        process.stop()
    report, state = verify(market.folder / "broker" / "journal")
    assert report.problems == []
    position = state.accounts["ALICE"].positions["AAPL"]
    late = sum(1 for alert in state.alerts if alert.code == "FILL_AFTER_END")
    assert position.qty == 100 + late
    assert late == 5
    assert {"REPEATED_EXEC_ID", "FILL_AFTER_END"} <= {alert.code for alert in state.alerts}
