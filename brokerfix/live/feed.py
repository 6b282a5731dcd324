"""Our own market data: who has asked for which books, and what to tell them. It knows no FIX text and no socket.

Changes are told at a conflated rate: `flush` compares each book that changed with what a subscriber was told last. Who
takes less often, or reads too slowly, is told later what then is so, and never what has been.
"""

from collections.abc import Container, Iterator
from itertools import islice

import msgspec

from brokerfix.domain import ClientOptions, DayTotals, Phase, Side
from brokerfix.engine.market import merged_levels
from brokerfix.engine.state import State

Levels = tuple[tuple[int, int, str], ...]
"""Price, quantity, and the exchange where books are told by exchange ("": our own book, or all together)."""
Entry = tuple[str, int, int, str]
"""MDEntryType(269), price, quantity, exchange. Of the VWAP the price is the sum of price x quantity."""
Prints = list[tuple[int, int]]

BID, OFFER, TRADE = "0", "1", "2"
OPENING, HIGH, LOW, VWAP, VOLUME = "4", "7", "8", "9", "B"
STATISTICS = (OPENING, HIGH, LOW, VWAP, VOLUME)
ENTRY_TYPES = frozenset((BID, OFFER, TRADE, *STATISTICS))
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"
FULL_REFRESH, INCREMENTAL = "0", "1"
NEW, CHANGE, DELETE = "0", "1", "2"
MAX_DEPTH = 10_000
MAX_SUBSCRIPTIONS = 100
"""Market data requests a client may have standing."""
MOST_PRINTS = 100
"""Trades that are kept, the newest, for a subscriber who is told later."""


class MarketDataRequest(msgspec.Struct, frozen=True, gc=False):
    """MarketDataRequest(V) of a client."""

    client: str
    md_req_id: str
    subscription_type: str
    depth: int
    update_type: str
    symbols: tuple[str, ...]
    entry_types: tuple[str, ...]
    aggregated: str = "Y"


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """A whole book: MarketDataSnapshotFullRefresh(W). `rpt_seq` is RptSeq(83) of the last entry that an increment told
    (below 0: they are not numbered)."""

    client: str
    md_req_id: str
    symbol: str
    entries: tuple[Entry, ...]
    rpt_seq: int = -1


class Increment(msgspec.Struct, frozen=True, gc=False):
    """What changed: MarketDataIncrementalRefresh(X), each entry with its MDUpdateAction. `rpt_seq` is RptSeq(83) of the
    first (0: they are not numbered)."""

    client: str
    md_req_id: str
    symbol: str
    entries: tuple[tuple[str, Entry], ...]
    rpt_seq: int = 0


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """MarketDataRequestReject(Y). `reason` is MDReqRejReason(281)."""

    client: str
    md_req_id: str
    reason: str
    text: str


class SessionStatusRequest(msgspec.Struct, frozen=True, gc=False):
    """TradingSessionStatusRequest(g). A TradingSessionID(336) is a symbol, '' all of them."""

    client: str
    req_id: str
    subscription_type: str
    session_id: str = ""


class SessionStatus(msgspec.Struct, frozen=True, gc=False):
    """TradingSessionStatus(h): an instrument's phase, or (None) that there is none."""

    client: str
    req_id: str
    symbol: str
    phase: Phase | None
    halted: bool = False
    unsolicited: bool = False
    text: str = ""


Told = Snapshot | Increment | Refusal | SessionStatus


class Subscription(msgspec.Struct, gc=False):
    """A standing request: what was `told` of each symbol, the number of its last entry, what has `moved` since with the
    trades that were made, and the time (ns) before which nothing is told."""

    request: MarketDataRequest
    told: dict[str, tuple[Levels, Levels]] = {}
    statistics: dict[str, DayTotals] = {}
    numbers: dict[str, int] = {}
    moved: dict[str, Prints] = {}
    due: int = 0


