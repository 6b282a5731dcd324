"""The parts of the state, each once: what it is when empty, what of it is hashed, how it is kept and loaded again.

Orders, children and what a client's ClOrdIDs name are objects that several parts share; in the kept form each stands
once, and the others have its number. What follows from the rest is made anew. Older versions' kept forms have fewer
parts: what is not there is as it is when empty.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import (
    Calibration,
    ClientOptions,
    Currency,
    DayTotals,
    ExecInst,
    Instrument,
    Level,
    Limits,
    MarginPolicy,
    OrdType,
    Phase,
    Side,
    Venue,
)
from brokerfix.engine.entities import KEPT_ALERTS, Client, Job, Link, Override, Watched
from brokerfix.engine.kept_accounts import (
    AccountImage,
    BoundImage,
    dump_accounts,
    dump_bounds,
    hashed_accounts,
    hashed_bounds,
    items,
    load_accounts,
    load_bounds,
    load_configured,
    load_derived,
    load_holders,
    load_limits,
)
from brokerfix.engine.making.desk import Earned, GivenQuote, Making, leaning
from brokerfix.engine.making.quoter import Quoter
from brokerfix.engine.market import Market
from brokerfix.engine.matching.book import Book
from brokerfix.engine.orders.order import Child, Fill, Order, follows_market
from brokerfix.engine.routing.statistics import Circuit, Markout, VenueScore, Volatility
from brokerfix.engine.sharing import Sharing, SharingImage, dump_sharing, hashed_sharing, load_sharing
from brokerfix.facts import Alerted, BreakFound, LimitsProposed, OrderRejected, QuoteRequestRefused, RequestRejected

if TYPE_CHECKING:
    from brokerfix.engine.state import State


class Part(msgspec.Struct, frozen=True):
    """`empty` makes it as it is at the very beginning (None: it is one of the kept form only), `hashed` gives what of
    it the state's hash covers (None: nothing). `kept` is the type of what `dump` gives and `load` takes (None: it is
    not kept; `load` makes it of what was loaded before). `missing` is what `load` gets of an older version that has
    not kept it (UNSET: it stays empty)."""

    name: str
    empty: Callable[[], Any] | None
    hashed: Callable[[Any], Iterable[object]] | None = None
    kept: Any = None
    dump: "Callable[[State], Any] | None" = None
    load: "Callable[[State, Any], None] | None" = None
    missing: Any = msgspec.UNSET


def plain(name: str, empty: Callable[[], Any], kept: Any, hashed: Callable[[Any], Iterable[object]] | None) -> Part:
    """A part that is kept as it is."""
    return Part(
        name, empty, hashed, kept, lambda state: getattr(state, name), lambda state, data: setattr(state, name, data)
    )


def number(name: str) -> Part:
    return plain(name, int, int, lambda value: (value,))


def keys(name: str, hashed: Callable[[Any], Iterable[object]]) -> Part:
    """A dict that only has keys: they are numbers or names."""
    return Part(
        name, dict, hashed, list[Any], lambda state: list(getattr(state, name)),
        lambda state, data: setattr(state, name, dict.fromkeys(data)),
    )  # fmt: skip


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


class LinkImage(msgspec.Struct):
    """A `Link`."""

    lost: int
    anew: int
    awaited: dict[int, int]
    asked: list[tuple[int, int]]
    mute: bool = False


LARGE = 1 << 62
"""MessagePack's integers have 64 bits."""


def _dump_orders(state: "State") -> list[Order]:
    """Orders without their children, and without notionals that are too large for an integer of the file."""
    return [
        msgspec.structs.replace(order, children=(), notional=0, prior_notional=0)
        if _is_large(order.notional, order.prior_notional)
        else msgspec.structs.replace(order, children=())
        if order.children
        else order
        for order in state.orders.values()
    ]


def _is_large(*numbers: int) -> bool:
    return max(numbers) >= LARGE


