"""The whole state as one value, so that a recovery need not begin with the first day.

Orders, children and what a client's ClOrdIDs name are objects that several tables share; here each stands once and the
tables hold its number. What follows from the rest (which children are open, whose copies go where) is made anew.
"""

from collections import deque
from collections.abc import Callable

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import ClientOptions, Instrument, Limits, OrdType, Phase, Side, Venue
from brokerfix.engine.matching.book import Book
from brokerfix.engine.orders.order import Child, Fill, Order, follows_market
from brokerfix.engine.state import Account, Client, Job, Link, Position, State
from brokerfix.facts import Alerted, OrderRejected, RequestRejected


class ClientImage(msgspec.Struct):
    """A client as `Client` has it, but with the numbers of its working orders, and its ClOrdIDs by what they name: an
    order, or a refusal."""

    client: str
    accounts: tuple[str, ...]
    max_rate: int
    options: ClientOptions
    is_up: bool
    down_at: int
    recent: list[int]
    working: list[int]
    orders: dict[str, int]
    refused: dict[str, OrderRejected | RequestRejected]


class AccountImage(msgspec.Struct):
    """An account, with its money and its positions' numbers as text: they may be beyond 64 bits."""

    account: str
    limits: Limits
    numbers: list[str]
    positions: dict[str, list[str]]


class LinkImage(msgspec.Struct):
    """A `Link`."""

    lost: int
    anew: int
    awaited: dict[int, int]
    asked: list[tuple[int, int]]
    mute: bool = False


class Image(msgspec.Struct):
    """Everything that the state hash covers, and the live view's last prices. Books are (order, side, price, quantity)
    in their priority. An older version has the `children` in their orders (None), and no more than `last`."""

    last_id: int
    day_began: int
    instruments: dict[str, Instrument]
    accounts: list[AccountImage]
    clients: list[ClientImage]
    venues: dict[str, Venue]
    orders: list[Order]
    notionals: dict[int, list[str]]
    aliases: dict[int, int]
    venue_execs: dict[str, dict[str, int]]
    old_venue_execs: dict[str, dict[str, int]]
    fills: list[Fill]
    books: dict[str, list[tuple[int, Side, int, int]]]
    stops: dict[str, list[tuple[int, Side, int, int]]]
    watching: dict[str, list[int]]
    expiries: list[tuple[int, int]]
    phases: dict[str, Phase]
    halts: list[tuple[str, str, str]]
    marks: dict[str, int]
    recorded: dict[str, tuple[object, ...]]
    alerts: list[Alerted]
    alert_count: int
    trade_count: int
    away: list[str]
    last: dict[str, tuple[int, int]]
    children: list[Child] | None = None
    previous_day_began: int = 0
    jobs: list[Job] = []
    overdue: list[int] = []
    links: dict[str, LinkImage] = {}
    reversed: list[int] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Image).decode


def dump(state: State) -> bytes:
    """The state as bytes."""
    clients = []
    for client in state.clients.values():
        orders = {name: known.order_id for name, known in client.requests.items() if isinstance(known, Order)}
        refused = {name: known for name, known in client.requests.items() if not isinstance(known, Order)}
        itself = client.client, client.accounts, client.max_rate, client.options, client.is_up, client.down_at
        clients.append(ClientImage(*itself, list(client.recent), list(client.working), orders, refused))
    notionals: dict[int, list[str]] = {}
    return _encode(
        Image(
            state.last_id,
            state.day_began,
            state.instruments,
            [_account_image(account) for account in state.accounts.values()],
            clients,
            state.venues,
            [_without_large(order, notionals) for order in state.orders.values()],
            notionals,
            {number: child.child_id for number, child in state.children.items()},
            state.venue_execs,
            state.old_venue_execs,
            list(state.fills.values()),
            {symbol: _entries(book) for symbol, book in state.books.items()},
            {symbol: _entries(book) for symbol, book in state.stops.items()},
            {symbol: list(watched) for symbol, watched in state.watching.items()},
            list(state.expiries),
            state.phases,
            [(*halt, operator) for halt, operator in state.halts.items()],
            state.marks,
            state.recorded,
            list(state.alerts),
            state.alert_count,
            state.trade_count,
            list(state.away),
            state.market.last,
            [
                _child_without_large(child, notionals)
                for number, child in state.children.items()
                if number == child.child_id
            ],
            state.previous_day_began,
            state.jobs,
            list(state.overdue),
            {
                venue: LinkImage(link.lost, link.anew, link.awaited, list(link.asked), link.mute)
                for venue, link in state.links.items()
            },
            list(state.reversed),
        )
    )


def _account_image(account: Account) -> AccountImage:
    numbers = [str(getattr(account, name)) for name in NUMBERS]
    positions = {
        symbol: [str(number) for number in msgspec.structs.astuple(position)]
        for symbol, position in account.positions.items()
    }
    return AccountImage(account.account, account.limits, numbers, positions)


NUMBERS = ("paid_in", "cash", "max_order_qty", "max_order_notional", "load")
LARGE = 1 << 62
"""MessagePack's integers have 64 bits."""


