"""Market makers over sockets: a broker, two exchanges and clients that are not QuickFIX."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from brokerfix.cli import main
from brokerfix.domain import id_text
from brokerfix.facts import Alerted, HedgeDecided, MakerFilled, QuotesDecided, QuotesPulled
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.record.audit import verify
from brokerfix.record.journal import read
from brokerfix.tools.client import Message, utc_now
from brokerfix.tools.demo import free_port
from tests.live import Processes, until

INSTRUMENTS = ("BOOK", "JUMP", "MMP", "HEDGE", "OUT")
"""Each test has symbols of its own."""
TERMS = """
price_digits = 2
qty_digits = 0
tick = "0.01"
lot = "1"
collar = "0.20"
reference = "150.00"
"""
QUOTES = """
size = "100"
most_long = "1000"
most_short = "-1000"
bid_spread = "0.03"
ask_spread = "0.03"
"""
MORE = {
    "JUMP": 'jump = "0.50"\njump_ms = 60000\n',
    "MMP": 'levels = 3\nlevel_step = "0.01"\nprotection = { window_ms = 60000, qty = "250" }\n',
    "HEDGE": 'hedge = { symbol = "HEDGE", band = "150", slip = "0.05" }\n',
    "OUT": 'place = "both"\nvenues = ["XNAS"]\n',
    "BOOK": "max_reference_age_ms = 600000\n",
}


def exchange_text(name: str, port: int) -> str:
    text = f'[broker]\nname = "{name}"\nport = {port}\ndata = "{name.lower()}"\nstore = false\n'
    text += "".join(f"[instruments.{symbol}]{TERMS}" for symbol in INSTRUMENTS)
    text += '[accounts.ALL]\ncash = "0"\nlimits = { buying_power = false }\n'
    return text + "".join(f'[clients.{client}]\naccounts = ["ALL"]\n' for client in ("BROKER", "LP"))


def broker_text(port: int, ports: dict[str, int]) -> str:
    text = f'[broker]\nname = "BROKER"\nport = {port}\ndata = "broker"\nstore = false\nrecord_interval_ms = 50\n'
    text += "".join(f"[instruments.{symbol}]{TERMS}" for symbol in INSTRUMENTS)
    text += '[accounts.ALL]\ncash = "100000000"\n[accounts.MM]\ncash = "100000000"\n'
    text += '[clients.ALICE]\naccounts = ["ALL"]\n[makers.MM]\naccount = "MM"\n'
    text += "".join(f"[makers.MM.quotes.{symbol}]{QUOTES}{MORE.get(symbol, '')}" for symbol in INSTRUMENTS)
    for venue in ("XNAS", "XNYS"):
        text += f'[venues.{venue}]\nhost = "127.0.0.1"\nport = {ports[venue]}\nsender = "BROKER"\ntarget = "{venue}"\n'
        text += "circuit_failures = 0\n"
    return text


class Desk(Processes):
    """A broker that makes markets, two exchanges, and who provides the prices of XNAS."""

    def __init__(self, folder: Path) -> None:
        ports = {name: free_port() for name in ("XNAS", "XNYS", "BROKER")}
        texts = {name: exchange_text(name, ports[name]) for name in ("XNAS", "XNYS")}
        super().__init__(folder, ports, texts | {"BROKER": broker_text(ports["BROKER"], ports)})
        self.numbers = 0

    def wait_until_ready(self) -> None:
        self.wait_for("up")

    def wait_for(self, state: str) -> None:
        """Until the broker's sessions with both exchanges are up, or down."""

        def are_so() -> bool:
            with suppress(NotRunning):
                rows = ask(self.folder / "broker", {"action": "sessions"})["sessions"]
                return {row["state"] for row in rows if row["kind"] == "exchange"} == {state}
            return False

        until(are_so)

    def show(self, symbol: str, bid: str, offer: str) -> None:
        """Have XNAS show 500 on each side at these prices, and nothing else."""
        provider = self.client("LP", self.processes["XNAS"], "XNAS")
        self.drain(provider)
        self.numbers += 1
        name = f"Q{self.numbers}"
        provider.send("q", [(11, name), (530, "1"), (55, symbol), (60, utc_now())])
        provider.receive_until(lambda message: message[35] == "r" and message.get(11) == name)
        for side, price in (("1", bid), ("2", offer)):
            self.numbers += 1
            name = f"L{self.numbers}"
            provider.new_order(name, side, "500", symbol, price)
            provider.receive_until(lambda message, name=name: message.get(11) == name and message.get(150) == "0")  # type: ignore[misc]

    def status(self, symbol: str) -> dict[str, Any]:
        """How the maker stands in a symbol."""
        rows = ask(self.folder / "broker", {"action": "makers"})["makers"]
        return next(row for row in rows if row["symbol"] == symbol)

    def wait_until_quoted(self, symbol: str, bid: str | None, offer: str | None) -> None:
        until(lambda: (self.status(symbol)["bid"], self.status(symbol)["ask"]) == (bid, offer))

    def facts(self, kind: type[Any], symbol: str = "") -> list[Any]:
        records = read(self.folder / "broker" / "journal", lambda torn: None)
        every = [fact for record in records for fact in record.facts if isinstance(fact, kind)]
        return [fact for fact in every if not symbol or fact.symbol == symbol]

    def command(self, *arguments: str) -> str:
        """What a command prints."""
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("making"))
    made.start()
    yield made
    made.stop()
    found, _ = verify(made.folder / "broker" / "journal")
    assert found.problems == []


