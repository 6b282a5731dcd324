"""How a fact's values are written for others: numbers of facts as their text, times as ISO text, prices and quantities
as exact decimal text, enumerations by their names in lower case. A price or quantity of an instrument that is not known
stays the scaled integer that it is, as a JSON number.

What each whole number of a fact is stands in `ROLES`, by its field's name or, where a name means several things, by
STRUCT.FIELD. One that is not named there is a KeyError at import.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec import inspect as types

from brokerfix.domain import Instrument, id_text, to_text

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
ID = r"^([0-9]{8}(-[0-9]{2})?-[0-9]+)?$"
MOMENT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z)?$"
Amount = Annotated[str, Meta(pattern=DECIMAL)] | Annotated[int, Meta(description="scaled, of an unknown instrument")]
Id = Annotated[str, Meta(pattern=ID, description="the number of a fact, '' for none")]
Moment = Annotated[str, Meta(pattern=MOMENT, description="UTC, to the nanosecond, '' for none")]


class Role(StrEnum):
    """What a whole number is. TWICE is a price times two, NOTIONAL the sum of prices times quantities, as text because
    it has more than 64 bits."""

    ID = "id"
    MOMENT = "moment"
    PRICE = "price"
    TWICE = "twice"
    QTY = "qty"
    NOTIONAL = "notional"
    PLAIN = "plain"


def _named(role: Role, names: str) -> dict[str, Role]:
    return dict.fromkeys(names.split(), role)


ROLES: Mapping[str, Role] = {
    **_named(
        Role.ID,
        "id order_id child_id request_id exec_id ref_id maker_order_id taker_order_id quote_id next_id proposal "
        "overdue StatusesAsked.orders QuotesTraded.fills.0 BreakResolved.number StateChecked.of DeletedFile.last "
        "Finding.evidence",
    ),
    **_named(
        Role.MOMENT,
        "at until ends began ended valid_until expire_at Strategy.start Strategy.end Maker.news.0 Maker.news.1",
    ),
    **_named(
        Role.PRICE,
        "price risk_price stop_px peg_offset limit bid ask mark open high low spread tick reference ceiling floor "
        "anchor "
        "RouteDecided.bid.0 RouteDecided.ask.0 Quoted.bids.0 Quoted.asks.0 Quoted.last.0",
    ),
    **_named(Role.TWICE, "mid QuotesResumed.mids.1"),
    **_named(
        Role.QTY,
        "qty max_floor min_qty expected_qty gets aimed position order_qty cum due done traded bid_qty ask_qty volume "
        "delta band lot most_long most_short level_qty target skew_range Hedge.most HedgeDecided.of.1 "
        "RouteDecided.bid.1 RouteDecided.ask.1 Quoted.bids.1 Quoted.asks.1 Quoted.last.1",
    ),
    **_named(Role.NOTIONAL, "DayTotals.told_turnover"),
    **_named(
        Role.PLAIN,
        "expire_day interval rate urgency bps levels level_step max_age min_life refresh target_share filled_delay "
        "jump_window max_reference_age window fills frozen beta share valid flatten most level samples q_max count "
        "bucket weights percent numerator denominator total MassCanceled.orders ref_seq_num offset max_error day seen "
        "price_digits qty_digits collar_bps opens closes money_factor peg_interval pre_open opening_auction "
        "closing_auction multiplier static_bps dynamic_bps outlier_mads latency_cost cross_share repost_interval "
        "window_seconds duplicate_seconds max_rate grace most_following market_interval max_quote_age "
        "circuit_failures circuit_time grace_seconds relief_bps days score multiplier_bps AccountFrozen.until "
        "QuotesTraded.fills.1 Protection.qty Protection.delta epoch shard to move source PartsSet.number "
        "DeletedFile.size DeletedFile.records",
    ),
}


class Scales:
    """The digits of an instrument's prices and quantities; -1: it is not known. `of` has another one's."""

    __slots__ = ("of", "price", "qty", "twice")

    def __init__(self, price: int, qty: int, of: "Callable[[str], Scales]") -> None:
        self.price, self.qty, self.twice, self.of = price, qty, price + 1 if price >= 0 else -1, of


class Digits:
    """The scales of all instruments that a state has. Digits never change, so they are looked up once."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._unknown = Scales(-1, -1, self.of)
        self._known: dict[str, Scales] = {}

    def of(self, symbol: str) -> Scales:
        """The scales of a symbol."""
        found = self._known.get(symbol)
        if found is None:
            instrument = self._instruments.get(symbol)
            if instrument is None:
                return self._unknown
            found = self._known[symbol] = Scales(instrument.price_digits, instrument.qty_digits, self.of)
        return found


Writer = Callable[[Any, Scales], Any]


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def moment_text(at: int) -> str:
    """Nanoseconds UTC -> ISO text with nine decimals; '' for 0 and below, which mean no time."""
    if at <= 0:
        return ""
    second, nanos = divmod(at, 10**9)
    return f"{_second(second)}.{nanos:09d}Z"


