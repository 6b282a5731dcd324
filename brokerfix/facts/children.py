"""Facts: what exchanges hold of orders."""

from brokerfix.domain import Instructions, OrdStatus, OrdType, RouteRule, Score, Seen, TimeInForce
from brokerfix.facts.base import Fact


class OrderRouted(Fact, frozen=True, gc=False, kw_only=True):
    """A child order goes to an exchange. Its ClOrdID there is this fact's id. `instructions` are what the exchange
    itself is asked for. `why` and `seen` are the evidence: the rule, and the quotes that it has looked at, best first
    (of an older version: none)."""

    order_id: int
    venue: str
    qty: int
    price: int
    ord_type: OrdType
    time_in_force: TimeInForce
    why: RouteRule
    instructions: Instructions | None = None
    seen: tuple[Seen, ...] = ()


class RouteDecided(Fact, frozen=True, gc=False, kw_only=True):
    """How a quantity of an order is placed, once for each decision, before what comes of it (trades in our book,
    children, what rests). `mode` is the routing mode, `bid` and `ask` are the consolidated best price and quantity
    (None: none), our own book with it. `seen` are the quotes looked at, best first, `scores` the exchanges. What is
    expected of what is taken at once: `expected_qty`, at an average of `expected_px` (decimal text), for exchanges'
    fees of `expected_fee` (decimal text of money). `note` says what else mattered."""

    order_id: int
    mode: str
    qty: int
    bid: tuple[int, int] | None = None
    ask: tuple[int, int] | None = None
    seen: tuple[Seen, ...] = ()
    scores: tuple[Score, ...] = ()
    expected_qty: int = 0
    expected_px: str = ""
    expected_fee: str = ""
    note: str = ""


class ChildAccepted(Fact, frozen=True, gc=False):
    child_id: int
    venue_order_id: str
    venue_exec_id: str


class ChildFilled(Fact, frozen=True, gc=False, kw_only=True):
    """An exchange's fill. `from_status`: learnt from a status report and not from a fill. `operator`: who has entered
    what the exchange said otherwise. `fee` is what it costs the account, as decimal text of money, `liquidity` the
    exchange's LastLiquidityInd(851)."""

    child_id: int
    venue_exec_id: str
    qty: int
    price: int
    from_status: bool = False
    operator: str = ""
    fee: str = ""
    liquidity: str = ""


class ChildEnded(Fact, frozen=True, gc=False):
    """The exchange holds nothing more of the child. `operator` as in ChildFilled."""

    child_id: int
    venue_exec_id: str
    status: OrdStatus
    text: str
    operator: str = ""


class ChildCancelSent(Fact, frozen=True, gc=False):
    """The exchange is asked to cancel; the request's ClOrdID there is this fact's id."""

    child_id: int


class ChildReplaceSent(Fact, frozen=True, gc=False):
    """The exchange is asked for a new quantity (of the child, in all) and price."""

    child_id: int
    qty: int
    price: int
    instructions: Instructions | None = None


class ChildReplaced(Fact, frozen=True, gc=False):
    child_id: int
    request_id: int
    venue_exec_id: str
    qty: int
    price: int


class ChildRestated(Fact, frozen=True, gc=False):
    """The exchange has changed the child's terms unasked."""

    child_id: int
    venue_exec_id: str
    qty: int
    price: int


class ChildNoted(Fact, frozen=True, gc=False):
    """The exchange has told something of the child that changes nothing we hold there."""

    child_id: int
    venue_exec_id: str
    exec_type: str


class ChildRequestRejected(Fact, frozen=True, gc=False):
    child_id: int
    reason: str
    text: str


class ChildStatusAsked(Fact, frozen=True, gc=False):
    child_id: int


class ReconcileBegun(Fact, frozen=True, gc=False):
    """An exchange is asked about all that it holds of ours."""

    venue: str


class BreakFound(Fact, frozen=True, gc=False, kw_only=True):
    """An exchange says otherwise than we have it: by a scaled quantity, which is so much money (decimal text). It is
    open until a BreakResolved. `child_id` 0: of no child of ours."""

    venue: str
    code: str
    text: str
    child_id: int
    qty: int
    amount: str


class BreakResolved(Fact, frozen=True, gc=False):
    """A person has looked into a break (the fact of this number), and what it was."""

    number: int
    operator: str
    text: str = ""


class ChildConfirmed(Fact, frozen=True, gc=False):
    """The exchange's status report says what we know: the child is no longer in doubt."""

    child_id: int
    venue_order_id: str
    venue_exec_id: str
