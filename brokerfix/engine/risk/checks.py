"""Pre-trade checks: one flat function of the state and an order. The first reason found refuses it.

Buying power. An account's cash, less for every symbol what its position and its open orders take (`load`):

    short value twice: once because its sale paid cash in, once as the 100 % it must be covered with
  + open buys that do not close a short, at their price
  + open sells that do not close a long, at their price

With long positions only this is cash less open buys: a position's value at the mark counts as equity and
carries a requirement of the same size, so it cannot be spent twice. Closing orders take nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from brokerfix.domain import (
    MONEY_DIGITS,
    ExecInst,
    Instructions,
    Instrument,
    OrdRejReason,
    OrdType,
    Phase,
    Reject,
    Side,
    money_text,
    to_money,
    to_text,
)
from brokerfix.engine.charges import most_cost
from brokerfix.engine.entities import Account, Client, Position
from brokerfix.engine.money import more_than_price
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import daily, needs
from brokerfix.engine.risk.batch import Batch
from brokerfix.engine.risk.bounds import bounds_of
from brokerfix.engine.risk.controls import Asked, Near, broken_together, refusal, worst
from brokerfix.engine.risk.halts import halted_by
from brokerfix.engine.sharing import not_here
from brokerfix.engine.state import State

SECOND = 10**9
BASIS_POINTS = 10_000
NOTHING_HELD = Position()
RATE = "RATE"
"""The check of how many orders a client sends in a second; refused ones count too."""


def reference(state: State, instrument: Instrument) -> int:
    """The price that risk values a symbol at: the recorded mark, or the configured reference, or 0 for none."""
    return state.marks.get(instrument.symbol) or instrument.reference


def risk_price(
    state: State, instrument: Instrument, side: Side, ord_type: OrdType, price: int, asked: Instructions | None = None
) -> int:
    """What an open order is valued at per unit: its limit; a stop's price; for a market order or a peg without a limit
    the worst price the collar allows (without a mark: the best price in sight; 0 if there is none)."""
    if ord_type is OrdType.LIMIT:
        return price
    if asked is not None and (price or asked.limit or asked.stop_px):
        return price or asked.limit or asked.stop_px
    mark = reference(state, instrument)
    if not mark:
        best = [
            price
            for price in (
                state.books[instrument.symbol].best(side.opposite),
                state.market.best(instrument.symbol, side.opposite),
            )
            if price is not None
        ]
        return max(best) if best else 0
    return mark + (mark * instrument.collar_bps // BASIS_POINTS if side is Side.BUY else 0)


def qty_for(instrument: Instrument, cash: str, price: int) -> int:
    """The quantity, in whole lots, that CashOrderQty(152) buys or sells at a price; 0 without a price."""
    if not price:
        return 0
    return to_money(cash) // (price * instrument.money_factor) // instrument.lot * instrument.lot


def load(position: Position, mark: int, factor: int) -> int:
    """What a position and its open orders take from buying power, in money."""
    held = position.qty
    buys, sells = position.open_buy_notional * factor, position.open_sell_notional * factor
    total = 0
    # What a pending replace adds to the price alone is open without a quantity, once the order is filled.
    if held < 0:
        total = -2 * held * mark * factor
        if position.open_buy_qty:
            buys = -(-buys * max(0, position.open_buy_qty + held) // position.open_buy_qty)
    elif held > 0 and position.open_sell_qty:
        sells = -(-sells * max(0, position.open_sell_qty - held) // position.open_sell_qty)
    return total + buys + sells


def with_open(position: Position, side: Side, qty: int, price: int) -> Position:
    """The position as it were with `qty` more open on `side` at `price` (a negative quantity takes some away)."""
    buy, sell = (qty, 0) if side is Side.BUY else (0, qty)
    return Position(
        position.qty,
        position.bought,
        position.sold,
        position.open_buy_qty + buy,
        position.open_sell_qty + sell,
        position.open_buy_notional + buy * price,
        position.open_sell_notional + sell * price,
    )


def _without(position: Position, order: Order, factor: int) -> tuple[Position, int, int]:
    """(the position as it were without the order, and the quantity and money that are open of it): what works, and what
    its requests have reserved."""
    qty, notional = order.reserved
    qty, notional = qty + order.leaves, notional + order.leaves * order.risk_price
    buy, sell = (qty, 0) if order.side is Side.BUY else (0, qty)
    buys, sells = (notional, 0) if order.side is Side.BUY else (0, notional)
    without = Position(
        position.qty,
        position.bought,
        position.sold,
        position.open_buy_qty - buy,
        position.open_sell_qty - sell,
        position.open_buy_notional - buys,
        position.open_sell_notional - sells,
    )
    return without, qty, notional * factor


def more_load(
    state: State,
    account: Account,
    instrument: Instrument,
    side: Side,
    qty: int,
    valued_at: int,
    replaced: Order | None,
) -> int:
    """How much more an order would take than what the position takes now. With nothing held, in a cash account, that is
    its notional."""
    factor = state.factors[instrument.symbol]
    position = account.positions.get(instrument.symbol) or NOTHING_HELD
    changed, filled = position, 0
    if replaced is not None:
        changed, _, _ = _without(position, replaced, factor)
        filled = replaced.cum
    changed = with_open(changed, side, qty - filled, valued_at)
    if account.margin != "cash":
        return needs.more(state, account, instrument, changed)
    return load(changed, reference(state, instrument), factor) - position.load


def too_fast(client: Client, at: int) -> bool:
    """Whether the client has used up its orders of the last second."""
    return bool(client.max_rate) and len(client.recent) == client.max_rate and at - client.recent[0] < SECOND


def rate_reject(client: Client) -> Reject:
    return Reject(OrdRejReason.EXCEEDS_LIMIT, RATE, limit=f"{client.max_rate}/s", value=f"{client.max_rate + 1}/s")


def check_session(
    state: State, client: Client, account: str, symbol: str, at: int, strategy: str = ""
) -> Reject | None:
    """Whether this client may send an order for this account and symbol now."""
    if client.max_rate and too_fast(client, at):
        return rate_reject(client)
    return check_market(state, client, account, symbol, strategy)


def check_market(state: State, client: Client, account: str, symbol: str, strategy: str = "") -> Reject | None:
    """Whether the client may trade for this account and symbol, and the symbol trades."""
    instrument = state.instruments.get(symbol)
    if instrument is None:
        return Reject(OrdRejReason.UNKNOWN_SYMBOL, "UNKNOWN_SYMBOL", value=symbol)
    if (state.sharing.divided or state.sharing.moving) and account in client.accounts:
        away = not_here(state.sharing, account)
        if away is not None:
            return away
    if account not in client.accounts or account not in state.accounts:
        return Reject(OrdRejReason.UNKNOWN_ACCOUNT, "UNKNOWN_ACCOUNT", value=account)
    if instrument.halted:
        return Reject(OrdRejReason.EXCHANGE_CLOSED, "HALTED", value=symbol)
    halt = halted_by(state, client.client, account, symbol, strategy)
    if halt is not None:
        return Reject(OrdRejReason.EXCHANGE_CLOSED, "HALTED", f"{' '.join(halt).strip()}, by the broker's operator")
    if state.phases and state.phase(symbol) is Phase.CLOSED:
        hours = f"{_clock(instrument.opens)}-{_clock(instrument.closes)} {instrument.zone}"
        return Reject(OrdRejReason.EXCHANGE_CLOSED, "CLOSED", limit=hours)
    return None


class Terms(NamedTuple):
    """What an order is to be: `valued_at` is its risk price, `stop_px` its stop's (0: none). One that
    only `reduces` opens nothing; what `is_located` is a short sale that the client has a locate for."""

    side: Side
    ord_type: OrdType
    qty: int
    price: int
    valued_at: int
    stop_px: int = 0
    reduces: bool = False
    is_located: bool = False


def check_terms(
    state: State,
    client: Client,
    account: Account,
    instrument: Instrument,
    terms: Terms,
    at: int,
    replaced: Order | None = None,
    may_repeat: bool = True,
    near: Near | None = None,
    batch: Batch | None = None,
) -> Reject | None:
    """Whether an order of these terms may be open. `replaced` is the order whose place it takes; one that may not
    repeat is compared with those of the same content. Limits that it comes near to are put into `near`. Of a `batch` it
    is one: those that have passed are weighed with it, and it is counted if it passes."""
    refused = _check_form(state, instrument, terms)
    if refused is not None:
        return refused
    side, ord_type, qty, price, _, stop_px, reduces, _ = terms
    bounds, asked, needed = bounds_of(client, account, instrument.symbol), None, 0
    if bounds:
        same = None
        if not may_repeat:
            same = account.same.get((instrument.symbol, str(side), str(ord_type), qty, price, stop_px), ())
        asked = asked_of(state, account, instrument, terms, at, replaced, same)
        refused = refusal(asked, bounds, near) if batch is None else batch.refusal(asked, bounds)
        if refused is not None:
            return refused
    if reduces:
        # A replace that only now asks for it is weighed whole.
        joins = replaced is not None and not replaced.has(ExecInst.DO_NOT_INCREASE)
        opens = asked_of(state, account, instrument, terms, at, replaced, None, begins=joins).opens
        if opens:
            told = "the order itself (ExecInst E)"
            return Reject(OrdRejReason.BROKER_OPTION, "REDUCE_ONLY", limit="0", value=_qty(instrument, opens), at=told)
    closes = False
    if account.is_watched:
        asked = asked or asked_of(state, account, instrument, terms, at, replaced, None)
        weighed = asked if batch is None else batch.joined(asked)
        # What only closes a position passes, whatever the account has.
        closes = not weighed.opens
        refused = None if closes else _check_watched(state, account, instrument, weighed)
        if refused is not None:
            return refused
    if account.limits.buying_power and not closes:
        needed = needed_of(state, client, account, instrument, terms, replaced)
        refused = check_power(account, needed if batch is None else needed + batch.needed)
    if batch is not None and refused is None:
        batch.count(asked or asked_of(state, account, instrument, terms, at, replaced, None), needed, bounds)
    return refused


def _check_form(state: State, instrument: Instrument, terms: Terms) -> Reject | None:
    """Whether quantity and price are such as the instrument has, and the price is in its bands."""
    qty, price = terms.qty, terms.price
    if qty <= 0:
        return Reject(OrdRejReason.INCORRECT_QUANTITY, "QUANTITY", limit="above 0", value=_qty(instrument, qty))
    if instrument.needs_market and _sees_nothing(state, instrument.symbol):
        return Reject(OrdRejReason.BROKER_OPTION, "NO_REFERENCE", f"there is no price of {instrument.symbol} in sight")
    if qty % instrument.lot:
        limit = _qty(instrument, instrument.lot)
        return Reject(OrdRejReason.INCORRECT_QUANTITY, "LOT", limit=limit, value=_qty(instrument, qty))
    if terms.ord_type is OrdType.LIMIT or terms.ord_type is OrdType.STOP_LIMIT:
        if price <= 0:
            return Reject(OrdRejReason.OTHER, "PRICE", limit="above 0", value=_price(instrument, price))
        if price % instrument.tick:
            limit = _price(instrument, instrument.tick)
            return Reject(OrdRejReason.OTHER, "TICK", limit=limit, value=_price(instrument, price))
        around = reference(state, instrument) if terms.ord_type is OrdType.LIMIT else terms.stop_px
        refused = check_collar(instrument, terms.side, price, around)
        if refused is None and (instrument.static_bps or instrument.dynamic_bps):
            refused = _check_bands(state, instrument, price)
        return refused
    if not terms.valued_at:
        return Reject(OrdRejReason.BROKER_OPTION, "NO_PRICE", f"there is no price to value {instrument.symbol} at")
    return None


def _check_watched(state: State, account: Account, instrument: Instrument, asked: Asked) -> Reject | None:
    """Whether an account that is watched may open a position."""
    frozen = daily.frozen(state, account, asked.side, asked.more_money) if account.frozen_until else None
    if frozen is not None:
        return frozen
    why = account.reduces_only
    if why:
        where = f"account {account.account}"
        return Reject(OrdRejReason.BROKER_OPTION, "REDUCE_ONLY", why, value=_qty(instrument, asked.opens), at=where)
    return None


def needed_of(
    state: State, client: Client, account: Account, instrument: Instrument, terms: Terms, replaced: Order | None
) -> int:
    """What the order takes of the account's buying power or margin, in money: with what its fills cost."""
    side, qty, valued_at = terms.side, terms.qty, terms.valued_at
    filled = replaced.cum if replaced is not None else 0
    held = account.positions.get(instrument.symbol)
    needed: int = qty * valued_at * state.factors[instrument.symbol]
    if replaced is not None or account.margin != "cash" or (held is not None and held.qty):
        needed = more_load(state, account, instrument, side, qty, valued_at, replaced)
    if needed > 0:
        needed += most_cost(state, client.client, instrument, qty, valued_at)
        if instrument.currency and side is Side.BUY:
            needed += more_than_price(state, account, instrument, (qty - filled) * valued_at)
    return needed


