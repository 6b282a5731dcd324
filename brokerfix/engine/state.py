"""Everything the broker knows. Changed by `evolve` only (and `market` by market data)."""

import hashlib
from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import ClientOptions, Instrument, Limits, Phase, Side, Venue, day_of
from brokerfix.engine.market import Market
from brokerfix.engine.matching.book import Book
from brokerfix.engine.orders.order import Child, Fill, Order
from brokerfix.facts import Alerted, OrderRejected, RequestRejected

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
    """Money and holdings. `paid_in` and `cash` are money; the limits are money and units scaled by MONEY_DIGITS
    (0: none)."""

    account: str
    limits: Limits
    paid_in: int
    cash: int
    max_order_qty: int
    max_order_notional: int
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


class State:
    """The whole state. `last_id` is the number of the last fact, `day_began` that of the trading day's first.

    `venue_execs` is ExecID -> our fact, of each exchange for today (`old_venue_execs`: the day before). `stops` files
    the orders whose stop the market has not reached; `watching` are those that react to the market otherwise,
    `expiries` those that end at a time, `overdue` those whose time is over but that wait for an exchange. `halts` is
    what an operator has halted: (kind, name) -> operator. `agenda` is what has to be decided next, see
    `engine.follow_up`, and `jobs` what is done in slices.

    What has ended before the previous trading day leaves the state when a day begins; `reversed` are fills of such
    orders that an operator has taken back. `links` are by exchange.
    """

    def __init__(self) -> None:
        self.last_id = 0
        self.instruments: dict[str, Instrument] = {}
        self.accounts: dict[str, Account] = {}
        self.clients: dict[str, Client] = {}
        self.venues: dict[str, Venue] = {}
        self.orders: dict[int, Order] = {}
        self.children: dict[int, Child] = {}
        self.open_children: dict[str, dict[int, Child]] = {}
        self.links: dict[str, Link] = {}
        self.venue_execs: dict[str, dict[str, int]] = {}
        self.old_venue_execs: dict[str, dict[str, int]] = {}
        self.day_began = 0
        self.previous_day_began = 0
        self.jobs: list[Job] = []
        self.overdue: dict[int, None] = {}
        self.fills: dict[int, Fill] = {}
        self.reversed: dict[int, None] = {}
        self.books: dict[str, Book[int]] = {}
        self.stops: dict[str, Book[int]] = {}
        self.watching: dict[str, dict[int, None]] = {}
        self.expiries: SortedDict[tuple[int, int], None] = SortedDict()
        self.phases: dict[str, Phase] = {}
        self.halts: dict[tuple[str, str], str] = {}
        self.away: dict[str, None] = {}
        self.copies: dict[str, list[str]] = {}
        self.agenda: dict[tuple[str, str | int], None] = {}
        self.marks: dict[str, int] = {}
        self.recorded: dict[str, tuple[object, ...]] = {}
        self.alerts: deque[Alerted] = deque(maxlen=KEPT_ALERTS)
        self.alert_count = 0
        self.trade_count = 0
        self.market = Market()

    def become(self, other: "State") -> None:
        """Be what another state is, that is given up."""
        self.__dict__ = other.__dict__

    @property
    def day(self) -> int:
        """The trading day, YYYYMMDD (0 before the first)."""
        return day_of(self.last_id)

    def order_of(self, child: Child) -> Order:
        return self.orders[child.order_id]

    def in_doubt(self, child: Child) -> bool:
        """Whether the session with the exchange was lost since it last confirmed the child."""
        return child.open and child.seen != self.links[child.venue].lost

    def venue_quotes(self, venue: str, symbol: str) -> bool:
        """Whether the venue is up and trades the symbol."""
        symbols = self.venues[venue].symbols
        return (
            bool(self.market.up.get(venue))
            and (not symbols or symbol in symbols)
            and (not self.halts or ("venue", venue) not in self.halts)
        )

    def note_copies(self) -> None:
        """Who gets copies of whose reports, as the clients' options say."""
        self.copies = {}
        for client in self.clients.values():
            for other in client.options.drop_copy:
                self.copies.setdefault(other, []).append(client.client)

    def phase(self, symbol: str) -> Phase:
        """The instrument's trading phase; one without hours always trades."""
        return self.phases.get(symbol, Phase.CONTINUOUS)

    def is_halted(self, symbol: str) -> bool:
        """Whether the instrument takes no orders."""
        return self.instruments[symbol].halted or ("all", "") in self.halts or ("symbol", symbol) in self.halts

    def hash(self) -> str:
        """SHA-256 over everything but the live market view: two replays of one journal give the same."""
        digest = hashlib.sha256()
        parts: tuple[Iterable[object], ...] = (
            (self.last_id,),
            sorted(self.instruments.items()),
            sorted(self.accounts.items()),
            sorted(
                (name, client.accounts, client.options, client.is_up, client.down_at, *client.recent, _known(client))
                for name, client in self.clients.items()
            ),
            sorted(self.venues.items()),
            sorted(self.orders.items()),
            sorted(self.children.items()),
            sorted(self.links.items()),
            self.jobs,
            list(self.overdue),
            sorted((venue, sorted(known.items())) for venue, known in self.venue_execs.items()),
            sorted(
                (symbol, [entry for side in Side for entry in book.walk(side)])
                for symbol, book in self.books.items()
                if len(book)
            ),
            sorted(self.marks.items()),
            sorted((symbol, sorted(stops.entries.items())) for symbol, stops in self.stops.items() if len(stops)),
            sorted((symbol, list(watched)) for symbol, watched in self.watching.items() if watched),
            list(self.expiries),
            sorted(self.fills.items()),
            list(self.reversed),
            sorted(self.phases.items()),
            sorted(self.halts.items()),
            sorted(self.away),
            (self.alert_count, self.trade_count, self.day_began, self.previous_day_began),
        )
        for part in parts:
            # One after the other: all as one text would take as much memory as the state.
            for item in part:
                digest.update(repr(item).encode())
            digest.update(b";")
        return digest.hexdigest()


def _known(client: Client) -> list[tuple[str, int]]:
    return sorted(
        (cl_ord_id, known.order_id if isinstance(known, Order) else known.id)
        for cl_ord_id, known in client.requests.items()
    )
