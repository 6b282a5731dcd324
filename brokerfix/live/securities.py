"""What clients ask of instruments: which there are, what they are, whether they trade; read from the state, on no
record. Who subscribes to an instrument's status is told when it changes."""

import msgspec

from brokerfix.domain import Instrument, Phase
from brokerfix.engine.state import State

SUBSCRIBE, UNSUBSCRIBE = "1", "2"
MAX_SUBSCRIPTIONS = 100
"""Standing status requests that a client may have."""


class SecurityListRequest(msgspec.Struct, frozen=True):
    """SecurityListRequest(x): one symbol, or ("") all."""

    client: str
    req_id: str
    symbol: str = ""


class SecurityDefinitionRequest(msgspec.Struct, frozen=True):
    """SecurityDefinitionRequest(c)."""

    client: str
    req_id: str
    symbol: str


class SecurityStatusRequest(msgspec.Struct, frozen=True):
    """SecurityStatusRequest(e), once or with a subscription."""

    client: str
    req_id: str
    subscription_type: str
    symbol: str


class SecurityList(msgspec.Struct, frozen=True):
    """SecurityList(y)."""

    client: str
    req_id: str
    instruments: tuple[Instrument, ...]


class SecurityDefinition(msgspec.Struct, frozen=True):
    """SecurityDefinition(d). Without an instrument there is none of the symbol."""

    client: str
    req_id: str
    symbol: str
    instrument: Instrument | None


class SecurityStatus(msgspec.Struct, frozen=True):
    """SecurityStatus(f): an instrument's phase (None: there is no such instrument), whether it is halted, and its last
    trade's price (0: none)."""

    client: str
    req_id: str
    symbol: str
    phase: Phase | None
    halted: bool = False
    last: int = 0
    unsolicited: bool = False
    text: str = ""


Request = SecurityListRequest | SecurityDefinitionRequest | SecurityStatusRequest
Told = SecurityList | SecurityDefinition | SecurityStatus


class Securities:
    """Answers, and the standing subscriptions by client and SecurityStatusReqID(324)."""

    def __init__(self) -> None:
        self.watchers: dict[tuple[str, str], str] = {}
        self._known: dict[str, tuple[Phase, bool]] = {}

    def answer(self, state: State, request: Request) -> list[Told]:
        if isinstance(request, SecurityListRequest):
            found = [one for symbol, one in state.instruments.items() if request.symbol in ("", symbol)]
            return [SecurityList(request.client, request.req_id, tuple(found))]
        if isinstance(request, SecurityDefinitionRequest):
            known = state.instruments.get(request.symbol)
            return [SecurityDefinition(request.client, request.req_id, request.symbol, known)]
        return self._status(state, request)

    def _status(self, state: State, request: SecurityStatusRequest) -> list[Told]:
        key = request.client, request.req_id
        if request.subscription_type == UNSUBSCRIBE:
            self.watchers.pop(key, None)
            return []
        if request.symbol in state.instruments and request.subscription_type == SUBSCRIBE:
            if sum(client == request.client for client, _ in self.watchers) >= MAX_SUBSCRIPTIONS:
                told = f"SUBSCRIPTIONS: limit={MAX_SUBSCRIPTIONS}"
                return [SecurityStatus(*key, request.symbol, None, text=told)]
            self.watchers[key] = request.symbol
            self._known.setdefault(request.symbol, _standing(state, request.symbol))
        return [status_of(state, *key, request.symbol)]

    def forget(self, client: str) -> None:
        """The client is gone; its subscriptions end with its session."""
        for key in [key for key in self.watchers if key[0] == client]:
            del self.watchers[key]

    def flush(self, state: State) -> list[Told]:
        """What subscribers have to be told of instruments that stand otherwise than they were told."""
        told: list[Told] = []
        for symbol in dict.fromkeys(self.watchers.values()):
            now = _standing(state, symbol)
            if self._known.get(symbol) != now:
                self._known[symbol] = now
                told += [status_of(state, *key, symbol, True) for key, of in self.watchers.items() if of == symbol]
        return told


def _standing(state: State, symbol: str) -> tuple[Phase, bool]:
    return state.phase(symbol), state.is_halted(symbol)


def status_of(state: State, client: str, req_id: str, symbol: str, unsolicited: bool = False) -> SecurityStatus:
    """How an instrument stands."""
    if symbol not in state.instruments:
        return SecurityStatus(client, req_id, symbol, None, text=f"UNKNOWN_SYMBOL: value={symbol}")
    # The last price is market data, which not all may see.
    last = state.market.last.get(symbol) if state.clients[client].options.may_see(symbol) else None
    phase, halted = _standing(state, symbol)
    return SecurityStatus(client, req_id, symbol, phase, halted, last[0] if last is not None else 0, unsolicited)