def moment_of(text: str) -> int:
    """What `moment_text` was made of. Raises ValueError."""
    if not text:
        return 0
    second, _, nanos = text.removesuffix("Z").partition(".")
    whole = datetime.strptime(second, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * 10**9 + int(nanos.ljust(9, "0")[:9] or 0)


def _id(value: int, scales: Scales) -> str:
    return id_text(value) if value else ""


def _moment(value: int, scales: Scales) -> str:
    return moment_text(value)


def _price(value: int, scales: Scales) -> str | int:
    return to_text(value, scales.price) if scales.price >= 0 else value


def _twice(value: int, scales: Scales) -> str | int:
    # Half of it has one decimal more.
    return to_text(value * 5, scales.twice) if scales.twice >= 0 else value


def _qty(value: int, scales: Scales) -> str | int:
    return to_text(value, scales.qty) if scales.qty >= 0 else value


def _notional(value: str, scales: Scales) -> str | int:
    return to_text(int(value), scales.price + scales.qty) if scales.price >= 0 else int(value)


WRITERS: Mapping[Role, tuple[Any, Writer | None]] = {
    Role.ID: (Id, _id),
    Role.MOMENT: (Moment, _moment),
    Role.PRICE: (Amount, _price),
    Role.TWICE: (Amount, _twice),
    Role.QTY: (Amount, _qty),
    Role.NOTIONAL: (Amount, _notional),
    Role.PLAIN: (int, None),
}
Form = tuple[Any, Writer | None]
"""How a value is written: its type for others, and what makes it (None: it is as it is)."""
_forms: dict[type, Form] = {}


def form_of_struct(struct: type[msgspec.Struct], leave_out: tuple[str, ...] = ()) -> Form:
    """The form of a Struct: an object with its fields by name, but for those that are left out; those below a `symbol`
    of its own are of that instrument. Raises KeyError for a whole number that is not in ROLES."""
    if struct in _forms:
        return _forms[struct]
    fields, writers = [], []
    for field in msgspec.structs.fields(struct):
        if field.name in leave_out:
            continue
        kind, write = _form(types.type_info(field.type), struct.__name__, field.name)
        fields.append((field.name, kind))
        if write is not None:
            writers.append((field.name, write))
    twin = msgspec.defstruct(struct.__name__, fields, namespace={"__doc__": struct.__doc__})
    has_symbol = any(name == "symbol" for name, _ in fields)
    _forms[struct] = twin, _struct_writer(tuple(writers), has_symbol, leave_out)
    return _forms[struct]


def _struct_writer(writers: tuple[tuple[str, Writer], ...], has_symbol: bool, leave_out: tuple[str, ...]) -> Writer:
    def write(value: Any, scales: Scales) -> dict[str, Any]:
        row = msgspec.structs.asdict(value)
        for name in leave_out:
            del row[name]
        if has_symbol:
            scales = scales.of(row["symbol"])
        for name, writer in writers:
            row[name] = writer(row[name], scales)
        return row

    return write


def _form(kind: types.Type, struct: str, field: str) -> Form:
    """The form of a type, which the field of the struct has."""
    if isinstance(kind, types.Metadata):
        return _form(kind.type, struct, field)
    if isinstance(kind, types.IntType):
        role = ROLES.get(f"{struct}.{field}") or ROLES.get(field)
        if role is None:
            raise KeyError(f"{struct}.{field}: ROLES does not say what this whole number is")
        return WRITERS[role]
    if isinstance(kind, types.StrType):
        return WRITERS[ROLES[f"{struct}.{field}"]] if f"{struct}.{field}" in ROLES else (str, None)
    if isinstance(kind, types.EnumType):
        return _enum_form(kind.cls)
    if isinstance(kind, types.StructType):
        return form_of_struct(kind.cls)
    if isinstance(kind, types.UnionType):
        return _optional_form(kind, struct, field)
    if isinstance(kind, types.VarTupleType):
        inner, write = _form(kind.item_type, struct, field)
        return tuple[inner, ...], _many(write)  # type: ignore[valid-type]
    if isinstance(kind, types.TupleType):
        return _tuple_form(kind, struct, field)
    plain = {types.BoolType: bool, types.FloatType: float, types.NoneType: None}
    return plain[type(kind)], None


def _enum_form(cls: type[Enum]) -> Form:
    names = {member: member.name.lower() for member in cls}
    return Literal[tuple(names.values())], lambda value, scales: names[value]


def _optional_form(kind: types.UnionType, struct: str, field: str) -> Form:
    (some,) = (one for one in kind.types if not isinstance(one, types.NoneType))
    inner, write = _form(some, struct, field)
    if write is None:
        return inner | None, None
    return inner | None, lambda value, scales: None if value is None else write(value, scales)


def _many(write: Writer | None) -> Writer | None:
    return None if write is None else lambda value, scales: [write(one, scales) for one in value]


def _tuple_form(kind: types.TupleType, struct: str, field: str) -> Form:
    forms = [_form(one, struct, f"{field}.{at}") for at, one in enumerate(kind.item_types)]
    inner = tuple[tuple(one for one, _ in forms)]  # type: ignore[misc, valid-type]
    writers = tuple((at, write) for at, (_, write) in enumerate(forms) if write is not None)
    # A pair of a symbol and a number is of that instrument.
    of_symbol = isinstance(kind.item_types[0], types.StrType) and field in ("of", "mids")

    def write(value: Any, scales: Scales) -> list[Any]:
        row = list(value)
        if of_symbol:
            scales = scales.of(row[0])
        for at, writer in writers:
            row[at] = writer(row[at], scales)
        return row

    return inner, write if writers else None
