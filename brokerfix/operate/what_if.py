"""What would be if prices were others, or if an order came: pure functions of a state, which they leave as it is."""

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from brokerfix.domain import Inexact, OrdType, Reject, Side, Standing, to_scaled, to_text
from brokerfix.engine.entities import Account
from brokerfix.engine.orders import booking
from brokerfix.engine.risk import checks
from brokerfix.engine.risk.bounds import owned
from brokerfix.engine.risk.controls import Near, number
from brokerfix.engine.risk.standing import loss_step, standing_of
from brokerfix.operate.order_limits import Question, Sources, Weighed, weighed

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
    other = copy.copy(account)
    other.positions = {symbol: copy.copy(position) for symbol, position in account.positions.items()}
    other.products = {}
    other.bounds, other.own, other.of_symbol, other.exposures = (), {}, {}, ()
    other.exposed = True
    other.worth = other.option_worth = 0
    for symbol, position in other.positions.items():
        position.worth = 0
        owned(lens, other, symbol, position)
    booking.reload_all(lens, other)
    return other


class Wanted(NamedTuple):
    """An order that is tried, in words: `price` is "" for a market order."""

    client: str
    account: str
    symbol: str
    side: Side
    qty: str
    price: str = ""


class Tried(NamedTuple):
    """What the pre-trade checks say of an order: why it would be refused ("" if it passes), the price that it is valued
    at (decimal text, "" where there is none), the limits that it is weighed against, and those that it would nearly use
    up, in words."""

    refused: str
    valued_at: str
    limits: tuple[Weighed, ...]
    near: tuple[str, ...]


def tried(state: "State", wanted: Wanted, at: int) -> Tried:
    """Whether the broker's pre-trade checks would take an order at a time (ns), with the marks on record; where it
    would be routed is not looked at. Raises Inexact for what is no order at all."""
    client, account = state.clients.get(wanted.client), state.accounts.get(wanted.account)
    instrument = state.instruments.get(wanted.symbol)
    if client is None:
        raise Inexact(f"there is no client {wanted.client!r}")
    if account is None:
        raise Inexact(f"there is no account {wanted.account!r}")
    if instrument is None:
        raise Inexact(f"there is no symbol {wanted.symbol!r}")
    qty = to_scaled(wanted.qty, instrument.qty_digits)
    price = to_scaled(wanted.price, instrument.price_digits) if wanted.price else 0
    ord_type = OrdType.LIMIT if wanted.price else OrdType.MARKET
    valued_at = checks.risk_price(state, instrument, wanted.side, ord_type, price)
    terms = checks.Terms(wanted.side, ord_type, qty, price, valued_at)
    near: Near = []
    why: Reject | None = checks.check_session(state, client, wanted.account, wanted.symbol, at)
    why = why or checks.check_terms(state, client, account, instrument, terms, at, may_repeat=False, near=near)
    question = Question(wanted.client, wanted.account, wanted.symbol, wanted.side, ord_type, qty, price, valued_at, at)
    return Tried(
        why.text if why is not None else "",
        to_text(valued_at, instrument.price_digits) if valued_at else "",
        tuple(weighed(state, Sources(), question)),
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
