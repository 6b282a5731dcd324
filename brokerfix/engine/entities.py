"""What the state is made of beside orders: accounts, clients, sessions with exchanges, jobs."""

from bisect import bisect_right
from collections import deque
from enum import StrEnum
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import REDUCING, ClientOptions, Disposition, Level, Limits, Standing
from brokerfix.engine.orders.order import Order
from brokerfix.facts import OrderRejected, RequestRejected

KEPT_ALERTS = 100
"""How many of the latest alerts the state holds; all are in the journal."""


class Position(msgspec.Struct, gc=False):
    """An account's holding of a symbol. Quantities are scaled, notionals are price x quantity.

    `load` is what the position and its open orders take from the account's buying power, see `risk.load`; `worth` what
    it is worth at the mark (a short one below 0), where something counts it, and `maintenance` the margin that it
    needs."""

    qty: int = 0
    bought: int = 0
    sold: int = 0
    open_buy_qty: int = 0
    open_sell_qty: int = 0
    open_buy_notional: int = 0
    open_sell_notional: int = 0
    load: int = 0
    worth: int = 0
    maintenance: int = 0


class Exposure(msgspec.Struct, gc=False):
    """What the positions of one or more accounts come to, in money: gross is |worth| and all that is open, net the
    worth; and by symbol the quantities [position, open to buy, open to sell]."""

    gross: int = 0
    net: int = 0
    buys: int = 0
    sells: int = 0
    held: dict[str, list[int]] = {}

    def open(self, symbol: str, is_buy: bool, qty: int, money: int) -> None:
        """So much more is open (or less)."""
        self.gross += money
        if is_buy:
            self.buys += money
        else:
            self.sells += money
        held = self.held.get(symbol)
        if held is None:
            held = self.held[symbol] = [0, 0, 0]
        held[1 if is_buy else 2] += qty

    def own(self, symbol: str, qty: int, had: int, has: int) -> None:
        """A position is so much larger, and worth `has` instead of `had`."""
        self.gross += abs(has) - abs(had)
        self.net += has - had
        held = self.held.get(symbol)
        if held is None:
            held = self.held[symbol] = [0, 0, 0]
        held[0] += qty

    def count(self, symbol: str, position: Position, factor: int, times: int = 1) -> None:
        """A position counts from now on or, with `times` -1, no longer. `factor` makes money of price x quantity."""
        self.own(symbol, times * position.qty, *((0, position.worth) if times > 0 else (position.worth, 0)))
        self.open(symbol, True, times * position.open_buy_qty, times * position.open_buy_notional * factor)
        self.open(symbol, False, times * position.open_sell_qty, times * position.open_sell_notional * factor)


class Window(msgspec.Struct, gc=False):
    """What was accepted lately: when, and the sums of units and money (scaled by MONEY_DIGITS) up to then. `before` are
    the sums of what was let go."""

    times: list[int] = []
    units: list[int] = []
    money: list[int] = []
    before: tuple[int, int] = (0, 0)

    def add(self, at: int, units: int, money: int, oldest: int) -> None:
        """Something was accepted; what is not after `oldest` is of no interest any more."""
        last = (self.units[-1], self.money[-1]) if self.times else self.before
        self.times.append(at)
        self.units.append(last[0] + units)
        self.money.append(last[1] + money)
        over = bisect_right(self.times, oldest) if len(self.times) > LONG_WINDOW and self.times[0] <= oldest else 0
        if over > len(self.times) // 2:
            self.before = self.units[over - 1], self.money[over - 1]
            del self.times[:over], self.units[:over], self.money[:over]

    def since(self, oldest: int) -> tuple[int, int]:
        """(units, money) of what was accepted after a time."""
        if not self.times or self.times[-1] <= oldest:
            return 0, 0
        first = bisect_right(self.times, oldest)
        units, money = (self.units[first - 1], self.money[first - 1]) if first else self.before
        return self.units[-1] - units, self.money[-1] - money


LONG_WINDOW = 1000
"""Entries beyond which those that are over are let go, once they are more than half."""


