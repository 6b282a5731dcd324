"""`brokerfix demo`: two exchanges, the broker and scripted clients, each a process or socket of its own.

At the end three accounts of what happened are compared: the clients', the broker's and the exchanges'.
"""

import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from brokerfix.audit import Report, verify
from brokerfix.client import Client, Disconnected, Message, pairs_of
from brokerfix.domain import to_text
from brokerfix.engine.state import State
from brokerfix.screen import LineView, LiveView, View
from brokerfix.shipped import folder as shipped_folder

CONFIGS = {"XNAS": "exchange-xnas", "XNYS": "exchange-xnys", "BROKER": "broker"}
PRICES = {"AAPL": 15_000, "MSFT": 40_000}
"""What the clients trade, and the price in cents that they begin around."""
ORDER_EVERY = 0.12
START_SECONDS = 20
QUIET_SECONDS = 0.5
SIDES = {"1": "BUY", "2": "SELL"}
FINAL = frozenset("2 4 8 C".split())

Fills = Counter[tuple[str, str]]
"""(symbol, side) -> quantity."""


class Process:
    """A broker or exchange, run by the same command that a person would use."""

    def __init__(self, name: str, config: Path, log: Path, port: int) -> None:
        self.name, self.config, self.log, self.port = name, config, log, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it listens. Raises Disconnected if it does not."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "brokerfix", "start", str(self.config)]
            self._process = subprocess.Popen(command, stderr=log, stdout=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise Disconnected(f"{self.name} did not start; its log is {self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)


class Trader:
    """A scripted client: sends, cancels and replaces at random, and keeps its own account of what it is told."""

    def __init__(self, comp_id: str, port: int, seed: int) -> None:
        self.client = Client(comp_id, "BROKER", "127.0.0.1", port)
        self.name = comp_id
        self.random = random.Random(seed)
        self.working: dict[str, tuple[str, str]] = {}
        self.asked: dict[str, str] = {}
        self.sent: list[str] = []
        self.exec_ids: set[str] = set()
        self.told: dict[str, int] = {}
        self.fills: Fills = Counter()
        self.counts: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.books: dict[str, dict[tuple[str, str], str]] = {symbol: {} for symbol in PRICES}
        self._sent_at: dict[str, float] = {}
        self._number = 0
        self._due = 0.0

    def act(self, now: float) -> None:
        """Perhaps send something."""
        if now < self._due or not self.client.connected:
            return
        self._due = now + self.random.uniform(0.5, 1.5) * ORDER_EVERY
        choices = list(self.working)
        if choices and self.random.random() < 0.45:
            chosen = self.random.choice(choices)
            if self.random.random() < 0.6:
                self.cancel(chosen)
            else:
                self._replace(chosen)
        else:
            self._new()

    def _new(self) -> None:
        symbol, side = self.random.choice(list(PRICES)), self.random.choice("12")
        mid = self._mid(symbol)
        price = to_text(mid + self.random.randint(-8, 8), 2)
        qty = str(self.random.randint(1, 6) * 50)
        kind = self.random.choice(("day", "day", "day", "gtc", "ioc", "market"))
        cl_ord_id = self._next_id()
        self.counts["orders"] += 1
        self.working[cl_ord_id] = (symbol, side)
        tif = {"day": "0", "gtc": "1", "ioc": "3", "market": "3"}[kind]
        self.client.new_order(cl_ord_id, side, qty, symbol, None if kind == "market" else price, tif=tif)

    def cancel(self, orig: str) -> None:
        symbol, side = self.working[orig]
        self.counts["cancels"] += 1
        self.client.cancel(self._next_id(orig), orig, side, symbol)

    def _replace(self, orig: str) -> None:
        symbol, side = self.working[orig]
        self.counts["replaces"] += 1
        price = to_text(self._mid(symbol) + self.random.randint(-8, 8), 2)
        qty = str(self.random.randint(1, 6) * 50)
        self.client.replace(self._next_id(orig), orig, side, qty, symbol, price)

    def _next_id(self, orig: str = "") -> str:
        self._number += 1
        cl_ord_id = f"{self.name}-{self._number}"
        self.sent.append(cl_ord_id)
        self._sent_at[cl_ord_id] = time.perf_counter()
        if orig:
            self.asked[cl_ord_id] = orig
        return cl_ord_id

    def _mid(self, symbol: str) -> int:
        prices = [[int(float(price) * 100) for (side, price) in self.books[symbol] if side == which] for which in "01"]
        if prices[0] and prices[1]:
            return (max(prices[0]) + min(prices[1])) // 2
        return PRICES[symbol]

    def take_in(self) -> int:
        """Handle what has come. Returns how many messages that were."""
        self.client.poll()
        count = len(self.client.messages)
        while self.client.messages:
            message, every = self.client.messages.popleft(), self.client.received_pairs.popleft()
            if message[35] == "8":
                self._report(message)
            elif message[35] == "9":
                self.counts["cancel rejects"] += 1
            elif message[35] in ("W", "X"):
                self._market_data(message, every)
        return count

    def _report(self, message: Message) -> None:
        if message[17] in self.exec_ids:
            self.counts["resent reports"] += 1
            return
        self.exec_ids.add(message[17])
        sent_at = self._sent_at.pop(message[11], None)
        if sent_at is not None:
            self.latencies.append((time.perf_counter() - sent_at) * 1e6)
        if message[150] == "F":
            self.counts["fills"] += 1
            self.fills[message[55], SIDES[message[54]]] += int(message[32])
            self.told[message[17]] = int(message[32])
        if message[150] == "8":
            self.counts["rejects"] += 1
        if message[150] in ("4", "5") and 41 in message:
            self.working.pop(message[41], None)
        if message[39] in FINAL:
            self.working.pop(message[11], None)
        elif message[150] in ("0", "5"):
            self.working[message[11]] = (message[55], message[54])

    def _market_data(self, message: Message, every: list[tuple[int, str]]) -> None:
        if message[35] == "W":
            self.books[message[55]].clear()
        for entry in pairs_of(every, 269 if message[35] == "W" else 279):
            symbol = entry.get(55, message.get(55, ""))
            if entry[269] not in "01":
                continue
            level = (entry[269], entry[270])
            if entry.get(279) == "2":
                self.books[symbol].pop(level, None)
            else:
                self.books[symbol][level] = entry[271]


def run(folder: Path, seconds: int, kill: bool) -> int:
    """Run the demo for `seconds`. Returns 0 if all accounts agree."""
    processes = _set_up(folder)
    broker = processes["BROKER"]
    traders = [Trader(name, broker.port, seed) for seed, name in enumerate(("ALICE", "BOB", "CAROL"))]
    view: View = LiveView(folder, seconds) if sys.stdout.isatty() else LineView(seconds)
    try:
        for process in processes.values():
            process.start()
        with view:
            _trade(traders, broker, view, seconds, kill)
            view.say("canceling what still works, then stopping")
            _finish(traders)
    finally:
        for name in ("BROKER", "XNAS", "XNYS"):
            processes[name].stop()
    return _summary(folder, traders)


def _set_up(folder: Path) -> dict[str, Process]:
    """The shipped configurations in the demo's own folder, on free ports."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "config").mkdir(parents=True)
    ports = {name: _free_port() for name in CONFIGS}
    texts = {name: (shipped_folder("config") / f"{file}.toml").read_text() for name, file in CONFIGS.items()}
    shipped = {name: re.search(r"^port = (\d+)", text, re.M) for name, text in texts.items()}
    processes = {}
    for name, file in CONFIGS.items():
        text = texts[name]
        for other, found in shipped.items():
            assert found is not None
            text = re.sub(rf"^port = {found[1]}\b", f"port = {ports[other]}", text, flags=re.M)
        path = folder / "config" / f"{file}.toml"
        path.write_text(text)
        processes[name] = Process(name, path, folder / f"{file}.log", ports[name])
    return processes


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _trade(traders: list[Trader], broker: Process, view: View, seconds: int, kill: bool) -> None:
    started = time.monotonic()
    kill_at = started + seconds / 2 if kill else float("inf")
    for trader in traders:
        _connect(trader)
    while (now := time.monotonic()) < started + seconds:
        if now >= kill_at:
            kill_at = float("inf")
            view.say("kill -9 the broker, and start it again")
            broker.stop(signal.SIGKILL)
            broker.start()
        _turn(traders, acting=True)
        view.update(traders, now - started)


def _connect(trader: Trader) -> None:
    trader.client.connect()
    trader.client.subscribe(f"book-{time.monotonic_ns()}", PRICES, depth=5)


def _turn(traders: list[Trader], acting: bool) -> int:
    """One round of all clients; one that was cut off logs on again. Returns how many messages came."""
    connected = [trader.client for trader in traders if trader.client.connected]
    select.select(connected, [], [], 0.01)
    count = 0
    for trader in traders:
        try:
            if not trader.client.connected:
                _connect(trader)
            if acting:
                trader.act(time.monotonic())
            count += trader.take_in()
        except Disconnected:
            trader.counts["disconnects"] += 1
    return count


def _finish(traders: list[Trader]) -> None:
    """Cancel everything, wait until all is answered and quiet, log out."""
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
        _turn(traders, acting=False)
        if sum(len(trader.exec_ids) for trader in traders) != before:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET_SECONDS:
            if not any(trader.working for trader in traders):
                break
            asked.clear()
            quiet_since = time.monotonic()
    for trader in traders:
        trader.client.logout()


def _summary(folder: Path, traders: list[Trader]) -> int:
    """Compare the three accounts of what happened; print them and where the files are. Returns the exit code."""
    reports, states = {}, {}
    for name, place in (("BROKER", "broker"), ("XNAS", "xnas"), ("XNYS", "xnys")):
        reports[name], states[name] = verify(folder / "var" / place / "journal")
    told: Fills = sum((trader.fills for trader in traders), Counter())
    booked, routed = _broker_fills(states["BROKER"])
    exchanges: Fills = _exchange_fills(states["XNAS"]) + _exchange_fills(states["XNYS"])
    print("\nsymbol side  clients told  broker booked  of it routed  exchanges traded")
    balanced = True
    for key in sorted(set(told) | set(booked) | set(exchanges)):
        agree = told[key] == booked[key] and routed[key] == exchanges[key]
        balanced &= agree
        print(
            f"{key[0]:<6} {key[1]:<5}{told[key]:>13}{booked[key]:>15}{routed[key]:>14}{exchanges[key]:>18}"
            f"{'' if agree else '   DIFFERENT'}"
        )
    counts: Counter[str] = sum((trader.counts for trader in traders), Counter())
    print("\n" + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    for name, report in reports.items():
        print(f"{name}: {report.facts} facts, {_verdict(report)}, state {report.state_hash[:16]}")
        balanced &= not report.problems
    print(f"files: {folder}/var (journals, FIX stores, SQLite), {folder}/*.log, {folder}/config")
    print("everything balances" if balanced and told else "THE ACCOUNTS DIFFER" if told else "NOTHING WAS TRADED")
    return 0 if balanced and told else 1


def _verdict(report: Report) -> str:
    return "every invariant holds" if not report.problems else "; ".join(report.problems)


def _broker_fills(state: State) -> tuple[Fills, Fills]:
    """(all fills of clients' orders, those of them at exchanges)."""
    booked: Fills = Counter()
    routed: Fills = Counter()
    for order in state.orders.values():
        key = (order.symbol, order.side.name)
        booked[key] += order.cum
        routed[key] += sum(child.cum for child in order.children)
    return +booked, +routed


def _exchange_fills(state: State) -> Fills:
    """What an exchange has traded with the broker."""
    fills: Fills = Counter()
    for order in state.orders.values():
        if order.client == "BROKER":
            fills[order.symbol, order.side.name] += order.cum
    return +fills
