"""What a configuration says of market makers: `[makers.NAME]` and, by instrument, `[makers.NAME.quotes.SYMBOL]`."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from brokerfix.domain import (
    Charge,
    ClientOptions,
    ClientQuoting,
    Distance,
    Hedge,
    Inexact,
    Instrument,
    Maker,
    Model,
    Protection,
    Quoting,
    Tier,
    to_money,
    to_scaled,
)
from brokerfix.settings.base import COMP_ID, CompId, ConfigError, Section

MILLISECOND, SECOND = 10**6, 10**9
Millis = Annotated[int, Meta(ge=0, le=86_400_000)]
BPS = "bps"
BPS_DIGITS = 2
"""Basis points have hundredths."""
SHARE_DIGITS = 4


class ProtectionSection(Section, frozen=True):
    """Market maker protection. `qty` and `delta` are in units of the instrument (of a maker's own: of all)."""

    window_ms: Millis = 0
    qty: str = "0"
    delta: str = "0"
    fills: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    sliding: bool = False
    frozen_ms: Millis = 0


class HedgeSection(Section, frozen=True):
    """Where a position is hedged, and from when on."""

    symbol: str
    band: str
    beta: str = "1"
    most: str = "0"
    slip: str = "0"
    share: str = "0"


class QuotingSection(Section, frozen=True):
    """How a maker quotes one instrument. Distances are prices ("0.02") or basis points ("5bps")."""

    size: str
    most_long: str
    most_short: str
    model: Literal["fixed", "avellaneda-stoikov", "glft"] = "fixed"
    place: Literal["book", "exchanges", "both"] = "book"
    venues: tuple[CompId, ...] = ()
    bid_spread: str = "0"
    ask_spread: str = "0"
    min_spread: str = "0"
    levels: Annotated[int, Meta(ge=1, le=100)] = 1
    level_step: str = "0"
    level_size: str = "0"
    gamma: float = 0.0
    horizon_seconds: float = 0.0
    rolling: bool = True
    sigma: float = 0.0
    a: float = 0.0
    k: float = 0.0
    drift: float = 0.0
    microprice: Annotated[float, Meta(ge=0, le=1)] = 0.0
    imbalance: Annotated[float, Meta(ge=0, le=1)] = 0.0
    order_flow: Annotated[float, Meta(ge=0, le=1)] = 0.0
    tolerance: str = "0"
    max_age_ms: Millis = 0
    min_life_ms: Millis = 0
    refresh_ms: Millis = 0
    target: str = "0"
    target_share: str = "0"
    skew_range: str = "0"
    filled_delay_ms: Millis = 0
    ceiling: str = "0"
    floor: str = "0"
    ping_pong: bool = False
    jump: str = "0"
    jump_ms: Millis = 0
    max_reference_age_ms: Millis = 0
    max_loss: str = ""
    reference: Literal["market", "own"] = "market"
    protection: ProtectionSection = ProtectionSection()
    hedge: HedgeSection | None = None


class TierSection(Section, frozen=True):
    """What is added to quotes for these clients (none: for all others); `most` is a multiple of the quote's size (0:
    the position's bounds)."""

    clients: tuple[CompId, ...] = ()
    spread: str = "0"
    size: str = "0"
    most: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class MakerSection(Section, frozen=True):
    """A simulated exchange's liquidity: a market maker of ours that quotes all instruments around a random walk."""

    account: CompId
    seed: int
    interval_ms: Annotated[int, Meta(ge=1)] = 500
    levels: Annotated[int, Meta(ge=1, le=50)] = 3
    spread_ticks: Annotated[int, Meta(ge=1)] = 2
    qty: str = "500"
    step_ticks: Annotated[int, Meta(ge=0)] = 1


class MakersSection(Section, frozen=True):
    """A market maker: it trades as a client of its name."""

    account: CompId
    quotes: dict[str, QuotingSection]
    max_orders_per_second: Annotated[int, Meta(ge=0)] = 0
    self_match: Literal["none", "cancel-newest", "cancel-oldest", "cancel-both", "decrement"] = "cancel-oldest"
    self_match_scope: Literal["client", "group"] = "client"
    commission: Charge = Charge(exchange_fees=True)
    protection: ProtectionSection = ProtectionSection()
    news: tuple[tuple[str, str], ...] = ()
    rfq_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    tiers: tuple[TierSection, ...] = ()
    flatten_seconds: Annotated[int, Meta(ge=0, le=43_200)] = 0

    @property
    def options(self) -> ClientOptions:
        charge = self.commission if self.commission != Charge() else None
        return ClientOptions(self_match=self.self_match, self_match_scope=self.self_match_scope, commission=charge)


class ClientQuotingSection(Section, frozen=True):
    """What a client's session may quote in our own book. The fills of all its quotes count towards `protection`, those
    of each symbol by itself towards `symbol_protection`."""

    symbols: tuple[str, ...] = ()
    max_quotes: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    protection: ProtectionSection = ProtectionSection()
    symbol_protection: ProtectionSection = ProtectionSection()


def quoters_of(path: Path, read: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> dict[str, ClientQuoting]:
    """What clients may quote, as the engine has it. Raises ConfigError."""
    sections = {name: client.quoting for name, client in read["clients"].items() if client.quoting is not None}
    return {name: _client_quoting(path, name, section, instruments) for name, section in sections.items()}


def _client_quoting(
    path: Path, name: str, section: ClientQuotingSection, instruments: Mapping[str, Instrument]
) -> ClientQuoting:
    at = f"clients.{name}.quoting"
    for symbol in section.symbols:
        if symbol not in instruments:
            raise ConfigError(f"{path}: {at}.symbols: there is no [instruments.{symbol}]")
    quoted = [instruments[symbol] for symbol in section.symbols or instruments]
    _one_scale(path, f"{at}.protection", section.protection, quoted)
    each = [
        (one.symbol, _Reader(path, at, one).protection("symbol_protection", section.symbol_protection))
        for one in quoted
        if section.symbol_protection != ProtectionSection()
    ]
    whole = _Reader(path, at, quoted[0]).protection("protection", section.protection)
    return ClientQuoting(name, section.symbols, section.max_quotes, whole, tuple(each))


def _one_scale(path: Path, key: str, section: ProtectionSection, instruments: Iterable[Instrument]) -> None:
    if section.window_ms and len({one.qty_digits for one in instruments}) > 1:
        raise ConfigError(f"{path}: {key}: counts units of all its instruments, which have different qty_digits")


def makers_of(path: Path, read: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> dict[str, Maker]:
    """The market makers as the engine has them. Raises ConfigError."""
    return {name: _maker(path, name, section, read, instruments) for name, section in read["makers"].items()}


def _maker(
    path: Path, name: str, section: MakersSection, read: Mapping[str, Any], instruments: Mapping[str, Instrument]
) -> Maker:
    at = f"makers.{name}"
    if not COMP_ID.fullmatch(name) or name in read["clients"]:
        raise ConfigError(f"{path}: {at}: must be a CompID that no client has, as it trades as a client of its name")
    if section.account not in read["accounts"]:
        raise ConfigError(f"{path}: {at}.account: there is no [accounts.{section.account}]")
    for other, its in read["makers"].items():
        if other != name and its.account == section.account:
            told = f"is that of makers.{other} too: each hedges what its account has"
            raise ConfigError(f"{path}: {at}.account: {told}")
    quoting = []
    for symbol, one in section.quotes.items():
        if symbol not in instruments:
            raise ConfigError(f"{path}: {at}.quotes.{symbol}: there is no [instruments.{symbol}]")
        quoting.append(_Reader(path, f"{at}.quotes.{symbol}", instruments[symbol]).quoting(one, read, instruments))
    if not quoting:
        raise ConfigError(f"{path}: {at}.quotes: at least one instrument is needed, [{at}.quotes.SYMBOL]")
    _one_scale(path, f"{at}.protection", section.protection, [instruments[symbol] for symbol in section.quotes])
    first = _Reader(path, at, instruments[quoting[0].symbol])
    for number, tier in enumerate(section.tiers):
        for client in tier.clients:
            if client not in read["clients"]:
                raise ConfigError(f"{path}: {at}.tiers[{number}].clients: there is no [clients.{client}]")
    return Maker(
        name,
        section.account,
        tuple(quoting),
        first.protection("protection", section.protection),
        tuple(_times(path, f"{at}.news", since, until) for since, until in section.news),
        round(section.rfq_seconds * SECOND),
        tuple(
            Tier(tier.clients, first.distance("tiers.spread", tier.spread), first.distance("tiers.size", tier.size),
                 tier.most)
            for tier in section.tiers
        ),
        section.flatten_seconds * SECOND,
    )  # fmt: skip


def read_quoting(
    path: Path, at: str, section: QuotingSection, symbol: str, read: Mapping[str, Any],
    instruments: Mapping[str, Instrument],
) -> Quoting:  # fmt: skip
    """How an instrument is quoted by a table at the key `at`. `read` has the configuration's `venues`. Raises
    ConfigError."""
    return _Reader(path, at, instruments[symbol]).quoting(section, read, instruments)


UNBOUNDED = 10**14
"""The bounds of a simulated exchange's market maker, which has as much as is asked for (scaled)."""


def walks_maker(path: Path, name: str, section: MakerSection, instruments: Mapping[str, Instrument]) -> Maker:
    """A simulated exchange's market maker: it quotes all instruments around where the simulation has the market. Raises
    ConfigError."""
    quoting = []
    for symbol, instrument in instruments.items():
        qty = _Reader(path, "maker", instrument).qty("qty", section.qty, 1)
        half = Distance((section.spread_ticks + 1) // 2 * instrument.tick)
        quoting.append(
            Quoting(
                symbol, Model("fixed", half, half), qty, UNBOUNDED, -UNBOUNDED, levels=section.levels,
                level_step=instrument.tick, reference="own",
            )
        )  # fmt: skip
    return Maker(name, section.account, tuple(quoting))


class _Reader:
    """Reads the values of a table at a key, in the scale of an instrument. Everything raises ConfigError."""

    def __init__(self, path: Path, at: str, instrument: Instrument) -> None:
        self._path, self._at, self._instrument = path, at, instrument

    def wrong(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"{self._path}: {self._at}.{key}: {why}")

    def scaled(self, key: str, text: str, digits: int, least: int | None = 0) -> int:
        try:
            value = to_scaled(text, digits)
        except Inexact as error:
            raise self.wrong(key, str(error)) from error
        if least is not None and value < least:
            raise self.wrong(key, "must not be below 0" if not least else "must be above 0")
        return value

    def qty(self, key: str, text: str, least: int | None = 0) -> int:
        """Units in whole lots."""
        value = self.scaled(key, text, self._instrument.qty_digits, least)
        if value % self._instrument.lot:
            raise self.wrong(key, f"{text} is no multiple of the lot")
        return value

    def price(self, key: str, text: str) -> int:
        value = self.scaled(key, text, self._instrument.price_digits)
        if value % self._instrument.tick:
            raise self.wrong(key, f"{text} is no multiple of the tick")
        return value

    def distance(self, key: str, text: str) -> Distance:
        if text.endswith(BPS):
            return Distance(bps=self.scaled(key, text.removesuffix(BPS).strip(), BPS_DIGITS))
        return Distance(self.scaled(key, text, self._instrument.price_digits))

    def protection(self, key: str, section: ProtectionSection) -> Protection:
        digits = self._instrument.qty_digits
        qty = self.scaled(f"{key}.qty", section.qty, digits)
        delta = self.scaled(f"{key}.delta", section.delta, digits)
        if section.window_ms and not (qty or delta or section.fills):
            raise self.wrong(f"{key}.window_ms", "there is no qty, delta or fills to count in it")
        if (qty or delta or section.fills) and not section.window_ms:
            raise self.wrong(f"{key}.window_ms", "must be above 0 where there is a qty, delta or fills")
        frozen = section.frozen_ms * MILLISECOND
        return Protection(section.window_ms * MILLISECOND, qty, delta, section.fills, section.sliding, frozen)

    def quoting(
        self, section: QuotingSection, read: Mapping[str, Any], instruments: Mapping[str, Instrument]
    ) -> Quoting:
        instrument = self._instrument
        qty = self.qty("size", section.size, 1)
        most_long, most_short = (
            self.qty("most_long", section.most_long),
            self.qty("most_short", section.most_short, None),
        )
        if most_short > 0:
            raise self.wrong("most_short", "must not be above 0: it is a position")
        if most_long - most_short < instrument.lot:
            raise self.wrong("most_long", "there must be a lot at least between most_short and most_long")
        target = self.qty("target", section.target, None)
        if not most_short <= target <= most_long:
            raise self.wrong("target", "must be between most_short and most_long")
        step = self.price("level_step", section.level_step)
        if section.levels > 1 and not step:
            raise self.wrong("level_step", "must be a tick at least where there are more levels than one")
        for venue in section.venues:
            if venue not in read["venues"]:
                raise self.wrong("venues", f"there is no [venues.{venue}]")
        if section.place != "book" and not read["venues"]:
            raise self.wrong("place", f'"{section.place}" needs exchanges, [venues.NAME]')
        ceiling, floor = self.price("ceiling", section.ceiling), self.price("floor", section.floor)
        if ceiling and floor > ceiling:
            raise self.wrong("floor", "must not be above the ceiling")
        jump = self.distance("jump", section.jump)
        if section.jump_ms and jump == Distance():
            raise self.wrong("jump", "must be above 0 where there is a jump_ms")
        share = self.scaled("target_share", section.target_share, SHARE_DIGITS)
        if share > 10**SHARE_DIGITS:
            raise self.wrong("target_share", "must be 0 to 1")
        if section.max_loss and self.money("max_loss", section.max_loss) <= 0:
            raise self.wrong("max_loss", "must be above 0")
        return Quoting(
            instrument.symbol,
            self.model(section),
            qty,
            most_long,
            most_short,
            section.place,
            section.venues,
            section.levels,
            step,
            self.qty("level_size", section.level_size, None),
            self.distance("min_spread", section.min_spread),
            self.distance("tolerance", section.tolerance),
            section.max_age_ms * MILLISECOND,
            section.min_life_ms * MILLISECOND,
            section.refresh_ms * MILLISECOND,
            target,
            share,
            self.qty("skew_range", section.skew_range),
            section.filled_delay_ms * MILLISECOND,
            ceiling,
            floor,
            section.ping_pong,
            jump,
            section.jump_ms * MILLISECOND,
            section.max_reference_age_ms * MILLISECOND,
            section.max_loss,
            self.protection("protection", section.protection),
            self.hedge(section.hedge, instruments) if section.hedge is not None else None,
            section.reference,
        )

    def money(self, key: str, text: str) -> int:
        try:
            return to_money(text)
        except Inexact as error:
            raise self.wrong(key, str(error)) from error

    def model(self, section: QuotingSection) -> Model:
        """The model, whose parameters must make sense together."""
        numbers = ("gamma", "horizon_seconds", "sigma", "a", "k", "drift")
        for key in numbers:
            value = getattr(section, key)
            if not math.isfinite(value):
                raise self.wrong(key, f"{value} is no number")
            if key != "drift" and value < 0:
                raise self.wrong(key, "must not be below 0")
        needs = {"fixed": (), "avellaneda-stoikov": ("gamma", "k", "sigma", "horizon_seconds"),
                 "glft": ("gamma", "k", "a", "sigma")}[section.model]  # fmt: skip
        for key in needs:
            if not getattr(section, key) > 0:
                raise self.wrong(key, f"must be above 0 for the model {section.model}")
        bid, ask = self.distance("bid_spread", section.bid_spread), self.distance("ask_spread", section.ask_spread)
        if section.model == "fixed":
            least = self.distance("min_spread", section.min_spread)
            for key, distance in (("bid_spread", bid), ("ask_spread", ask)):
                if not distance.bps and distance.price * 2 < self._instrument.tick and not (least.bps or least.price):
                    raise self.wrong(key, "the spread is under a tick")
        elif Distance() != bid or Distance() != ask:
            raise self.wrong("bid_spread" if bid != Distance() else "ask_spread", 'is of the model "fixed"')
        return Model(
            section.model, bid, ask, section.gamma, section.horizon_seconds, section.rolling, section.sigma, section.a,
            section.k, section.drift, section.microprice, section.imbalance, section.order_flow,
        )  # fmt: skip

    def hedge(self, section: HedgeSection, instruments: Mapping[str, Instrument]) -> Hedge:
        where = instruments.get(section.symbol)
        if where is None:
            raise self.wrong("hedge.symbol", f"there is no [instruments.{section.symbol}]")
        if where.qty_digits != self._instrument.qty_digits:
            raise self.wrong("hedge.symbol", f"{section.symbol} has other qty_digits")
        its = _Reader(self._path, self._at, where)
        beta = self.scaled("hedge.beta", section.beta, SHARE_DIGITS, None)
        if not beta or (section.symbol == self._instrument.symbol and beta != 10**SHARE_DIGITS):
            raise self.wrong("hedge.beta", "must not be 0, and is 1 where an instrument is hedged with itself")
        share = self.scaled("hedge.share", section.share, SHARE_DIGITS)
        return Hedge(
            section.symbol, its.qty("hedge.band", section.band), beta, its.qty("hedge.most", section.most),
            its.distance("hedge.slip", section.slip), share,
        )  # fmt: skip


def _times(path: Path, key: str, since: str, until: str) -> tuple[int, int]:
    """Two times of ISO 8601 as ns."""
    found = []
    for text in (since, until):
        try:
            time = datetime.fromisoformat(text)
        except ValueError as error:
            raise ConfigError(f"{path}: {key}: {text!r} is no time; write 2026-11-27T13:30:00Z") from error
        if time.tzinfo is None:
            raise ConfigError(f"{path}: {key}: {text} has no time zone; write {text}Z for UTC")
        found.append(round(time.timestamp() * 1000) * MILLISECOND)
    if found[0] >= found[1]:
        raise ConfigError(f"{path}: {key}: {since} is not before {until}")
    return found[0], found[1]
