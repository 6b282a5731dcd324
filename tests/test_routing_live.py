"""The router over sockets: a broker, three exchanges with different fees, and clients that are not QuickFIX. What the
client was told, what the exchanges hold and what `brokerfix explain` says of an order are the same."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.tools.client import Client, Message
from brokerfix.tools.demo import _fills, free_port
from tests.live import Processes, until

VENUES = ("XNAS", "XNYS", "XLON")
FEES = {"XNAS": ("0.0030", "-0.0020"), "XNYS": ("0.0025", "-0.0015"), "XLON": ("-0.0120", "0.0150")}
"""What each takes for a unit of a taker and of a maker."""
LIT = ("BEST", "COST", "RATA", "ONE", "EQUAL", "SPLIT", "HALT", "WORK", "POV", "PEACE", "PAUSE", "BAD", "KILL")
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
    # A book of XLON's that nobody sees.
    text += f'[venues.HIDDEN]\nhost = "127.0.0.1"\nport = {ports["XLON"]}\nsender = "DARK"\ntarget = "XLON"\n'
    return text.replace("'", '"') + f'symbols = ["{DARK}"]\ndark = true\nmarket_data = false\n'


class Three(Processes):
    """A broker and three exchanges."""

    def __init__(self, folder: Path, lit: tuple[str, ...] = LIT, chaos: str = "") -> None:
        ports = {name: free_port() for name in (*VENUES, "BROKER")}
        texts = {name: exchange_text(name, ports[name], (*lit, DARK), chaos) for name in VENUES}
        super().__init__(folder, ports, texts | {"BROKER": broker_text(ports["BROKER"], ports, lit)})
        self.lit = lit
        self.shown: dict[str, dict[tuple[str, str], int]] = {symbol: {} for symbol in (*lit, DARK)}

    def start(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: process.start(), self.processes.values()))
        self.wait_for(*VENUES, "HIDDEN")
        self.client("WATCH").subscribe("all", self.shown)

    def wait_for(self, *venues: str) -> None:
        """Until the broker has its sessions with these exchanges."""

        def are_up() -> bool:
            with suppress(NotRunning):
                rows = ask(self.folder / "broker", {"action": "sessions"})["sessions"]
                return {row["name"] for row in rows if row["state"] == "up"} >= set(venues)
            return False

        until(are_up)

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
        lp.receive_until(lambda m: m.get(11) == name and m.get(150) == "0")

    def wait_until_shown(self, symbol: str, wanted: dict[tuple[str, str], int]) -> None:
        watch = self.client("WATCH")
        while self.shown[symbol] != wanted:
            message = watch.receive()
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

    def until(self, true: Callable[[], bool], timeout: float = 10) -> None:
        """Take messages until something is true."""
        deadline = time.monotonic() + timeout
        while not true():
            self.log.append(self.client.receive(max(0.01, deadline - time.monotonic())))
            assert self.log[-1][35] not in "3j", self.log[-1]


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
        return self.last[39] if self.order_id else ""

    def until(self, statuses: str = "248C", timeout: float = 10) -> "Told":
        """Wait until the order is in one of these OrdStatus(39)."""
        self.trader.until(lambda: self.status != "" and self.status in statuses, timeout)
        return self

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
            leaves = 0 if message[39] in "248C" else int(message[38]) - cum
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
MODES = {
    "BEST": ("1010", "best", "best price", {"XNYS": ["100@150.00"], "XNAS": ["300@150.00"], "XLON": ["50@150.01"]}),
    "COST": ("1010", "best", "best price", {"XLON": ["200@150.01"], "XNYS": ["100@150.00"], "XNAS": ["150@150.00"]}),
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
    market.make("SPLIT", "XNAS buy 50 149.98", "XNAS sell 900 150.02", "XNYS buy 10 149.98")
    told = alice.send("C-SPLIT", "SPLIT", 300, "150.05", t847="1015")
    alice.until(lambda: bool(told.fills))
    (taken,) = told.fills
    assert taken == ("XNAS", 95, "150.02")
    # What is queued stands behind what was there, and shows in the market.
    market.wait_until_shown("SPLIT", {("0", "149.98"): 50 + 10 + 205, ("1", "150.02"): 900 - 95})
    text = market.explain(told.order_id)
    assert "300 of it are placed (split): the market is bid 60 at 149.98, ask 900 at 150.02" in text
    assert "half spread 0.02, outflow 200, lambda_u 0.05: 205 queued" in text
    for venue, gets, queued, before in (("XNAS", 152, 57, 50), ("XNYS", 95, 95, 10), ("XLON", 53, 53, 0)):
        assert f"{venue:<10}gets {gets}\n" in text
        assert f"{venue} is sent {queued} at 149.98, DAY" in text
        market.quote(venue, "sell", str(before + queued), "SPLIT", "149.98")
    told.until()
    told.check_sums()
    assert told.by_venue == {"XNAS": 152, "XNYS": 95, "XLON": 53}
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
