"""What the state is made of beside orders: accounts, clients, sessions with exchanges, jobs."""

from collections import deque
from enum import StrEnum
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import ClientOptions, Limits
from brokerfix.engine.orders.order import Order
from brokerfix.facts import OrderRejected, RequestRejected

KEPT_ALERTS = 100
"""How many of the latest alerts the state holds; all are in the journal."""


class Position(msgspec.Struct, gc=False):
    """An account's holding of a symbol. Quantities are scaled, notionals are money.

    `load` is what the position and its open orders take from the account's buying power, see `risk.load`.
    """

    qty: int = 0
    bought: int = 0
    sold: int = 0
    open_buy_qty: int = 0
    open_sell_qty: int = 0
    open_buy_notional: int = 0
    open_sell_notional: int = 0
    load: int = 0


class Account(msgspec.Struct, gc=False):
    """Money and holdings. `paid_in` and `cash` are money; `most` are the limits' numbers, see `Limits.numbers`."""

    account: str
    limits: Limits
    paid_in: int
    cash: int
    most: dict[str, int]
    load: int = 0
    positions: dict[str, Position] = {}

    @property
    def buying_power(self) -> int:
        return self.cash - self.load


class Client(msgspec.Struct, gc=False):
    """A client session: its accounts, its ClOrdIDs and what became of them, the times of its last orders and the orders
    that are not finished. `is_up`: it is logged on; `down_at`: since when it is not (0: never was). `following` is how
    many of its orders follow the market."""

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
    and `side` are meant (empty: of any), and what is done to them has this reason. `total` is how many there were."""

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
