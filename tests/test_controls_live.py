"""Every pre-trade control over real sockets, in every version: an order at its boundary is taken and one beyond it
refused, as NewOrderSingle, as the terms that a replace asks for, and in a list, one row a case; and stops that trigger
and pegs that move.

Each case has an account of its own in each version and way, so that none counts for another.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from brokerfix.tools.client import Client, Message
from tests.live import UNSTORED, Market


class Case(NamedTuple):
    """A control: what is configured for the account, the terms (side, quantity, price) that pass and those that do not,
    the code and OrdRejReason(103) of 4.2, 4.4 and 5.0 SP2, and the ways in which it is tried."""

    account: str
    passes: tuple[str, str, str]
    refused: tuple[str, str, str]
    code: str
    reasons: tuple[str, str, str]
    ways: str = "DGE"


BUY_5, BUY_6, DEARER = ("1", "5", "140.00"), ("1", "6", "140.00"), ("1", "5", "140.01")
SELL_5, SELL_6 = ("2", "5", "160.00"), ("2", "6", "160.00")
SIZE, NOTIONAL, WINDOW, CREDIT = ("3", "3", "26"), ("3", "3", "27"), ("3", "3", "20"), ("0", "0", "25")
CASES = [
    Case('limits = { max_order_qty = "5" }', BUY_5, BUY_6, "MAX_ORDER_QTY", SIZE),
    Case('limits = { max_order_notional = "700" }', BUY_5, DEARER, "MAX_ORDER_NOTIONAL", NOTIONAL),
    Case('limits = { max_window_qty = "5" }', BUY_5, BUY_6, "WINDOW_QTY", WINDOW),
    Case('limits = { max_window_notional = "700" }', BUY_5, DEARER, "WINDOW_NOTIONAL", WINDOW),
    Case('limits = { max_long = "5" }', BUY_5, BUY_6, "LONG_LIMIT", ("3", "3", "3")),
    Case('limits = { max_short = "5" }', SELL_5, SELL_6, "SHORT_LIMIT", ("3", "3", "3")),
    Case('limits = { max_gross = "700" }', BUY_5, DEARER, "GROSS_LIMIT", WINDOW),
    Case('limits = { max_net = "700" }', BUY_5, DEARER, "NET_LIMIT", WINDOW),
    Case('symbols = { ALL = { max_gross = "700" } }', BUY_5, DEARER, "GROSS_LIMIT", WINDOW),
    Case('limits = { located = "5" }', SELL_5, SELL_6, "LOCATE", ("0", "0", "24")),
    Case("limits = { long_only = true }", BUY_5, SELL_5, "LONG_ONLY", ("0", "0", "22"), "DE"),
    Case("limits = { reduce_only = true }", BUY_5, BUY_5, "REDUCE_ONLY", ("0", "0", "0"), "D"),
    Case("symbols = { AAPL = { restricted = true } }", BUY_5, BUY_5, "RESTRICTED", ("0", "0", "0"), "D"),
    Case('limits = { duplicates = "1" }', BUY_5, BUY_5, "DUPLICATE_CONTENT", ("6", "6", "6"), "D"),
    Case('cash = "700"', BUY_5, DEARER, "BUYING_POWER", CREDIT),
    Case('cash = "375"\nmargin = "reg-t"', BUY_5, BUY_6, "MARGIN", CREDIT),
    Case("", ("1", "5", "140.00"), ("1", "5", "165.01"), "COLLAR", ("0", "99", "16")),
    Case("", ("1", "5", "140.00"), ("1", "5", "180.01"), "COLLAR", ("0", "99", "16"), "E"),
]
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
NAMES = {"FIX.4.2": "V42", "FIX.4.4": "V44", "FIXT.1.1": "V50"}
ROWS = [(version, number, way) for version in VERSIONS for number, case in enumerate(CASES) for way in case.ways]


def account_of(version: str, number: int, way: str) -> str:
    return f"{NAMES[version]}-{number}-{way}"


def configuration() -> str:
    accounts = ""
    for row in ROWS:
        told = CASES[row[1]].account
        cash = "" if told.startswith("cash") else 'cash = "1000000"\n'
        accounts += f"\n[accounts.{account_of(*row)}]\n{cash}{told}\n"
    for version in VERSIONS:
        own = [account_of(*row) for row in ROWS if row[0] == version]
        accounts += f'\n[clients.{NAMES[version]}]\nfix = "{version}"\naccounts = {own}\n'
    return accounts.replace("'", '"').replace("{", "{{").replace("}", "}}")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    groups = '\n[symbol_groups.ALL]\nsymbols = ["AAPL"]\n'
    market = Market(tmp_path_factory.mktemp("controls"), broker=UNSTORED + groups + configuration())
    market.start()
    yield market
    market.stop()


NUMBERS = itertools.count(1)


def answer(trader: Client, cl_ord_id: str) -> Message:
    """What becomes of an order or a replace: its first final answer."""
    return trader.receive_until(
        lambda message: message.get(11) == cl_ord_id and (message[35] == "9" or message.get(150) in ("0", "5", "8"))
    )


def order(trader: Client, account: str, terms: tuple[str, str, str]) -> Message:
    name = f"N{next(NUMBERS)}"
    side, qty, price = terms
    trader.new_order(name, side, qty, "AAPL", price, t1=account)
    return answer(trader, name)


@pytest.mark.parametrize(
    ("version", "number", "way"), ROWS, ids=lambda value: CASES[value].code if isinstance(value, int) else str(value)
)
def test_a_control_at_its_boundary(market: Market, version: str, number: int, way: str) -> None:
    case, account = CASES[number], account_of(version, number, way)
    trader = market.client(NAMES[version], begin_string=version)
    reason = case.reasons[VERSIONS.index(version)]
    if way == "E":
        names = f"N{next(NUMBERS)}", f"N{next(NUMBERS)}"
        wrong, right = in_list(trader, names, account, (case.refused, case.passes))
    elif way == "G":
        right = order(trader, account, case.passes)
        name = f"N{next(NUMBERS)}"
        trader.replace(name, right[11], case.refused[0], case.refused[1], "AAPL", case.refused[2])
        wrong = answer(trader, name)
        assert wrong[35] == "9"
        assert wrong[58].partition(":")[0] == case.code
        return
    else:
        first = case.passes if case.code == "DUPLICATE_CONTENT" else case.refused
        wrong = order(trader, account, first)
        right = order(trader, account, case.refused if first is case.passes else case.passes)
        if first is case.passes:
            wrong, right = right, wrong
    assert (wrong[150], wrong[39], wrong[103]) == ("8", "8", reason)
    assert wrong[58].partition(":")[0] == case.code
    if case.passes != case.refused or case.code == "DUPLICATE_CONTENT":
        assert (right[150], right[39]) == ("0", "0"), right


def in_list(
    trader: Client, names: tuple[str, str], account: str, orders: tuple[tuple[str, str, str], ...]
) -> tuple[Message, Message]:
    """NewOrderList(E) of two orders: the answers to both."""
    body: list[tuple[int, str]] = [(66, names[0]), (394, "3"), (68, "2"), (73, "2")]
    for at, (name, (side, qty, price)) in enumerate(zip(names, orders, strict=True), 1):
        body += [(11, name), (67, str(at)), (1, account)]
        body += [(21, "1")] if trader.begin_string == "FIX.4.2" else []
        body += [(55, "AAPL"), (54, side), (60, "20261127-10:00:00"), (38, qty), (40, "2"), (44, price), (59, "0")]
    trader.send("E", body)
    return answer(trader, names[0]), answer(trader, names[1])


MOVING = (("STOP", "16500"), ("TIGHT", "16499"), ("PEG", "15200"))
"""Accounts and what they may have in the market."""


class Exchange:
    """A client of the exchange, who quotes there."""

    def __init__(self, lp: Client) -> None:
        self.lp = lp
        self.standing: list[tuple[str, str]] = []

    def order(self, side: str, price: str, qty: str = "1000") -> str:
        name = f"N{next(NUMBERS)}"
        self.lp.new_order(name, side, qty, "AAPL", price)
        answer(self.lp, name)
        return name

    def quote(self, bid: str, ask: str) -> None:
        for name, side in self.standing:
            self.lp.cancel(f"N{next(NUMBERS)}", name, side, "AAPL")
        self.standing = [(self.order("1", bid), "1"), (self.order("2", ask), "2")]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_that_moves_is_weighed_again(tmp_path: Path, version: str) -> None:
    """A stop is weighed at its stop, and when it triggers at what the collar allows, 100 x 150.00 x 1.10. A peg is
    weighed at each of its prices."""
    told = "".join(
        f'\n[accounts.{name}]\ncash = "1000000"\nlimits = {{{{ max_gross = "{limit}" }}}}\n' for name, limit in MOVING
    )
    told += f'\n[clients.MOVER]\nfix = "{version}"\naccounts = ["STOP", "TIGHT", "PEG"]\n'
    market = Market(tmp_path, broker=UNSTORED + told)
    market.start()
    try:
        trader = market.client("MOVER", begin_string=version)
        exchange = Exchange(market.client("LP", market.exchange, "XNAS"))
        exchange.quote("149.00", "151.00")
        trader.subscribe("market", ["AAPL"])
        trader.receive_until(lambda message: message[35] in "WX" and (270, "151.00") in trader.last)
        for name in ("STOP", "TIGHT"):
            trader.new_order(name, "1", "100", "AAPL", t1=name, t40="3", t99="151.00")
            assert answer(trader, name)[150] == "0"
        exchange.order("1", "151.00", "1")
        ends = {}
        while len(ends) < 2:
            end = trader.receive_until(lambda message: message.get(39) in ("2", "4"))
            ends[end[11]] = end[39], end.get(58)
        assert ends["STOP"] == ("2", None)
        assert ends["TIGHT"] == ("4", "GROSS_LIMIT: limit=16499, value=16500, at=account TIGHT")
        trader.new_order("PEG", "2", "100", "AAPL", t1="PEG", t40="P", t18="P", t211="2.50")
        assert answer(trader, "PEG")[150] == "0"
        exchange.quote("149.50", "151.00")
        trader.receive_until(lambda message: message[35] in "WX" and (270, "152.00") in trader.last)
        exchange.quote("149.51", "151.00")
        end = trader.receive_until(lambda message: message.get(11) == "PEG")
        assert (end[39], end[58]) == ("4", "GROSS_LIMIT: limit=15200, value=15201, at=account PEG")
    finally:
        market.stop()