class Feed:
    """The standing subscriptions, by client and MDReqID. `is_late`: some have still to be told of what has moved."""

    def __init__(self) -> None:
        self.is_late = False
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.session_watchers: dict[tuple[str, str], SessionStatusRequest] = {}
        self._phases: dict[str, tuple[Phase, bool]] = {}

    def request_session_status(self, state: State, request: SessionStatusRequest) -> list[Told]:
        """Answer with the phase of each instrument asked for, and remember a subscription."""
        key = (request.client, request.req_id)
        if request.subscription_type == UNSUBSCRIBE:
            self.session_watchers.pop(key, None)
            return []
        symbols = [symbol for symbol in state.instruments if request.session_id in ("", symbol)]
        if not symbols:
            return [SessionStatus(*key, request.session_id, None)]
        if request.subscription_type == SUBSCRIBE:
            if sum(client == request.client for client, _ in self.session_watchers) >= MAX_SUBSCRIPTIONS:
                return [SessionStatus(*key, request.session_id, None, text=f"SUBSCRIPTIONS: limit={MAX_SUBSCRIPTIONS}")]
            self.session_watchers[key] = request
        return [SessionStatus(*key, symbol, *_phase(state, symbol)) for symbol in symbols]

    def flush_session_status(self, state: State) -> list[Told]:
        """What subscribers have to be told of phases that have changed."""
        now = {symbol: _phase(state, symbol) for symbol in state.instruments}
        changed = [symbol for symbol, phase in now.items() if self._phases.get(symbol, phase) != phase]
        self._phases = now
        return [
            SessionStatus(*key, symbol, *now[symbol], True)
            for symbol in changed
            for key, request in self.session_watchers.items()
            if request.session_id in ("", symbol)
        ]

    def request(self, state: State, request: MarketDataRequest) -> list[Told]:
        """Answer a request: snapshots, or a refusal with its MDReqRejReason."""
        key = (request.client, request.md_req_id)
        if request.subscription_type == UNSUBSCRIBE:
            if self.subscriptions.pop(key, None) is None:
                return [_refusal(request, "", f"UNKNOWN_SUBSCRIPTION: MDReqID={request.md_req_id}")]
            return []
        refusal = self._refuse(state, request)
        if refusal is not None:
            return [refusal]
        subscription = Subscription(request)
        if request.subscription_type == SUBSCRIBE:
            self.subscriptions[key] = subscription
        told: list[Told] = []
        for symbol in dict.fromkeys(request.symbols):
            last = state.market.last.get(symbol)
            told.append(_whole(state, subscription, symbol, [last] if last is not None else []))
        return told

    def _refuse(self, state: State, request: MarketDataRequest) -> Refusal | None:
        if (request.client, request.md_req_id) in self.subscriptions:
            return _refusal(request, "1", f"DUPLICATE: MDReqID={request.md_req_id}")
        for symbol in request.symbols:
            if symbol not in state.instruments:
                return _refusal(request, "0", f"UNKNOWN_SYMBOL: value={symbol}")
            if not _options(state, request.client).may_see(symbol):
                return _refusal(request, "3", f"NOT_ENTITLED: market data of {symbol} are not for {request.client}")
        if request.subscription_type not in (SNAPSHOT, SUBSCRIBE):
            return _refusal(request, "4", f"UNSUPPORTED: SubscriptionRequestType={request.subscription_type}")
        if not 0 <= request.depth <= MAX_DEPTH:
            return _refusal(request, "5", f"UNSUPPORTED: MarketDepth={request.depth}")
        if request.update_type not in (FULL_REFRESH, INCREMENTAL):
            return _refusal(request, "6", f"UNSUPPORTED: MDUpdateType={request.update_type}")
        for entry_type in request.entry_types:
            if entry_type not in ENTRY_TYPES:
                return _refusal(request, "8", f"UNSUPPORTED: MDEntryType={entry_type}")
        standing = sum(1 for client, _ in self.subscriptions if client == request.client)
        if request.subscription_type == SUBSCRIBE and standing >= MAX_SUBSCRIPTIONS:
            return _refusal(request, "2", f"SUBSCRIPTIONS: limit={MAX_SUBSCRIPTIONS}, value={standing + 1}")
        return None

    def forget(self, client: str) -> None:
        """The client is gone; its subscriptions end with its session."""
        for kept in (self.subscriptions, self.session_watchers):
            for key in [key for key in kept if key[0] == client]:
                del kept[key]

    def flush(self, state: State, now: int, slow: Container[str] = ()) -> list[Told]:
        """What subscribers have to be told now (ns) of the books that changed; those who are `slow` are told later."""
        market = state.market
        moved, market.dirty = market.dirty, {}
        prints, market.prints = market.prints, {}
        told: list[Told] = []
        self.is_late = False
        for subscription in self.subscriptions.values():
            options = _options(state, subscription.request.client)
            for symbol in moved:
                if symbol in subscription.told and options.may_see(symbol):
                    kept = subscription.moved.setdefault(symbol, [])
                    kept += prints.get(symbol, ())
                    del kept[:-MOST_PRINTS]
            if subscription.moved and now >= subscription.due and subscription.request.client not in slow:
                subscription.due = now + options.market_interval
                late, subscription.moved = subscription.moved, {}
                for symbol, made in late.items():
                    told += _update(state, subscription, symbol, made)
            self.is_late = self.is_late or bool(subscription.moved)
        return told


def _phase(state: State, symbol: str) -> tuple[Phase, bool]:
    halted = state.instruments[symbol].halted or ("all", "") in state.halts or ("symbol", symbol) in state.halts
    return state.phase(symbol), halted


def _options(state: State, client: str) -> ClientOptions:
    return state.clients[client].options


