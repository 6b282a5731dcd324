"""A running broker and its operator, lost sessions, drop copies and the day's roll, over real sockets."""

import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerfix.facts import OperatorActed
from brokerfix.operate.admin import ActionRefused, ask
from brokerfix.record.journal import read
from brokerfix.record.kept import kept_states
from brokerfix.tools.client import Client, Disconnected, Message
from brokerfix.tools.demo import free_port
from tests.live import BROKER, EXCHANGE, INSTRUMENT, Market, Process, desk, report, run_cli, until

MORE = """
[accounts.CAROL]
cash = "1000000"
[clients.CAROL]
accounts = ["CAROL"]
cancel_on_disconnect = "day"
[clients.AUDIT]
accounts = ["ALICE"]
drop_copy = ["ALICE"]
drop_copy_snapshot = true
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("operations"), broker=BROKER + MORE)
    market.start()
    yield market
    market.stop()


def refused(market: Market, *arguments: str) -> str:
    done = run_cli(*arguments, "--config", str(market.broker.config))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    return done.stderr


def restart(market: Market) -> None:
    market.broker.stop()
    market.broker.start()
    for client in market._clients.values():
        if client.target == "BROKER":
            client.close()
    market.wait_for_exchange()


def test_only_the_brokers_user_may_open_the_door(market: Market) -> None:
    path = market.folder / "broker" / "admin.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == os.getuid()


def test_an_operator_gets_in_past_silent_connections(market: Market) -> None:
    market.client("ALICE")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(200)]

    def crowd() -> None:
        for one in silent:
            one.connect(str(market.folder / "broker" / "admin.sock"))

    thread = threading.Thread(target=crowd, daemon=True)
    thread.start()
    started = time.monotonic()
    rows = ask(market.folder / "broker", {"action": "sessions"})["sessions"]
    assert time.monotonic() - started < 5.0
    assert "ALICE" in [row["name"] for row in rows]
    thread.join(10)
    for one in silent:
        one.close()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"action": "cancel", "order_id": 5}, "order_id is text"),
        ({"action": "cancel", "order_id": "1", "client": "ALICE", "text": "a\x01b"}, "text is text"),
        ({"action": "reset", "session": "ALICE", "new": "7", "old": 1}, "new is a whole number"),
        ({"action": "add-client", "client": "NEW", "settings": "all"}, "settings is a table"),
        ({"action": "dance"}, "there is no action 'dance'"),
        ({}, "there is no action None"),
    ],
)
def test_what_is_no_request_is_refused(market: Market, request_: dict[str, object], told: str) -> None:
    with pytest.raises(ActionRefused, match=told):
        ask(market.folder / "broker", request_)


def test_an_operator_cancels_an_order(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("op-1", "1", "100", "AAPL", "140.00")
    order_id = report(alice, "op-1", "0")[37]
    assert "canceled" in desk(market, "orders", "cancel", order_id, "--text", "as the client asked by voice")
    canceled = report(alice, "op-1", "4")
    assert (canceled[378], canceled[58]) == ("2", "as the client asked by voice")
    assert "CANCELED already" in refused(market, "orders", "cancel", order_id)
    assert "there is no order" in refused(market, "orders", "cancel", "20200101-1")


def test_a_manual_order_waits_for_its_release(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("manual-1", "1", "100", "AAPL", "140.00", t21="3")
    report(alice, "manual-1", "0")
    desk(market, "orders", "release", "manual-1", "--client", "ALICE")
    rows = json.loads(desk(market, "orders", "cancel", "manual-1", "--client", "ALICE", "--json"))
    assert "CancelPending" in rows["facts"], "it is at the exchange now"
    report(alice, "manual-1", "4")


def test_a_telephoned_order(market: Market) -> None:
    alice = market.client("ALICE")
    order_id = desk(market, "orders", "enter", "--as", "ALICE", "buy", "10", "AAPL", "@", "140.00").split()[1]
    new = alice.receive_until(lambda m: m[35] == "8" and m[37] == order_id)
    assert (new[150], 11 in new) == ("0", False)
    alice.send("F", [(11, "phone-x"), (41, "NONE"), (37, order_id), (55, "AAPL"), (54, "1"), (60, "20260101-00:00:00")])
    assert report(alice, "phone-x", "4")[37] == order_id
    assert "COLLAR" in refused(market, "orders", "enter", "--as", "ALICE", "buy", "10", "AAPL", "@", "900.00")


def test_a_fill_is_corrected_and_busted(market: Market) -> None:
    alice, lp = market.client("ALICE"), market.client("LP", market.exchange, "XNAS")
    alice.new_order("bust-1", "1", "100", "AAPL", "149.00")
    report(alice, "bust-1", "0")
    lp.new_order("bust-lp", "2", "100", "AAPL", "149.00")
    fill = report(alice, "bust-1", "F")
    desk(market, "trades", "correct", fill[17], "100", "148.50")
    corrected = report(alice, "bust-1", "G")
    assert (corrected[19], corrected[31], corrected[6], corrected[39]) == (fill[17], "148.50", "148.50", "2")
    desk(market, "trades", "bust", corrected[17], "--text", "clearly erroneous")
    busted = report(alice, "bust-1", "H")
    assert (busted[19], busted[14], busted[151], busted[39]) == (corrected[17], "0", "100", "0")
    desk(market, "orders", "cancel", "bust-1", "--client", "ALICE")
    report(alice, "bust-1", "4")
    assert "busted" in refused(market, "trades", "bust", fill[17])


def test_halt_and_resume(market: Market) -> None:
    alice = market.client("ALICE")
    desk(market, "halt", "symbol", "AAPL")
    alice.new_order("halt-1", "1", "100", "AAPL", "140.00")
    assert report(alice, "halt-1", "8")[103] == "2"
    desk(market, "resume", "symbol", "AAPL")
    alice.new_order("halt-2", "1", "100", "AAPL", "140.00")
    report(alice, "halt-2", "0")
    alice.cancel("halt-3", "halt-2", "1", "AAPL")
    report(alice, "halt-3", "4")
    assert "there is no symbol" in refused(market, "halt", "symbol", "NOPE")


def test_sessions_are_listed_disconnected_and_reset(market: Market) -> None:
    alice = market.client("ALICE")
    rows = {row["name"]: row for row in json.loads(desk(market, "sessions", "--json"))}
    assert (rows["ALICE"]["state"], rows["XNAS"]["kind"]) == ("up", "exchange")
    assert rows["ALICE"]["next_in"] == alice.next_out
    desk(market, "sessions", "disconnect", "ALICE")
    with pytest.raises(Disconnected):
        alice.receive_until(lambda m: False, 5)
    alice = market.client("ALICE")
    desk(market, "sessions", "reset", "ALICE")
    with pytest.raises(Disconnected):
        alice.receive_until(lambda m: False, 5)
    alice.connect(reset=True)
    rows = {row["name"]: row for row in json.loads(desk(market, "sessions", "--json"))}
    assert rows["ALICE"]["next_in"] == 2
    assert "no session" in refused(market, "sessions", "reset", "NOBODY")


def test_an_exchange_is_added_without_a_restart(market: Market) -> None:
    port = free_port()
    config = market.folder / "XBOS.toml"
    config.write_text(EXCHANGE.replace("XNAS", "XBOS").replace("xnas", "xbos").format(port=port, instrument=INSTRUMENT))
    other = Process("XBOS", config, market.folder / "XBOS.log", port)
    other.start()
    add = (
        "exchanges",
        "add",
        "XBOS",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--sender",
        "BROKER",
        "--target",
        "XBOS",
    )

    def is_up() -> bool:
        return {row["name"]: row["state"] for row in json.loads(desk(market, "sessions", "--json"))}["XBOS"] == "up"

    try:
        assert "there is no 'magic'" in refused(market, *add, "--supports", "magic")
        desk(market, *add)
        until(is_up)
        assert "already" in refused(market, *add)
        seller = Client("LP", "XBOS", "127.0.0.1", port)
        seller.connect()
        seller.new_order("S1", "2", "5", "AAPL", "150.00")
        report(seller, "S1", "0")
        alice = market.client("ALICE")
        alice.new_order("bos-1", "1", "5", "AAPL", "150.00", t100="XBOS")
        assert report(alice, "bos-1", "F")[30] == "XBOS"
        restart(market)
        until(is_up)
        seller.logout()
    finally:
        other.stop()


def test_a_client_is_added_without_a_restart(market: Market) -> None:
    port = free_port()
    desk(market, "clients", "add", "DAVE", "--account", "BOB", "--port", str(port))
    dave = Client("DAVE", "BROKER", "127.0.0.1", port)
    dave.connect()
    dave.new_order("dave-1", "1", "1", "AAPL", "140.00")
    report(dave, "dave-1", "0")
    dave.cancel("dave-2", "dave-1", "1", "AAPL")
    report(dave, "dave-2", "4")
    dave.logout()
    assert "already" in refused(market, "clients", "add", "DAVE", "--account", "BOB", "--port", str(port))
    assert "no account" in refused(market, "clients", "add", "ERIN", "--account", "NOPE", "--port", str(port))
    restart(market)
    dave.connect()
    assert dave.connected
    dave.logout()


def test_a_lost_session_loses_its_orders(market: Market) -> None:
    carol = market.client("CAROL")
    carol.new_order("lost-1", "1", "100", "AAPL", "140.00")
    report(carol, "lost-1", "0")
    carol.new_order("lost-2", "1", "100", "AAPL", "140.00", tif="1")
    report(carol, "lost-2", "0")
    carol.close()
    carol.connect()
    canceled = report(carol, "lost-1", "4")
    assert canceled[378] == "7"
    carol.status("lost-2", "1", "AAPL")
    assert report(carol, "lost-2", "I")[39] == "0"
    carol.cancel("lost-3", "lost-2", "1", "AAPL")
    report(carol, "lost-3", "4")


def test_reports_that_a_client_missed_come_after_a_logon_that_begins_anew(market: Market) -> None:
    alice, lp = market.client("ALICE"), market.client("LP", market.exchange, "XNAS")
    alice.new_order("missed-1", "1", "100", "AAPL", "148.00")
    report(alice, "missed-1", "0")
    alice.logout()
    lp.new_order("missed-lp", "2", "100", "AAPL", "148.00")
    report(lp, "missed-lp", "F")
    alice.connect(reset=True)
    fill = report(alice, "missed-1", "F")
    assert (fill[97], fill[14], fill[39]) == ("Y", "100", "2")


def test_a_drop_copy_session_sees_what_its_client_is_told(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("copy-1", "1", "100", "AAPL", "140.00")
    report(alice, "copy-1", "0")
    audit = market.client("AUDIT")
    snapshot = report(audit, "copy-1", "I")
    assert (snapshot[797], snapshot[39], snapshot[1]) == ("Y", "0", "ALICE")
    alice.cancel("copy-2", "copy-1", "1", "AAPL")
    canceled = report(audit, "copy-2", "4")
    assert canceled[797] == "Y"
    own = report(alice, "copy-2", "4")
    assert (own[17], 797 in own) == (canceled[17], False)


def test_a_day_is_rolled_by_hand(market: Market) -> None:
    alice = market.client("ALICE")
    alice.new_order("roll-1", "1", "100", "AAPL", "140.00")
    report(alice, "roll-1", "0")
    alice.new_order("roll-2", "1", "100", "AAPL", "141.00", tif="1")
    report(alice, "roll-2", "0")
    desk(market, "roll")
    told: list[Message] = []
    with pytest.raises(Disconnected):
        alice.receive_until(lambda m: bool(told.append(m)), 5)
    alice.next_in = alice.next_out = 1
    alice.connect()
    # The exchange lets go of the order before the sessions begin anew, or after.
    before = [m for m in told if m.get(11) == "roll-1" and m[150] == "C"]
    expired = before[0] if before else report(alice, "roll-1", "C")
    assert (expired[39], expired[151]) == ("C", "0")
    alice.status("roll-2", "1", "AAPL")
    status = report(alice, "roll-2", "I")
    assert (status[39], status[424], status[425]) == ("0", "100", "0")
    journal = market.folder / "broker" / "journal"
    until(lambda: bool(kept_states(journal)))
    verified = run_cli("verify", str(market.folder / "broker"), "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["kept"] >= 1
    restart(market)
    alice = market.client("ALICE")
    alice.status("roll-2", "1", "AAPL")
    assert report(alice, "roll-2", "I")[39] == "0"


def test_an_operators_name_is_on_record(market: Market) -> None:
    facts = [fact for record in read(Path(market.folder / "broker" / "journal")) for fact in record.facts]
    acted = {type(fact).__name__ for fact in facts if getattr(fact, "operator", "")}
    assert {"Halted", "Resumed", "TradeBusted", "TradeCorrected", "OrderReleased", "CancelPending"} <= acted
    assert {"OperatorActed", "OperatorRefused", "OrderAccepted"} <= acted
    told = [fact.text for fact in facts if isinstance(fact, OperatorActed) and fact.action == "refused"]
    assert any("there is no action 'dance'" in text for text in told)