def _sees_nothing(state: State, symbol: str) -> bool:
    """Whether neither an exchange nor our own book shows a price of any side."""
    book, market = state.books[symbol], state.market
    return all(book.best(side) is None and market.best(symbol, side) is None for side in Side)


def check_together(state: State, symbol: str, sides: Sequence[tuple[Client, Account, Terms]], at: int) -> Reject | None:
    """Whether two orders of opposite sides, each of which may be open, may be so together."""
    instrument = state.instruments[symbol]
    one, other = (bounds_of(client, account, symbol) for client, account, _ in sides)
    shared = [bound for bound in one if any(bound is its for its in other)]
    first, second = (asked_of(state, account, instrument, terms, at, None, None) for _, account, terms in sides)
    found = broken_together(first, second, shared)
    return worst(found) if found else None


def check_again(state: State, order: Order, price: int, valued_at: int, at: int) -> Reject | None:
    """Whether an order that was accepted may begin to trade at another price than it was checked at: a stop that the
    market has reached, a peg that follows it. What only closes a position may."""
    account, instrument = state.accounts[order.account], state.instruments[order.symbol]
    terms = Terms(order.side, order.ord_type, order.qty, price, valued_at)
    position = account.positions.get(order.symbol) or NOTHING_HELD
    held = -position.qty if order.side is Side.BUY else position.qty
    if held >= (position.open_buy_qty if order.side is Side.BUY else position.open_sell_qty):
        return None
    mark, last = reference(state, instrument), state.market.last.get(order.symbol)
    # The mark on record may be from before the move.
    refused = check_collar(instrument, order.side, price, last[0] if last is not None else mark) if price else None
    if refused is None:
        bounds = bounds_of(state.clients[order.client], account, order.symbol)
        refused = (
            refusal(asked_of(state, account, instrument, terms, at, order, None, begins=True), bounds)
            if bounds
            else None
        )
    if refused is None and account.frozen_until:
        refused = daily.frozen(state, account, order.side, order.leaves * valued_at * state.factors[order.symbol])
    if refused is None and account.reduces_only:
        refused = Reject(
            OrdRejReason.BROKER_OPTION, "REDUCE_ONLY", account.reduces_only, at=f"account {account.account}"
        )
    if refused is None and account.limits.buying_power and valued_at > order.risk_price:
        needed = more_load(state, account, instrument, order.side, order.qty, valued_at, order)
        refused = check_power(account, needed)
    return refused


