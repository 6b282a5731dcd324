"""A fact as the stream has it: an envelope of version VERSION, as JSON or as a MessagePack map of the same names."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from brokerfix.domain import id_text, shard_of
from brokerfix.facts import KINDS, Fact, StateKept
from brokerfix.projections.events.about import About
from brokerfix.projections.events.values import DECIMAL, Digits, Id, Moment, Writer, form_of_struct, moment_text
from brokerfix.record.journal import OURS, Origin
from brokerfix.settings.servers import CHECKPOINT as CHECKPOINT

VERSION = 1
"""Of the envelope and all kinds. Fields and kinds may be added to a version; what one means never changes in it."""
TOLD: Mapping[str, type[Fact]] = {kind.__name__: kind for kind in KINDS if kind is not StateKept}
"""The kinds that are in the stream, by name. The whole state, as older versions kept it in the journal, is no news."""
MARKET = "Market"
"""The kind of market data, which is no fact's."""
IN_ENVELOPE = ("at", "id")
FORMS: Mapping[type[Fact], tuple[Any, Writer]] = {
    kind: form_of_struct(kind, IN_ENVELOPE)  # type: ignore[misc]
    for kind in TOLD.values()
}


class EventOrigin(msgspec.Struct, frozen=True, omit_defaults=False):
    """What brought a fact about: the session, and the MsgSeqNum(34), SendingTime(52) and TransactTime(60) of its
    message; when that came; of an operator's action, who."""

    session: str
    seq_num: int
    received: Moment
    sending_time: str
    transact_time: str
    who: str


class Message(NamedTuple):
    """One message of the stream: the fact's number (of a trade's maker, one less), when (ns), what and whom it is
    about, and its bytes."""

    number: int
    at: int
    kind: str
    account: str
    symbol: str
    body: bytes


ENCODERS: Mapping[str, Callable[[Any], bytes]] = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
DECODERS: Mapping[str, Callable[[bytes], Any]] = {"json": msgspec.json.decode, "msgpack": msgspec.msgpack.decode}


class Form:
    """Makes messages in a format, "json" or "msgpack", with the digits of a state's instruments."""

    def __init__(self, digits: Digits, format: str = "json") -> None:
        self._digits = digits
        self._encode = ENCODERS[format]
        self._origin: tuple[Origin, dict[str, Any] | None] = OURS, None

    def message(self, number: int, fact: Fact, about: About, origin: Origin) -> Message:
        account, symbol = about
        kind = type(fact)
        name = kind.__name__
        # The facts of a record have one origin.
        if origin is not self._origin[0]:
            self._origin = origin, _origin_row(origin)
        row = {
            "v": VERSION, "id": id_text(number), "at": moment_text(fact.at), "kind": name, "shard": shard_of(number),
            "account": account, "symbol": symbol, "origin": self._origin[1],
            "fact": FORMS[kind][1](fact, self._digits.of(symbol)),
        }  # fmt: skip
        return Message(number, fact.at, name, account, symbol, self._encode(row))


def without_fact(message: Message, format: str) -> Message:
    """The message without its fact, for a queue that takes none so large."""
    row = DECODERS[format](message.body)
    row["fact"] = None
    return message._replace(body=ENCODERS[format](row))


def _origin_row(origin: Origin) -> dict[str, Any] | None:
    if origin == OURS:
        return None
    row = msgspec.structs.asdict(origin)
    row["received"] = moment_text(origin.received)
    return row


def envelope(kind: type[Fact]) -> type[msgspec.Struct]:
    """The type of a kind's messages."""
    fields = [
        ("v", Literal[VERSION]),
        ("id", Id),
        ("at", Moment),
        ("kind", Literal[kind.__name__]),
        ("shard", int),
        ("account", str),
        ("symbol", str),
        ("origin", EventOrigin | None),
        ("fact", FORMS[kind][0] | None),
    ]
    told = f"A {kind.__name__} as the stream has it. Without a `fact` it is larger than the queue takes."
    return msgspec.defstruct(f"{kind.__name__}Event", fields, namespace={"__doc__": told})


class MarketEvent(msgspec.Struct, frozen=True):
    """The best levels of a symbol (price, quantity, exchange; best first), the last print (price, quantity), the price
    that risk goes by, and what has traded on the day, as of the fact `id`."""

    v: Literal[1]
    id: Id
    at: Moment
    kind: Literal["Market"]
    shard: int
    symbol: str
    bids: tuple[tuple[str, str, str], ...]
    asks: tuple[tuple[str, str, str], ...]
    last: tuple[str, str] | None
    mark: Annotated[str, Meta(pattern=DECIMAL)]
    state: str
    mid: str | None
    volume: str
    vwap: str | None


class CheckpointEvent(msgspec.Struct, frozen=True):
    """A signed checkpoint: `note` is the signed note (C2SP tlog-checkpoint) as it is, that the first `size` records of
    the day's journal have its root; `origin` is the log's name in it, `id` the last fact that it covers, `at` when it
    was signed."""

    v: Literal[1]
    id: Id
    at: Moment
    kind: Literal["Checkpoint"]
    shard: int
    day: int
    size: int
    origin: str
    note: str
