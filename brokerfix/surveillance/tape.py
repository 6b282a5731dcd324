"""What the rules know: orders, the market and who owns what, as facts tell it, and what each rule remembers.

All of it is bounded: orders that are over leave after `KEPT`, windows by their time and by `MOST`. It is kept as it is
(MessagePack), so that a follower goes on where it was. Prices are ticks, quantities scaled ints, times ns UTC.
"""

from bisect import bisect_left, insort
from heapq import heappush
from typing import NamedTuple

import msgspec

from brokerfix.domain import Finding, Instrument

SECOND = 10**9
KEPT = 600 * SECOND
"""How long an order that is over is remembered: a late fill of it still counts."""
SLACK = 60 * SECOND
"""Those that leave do so many at a time."""
MOST = 1000
"""Most fills, or canceled orders, in one window."""


class Order(msgspec.Struct):
    """A client's order. `is_watched`: it is no market maker's and no quote. `may_rest`: a limit order that others can
    see before it trades. `touch` is the best price of its side when it came and `shown` what was shown on that side (0:
    not on record)."""

    order_id: int
    at: int
    client: str
    account: str
    owner: str
    symbol: str
    is_buy: bool
    qty: int
    price: int
    is_watched: bool
    may_rest: bool
    touch: int = 0
    shown: int = 0
    cum: int = 0
    is_over: bool = False
    children: list[int] = []


class Fill(NamedTuple):
    """One side of a trade in our book (`venue` ""), or an exchange's fill. `fact` is the number of its fact."""

    at: int
    exec_id: int
    fact: int
    order_id: int
    account: str
    is_buy: bool
    qty: int
    price: int
    venue: str


class Market(msgspec.Struct):
    """A symbol's market as last on record, by the fact of this number: best prices, what is shown on each side, the
    last price, and what has traded on the trading day."""

    fact: int = 0
    bid: int = 0
    ask: int = 0
    bid_qty: int = 0
    ask_qty: int = 0
    last: int = 0
    volume: int = 0
    day: int = 0

    @property
    def twice_price(self) -> int:
        """Twice the last price or, where nothing has traded, the sum of the best ones; 0: unknown."""
        return 2 * self.last or (self.bid + self.ask if self.bid and self.ask else 0)


class Sizes(msgspec.Struct):
    """Sizes of the last days, oldest first as (day, size), and in order."""

    ring: list[tuple[int, int]] = []
    ordered: list[int] = []

    def add(self, day: int, size: int, most: int) -> None:
        self.ring.append((day, size))
        insort(self.ordered, size)
        if len(self.ring) > most:
            self._drop(1)

    def trim(self, first: int) -> None:
        """Forget those of days before `first`."""
        if self.ring and self.ring[0][0] < first:
            self._drop(next((number for number, one in enumerate(self.ring) if one[0] >= first), len(self.ring)))

    def _drop(self, count: int) -> None:
        for _, size in self.ring[:count]:
            del self.ordered[bisect_left(self.ordered, size)]
        del self.ring[:count]

    def split(self, n: int, d: int) -> None:
        self.ring = [(day, size * n // d) for day, size in self.ring]
        self.ordered = sorted(size for _, size in self.ring)


def twice_median(ordered: list[int]) -> int:
    """Twice the median, which is a whole number. Of none: 0."""
    count = len(ordered)
    return ordered[(count - 1) // 2] + ordered[count // 2] if count else 0


class Washing(msgspec.Struct):
    """What an owner has done in a symbol within the window: its fills with their sums, and its trades with itself, each
    as its fills. `unmet` are its newest fills at exchanges by what meets them: exchange, price, quantity, side."""

    fills: list[Fill] = []
    bought: int = 0
    sold: int = 0
    paid: int = 0
    got: int = 0
    crosses: list[list[Fill]] = []
    unmet: dict[tuple[str, int, int, bool], list[Fill]] = {}

    def add(self, fill: Fill, sign: int = 1) -> None:
        """Count a fill, or (-1) no longer."""
        if fill.is_buy:
            self.bought += sign * fill.qty
            self.paid += sign * fill.qty * fill.price
        else:
            self.sold += sign * fill.qty
            self.got += sign * fill.qty * fill.price


class Gone(NamedTuple):
    """An order that its client has canceled, by the fact of this number, with almost nothing of it filled."""

    order_id: int
    account: str
    is_buy: bool
    qty: int
    filled: int
    price: int
    entered: int
    canceled: int
    fact: int
    touch: int
    shown: int


class Layers(msgspec.Struct):
    """Recent fills and canceled orders of an owner in a symbol. `due`: when they are looked at next (0: never)."""

    fills: list[Fill] = []
    gone: list[Gone] = []
    due: int = 0


class Closing(msgspec.Struct):
    """What has traded in a symbol since the last minutes before its close have `begun` (with the market as it was
    then). `close` is the next close (ns; 0: not looked up yet, NEVER: there is none), `is_due` whether it will be
    looked at. `base` is what had traded on the trading day when they began, as first on record (-1: not yet), `last`
    the newest fill, whoever's."""

    close: int = 0
    begun: Market | None = None
    base: int = -1
    fills: list[tuple[str, Fill]] = []
    volume: int = 0
    last: int = 0
    is_due: bool = False


class Daily(msgspec.Struct):
    """What an account has traded in a symbol today, by which facts (the last ones), and on earlier days."""

    day: int = 0
    qty: int = 0
    is_told: bool = False
    facts: list[int] = []
    past: Sizes = msgspec.field(default_factory=Sizes)


class Quiet(msgspec.Struct):
    """Findings of one kind are held back: the first ones, and how many there are in all."""

    held: list[Finding] = []
    count: int = 0


class Memory(msgspec.Struct):
    """All of it. `due` is a heap of (when, rule, and what it is about), `over` are orders with the time since when they
    are, `mass` when each client has asked for a mass cancel, and `quiet` the findings that are held back by what they
    are of."""

    now: int = 0
    day: int = 0
    instruments: dict[str, Instrument] = {}
    makers: dict[str, None] = {}
    orders: dict[int, Order] = {}
    children: dict[int, tuple[int, str]] = {}
    over: list[tuple[int, int]] = []
    mass: dict[str, int] = {}
    markets: dict[str, Market] = {}
    washing: dict[tuple[str, str], Washing] = {}
    layers: dict[tuple[str, str], Layers] = {}
    closing: dict[str, Closing] = {}
    sizes: dict[tuple[str, str], Sizes] = {}
    daily: dict[tuple[str, str], Daily] = {}
    quiet: dict[tuple[str, str, str], Quiet] = {}
    due: list[tuple[int, str, str, str]] = []

    def market(self, symbol: str) -> Market:
        found = self.markets.get(symbol)
        if found is None:
            found = self.markets[symbol] = Market()
        return found

    def wake(self, at: int, rule: str, *about: str) -> None:
        """Have a rule look at something once this time has come."""
        first, second = (*about, "")[:2]
        heappush(self.due, (at, rule, first, second))

    def ends(self, order: Order) -> None:
        """Nothing is left of an order. It is remembered for a while."""
        if not order.is_over:
            order.is_over = True
            self.over.append((self.now, order.order_id))

    def forget(self) -> None:
        """Let go of orders that have been over for long."""
        if not self.over or self.over[0][0] + KEPT + SLACK > self.now:
            return
        count = next((number for number, one in enumerate(self.over) if one[0] + KEPT > self.now), len(self.over))
        for _, order_id in self.over[:count]:
            order = self.orders.pop(order_id, None)
            for child in order.children if order is not None else ():
                self.children.pop(child, None)
        del self.over[:count]
