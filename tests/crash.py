"""Kill the broker and compare what clients, broker and exchanges hold: `python -m tests.crash --kills 500 --seed 1`.

The broker runs as `python -m tests.crash_broker`, which ends itself with SIGKILL at a chosen boundary; random kills
come from outside. After each kill the broker is started again and the clients go on.
"""

import argparse
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brokerfix.domain import id_text
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.facts import ChildFilled, OrderAccepted, Trade
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.record.audit import verify
from brokerfix.record.journal import Journal, read
from brokerfix.record.outbox import Outbox
from brokerfix.record.pipeline import Pipeline
from brokerfix.tools import demo, trader
from tests import starter

ORDER_EVERY = 0.004
SETTLE_SECONDS = 60
QUIET_TURNS = 20
LATE = "work_ms = 2000"
MIXED = "work_ms = 300\nrefuse_request_every = 3\ndrop_ack_every = 5\ndelay_ack_ms = 200"
"""Exchanges that answer requests late, and that refuse some of them for all kinds of reasons."""


MAKER = """
[accounts.MM]
cash = "100000000"
[makers.MM]
account = "MM"
"""
QUOTES = """
[makers.MM.quotes.{symbol}]
size = "100"
most_long = "500"
most_short = "-500"
bid_spread = "0.02"
ask_spread = "0.02"
place = "both"
venues = ["XNAS"]
levels = 2
level_step = "0.01"
hedge = {{ symbol = "{symbol}", band = "150", slip = "0.03" }}
"""
"""A market maker of ours, in our book and at an exchange."""


