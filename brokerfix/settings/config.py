"""A TOML file -> frozen settings. Anything wrong is a ConfigError that names the file, the key and the reason."""

import json
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from brokerfix.domain import (
    FEATURES,
    MONEY_DIGITS,
    ClientOptions,
    Inexact,
    Instrument,
    Limits,
    Venue,
    to_money,
    to_scaled,
)
from brokerfix.settings import passwords

COMP_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
CompId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
MAKER = "MAKER"
"""The client name of the built-in market maker, which has no session."""
Port = Annotated[int, Meta(ge=1, le=65535)]
Digits = Annotated[int, Meta(ge=0, le=MONEY_DIGITS)]
Seconds = Annotated[int, Meta(ge=0, le=43_200)]
FixVersion = Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]


class ConfigError(Exception):
    """What is wrong with a configuration: file, key, reason."""


class StartError(Exception):
    """Why a broker can't start: for the operator, in one line."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""


class BrokerSection(Section, frozen=True):
    name: CompId
    port: Port
    data: str
    address: str = "127.0.0.1"
    durability: Literal["process", "disk"] = "process"
    idle: Literal["wake", "spin", "backoff"] = "wake"  # "backoff" is an old name of "wake"
    trading_day_start: str = "00:00:00"
    time_zone: str = "UTC"
    session_reset: Literal["daily", "never"] = "daily"
    market_data_interval_ms: Annotated[int, Meta(ge=1, le=10_000)] = 10
    record_interval_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1000
    store: bool = True
    resend_messages: Annotated[int, Meta(ge=100, le=1_000_000)] = 2000


class InstrumentSection(Section, frozen=True):
    price_digits: Digits
    qty_digits: Digits
    tick: str
    lot: str
    cross: Literal["never", "at-or-better", "always"] = "at-or-better"
    post: Literal["venue", "book"] = "venue"
    collar: str = "0"
    reference: str = "0"
    open: str = "00:00:00"
    close: str = "00:00:00"
    time_zone: str = "UTC"
    calendar: str = ""
    pre_open_seconds: Seconds = 0
    opening_auction_seconds: Seconds = 0
    closing_auction_seconds: Seconds = 0
    trigger: Literal["last", "quote"] = "last"
    peg_interval_ms: Annotated[int, Meta(ge=0, le=60_000)] = 100
    halted: bool = False


class LimitsSection(Section, frozen=True):
    max_order_qty: str = ""
    max_order_notional: str = ""
    buying_power: bool = True


class AccountSection(Section, frozen=True):
    cash: str
    limits: LimitsSection = LimitsSection()


class Budget(Section, frozen=True):
    """So many a second, and so many at once. A rate of 0 is no limit."""

    rate: Annotated[int, Meta(ge=0, le=10_000_000)]
    burst: Annotated[int, Meta(ge=1, le=10_000_000)] = 1


class BudgetsSection(Section, frozen=True):
    """What one session may ask of the broker."""

    logons: Budget = Budget(1, 5)
    orders: Budget = Budget(500, 50)
    cancels: Budget = Budget(500, 100)
    requests: Budget = Budget(50, 50)
    mass_requests: Budget = Budget(1, 5)
    mass_cancels: Budget = Budget(5, 10)
    subscriptions: Budget = Budget(10, 30)
    test_requests: Budget = Budget(5, 20)
    resend_requests: Budget = Budget(2, 10)
    replayed_messages: Budget = Budget(2000, 500)
    others: Budget = Budget(50, 100)
    beyond_gap: Annotated[int, Meta(ge=0, le=100_000)] = 1000
    active_subscriptions: Annotated[int, Meta(ge=1, le=1_000_000)] = 100


class ClientSection(Section, frozen=True):
    accounts: Annotated[tuple[CompId, ...], Meta(min_length=1)]
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    fix: FixVersion = "FIX.4.4"
    username: str = ""
    password_hash: str = ""
    max_orders_per_second: Annotated[int, Meta(ge=0)] = 0
    pending_requests: Literal["queue", "announce", "reject"] = "queue"
    acknowledge: Literal["accepted", "placed"] = "accepted"
    cancel_on_disconnect: Literal["none", "day", "all"] = "none"
    grace_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 0
    drop_copy: tuple[CompId, ...] = ()
    drop_copy_snapshot: bool = False
    max_following_orders: Annotated[int, Meta(ge=0, le=100_000)] = 500
    addresses: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    reset_seq_num: Literal["allow", "refuse"] = "allow"
    budgets: BudgetsSection | None = None


class VenueSection(Section, frozen=True):
    host: str
    port: Port
    sender: CompId
    target: CompId
    fix: FixVersion = "FIX.4.4"
    taker_fee: str = "0"
    maker_fee: str = "0"
    market_data: bool = True
    symbols: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()


class MakerSection(Section, frozen=True):
    """A simulated exchange's liquidity: a two-sided quoter around a random walk."""

    account: CompId
    seed: int
    interval_ms: Annotated[int, Meta(ge=1)] = 500
    levels: Annotated[int, Meta(ge=1, le=50)] = 3
    spread_ticks: Annotated[int, Meta(ge=1)] = 2
    qty: str = "500"
    step_ticks: Annotated[int, Meta(ge=0)] = 1