class Bound(msgspec.Struct, gc=False):
    """The limits of one level that are set, see `Limits.numbers`, and what counts towards it: the exposure of its
    accounts, and what was accepted lately. `checks` are the limits with what
    compares them, see `controls.checks_of`; `window` and `same_window` are how long what was accepted counts, in
    nanoseconds, `counts` whether it does, and `exposed` whether the exposure does. `own_locates` is the limits'; `told`
    is when the operators were last told that a limit is nearly used up, by its name. Limits of which this broker, a
    shard, has only a part are `whole` there, and that part in `most`."""

    level: Level
    most: dict[str, int]
    whole: dict[str, int] = {}
    checks: tuple[tuple[Any, bool, int, int, str], ...] = ()
    window: int = 0
    same_window: int = 0
    counts: bool = False
    exposed: bool = False
    own_locates: bool = False
    told: dict[str, int] = {}
    exposure: Exposure = msgspec.field(default_factory=Exposure)
    accepted: Window = msgspec.field(default_factory=Window)


class Override(msgspec.Struct, frozen=True, gc=False):
    """Limits of a level that are set `until` a time (ns UTC): what they were `before`, and who has set and approved
    them."""

    until: int
    before: Limits
    operator: str
    approver: str = ""


class Account(msgspec.Struct, gc=False):
    """Money and holdings. `paid_in` and `cash` are money of the desk's own currency, `balances` cash in others and
    `foreign` what that is worth as a collateral. `clients` may trade for it. `bounds` are those of the firm,
    of its groups and its own in any symbol, `own` its own by symbol or group of symbols, and `of_symbol` these by
    symbol; `exposures` are those that its positions in any symbol count for; `exposed`: there is such an exposure, or
    one of a symbol. `same` is when orders of the same content (see `bounds.Content`) were accepted, for as long as any
    of its bounds asks (`same_window` nanoseconds).

    `margin` is its kind; `worth` (of options `option_worth`) and `maintenance` are sums over its positions, `products`
    what those in a product need together (`needs.Need`). `standing` is how it stands `since` when, `held_by` why (or by
    whom) its liquidation is stopped, and `slice_id` the last order of it. `opened_with` is what it was worth at the
    day's begin, `lost` how many percent of `most_lost` (what it may lose in a day; 0: no limit) have been told lost.
    `credit_bps` is what it may use of its available funds, in basis points, `raised_on` the day on which that was last
    raised, `called_on` that of its last margin call. `sma` is its special memorandum account, `shortfall` the most that
    it has lacked of its maintenance margin today and `lacked` in the day before, `owed` the intraday margin deficits
    that are not met, (day, money), and `frozen_until` the day until which it may open only what its cash pays for, see
    `risk.daily`. `route_mode` is its orders' routing mode ("": the instrument's)."""

    account: str
    limits: Limits
    paid_in: int
    cash: int
    load: int = 0
    positions: dict[str, Position] = {}
    clients: dict[str, None] = {}
    bounds: tuple[Bound, ...] = ()
    own: dict[str, Bound] = {}
    of_symbol: dict[str, tuple[Bound, ...]] = {}
    exposures: tuple[Exposure, ...] = ()
    exposed: bool = False
    same_window: int = 0
    same: dict[tuple[str, str, str, int, int, int], list[int]] = {}
    margin: str = "cash"
    worth: int = 0
    option_worth: int = 0
    maintenance: int = 0
    products: dict[str, tuple[int, int]] = {}
    standing: Standing = Standing.OK
    since: int = 0
    held_by: str = ""
    slice_id: int = 0
    opened_with: int = 0
    lost: int = 0
    most_lost: int = 0
    credit_bps: int = 10_000
    raised_on: int = 0
    called_on: int = 0
    balances: dict[str, int] = {}
    foreign: int = 0
    sma: int = 0
    shortfall: int = 0
    lacked: int = 0
    owed: tuple[tuple[int, int], ...] = ()
    frozen_until: int = 0
    route_mode: str = ""

    @property
    def buying_power(self) -> int:
        return self.cash + self.foreign - self.load

    @property
    def is_watched(self) -> bool:
        """Whether something follows from what the account is worth."""
        return self.margin != "cash" or self.most_lost > 0

    @property
    def equity(self) -> int:
        """Equity with loan value."""
        return self.cash + self.foreign + self.worth

    @property
    def value(self) -> int:
        """What the account is worth, with its options."""
        return self.cash + self.foreign + self.worth + self.option_worth

    @property
    def excess(self) -> int:
        """Excess liquidity."""
        return self.cash + self.foreign + self.worth - self.maintenance

    @property
    def reduces_only(self) -> str:
        """Why the account may only close positions, "" if it may do anything."""
        if self.margin != "cash" and self.standing in REDUCING:
            return f"the account is in a margin {self.standing}" if self.standing is Standing.CALL else self.standing
        if self.margin != "cash" and not self.credit_bps:
            return "its credit score is too low"
        return (
            f"{self.lost} % of what it may lose today is lost" if self.most_lost and self.lost >= REDUCE_ONLY_AT else ""
        )


