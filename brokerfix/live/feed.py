"""Our own market data: who has asked for which books, and what to tell them. It knows no FIX text and no socket.

Changes are told at a conflated rate: `flush` compares each book that changed with what a subscriber was told last.
"""

import msgspec

from brokerfix.domain import Phase, Side
from brokerfix.engine.market import merged_levels
from brokerfix.engine.state import State

Levels = tuple[tuple[int, int], ...]

BID, OFFER, TRADE = "0", "1", "2"
ENTRY_TYPES = frozenset((BID, OFFER, TRADE))
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"
FULL_REFRESH, INCREMENTAL = "0", "1"
NEW, CHANGE, DELETE = "0", "1", "2"
MAX_DEPTH = 10_000
MAX_SUBSCRIPTIONS = 100
"""Market data requests a client may have standing."""


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
    """A whole book: MarketDataSnapshotFullRefresh(W). Entries are (MDEntryType, price, quantity)."""

    client: str
    md_req_id: str
    symbol: str
    entries: tuple[tuple[str, int, int], ...]


class Increment(msgspec.Struct, frozen=True, gc=False):
    """What changed: MarketDataIncrementalRefresh(X). Entries are (MDUpdateAction, MDEntryType, price, quantity)."""

    client: str
    md_req_id: str
    symbol: str
    entries: tuple[tuple[str, str, int, int], ...]


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
    request: MarketDataRequest
    told: dict[str, tuple[Levels, Levels]] = {}


class Feed:
    """The standing subscriptions, by client and MDReqID."""

    def __init__(self) -> None:
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
            levels = subscription.told[symbol] = _levels(state, symbol, request.depth)
            told.append(_snapshot(request, symbol, levels, state.market.last.get(symbol)))
        return told

    def _refuse(self, state: State, request: MarketDataRequest) -> Refusal | None:
        if (request.client, request.md_req_id) in self.subscriptions:
            return _refusal(request, "1", f"DUPLICATE: MDReqID={request.md_req_id}")
        for symbol in request.symbols:
            if symbol not in state.instruments:
                return _refusal(request, "0", f"UNKNOWN_SYMBOL: value={symbol}")
        if request.subscription_type not in (SNAPSHOT, SUBSCRIBE):
            return _refusal(request, "4", f"UNSUPPORTED: SubscriptionRequestType={request.subscription_type}")
        if not 0 <= request.depth <= MAX_DEPTH:
            return _refusal(request, "5", f"UNSUPPORTED: MarketDepth={request.depth}")
        if request.update_type not in (FULL_REFRESH, INCREMENTAL):
            return _refusal(request, "6", f"UNSUPPORTED: MDUpdateType={request.update_type}")
        if request.aggregated != "Y":
            return _refusal(request, "7", f"UNSUPPORTED: AggregatedBook={request.aggregated}")
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

    def flush(self, state: State) -> list[Told]:
        """What subscribers have to be told of the books that changed since the last flush."""
        market = state.market
        if not market.dirty:
            return []
        moved, market.dirty = market.dirty, {}
        prints = dict(market.prints)
        market.prints.clear()
        told: list[Told] = []
        for subscription in self.subscriptions.values():
            for symbol in subscription.told:
                if symbol in moved:
                    told += _update(state, subscription, symbol, prints.get(symbol, []))
        return told


def _phase(state: State, symbol: str) -> tuple[Phase, bool]:
    halted = state.instruments[symbol].halted or ("all", "") in state.halts or ("symbol", symbol) in state.halts
    return state.phase(symbol), halted


def _update(state: State, subscription: Subscription, symbol: str, prints: list[tuple[int, int]]) -> list[Told]:
    request = subscription.request
    before = subscription.told[symbol]
    now = _levels(state, symbol, request.depth)
    if now == before and not (prints and TRADE in request.entry_types):
        return []
    subscription.told[symbol] = now
    if request.update_type == FULL_REFRESH:
        return [_snapshot(request, symbol, now, prints[-1] if prints else None)]
    entries: list[tuple[str, str, int, int]] = []
    for entry_type, old, new in ((BID, before[0], now[0]), (OFFER, before[1], now[1])):
        if entry_type in request.entry_types:
            entries += _differences(entry_type, dict(old), dict(new))
    if TRADE in request.entry_types:
        entries += [(NEW, TRADE, price, qty) for price, qty in prints]
    return [Increment(request.client, request.md_req_id, symbol, tuple(entries))] if entries else []


def _differences(entry_type: str, old: dict[int, int], new: dict[int, int]) -> list[tuple[str, str, int, int]]:
    gone = [(DELETE, entry_type, price, qty) for price, qty in old.items() if price not in new]
    changed = [
        (CHANGE if price in old else NEW, entry_type, price, qty) for price, qty in new.items() if old.get(price) != qty
    ]
    return gone + changed


def _levels(state: State, symbol: str, depth: int) -> tuple[Levels, Levels]:
    """The best levels of the whole market: our own book and every venue's quotes together."""
    book, quotes = state.books[symbol], state.market.books[symbol]
    bids, asks = (merged_levels(book.levels(side), quotes.levels(side), side, depth) for side in Side)
    return bids, asks


def _snapshot(
    request: MarketDataRequest, symbol: str, levels: tuple[Levels, Levels], last: tuple[int, int] | None
) -> Snapshot:
    entries = [
        (entry_type, price, qty)
        for entry_type, side in ((BID, levels[0]), (OFFER, levels[1]))
        if entry_type in request.entry_types
        for price, qty in side
    ]
    if last is not None and TRADE in request.entry_types:
        entries.append((TRADE, *last))
    return Snapshot(request.client, request.md_req_id, symbol, tuple(entries))


def _refusal(request: MarketDataRequest, reason: str, text: str) -> Refusal:
    return Refusal(request.client, request.md_req_id, reason, text)