def _without_large(order: Order, notionals: dict[int, list[str]]) -> Order:
    """The order without its children, which are kept by themselves; its notionals are put aside as text if they are
    too large for an integer of the file."""
    numbers = order.notional, order.prior_notional
    if max(numbers) < LARGE:
        return msgspec.structs.replace(order, children=()) if order.children else order
    notionals[order.order_id] = [str(number) for number in numbers]
    return msgspec.structs.replace(order, notional=0, prior_notional=0, children=())


def _child_without_large(child: Child, notionals: dict[int, list[str]]) -> Child:
    if child.notional < LARGE:
        return child
    notionals[child.child_id] = [str(child.notional)]
    return msgspec.structs.replace(child, notional=0)


def _entries(book: Book[int]) -> list[tuple[int, Side, int, int]]:
    return [(entry.key, entry.side, entry.price, entry.qty) for side in Side for entry in book.walk(side)]


def _book(entries: list[tuple[int, Side, int, int]], floating: Callable[[int], bool]) -> Book[int]:
    book: Book[int] = Book()
    for entry in entries:
        book.add(*entry, floating(entry[0]))
    return book


def load(data: bytes, state: State) -> None:
    """Make an empty state what it was when `dump` wrote the bytes."""
    assert not state.last_id, "a snapshot is for an empty state"
    image = _decode(data)
    for name in (
        "last_id", "day_began", "previous_day_began", "instruments", "venues", "venue_execs", "old_venue_execs",
        "phases", "marks", "alert_count", "trade_count",
    ):  # fmt: skip
        setattr(state, name, getattr(image, name))
    state.orders = {order.order_id: order for order in image.orders}
    children = _children(image, state)
    for number, texts in image.notionals.items():
        if number in children:
            children[number].notional = int(texts[0])
        else:
            order = state.orders[number]
            order.notional, order.prior_notional, *of_children = map(int, texts)
            for child, notional in zip(order.children, of_children, strict=False):
                child.notional = notional
    for order in state.orders.values():
        if image.children is None and not order.working:
            # The older version does not tell when it ended: it stays as long as one that has just done so.
            order.done = image.last_id
        order.children = tuple(child for child in order.children if child.open)
    for one in image.accounts:
        positions = {symbol: Position(*map(int, numbers)) for symbol, numbers in one.positions.items()}
        paid_in, cash, max_qty, max_notional, taken = map(int, one.numbers)
        limits = one.limits, paid_in, cash, max_qty, max_notional, taken
        state.accounts[one.account] = Account(one.account, *limits, positions)
    state.links = {venue: Link() for venue in state.venues}
    for venue, link in image.links.items():
        asked: SortedDict[tuple[int, int], None] = SortedDict(dict.fromkeys(link.asked))
        state.links[venue] = Link(link.lost, link.anew, link.mute, link.awaited, asked)
    state.jobs = image.jobs
    state.overdue = dict.fromkeys(image.overdue)
    state.reversed = dict.fromkeys(image.reversed)
    state.children = {number: children[child_id] for number, child_id in image.aliases.items()}
    state.open_children = {venue: {} for venue in state.venues}
    for number, child in state.children.items():
        if child.open and number == child.child_id:
            state.open_children[child.venue][number] = child
    state.fills = {fill.exec_id: fill for fill in image.fills}

    def pegged(order_id: int) -> bool:
        return state.orders[order_id].ord_type is OrdType.PEGGED

    state.books = {symbol: _book(entries, pegged) for symbol, entries in image.books.items()}
    state.stops = {symbol: _book(entries, lambda order_id: False) for symbol, entries in image.stops.items()}
    state.market.books = {symbol: Book() for symbol in image.instruments}
    state.market.last = image.last
    state.watching = {symbol: dict.fromkeys(watched) for symbol, watched in image.watching.items()}
    state.expiries.update(dict.fromkeys(image.expiries))
    state.halts = {(kind, name): operator for kind, name, operator in image.halts}
    state.recorded = {
        # What JSON and MessagePack give back as lists was tuples.
        symbol: tuple(_tuples(part) for part in recorded)
        for symbol, recorded in image.recorded.items()
    }
    state.alerts.extend(image.alerts)
    for known in image.clients:
        state.clients[known.client] = Client(
            known.client,
            known.accounts,
            known.max_rate,
            deque(known.recent, maxlen=known.max_rate),
            {**{name: state.orders[number] for name, number in known.orders.items()}, **known.refused},
            {number: state.orders[number] for number in known.working},
            known.options,
            known.is_up,
            known.down_at,
        )
    for watched in state.watching.values():
        for order_id in watched:
            order = state.orders[order_id]
            state.clients[order.client].following += follows_market(order.ord_type, order.instructions)
    state.away = dict.fromkeys(image.away)
    state.note_copies()


def _children(image: Image, state: State) -> dict[int, Child]:
    """The children by number, with the open ones put back into their orders."""
    if image.children is None:
        return {child.child_id: child for order in image.orders for child in order.children}
    for child in image.children:
        if child.open:
            order = state.orders[child.order_id]
            order.children = (*order.children, child)
    return {child.child_id: child for child in image.children}


def _tuples(value: object) -> object:
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value