def _load_orders(state: "State", orders: list[Order]) -> None:
    state.orders = {order.order_id: order for order in orders}


def _load_reducing(state: "State", data: None) -> None:
    for order in state.orders.values():
        if order.working and order.has(ExecInst.DO_NOT_INCREASE):
            state.reducing.setdefault((order.account, order.symbol), {})[order.order_id] = None


def _dump_children(state: "State") -> list[Child]:
    return [
        msgspec.structs.replace(child, notional=0) if _is_large(child.notional) else child
        for number, child in state.children.items()
        if number == child.child_id
    ]


def _load_children(state: "State", children: list[Child] | None) -> None:
    """The open ones are put back into their orders. An older version has all in their orders, and does not tell when
    an order ended: it stays as long as one that has just done so."""
    if children is None:
        for order in state.orders.values():
            state.children.update((child.child_id, child) for child in order.children)
            order.children = tuple(child for child in order.children if child.open)
            if not order.working:
                order.done = state.last_id
        return
    for child in children:
        state.children[child.child_id] = child
        if child.open:
            order = state.orders[child.order_id]
            order.children = (*order.children, child)


def _dump_notionals(state: "State") -> dict[int, list[str]]:
    """The numbers that are too large for an integer of the file, as text."""
    large = {
        order.order_id: [str(order.notional), str(order.prior_notional)]
        for order in state.orders.values()
        if _is_large(order.notional, order.prior_notional)
    }
    children = (child for number, child in state.children.items() if number == child.child_id)
    return large | {child.child_id: [str(child.notional)] for child in children if _is_large(child.notional)}


def _load_notionals(state: "State", texts: dict[int, list[str]]) -> None:
    for number, (first, *others) in texts.items():
        if number in state.children:
            state.children[number].notional = int(first)
            continue
        order = state.orders[number]
        order.notional, order.prior_notional, *of_children = map(int, (first, *others))
        every = [child for child in state.children.values() if child.order_id == number] if of_children else []
        for child, notional in zip(every, of_children, strict=False):
            child.notional = notional


def _load_aliases(state: "State", numbers: dict[int, int]) -> None:
    """The numbers by which children are found: their own and those of requests for them."""
    children = state.children
    state.children = {number: children[child_id] for number, child_id in numbers.items()}


def _load_open_children(state: "State", data: None) -> None:
    state.open_children = {venue: {} for venue in state.venues}
    for number, child in state.children.items():
        if child.open and number == child.child_id:
            state.open_children[child.venue][number] = child


def _dump_links(state: "State") -> dict[str, LinkImage]:
    return {
        venue: LinkImage(link.lost, link.anew, link.awaited, list(link.asked), link.mute)
        for venue, link in state.links.items()
    }


def _load_links(state: "State", images: dict[str, LinkImage]) -> None:
    state.links = {venue: Link() for venue in state.venues}
    for venue, link in images.items():
        asked: SortedDict[tuple[int, int], None] = SortedDict(dict.fromkeys(link.asked))
        state.links[venue] = Link(link.lost, link.anew, link.mute, link.awaited, asked)


def _load_fills(state: "State", fills: list[Fill]) -> None:
    state.fills = {fill.exec_id: fill for fill in fills}


def _dump_makers(state: "State") -> dict[str, Making]:
    """Makers without what their desks have earned, which may be too large for an integer of the file."""
    return {
        name: msgspec.structs.replace(
            making,
            desks={symbol: msgspec.structs.replace(desk, earned=Earned()) for symbol, desk in making.desks.items()},
        )
        for name, making in state.makers.items()
    }


def _load_makers(state: "State", makers: dict[str, Making]) -> None:
    state.makers = makers
    for name, making in makers.items():
        for symbol in making.desks:
            state.quoted.setdefault(symbol, {})[name] = None
    state.market.lean_by(leaning(makers.values()))


