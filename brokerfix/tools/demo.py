"""`brokerfix demo`: three exchanges, the broker and scripted clients, each a process or socket of its own.

At the end three accounts of what happened are compared: the clients', the broker's and the exchanges'.
"""

import re
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, TypeGuard

from brokerfix.domain import id_text
from brokerfix.facts import ChildFilled, Fact, OrderAccepted, OrderRouted, RouteDecided, Trade
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.operate.explain_order import explain_order
from brokerfix.record.audit import Verification, verify
from brokerfix.record.journal import read
from brokerfix.settings.registry import database_path
from brokerfix.settings.shipped import folder as shipped_folder
from brokerfix.tools.client import Disconnected
from brokerfix.tools.screen import LineView, LiveView, View
from brokerfix.tools.trader import PRICES, Fills, Trader

EXCHANGES = ("XNAS", "XNYS", "XLON")
CONFIGS = {name: f"exchange-{name.lower()}" for name in EXCHANGES} | {"BROKER": "broker"}
START_SECONDS = 20
QUIET_SECONDS = 0.5


class Process:
    """A broker, exchange, router or gateway, run by the same command that a person would use."""

    def __init__(self, name: str, config: Path, log: Path, port: int, command: str = "start") -> None:
        self.name, self.config, self.log, self.port = name, config, log, port
        self.command = [sys.executable, "-m", "brokerfix", command, str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it listens. Raises Disconnected if it does not."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start, without waiting for anything."""
        with self.log.open("ab") as log:
            self._process = self.run(self.command, log)

    @staticmethod
    def run(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """A process with what it says in a file."""
        return subprocess.Popen(command, stderr=log, stdout=log)

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def wait(self) -> None:
        """Wait until it listens. Raises Disconnected if it does not."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not self.has_ended:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise Disconnected(f"{self.name} did not start; its log is {self.log}")

    @property
    def pid(self) -> int:
        """Its process id. It must have been started."""
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise Disconnected(f"{self.name} did not end and was killed; its log is {self.log}") from None


def run(folder: Path, seconds: int, kill: bool) -> int:
    """Run the demo for `seconds`. Returns 0 if all accounts agree."""
    processes = set_up(folder)
    broker = processes["BROKER"]
    traders = [Trader(name, broker.port, seed) for seed, name in enumerate(("ALICE", "BOB", "CAROL"))]
    view: View = LiveView(folder, seconds) if sys.stdout.isatty() else LineView(seconds)
    try:
        for process in processes.values():
            process.start()
        wait_until_ready(folder)
        with view:
            _trade(traders, broker, view, seconds, kill)
            view.say("canceling what still works, then stopping")
            finish(traders)
    finally:
        for name in ("BROKER", *EXCHANGES):
            processes[name].stop()
    return _summary(folder, traders)


def make_folder(folder: Path) -> None:
    """An empty folder of the demo's own. Raises FileExistsError where something else is in it."""
    marker = folder / "made-by-brokerfix-demo"
    if folder.exists() and not marker.exists() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: is not empty and no folder of an earlier demo; name another with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()


def set_up(folder: Path) -> dict[str, Process]:
    """The shipped configurations in the demo's own folder, on free ports."""
    make_folder(folder)
    (folder / "config").mkdir()
    ports = {name: free_port() for name in CONFIGS}
    texts = {name: (shipped_folder("config") / f"{file}.toml").read_text() for name, file in CONFIGS.items()}
    shipped = {name: re.search(r"^port = (\d+)", text, re.M) for name, text in texts.items()}
    processes = {}
    for name, file in CONFIGS.items():
        text = texts[name]
        for other, found in shipped.items():
            assert found is not None
            text = re.sub(rf"^port = {found[1]}\b", f"port = {ports[other]}", text, flags=re.M)
        text = re.sub(r"^operation_port = \d+", f"operation_port = {free_port()}", text, flags=re.M)
        path = folder / "config" / f"{file}.toml"
        path.write_text(text)
        processes[name] = Process(name, path, folder / f"{file}.log", ports[name])
    return processes


def wait_until_ready(folder: Path) -> None:
    """Until the broker has its exchanges and its database: what a start has to do is not in the way of orders. Raises
    Disconnected if it takes too long."""
    data = folder / "var" / "broker"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(NotRunning):
            rows = ask(data, {"action": "sessions"})["sessions"]
            if all(row["state"] == "up" for row in rows if row["kind"] == "exchange") and _is_projected(data):
                return
        time.sleep(0.05)
    raise Disconnected(f"the exchanges or the database did not come up; see the logs in {folder}")


def _is_projected(data: Path) -> bool:
    """Whether the database tells that the exchanges are connected, which is the last that happens at a start."""
    path = database_path(data)
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as database, suppress(sqlite3.OperationalError):
        up = database.execute("select count(*) from sessions where kind = 'exchange' and state = 'up'").fetchone()
        return bool(up[0] == len(CONFIGS) - 1)
    return False


PORTS = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, that the system gives to no outgoing connection meanwhile, and that this process
    was not given before: whoever asked first may not listen yet."""
    while True:
        port = secrets.choice(PORTS)
        if port in _given:
            continue
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _given.add(port)
            return port


def _trade(traders: list[Trader], broker: Process, view: View, seconds: int, kill: bool) -> None:
    started = time.monotonic()
    kill_at = started + seconds / 2 if kill else float("inf")
    for trader in traders:
        connect(trader)
    while not all(levels for trader in traders for levels in trader.books.values()):
        if time.monotonic() > started + START_SECONDS:
            raise Disconnected("the exchanges' market makers show no prices; see the logs")
        turn(traders, acting=False)
    view.update(traders, time.monotonic() - started)
    while (now := time.monotonic()) < started + seconds:
        if now >= kill_at:
            kill_at = float("inf")
            view.say("kill -9 the broker, and start it again")
            broker.stop(signal.SIGKILL)
            broker.start()
        turn(traders, acting=True)
        # A screen takes longer to draw than an order to be answered: it is drawn between them.
        if not any(trader.is_waiting(now) for trader in traders):
            view.update(traders, time.monotonic() - started)


def connect(trader: Trader) -> None:
    """Have a client log on and subscribe to prices."""
    trader.client.connect()
    trader.client.subscribe(f"book-{time.monotonic_ns()}", PRICES, depth=5)


def turn(traders: Sequence[Trader], acting: bool) -> int:
    """One round of all clients; one that was cut off logs on again. Returns how many messages came."""
    connected = [trader.client for trader in traders if trader.client.connected]
    select.select(connected, [], [], 0.01)
    count = 0
    for trader in traders:
        try:
            if not trader.client.connected:
                connect(trader)
            count += trader.take_in()
            if acting:
                trader.act(time.monotonic())
        except Disconnected:
            trader.counts["disconnects"] += 1
    return count


def finish(traders: Sequence[Trader]) -> None:
    """Cancel what works, and log out."""
    cancel_all(traders)
    for trader in traders:
        trader.client.logout()


def cancel_all(traders: Sequence[Trader]) -> None:
    """Cancel everything, and wait until all is answered and quiet."""
    deadline = time.monotonic() + START_SECONDS
    quiet_since = time.monotonic()
    asked: set[str] = set()
    while time.monotonic() < deadline:
        for trader in traders:
            for cl_ord_id in [known for known in trader.working if known not in asked]:
                if trader.client.connected:
                    asked.add(cl_ord_id)
                    with suppress(Disconnected):  # it is sent again when the broker asks for it
                        trader.cancel(cl_ord_id)
        before = sum(len(trader.exec_ids) for trader in traders)
        turn(traders, acting=False)
        if sum(len(trader.exec_ids) for trader in traders) != before:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET_SECONDS:
            if not any(trader.working for trader in traders):
                break
            asked.clear()
            quiet_since = time.monotonic()


def _summary(folder: Path, traders: list[Trader]) -> int:
    """Compare the three accounts of what happened; print them and where the files are. Returns the exit code."""
    journals = {name: folder / "var" / name.lower() / "journal" for name in CONFIGS}
    explain_last(journals["BROKER"])
    balanced = compare(traders, ["BROKER"], ["BROKER"], journals)
    print(f"files: {folder}/var (journals, SQLite), {folder}/*.log, {folder}/config")
    told = any(trader.fills for trader in traders)
    print("everything balances" if balanced and told else "THE ACCOUNTS DIFFER" if told else "NOTHING WAS TRADED")
    return 0 if balanced and told else 1


def compare(
    traders: Sequence[Trader], brokers: Sequence[str], senders: Collection[str], journals: Mapping[str, Path]
) -> bool:
    """Print what clients, `brokers` and the exchanges (all other `journals`) have of fills, and how the journals are.
    `senders` are the brokers' names at exchanges. Returns whether all agree."""
    reports = {name: verify(folder)[0] for name, folder in journals.items()}
    told: Fills = sum((trader.fills for trader in traders), Counter())
    booked, routed, traded = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for name, folder in journals.items():
        if name in brokers:
            ours, away = _fills(folder)
            booked.update(ours)
            routed.update(away)
        else:
            for sender in senders:
                traded.update(_fills(folder, sender)[0])
    print("\nsymbol side  clients told  broker booked  of it routed  exchanges traded")
    balanced = True
    for key in sorted(set(told) | set(booked) | set(traded)):
        agree = told[key] == booked[key] and routed[key] == traded[key]
        balanced &= agree
        print(
            f"{key[0]:<6} {key[1]:<5}{told[key]:>13}{booked[key]:>15}{routed[key]:>14}{traded[key]:>18}"
            f"{'' if agree else '   DIFFERENT'}"
        )
    counts: Counter[str] = sum((trader.counts for trader in traders), Counter())
    print("\n" + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    for name, report in reports.items():
        print(f"{name}: {report.facts} facts, {_verdict(report)}, state {report.state_hash[:16]}")
        balanced &= not report.problems
    return balanced


def explain_last(journal: Path) -> None:
    """Print why the last order that went to an exchange went where it did."""
    last = next((fact for record in reversed(list(read(journal))) for fact in record.facts if _is_choice(fact)), None)
    if last is None:
        return
    print("\nthe last order that could choose, as `brokerfix explain` tells it:")
    for told in explain_order(journal, id_text(last.order_id)):
        print(f"  {told.text}")


def _is_choice(fact: Fact) -> TypeGuard[RouteDecided]:
    """Whether a decision had quotes of several exchanges to choose from."""
    return isinstance(fact, RouteDecided) and len({one.venue for one in fact.seen}) > 1


def _verdict(report: Verification) -> str:
    return "every invariant holds" if not report.problems else "; ".join(report.problems)


def _fills(journal: Path, client: str = "") -> tuple[Fills, Fills]:
    """What a journal has of fills (of one client's orders, if it is named), counted from the facts: what has ended
    leaves the state. (all of them, those of them at exchanges)."""
    booked: Fills = Counter()
    routed: Fills = Counter()
    orders: dict[int, tuple[str, str, str]] = {}
    children: dict[int, int] = {}
    for record in read(journal):
        for fact in record.facts:
            if isinstance(fact, OrderAccepted):
                orders[fact.id] = fact.symbol, fact.side.name, fact.client
            elif isinstance(fact, OrderRouted):
                children[fact.id] = fact.order_id
            elif isinstance(fact, Trade | ChildFilled):
                at_venue = isinstance(fact, ChildFilled)
                if isinstance(fact, ChildFilled):
                    sides = [children[fact.child_id]]
                else:
                    sides = [fact.maker_order_id, fact.taker_order_id]
                for symbol, side, owner in (orders[order_id] for order_id in sides):
                    if client in ("", owner):
                        booked[symbol, side] += fact.qty
                        routed[symbol, side] += fact.qty if at_venue else 0
    return +booked, +routed
