"""The FIX sessions are part of the journal: after a kill, and after a loss of power, each message has the number that
it had, what was missed is sent again under it, and nothing is told twice."""

import shutil
import signal
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from brokerfix.facts import ClockChecked, OrderAccepted
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.record.journal import read
from brokerfix.tools.client import utc_now
from tests.live import BROKER, Market, Wire, desk, run_cli, until


@pytest.fixture(params=["process", "disk"])
def market(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Market]:
    settings = f'durability = "{request.param}"\nresend_messages = 100\n'
    market = Market(tmp_path, broker=BROKER.replace("store = true", "store = false\n" + settings))
    try:
        market.start()
        yield market
    finally:
        while OPENED:
            OPENED.pop().socket.close()
        market.stop()


OPENED: list[Wire] = []
"""Connections that a test has made, to be closed at its end."""


@pytest.fixture
def wire(market: Market) -> Wire:
    """ALICE's connection, logged on with numbers that begin anew."""
    market.client("ALICE").logout()
    wire = logged_on(market, 1, (141, "Y"))
    assert wire.read_until("A")[34] == "1"
    return wire


def logged_on(market: Market, number: int, *body: tuple[int, str]) -> Wire:
    wire = Wire(socket.create_connection(("127.0.0.1", market.broker.port), 10), "ALICE")
    OPENED.append(wire)
    wire.send("A", number, (98, "0"), (108, "30"), *body)
    return wire


def order(wire: Wire, number: int, cl_ord_id: str, *head: tuple[int, str]) -> dict[int, str]:
    """Send an order that rests; returns its report."""
    terms = ((55, "AAPL"), (54, "1"), (60, utc_now()), (38, "1"), (40, "2"), (44, "140.00"))
    wire.send("D", number, *head, (11, cl_ord_id), *terms)
    return wire.read_until("8")


def everything(wire: Wire, number: int, first: int) -> list[dict[int, str]]:
    """All that a ResendRequest from a number on brings, up to the answer of a TestRequest behind it."""
    wire.send("2", number, (7, str(first)), (16, "0"))
    wire.send("1", number + 1, (112, "end"))
    found = []
    while (message := wire.read())[35] != "0":
        found.append(message)
    return found


LATER = timedelta(milliseconds=100)
"""With durability "disk" a message is sent when its record is synced, and it is known when that was written."""


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d-%H:%M:%S.%f")


def killed(market: Market) -> None:
    market.broker.stop(signal.SIGKILL)


def started(market: Market) -> None:
    """Start the broker, until it answers operators too: that is the last that it does at its start."""
    market.broker.start()

    def answers() -> bool:
        try:
            return bool(ask(market.folder / "broker", {"action": "status"}))
        except NotRunning:
            return False

    until(answers)


def test_after_a_kill_a_session_goes_on_where_it_was(market: Market, wire: Wire) -> None:
    told = [order(wire, 2, "A1"), order(wire, 3, "A2")]
    killed(market)
    started(market)
    desk(market, "orders", "cancel", "A1", "--client", "ALICE")
    back = logged_on(market, 4)
    answer = back.read()
    assert (answer[35], answer[34]) == ("A", str(int(told[1][34]) + 2)), "between is the cancel's report"
    again = everything(back, 5, 2)
    reports = [one for one in again if one[35] == "8"]
    assert [(one[11], one[150]) for one in reports] == [("A1", "0"), ("A2", "0"), ("A1", "4")]
    for first, one in zip(told, reports, strict=False):
        assert (one[34], one[17], one[43]) == (first[34], first[17], "Y")
        assert abs(moment(one[122]) - moment(first[52])) <= LATER, "the true OrigSendingTime"
    assert all(97 not in one for one in again)
    assert [one[123] for one in again if one[35] == "4"] == ["Y"] * sum(one[35] == "4" for one in again)
    assert again[-1].get(36) == str(int(answer[34]) + 1), "the Logon is filled"


def test_no_number_is_used_twice_and_no_gap_is_left(market: Market, wire: Wire) -> None:
    """Kills between a session's own messages and reports. Of what the client sent last the broker may know nothing: it
    asks, and the client fills the gap."""
    numbers, ours = [1], 2

    def answer(kind: str, told: str) -> None:
        """Read up to an answer; fill what is asked for meanwhile."""
        message: dict[int, str] = {}
        while not (message.get(35) == kind and told in (message.get(11), message.get(112))):
            message = wire.read()
            numbers.append(int(message[34]))
            if message[35] == "2":
                wire.send("4", int(message[7]), (43, "Y"), (122, utc_now()), (123, "Y"), (36, str(ours - 1)))

    for turn in range(3):
        terms = ((55, "AAPL"), (54, "1"), (60, utc_now()), (38, "1"), (40, "2"), (44, "140.00"))
        for kind, body, back in (("D", ((11, f"A{turn}"), *terms), "8"), ("1", ((112, "own"),), "0")):
            wire.send(kind, ours, *body)
            ours += 1
            answer(back, body[0][1])
        killed(market)
        started(market)
        wire.socket.close()
        wire = logged_on(market, ours)
        ours += 1
        numbers.append(int(wire.read()[34]))
    wire.send("1", ours, (112, "last"))
    ours += 1
    answer("0", "last")
    assert numbers == list(range(1, len(numbers) + 1))