class ChaosSection(Section, frozen=True):
    """Faults of a simulated exchange; 0 switches each off. The `every` numbers count messages of the kind."""

    seed: int = 0
    delay_ack_ms: Annotated[int, Meta(ge=0)] = 0
    drop_ack_every: Annotated[int, Meta(ge=0)] = 0
    disconnect_every: Annotated[int, Meta(ge=0)] = 0
    repeat_exec_id_every: Annotated[int, Meta(ge=0)] = 0
    fill_after_cancel_every: Annotated[int, Meta(ge=0)] = 0
    unknown_tag_every: Annotated[int, Meta(ge=0)] = 0
    work_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    refuse_request_every: Annotated[int, Meta(ge=0)] = 0


class GatewaySection(Section, frozen=True):
    """The door that clients come to."""

    plain: str = ""
    tls: str = ""
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    client_certificates: Literal["none", "optional", "required"] = "none"
    upstream: str = ""
    secret: str = ""
    logon_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    max_message_bytes: Annotated[int, Meta(ge=4096, le=1 << 24)] = 65_536
    max_unread_bytes: Annotated[int, Meta(ge=65_536, le=1 << 30)] = 8 << 20
    max_connections: Annotated[int, Meta(ge=1, le=50_000)] = 1000
    reserved_connections: Annotated[int, Meta(ge=0, le=50_000)] = 100
    max_connections_per_source: Annotated[int, Meta(ge=1, le=50_000)] = 100
    max_half_open_per_source: Annotated[int, Meta(ge=1, le=50_000)] = 20
    connects_per_source: Budget = Budget(20, 100)
    failures_before_lockout: Annotated[int, Meta(ge=1, le=1000)] = 5
    lockout_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    load_balancers: tuple[str, ...] = ()
    operation_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    budgets: BudgetsSection = BudgetsSection()


class HttpSection(Section, frozen=True):
    """The door for people without FIX."""

    port: Port
    address: str = "127.0.0.1"
    certificate: str = ""
    key: str = ""
    answer_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    max_connections: Annotated[int, Meta(ge=1, le=50_000)] = 500
    stream_messages: Annotated[int, Meta(ge=10, le=1_000_000)] = 1000
    failures_before_lockout: Annotated[int, Meta(ge=1, le=1000)] = 20
    lockout_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0


class ApiKeySection(Section, frozen=True):
    """An API key: the client whose session it uses, and what it may do there."""

    hash: Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
    client: CompId
    scopes: Annotated[tuple[Literal["read", "trade", "market"], ...], Meta(min_length=1)] = ("read",)
    accounts: tuple[CompId, ...] = ()


SECTIONS: dict[str, type[Section]] = {
    "broker": BrokerSection,
    "gateway": GatewaySection,
    "http": HttpSection,
    "maker": MakerSection,
    "chaos": ChaosSection,
}
TABLES: dict[str, type[Section]] = {
    "instruments": InstrumentSection,
    "accounts": AccountSection,
    "clients": ClientSection,
    "api_keys": ApiKeySection,
    "venues": VenueSection,
}


class Config(msgspec.Struct, frozen=True):
    """One broker's or exchange's settings. `data` is the data folder; instruments and venues are the domain's own."""

    path: Path
    data: Path
    broker: BrokerSection
    instruments: dict[str, Instrument]
    accounts: dict[str, AccountSection]
    clients: dict[str, ClientSection]
    venues: dict[str, VenueSection]
    maker: MakerSection | None = None
    maker_qty: dict[str, int] = {}
    chaos: ChaosSection | None = None
    day_start: int = 0
    calendars: dict[str, str] = {}
    gateway: GatewaySection | None = None
    http: HttpSection | None = None
    api_keys: dict[str, ApiKeySection] = {}

    def budgets(self, client: str) -> BudgetsSection:
        """What a client's session may ask for: its own budgets, or the gateway's for all."""
        own = self.clients[client].budgets
        return own if own is not None else self.gateway.budgets if self.gateway is not None else BudgetsSection()

    @property
    def limits(self) -> dict[str, Limits]:
        return {
            name: Limits(account.limits.max_order_qty, account.limits.max_order_notional, account.limits.buying_power)
            for name, account in self.accounts.items()
        }

    @property
    def options(self) -> dict[str, ClientOptions]:
        return {
            name: ClientOptions(
                client.pending_requests,
                client.acknowledge,
                client.cancel_on_disconnect,
                client.grace_seconds * 10**9,
                client.drop_copy,
                client.drop_copy_snapshot,
                client.max_following_orders,
            )
            for name, client in self.clients.items()
        }

    @property
    def domain_venues(self) -> tuple[Venue, ...]:
        return tuple(
            Venue(name, venue.taker_fee, venue.maker_fee, venue.symbols, venue.market_data, venue.supports)
            for name, venue in self.venues.items()
        )