def buy(desk: Desk, name: str, symbol: str, qty: int, price: str, side: str = "1") -> list[Message]:
    """ALICE's order, and its fills until it is filled."""
    alice = desk.client("ALICE")
    alice.new_order(name, side, str(qty), symbol, price)
    fills = []
    while sum(int(one[32]) for one in fills) < qty:
        fills.append(alice.receive_until(lambda message: message.get(11) == name and message.get(150) == "F"))
    return fills


def test_clients_trade_with_it_inside_the_market_and_while_exchanges_are_down(desk: Desk) -> None:
    desk.show("BOOK", "149.90", "150.10")
    desk.wait_until_quoted("BOOK", "149.97", "150.03")
    assert [(one[32], one[31]) for one in buy(desk, "B1", "BOOK", 40, "150.10")] == [("40", "150.03")]
    desk.client("LP").close()
    for venue in ("XNAS", "XNYS"):
        desk.processes[venue].stop()
    desk.wait_for("down")
    assert [(one[32], one[31]) for one in buy(desk, "B2", "BOOK", 60, "149.00", "2")] == [("60", "149.97")]
    assert desk.status("BOOK")["position"] == "20"
    for venue in ("XNAS", "XNYS"):
        desk.processes[venue].start()
    desk.wait_for("up")


def test_a_jump_pulls_the_quotes_until_somebody_starts_it_again(desk: Desk) -> None:
    desk.show("JUMP", "149.90", "150.10")
    desk.wait_until_quoted("JUMP", "149.97", "150.03")
    desk.show("JUMP", "150.50", "150.70")
    # While the market is one-sided it has gone for that.
    until(lambda: "JUMP: the mid has jumped: limit=0.50" in desk.status("JUMP")["why"])
    assert (desk.status("JUMP")["bid"], desk.status("JUMP")["ask"]) == (None, None)
    assert any(fact.code == "JUMP" for fact in desk.facts(Alerted))
    desk.command("making", "start", str(desk.broker.config), "MM", "JUMP")
    desk.wait_until_quoted("JUMP", "150.57", "150.63")


def test_protection_fires_at_its_boundary(desk: Desk) -> None:
    """250 in a minute: of an order for 400 it sells 250, and the exchange the rest."""
    desk.show("MMP", "149.90", "150.10")
    desk.wait_until_quoted("MMP", "149.97", "150.03")
    fills = [(int(one[32]), one[31], one.get(30, "")) for one in buy(desk, "P1", "MMP", 400, "150.20")]
    assert sorted(fills) == [(50, "150.05", ""), (100, "150.03", ""), (100, "150.04", ""), (150, "150.10", "XNAS")]
    desk.wait_until_quoted("MMP", None, None)
    desk.show("MMP", "149.80", "150.00")
    assert desk.status("MMP")["why"].startswith("PROTECTION: quantity: limit=250, value=250")
    desk.command("making", "reset", str(desk.broker.config), "MM", "MMP")
    desk.wait_until_quoted("MMP", "149.87", "149.93")


def test_it_hedges_through_the_router_and_says_why(desk: Desk) -> None:
    desk.show("HEDGE", "149.90", "150.10")
    desk.wait_until_quoted("HEDGE", "149.97", "150.03")
    buy(desk, "H1", "HEDGE", 100, "150.10")
    assert desk.status("HEDGE")["position"] == "-100", "within the band"
    buy(desk, "H2", "HEDGE", 80, "150.10")
    until(lambda: desk.status("HEDGE")["position"] == "0")
    decided = desk.facts(HedgeDecided)
    assert [(fact.side, fact.qty, fact.delta, fact.band) for fact in decided] == [("1", 180, -180, 150)]
    fills = {fact.kind: fact for fact in desk.facts(MakerFilled, "HEDGE")}
    assert (fills["hedge"].qty, fills["hedge"].price, fills["hedge"].mid) == (180, 15010, 30000)
    story = desk.command("explain", id_text(decided[0].id + 1), "--config", str(desk.broker.config))
    assert "180 of it are placed" in story
    assert "XNAS" in story


def test_it_quotes_at_an_exchange_as_others_do(desk: Desk) -> None:
    """Its own quotes there are no market for it, and who takes them there trades with it."""
    desk.show("OUT", "149.90", "150.10")
    desk.wait_until_quoted("OUT", "149.97", "150.03")
    until(lambda: desk.status("OUT")["asks"] == "200 in 2")
    provider = desk.client("LP", desk.processes["XNAS"], "XNAS")
    provider.new_order("TAKE", "1", "70", "OUT", "150.03")
    filled = provider.receive_until(lambda message: message.get(11) == "TAKE" and message.get(150) == "F")
    assert (filled[32], filled[31]) == ("70", "150.03")
    until(lambda: desk.status("OUT")["position"] == "-70")
    until(lambda: desk.status("OUT")["asks"] == "200 in 2")
    assert desk.status("OUT")["mid"] == "150.00"


def test_all_its_quotes_go_at_once_and_come_back_after_a_restart(desk: Desk) -> None:
    desk.show("BOOK", "149.90", "150.10")
    desk.wait_until_quoted("BOOK", "149.97", "150.03")
    desk.command("making", "stop", str(desk.broker.config), "MM")
    assert {desk.status(symbol)["bid"] for symbol in ("BOOK", "HEDGE", "MMP")} == {None}
    assert desk.facts(QuotesPulled)[-1].symbol == ""
    desk.broker.stop(signal.SIGKILL)
    desk.broker.start()
    desk.wait_for("up")
    assert desk.status("BOOK")["why"].startswith("STOPPED"), "a restart does not start it"
    desk.command("making", "start", str(desk.broker.config), "MM")
    desk.wait_until_quoted("BOOK", "149.97", "150.03")
    decided = desk.facts(QuotesDecided, "BOOK")[-1]
    assert (decided.priced.position, decided.priced.mid) == (20, 30000)