def check_power(account: Account, needed: int) -> Reject | None:
    """Whether the account's buying power, or excess of margin, is enough for so much more (money)."""
    most = account.buying_power
    if account.credit_bps != BASIS_POINTS and most > 0:
        most = most * account.credit_bps // BASIS_POINTS
    if needed <= most or needed <= 0:
        return None
    limit = money_text(most)
    check = "BUYING_POWER" if account.margin == "cash" else "MARGIN"
    return Reject(OrdRejReason.BROKER_OPTION, check, limit=limit, value=money_text(needed))


def worst_price(state: State, order: Order) -> int:
    """What an order that begins to trade is valued at per unit: its limit or, without one, the worst price the collar
    allows, which is not below what it was valued at before."""
    if order.works_as is OrdType.LIMIT and order.price:
        return order.price
    instrument = state.instruments[order.symbol]
    return max(order.risk_price, risk_price(state, instrument, order.side, OrdType.MARKET, 0))


def asked_of(
    state: State,
    account: Account,
    instrument: Instrument,
    terms: Terms,
    at: int,
    replaced: Order | None,
    same: Sequence[int] | None,
    begins: bool = False,
) -> Asked:
    """An order as the limits weigh it. A replace that takes less than before passes; one that only now `begins` to
    trade is weighed whole."""
    side, qty, valued_at = terms.side, terms.qty, terms.valued_at
    factor, scale = state.factors[instrument.symbol], 10 ** (MONEY_DIGITS - instrument.qty_digits)
    position = account.positions.get(instrument.symbol) or NOTHING_HELD
    left, had, had_money = qty, 0, 0
    if replaced is not None:
        left = qty - replaced.cum
        position, had, had_money = _without(position, replaced, factor)
    closes = -position.qty - position.open_buy_qty if side is Side.BUY else position.qty - position.open_sell_qty
    money = left * valued_at * factor
    takes_less = replaced is not None and not begins and left <= had and money <= had_money
    return Asked(
        instrument.symbol, side, at, qty * scale, qty * valued_at * factor, (left - had) * scale, money - had_money,
        0 if takes_less else max(0, left - max(0, closes)), position, left, left - had, scale, same,
        terms.is_located,
    )  # fmt: skip