REDUCE_ONLY_AT = 80
"""Percent of a loss limit from which on positions may only be closed."""


class Client(msgspec.Struct, gc=False):
    """A client session: its accounts, its ClOrdIDs and what became of them, the times of its last orders and the orders
    that are not finished. `is_up`: it is logged on; `down_at`: since when it is not (0: never was). `following` is how
    many of its orders follow the market; `bounds` are its own limits, `most_fills` how
    many fills a strategy may have (0: any number), `firm` how many quotes it has been given that it can take. `sides`
    are the working orders by symbol and side, where its options keep them from trading with each other."""

    client: str
    accounts: tuple[str, ...]
    max_rate: int
    recent: deque[int]
    requests: dict[str, Order | OrderRejected | RequestRejected] = {}
    working: dict[int, Order] = {}
    options: ClientOptions = ClientOptions()
    is_up: bool = False
    down_at: int = 0
    following: int = 0
    bounds: tuple[Bound, ...] = ()
    most_fills: int = 0
    firm: int = 0
    sides: dict[tuple[str, str], dict[int, Order]] = {}

    def add(self, order: Order) -> None:
        """The order works."""
        self.working[order.order_id] = order
        if self.options.self_match != "none":
            self.sides.setdefault((order.symbol, order.side), {})[order.order_id] = order

    def drop(self, order: Order) -> None:
        """The order works no more."""
        self.working.pop(order.order_id, None)
        if self.sides:
            self.sides.get((order.symbol, order.side), {}).pop(order.order_id, None)

    def sort_sides(self) -> None:
        """Find the working orders by symbol and side again, as the options ask for."""
        self.sides = {}
        for order in self.working.values():
            self.add(order)


class Link(msgspec.Struct, gc=False):
    """The session with an exchange: how often it was `lost`, and how often its numbers have begun `anew`. One that is
    `mute` has told that it answers no status request. `awaited` are
    the children that wait for a first answer (child id -> since when, oldest first), `asked` those whose state we have
    asked for, by the time at which it is asked for again."""

    lost: int = 0
    anew: int = 0
    mute: bool = False
    awaited: dict[int, int] = {}
    asked: SortedDict[tuple[int, int], None] = msgspec.field(default_factory=SortedDict)


class JobKind(StrEnum):
    """What a job does about what it looks at, and then forgets of it."""

    BEGIN_DAY = "begin the day"
    FORGET_FILLS = "forget fills"
    FORGET_CHILDREN = "forget children"
    FORGET_NAMES = "forget names"
    FORGET_ORDERS = "forget orders"
    ASK = "ask"
    CANCEL = "cancel"
    END_WITH_SESSION = "end with the session"
    END_ON_HALT = "end on a halt"
    KILL = "kill"
    REVALUE = "revalue"
    REPORT = "report"
    INTEREST = "interest"
    RECONCILE = "reconcile"
    FREE = "free"


OF_A_DAYS_BEGIN = (
    JobKind.BEGIN_DAY,
    JobKind.FORGET_FILLS,
    JobKind.FORGET_CHILDREN,
    JobKind.FORGET_NAMES,
    JobKind.FORGET_ORDERS,
    JobKind.FREE,
)


class Job(msgspec.Struct, gc=False):
    """Work that is done in slices, see `jobs`: the numbers (of orders, fills, children) or ClOrdIDs that it has `left`
    to look at, the next one last. `name` is the exchange or client that it is about; only orders of `symbol`, `account`
    and `side` are meant (empty: of any), and what is done to them has this reason. `total` is how many there were,
    `began` when."""

    kind: JobKind
    left: list[Any]
    name: str = ""
    symbol: str = ""
    account: str = ""
    side: str = ""
    reason: str = ""
    text: str = ""
    operator: str = ""
    total: int = 0
    began: int = 0


class Watched(msgspec.Struct, frozen=True, gc=False):
    """How an alert of surveillance stands, since which trading day."""

    status: Disposition
    since: int