def test_what_is_older_than_is_kept_is_filled(market: Market, wire: Wire) -> None:
    for number in range(2, 132):
        order(wire, number, f"A{number}")
    found = everything(wire, 132, 1)
    assert (found[0][35], found[0][34], found[0][36]) == ("4", "1", "32")
    assert [one[11] for one in found if one[35] == "8"] == [f"A{number}" for number in range(32, 132)]
    assert [one[34] for one in found[1:]] == [str(number) for number in range(32, 132)]


def test_of_a_client_that_is_away_more_is_kept(market: Market, wire: Wire) -> None:
    for number in range(2, 122):
        order(wire, number, f"A{number}")
    wire.send("5", 122)
    assert wire.is_cut()
    for number in range(2, 122):
        ask(market.folder / "broker", {"action": "cancel", "order": f"A{number}", "client": "ALICE"})
    until(lambda: ask(market.folder / "broker", {"action": "status"})["working"] == 0)
    killed(market)
    started(market)
    back = logged_on(market, 123)
    assert back.read()[35] == "A"
    found = everything(back, 124, 123)
    # Some may come by themselves, and again because they were asked for.
    assert len({one[34] for one in found if one[35] == "8" and one[150] == "4"}) == 120


@pytest.mark.parametrize("market", ["disk"], indirect=True)
def test_a_loss_of_power_leaves_what_was_synced(market: Market, wire: Wire) -> None:
    """The folder as of the last sync: the journal up to there, and a mapped file that never reached the disk."""
    data, kept = market.folder / "broker", market.folder / "synced"
    report = order(wire, 2, "A1")
    shutil.copytree(data / "journal", kept)
    for number in range(3, 8):
        wire.send("1", number, (112, str(number)))
        assert wire.read_until("0")[112] == str(number)
    lost = order(wire, 8, "A2")
    killed(market)
    shutil.rmtree(data / "journal")
    shutil.copytree(kept, data / "journal")
    (data / "sessions").unlink()
    started(market)
    back = logged_on(market, 9)
    answer = back.read()
    assert answer[35] == "A"
    assert int(answer[34]) > int(lost[34]), "no number is used for another message"
    asked = back.read_until("2")
    assert asked[7] == "3", "it knows what was synced, and asks for the rest"
    back.send("4", 3, (43, "Y"), (122, utc_now()), (123, "Y"), (36, "8"))
    assert order(back, 8, "A2", (43, "Y"), (122, utc_now()))[11] == "A2", "what was lost is taken again"
    found = everything(back, 10, int(report[34]))
    reports = [one for one in found if one[35] == "8"]
    assert (reports[0][11], reports[0][34]) == ("A1", report[34])
    assert all(97 not in one for one in found)


@pytest.mark.parametrize("market", ["process"], indirect=True)
def test_what_brought_an_order_about_is_on_record(market: Market, wire: Wire) -> None:
    terms = ((55, "AAPL"), (54, "1"), (60, utc_now()), (38, "1"), (40, "2"), (44, "140.00"), (528, "A"))
    wire.send("D", 2, (50, "trader-7"), (11, "A1"), *terms)
    assert wire.read_until("8")[528] == "A"
    (record,) = [
        record
        for record in read(market.folder / "broker" / "journal")
        if any(isinstance(fact, OrderAccepted) for fact in record.facts)
    ]
    source, accepted = record.origin, record.facts[0]
    assert (source.session, source.seq_num, source.who, source.transact_time) == ("c:ALICE", 2, "trader-7", terms[2][1])
    assert isinstance(accepted, OrderAccepted)
    assert accepted.capacity == "A"
    assert source.sending_time
    assert accepted.at == source.received <= record.written


@pytest.mark.parametrize("market", ["process"], indirect=True)
def test_the_clock_is_on_record_from_the_start(market: Market) -> None:
    facts = [fact for record in read(market.folder / "broker" / "journal") for fact in record.facts]
    (checked,) = [fact for fact in facts if isinstance(fact, ClockChecked)]
    assert checked.max_error >= 0


@pytest.mark.parametrize("market", ["process"], indirect=True)
def test_numbers_have_the_brokers_shard_and_keep_it(market: Market, wire: Wire) -> None:
    assert order(wire, 2, "A1")[37].split("-")[1] == "00"
    market.broker.stop()
    data, text = market.folder / "broker", market.broker.config.read_text()
    market.broker.config.write_text(text.replace("store = false", "store = false\nshard = 7"))
    refused = run_cli("start", str(market.broker.config))
    assert refused.returncode == 1
    assert "broker.shard: is 7, but the journal's numbers are of shard 0" in refused.stderr
    data.rename(market.folder / "of before")
    started(market)
    new = logged_on(market, 1, (141, "Y"))
    assert new.read()[35] == "A"
    until(lambda: any(row["state"] == "up" for row in ask(data, {"action": "sessions"})["sessions"]))
    assert order(new, 2, "A1")[37].split("-")[1] == "07"