class Harness:
    """Two exchanges, a broker that can be killed, and three clients under load; with a `maker` it makes markets too."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        durability: str = "process",
        gateway: bool = False,
        chaos: str = "",
        maker: bool = False,
    ) -> None:
        self.folder = folder
        self.durability = durability
        self.chaos = chaos
        self.maker = maker
        self.random = random.Random(seed)
        self.processes = demo.set_up(folder)
        for process in self.processes.values():
            text = process.config.read_text()
            text = text.replace("store = true", "store = false").replace('"process"', f'"{durability}"')
            if not gateway:
                text = re.sub(r"^\[gateway\].*?(?=^\[instruments)", "", text, flags=re.S | re.M)
            if process.name != "BROKER":
                text = text.replace("[broker]", "[broker]\nstore = false")
                text += f"\n[chaos]\nseed = {seed}\n{chaos}\n" if chaos else ""
            elif maker:
                text += MAKER + "".join(QUOTES.format(symbol=symbol) for symbol in ("AAPL", "MSFT"))
            process.config.write_text(text)
        self.broker = self.processes["BROKER"]
        self.traders = [
            trader.Trader(name, self.broker.port, seed + i) for i, name in enumerate(("ALICE", "BOB", "CAROL"))
        ]
        for client in self.traders:
            note_numbers(client)
        self.kills = 0
        for name in ("XNAS", "XNYS"):
            self.processes[name].start()

    def run_to_crash(self, point: str, count: int, timeout: float = 20) -> None:
        """Trade until the broker kills itself the `count`-th time it comes to `point`."""
        command = [sys.executable, "-m", "tests.crash_broker", str(self.broker.config), point, str(count)]
        with self.broker.log.open("ab") as log:
            process = starter.start(command, log)
        deadline = time.monotonic() + timeout
        while process.poll() is None:
            assert time.monotonic() < deadline, f"the broker never came to {point}"
            self.turn()
        assert process.returncode == -signal.SIGKILL, f"the broker ended by itself: see {self.broker.log}"
        self.kills += 1

    def kill_at_random(self) -> None:
        """Trade for a moment, then kill the broker from outside."""
        self.broker.start()
        self._tell_maker("start-maker")
        until = time.monotonic() + self.random.uniform(0.05, 0.5)
        while time.monotonic() < until:
            self.turn()
        self.broker.stop(signal.SIGKILL)
        self.kills += 1

    def turn(self) -> None:
        demo.turn(self.traders, acting=True)

    def settle(self) -> dict[str, State]:
        """Start once more and trade no more, until no answer of an exchange is owed; then hold the exchanges, take in
        what they have told, kill all three and start the exchanges again. Returns the states of all three."""
        self.broker.start()
        self._tell_maker("stop-maker")
        self._until_quiet(lambda status: not (status["unanswered"] or status["jobs"] or self._quotes()))
        for name in ("XNAS", "XNYS"):
            self.processes[name].send_signal(signal.SIGSTOP)
        self._until_quiet(lambda status: True)
        for name in ("BROKER", "XNAS", "XNYS"):
            self.processes[name].stop(signal.SIGKILL)
        states = {name: self._verified(name) for name in ("BROKER", "XNAS", "XNYS")}
        for name in ("XNAS", "XNYS"):
            self.processes[name].start()
        return states

    def _until_quiet(self, settled: Callable[[Any], bool]) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        quiet = 0
        while quiet < QUIET_TURNS:
            assert time.monotonic() < deadline, f"exchanges still owe answers: {self._status()}"
            before = sum(len(trader.exec_ids) for trader in self.traders)
            demo.turn(self.traders, acting=False)
            told = sum(len(trader.exec_ids) for trader in self.traders) - before
            connected = all(trader.client.connected for trader in self.traders)
            quiet = quiet + 1 if not told and connected and settled(self._status()) else 0

    def _status(self) -> Any:
        try:
            return ask(self.folder / "var" / "broker", {"action": "status"})
        except NotRunning:
            # It has just begun to listen.
            return {"unanswered": 1, "jobs": ["its start"]}

    def _tell_maker(self, action: str) -> None:
        """Have the maker quote, or not."""
        while self.maker:
            try:
                ask(self.folder / "var" / "broker", {"action": action, "maker": "MM", "symbol": ""})
                return
            except NotRunning:
                self.turn()

    def _quotes(self) -> list[Any]:
        """What the maker quotes still: exchanges may refuse to let it go at first."""
        if not self.maker:
            return []
        rows = ask(self.folder / "var" / "broker", {"action": "makers"})["makers"]
        return [row for row in rows if row["bids"] or row["asks"]]

    def _verified(self, name: str) -> State:
        report, state = verify(self.folder / "var" / name.lower() / "journal")
        assert report.problems == [], (name, report.problems)
        return state

    def finish(self) -> tuple[State, dict[str, State]]:
        """Start once more, cancel and settle everything, stop all. Returns the broker's and exchanges' states."""
        self.broker.start()
        if self.maker:
            self._tell_maker("stop-maker")
            self._until_quiet(lambda status: not self._quotes())
        demo.finish(self.traders)
        for name in ("BROKER", "XNAS", "XNYS"):
            self.processes[name].stop()
        states = {name: self._verified(name) for name in ("BROKER", "XNAS", "XNYS")}
        return states.pop("BROKER"), states

    def stop(self) -> None:
        for client in self.traders:
            client.client.close()
        for process in self.processes.values():
            process.stop(signal.SIGKILL)


def note_numbers(client: trader.Trader) -> None:
    """See that a MsgSeqNum is always the same report, and that none is a PossResend: the session goes on."""
    reports: dict[str, str] = {}
    take = client._report

    def noted(message: dict[int, str]) -> None:
        known = reports.setdefault(message[34], message[17])
        assert known == message[17], f"{client.name} was told {known} and {message[17]} under number {message[34]}"
        assert 97 not in message, f"{client.name} was sent {message[17]} with PossResend on a session that went on"
        take(message)

    client._report = noted  # type: ignore[method-assign]


def compare_numbers(harness: Harness) -> int:
    """Each side has dealt with every MsgSeqNum once at most, and what an exchange had under one is what the broker's
    journal says that it has sent under it. Returns how many messages to exchanges were compared."""
    data = harness.folder / "var"
    outbox = Outbox(10**6)
    journal = Journal(data / "broker" / "journal")
    Pipeline(journal, lambda out: None, lambda out: None, outbox).recover(0)
    journal.close()
    compared = 0
    # A simulated exchange with faults deals with some messages later than with others.
    for name in ("BROKER", "XNAS", "XNYS") if not harness.chaos else ("BROKER",):
        last: dict[str, int] = {}
        for record in read(data / name.lower() / "journal"):
            session, number = record.origin.session, record.origin.seq_num
            if not number:
                continue
            assert number > last.get(session, 0), f"{name} has taken message {number} of {session} twice"
            last[session] = number
            named = {fact.cl_ord_id for fact in record.facts if getattr(fact, "cl_ord_id", "")}
            if name == "BROKER" or session != "c:BROKER" or not named:
                continue
            sent = outbox.box(True, name).find(number)
            assert sent is not None, f"{name} had message {number}, which the broker's journal does not tell of"
            assert sent.text.partition("\x0111=")[2].partition("\x01")[0] in named, (name, number, sent.text, named)
            compared += 1
    return compared


def compare_working(harness: Harness, states: dict[str, State]) -> int:
    """With no answer owed, what the exchanges hold of an order is what it has there, and its leaves are what its client
    was told. Returns how many orders work."""
    broker = states["BROKER"]
    told = {number: leaves for client in harness.traders for number, leaves in client.leaves.items()}
    works = 0
    for order in broker.orders.values():
        if order.done:
            continue
        assert order.client != "MM", "the maker was stopped"
        works += 1
        name = f"order {id_text(order.order_id)} of {order.client} ({order.cl_ord_id})"
        assert told.get(id_text(order.order_id)) == order.leaves, f"{name}: its client was told another leaves"
        assert order.pending is None, f"{name}: something is pending: {order.pending}"
        for child in order.children:
            known = states[child.venue].clients["BROKER"].requests.get(id_text(child.cl_ord_id))
            held = known.leaves if isinstance(known, Order) else 0
            assert held == child.leaves, f"{name}: {child.venue} holds {held}, we say {child.leaves}"
    for venue in ("XNAS", "XNYS"):
        ours = {id_text(child.cl_ord_id): child.leaves for child in broker.open_children[venue].values()}
        theirs = {known.cl_ord_id: known.leaves for known in states[venue].clients["BROKER"].working.values()}
        assert theirs == ours, f"{venue} holds other orders than we say"
    return works


def compare(harness: Harness, broker: State, exchanges: dict[str, State]) -> int:
    """Assert that nothing is lost and nothing is doubled. Returns the number of fills."""
    fills = _compare_clients(harness, broker)
    for name, exchange in exchanges.items():
        _compare_exchange(harness, name, broker, exchange)
    return fills


def _compare_clients(harness: Harness, broker: State) -> int:
    """Every order that a client sent is one order of the broker, and the client knows every fill of it, once."""
    journal = list(read(harness.folder / "var" / "broker" / "journal"))
    told = {client.name: client.told for client in harness.traders}
    facts = (fact for record in journal for fact in record.facts)
    accepted = [(f.client, f.cl_ord_id) for f in facts if isinstance(f, OrderAccepted) and f.client in told]
    assert len(accepted) == len(set(accepted)), "an order was accepted twice"
    booked: dict[str, dict[str, int]] = {name: {} for name in (*told, "MM")}
    for record in journal:
        for fact in record.facts:
            if isinstance(fact, Trade):
                ids = ((fact.maker_order_id, fact.id - 1), (fact.taker_order_id, fact.id))
            elif isinstance(fact, ChildFilled):
                ids = ((broker.children[fact.child_id].order_id, fact.id),)
            else:
                continue
            for order_id, exec_id in ids:
                booked[broker.orders[order_id].client][id_text(exec_id)] = fact.qty
    for client in harness.traders:
        assert told[client.name] == booked[client.name], f"{client.name} was told of other fills than were booked"
        for cl_ord_id in client.sent:
            known = broker.clients[client.name].requests.get(cl_ord_id)
            assert known is not None, f"the broker never heard of {client.name}'s {cl_ord_id}"
            assert not isinstance(known, Order) or not known.working, f"{cl_ord_id} still works"
    return sum(len(fills) for fills in booked.values())


def _compare_exchange(harness: Harness, name: str, broker: State, exchange: State) -> None:
    """Every child of the broker's is one order of the exchange, filled as much."""
    at_exchange = {
        cl_ord_id: known.cum
        for cl_ord_id, known in exchange.clients["BROKER"].requests.items()
        if isinstance(known, Order) and known.order_id
    }
    for child in {child.child_id: child for child in broker.children.values() if child.venue == name}.values():
        sent = id_text(child.child_id)
        assert not child.open, f"child {sent} is open at {name} though everything was canceled"
        assert sent in exchange.clients["BROKER"].requests, f"{name} never heard of child {sent}"
        assert at_exchange.get(sent, 0) == child.cum, f"{name} has filled {at_exchange.get(sent)} of {sent}"
    ours = {id_text(number) for number, child in broker.children.items() if child.venue == name}
    assert at_exchange.keys() <= ours, f"{name} has orders that the broker does not know"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--durability", choices=["process", "disk"], default="process")
    parser.add_argument("--exchanges", choices=["prompt", "late", "mixed"], default="prompt")
    parser.add_argument("--kills-a-round", type=int, default=25)
    parser.add_argument("--maker", action="store_true", help="with a market maker, in the book and at an exchange")
    arguments = parser.parse_args()
    trader.ORDER_EVERY = ORDER_EVERY
    print(f"seed {arguments.seed}")
    chaos = {"prompt": "", "late": LATE, "mixed": MIXED}[arguments.exchanges]
    works = 0
    with tempfile.TemporaryDirectory() as name:
        harness = Harness(Path(name), arguments.seed, arguments.durability, chaos=chaos, maker=arguments.maker)
        try:
            while harness.kills < arguments.kills:
                harness.kill_at_random()
                print(f"\r{harness.kills}/{arguments.kills} kills", end="", flush=True)
                if harness.kills % arguments.kills_a_round == 0:
                    works += compare_working(harness, harness.settle())
            fills = compare(harness, *harness.finish())
            numbers = compare_numbers(harness)
        finally:
            harness.stop()
    orders = sum(client.counts["orders"] for client in harness.traders)
    print(f"\n{orders} orders, {fills} fills: no order, fill or ExecID lost or doubled")
    print(f"{numbers} messages to exchanges under the numbers that the journal says; no number was taken twice")
    print(f"{works} working orders: what the exchanges hold of each is what its client was told")


if __name__ == "__main__":
    main()
