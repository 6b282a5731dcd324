"""What trades in our own book change, and fills that are taken back or corrected."""

from brokerfix import facts as f
from brokerfix.domain import OrdStatus
from brokerfix.engine import touched
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import (
    Fill,
)
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()


@EVOLVE.on(f.Trade, touched.both_orders)
def _trade(state: State, fact: f.Trade) -> None:
    maker, taker = state.orders[fact.maker_order_id], state.orders[fact.taker_order_id]
    for order in (maker, taker) if fact.auction else (maker,):
        if order.in_book:
            order.in_book -= fact.qty
            state.books[order.symbol].reduce(order.order_id, fact.qty)
        elif order.held:
            booking.hold(state, order, order.held - fact.qty, order.hold)
    state.trade_count += 1
    state.market.traded(maker.symbol, fact.price, fact.qty)
    booking.fill(state, maker, fact.id - 1, 0, fact.qty, fact.price, True, fact.maker_fee)
    booking.fill(state, taker, fact.id, 0, fact.qty, fact.price, fee=fact.taker_fee)
    booking.moved(state, maker.symbol)


@EVOLVE.on(f.TradeBusted, touched.the_filled)
def _trade_busted(state: State, fact: f.TradeBusted) -> None:
    found = state.fills[fact.exec_id]
    _change_at_child(state, found, 0, 0, fact)
    booking.unfill(state, found, 0, 0)
    found.last_id = fact.id


@EVOLVE.on(f.TradeCorrected, touched.the_filled)
def _trade_corrected(state: State, fact: f.TradeCorrected) -> None:
    found = state.fills[fact.exec_id]
    _change_at_child(state, found, fact.qty, fact.price, fact)
    booking.unfill(state, found, fact.qty, fact.price, fact.fee)
    found.last_id = fact.id


def _change_at_child(
    state: State, found: Fill, new_qty: int, price: int, fact: f.TradeBusted | f.TradeCorrected
) -> None:
    """An exchange has changed a fill: what it holds of the child changes the other way. An operator's change is between
    us and the client."""
    if not fact.venue_exec_id:
        return
    child = state.children[found.child_id]
    order = state.orders[child.order_id]
    qty = new_qty - found.qty
    state.venue_execs[child.venue][fact.venue_exec_id] = fact.id
    child.notional += new_qty * price - found.qty * found.price
    child.covered = max(0, child.covered + min(0, qty))
    leaves = child.leaves
    child.cum += qty
    if child.status is OrdStatus.FILLED and isinstance(fact, f.TradeBusted) and fact.reinstated:
        booking.reopen(state, child)
    elif not child.open:
        # The exchange does not work it again: what it had of the order is what it has filled.
        child.qty = min(child.qty, child.cum)
    order.at_venues += child.leaves - leaves
    if qty > 0:
        # What the child did not have is more than was ordered there.
        order.excess += qty - (leaves - child.leaves)
    if child.open and child.cum >= child.qty:
        booking.close(state, child, OrdStatus.FILLED)
