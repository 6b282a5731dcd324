"""What the state is made of beside orders: accounts, clients, sessions with exchanges, jobs."""

from bisect import bisect_right
from collections import deque
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import ClientOptions, Level, Limits
from brokerfix.engine.orders.order import Order
from brokerfix.facts import OrderRejected, RequestRejected

KEPT_ALERTS = 100
"""How many of the latest alerts the state holds; all are in the journal."""


class Share(NamedTuple):
    """What a position is of an exposure: in money its worth at the mark (a short one's below 0) and its open buys and
    sells; and the quantities of the three."""

    worth: int = 0
    buys: int = 0
    sells: int = 0
    qty: int = 0
    buy_qty: int = 0
    sell_qty: int = 0

    @property
    def gross(self) -> int:
        return abs(self.worth) + self.buys + self.sells


NO_SHARE = Share()


class Position(msgspec.Struct, gc=False):
    """An account's holding of a symbol. Quantities are scaled, notionals are money.

    `load` is what the position and its open orders take from the account's buying power, see `risk.load`; `share` what
    the exposures have of it that it counts for.
    """

    qty: int = 0
    bought: int = 0
    sold: int = 0
    open_buy_qty: int = 0
    open_sell_qty: int = 0
    open_buy_notional: int = 0
    open_sell_notional: int = 0
    load: int = 0
    share: Share = NO_SHARE


class Exposure(msgspec.Struct, gc=False):
    """What the positions of one or more accounts come to, in money: gross is |worth| and all that is open, net the
    worth; and by symbol the quantities [position, open to buy, open to sell]."""

    gross: int = 0
    net: int = 0
    buys: int = 0
    sells: int = 0
    held: dict[str, list[int]] = {}

    def change(self, symbol: str, had: Share, has: Share) -> None:
        """A position's share is another one."""
        self.gross += has.gross - had.gross
        self.net += has.worth - had.worth
        self.buys += has.buys - had.buys
        self.sells += has.sells - had.sells
        held = self.held.get(symbol)
        if held is None:
            held = self.held[symbol] = [0, 0, 0]
        held[0] += has.qty - had.qty
        held[1] += has.buy_qty - had.buy_qty
        held[2] += has.sell_qty - had.sell_qty


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
    """The limits of one level that are set, see `Limits.numbers`, and what counts towards them: the exposure of its
    accounts, and what was accepted lately; of an account also when orders of the same content were. `window` and
    `same_window` are how long that counts, in nanoseconds."""

    level: Level
    most: dict[str, int]
    window: int = 0
    same_window: int = 0
    exposure: Exposure = msgspec.field(default_factory=Exposure)
    accepted: Window = msgspec.field(default_factory=Window)
    same: dict[tuple[str, str, int, int], list[int]] = {}


class Account(msgspec.Struct, gc=False):
    """Money and holdings. `paid_in` and `cash` are money. `clients` may trade for it. `bounds` are those of
    the firm, of its groups and its own in any symbol, `of_symbol` its own in one; `exposures` are those that its
    positions count for (of one symbol, or empty: of all)."""

    account: str
    limits: Limits
    paid_in: int
    cash: int
    load: int = 0
    positions: dict[str, Position] = {}
    clients: dict[str, None] = {}
    bounds: tuple[Bound, ...] = ()
    of_symbol: dict[str, Bound] = {}
    exposures: tuple[tuple[str, Exposure], ...] = ()

    @property
    def buying_power(self) -> int:
        return self.cash - self.load


class Client(msgspec.Struct, gc=False):
    """A client session: its accounts, its ClOrdIDs and what became of them, the times of its last orders and the orders
    that are not finished. `is_up`: it is logged on; `down_at`: since when it is not (0: never was). `following` is how
    many of its orders follow the market; `bounds` are its own limits."""

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
    REPORT = "report"
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
