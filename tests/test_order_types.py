"""Each order type and time in force over real sockets: in FIX 4.2, 4.4 and 5.0 SP2, on an exchange that supports it
itself and on one for which the broker works it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from brokerfix.domain import FEATURES
from brokerfix.operate.admin import ask
from brokerfix.tools.client import Client, Message, utc_now
from tests.live import Market

VERSIONS = {"42": "FIX.4.2", "44": "FIX.4.4", "50": "FIXT.1.1"}
SECONDS_TO_OPEN, SECONDS_TO_CLOSE = 25, 35


class Case(msgspec.Struct, frozen=True):
    """An order, what the market then does (side, quantity, price; sent by exchange clients one after the other), and
    what must have become of the order: its OrdStatus, CumQty and AvgPx. `offers` are there before it."""

    side: str
    price: str | None
    tags: dict[int, str]
    then: tuple[tuple[str, str, str], ...]
    status: str
    cum: str
    average: str
    offers: tuple[tuple[str, str, str], ...] = ()
    tif: str = "0"


BUY, SELL = "1", "2"
FILLED, CANCELED, NEW = "2", "4", "0"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d")
SOON = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y%m%d-%H:%M:%S")
PRINT_AT = {price: ((SELL, "1", price), (BUY, "1", price)) for price in ("150.50", "149.50", "150.80", "150.30")}
"""Two orders of exchange clients that meet: a last trade at a price."""

CASES = {
    "market": Case(BUY, None, {}, (), FILLED, "10", "150.10", offers=((SELL, "10", "150.10"),)),
    "limit": Case(BUY, "150.00", {}, ((SELL, "10", "150.00"),), FILLED, "10", "150.00"),
    "stop": Case(
        BUY, None, {40: "3", 99: "150.50"}, ((SELL, "10", "150.60"), *PRINT_AT["150.50"]), FILLED, "10", "150.60"
    ),
    "stop limit": Case(
        SELL, "149.40", {40: "4", 99: "149.50"}, ((BUY, "10", "149.45"), *PRINT_AT["149.50"]), FILLED, "10", "149.45"
    ),
    "trailing stop": Case(
        SELL,
        None,
        {40: "P", 18: "a", 211: "-0.50", 99: "150.00"},
        ((BUY, "10", "150.20"), *PRINT_AT["150.80"], *PRINT_AT["150.30"]),
        FILLED,
        "10",
        "150.20",
    ),
    "market to limit": Case(
        BUY, None, {40: "K"}, ((SELL, "6", "150.10"),), FILLED, "10", "150.10", offers=((SELL, "4", "150.10"),)
    ),
    "primary peg": Case(
        BUY, None, {40: "P", 18: "R"}, ((SELL, "11", "149.00"),), FILLED, "10", "149.00", offers=((BUY, "1", "149.00"),)
    ),
    "mid peg": Case(
        BUY,
        "149.60",
        {40: "P", 18: "M"},
        ((SELL, "10", "149.50"),),
        FILLED,
        "10",
        "149.50",
        offers=((BUY, "1", "149.00"), (SELL, "1", "150.00")),
    ),
    "market peg": Case(BUY, None, {40: "P", 18: "P"}, (), FILLED, "10", "150.00", offers=((SELL, "10", "150.00"),)),
    "iceberg": Case(BUY, "150.00", {111: "3"}, ((SELL, "10", "150.00"),), FILLED, "10", "150.00"),
    "minimum quantity": Case(
        BUY, "150.00", {110: "5"}, ((SELL, "4", "150.00"), (SELL, "6", "150.00")), FILLED, "10", "150.00"
    ),
    "all or none": Case(
        BUY, "150.00", {18: "G"}, ((SELL, "6", "150.00"), (SELL, "4", "150.00")), FILLED, "10", "150.00"
    ),
    "post only": Case(BUY, "150.00", {18: "6"}, ((SELL, "10", "150.00"),), FILLED, "10", "150.00"),
    "good till cancel": Case(BUY, "150.00", {}, ((SELL, "10", "150.00"),), FILLED, "10", "150.00", tif="1"),
    "good till date": Case(BUY, "150.00", {432: TOMORROW}, ((SELL, "10", "150.00"),), FILLED, "10", "150.00", tif="6"),
    "good till time": Case(BUY, "150.00", {126: SOON}, ((SELL, "10", "150.00"),), FILLED, "10", "150.00", tif="6"),
    "immediate or cancel": Case(
        BUY, "150.00", {}, (), CANCELED, "4", "150.00", offers=((SELL, "4", "150.00"),), tif="3"
    ),
    "fill or kill": Case(BUY, "150.00", {}, (), CANCELED, "0", "0", offers=((SELL, "4", "150.00"),), tif="4"),
}
SYMBOLS = {
    (name, kind, version): f"S{n}{kind}{version}"
    for n, name in enumerate(CASES)
    for kind in "NP"
    for version in VERSIONS
}
"""Each case has symbols of its own, so that none sees another's prices."""


