"""One FIX session of a client over two shards: real processes, and clients that are not QuickFIX."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokerfix.access.vouch import VOUCHER, voucher
from brokerfix.settings.load import load
from brokerfix.settings.sections import ConfigError
from brokerfix.tools.client import FIX_42, FIXT, Client, Message, TooLow, utc_now
from tests.live import Wire, connected, run_cli, until
from tests.router.live import Market
from tests.router_crash import POINTS
from tests.router_kills import Harness

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    market = Market(tmp_path_factory.mktemp("router"))
    try:
        market.start()
        market.wait_for_exchange()
        yield market
    finally:
        market.stop()


@pytest.fixture
def alice(market: Market) -> Iterator[Client]:
    """A session that begins anew, with nothing of before."""
    client = market.session()
    client.connect(reset=True)
    client.send("q", [(11, f"clear-{time.time_ns()}"), (530, "7"), (60, utc_now())])
    client.receive_until(lambda m: m[35] == "r")
    market.drain(client)
    yield client
    client.logout()


def all_of(client: Client, count: int) -> list[Message]:
    return [client.receive() for _ in range(count)]


def named(what: str) -> str:
    return f"{what}-{time.time_ns()}"


def test_orders_of_two_accounts_on_two_shards_are_one_session(alice: Client) -> None:
    first = alice.next_in
    names = {account: named(account) for account in ("NORTH", "SOUTH")}
    for account, name in names.items():
        alice.new_order(name, "1", "10", "AAPL", "151.00", t1=account)
    told = all_of(alice, 4)
    assert [int(message[34]) for message in told] == list(range(first, first + 4))
    assert {(m[1], m[39], m[37][9:11]) for m in told} == {
        ("NORTH", "0", "00"), ("NORTH", "2", "00"), ("SOUTH", "0", "03"), ("SOUTH", "2", "03")
    }  # fmt: skip


def test_what_came_from_both_shards_is_sent_again_under_its_numbers(market: Market, alice: Client) -> None:
    for account in ("NORTH", "SOUTH", "NORTH"):
        alice.new_order(named(account), "1", "10", "AAPL", "151.00", t1=account)
    told = {message[34]: message[17] for message in all_of(alice, 6)}
    alice.close()
    alice.next_in = int(min(told, key=int))
    alice.connect()
    again = all_of(alice, 6)
    assert {message[34]: message[17] for message in again} == told
    assert {message.get(43) for message in again} == {"Y"}
    assert all(message[122] for message in again)


def test_cancels_and_replaces_without_account_find_their_shard(alice: Client) -> None:
    order, changed = named("order"), named("changed")
    alice.new_order(order, "1", "10", "AAPL", "149.00", t1="SOUTH")
    assert alice.receive()[39] == "0"
    alice.replace(changed, order, "1", "20", "AAPL", "149.50")
    replaced = alice.receive_until(lambda m: m[150] == "5")
    assert (replaced[11], replaced[1], replaced[38]) == (changed, "SOUTH", "20")
    alice.status(changed, "1", "AAPL")
    assert alice.receive()[37] == replaced[37]
    alice.cancel(named("end"), changed, "1", "AAPL")
    assert alice.receive_until(lambda m: m[39] == "4")[41] == changed


def test_mass_status_and_mass_cancel_see_all_shards(alice: Client) -> None:
    for account in ("NORTH", "SOUTH", "SOUTH"):
        alice.new_order(named(account), "1", "10", "AAPL", "149.00", t1=account)
        assert alice.receive()[39] == "0"
    alice.send("AF", [(584, "all"), (585, "7")])
    told = all_of(alice, 3)
    assert sorted(message[1] for message in told) == ["NORTH", "SOUTH", "SOUTH"]
    assert [(m.get(911), m[912]) for m in told] == [(None, "N"), (None, "N"), ("3", "Y")]
    alice.send("AF", [(584, "south"), (585, "8"), (453, 1), (448, "SOUTH"), (447, "D"), (452, "38")])
    assert [(m[1], m[911], m[912]) for m in all_of(alice, 2)] == [("SOUTH", "2", "N"), ("SOUTH", "2", "Y")]
    name = named("mass")
    alice.send("q", [(11, name), (530, "7"), (60, utc_now())])
    told = all_of(alice, 4)
    assert [m[39] for m in told if m[35] == "8"] == ["4"] * 3
    assert [(m[11], m[531], m[533]) for m in told if m[35] == "r"] == [(name, "7", "3")]
    alice.send("AF", [(584, "none"), (585, "7")])
    nothing = alice.receive()
    assert (nothing[37], nothing[911], nothing[912]) == ("NONE", "0", "Y")


def test_a_shards_own_refusal_names_the_clients_message(alice: Client) -> None:
    number = alice.new_order(named("bad"), "1", "many", "AAPL", "151.00", t1="SOUTH")
    reject = alice.receive()
    assert (reject[35], reject[45], reject[371]) == ("3", str(number), "38")
    number = alice.send("R", [(131, "ask"), (146, 1), (55, "AAPL"), (1, "SOUTH")])
    told = alice.receive()
    assert told[35] in ("AG", "j", "S")
    assert told.get(45, str(number)) == str(number)


@pytest.mark.parametrize(("name", "begin_string"), [("OLD", FIX_42), ("NEW", FIXT)])
def test_each_version_of_fix(market: Market, name: str, begin_string: str) -> None:
    client = market.session(name, begin_string)
    client.connect(reset=True)
    for account in ("NORTH", "SOUTH"):
        order = named(account)
        client.new_order(order, "1", "10", "AAPL", "151.00", t1=account)
        filled = client.receive_until(lambda m, order=order: m.get(11) == order and m[39] == "2")
        assert (filled[1], filled[8]) == (account, begin_string)
    client.cancel("c", "unknown", "1", "AAPL")
    assert (reject := client.receive())[35] == "9"
    assert reject[102] == "1"
    resting = named("resting")
    client.new_order(resting, "1", "10", "AAPL", "149.00", t1="SOUTH")
    assert client.receive()[39] == "0"
    if begin_string == FIXT:
        client.send("AF", [(584, "m"), (585, "7")])
        assert client.receive()[912] == "Y"
    client.cancel("end", resting, "1", "AAPL")
    assert client.receive_until(lambda m: m[39] == "4")[41] == resting
    client.logout()


def test_numbers_that_begin_anew_lose_nothing(market: Market, alice: Client) -> None:
    name = named("away")
    alice.new_order(name, "1", "10", "AAPL", "149.00", t1="SOUTH", tif="1")
    assert alice.receive()[39] == "0"
    alice.close()
    # It is filled while the client is away, though the exchange may not have it yet: the shard has that report.
    lp = market.client("LP", market.processes["XNAS"], "XNAS")
    lp.new_order(named("LP"), "2", "10", "AAPL", "149.00")
    lp.receive_until(lambda m: m[39] == "2")
    alice.connect(reset=True)
    assert alice.next_out == 2
    fill = alice.receive_until(lambda m: m[35] == "8" and m[39] == "2")
    assert (fill[11], fill[1]) == (name, "SOUTH")
    # And within a session that is up.
    market.drain(alice)
    alice.next_out = alice.next_in = 1
    alice._send("A", [(98, "0"), (108, "30"), (141, "Y")])
    alice.new_order(named("after"), "1", "10", "AAPL", "151.00", t1="NORTH")
    assert int(alice.receive_until(lambda m: m[39] == "2")[34]) == 3


def test_a_shard_is_down_and_back(market: Market, alice: Client) -> None:
    resting = named("resting")
    alice.new_order(resting, "1", "10", "AAPL", "149.00", t1="SOUTH")
    assert alice.receive()[39] == "0"
    alice.subscribe("MD", ["AAPL"])
    alice.receive_until(lambda m: m[35] == "W")
    market.shard(3).stop(signal.SIGKILL)
    until(lambda: "shard 3 is down" in market.router.log.read_text())
    refused = named("refused")
    alice.new_order(refused, "1", "10", "AAPL", "151.00", t1="SOUTH")
    told = alice.receive_until(lambda m: m.get(11) == refused)
    assert (told[39], told[58]) == ("8", "SHARD_DOWN: shard 3 is down; this message was not taken")
    works = named("works")
    alice.new_order(works, "1", "10", "AAPL", "151.00", t1="NORTH")
    assert alice.receive_until(lambda m: m.get(11) == works and m[39] == "2")
    alice.send("AF", [(584, "part"), (585, "7")])
    assert "shard 3 did not answer" in alice.receive_until(lambda m: m.get(912) == "Y")[58]
    lp = market.client("LP", market.processes["XNAS"], "XNAS")
    lp.new_order(named("LP"), "2", "10", "AAPL", "149.00")
    lp.receive_until(lambda m: m[39] == "2")
    market.shard(3).start()
    fill = alice.receive_until(lambda m: m.get(11) == resting and m[39] == "2", 30)
    assert fill[1] == "SOUTH"
    again = named("again")
    alice.new_order(again, "1", "10", "AAPL", "151.00", t1="SOUTH")
    assert alice.receive_until(lambda m: m.get(11) == again and m[39] == "2")


def test_market_data_go_on_from_another_shard(market: Market, alice: Client) -> None:
    alice.subscribe("MD", ["AAPL"])
    assert alice.receive_until(lambda m: m[35] == "W")[262] == "MD"
    market.shard(0).stop(signal.SIGKILL)
    try:
        assert alice.receive_until(lambda m: m[35] == "W")[262] == "MD", "a fresh snapshot, of shard 3"
    finally:
        market.shard(0).start()
    until(lambda: market.router.log.read_text().rstrip().splitlines()[-1].count("shard 0 is up again") == 1)


def test_a_client_of_one_shard_has_no_session_with_the_other(market: Market) -> None:
    one = market.session("ONE")
    one.connect(reset=True)
    name = named("one")
    one.new_order(name, "1", "10", "AAPL", "151.00")
    assert one.receive_until(lambda m: m[39] == "2")[37][9:11] == "03"
    one.cancel("c", "unknown", "1", "AAPL")
    assert one.receive()[58].startswith("UNKNOWN_ORDER"), "the shard itself says so"
    one.logout()


# The session's rules


@contextmanager
def wire(market: Market, number: int, *body: tuple[int, str], name: str = "ALICE") -> Iterator[Wire]:
    """A connection to the router as the gateway makes one, that has sent a Logon."""
    secret = (market.folder / "secret").read_bytes()
    sent = utc_now()
    reset = "Y" if (141, "Y") in body else ""
    signed = voucher(secret, name, "BROKER", str(number), sent, reset)
    with connected(market.listen) as connection:
        line = Wire(connection, name)
        line.send("A", number, (98, "0"), (108, "30"), *body, (VOUCHER, signed), sent=sent)
        yield line


def order(name: str, account: str = "NORTH") -> tuple[tuple[int, str], ...]:
    tags = {11: name, 1: account, 55: "AAPL", 54: "1", 60: utc_now(), 38: "1", 40: "2", 44: "149.00", 59: "3"}
    return tuple(tags.items())


def test_messages_that_come_too_early_wait_for_what_is_missing(market: Market) -> None:
    with wire(market, 1, (141, "Y")) as line:
        assert line.read()[35] == "A"
        line.send("D", 3, *order("second"))
        line.send("D", 4, *order("third"))
        asked = line.read()
        assert (asked[35], asked[7], asked[16]) == ("2", "2", "0")
        line.send("D", 2, (43, "Y"), (122, utc_now()), *order("first"))
        assert [line.read_until("8")[11] for _ in range(6)] == ["first"] * 2 + ["second"] * 2 + ["third"] * 2
        line.send("D", 2, *order("old"))
        assert "MsgSeqNum too low, expecting 5 but received 2" in line.read_until("5")[58]
        assert line.is_cut()


def test_a_logon_with_a_number_that_is_too_low_is_told_the_right_one(market: Market, alice: Client) -> None:
    alice.logout()
    alice.next_out -= 1
    with pytest.raises(TooLow, match=f"expecting {alice.next_out + 1} but received {alice.next_out}"):
        alice.connect()
    alice.next_out += 1
    alice.connect()


def test_a_message_of_long_ago_ends_the_session(market: Market) -> None:
    with wire(market, 1, (141, "Y")) as line:
        assert line.read()[35] == "A"
        line.send("D", 2, *order("late"), sent="20261126-10:00:00.000")
        assert (line.read()[373], line.read()[35]) == ("10", "5")
        assert line.is_cut()


def test_without_the_gateways_word_nobody_gets_in(market: Market) -> None:
    with connected(market.listen) as connection:
        assert Wire(connection, "ALICE").logon() == {}


def test_the_gateways_refusals_are_answered(market: Market, alice: Client) -> None:
    number = alice.new_order("x" * 65, "1", "1", "AAPL", "149.00", t1="NORTH")
    refused = alice.receive()
    assert (refused[35], refused[45], refused[371]) == ("3", str(number), "11")


def test_errors_for_people(market: Market, tmp_path: Path) -> None:
    config = market.router.config.read_text()
    path = tmp_path / "router.toml"
    for wrong, told in (
        (config.replace("shard = 3\n", "shard = 4\n"), "accounts.SOUTH: is on shard 4, which router"),
        (re.sub(r'listen = "[^"]*"', 'listen = "8.8.8.8:1"', config), "router.listen: needs an address of a private"),
        (re.sub(r'listen = "[^"]*"', 'listen = "nowhere"', config), "router.listen: 'nowhere' is no HOST:PORT"),
        (config.replace("shards = { 0", "shards = { a"), "'a' is no shard"),
    ):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match=re.escape(told)):
            load(path)
    path.write_text(config)
    done = run_cli("router", str(path))
    assert (done.returncode, "the router's secret can't be read" in done.stderr) == (1, True), done.stderr


# Kills. This is the last of the module: it ends the processes.


def test_kills_at_every_step_and_at_random_moments(market: Market) -> None:
    """`python -m tests.router_kills --kills N` does as many random kills as asked."""
    harness = Harness(market, seed=5)
    for point in POINTS:
        harness.run_to_crash(point, 2 if "og" in point else 5)
    harness.kill_at_random()
    harness.finish()
    orders, reports = harness.compare()
    assert harness.kills == len(POINTS) + 1
    assert orders > 20
    assert reports > 40
