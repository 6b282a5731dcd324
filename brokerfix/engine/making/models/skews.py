"""What the book says of where the mid goes next, and how far the reference price is shifted by it.

Prices are in price units, quantities in any one unit. The order flow imbalance is that of Cont, Kukanov & Stoikov, "The
price impact of order book events" (Journal of Financial Econometrics 12, 2014).
"""

from typing import NamedTuple

from brokerfix.engine.making.models.terms import Unusable, guarded, not_below_zero, number


class Best(NamedTuple):
    """The best quotes of a book, and what is displayed at them."""

    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


class Signal(NamedTuple):
    """A signal, and how much of the shift that it suggests is made: 0 is nothing, 1 all of it."""

    value: float
    weight: float


NONE = Signal(0.0, 0.0)


@guarded
def microprice(bid: float, bid_qty: float, ask: float, ask_qty: float) -> float:
    """The weighted mid: (bid ask_qty + ask bid_qty) / (bid_qty + ask_qty), nearer to the side with less on it. It is
    not Stoikov's micro-price (2018), which is estimated of a market's past. Unusable as `imbalance`, or if a price is
    not a number."""
    number("bid", bid)
    number("ask", ask)
    heavy = imbalance(bid_qty, ask_qty)
    # Not the formula's products, which may overflow where the result does not.
    result = bid * ((1 - heavy) / 2) + ask * ((1 + heavy) / 2)
    return min(max(result, min(bid, ask)), max(bid, ask))


@guarded
def imbalance(bid_qty: float, ask_qty: float) -> float:
    """The queues' imbalance, (bid_qty - ask_qty) / (bid_qty + ask_qty): 1 where all is bid, -1 where all is offered.
    Unusable if a quantity is below 0 or both are 0."""
    not_below_zero("bid_qty", bid_qty)
    not_below_zero("ask_qty", ask_qty)
    if not bid_qty + ask_qty > 0:
        raise Unusable("bid_qty and ask_qty: must not both be 0")
    number("bid_qty and ask_qty", bid_qty + ask_qty)
    return (bid_qty - ask_qty) / (bid_qty + ask_qty)


def order_flow(before: Best, now: Best) -> float:
    """What one change of the best quotes adds to the order flow imbalance, a quantity: above 0 if it is demand.

    e = 1[bid >= bid'] bid_qty - 1[bid <= bid'] bid_qty' - 1[ask <= ask'] ask_qty + 1[ask >= ask'] ask_qty', where ' is
    before (e_n of Cont, Kukanov & Stoikov); the imbalance of a time is the sum over its changes. Unusable if a price is
    not a number or a quantity below 0."""
    for best in (before, now):
        number("bid", best.bid)
        number("ask", best.ask)
        not_below_zero("bid_qty", best.bid_qty)
        not_below_zero("ask_qty", best.ask_qty)
    flow = 0.0
    if now.bid >= before.bid:
        flow += now.bid_qty
    if now.bid <= before.bid:
        flow -= before.bid_qty
    if now.ask <= before.ask:
        flow -= now.ask_qty
    if now.ask >= before.ask:
        flow += before.ask_qty
    number("the order flow", flow)
    return flow


@guarded
def shift(mid: float, spread: float, micro: Signal = NONE, queues: Signal = NONE, flow: Signal = NONE) -> float:
    """The reference price with the book's signals in it: the mid, to which is added, each by its weight,
    - of `micro` (a price, such as `microprice`) its difference from the mid;
    - of `queues` (from -1 to 1, `imbalance`) that part of half the market's spread;
    - of `flow` (order flow over the mean quantity at a best price) as many halves of the spread: the paper's model has
      the mid move by tick flow / (2 depth), and where a tick matters the spread is one.
    It is never moved by more than half the spread, so that it stays between the market's quotes.

    Unusable if a number is not finite, or the spread or a weight is below 0."""
    number("mid", mid)
    not_below_zero("spread", spread)
    for name, signal in (("micro", micro), ("queues", queues), ("flow", flow)):
        number(name, signal.value)
        not_below_zero(f"the weight of {name}", signal.weight)
    half = spread / 2
    moved = micro.weight * (micro.value - mid) if micro.weight else 0.0
    moved += (queues.weight * queues.value + flow.weight * flow.value) * half
    number("the shift", moved)
    return mid + min(max(moved, -half), half)