def _instrument(symbol: str, more: str = "") -> str:
    return (
        f'[instruments.{symbol}]\nprice_digits = 2\nqty_digits = 0\ntick = "0.01"\nlot = "1"\nreference = "150.00"\n'
        f"peg_interval_ms = 10\n{more}"
    )


def _hours() -> tuple[str, str]:
    """Hours of a symbol that opens soon, and of one that closes soon."""
    now = datetime.now(UTC)
    opens, closes = (now + timedelta(seconds=after) for after in (SECONDS_TO_OPEN, SECONDS_TO_CLOSE))
    before = (now - timedelta(hours=1)).strftime("%H:%M:%S")
    return (
        f'open = "{opens:%H:%M:%S}"\nclose = "{before}"\nopening_auction_seconds = 3600\n',
        f'open = "{before}"\nclose = "{closes:%H:%M:%S}"\nclosing_auction_seconds = 5\n',
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    opens, closes = _hours()
    plain = ['[instruments.AAPL]\nprice_digits = 2\nqty_digits = 0\ntick = "0.01"\nlot = "1"\nreference = "150.00"\n']
    every = plain + [_instrument(symbol) for symbol in SYMBOLS.values()]
    for version in VERSIONS:
        for kind in ("N", "P"):
            every += [_instrument(f"OPN{kind}{version}", opens), _instrument(f"CLO{kind}{version}", closes)]
    instruments = "\n".join(every)
    supports = ", ".join(f'"{feature}"' for feature in FEATURES)
    exchange = (
        '[broker]\nname = "XNAS"\nport = {port}\ndata = "xnas"\nstore = false\n{instrument}' + instruments
        + '[accounts.ALL]\ncash = "0"\nlimits = {{ buying_power = false }}\n'
        + '[clients.LP]\naccounts = ["ALL"]\n[clients.LP2]\naccounts = ["ALL"]\n'
    ).replace("{instrument}", "")  # fmt: skip
    broker = (
        '[broker]\nname = "BROKER"\nport = {port}\ndata = "broker"\nstore = false\n' + instruments
        + '[accounts.ALICE]\ncash = "1000000000"\n[clients.ALICE]\naccounts = ["ALICE"]\n'
    )  # fmt: skip
    for version, fix in VERSIONS.items():
        for client in ("A", "C"):
            broker += f'[clients.{client}{version}]\nfix = "{fix}"\naccounts = ["ALICE"]\n'
        for kind, supported in (("N", supports), ("P", "")):
            # It is one exchange under six names: a symbol is quoted by one of them only, so that no order is told of
            # itself by the others.
            own = ["AAPL", f"OPN{kind}{version}", f"CLO{kind}{version}"]
            own += [symbol for (_, *whose), symbol in SYMBOLS.items() if whose == [kind, version]]
            exchange += f'[clients.{kind}{version}]\nfix = "{fix}"\naccounts = ["ALL"]\n'
            broker += (
                f'[venues.{kind}{version}]\nfix = "{fix}"\nhost = "127.0.0.1"\nport = {{venue_port}}\n'
                f'sender = "{kind}{version}"\ntarget = "XNAS"\nsupports = [{supported}]\nsymbols = {json.dumps(own)}\n'
            )
    market = Market(tmp_path_factory.mktemp("types"), exchange, broker)
    market.start()
    yield market
    market.stop()


def final(client: Client, cl_ord_id: str, timeout: float = 10.0) -> Message:
    """The report that ends an order."""
    return client.receive_until(
        lambda m: (m[35] == "8" and m.get(11) == cl_ord_id and m[39] in "248C") or m[35] in "3j", timeout
    )


def in_words_of(version: str, tags: dict[int, str]) -> dict[str, str]:
    """FIX 5.0 has tags of its own for what an iceberg shows and what a peg follows."""
    words = {"R": "5", "M": "2", "P": "4", "a": "8"}
    said = dict(tags)
    if version == "50":
        if 111 in said:
            said[1138] = said.pop(111)
        if said.get(40) == "P":
            said[1094] = words[said.pop(18)]
    return {f"t{tag}": value for tag, value in said.items()}


@pytest.fixture(scope="module", autouse=True)
def waiting(market: Market) -> list[tuple[Client, str]]:
    """Orders for the opening and for the close, of clients of their own, all versions and both kinds. They are entered
    before all others and looked at behind them, because the clock has to be waited for."""
    lp = market.client("LP", market.exchange, "XNAS")
    entered = []
    for version, fix in VERSIONS.items():
        client = market.client(f"A{version}", begin_string=fix)
        for kind in ("N", "P"):
            for symbol, tif in ((f"OPN{kind}{version}", "2"), (f"CLO{kind}{version}", "7")):
                name = f"{symbol}-{client.next_out}"
                client.new_order(name, "1", "10", symbol, "150.00", tif=tif, t100=f"{kind}{version}")
                entered.append((client, name))
    for client, name in entered:
        new = client.receive_until(lambda m, name=name: m[35] in "83j" and m.get(11, name) == name)  # type: ignore[misc]
        assert new.get(39) == "0", new
    for version in VERSIONS:
        for kind in ("N", "P"):
            lp.new_order(f"lp-{version}-{kind}-o", "2", "10", f"OPN{kind}{version}", "149.90")
            lp.new_order(f"lp-{version}-{kind}-c", "2", "10", f"CLO{kind}{version}", "149.90")
    return entered


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["N", "P"], ids=["the exchange does it", "the broker does it"])
@pytest.mark.parametrize("name", CASES)
def test_an_order(market: Market, name: str, kind: str, version: str) -> None:
    case, symbol = CASES[name], SYMBOLS[name, kind, version]
    client = market.client(f"C{version}", begin_string=VERSIONS[version])
    lps = [market.client(lp, market.exchange, "XNAS") for lp in ("LP", "LP2")]
    venue, number = f"{kind}{version}", client.next_out
    for side, qty, price in case.offers:
        place(lps[0], side, qty, symbol, price)
    if case.offers:
        wait_for_price(client, symbol, case.offers[-1][2])
    own = f"{name}-{kind}-{number}"
    market.drain(client)
    client.new_order(
        own, case.side, "10", symbol, case.price, tif=case.tif, t100=venue, **in_words_of(version, case.tags)
    )
    for n, (side, qty, price) in enumerate(case.then):
        wait_until_placed(client, own)
        wait_until_taken(market, venue)
        place(lps[n % 2], side, qty, symbol, price)
    ended = final(client, own)
    assert (ended[39], ended[14], float(ended[6])) == (case.status, case.cum, float(case.average)), ended
    for lp in lps:
        lp.send("q", [(11, f"clean-{lp.next_out}"), (530, "1"), (55, symbol), (60, utc_now())])
        lp.receive_until(lambda m: m[35] == "r")


