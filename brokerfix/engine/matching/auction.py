"""Auctions.

An auction's price is, of the limits in the book, the one with the most volume, then the smallest imbalance, then the
nearest to the reference price, then the lowest. At that price market orders trade first, then the best limits, then the
oldest orders.
"""

from collections.abc import Iterator

import msgspec

from brokerfix.domain import Hold, OrdType, Side
from brokerfix.engine.fees import trade
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order, is_over
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.state import State
from brokerfix.engine.step import Step


class Interest(msgspec.Struct, gc=False):
    """What an order offers to an auction: its limit (None: market) and quantities, in the book and hidden."""

    order: Order
    limit: int | None
    parts: list[int]

    @property
    def qty(self) -> int:
        return sum(self.parts)


def uncross(state: State, symbol: str, step: Step) -> None:
    """Match what our book and the market orders with us have, at the auction's price."""
    sides = {side: list(_interest(state, symbol, side)) for side in Side}
    price = auction_price(sides[Side.BUY], sides[Side.SELL], risk.reference(state, state.instruments[symbol]))
    if not price:
        return
    buys, sells = (
        [one for one in sides[side] if one.limit is None or at_least_as_good(side, price, one.limit)] for side in Side
    )
    while buys and sells:
        buy, sell = buys[0], sells[0]
        qty = min(buy.parts[0], sell.parts[0])
        # The older order is the maker, for the numbering only: neither takes.
        maker, taker = sorted((buy.order.order_id, sell.order.order_id))
        trade(state, state.orders[maker], state.orders[taker], qty, price, step, True)
        for queue in (buys, sells):
            first = queue[0]
            first.parts[0] -= qty
            if not first.parts[0]:
                first.parts.pop(0)
            if not first.parts:
                queue.pop(0)


def _interest(state: State, symbol: str, side: Side) -> Iterator[Interest]:
    """What is to be had on a side, in the order in which it trades."""
    for order_id in state.watching[symbol]:
        order = state.orders[order_id]
        if order.hold is Hold.AUCTION and order.side is side and order.works_as is OrdType.MARKET:
            yield Interest(order, None, [order.held])
    for entry in state.books[symbol].walk(side):
        order = state.orders[entry.key]
        if is_over(order, state.day, 0):
            continue
        hidden = [order.held] if order.hold is Hold.ICEBERG else []
        yield Interest(order, entry.price, [entry.qty, *hidden])


def auction_price(buys: list[Interest], sells: list[Interest], reference: int) -> int:
    """The price at which the two sides trade, 0 if they do not. Only market orders on both trade at the reference."""
    limits = {one.limit for one in (*buys, *sells) if one.limit is not None} or {reference}
    found: tuple[int, int, int, int] | None = None
    for price in sorted(limits):
        demand = sum(one.qty for one in buys if one.limit is None or one.limit >= price)
        supply = sum(one.qty for one in sells if one.limit is None or one.limit <= price)
        volume = min(demand, supply)
        away = abs(price - reference) if reference else 0
        rank = (-volume, abs(demand - supply), away, price)
        if volume and (found is None or rank < found):
            found = rank
    return found[3] if found is not None else 0
