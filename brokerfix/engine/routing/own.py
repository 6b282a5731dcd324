"""Orders of the same client, or of its group, that an order must not trade with: in our book and at exchanges."""

from collections.abc import Iterator

from brokerfix.domain import (
    ExecInst,
    Side,
    TimeInForce,
)
from brokerfix.engine.entities import Client
from brokerfix.engine.market import VenueLevel
from brokerfix.engine.matching.book import Entry, at_least_as_good
from brokerfix.engine.orders.ending import is_cancelable, waits
from brokerfix.engine.orders.instructions import (
    needs,
)
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.plans import SELF_MATCH, Plan
from brokerfix.engine.state import State


def keep_from_own(state: State, order: Order, result: Plan) -> None:
    """Nothing is sent to an exchange to meet an order of the same client that rests there: by its policy that one is
    called back before, or this one ends. One that can't be called back now ends this one too."""
    own = own_orders(state, order)
    if own is None:
        return
    for route in result.routes:
        met = [number for number in own.there(route.venue, route.price) if number not in result.ends]
        if not met:
            continue
        called_back = own.ends_other and all(can_end(state.orders[number]) for number in met)
        if called_back:
            result.ends += met
        if own.ends_self or not called_back:
            result.routes.clear()
            result.book = result.held = 0
            result.hold, result.stopped, result.why_left = None, True, SELF_MATCH
            return


def may_shrink(state: State, order: Order, maker: int) -> bool:
    """Whether both may lose what they would trade: neither has conditions on its quantity or waits for an answer."""
    other = state.orders[maker]
    is_whole = order.time_in_force is TimeInForce.FOK or any(
        one.has(ExecInst.ALL_OR_NONE) or "min-qty" in needs(one) for one in (order, other)
    )
    return not is_whole and can_end(other) and other.pending is None and not other.children


class Own:
    """What an order meets of its own client's (or group's): the orders in our book, and at each exchange those on the
    other side with their prices. The policy says which of the two end; `ended` are those that do."""

    def __init__(self, policy: str, side: Side, orders: list[Order]) -> None:
        self.decrements = policy == "decrement"
        # What an exchange holds can't be made smaller without its answer: then the new one ends.
        self.ends_self = policy in ("cancel-newest", "cancel-both", "decrement")
        self.ends_other = policy in ("cancel-oldest", "cancel-both")
        self.ended: set[int] = set()
        self._side = side
        self._in_book = {order.order_id for order in orders if order.in_book}
        self._at: dict[str, list[tuple[int, int]]] = {}
        for order in orders:
            for child in order.children:
                self._at.setdefault(child.venue, []).append((child.price, order.order_id))

    def met(self, maker: int | None, price: int, quote: Entry[VenueLevel] | None) -> list[int]:
        """The client's orders that are met by trading with the maker in our book or, without one, with a quote: at its
        exchange and at this price or a better one there may be some."""
        if maker is not None:
            return [maker] if maker in self._in_book else []
        assert quote is not None
        there = self._at.get(quote.key[0], ())
        return [number for at, number in there if not at or at_least_as_good(self._side, at, price)]

    def there(self, venue: str, price: int) -> list[int]:
        """The client's orders at an exchange that one with this limit (0: none) may meet."""
        there = self._at.get(venue, ())
        return [number for at, number in there if not at or not price or at_least_as_good(self._side, at, price)]

    def forget(self, met: list[int]) -> None:
        """They end, and are not met again."""
        self.ended.update(met)
        self._in_book.difference_update(met)
        self._at = {venue: [one for one in there if one[1] not in met] for venue, there in self._at.items()}


def would_meet_own(state: State, order: Order, venue: str, price: int) -> bool:
    """Whether an order that rests at an exchange would meet there, at another price, one that it must not trade
    with."""
    if not price or all(at_least_as_good(order.side.opposite, child.price, price) for child in order.children):
        # It goes no further than it does now.
        return False
    own = own_orders(state, order)
    return own is not None and bool(own.there(venue, price))


def can_end(order: Order) -> bool:
    return is_cancelable(order) and not waits(order)


def own_orders(state: State, order: Order) -> Own | None:
    """The working orders on the other side that it must not trade with: of the same client, or of its account's groups
    too, and with the same SelfMatchPreventionID (or without one, as it is)."""
    client = state.clients[order.client]
    if client.options.self_match == "none":
        return None
    key = order.symbol, order.side.opposite
    others = list(client.sides[key].values()) if key in client.sides else []
    if client.options.self_match_scope == "group":
        others += _of_groups(state, client, order, key)
    mark = order.tags.self_match_id if order.tags is not None else ""
    others = [one for one in others if (one.tags.self_match_id if one.tags is not None else "") == mark]
    return Own(client.options.self_match, order.side, others) if others else None


def _of_groups(state: State, client: Client, order: Order, key: tuple[str, str]) -> Iterator[Order]:
    """The working orders of other clients that prevent self-matches too, in accounts of the order's groups."""
    together = {name for accounts in state.groups.values() if order.account in accounts for name in accounts}
    clients = {other: None for name in together if name in state.accounts for other in state.accounts[name].clients}
    for name in sorted(clients):
        if name != client.client and state.clients[name].options.self_match_scope == "group":
            yield from (one for one in state.clients[name].sides.get(key, {}).values() if one.account in together)