def test_for_the_opening_and_for_the_close(waiting: list[tuple[Client, str]]) -> None:
    deadline = time.monotonic() + SECONDS_TO_CLOSE + 10
    for client in dict.fromkeys(client for client, _ in waiting):
        names = {name for owner, name in waiting if owner is client}
        while names:
            left = deadline - time.monotonic()
            ended = client.receive_until(lambda m: m[35] == "8" and m[39] in "248C", left)
            assert (ended[39], ended[14]) == (FILLED, "10"), ended
            names.discard(ended[11])


def place(lp: Client, side: str, qty: str, symbol: str, price: str) -> None:
    """An exchange client's order; its exchange has taken it."""
    cl_ord_id = f"{lp.comp_id}-{lp.next_out}"
    lp.new_order(cl_ord_id, side, qty, symbol, price)
    lp.receive_until(lambda m: m[35] == "8" and m.get(11) == cl_ord_id)


def wait_for_price(client: Client, symbol: str, price: str) -> None:
    """Until the broker's consolidated book has a price."""
    md_req_id = f"{symbol}-{client.next_out}"
    client.subscribe(md_req_id, [symbol])
    client.receive_until(lambda m: m[35] in "WX" and (270, price) in client.last)
    stop = [(262, md_req_id), (263, "2"), (264, "0"), (146, "1"), (55, symbol), (267, "1"), (269, "0")]
    client.send("V", stop)


def wait_until_taken(market: Market, venue: str) -> None:
    """Until the exchange has read what the broker has sent it: other clients' orders overtake it else."""
    deadline = time.monotonic() + 10
    while True:
        sent, read = (
            next(
                row[key]
                for row in ask(market.folder / place, {"action": "sessions"})["sessions"]
                if row["name"] == venue
            )
            for place, key in (("broker", "next_out"), ("xnas", "next_in"))
        )
        if sent == read:
            return
        assert time.monotonic() < deadline, f"{venue} has read up to {read} of {sent}"


def wait_until_placed(client: Client, cl_ord_id: str) -> None:
    """Until the broker answers for the order: what it sent to the exchange is on its way before. A final report that
    comes first is put back."""
    client.status(cl_ord_id, "1", "AAPL")
    kept = []
    while True:
        message = client.receive()
        if message[35] == "8" and message.get(11) == cl_ord_id and (message[150] == "I" or message.get(20) == "3"):
            break
        kept.append((message, client.last))
    client.messages.extendleft(message for message, _ in reversed(kept))
    client.received_pairs.extendleft(every for _, every in reversed(kept))
