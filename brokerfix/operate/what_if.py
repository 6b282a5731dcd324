"""What would be if prices were others, or if an order came: pure functions of a state, which they leave as it is."""

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from brokerfix.domain import Inexact, OrdType, Reject, Side, Standing, to_scaled, to_text
from brokerfix.engine.entities import Account
from brokerfix.engine.orders import booking
from brokerfix.engine.risk import checks
from brokerfix.engine.risk.bounds import bounds_of, owned
from brokerfix.engine.risk.controls import CONTROLS, Near, number
from brokerfix.engine.risk.levels import in_use
from brokerfix.engine.risk.standing import loss_step, standing_of

if TYPE_CHECKING:
    from brokerfix.engine.state import State

BASIS_POINTS = 10_000
ALL = ""
"""The symbol that stands for all that are not named."""


class Shocked(NamedTuple):
    """An account as it stands (`was`), and as it would: money scaled by MONEY_DIGITS. `lost` is how many percent of
    what it may lose in a day would be lost (of 50, 80 and 100 the highest that is reached)."""

    account: str
    kind: str
    was: Standing
    standing: Standing
    equity_was: int
    equity: int
    maintenance: int
    excess: int
    lost: int


def marks_after(state: "State", moves: Mapping[str, int]) -> dict[str, int]:
    """The marks (ticks) if each moved by so many basis points, by symbol or ALL. Rounded to the nearer tick, never
    below 0. Raises Inexact for a symbol that there is not."""
    for symbol in moves:
        if symbol != ALL and symbol not in state.instruments:
            raise Inexact(f"there is no symbol {symbol!r}")
    marks = dict(state.marks)
    for symbol, instrument in state.instruments.items():
        bps = moves.get(symbol, moves.get(ALL, 0))
        mark = checks.reference(state, instrument)
        if mark and bps:
            marks[symbol] = max(0, (2 * mark * (BASIS_POINTS + bps) + BASIS_POINTS) // (2 * BASIS_POINTS))
    return marks


def shock(state: "State", name: str, marks: dict[str, int]) -> Shocked | None:
    """An account, if marks were these; None where it holds nothing."""
    account = state.accounts.get(name)
    if account is None or not any(position.qty for position in account.positions.values()):
        return None
    now, then = valued(state, account, state.marks), valued(state, account, marks)
    return Shocked(
        name, account.margin, account.standing, standing_of(state, then), now.value, then.value, then.maintenance,
        then.excess, loss_step(then),
    )  # fmt: skip


def shocked(state: "State", moves: Mapping[str, int]) -> Iterator[Shocked]:
    """Every account that holds something, if marks moved by so many basis points."""
    marks = marks_after(state, moves)
    yield from filter(None, (shock(state, name, marks) for name in state.accounts))


def valued(state: "State", account: Account, marks: dict[str, int]) -> Account:
    """The account as other marks would have it: a copy that counts for no limit."""
    lens = copy.copy(state)
    lens.marks, lens.agenda = marks, {}
    tried = copy.copy(account)
    tried.positions = {symbol: copy.copy(position) for symbol, position in account.positions.items()}
    tried.products = {}
    tried.bounds, tried.own, tried.of_symbol, tried.exposures = (), {}, {}, ()
    tried.exposed = True
    tried.worth = tried.option_worth = 0
    for symbol, position in tried.positions.items():
        position.worth = 0
        owned(lens, tried, symbol, position)
    booking.reload_all(lens, tried)
    return tried


class Used(NamedTuple):
    """A limit that the order is weighed against: how much of it is used now and would be with it, as people write them
    ("": nothing counts), and the share in percent. `applies` is not so of what only weighs what opens a position."""

    level: str
    limit: str
    most: str
    now: str
    then: str
    percent: float | None
    applies: bool


class Weighed(NamedTuple):
    """What the pre-trade checks say of an order: why it would be refused ("" if it passes), the price that it is valued
    at (decimal text), what it would take of the account's buying power or margin, what there is (money), the limits,
    and those that it would nearly use up."""

    refused: str
    valued_at: str
    needed: int
    available: int
    used: tuple[Used, ...]
    near: tuple[str, ...]


class Wanted(NamedTuple):
    """An order that is tried, in words: `price` is "" for a market order."""

    client: str
    account: str
    symbol: str
    side: Side
    qty: str
    price: str = ""


def weighed(state: "State", wanted: Wanted, at: int) -> Weighed:
    """Whether the broker's pre-trade checks would take an order at a time (ns), with the marks on record; where it
    would be routed is not looked at. Raises Inexact for what is no order at all."""
    client, account, instrument = (
        state.clients.get(wanted.client), state.accounts.get(wanted.account), state.instruments.get(wanted.symbol)
    )  # fmt: skip
    for kind, name, found in (
        ("client", wanted.client, client), ("account", wanted.account, account), ("symbol", wanted.symbol, instrument),
    ):  # fmt: skip
        if found is None:
            raise Inexact(f"there is no {kind} {name!r}")
    assert client is not None
    assert account is not None
    assert instrument is not None
    qty = to_scaled(wanted.qty, instrument.qty_digits)
    price = to_scaled(wanted.price, instrument.price_digits) if wanted.price else 0
    ord_type = OrdType.LIMIT if wanted.price else OrdType.MARKET
    valued_at = checks.risk_price(state, instrument, wanted.side, ord_type, price)
    terms = checks.Terms(wanted.side, ord_type, qty, price, valued_at)
    near: Near = []
    why: Reject | None = checks.check_session(state, client, wanted.account, wanted.symbol, at)
    why = why or checks.check_terms(state, client, account, instrument, terms, at, may_repeat=False, near=near)
    content = (wanted.symbol, str(wanted.side), str(ord_type), qty, price, 0)
    asked = checks.asked_of(state, account, instrument, terms, at, None, account.same.get(content, ()))
    rows = []
    for bound in bounds_of(client, account, wanted.symbol):
        used = {name: number(value) for name, value in in_use(state, bound).items()}
        for name, most in bound.most.items():
            control = CONTROLS[name]
            value = control.value(asked, bound)
            applies = bool(asked.opens) or control.closing_too
            share = round(100 * value / most, 1) if most else None
            rows.append(Used(str(bound.level), name, number(most), used.get(name, ""), number(value), share, applies))
    needed = checks.needed_of(state, client, account, instrument, terms, None) if qty > 0 else 0
    return Weighed(
        why.text if why is not None else "",
        to_text(valued_at, instrument.price_digits) if valued_at else "",
        needed,
        account.buying_power * account.credit_bps // BASIS_POINTS if account.buying_power > 0 else account.buying_power,
        tuple(rows),
        tuple(
            f"{bound.level}: {name} is {number(bound.most[name])}, {number(value)} of it" for bound, name, value in near
        ),
    )


def percent_bps(text: str) -> int:
    """A shock in percent (decimal text, up to two decimals, -99 to 1000) as basis points. Raises Inexact."""
    bps = to_scaled(text.strip().removesuffix("%").strip(), 2)
    if not -9_900 <= bps <= 100_000:
        raise Inexact(f"{text}: a shock is -99 to 1000 percent")
    return bps


def moves_of(text: str) -> dict[str, int]:
    """Shocks as people write them, "-10" of all, "AAPL -20, MSFT 5" of some: basis points by symbol. Raises Inexact."""
    found: dict[str, int] = {}
    for part in filter(None, (word.strip() for word in text.replace(";", ",").split(","))):
        symbol, _, percent = part.rpartition(" ")
        found[symbol.strip()] = percent_bps(percent)
    if not found:
        raise Inexact("a shock is a percentage, -10 of all symbols, or AAPL -20, MSFT 5")
    return found
