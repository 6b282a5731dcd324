"""Orders, exchanges' parts of them and deals as regulatory records see them, and the events of a day.

Prices are ticks, quantities scaled ints, times ns UTC, as facts have them.
"""

from typing import Any, NamedTuple

import msgspec

from brokerfix import facts as f
from brokerfix.domain import Hold, Instructions, OrderTags, OrdType, Request, Side, TimeInForce
from brokerfix.record.journal import OURS, Origin

ORDER_FACTS: tuple[type[f.Fact], ...] = (
    f.OrderAccepted, f.OrderRejected, f.OrderHeld, f.OrderReleased, f.OrderRepriced, f.OrderRestated, f.OrderBooked,
    f.OrderUnbooked, f.OrderCanceled, f.OrderExpired, f.OrderRefused, f.OrderReplaced, f.RequestRejected, f.StopMoved,
    f.QuoteMoved, f.OrderRouted, f.ChildAccepted, f.ChildFilled, f.ChildEnded, f.ChildCancelSent, f.ChildReplaceSent,
    f.ChildReplaced, f.ChildRestated, f.ChildRequestRejected, f.Trade, f.TradeBusted, f.TradeCorrected, f.FillReversed,
)  # fmt: skip
"""What happens to orders: every one of them is accounted for."""


class Order(msgspec.Struct, kw_only=True):
    """A client's order as it is. `holds` is why it is with us (None: it is not), `in_book` what of it rests in our
    book, `shown` whether some of it ever did, `seen` the number of the newest fact of it; `cash` is CashOrderQty(152)
    until its terms are others, `unsplit` quantity and price from before a split that is not told yet."""

    order_id: int
    at: int
    client: str
    account: str
    cl_ord_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    qty: int
    price: int
    stop_px: int
    instructions: Instructions
    tags: OrderTags
    capacity: str
    operator: str
    ex_destination: str
    quote_id: int
    is_quote: bool
    seen: int = 0
    cum: int = 0
    holds: Hold | None = None
    released: tuple[Hold, ...] = ()
    in_book: int = 0
    shown: bool = False
    ended: bool = False
    requests: dict[str, "Asked"] = {}
    cash: str = ""
    unsplit: tuple[int, int] | None = None

    @property
    def leaves(self) -> int:
        return max(0, self.qty - self.cum)


class Asked(NamedTuple):
    """What a client has asked of an order; `qty` 0: a cancel, or terms that are not on record."""

    at: int
    request: Request
    qty: int = 0
    price: int = 0
    instructions: Instructions | None = None


class Sent(NamedTuple):
    """What was asked of an exchange and has no answer yet."""

    number: int
    at: int
    is_cancel: bool
    qty: int = 0
    price: int = 0
    instructions: Instructions | None = None


class Child(msgspec.Struct):
    """What an exchange holds of an order. `routed` numbers the order, or the replace, that holds there."""

    child_id: int
    order: Order
    venue: str
    at: int
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    instructions: Instructions
    routed: int
    cum: int = 0
    ended: bool = False
    sent: list[Sent] = []


class Deal(msgspec.Struct):
    """A trade in our book (`child` None), or an exchange's fill. `sides` are the order, quantity and price by ExecID, a
    quantity of 0 where it was taken back; `told` is what the newest event of it says, `name` that fact's number."""

    number: int
    at: int
    sides: dict[int, tuple[Order, int, int]]
    child: Child | None
    told: tuple[int, int]
    name: int

    @property
    def symbol(self) -> str:
        return next(iter(self.sides.values()))[0].symbol

    @property
    def orders(self) -> list[Order]:
        return [order for order, _, _ in self.sides.values()]

    def order(self, side: Side) -> Order | None:
        return next((order for order in self.orders if order.side is side), None)


class Event(NamedTuple):
    """A fact of the day, and what it is about as it was just after it. `had` is the order's quantity and price before
    it (of a deal: what was told of it, by the fact `prior`), `asked` what its client had asked and it answers, `sent`
    what an exchange refuses."""

    fact: Any
    order: Order | None = None
    child: Child | None = None
    deal: Deal | None = None
    had: tuple[int, int] = (0, 0)
    asked: Asked | None = None
    sent: Sent | None = None
    prior: int = 0
    origin: Origin = OURS


COUNTED = frozenset(ORDER_FACTS)
NOTHING = Instructions()
NO_TAGS = OrderTags()
