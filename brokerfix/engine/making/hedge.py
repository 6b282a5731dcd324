"""Hedging: what makers have is sold (or bought) at exchanges as soon as the net delta is beyond its band.

The delta in a hedge's instrument is what the maker has of that, and for all others that are hedged with it the position
x beta (of a regression of returns: the covariance of both by the variance of the hedge), rounded towards 0. One order
is under way at a time, IOC, no further than a distance from the best price. A hedge brings the delta back to 0 and not
to the band's edge, so that the next fill does not call for another one.
"""

from brokerfix.domain import Hedge, Instrument, OrderTags, OrdType, Side, TimeInForce, to_text
from brokerfix.engine.entities import Position
from brokerfix.engine.making.desk import Making
from brokerfix.engine.making.pricing import position_of
from brokerfix.engine.making.reference import best_of_others
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import Alerted, HedgeDecided, OrderAccepted

BETA = 10_000
HEDGE = "hedge"
"""Hedges are a strategy of their own, so that an operator can halt them alone (`halt strategy MAKER/hedge`)."""
AGAIN_AFTER = 250_000_000
"""Nanoseconds from one hedge in an instrument to the next, doubled for each on end that was not filled at all."""
MOST_DOUBLED = 4
TOLD_AFTER = 4
"""That so many hedges on end were not filled is told."""
Positions = tuple[tuple[str, int], ...]


def hedge(state: State, making: Making, symbol: str, step: Step) -> None:
    """Hedge what is hedged together with a symbol, if that has to be."""
    terms = making.desks[symbol].quoting.hedge
    if terms is None:
        return
    positions = tuple(
        (name, position_of(state, making, name))
        for name, desk in making.desks.items()
        if desk.quoting.hedge is not None and desk.quoting.hedge.symbol == terms.symbol and name != terms.symbol
    )
    positions = ((terms.symbol, position_of(state, making, terms.symbol)), *positions)
    delta = delta_of(making, terms.symbol, positions)
    if abs(delta) > terms.band:
        _send(state, making, terms, delta, positions, step)


def flatten(state: State, making: Making, symbol: str, step: Step) -> None:
    """Close what there is of a symbol, and of the instrument that it is hedged with if that is not quoted itself."""
    terms = making.desks[symbol].quoting.hedge or Hedge(symbol, 0)
    for one in dict.fromkeys((symbol, terms.symbol)):
        held = position_of(state, making, one)
        if held and (one == symbol or making.desks[one].is_passive):
            _send(state, making, Hedge(one, 0, slip=terms.slip), held, ((one, held),), step)


def delta_of(making: Making, symbol: str, positions: Positions) -> int:
    """The net delta (scaled, of the hedge's instrument) of positions by symbol."""
    total = 0
    for name, qty in positions:
        terms = making.desks[name].quoting.hedge if name != symbol else None
        total += qty * (terms.beta if terms is not None else BETA)
    return total // BETA if total >= 0 else -(-total // BETA)


def _send(state: State, making: Making, terms: Hedge, delta: int, positions: Positions, step: Step) -> None:
    symbol, name = terms.symbol, making.maker.maker
    under_way = making.hedges.get(symbol)
    failed = under_way.failed if under_way is not None else 0
    if under_way is not None and (
        under_way.order_id or step.at - under_way.at < AGAIN_AFTER << min(failed, MOST_DOUBLED)
    ):
        return
    instrument, side = state.instruments[symbol], Side.SELL if delta > 0 else Side.BUY
    found = best_of_others(state, making, symbol, side.opposite, step.at)
    qty = min(abs(delta), terms.most or abs(delta), _room(state, making, instrument, side, abs(delta)))
    qty -= qty % instrument.lot
    if qty <= 0 or found is None:
        return
    best, venue = found
    price = _limit(instrument, side, best, terms.slip.at(best))
    client, account = state.clients[name], state.accounts[making.maker.account]
    checked = risk.Terms(side, OrdType.LIMIT, qty, price, price)
    refused = risk.check_session(state, client, account.account, symbol, step.at, f"{name}/{HEDGE}")
    refused = refused or risk.check_terms(state, client, account, instrument, checked, step.at)
    if refused is not None:
        if under_way is None or under_way.refused != refused.check:
            step.emit(
                HedgeDecided, maker=name, symbol=symbol, side=side, qty=0, delta=delta, band=terms.band, of=positions,
                why=refused.check,
            )  # fmt: skip
            told = f"{name} can't hedge {to_text(delta, instrument.qty_digits)} {symbol}: {refused.text}"
            step.emit(Alerted, "making", "HEDGE_REFUSED", told)
        return
    if failed == TOLD_AFTER:
        told = f"{name} can't hedge {to_text(delta, instrument.qty_digits)} {symbol}: {failed} orders were not filled"
        step.emit(Alerted, "making", "HEDGE_UNFILLED", told)
    step.emit(HedgeDecided, maker=name, symbol=symbol, side=side, qty=qty, delta=delta, band=terms.band, of=positions)
    accepted = step.emit(
        OrderAccepted,
        client=name,
        cl_ord_id=f"H-{step.next_id}",
        account=account.account,
        symbol=symbol,
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.IOC,
        qty=qty,
        price=price,
        risk_price=price,
        # Quotes of ours that it would meet are called back; the router would take them for the best that there is.
        ex_destination=venue,
        tags=OrderTags(strategy=HEDGE),
    )
    work(state, Order.from_fact(accepted), qty, step)


def _limit(instrument: Instrument, side: Side, best: int, slip: int) -> int:
    """The furthest price of a hedge, on a tick."""
    if side is Side.BUY:
        return (best + slip) // instrument.tick * instrument.tick
    return max(instrument.tick, -(-(best - slip) // instrument.tick) * instrument.tick)


def _room(state: State, making: Making, instrument: Instrument, side: Side, qty: int) -> int:
    """How much a hedge may be so that the position in its own instrument stays within its bounds even if all quotes
    there are filled as well."""
    desk = making.desks.get(instrument.symbol)
    position = state.accounts[making.maker.account].positions.get(instrument.symbol) or Position()
    if desk is None or desk.is_passive:
        return qty
    if side is Side.BUY:
        return max(0, desk.quoting.most_long - position.qty - position.open_buy_qty - desk.to_buy)
    return max(0, position.qty - position.open_sell_qty - desk.to_sell - desk.quoting.most_short)
