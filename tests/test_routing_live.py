"""The router over sockets: a broker, three exchanges with different fees, and clients that are not QuickFIX. What the
client was told, what the exchanges hold and what `brokerfix explain` says of an order are the same."""

import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import sinh
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.domain import id_text
from brokerfix.engine.state import State
from brokerfix.facts import ChildFilled, OrderRouted
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.record.audit import verify
from brokerfix.record.journal import read
from brokerfix.tools.client import Client, Message, utc_now
from brokerfix.tools.demo import _fills, free_port
from tests.live import Processes, until

VENUES = ("XNAS", "XNYS", "XLON")
FEES = {"XNAS": ("0.0030", "-0.0020"), "XNYS": ("0.0025", "-0.0015"), "XLON": ("-0.0120", "0.0150")}
"""What each takes for a unit of a taker and of a maker."""
LIT = (
    "BEST",
    "COST",
    "RATA",
    "ONE",
    "EQUAL",
    "SPLIT",
    "HALT",
    "WORK",
    "POV",
    "PEACE",
    "PAUSE",
    "BAD",
    "KILL",
    "LOST",
    "ANEW",
)
"""Each test has symbols of its own."""
DARK = "DARK"
ROUTED = {
    "COST": 'route_by = "cost"',
    "RATA": 'route_mode = "pro-rata"',
    "SPLIT": 'placement = { lambda_u = "0.05", theta = "0.0005", outflow = "200" }',
}
"""What the broker's instruments have besides."""


def instrument(symbol: str, more: str = "") -> str:
    terms = 'price_digits = 2\nqty_digits = 0\ntick = "0.01"\nlot = "1"\ncollar = "0.10"\nreference = "150.00"'
    return f"[instruments.{symbol}]\n{terms}\n{more}\n"


def exchange_text(name: str, port: int, symbols: tuple[str, ...], more: str = "") -> str:
    broker = f'[broker]\nname = "{name}"\nport = {port}\ndata = "{name.lower()}"\nstore = false\n'
    accounts = '[accounts.ALL]\ncash = "0"\nlimits = { buying_power = false }\n'
    clients = "".join(f'[clients.{client}]\naccounts = ["ALL"]\n' for client in ("BROKER", "DARK", "LP"))
    return broker + "".join(map(instrument, symbols)) + accounts + clients + more


def broker_text(port: int, ports: dict[str, int], lit: tuple[str, ...]) -> str:
    text = f'[broker]\nname = "BROKER"\nport = {port}\ndata = "broker"\nstore = false\nrecord_interval_ms = 50\n'
    text += "".join(instrument(symbol, ROUTED.get(symbol, "")) for symbol in (*lit, DARK))
    text += '[accounts.ALL]\ncash = "100000000"\n'
    for client, version in (("ALICE", "FIX.4.4"), ("OLD", "FIX.4.2"), ("NEW", "FIXT.1.1"), ("WATCH", "FIX.4.4")):
        text += f'[clients.{client}]\naccounts = ["ALL"]\nfix = "{version}"\n'
    for venue, (taker, maker) in FEES.items():
        symbols = [*lit, DARK] if venue == "XNAS" else list(lit)
        text += f'[venues.{venue}]\nhost = "127.0.0.1"\nport = {ports[venue]}\nsender = "BROKER"\ntarget = "{venue}"\n'
        text += f'taker_fee = "{taker}"\nmaker_fee = "{maker}"\nsymbols = {symbols}\nask_status = true\n'
        # Small shares for an exchange that is back are shown elsewhere: here all counts on whole sweeps.
        text += "circuit_failures = 0\n"
    # A book of XLON's that nobody sees.
    text += f'[venues.HIDDEN]\nhost = "127.0.0.1"\nport = {ports["XLON"]}\nsender = "DARK"\ntarget = "XLON"\n'
    return text.replace("'", '"') + f'symbols = ["{DARK}"]\ndark = true\nmarket_data = false\n'


