"""What margin accounts' positions and open orders need, kept with each position: all of it is made of what the state
has, so that it can be made afresh at any time.

Of an account: equity with loan value = cash + what its positions are worth (options have no loan value); excess
liquidity = equity - maintenance margin of what it holds; available funds = cash - `load`, which is equity - initial
margin, where each position is as if its open orders of the worse side were filled, at their prices.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from brokerfix.domain import Instrument
from brokerfix.engine.entities import Account, Position
from brokerfix.engine.risk.margin import scan_risk, share, short_option, tiered, worst_of

if TYPE_CHECKING:
    from brokerfix.engine.state import State


class Need(NamedTuple):
    """Initial margin with open orders less loan value, and maintenance margin, in money."""

    load: int
    maintenance: int


NOTHING = Need(0, 0)


def mark_of(state: "State", symbol: str) -> int:
    """The price that risk values a symbol at, 0 for none."""
    return state.marks.get(symbol) or state.instruments[symbol].reference


def product_of(account: Account, instrument: Instrument) -> str:
    """The product that the instrument is margined with in this account, "" for none."""
    return instrument.margin.product if account.margin == "scan" and instrument.margin.scan else ""


def need(state: "State", account: Account, instrument: Instrument, position: Position) -> Need:
    """What a position needs by itself."""
    mark = mark_of(state, instrument.symbol)
    factor = state.factors[instrument.symbol]
    each = mark * factor
    open_buys, open_sells = position.open_buy_notional * factor, position.open_sell_notional * factor
    after_buys, after_sells = position.qty + position.open_buy_qty, position.qty - position.open_sell_qty
    if product_of(account, instrument):
        if instrument.option is not None:
            # Its premium is paid in full.
            return Need(open_buys, 0)
        return Need(
            max(_dearer(position, each, open_buys), _cheaper(position, each, open_sells)) - position.qty * each, 0
        )
    if instrument.option is not None:
        of_short = _short_option(state, instrument)
        bought = of_short(min(0, after_buys)) + open_buys
        sold = of_short(min(0, after_sells)) - open_sells
        return Need(max(bought, sold), of_short(min(0, position.qty)))
    if not each:
        # Nothing can be valued: what is open is paid in full.
        return Need(open_buys + open_sells, 0)
    rates = state.rates[instrument.symbol]
    qty, is_tiered = position.qty, account.margin == "tiered"
    held = abs(qty) * each
    if is_tiered and rates.tiers:
        maintenance = tiered(held, rates.tiers)
    else:
        maintenance = share(held, rates.maintenance if qty >= 0 else rates.short_maintenance)
    short = rates.initial if is_tiered else rates.short_initial
    bought = share(abs(after_buys) * each, rates.initial if after_buys >= 0 else short)
    sold = share(abs(after_sells) * each, rates.initial if after_sells >= 0 else short)
    if position.open_buy_qty:
        bought += _dearer(position, each, open_buys)
    if position.open_sell_qty:
        sold += _cheaper(position, each, open_sells)
    return Need(max(bought, sold) - qty * each, maintenance)


def _dearer(position: Position, each: int, open_buys: int) -> int:
    """What open buys cost above the mark."""
    return max(0, open_buys - position.open_buy_qty * each)


def _cheaper(position: Position, each: int, open_sells: int) -> int:
    """What open sells bring below the mark."""
    return max(0, position.open_sell_qty * each - open_sells)


def _short_option(state: "State", instrument: Instrument) -> "Callable[[int], int]":
    """What so much of an option sold short needs (the quantity is 0 or below). Without a mark of the underlying it is
    taken to be at the strike."""
    option = instrument.option
    assert option is not None
    underlying = state.instruments.get(option.underlying)
    premium = mark_of(state, instrument.symbol) * state.factors[instrument.symbol]
    to_money = state.factors[instrument.symbol] * 10**instrument.price_digits
    whole, _, part = option.strike.partition(".")
    strike = int(whole + part) * to_money // 10 ** len(part)
    mark = mark_of(state, option.underlying) if underlying is not None else 0
    spot = mark * to_money // 10**underlying.price_digits if underlying is not None and mark else strike
    each = short_option(option.right == "call", spot, strike, premium)
    return lambda qty: -qty * each


def product_need(
    state: "State", account: Account, product: str, symbol: str = "", position: Position | None = None
) -> Need:
    """What the positions in a product's instruments need together, with another position in one of them. Open orders
    count on the side that is worse in each scenario."""
    held, open_too = [], []
    charge = longs = shorts = minimum = option_value = 0
    for instrument, one in _members(state, account, product, symbol, position):
        rates = state.rates[instrument.symbol]
        unit = 10**instrument.qty_digits
        held.append((1, [-(-one.qty * loss // unit) for loss in rates.scan]))
        low, high = one.qty - one.open_sell_qty, one.qty + one.open_buy_qty
        open_too += worst_of([(1, 1, [max(-(-low * loss // unit), -(-high * loss // unit)) for loss in rates.scan])])
        if instrument.option is not None:
            option_value += one.qty * mark_of(state, instrument.symbol) * state.factors[instrument.symbol]
            minimum += max(0, -one.qty) * rates.short_minimum // unit
        else:
            longs, shorts = longs + max(0, one.qty) // unit, shorts + max(0, -one.qty) // unit
            charge = max(charge, rates.spread_charge)
    spreads = min(longs, shorts) * charge
    return Need(scan_risk(open_too, spreads, minimum, option_value), scan_risk(held, spreads, minimum, option_value))


def _members(
    state: "State", account: Account, product: str, symbol: str, position: Position | None
) -> Iterator[tuple[Instrument, Position]]:
    seen = False
    for name, one in account.positions.items():
        instrument = state.instruments[name]
        if instrument.margin.product == product and instrument.margin.scan:
            seen |= name == symbol
            yield instrument, position if position is not None and name == symbol else one
    if position is not None and not seen:
        yield state.instruments[symbol], position


def more(state: "State", account: Account, instrument: Instrument, position: Position) -> int:
    """How much more of the account's available funds would be taken if it had this position in an instrument."""
    load = need(state, account, instrument, position).load
    had = account.positions.get(instrument.symbol)
    if had is not None:
        load -= had.load
    product = product_of(account, instrument)
    if product:
        of_product = product_need(state, account, product, instrument.symbol, position)
        load += of_product.load - account.products.get(product, NOTHING)[0]
    return load


def reload(state: "State", account: Account, position: Position, instrument: Instrument) -> None:
    """Say again what a position needs, because it or its mark has changed."""
    load, maintenance = need(state, account, instrument, position)
    account.load += load - position.load
    account.maintenance += maintenance - position.maintenance
    position.load, position.maintenance = load, maintenance
    product = product_of(account, instrument)
    if product:
        had = account.products.get(product, NOTHING)
        has = account.products[product] = product_need(state, account, product)
        account.load += has[0] - had[0]
        account.maintenance += has[1] - had[1]


def forget(account: Account) -> None:
    """Let go of what the account's positions take or need, before it is said again."""
    account.load = account.maintenance = 0
    account.products = {}
    for position in account.positions.values():
        position.load = position.maintenance = 0


def remargin(state: "State", account: Account) -> None:
    """Say again what all positions of a margin account need."""
    forget(account)
    for symbol, position in account.positions.items():
        reload(state, account, position, state.instruments[symbol])