def _dump_earned(state: "State") -> dict[str, dict[str, list[str]]]:
    return {
        name: {
            symbol: [str(one) for one in msgspec.structs.astuple(desk.earned)] for symbol, desk in making.desks.items()
        }
        for name, making in state.makers.items()
    }


def _load_earned(state: "State", earned: dict[str, dict[str, list[str]]]) -> None:
    for name, desks in earned.items():
        for symbol, numbers in desks.items():
            state.makers[name].desks[symbol].earned = Earned(*map(int, numbers))


def _load_firm(state: "State", data: None) -> None:
    for quote in state.given.values():
        if quote.ended is None:
            state.firm[quote.valid_until, quote.quote_id] = None
            state.clients[quote.client].firm += 1


Entries = dict[str, list[tuple[int, Side, int, int]]]
"""By symbol, a book's entries in their priority: (order, side, price, quantity)."""


def _entries(books: dict[str, Book[int]]) -> Entries:
    return {
        symbol: [(entry.key, entry.side, entry.price, entry.qty) for side in Side for entry in book.walk(side)]
        for symbol, book in books.items()
    }


def _books(entries: Entries, floating: Callable[[int], bool]) -> dict[str, Book[int]]:
    books: dict[str, Book[int]] = {}
    for symbol, of_symbol in entries.items():
        book = books[symbol] = Book()
        for entry in of_symbol:
            book.add(*entry, floating(entry[0]))
    return books


def _load_books(state: "State", entries: Entries) -> None:
    state.books = _books(entries, lambda order_id: state.orders[order_id].ord_type is OrdType.PEGGED)


def _load_stops(state: "State", entries: Entries) -> None:
    state.stops = _books(entries, lambda order_id: False)


def _dump_clients(state: "State") -> list[ClientImage]:
    return [
        ClientImage(
            client.client,
            client.accounts,
            client.max_rate,
            client.options,
            client.is_up,
            client.down_at,
            list(client.recent),
            list(client.working),
            {name: known.order_id for name, known in client.requests.items() if isinstance(known, Order)},
            {name: known for name, known in client.requests.items() if not isinstance(known, Order)},
        )
        for client in state.clients.values()
    ]


def _load_clients(state: "State", images: list[ClientImage]) -> None:
    orders = state.orders
    for known in images:
        state.clients[known.client] = Client(
            known.client,
            known.accounts,
            known.max_rate,
            deque(known.recent, maxlen=known.max_rate),
            {**{name: orders[number] for name, number in known.orders.items()}, **known.refused},
            {number: orders[number] for number in known.working},
            known.options,
            known.is_up,
            known.down_at,
        )
    state.note_copies()


def _load_watching(state: "State", watching: dict[str, list[int]]) -> None:
    state.watching = {symbol: dict.fromkeys(watched) for symbol, watched in watching.items()}
    for watched in state.watching.values():
        for order_id in watched:
            order = state.orders[order_id]
            state.clients[order.client].following += follows_market(order.ord_type, order.instructions)


def _load_halts(state: "State", halts: list[tuple[str, str, str]]) -> None:
    state.halts = {(kind, name): operator for kind, name, operator in halts}


def _load_recorded(state: "State", recorded: dict[str, tuple[object, ...]]) -> None:
    # What MessagePack gives back as lists was tuples.
    state.recorded = {symbol: tuple(_tuples(part) for part in of_symbol) for symbol, of_symbol in recorded.items()}


def _tuples(value: object) -> object:
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value


def _load_last(state: "State", last: dict[str, tuple[int, int]]) -> None:
    for instrument in state.instruments.values():
        state.market.define(instrument)
    state.market.last = last


def _hashed_clients(clients: dict[str, Client]) -> Iterable[object]:
    return sorted(
        (name, client.accounts, client.options, client.is_up, client.down_at, *client.recent, _known(client))
        for name, client in clients.items()
    )


def _known(client: Client) -> list[tuple[str, int]]:
    return sorted(
        (cl_ord_id, known.order_id if isinstance(known, Order) else known.id)
        for cl_ord_id, known in client.requests.items()
    )