class Line:
    """The line between the broker and an exchange. While it is `mute` what the exchange says is lost on the way; while
    it is `down` nobody gets through."""

    def __init__(self, port: int) -> None:
        """`port` is the exchange's."""
        self.mute = self.down = False
        self._exchange = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with self._listener, suppress(OSError):
            while True:
                broker = self._listener.accept()[0]
                thread = threading.Thread(target=self._carry, args=(broker,))
                self._threads.append(thread)
                thread.start()

    def _carry(self, broker: socket.socket) -> None:
        with broker, suppress(OSError):
            if self.down:
                return
            with socket.create_connection(("127.0.0.1", self._exchange)) as exchange:
                while True:
                    for source in select.select((broker, exchange), (), ())[0]:
                        data = source.recv(1 << 16)
                        if not data:
                            return
                        if source is broker:
                            exchange.sendall(data)
                        elif not self.mute:
                            broker.sendall(data)

    def close(self) -> None:
        """Once both ends are gone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


class Three(Processes):
    """A broker and three exchanges, the last of them behind a line."""

    def __init__(self, folder: Path, lit: tuple[str, ...] = LIT, chaos: str = "") -> None:
        ports = {name: free_port() for name in (*VENUES, "BROKER")}
        texts = {name: exchange_text(name, ports[name], (*lit, DARK), chaos) for name in VENUES}
        self.line = Line(ports["XLON"])
        seen = ports | {"XLON": self.line.port}
        super().__init__(folder, ports, texts | {"BROKER": broker_text(ports["BROKER"], seen, lit)})
        self.chaos = chaos
        self._is_stopped = False
        self.shown: dict[str, dict[tuple[str, str], int]] = {symbol: {} for symbol in (*lit, DARK)}

    def start(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: process.start(), self.processes.values()))
        self.wait_for(*VENUES, "HIDDEN")
        self.watch()

    def stop(self) -> None:
        super().stop()
        if not self._is_stopped:
            self._is_stopped = True
            self.line.close()

    def watch(self) -> None:
        """Have the broker tell of all books."""
        watch = self.client("WATCH")
        watch.subscribe(f"all-{watch.next_out}", self.shown)

    def operate(self, name: str, *arguments: str) -> None:
        """An operator's command on one of the processes, which may have just begun to listen."""
        config = str(self.processes[name].config)
        until(lambda: CliRunner().invoke(main, [*arguments, "--config", config]).exit_code == 0)

    def wait_for(self, *venues: str, state: str = "up") -> None:
        """Until the broker's sessions with these exchanges are up, or down."""

        def are_so() -> bool:
            with suppress(NotRunning):
                rows = ask(self.folder / "broker", {"action": "sessions"})["sessions"]
                return {row["name"] for row in rows if row["state"] == state} >= set(venues)
            return False

        until(are_so)

    def lp(self, venue: str) -> Client:
        """Who makes the prices of an exchange."""
        client = self._clients.get(venue)
        if client is None:
            client = self._clients[venue] = Client("LP", venue, "127.0.0.1", self.processes[venue].port)
        if not client.connected:
            client.connect()
        return client

    def make(self, symbol: str, *orders: str) -> None:
        """Have orders at the exchanges, as "XNAS sell 300 150.00", and wait until the broker's market shows them."""
        wanted = dict(self.shown.get(symbol, {}))
        for order in orders:
            venue, side, qty, price = order.split()
            self.quote(venue, side, qty, symbol, price)
            level = {"buy": "0", "sell": "1"}[side], price
            wanted[level] = wanted.get(level, 0) + int(qty)
        self.wait_until_shown(symbol, wanted)

    def quote(self, venue: str, side: str, qty: str, symbol: str, price: str) -> None:
        """Have an order at an exchange."""
        lp = self.lp(venue)
        name = f"{symbol}-{lp.next_out}"
        lp.new_order(name, {"buy": "1", "sell": "2"}[side], qty, symbol, price)
        if not self.chaos:
            lp.receive_until(lambda m: m.get(11) == name and m.get(150) == "0")

    def wait_until_shown(self, symbol: str, wanted: dict[tuple[str, str], int]) -> None:
        watch = self.client("WATCH")
        while self.shown[symbol] != wanted:
            message = watch.receive()
            if message[35] == "W":
                self.shown[message[55]].clear()
            for entry in entries(watch.last, message[35]):
                if entry[269] not in "01":
                    continue
                level = entry[269], entry[270]
                if entry.get(279) == "2" or entry[271] == "0":
                    self.shown[entry[55]].pop(level, None)
                else:
                    self.shown[entry[55]][level] = int(entry[271])

    def explain(self, order_id: str, *more: str) -> str:
        """What the command says."""
        done = CliRunner().invoke(main, ["explain", order_id, "--config", str(self.broker.config), *more])
        assert done.exit_code == 0, done.output
        return done.output


def entries(every: list[tuple[int, str]], kind: str) -> list[Message]:
    """The entries of market data, each with its symbol."""
    first, found = {"W": 269, "X": 279}[kind], []
    symbol = dict(every).get(55, "")
    for tag, value in every:
        if tag == first:
            found.append({55: symbol})
        if found:
            found[-1][tag] = value
    return found


class Trader:
    """A client's session, and all that it was told."""

    def __init__(self, market: Three, name: str, version: str = "FIX.4.4") -> None:
        self.client = market.client(name, begin_string=version)
        self.log: list[Message] = []

    def send(self, name: str, symbol: str, qty: int, price: str | None = None, **tags: str) -> "Told":
        """Buy."""
        self.client.new_order(name, "1", str(qty), symbol, price, **tags)
        return Told(self, name)

    def work(
        self,
        name: str,
        symbol: str,
        qty: int,
        code: str,
        parameters: dict[str, str],
        *more: tuple[int, str],
        in_group: bool = False,
        replaces: str = "",
    ) -> "Told":
        """Buy by a TargetStrategy, whose parameters are in the group NoStrategyParameters or one text."""
        body: list[tuple[int, str]] = [
            (11, name),
            (55, symbol),
            (54, "1"),
            (60, utc_now()),
            (38, str(qty)),
            (40, "1"),
            (847, code),
        ]
        if self.client.begin_string == "FIX.4.2":
            body.append((21, "1"))
        if replaces:
            body.append((41, replaces))
        body += more
        if in_group:
            body.append((957, str(len(parameters))))
            for parameter, value in parameters.items():
                body += [(958, parameter), (959, "14"), (960, value)]
        elif parameters:
            body.append((848, ";".join(f"{parameter}={value}" for parameter, value in parameters.items())))
        self.client.send("G" if replaces else "D", body)
        return Told(self, name)

    def until(self, true: Callable[[], bool], timeout: float = 10) -> None:
        """Take messages until something is true."""
        deadline = time.monotonic() + timeout
        while not true():
            self.log.append(self.client.receive(max(0.01, deadline - time.monotonic())))
            assert self.log[-1][35] not in "3j", self.log[-1]

    def settle(self, market: Three) -> None:
        """Take messages until no answer of an exchange is owed and no more come."""

        def owed() -> int:
            return int(ask(market.folder / "broker", {"action": "status"})["unanswered"])

        deadline = time.monotonic() + 30
        while True:
            with suppress(TimeoutError):
                self.until(lambda: False, 0.1)
            if not owed():
                break
            assert time.monotonic() < deadline


