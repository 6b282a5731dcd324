"""A split of an instrument, as it changes orders, children, positions and the mark."""

from collections import defaultdict

import msgspec

from brokerfix.domain import Instructions, OrdType, Side
from brokerfix.engine import touched
from brokerfix.engine.making import applied as making
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.risk.bounds import owned
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution
from brokerfix.facts import SplitApplied

EVOLVE = Evolution()


def split_price(price: int, numerator: int, denominator: int) -> int:
    """A price after a split, to the nearest price unit."""
    return (2 * price * denominator + numerator) // (2 * numerator)


@EVOLVE.on(SplitApplied, touched.all_in_symbol)
def split_state(state: State, fact: SplitApplied) -> None:
    """Apply a split to orders, children and positions of a symbol; the restatements that follow tell of it."""
    n, d = fact.numerator, fact.denominator
    children = children_of(state, fact.symbol)
    for order in _by_priority(state, fact.symbol):
        _split_order(state, order, children[order.order_id], n, d)
    if fact.symbol in state.marks:
        state.marks[fact.symbol] = split_price(state.marks[fact.symbol], n, d)
    elif state.instruments[fact.symbol].reference:
        state.marks[fact.symbol] = split_price(state.instruments[fact.symbol].reference, n, d)
    if fact.symbol in state.market.last:
        price, qty = state.market.last[fact.symbol]
        state.market.last[fact.symbol] = (split_price(price, n, d), qty)
    # What was traded before was of other shares.
    state.market.totals.pop(fact.symbol, None)
    # What was filled before was of other shares: it can't be busted or corrected any more.
    state.fills = {
        exec_id: fill
        for exec_id, fill in state.fills.items()
        if fill.order_id in state.orders and state.orders[fill.order_id].symbol != fact.symbol
    }
    for account in state.accounts.values():
        position = account.positions.get(fact.symbol)
        if position is not None:
            qty = position.qty
            for name in ("qty", "bought", "sold"):
                setattr(position, name, getattr(position, name) * n // d)
            owned(state, account, fact.symbol, position, position.qty - qty)
            booking.reload(state, account, position, state.instruments[fact.symbol])
    making.split(state, fact.symbol, n, d)
    for symbol in state.derived.get(fact.symbol, ()):
        booking.value_again(state, symbol)


def _by_priority(state: State, symbol: str) -> list[Order]:
    """A symbol's orders that work: those in our book as they stand there, so that they come to stand so again, and the
    others by their age."""
    book = state.books[symbol]
    entries = (*book.walk(Side.BUY), *book.walk(Side.SELL))
    place = {entry.key: number for number, entry in enumerate(entries)}
    orders = [order for client in state.clients.values() for order in client.working.values() if order.symbol == symbol]
    return sorted(orders, key=lambda order: (place.get(order.order_id, len(place)), order.order_id))


def children_of(state: State, symbol: str) -> dict[int, list[Child]]:
    """All children that orders of a symbol have had, by the order's number."""
    found: dict[int, list[Child]] = defaultdict(list)
    for number, child in state.children.items():
        if number == child.child_id and child.symbol == symbol:
            found[child.order_id].append(child)
    return found


def _split_order(state: State, order: Order, children: list[Child], n: int, d: int) -> None:
    booking.expose(state, order, -order.leaves, order.risk_price)
    booked, held, why = order.in_book, order.held, order.hold
    booking.unbook(state, order)
    booking.hold(state, order, 0, None)
    for name in ("qty", "cum", "prior_cum", "at_venues", "excess", "canceled"):
        setattr(order, name, getattr(order, name) * n // d)
    for name in ("price", "risk_price", "stop_px", "last_px"):
        setattr(order, name, split_price(getattr(order, name), n, d))
    if order.instructions is not None:
        order.instructions = split_instructions(order.instructions, n, d)
    for child in children:
        for name in ("qty", "cum", "covered"):
            setattr(child, name, getattr(child, name) * n // d)
        child.price = split_price(child.price, n, d)
    booking.hold(state, order, held * n // d, why)
    if booked:
        order.in_book = booked * n // d
        floats = order.ord_type is OrdType.PEGGED
        state.books[order.symbol].add(order.order_id, order.side, order.price, order.in_book, floats)
    booking.expose(state, order, order.leaves, order.risk_price)


def split_instructions(asked: Instructions, n: int, d: int) -> Instructions:
    """Instructions after a split of `n` for `d`."""
    return msgspec.structs.replace(
        asked,
        stop_px=split_price(asked.stop_px, n, d),
        max_floor=asked.max_floor * n // d,
        min_qty=asked.min_qty * n // d,
        peg_offset=split_price(asked.peg_offset, n, d),
        limit=split_price(asked.limit, n, d),
    )
