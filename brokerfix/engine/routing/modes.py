"""How what an order takes of the exchanges is spread over them. All modes start from the sweep of the best quotes: none
trades at a worse price than it, nor more in all."""

from collections.abc import Iterable

from brokerfix.domain import Instrument, RouteRule, Side
from brokerfix.engine.market import VenueLevel
from brokerfix.engine.matching.book import Entry
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State

Hits = dict[str, tuple[int, int]]
"""By exchange the quantity and the limit of the child that goes there."""


def mode_of(state: State, order: Order, instrument: Instrument) -> str:
    """The order's routing mode: its own, its account's, its instrument's."""
    asked = order.instructions
    if asked is not None and asked.strategy is not None and asked.strategy.mode:
        return asked.strategy.mode
    account = state.accounts.get(order.account)
    return (account.route_mode if account is not None else "") or instrument.route_mode


RULES = {
    "pro-rata": RouteRule.PRO_RATA,
    "sequential": RouteRule.SEQUENTIAL,
    "spray": RouteRule.SPRAY,
}


def spread(mode: str, instrument: Instrument, taker: Side, swept: Hits, in_reach: Iterable[Entry[VenueLevel]]) -> Hits:
    """The sweep's quantity by another mode. `in_reach` are the quotes from the best to the sweep's worst price, best
    first."""
    total = sum(qty for qty, _ in swept.values())
    if mode == "sequential":
        first = next(iter(swept))
        return {first: swept[first]}
    levels: dict[str, list[tuple[int, int]]] = {}
    for quote in in_reach:
        levels.setdefault(quote.key[0], []).append((quote.price, quote.qty))
    depth = {venue: sum(qty for _, qty in of_venue) for venue, of_venue in levels.items()}
    if mode == "pro-rata":
        wanted = shares(total, depth, instrument.lot)
    else:
        wanted = equal_shares(total, depth, instrument.lot)
    return {venue: (qty, _price_for(qty, levels[venue])) for venue, qty in wanted.items() if qty}


def shares(total: int, depth: dict[str, int], lot: int) -> dict[str, int]:
    """`total` in proportion to what each shows, in lots, no more than it shows; what is left of the rounding goes where
    most is left over, in their order. The sum is `total` where it is not more than is shown."""
    shown = sum(depth.values())
    if total >= shown:
        return dict(depth)
    wanted = {venue: total * qty // shown // lot * lot for venue, qty in depth.items()}
    return _with_rest(total, wanted, depth, lot)


def equal_shares(total: int, depth: dict[str, int], lot: int) -> dict[str, int]:
    """`total` in equal shares, in lots, no more than each shows; what one can't give the others do."""
    wanted = dict.fromkeys(depth, 0)
    left = min(total, sum(depth.values()))
    open_to_more = list(depth)
    while left and open_to_more:
        share = max(lot, left // len(open_to_more) // lot * lot)
        for venue in list(open_to_more):
            part = min(share, left, depth[venue] - wanted[venue])
            wanted[venue] += part
            left -= part
            if wanted[venue] >= depth[venue]:
                open_to_more.remove(venue)
    return wanted


def _with_rest(total: int, wanted: dict[str, int], depth: dict[str, int], lot: int) -> dict[str, int]:
    left = total - sum(wanted.values())
    for venue in sorted(depth, key=lambda name: wanted[name] - depth[name]):
        while left and wanted[venue] < depth[venue]:
            part = min(lot, left, depth[venue] - wanted[venue])
            wanted[venue] += part
            left -= part
            if lot <= left:
                break
    # What is smaller than a round of lots goes where there is room.
    for venue in depth:
        part = min(left, depth[venue] - wanted[venue])
        wanted[venue] += part
        left -= part
    return wanted


def _price_for(qty: int, levels: list[tuple[int, int]]) -> int:
    """The limit at which an exchange's levels (best first) hold the quantity."""
    for price, at in levels:
        qty -= at
        if qty <= 0:
            return price
    return levels[-1][0]