class Told:
    """What a client was told of one of its orders."""

    def __init__(self, trader: Trader, cl_ord_id: str) -> None:
        self.trader, self.cl_ord_id = trader, cl_ord_id

    @property
    def order_id(self) -> str:
        return next((m[37] for m in self.trader.log if m[35] == "8" and m.get(11) == self.cl_ord_id), "")

    @property
    def reports(self) -> list[Message]:
        order_id = self.order_id
        return [m for m in self.trader.log if m[35] == "8" and m[37] == order_id]

    @property
    def last(self) -> Message:
        return self.reports[-1]

    @property
    def status(self) -> str:
        """As the last report, or refusal of a request, has it."""
        order_id = self.order_id
        told = (m for m in reversed(self.trader.log) if m[35] in "89" and m[37] == order_id)
        return next(told)[39] if order_id else ""

    def until(self, statuses: str = "248C", timeout: float = 10) -> "Told":
        """Wait until the order is in one of these OrdStatus(39)."""
        self.trader.until(lambda: self.status != "" and self.status in statuses, timeout)
        return self

    def until_filled(self, qty: int, timeout: float = 10) -> None:
        """Wait until so much of it is filled."""
        self.trader.until(lambda: self.status != "" and int(self.last[14]) >= qty, timeout)

    def until_replaced(self, cl_ord_id: str) -> None:
        self.trader.until(lambda: any(m.get(11) == cl_ord_id and m[150] == "5" for m in self.reports))

    @property
    def fills(self) -> list[tuple[str, int, str]]:
        """(exchange, quantity, price) of each fill."""
        return [(m.get(30, ""), int(m[32]), m[31]) for m in self.reports if m[150] in ("F", "1", "2") and 32 in m]

    @property
    def by_venue(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for venue, qty, _ in self.fills:
            found[venue] += qty
        return found

    def check_sums(self) -> None:
        """Its reports make sense one after the other: what is filled is the sum of the fills, at their average."""
        cum, notional = 0, 0.0
        for message in self.reports:
            if message[150] in ("F", "1", "2") and 32 in message:
                cum += int(message[32])
                notional += int(message[32]) * float(message[31])
            assert int(message[14]) == cum, message
            assert float(message[6]) == pytest.approx(notional / cum if cum else 0, abs=1e-6)
            leaves = 0 if message[39] in "248C" else max(0, int(message[38]) - cum)
            assert int(message[151]) == leaves, message


def held_by_exchanges(market: Three, symbol: str) -> Counter[str]:
    """What the exchanges' own records say that the broker has bought, by its name for them."""
    found: Counter[str] = Counter()
    for venue in VENUES:
        for client, name in (("BROKER", venue), ("DARK", "HIDDEN")):
            found[name] += _fills(market.folder / venue.lower() / "journal", client)[0][symbol, "BUY"]
    return +found


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    market = Three(tmp_path_factory.mktemp("three"))
    market.start()
    yield market
    market.stop()


@pytest.fixture(scope="module")
def alice(market: Three) -> Trader:
    return Trader(market, "ALICE")


OFFERS = "XNAS sell 300 150.00", "XNYS sell 100 150.00", "XNYS sell 200 150.01", "XLON sell 200 150.01"
BY_COST = "lowest price and fee together"
MODES = {
    "BEST": ("1010", "best", "best price", {"XNYS": ["100@150.00"], "XNAS": ["300@150.00"], "XLON": ["50@150.01"]}),
    "COST": ("1010", "best", BY_COST, {"XLON": ["200@150.01"], "XNYS": ["100@150.00"], "XNAS": ["150@150.00"]}),
    "RATA": ("", "pro-rata", "pro rata to what is shown", {
        "XNYS": ["100@150.00", "69@150.01"], "XNAS": ["169@150.00"], "XLON": ["112@150.01"],
    }),
    "ONE": ("1012", "sequential", "one exchange after the other", {
        "XNYS": ["100@150.00"], "XNAS": ["300@150.00"], "XLON": ["50@150.01"],
    }),
    "EQUAL": ("1013", "spray", "equal shares", {
        "XNYS": ["100@150.00", "50@150.01"], "XNAS": ["150@150.00"], "XLON": ["150@150.01"],
    }),
}  # fmt: skip
"""By symbol TargetStrategy, what the evidence calls the mode, its reason for a child, and the fills of 450."""


@pytest.mark.parametrize("symbol", MODES)
def test_a_mode(market: Three, alice: Trader, symbol: str) -> None:
    code, mode, why, wanted = MODES[symbol]
    market.make(symbol, *OFFERS)
    told = alice.send(f"C-{symbol}", symbol, 450, "150.05", **({"t847": code} if code else {})).until()
    fills = {venue: [f"{qty}@{price}" for of, qty, price in told.fills if of == venue] for venue in told.by_venue}
    assert fills == wanted
    if mode == "sequential":
        assert [venue for venue, *_ in told.fills] == ["XNYS", "XNAS", "XLON"]
    told.check_sums()
    assert (told.status, told.last[14], told.last[151]) == ("2", "450", "0")
    assert held_by_exchanges(market, symbol) == told.by_venue
    text = market.explain(told.order_id)
    assert f"450 of it are placed ({mode}): the market is ask 400 at 150.00" in text
    for venue, qty in told.by_venue.items():
        assert f"{venue:<10}gets {qty}\n" in text
        assert any(f"{venue} is sent {qty} at" in line and line.endswith(why) for line in text.splitlines())
    decisions = {"sequential": 3}.get(mode, 1)
    assert text.count("are placed (") == decisions
    assert text.count("gets nothing: others are better, or it is not needed") == {"sequential": 6}.get(mode, 0)
    expected = [line for line in text.splitlines() if " expected: " in line]
    assert len(expected) == decisions
    if decisions == 1:
        assert f"expected: 450 at {told.last[6]}" in expected[0]
    seen = [line.split()[2:] for line in text.splitlines() if line.split()[2] in VENUES and "150." in line.split()[3]]
    assert {(row[0], row[2]) for row in seen} == {("XNAS", "0.003"), ("XNYS", "0.0025"), ("XLON", "-0.012")}


def test_dark_exchanges_first(market: Three, alice: Trader) -> None:
    market.make(DARK, "XNAS buy 100 149.98", "XNAS sell 300 150.02")
    market.quote("XLON", "sell", "120", DARK, "149.99")
    told = alice.send("C-DARK", DARK, 200, "150.05", t847="1014").until()
    told.check_sums()
    assert told.fills == [("HIDDEN", 120, "149.99"), ("XNAS", 80, "150.02")]
    assert held_by_exchanges(market, DARK) == told.by_venue
    text = market.explain(told.order_id)
    assert "200 of it are placed (dark-first): the market is bid 100 at 149.98, ask 300 at 150.02" in text
    assert "HIDDEN is sent 200 at 150.00, IOC" in text
    assert "dark, at the mid" in text
    assert "80 of it are placed (dark-first)" in text
    assert "XNAS is sent 80 at 150.02, IOC" in text


def test_split_between_taking_and_queueing(market: Three, alice: Trader) -> None:
    market.make("SPLIT", "XNAS buy 50 149.98", "XLON sell 900 150.02", "XNYS buy 10 149.98")
    told = alice.send("C-SPLIT", "SPLIT", 300, "150.05", t847="1015")
    told.until_filled(1)
    (taken,) = told.fills
    assert taken == ("XLON", 95, "150.02")
    # What is queued stands behind what was there, and shows in the market.
    market.wait_until_shown("SPLIT", {("0", "149.98"): 50 + 10 + 205, ("1", "150.02"): 900 - 95})
    text = market.explain(told.order_id)
    assert "300 of it are placed (split): the market is bid 60 at 149.98, ask 900 at 150.02" in text
    assert "half spread 0.02, outflow 200, lambda_u 0.05: 205 queued" in text
    for venue, gets, queued, before in (("XNAS", 57, 57, 50), ("XNYS", 95, 95, 10), ("XLON", 148, 53, 0)):
        assert f"{venue:<10}gets {gets}\n" in text
        assert f"{venue} is sent {queued} at 149.98, DAY" in text
        market.quote(venue, "sell", str(before + queued), "SPLIT", "149.98")
    told.until()
    told.check_sums()
    assert told.by_venue == {"XNAS": 57, "XNYS": 95, "XLON": 148}
    assert held_by_exchanges(market, "SPLIT") == told.by_venue
    assert float(told.last[6]) == pytest.approx((95 * 150.02 + 205 * 149.98) / 300)


CODES = ("1", "2", "3", "1001", "1002", "1010", "1011", "1012", "1013", "1014", "1015")


@pytest.mark.parametrize(("name", "version"), [("ALICE", "FIX.4.4"), ("OLD", "FIX.4.2"), ("NEW", "FIXT.1.1")])
def test_every_strategy_is_known_in_every_version(market: Three, name: str, version: str) -> None:
    trader = Trader(market, name, version)
    for code in CODES:
        # It is read before the symbol is looked at; without what it needs it is refused for that.
        told = trader.send(f"K-{code}", "BAD", 1, "150.00", t847=code, t59="3", t848="Foo=1").until("8")
        assert "is none of" not in told.last[58]
        assert told.last[58].startswith("STRATEGY: ")
    told = trader.send("K-77", "BAD", 1, "150.00", t847="77").until("8")
    assert told.last[58].startswith("STRATEGY: TargetStrategy 77 is none of 1, 2, 3, 1001")


def stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def during(seconds: float, **more: str) -> dict[str, str]:
    """StartTime and EndTime: from now on for so long."""
    start = datetime.now(UTC)
    return {"StartTime": stamp(start), "EndTime": stamp(start + timedelta(seconds=seconds)), **more}


def parts_of_time(told: Told, terms: dict[str, str]) -> list[tuple[float, int]]:
    """For each fill how much of the order's time was over, and what of it was filled then."""
    start, end = (datetime.strptime(terms[name], "%Y%m%d-%H:%M:%S.%f") for name in ("StartTime", "EndTime"))
    found = []
    for message in told.reports:
        if message[150] in ("F", "1", "2") and 32 in message:
            at = datetime.strptime(message[60], "%Y%m%d-%H:%M:%S.%f")
            found.append(((at - start) / (end - start), int(message[14])))
    return found


def progress(told: Told) -> list[str]:
    """What the client was told of how far its order is."""
    return [m[58] for m in told.reports if m.get(20) == "3" or (m[150] in ("I", "D") and "%" in m.get(58, ""))]


SECONDS = 2.0
PLAIN = {
    "T44": ("ALICE", "FIX.4.4", "1001", False, "TWAP", {}),
    "T42": ("OLD", "FIX.4.2", "1001", False, "TWAP", {}),
    "T50": ("NEW", "FIXT.1.1", "1001", True, "TWAP", {}),
    "G44": ("ALICE", "FIX.4.4", "1001", True, "TWAP", {}),
    "V44": ("ALICE", "FIX.4.4", "1", False, "VWAP", {}),
    "V50": ("NEW", "FIXT.1.1", "1", True, "VWAP", {"RouteMode": "spray"}),
    "I42": ("OLD", "FIX.4.2", "3", False, "IS", {"Urgency": "4"}),
    "I50": ("NEW", "FIXT.1.1", "3", True, "IS", {"Urgency": "4"}),
}
"""By ClOrdID the client, its version, TargetStrategy, whether its parameters are in the group, the algorithm's name and
parameters besides."""


@pytest.fixture(scope="module")
def worked(market: Three) -> dict[str, tuple[Told, dict[str, str]]]:
    """Orders that were worked to their end at the same time: what was told of each, and its parameters."""
    market.make("WORK", "XNAS sell 500 150.00", "XNYS sell 500 150.00", "XLON sell 500 150.00")
    traders = {name: Trader(market, name, version) for name, version, *_ in PLAIN.values()}
    found = {}
    for name, (client, _, code, in_group, _, more) in PLAIN.items():
        terms = during(SECONDS, Interval="0.2", **more)
        found[name] = traders[client].work(name, "WORK", 100, code, terms, in_group=in_group), terms
    for told, _ in found.values():
        told.until()
    return found


@pytest.mark.parametrize("name", PLAIN)
def test_an_algorithm(market: Three, worked: dict[str, tuple[Told, dict[str, str]]], name: str) -> None:
    told, terms = worked[name]
    algorithm, more = PLAIN[name][4:]
    told.check_sums()
    assert (told.status, told.last[14], told.last[151]) == ("2", "100", "0")
    filled = parts_of_time(told, terms)
    kappa = float(more.get("Urgency", 0))
    for part, cum in filled:
        # It is never ahead of its schedule, of a millisecond more.
        later = min(1.0, part + 0.001 / SECONDS)
        plan = 1 - sinh(kappa * (1 - later)) / sinh(kappa) if algorithm == "IS" else later
        assert cum <= 100 * plan + 0.01, (part, cum)
    # There are ten slices; on a slow machine some come together.
    slices = len({cum for _, cum in filled})
    assert slices >= 4
    texts = progress(told)
    assert len(texts) >= 3
    percents = [int(text.split()[1]) for text in texts]
    assert percents == sorted(set(percents))
    assert all(percent % 10 == 0 for percent in percents)
    for text, percent in zip(texts, percents, strict=True):
        who, _, _, qty, what = text.split()
        assert (who, what) == (algorithm, "filled")
        assert percent <= int(qty) < percent + 100
    text = market.explain(told.order_id)
    assert f"{name} for account ALL: buy 100 WORK, market, DAY" in text
    assert "100 of it are with us: algorithm" in text
    assert text.count("its algorithm wants ") >= 4
    assert f"its client is told of {percents[0]} %" in text
    if "RouteMode" in more:
        assert "are placed (spray)" in text


def test_what_the_exchanges_hold_of_the_algorithms(
    market: Three, worked: dict[str, tuple[Told, dict[str, str]]]
) -> None:
    by_venue: Counter[str] = Counter()
    for told, _ in worked.values():
        by_venue += told.by_venue
    assert sum(by_venue.values()) == 100 * len(PLAIN)
    assert held_by_exchanges(market, "WORK") == by_venue


def test_implementation_shortfall_is_ahead(worked: dict[str, tuple[Told, dict[str, str]]]) -> None:
    def at_half(name: str) -> int:
        return max((cum for part, cum in parts_of_time(*worked[name]) if part <= 0.5), default=0)

    assert at_half("I50") > at_half("T50") + 10


def test_participation(market: Three, alice: Trader) -> None:
    """A fifth of what trades, its own fills included."""
    market.make("POV", "XNAS sell 500 150.05")
    told = alice.work("POV", "POV", 100, "2", during(60, Interval="0.1"), (849, "20"))
    told.until("0")
    # What trades is counted from its first look on, which nobody is told of.
    until(lambda: "its algorithm wants 0 now" in market.explain(told.order_id))
    others = 0
    for traded, then in ((200, 49), (205, 100)):
        # Others trade with each other.
        market.quote("XNYS", "sell", str(traded), "POV", "150.00")
        market.quote("XNYS", "buy", str(traded), "POV", "150.00")
        others += traded
        told.until_filled(then)
        told.check_sums()
        assert int(told.last[14]) == then
        for message in told.reports:
            assert int(message[14]) <= 0.2 * (others + int(message[14]))
    assert told.status == "2"
    text = market.explain(told.order_id)
    assert "its algorithm wants 40 now, 40 are or were at work" in text


def test_a_passive_slice_is_queued_then_taken(market: Three, alice: Trader) -> None:
    market.make("PEACE", "XNAS buy 10 149.98", "XNYS buy 10 149.98", "XNAS sell 500 150.02")
    told = alice.work("PEACE", "PEACE", 40, "1001", during(4.0, Interval="1", Style="post"))
    # The first slice is queued at the best bid, where its maker fee is lowest.
    market.wait_until_shown("PEACE", {("0", "149.98"): 30, ("1", "150.02"): 500})
    market.quote("XNAS", "sell", "20", "PEACE", "149.98")
    told.until_filled(1)
    assert told.fills == [("XNAS", 10, "149.98")]
    # Nobody sells to the others: each is called back and taken when the next is due.
    told.until()
    told.check_sums()
    assert told.status == "2"
    assert {price for _, _, price in told.fills[1:]} == {"150.02"}
    text = market.explain(told.order_id)
    assert "XNAS is sent 10 at 149.98, DAY" in text
    assert text.count("is asked to cancel") >= 1
    assert held_by_exchanges(market, "PEACE") == told.by_venue == {"XNAS": 40}


def test_a_pause(market: Three) -> None:
    """In each version, all at once."""
    market.make("PAUSE", "XNAS sell 500 150.00")
    terms = during(2.5, Interval="0.2")
    versions = {"FIX.4.4": "ALICE", "FIX.4.2": "OLD", "FIXT.1.1": "NEW"}
    traders = {version: Trader(market, name, version) for version, name in versions.items()}

    def ask_for(name: str, *inst: tuple[int, str], replaces: str = "") -> list[Told]:
        return [
            trader.work(name, "PAUSE", 50, "1001", terms, *inst, in_group=version == "FIXT.1.1", replaces=replaces)
            for version, trader in traders.items()
        ]

    every = ask_for("GO")
    for told in every:
        told.until_filled(2)
    ask_for("STOP", (18, "S"), replaces="GO")
    for told in every:
        told.until_replaced("STOP")
    paused = [int(told.last[14]) for told in every]
    assert max(paused) < 30
    with pytest.raises(TimeoutError):
        every[0].until_filled(paused[0] + 1, timeout=0.7)
    ask_for("ON", (18, "q"), replaces="STOP")
    for told, before in zip(every, paused, strict=True):
        told.until()
        told.check_sums()
        assert (told.status, told.last[14]) == ("2", "50")
        resumed = next(i for i, m in enumerate(told.reports) if m.get(11) == "ON")
        assert told.reports[resumed][14] == str(before)
        # What was missed is made up for at once.
        assert next(int(m[32]) for m in told.reports[resumed:] if 32 in m) >= 10
        text = market.explain(told.order_id)
        assert "STOP has replaced it: 50" in text
        assert "ON has replaced it: 50" in text


BAD = [
    ("77", {}, (), "TargetStrategy 77 is none of"),
    ("1001", {}, (), "the parameter EndTime is missing"),
    ("1001", {"EndTime": "soon"}, (), "EndTime"),
    ("1001", {"EndTime": "20000101-00:00:00"}, (), "EndTime is not after StartTime and now"),
    ("2", {"EndTime": "20990101-00:00:00"}, (), "the parameter ParticipationRate is missing"),
    ("2", {"EndTime": "20990101-00:00:00", "ParticipationRate": "0"}, (), "ParticipationRate"),
    ("2", {"EndTime": "20990101-00:00:00", "ParticipationRate": "101"}, (), "not between 0 and 100 percent"),
    ("1001", {"EndTime": "20990101-00:00:00", "Foo": "1"}, (), "there is no parameter Foo"),
    ("1001", {"EndTime": "20990101-00:00:00", "Style": "fast"}, (), "Style fast is none of take, post"),
    ("1001", {"EndTime": "20990101-00:00:00", "Interval": "x"}, (), "Interval"),
    ("1001", {"EndTime": "20990101-00:00:00", "RouteMode": "x"}, (), "RouteMode x is none of"),
    ("3", {"EndTime": "20990101-00:00:00", "Urgency": "x"}, (), "Urgency"),
    ("3", {"EndTime": "20990101-00:00:00", "Urgency": "-1"}, (), "Urgency is not between 0 and"),
    ("1001", {"EndTime": "20990101-00:00:00"}, ((59, "3"),), "not with IOC, FOK or an auction"),
    ("1001", {"EndTime": "20990101-00:00:00"}, ((110, "1"),), "not with other instructions"),
]


@pytest.mark.parametrize(("code", "parameters", "more", "text"), BAD)
def test_bad_parameters(
    alice: Trader, code: str, parameters: dict[str, str], more: tuple[tuple[int, str], ...], text: str
) -> None:
    for in_group in (False, True) if parameters else (False,):
        told = alice.work(f"BAD-{alice.client.next_out}", "BAD", 10, code, parameters, *more, in_group=in_group)
        told.until()
        assert (told.last[150], told.status, told.last[14], told.last[151]) == ("8", "8", "0", "0")
        assert told.last[58].startswith("STRATEGY: ")
        assert text in told.last[58]


def test_an_algorithm_goes_on_after_the_broker_was_killed(market: Three, alice: Trader) -> None:
    market.make("KILL", "XNYS sell 1000 150.00")
    terms = during(60, Interval="0.2")
    told = alice.work("KILL", "KILL", 600, "1001", terms)
    told.until_filled(6)
    alice.client.close()
    market.client("WATCH").close()
    market.broker.stop(signal.SIGKILL)
    before = held_by_exchanges(market, "KILL")["XNYS"]
    market.broker.start()
    market.wait_for(*VENUES)
    alice.client.connect()
    # What the time without it has missed is made up for, and then it goes on as before.
    told.until_filled(before + 10)
    told.until_filled(int(told.last[14]) + 5)
    # The rest of it is wanted sooner.
    alice.work("SOON", "KILL", 600, "1001", {**terms, "EndTime": during(0.4)["EndTime"]}, replaces="KILL")
    told.until()
    told.check_sums()
    assert (told.status, told.last[14], told.last[151]) == ("2", "600", "0")
    assert len({m[17] for m in told.reports}) == len({m[34] for m in told.reports}) == len(told.reports)
    assert held_by_exchanges(market, "KILL") == told.by_venue == {"XNYS": 600}
    market.watch()


def test_an_exchange_halts_a_symbol(market: Three, alice: Trader) -> None:
    market.make("HALT", "XNAS sell 100 150.01", "XNYS sell 100 150.00")
    market.operate("XNYS", "halt", "symbol", "HALT")
    market.wait_until_shown("HALT", {("1", "150.01"): 100})
    told = alice.send("H1", "HALT", 50, "150.05", t59="3").until()
    assert told.fills == [("XNAS", 50, "150.01")]
    text = market.explain(told.order_id)
    assert "50 of it are placed (best): the market is ask 100 at 150.01" in text
    assert f"{'XNYS':<10}gets nothing: halted\n" in text
    refused = alice.send("H2", "HALT", 50, "150.05", t59="3", t100="XNYS").until()
    assert refused.last[58] == "NO_VENUE: XNYS is not available for HALT"
    market.operate("XNYS", "resume", "symbol", "HALT")
    market.wait_until_shown("HALT", {("1", "150.00"): 100, ("1", "150.01"): 50})
    told = alice.send("H3", "HALT", 50, "150.05", t59="3").until()
    assert told.fills == [("XNYS", 50, "150.00")]
    assert held_by_exchanges(market, "HALT") == {"XNAS": 50, "XNYS": 50}


@pytest.mark.parametrize("anew", [False, True], ids=["its numbers go on", "its numbers begin anew"])
def test_an_exchange_dies_in_a_sweep_and_comes_back_with_a_fill_that_nobody_had_seen(
    market: Three, alice: Trader, anew: bool
) -> None:
    symbol = "ANEW" if anew else "LOST"
    market.make(symbol, *(f"{venue} sell 100 150.00" for venue in VENUES))
    market.line.mute = True
    told = alice.send(symbol, symbol, 250, "150.00")
    told.until_filled(150)
    lp = market.lp("XLON")
    lp.receive_until(lambda m: m.get(55) == symbol and m.get(150) == "F" and m[32] == "100")
    lp.close()
    market.line.down = True
    market.processes["XLON"].stop(signal.SIGKILL)
    market.wait_for("XLON", state="down")
    market.line.mute = False
    # Nothing of what may have been filled there goes anywhere else.
    market.wait_until_shown(symbol, {("1", "150.00"): 50})
    assert (told.last[14], told.last[151]) == ("150", "100")
    market.processes["XLON"].start()
    if anew:
        # With its memory of what it has sent: only a question brings the fill.
        market.operate("XLON", "sessions", "reset", "BROKER")
        market.operate("BROKER", "sessions", "reset", "XLON")
    market.line.down = False
    told.until()
    told.check_sums()
    assert (told.status, told.by_venue) == ("2", {"XNAS": 50, "XNYS": 100, "XLON": 100})
    assert held_by_exchanges(market, symbol) == told.by_venue
    text = market.explain(told.order_id)
    assert text.count("are placed (") == 1
    assert sum("XLON (" in line and "is asked how it stands" in line for line in text.splitlines()) == 1
    filled = [line for line in text.splitlines() if "XLON (" in line and " fills 100 at 150.00" in line]
    assert [line.endswith(", as its status tells") for line in filled] == [anew]
    # Nothing is told a second time: what comes next on the session is of another order.
    market.wait_for("XLON")
    then = alice.send(f"{symbol}-2", symbol, 1, "149.00", t100="XLON").until("0")
    assert len(told.fills) == 3
    alice.client.cancel(f"{symbol}-3", f"{symbol}-2", "1", symbol)
    then.until("4")
    assert len(told.fills) == 3


CHAOS = """[chaos]
delay_ack_ms = 50
drop_ack_every = 7
repeat_exec_id_every = 5
unknown_tag_every = 3
refuse_request_every = 4
fill_after_cancel_every = 6
"""
MIX = [
    ("BEST", "1010"), ("COST", "1010"), ("RATA", ""), ("BEST", "1012"), ("COST", "1013"), (DARK, "1014"),
    ("SPLIT", "1015"), ("BEST", "1001"),
]  # fmt: skip
"""Symbol and TargetStrategy of one order after the other."""


@pytest.fixture
def wild(tmp_path: Path) -> Iterator[Three]:
    market = Three(tmp_path, ("BEST", "COST", "RATA", "SPLIT"), CHAOS)
    market.start()
    yield market
    market.stop()


def test_all_modes_over_exchanges_that_misbehave(wild: Three) -> None:
    lit = ("BEST", "COST", "RATA", "SPLIT")
    quotes = "sell 100 150.00", "sell 80 150.01", "buy 20 149.95"
    for symbol in lit:
        wild.make(symbol, *(f"{venue} {quote}" for venue in VENUES for quote in quotes))
    wild.make(DARK, "XNAS sell 300 150.02", "XNAS buy 50 149.98")
    wild.quote("XLON", "sell", "100", DARK, "149.99")
    alice, orders = Trader(wild, "ALICE"), []
    for number in range(48):
        symbol, code = MIX[number % len(MIX)]
        qty, name = 20 + 7 * (number % 11), f"W{number}"
        if code == "1001":
            orders.append(alice.work(name, symbol, qty, code, during(1.0, Interval="0.2")))
        else:
            # Some are too low to be filled, some take what there is and no more, some rest with what is left.
            price, tif = (("149.97", "0"), ("150.01", "3"), ("149.97", "0"), ("150.01", "0"))[number // 2 % 4]
            orders.append(alice.send(name, symbol, qty, price, t59=tif, **({"t847": code} if code else {})))
        if number % 8 == 7:
            alice.until(lambda: all(told.status for told in orders))
    to_end, asked = [told for number, told in enumerate(orders) if number % 8], 0
    for told in orders[7::8]:
        told.until()
    while open_ones := [told for told in to_end if told.status in "01"]:
        for told in open_ones:
            asked += 1
            alice.client.cancel(f"X{asked}", told.cl_ord_id, "1", told.last[55])
        assert asked < 200
        alice.settle(wild)
    for symbol in lit:
        wild.quote("XNAS", "sell", "30", symbol, "149.90")
    alice.settle(wild)
    wild.stop()

    late: Counter[str] = Counter()
    venues: dict[int, str] = {}
    for record in read(wild.folder / "broker" / "journal"):
        for fact in record.facts:
            if isinstance(fact, OrderRouted):
                venues[fact.id] = fact.venue
            elif isinstance(fact, ChildFilled) and fact.venue_exec_id.endswith("-LATE"):
                late[venues[fact.child_id]] += fact.qty
    # Each order's account is right by itself, and all of them together are what the exchanges have, but for what these
    # say that they have filled and have not.
    told_of = sum((told.by_venue for told in orders), Counter())
    for told in orders:
        told.check_sums()
    held = sum((held_by_exchanges(wild, symbol) for symbol in (*lit, DARK)), Counter())
    assert told_of == held + late
    assert sum(late.values()) > 0
    state = checked(wild, "BROKER")
    assert state.accounts["ALL"].positions["BEST"].qty == sum(
        sum(told.by_venue.values()) for told in orders if told.last[55] == "BEST"
    )
    over = {told.cl_ord_id: int(told.last[14]) - int(told.last[38]) for told in orders}
    assert sum(more for more in over.values() if more > 0) <= sum(late.values())
    # Every order has ended, or exchanges hold what is left of it; and nothing else.
    known = {id_text(number): order for number, order in state.orders.items()}
    open_at: dict[str, dict[str, int]] = {venue: {} for venue in (*VENUES, "HIDDEN")}
    for told in orders:
        order = known[told.order_id]
        assert (order.status, order.leaves) == (told.status, int(told.last[151]))
        assert order.pending is None
        assert order.leaves == sum(child.leaves for child in order.children) + order.held
        assert not order.held
        assert order.leaves == 0 or told not in to_end
        for child in order.children:
            open_at[child.venue][id_text(child.cl_ord_id)] = child.leaves
    assert any(open_at.values())
    for venue in VENUES:
        there = checked(wild, venue).clients["BROKER"].working.values()
        assert {one.cl_ord_id: one.leaves for one in there} == open_at[venue]
    codes = {alert.code for alert in state.alerts}
    assert {"REPEATED_EXEC_ID", "FILL_AFTER_END"} <= codes
    assert "OVERFILL" not in codes
    assert any(m[35] == "9" for m in alice.log)
    for told in orders:
        assert f" {told.cl_ord_id} for account ALL: buy " in wild.explain(told.order_id)


def checked(market: Three, name: str) -> State:
    """The state that a stopped process has left, which the command finds to be right."""
    folder = market.folder / name.lower()
    done = CliRunner().invoke(main, ["verify", str(folder)])
    assert done.exit_code == 0, done.output
    return verify(folder / "journal")[1]
