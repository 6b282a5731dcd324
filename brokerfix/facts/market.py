"""Facts: trades in our own book, fills that change, prices and phases."""

from brokerfix.domain import DayTotals, Phase, Side
from brokerfix.facts.base import Fact


class Quoted(Fact, frozen=True, gc=False, kw_only=True):
    """The consolidated best levels (price, quantity, venue) at a conflated rate, the last print, the risk mark (0: as
    before), what has traded on the day, and the exchanges that tell of it, each with why its quotes do not count ("" if
    they do)."""

    symbol: str
    bids: tuple[tuple[int, int, str], ...]
    asks: tuple[tuple[int, int, str], ...]
    last: tuple[int, int] | None
    mark: int
    day: DayTotals = DayTotals()
    sources: tuple[tuple[str, str], ...] = ()


class VolumeProfileSet(Fact, frozen=True, gc=False):
    """When a symbol trades: the weight of each `bucket` (ns) of the day, from midnight UTC on."""

    symbol: str
    bucket: int
    weights: tuple[int, ...]
    operator: str


class PhaseChanged(Fact, frozen=True, gc=False):
    symbol: str
    phase: Phase


class Trade(Fact, frozen=True, gc=False):
    """Two orders of ours met in our book. The taker's ExecID is this fact's id, the maker's is one less. In an
    `auction` neither takes: both give up what they have in the book or with us. Fees are decimal text of money."""

    maker_order_id: int
    taker_order_id: int
    qty: int
    price: int
    auction: bool = False
    maker_fee: str = ""
    taker_fee: str = ""


class TradeBusted(Fact, frozen=True, gc=False, kw_only=True):
    """A fill is taken back. `exec_id` is the ExecID that it had first, `ref_id` that of its last correction;
    `reinstated`: the exchange works its quantity again. `operator` is empty where an exchange did it."""

    exec_id: int
    ref_id: int
    venue_exec_id: str
    reinstated: bool
    operator: str = ""
    text: str = ""


class TradeCorrected(Fact, frozen=True, gc=False, kw_only=True):
    """A fill is of another quantity or price than was told; both are given in full, and `fee` is what it costs now.
    Otherwise as TradeBusted."""

    exec_id: int
    ref_id: int
    venue_exec_id: str
    qty: int
    price: int
    operator: str = ""
    text: str = ""
    fee: str = ""


class FillReversed(Fact, frozen=True, gc=False, kw_only=True):
    """A fill of an order that has left the state is taken back by an operator, who has told its terms: OrderID, ExecID,
    and what the order was and is filled. Quantities and prices are scaled."""

    client: str
    account: str
    symbol: str
    side: Side
    exec_id: int
    order_id: int
    cl_ord_id: str
    order_qty: int
    cum: int
    qty: int
    price: int
    operator: str
    text: str = ""
    fee: str = ""