def check_collar(instrument: Instrument, side: Side, price: int, around: int) -> Reject | None:
    """Whether a limit is not too far beyond a price: the mark or, of a stop limit, its stop. 0: there is none."""
    if not (instrument.collar_bps and around and _outside(price, side, around, instrument.collar_bps)):
        return None
    edge = around * instrument.collar_bps // BASIS_POINTS
    limit = _price(instrument, around + edge if side is Side.BUY else around - edge)
    return Reject(OrdRejReason.OTHER, "COLLAR", limit=limit, value=_price(instrument, price))


def _check_bands(state: State, instrument: Instrument, price: int) -> Reject | None:
    """Whether a price is within the static band around the reference, and the dynamic one around the last trade."""
    last = state.market.last.get(instrument.symbol)
    for check, around, bps in (
        ("STATIC_BAND", instrument.reference, instrument.static_bps),
        ("DYNAMIC_BAND", last[0] if last is not None else 0, instrument.dynamic_bps),
    ):
        if around and bps and abs(price - around) * BASIS_POINTS > around * bps:
            edge = around * bps // BASIS_POINTS
            limit = _price(instrument, around + edge if price > around else around - edge)
            return Reject(OrdRejReason.OTHER, check, limit=limit, value=_price(instrument, price))
    return None


def _outside(price: int, side: Side, mark: int, collar_bps: int) -> bool:
    """A buy far above or a sell far below the mark; the harmless side is not limited."""
    away = price - mark if side is Side.BUY else mark - price
    return away * BASIS_POINTS > mark * collar_bps


def _price(instrument: Instrument, price: int) -> str:
    return to_text(price, instrument.price_digits)


def _qty(instrument: Instrument, qty: int) -> str:
    return to_text(qty, instrument.qty_digits)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