def _hashed_books(books: dict[str, Book[int]]) -> Iterable[object]:
    return sorted(
        (symbol, [entry for side in Side for entry in book.walk(side)]) for symbol, book in books.items() if len(book)
    )


PARTS: tuple[Part, ...] = (
    number("last_id"),
    number("day_began"),
    number("previous_day_began"),
    Part("sharing", Sharing, hashed_sharing, SharingImage, dump_sharing, load_sharing),
    plain("currencies", dict, dict[str, Currency], items),
    plain("fx", dict, dict[str, int], items),
    Part("factors", dict),
    plain("instruments", dict, dict[str, Instrument], items),
    Part("accounts", dict, hashed_accounts, list[AccountImage], dump_accounts, load_accounts),
    Part("holders", dict, load=load_holders),
    Part("derived", dict, load=load_derived),
    Part("rates", dict),
    plain("margin_policy", MarginPolicy, MarginPolicy, lambda policy: (policy,)),
    keys("called", list),
    Part(
        "deficits", dict, items, list[tuple[str, str]],
        lambda state: [(name, str(money)) for name, money in state.deficits.items()],
        lambda state, deficits: setattr(state, "deficits", {name: int(money) for name, money in deficits}),
    ),
    plain("groups", dict, dict[str, tuple[str, ...]], items),
    plain("symbol_groups", dict, dict[str, tuple[str, ...]], items),
    plain("executions", dict, dict[str, int], items),
    Part(
        "limits", dict, items, list[tuple[Level, Limits]], lambda state: list(state.limits.items()), load_limits, None,
    ),
    Part(
        "configured", dict, items, list[tuple[Level, Limits]], lambda state: list(state.configured.items()),
        load_configured, None,
    ),
    plain("proposals", dict, dict[int, LimitsProposed], items),
    Part(
        "overrides", dict, items, list[tuple[Level, Override]], lambda state: list(state.overrides.items()),
        lambda state, overrides: setattr(state, "overrides", dict(overrides)),
    ),
    plain("venues", dict, dict[str, Venue], items),
    Part("orders", dict, items, list[Order], _dump_orders, _load_orders),
    Part("reducing", dict, load=_load_reducing),
    Part("children", dict, items, list[Child], _dump_children, _load_children, None),
    Part("notionals", None, None, dict[int, list[str]], _dump_notionals, _load_notionals),
    Part(
        "aliases", None, None, dict[int, int],
        lambda state: {number: child.child_id for number, child in state.children.items()}, _load_aliases,
    ),
    Part("open_children", dict, load=_load_open_children),
    Part("links", dict, items, dict[str, LinkImage], _dump_links, _load_links, {}),
    plain("breaks", dict, dict[int, BreakFound], items),
    plain(
        "venue_execs", dict, dict[str, dict[str, int]],
        lambda execs: sorted((venue, items(known)) for venue, known in execs.items()),
    ),
    plain("old_venue_execs", dict, dict[str, dict[str, int]], None),
    plain("jobs", list, list[Job], lambda jobs: jobs),
    keys("overdue", list),
    Part("revalued", list),
    Part("fills", dict, items, list[Fill], lambda state: list(state.fills.values()), _load_fills),
    keys("reversed", list),
    Part("books", dict, _hashed_books, Entries, lambda state: _entries(state.books), _load_books),
    Part(
        "stops", dict, lambda stops: sorted((symbol, items(one.entries)) for symbol, one in stops.items() if len(one)),
        Entries, lambda state: _entries(state.stops), _load_stops,
    ),
    Part("clients", dict, _hashed_clients, list[ClientImage], _dump_clients, _load_clients),
    Part(
        "watching", dict,
        lambda watching: sorted((symbol, list(watched)) for symbol, watched in watching.items() if watched),
        dict[str, list[int]],
        lambda state: {symbol: list(watched) for symbol, watched in state.watching.items()}, _load_watching,
    ),
    Part(
        "expiries", SortedDict, list, list[tuple[int, int]], lambda state: list(state.expiries),
        lambda state, expiries: state.expiries.update(dict.fromkeys(expiries)),
    ),
    plain("phases", dict, dict[str, Phase], items),
    Part(
        "halts", dict, items, list[tuple[str, str, str]],
        lambda state: [(*halt, operator) for halt, operator in state.halts.items()], _load_halts,
    ),
    Part(
        "killed", dict, list, list[tuple[str, str]], lambda state: list(state.killed),
        lambda state, killed: setattr(state, "killed", dict.fromkeys(killed)),
    ),
    plain("unkilled", dict, dict[int, int], items),
    keys("away", sorted),
    Part("copies", dict),
    Part("agenda", dict),
    plain("marks", dict, dict[str, int], items),
    Part("recorded", dict, None, dict[str, tuple[object, ...]], lambda state: state.recorded, _load_recorded),
    Part(
        "alerts", lambda: deque(maxlen=KEPT_ALERTS), None, list[Alerted], lambda state: list(state.alerts),
        lambda state, alerts: state.alerts.extend(alerts),
    ),
    number("alert_count"),
    number("trade_count"),
    plain("profiles", dict, dict[str, tuple[int, tuple[int, ...]]], items),
    plain("scores", dict, dict[str, VenueScore], items),
    plain("circuits", dict, dict[str, Circuit], items),
    plain("months", dict, dict[str, tuple[int, int]], items),
    plain("markouts", dict, dict[str, list[Markout]], items),
    plain("volatility", dict, dict[str, Volatility], items),
    Part("makers", dict, items, dict[str, Making], _dump_makers, _load_makers, {}),
    Part("earned", None, None, dict[str, dict[str, list[str]]], _dump_earned, _load_earned),
    Part("quoted", dict),
    Part("stirred", dict),
    plain("calibrations", dict, dict[str, Calibration], items),
    plain("given", dict, dict[int, GivenQuote], items),
    Part("firm", SortedDict, load=_load_firm),
    plain("asked", dict, dict[str, dict[str, list[int | QuoteRequestRefused]]], items),
    plain("quoters", dict, dict[str, Quoter], items),
    plain("watched", dict, dict[str, Watched], items),
    Part("market", Market),
    Part("last", None, None, dict[str, tuple[int, int]], lambda state: state.market.last, _load_last),
    Part(
        "totals", None, None, dict[str, DayTotals], lambda state: state.market.totals,
        lambda state, totals: setattr(state.market, "totals", totals), {},
    ),
    Part("bounds", dict, hashed_bounds, list[BoundImage], dump_bounds, load_bounds, ()),
)  # fmt: skip
"""In the order in which they are loaded."""
HASHED = tuple(part for part in PARTS if part.hashed is not None)
KEPT = tuple(part for part in PARTS if part.dump is not None)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decoders = {part.name: msgspec.msgpack.Decoder(part.kept) for part in KEPT}


def dump(state: "State") -> bytes:
    """The state as bytes: a MessagePack map of its parts."""
    return _encode({part.name: part.dump(state) for part in KEPT if part.dump is not None})


def load(data: bytes, state: "State") -> None:
    """Make an empty state what it was when `dump` wrote the bytes. Raises ValueError where a newer version wrote parts
    that this one does not know, and msgspec's errors where a part is not what it should be."""
    assert not state.last_id, "a kept state is for an empty one"
    read = _decode(data)
    unknown = read.keys() - _decoders.keys()
    if unknown:
        raise ValueError(f"this version does not know its {', '.join(sorted(unknown))}")
    for part in PARTS:
        if part.load is None:
            continue
        if part.name in read:
            part.load(state, _decoders[part.name].decode(read[part.name]))
        elif part.kept is None or part.missing is not msgspec.UNSET:
            part.load(state, part.missing)
