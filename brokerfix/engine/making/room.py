"""How much a maker may quote, where, and which prices its quotes must not meet."""

from collections.abc import Mapping

from brokerfix.domain import Side
from brokerfix.engine.making.desk import Desk, Making, Slot
from brokerfix.engine.making.quotes import Room
from brokerfix.engine.making.reference import Seen, is_waiting
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State


def places(state: State, desk: Desk, symbol: str) -> list[str]:
    """Where the desk quotes now: "" is our book."""
    quoting = desk.quoting
    found = [""] if quoting.place != "exchanges" else []
    if quoting.place != "book":
        found += [
            name
            for name in quoting.venues or state.venues
            if name in state.venues and not state.venues[name].dark and state.venue_quotes(name, symbol)
        ]
    return found


def room(state: State, making: Making, symbol: str, seen: Seen, standing: Mapping[str, Order], at: int) -> Room:
    """What may be quoted so that the position stays within its bounds whatever of the account's orders is filled, and
    of the quotes that clients have is taken. `standing` are the quotes there are."""
    desk = making.desks[symbol]
    position = state.accounts[making.maker.account].positions.get(symbol)
    qty, buys, sells = (0, 0, 0)
    if position is not None:
        qty, buys, sells = position.qty, position.open_buy_qty, position.open_sell_qty
    held: dict[Slot, int] = {}
    stuck: list[tuple[Side, int]] = []
    for name, order in standing.items():
        slot = desk.slots[name]
        # What quotes have open is what is to be decided; what exchanges have of it may be filled meanwhile.
        open_qty = order.leaves + order.reserved[0] if order.account == making.maker.account else 0
        if slot[1] is Side.BUY:
            buys -= open_qty
        else:
            sells -= open_qty
        if slot[0]:
            held[slot] = open_qty
            if is_waiting(order) or not desk.may_ask(name, at):
                stuck += [(slot[1], one.price) for one in (order, order.pending, *order.queue) if one and one.price]
    quoting = desk.quoting
    # Where a simulation has the market, the market comes to others' orders.
    bid, ask = (0, 0)
    if quoting.reference == "market":
        bid, ask = (best_of_others(state, making, symbol, side) for side in Side)
    if seen.bid is not None:
        bid = max(bid, seen.bid[0])
    if seen.ask is not None:
        ask = min(ask or seen.ask[0], seen.ask[0])
    # What can't be moved now must not be met by what can.
    bid = max((bid, *(price for side, price in stuck if side is Side.BUY)))
    ask = min((price for price in (ask, *(price for side, price in stuck if side is Side.SELL)) if price), default=0)
    may_buy, may_sell = quoting.most_long - qty - buys - desk.to_buy, qty - sells - desk.to_sell - quoting.most_short
    return Room(may_buy, may_sell, bid, ask, held)


def best_of_others(state: State, making: Making, symbol: str, side: Side) -> int:
    """The best price in our book that is not the maker's own; 0 if there is none."""
    for entry in state.books[symbol].walk(side):
        if state.orders[entry.key].client != making.maker.maker:
            return entry.price
    return 0