def load(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError."""
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    return from_tables(path, raw)


def from_tables(path: Path, raw: Mapping[str, Any]) -> Config:
    """Check the tables of a file. Raises ConfigError."""
    unknown = [name for name in raw if name not in SECTIONS and name not in TABLES]
    if unknown:
        known = ", ".join((*SECTIONS, *TABLES))
        raise ConfigError(f"{path}: {unknown[0]}: no such section; there are {known}")
    if "broker" not in raw:
        raise ConfigError(f"{path}: broker: the section is missing")
    read: dict[str, Any] = {name: {} for name in TABLES}
    for name, section in SECTIONS.items():
        if name in raw:
            read[name] = _convert(path, name, raw[name], section)
    for name, section in TABLES.items():
        table = raw.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name}: must be tables, [{name}.NAME]")
        read[name] = {key: _convert(path, f"{name}.{key}", value, section) for key, value in table.items()}
    return _checked(path, read)


def _convert(path: Path, key: str, value: object, section: type[Section]) -> Section:
    try:
        return msgspec.convert(value, section)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        inner = where.rstrip("`").lstrip(".")
        raise ConfigError(f"{path}: {key}{'.' + inner if inner else ''}: {reason}") from error


def _checked(path: Path, read: dict[str, Any]) -> Config:
    _zone(path, "broker.time_zone", read["broker"].time_zone)
    _network(path, "broker.address", read["broker"].address)
    instruments = {
        symbol: _instrument(path, symbol, section, read["venues"]) for symbol, section in read["instruments"].items()
    }
    if not instruments:
        raise ConfigError(f"{path}: instruments: at least one is needed, [instruments.SYMBOL]")
    for name, account in read["accounts"].items():
        for key, value in (
            ("cash", account.cash),
            ("limits.max_order_qty", account.limits.max_order_qty or "0"),
            ("limits.max_order_notional", account.limits.max_order_notional or "0"),
        ):
            if _money(path, f"accounts.{name}.{key}", value) < 0 and key != "cash":
                raise ConfigError(f"{path}: accounts.{name}.{key}: must not be below 0")
    own = read["broker"].name
    targets: dict[tuple[str, str], str] = {}
    for name, venue in read["venues"].items():
        session = (venue.sender, venue.target)
        if session in targets:
            raise ConfigError(f"{path}: venues.{name}.target: is the same session as [venues.{targets[session]}]")
        targets[session] = name
    for name, client in read["clients"].items():
        if not COMP_ID.fullmatch(name):
            raise ConfigError(
                f"{path}: clients.{name!r}: a CompID is 1 to 32 letters, digits, dots, dashes, underlines"
            )
        if (own, name) in targets:
            raise ConfigError(
                f"{path}: clients.{name}: has the CompIDs of the session with [venues.{targets[own, name]}]"
            )
        if name == MAKER and "maker" in read:
            raise ConfigError(f"{path}: clients.{name}: is the name of the built-in market maker; choose another")
        for other in client.drop_copy:
            if other not in read["clients"]:
                raise ConfigError(f"{path}: clients.{name}.drop_copy: there is no [clients.{other}]")
        for account in client.accounts:
            if account not in read["accounts"]:
                raise ConfigError(f"{path}: clients.{name}.accounts: there is no [accounts.{account}]")
        if client.password_hash:
            try:
                passwords.parse(client.password_hash)
            except ValueError as error:
                raise ConfigError(f"{path}: clients.{name}.password_hash: {error}") from error
    for name, venue in read["venues"].items():
        _money(path, f"venues.{name}.taker_fee", venue.taker_fee)
        _money(path, f"venues.{name}.maker_fee", venue.maker_fee)
        for feature in venue.supports:
            if feature not in FEATURES:
                known = ", ".join(FEATURES)
                raise ConfigError(f"{path}: venues.{name}.supports: there is no {feature!r}; there are {known}")
        for symbol in venue.symbols:
            if symbol not in instruments:
                raise ConfigError(f"{path}: venues.{name}.symbols: there is no [instruments.{symbol}]")
    maker = read.get("maker")
    maker_qty = {}
    if maker is not None:
        if maker.account not in read["accounts"]:
            raise ConfigError(f"{path}: maker.account: there is no [accounts.{maker.account}]")
        for symbol, instrument in instruments.items():
            qty = _scaled(path, "maker.qty", maker.qty, instrument.qty_digits)
            if qty <= 0 or qty % instrument.lot:
                raise ConfigError(f"{path}: maker.qty: must be above 0 and a multiple of the lot of {symbol}")
        maker_qty = {symbol: _scaled(path, "maker.qty", maker.qty, i.qty_digits) for symbol, i in instruments.items()}
    return Config(
        path,
        (path.parent / read["broker"].data).resolve(),
        read["broker"],
        instruments,
        read["accounts"],
        read["clients"],
        read["venues"],
        maker,
        maker_qty,
        read.get("chaos"),
        _seconds(path, "broker.trading_day_start", read["broker"].trading_day_start),
        {symbol: section.calendar for symbol, section in read["instruments"].items() if section.calendar},
        _gateway(path, read.get("gateway"), read["clients"]),
        _http(path, read),
        read["api_keys"],
    )


def address(text: str) -> tuple[str, int]:
    """(host, port) of HOST:PORT; an IPv6 address stands in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _gateway(path: Path, gateway: GatewaySection | None, clients: Mapping[str, ClientSection]) -> GatewaySection | None:
    """Check what strangers' access hangs on."""
    for name, client in clients.items():
        for network in client.addresses:
            _network(path, f"clients.{name}.addresses", network)
        for pin in client.certificates:
            if not re.fullmatch("sha256:[0-9a-f]{64}", pin):
                raise ConfigError(
                    f"{path}: clients.{name}.certificates: {pin!r} is no fingerprint: sha256: and 64 digits of 0-9a-f; "
                    f"`brokerfix certificates` and `openssl x509 -fingerprint -sha256` tell it"
                )
        if gateway is None and (client.addresses or client.certificates or client.budgets is not None):
            raise ConfigError(f"{path}: clients.{name}: addresses, certificates and budgets need a [gateway]")
        if client.certificates and gateway is not None and gateway.client_certificates == "none":
            raise ConfigError(f'{path}: clients.{name}.certificates: need gateway.client_certificates = "optional"')
    if gateway is None:
        return None
    if not gateway.plain and not gateway.tls:
        raise ConfigError(f"{path}: gateway: listens nowhere: it needs plain, tls, or both")
    for key in ("tls", "upstream"):
        try:
            if getattr(gateway, key):
                ip_address(address(getattr(gateway, key))[0])
        except ValueError as error:
            raise ConfigError(f"{path}: gateway.{key}: {error}") from error
    if gateway.plain:
        _network(path, "gateway.plain", gateway.plain)
    for network in gateway.load_balancers:
        _network(path, "gateway.load_balancers", network)
    if gateway.tls and not (gateway.certificate and gateway.key):
        raise ConfigError(f"{path}: gateway.tls: needs certificate and key; `brokerfix certificates` makes a set")
    if gateway.client_certificates != "none" and not gateway.client_ca:
        raise ConfigError(f"{path}: gateway.client_certificates: needs client_ca")
    if gateway.upstream and not ip_address(address(gateway.upstream)[0]).is_private:
        raise ConfigError(f"{path}: gateway.upstream: needs an address of a private network: the link is not secured")
    if gateway.upstream and not gateway.secret:
        raise ConfigError(f"{path}: gateway.upstream: a gateway on another machine needs a secret that both can read")
    return gateway


def _http(path: Path, read: Mapping[str, Any]) -> HttpSection | None:
    """Check the HTTP door and its keys."""
    http: HttpSection | None = read.get("http")
    for name, key in read["api_keys"].items():
        client = read["clients"].get(key.client)
        if client is None:
            raise ConfigError(f"{path}: api_keys.{name}.client: there is no [clients.{key.client}]")
        if client.fix != "FIX.4.4":
            raise ConfigError(f"{path}: api_keys.{name}.client: {key.client} speaks {client.fix}; HTTP needs FIX.4.4")
        for account in key.accounts:
            if account not in client.accounts:
                raise ConfigError(f"{path}: api_keys.{name}.accounts: {account} is none of {key.client}")
    if http is None:
        return None
    _network(path, "http.address", http.address)
    if read.get("gateway") is None:
        raise ConfigError(f"{path}: http: needs a [gateway], whose budgets and secret it uses")
    if bool(http.certificate) != bool(http.key):
        raise ConfigError(f"{path}: http.certificate: needs key, and key needs certificate")
    if not http.certificate and not ip_network(http.address).is_loopback:
        raise ConfigError(f"{path}: http.address: {http.address} needs certificate and key: keys would go in clear")
    return http


def _network(path: Path, key: str, text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {key}: {error}; an address or network is like 10.1.0.0/16") from error


def _instrument(path: Path, symbol: str, section: InstrumentSection, venues: Mapping[str, Any]) -> Instrument:
    key = f"instruments.{symbol}"
    if not symbol.isascii() or not symbol.isprintable() or " " in symbol or len(symbol) > 32:
        raise ConfigError(f"{path}: {key}: a symbol is up to 32 printable characters without spaces")
    if section.price_digits + section.qty_digits > MONEY_DIGITS:
        raise ConfigError(f"{path}: {key}: price_digits + qty_digits must be at most {MONEY_DIGITS}")
    tick = _scaled(path, f"{key}.tick", section.tick, section.price_digits)
    lot = _scaled(path, f"{key}.lot", section.lot, section.qty_digits)
    if tick <= 0 or lot <= 0:
        raise ConfigError(f"{path}: {key}.{'tick' if tick <= 0 else 'lot'}: must be above 0")
    if section.post == "book" and section.cross == "never" and venues:
        raise ConfigError(f'{path}: {key}.post: "book" needs cross = "at-or-better" or "always"')
    if section.cross == "never" and not venues:
        raise ConfigError(f'{path}: {key}.cross: "never" needs venues: without, orders meet in our own book only')
    reference = _scaled(path, f"{key}.reference", section.reference, section.price_digits)
    if reference < 0:
        raise ConfigError(f"{path}: {key}.reference: must not be below 0")
    collar = _scaled(path, f"{key}.collar", section.collar, 4)
    if collar < 0:
        raise ConfigError(f"{path}: {key}.collar: must not be below 0")
    return Instrument(
        symbol,
        section.price_digits,
        section.qty_digits,
        tick,
        lot,
        section.cross,
        section.post,
        collar,
        reference,
        _seconds(path, f"{key}.open", section.open),
        _seconds(path, f"{key}.close", section.close),
        section.halted,
        trigger=section.trigger,
        peg_interval=section.peg_interval_ms * 10**6,
        pre_open=section.pre_open_seconds,
        opening_auction=section.opening_auction_seconds,
        closing_auction=section.closing_auction_seconds,
        zone=_zone(path, f"{key}.time_zone", section.time_zone),
    )


def _zone(path: Path, key: str, name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f'{path}: {key}: there is no time zone {name!r}; one is "America/New_York"') from error
    return name


def _scaled(path: Path, key: str, text: str, digits: int) -> int:
    try:
        return to_scaled(text, digits)
    except Inexact as error:
        raise ConfigError(f"{path}: {key}: {error}") from error


def _money(path: Path, key: str, text: str) -> int:
    try:
        return to_money(text)
    except Inexact as error:
        raise ConfigError(f"{path}: {key}: {error}") from error


def _seconds(path: Path, key: str, text: str) -> int:
    parts = text.split(":")
    if len(parts) == 3 and all(len(part) == 2 and part.isdecimal() for part in parts):
        hours, minutes, seconds = map(int, parts)
        if hours < 24 and minutes < 60 and seconds < 60:
            return hours * 3600 + minutes * 60 + seconds
    raise ConfigError(f"{path}: {key}: {text!r} is not a time of day, HH:MM:SS")


ADDED_CLIENTS = "clients.json"
"""Clients that were added to a running broker, in its data folder: they are there after a restart too."""


def keep_client(data: Path, name: str, section: ClientSection) -> None:
    """Remember an added client for the next start."""
    path = data / ADDED_CLIENTS
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = msgspec.to_builtins(section)
    written = path.with_suffix(".new")
    written.write_text(json.dumps(known, indent=2))
    written.replace(path)


def added_clients(data: Path) -> dict[str, ClientSection]:
    """The clients that were added while the broker ran."""
    path = data / ADDED_CLIENTS
    if not path.exists():
        return {}
    return msgspec.convert(json.loads(path.read_text()), dict[str, ClientSection])


def database_path(data: Path) -> Path:
    """The database of a data folder."""
    return data / "brokerfix.db"