def _update(state: State, subscription: Subscription, symbol: str, prints: Prints) -> Iterator[Told]:
    request = subscription.request
    before, totals = subscription.told[symbol], subscription.statistics.get(symbol, NOTHING_YET)
    now = _levels(state, request, symbol)
    day = _totals(state, request, symbol)
    if now == before and day == totals and not (prints and TRADE in request.entry_types):
        return
    if request.update_type == FULL_REFRESH:
        yield _whole(state, subscription, symbol, prints[-1:])
        return
    subscription.told[symbol], subscription.statistics[symbol] = now, day
    entries: list[tuple[str, Entry]] = []
    for kind, old, new in ((BID, before[0], now[0]), (OFFER, before[1], now[1])):
        if kind in request.entry_types:
            entries += _differences(kind, old, new)
    if TRADE in request.entry_types:
        entries += [(NEW, (TRADE, price, qty, "")) for price, qty in prints]
    known = {entry[0]: entry for entry in _statistics(request, totals)}
    told = _statistics(request, day)
    entries += [(CHANGE if entry[0] in known else NEW, entry) for entry in told if known.get(entry[0]) != entry]
    # A day has begun, and nothing has traded yet.
    entries += [(DELETE, entry) for kind, entry in known.items() if not told]
    if entries:
        first = 0
        if _options(state, request.client).numbers_market_data:
            first = subscription.numbers.get(symbol, 0) + 1
            subscription.numbers[symbol] = first + len(entries) - 1
        yield Increment(request.client, request.md_req_id, symbol, tuple(entries), first)


def _differences(kind: str, old: Levels, new: Levels) -> list[tuple[str, Entry]]:
    before = {(price, venue): qty for price, qty, venue in old}
    now = {(price, venue): qty for price, qty, venue in new}
    gone = [(DELETE, (kind, price, qty, venue)) for (price, venue), qty in before.items() if (price, venue) not in now]
    changed = [
        (CHANGE if (price, venue) in before else NEW, (kind, price, qty, venue))
        for (price, venue), qty in now.items()
        if before.get((price, venue)) != qty
    ]
    return gone + changed


def _levels(state: State, request: MarketDataRequest, symbol: str) -> tuple[Levels, Levels]:
    """The best levels of the whole market: our own book and every venue's quotes, together or by exchange. The depth
    counts prices."""
    bids, asks = (
        tuple(_side(state, request, symbol, side)) if kind in request.entry_types else ()
        for kind, side in ((BID, Side.BUY), (OFFER, Side.SELL))
    )
    return bids, asks


def _side(state: State, request: MarketDataRequest, symbol: str, side: Side) -> Iterator[tuple[int, int, str]]:
    if request.aggregated != "Y":
        yield from _by_exchange(state, symbol, side, request.depth)
        return
    ours, theirs = state.books[symbol].levels(side), state.market.books[symbol].levels(side)
    for price, qty in merged_levels(ours, theirs, side, request.depth):
        yield price, qty, ""


def _by_exchange(state: State, symbol: str, side: Side, depth: int) -> Iterator[tuple[int, int, str]]:
    """Levels by exchange, best price first and of one price our own book first."""
    ours = dict(islice(state.books[symbol].levels(side), depth or None))
    theirs = {entries[0].price: entries for entries in islice(state.market.by_price(symbol, side), depth or None)}
    for price in sorted(ours.keys() | theirs.keys(), reverse=side is Side.BUY)[: depth or None]:
        if price in ours:
            yield price, ours[price], ""
        yield from ((price, entry.qty, entry.key[0]) for entry in theirs.get(price, ()))


NOTHING_YET = DayTotals()


def _totals(state: State, request: MarketDataRequest, symbol: str) -> DayTotals:
    """The day's totals, for who takes statistics."""
    wanted = any(kind in request.entry_types for kind in STATISTICS)
    return state.market.totals.get(symbol, NOTHING_YET) if wanted else NOTHING_YET


def _statistics(request: MarketDataRequest, day: DayTotals) -> list[Entry]:
    if not day.volume:
        return []
    entries = (
        (OPENING, day.open, 0, ""),
        (HIGH, day.high, 0, ""),
        (LOW, day.low, 0, ""),
        (VWAP, day.turnover, day.volume, ""),
        (VOLUME, 0, day.volume, ""),
    )
    return [entry for entry in entries if entry[0] in request.entry_types]


def _whole(state: State, subscription: Subscription, symbol: str, prints: Prints) -> Snapshot:
    """The whole of a book as it is, and the trades; it is what the subscriber knows from now on."""
    request = subscription.request
    levels = subscription.told[symbol] = _levels(state, request, symbol)
    day = subscription.statistics[symbol] = _totals(state, request, symbol)
    entries: list[Entry] = [
        (kind, *level)
        for kind, side in ((BID, levels[0]), (OFFER, levels[1]))
        if kind in request.entry_types
        for level in side
    ]
    if TRADE in request.entry_types:
        entries += [(TRADE, price, qty, "") for price, qty in prints]
    entries += _statistics(request, day)
    number = subscription.numbers.get(symbol, 0) if _options(state, request.client).numbers_market_data else -1
    return Snapshot(request.client, request.md_req_id, symbol, tuple(entries), number)


def _refusal(request: MarketDataRequest, reason: str, text: str) -> Refusal:
    return Refusal(request.client, request.md_req_id, reason, text)
