"""What a configuration's values have to be beyond their types. Anything wrong is a ConfigError that names the file,
the key and the reason."""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from brokerfix.domain import (
    FEATURES,
    MONEY_DIGITS,
    Charge,
    FeeTier,
    Inexact,
    Instrument,
    Limits,
    Maker,
    MarginPolicy,
    PlacementTerms,
    to_money,
    to_scaled,
)
from brokerfix.settings import passwords
from brokerfix.settings.addresses import address, addresses
from brokerfix.settings.compliance import check_compliance
from brokerfix.settings.console import check_console
from brokerfix.settings.makers import makers_of, quoters_of, walks_maker
from brokerfix.settings.margin import check_margin
from brokerfix.settings.outside import cluster_of, queues_of, router_of
from brokerfix.settings.records import check_records
from brokerfix.settings.sections import (
    COMP_ID,
    MAKER,
    WEIGHTS,
    AlertsSection,
    ApprovalsSection,
    ClientSection,
    Config,
    ConfigError,
    CreditSection,
    CurrencySection,
    GatewaySection,
    HttpSection,
    InstrumentSection,
    VenueSection,
)
from brokerfix.settings.store import check_store
from brokerfix.settings.surveillance import check_surveillance


def checked(path: Path, read: dict[str, Any]) -> Config:
    """The settings of a file's tables. Raises ConfigError."""
    _zone(path, "broker.time_zone", read["broker"].time_zone)
    _network(path, "broker.address", read["broker"].address)
    check_store(path, read["broker"])
    instruments = {
        symbol: _instrument(path, symbol, section, read["venues"]) for symbol, section in read["instruments"].items()
    }
    if not instruments:
        raise ConfigError(f"{path}: instruments: at least one is needed, [instruments.SYMBOL]")
    _currencies(path, read["currencies"], instruments)
    check_margin(path, read.get("margin") or MarginPolicy(), instruments)
    _accounts(path, read, instruments)
    _clients(path, read, check_venues(path, read["venues"], instruments))
    return Config(
        path,
        (path.parent / read["broker"].data).resolve(),
        read["broker"],
        instruments,
        read["accounts"],
        read["clients"],
        read["venues"],
        read.get("maker"),
        read.get("chaos"),
        _seconds(path, "broker.trading_day_start", read["broker"].trading_day_start),
        {symbol: section.calendar for symbol, section in read["instruments"].items() if section.calendar},
        _gateway(path, read.get("gateway"), read["clients"]),
        _http(path, read),
        read["api_keys"],
        read["groups"],
        read["symbol_groups"],
        read["currencies"],
        read.get("limits") or Limits(),
        read.get("margin") or MarginPolicy(),
        _credit(path, read.get("credit") or CreditSection()),
        _approvals(path, read.get("approvals") or ApprovalsSection()),
        _alerts(path, read.get("alerts") or AlertsSection()),
        _makers(path, read, instruments),
        {name: (section.max_orders_per_second, section.options) for name, section in read["makers"].items()},
        quoters_of(path, read, instruments),
        cluster_of(path, read),
        queues_of(path, read),
        read["events"],
        read["orders_from"],
        proof=read.get("proof"),
        router=router_of(path, read),
        compliance=check_compliance(path, read),
        surveillance=check_surveillance(path, read),
        console=check_console(path, read),
        operators=read["operators"],
        records=check_records(path, read),
    )


OF_ONE_LEVEL = {"max_loss": "an account, [accounts.NAME] limits", "max_fills": "a client, [clients.NAME] limits"}


def _accounts(path: Path, read: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> None:
    for name, account in read["accounts"].items():
        _money(path, f"accounts.{name}.cash", account.cash)
        _limits(path, f"accounts.{name}.limits", account.limits)
        for symbol, limits in account.symbols.items():
            if symbol not in instruments and symbol not in read["symbol_groups"]:
                told = f"there is no [instruments.{symbol}], and no [symbol_groups.{symbol}]"
                raise ConfigError(f"{path}: accounts.{name}.symbols: {told}")
            _limits(path, f"accounts.{name}.symbols.{symbol}", limits)
            _not_here(path, f"accounts.{name}.symbols.{symbol}", limits)
        _not_here(path, f"accounts.{name}.limits", limits=account.limits, only=("max_fills",))
    for name, symbols in read["symbol_groups"].items():
        if name in instruments:
            raise ConfigError(f"{path}: symbol_groups.{name}: is the name of an instrument too")
        for symbol in symbols.symbols:
            if symbol not in instruments:
                raise ConfigError(f"{path}: symbol_groups.{name}.symbols: there is no [instruments.{symbol}]")
    for name, group in read["groups"].items():
        for account in group.accounts:
            if account not in read["accounts"]:
                raise ConfigError(f"{path}: groups.{name}.accounts: there is no [accounts.{account}]")
        _limits(path, f"groups.{name}.limits", group.limits)
        _not_here(path, f"groups.{name}.limits", group.limits)
    for name, client in read["clients"].items():
        _limits(path, f"clients.{name}.limits", client.limits)
        _charge(path, f"clients.{name}.commission", client.commission)
        _not_here(path, f"clients.{name}.limits", client.limits, ("max_loss",))
    _limits(path, "limits", read.get("limits") or Limits())
    _not_here(path, "limits", read.get("limits") or Limits())


LEAST_FACTOR = 10_000
"""As `engine.money` has it."""


def _currencies(path: Path, currencies: Mapping[str, CurrencySection], instruments: Mapping[str, Instrument]) -> None:
    for name, section in currencies.items():
        for key, digits in (("rate", 8), ("haircut", 4)):
            try:
                number = to_scaled(getattr(section, key), digits)
            except Inexact as error:
                raise ConfigError(f"{path}: currencies.{name}.{key}: {error}") from error
            if number < 0 or (key == "rate" and not number) or (key == "haircut" and number > 10**digits):
                raise ConfigError(f"{path}: currencies.{name}.{key}: {getattr(section, key)} can't be")
        if section.symbol and section.symbol not in instruments:
            raise ConfigError(f"{path}: currencies.{name}.symbol: there is no [instruments.{section.symbol}]")
    for symbol, instrument in instruments.items():
        if not instrument.currency:
            continue
        if instrument.currency not in currencies:
            raise ConfigError(f"{path}: instruments.{symbol}.currency: there is no [currencies.{instrument.currency}]")
        rate = to_scaled(currencies[instrument.currency].rate, 8)
        if instrument.money_factor * rate // 10**8 < LEAST_FACTOR:
            told = "prices and quantities have too many decimals together for money in it to be told closely"
            raise ConfigError(f"{path}: instruments.{symbol}.currency: {told}")


def _charge(path: Path, key: str, charge: Charge) -> Charge | None:
    """What fills cost, None for nothing. Of a client only the exchanges' fees can be passed on."""
    for name, digits in (("per_unit", MONEY_DIGITS), ("bps", 4)):
        text = getattr(charge, name)
        try:
            if to_scaled(text, min(digits, 4)) < 0 and name == "bps":
                raise ConfigError(f"{path}: {key}.{name}: must not be below 0")
        except Inexact as error:
            raise ConfigError(f"{path}: {key}.{name}: {error}") from error
    if charge.exchange_fees and key.startswith("instruments."):
        raise ConfigError(f"{path}: {key}.exchange_fees: is of a client's commission")
    return charge if charge != Charge() else None


def _alerts(path: Path, section: AlertsSection) -> AlertsSection:
    parts = urlsplit(section.webhook)
    if section.webhook and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ConfigError(f"{path}: alerts.webhook: {section.webhook!r} is no http:// or https:// address")
    return section


def _approvals(path: Path, section: ApprovalsSection) -> ApprovalsSection:
    if section.raise_above:
        try:
            factor = to_scaled(section.raise_above, 4)
        except Inexact as error:
            raise ConfigError(f"{path}: approvals.raise_above: {error}") from error
        if factor < 10**4:
            raise ConfigError(f"{path}: approvals.raise_above: must not be below 1")
    return section


def _credit(path: Path, section: CreditSection) -> CreditSection:
    """The weights that are not named stay as they are."""
    unknown = section.weights.keys() - WEIGHTS.keys()
    if unknown:
        raise ConfigError(f"{path}: credit.weights: there is no {min(unknown)!r}; there are {', '.join(WEIGHTS)}")
    return msgspec.structs.replace(section, weights={**WEIGHTS, **section.weights})


def _not_here(path: Path, key: str, limits: Limits, only: tuple[str, ...] = tuple(OF_ONE_LEVEL)) -> None:
    """Limits that only one kind of level can have."""
    for name in only:
        if getattr(limits, name):
            raise ConfigError(f"{path}: {key}.{name}: is a limit of {OF_ONE_LEVEL[name]}")


def _limits(path: Path, key: str, limits: Limits) -> None:
    check_limits(f"{path}: {key}", limits)


def check_limits(where: str, limits: Limits) -> None:
    """Raises ConfigError where one is no number, or out of range."""
    for name, value in msgspec.structs.asdict(limits).items():
        if isinstance(value, str) and value:
            if value.startswith("-"):
                raise ConfigError(f"{where}.{name}: must not be below 0")
            if not LIMIT.fullmatch(value):
                told = "is not a decimal number, with up to 18 digits before the point and 12 behind it"
                raise ConfigError(f"{where}.{name}: {value[:40]!r} {told}")
        if name in ("max_fills", "duplicates") and "." in value:
            raise ConfigError(f"{where}.{name}: {value!r} is not a whole number")
        if name.endswith("_seconds") and not 1 <= value <= MOST_SECONDS:
            raise ConfigError(f"{where}.{name}: must be 1 to {MOST_SECONDS}")


LIMIT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?")
MOST_SECONDS = 86_400


def _fees(path: Path, key: str, venue: VenueSection) -> None:
    """What an exchange takes, also from a volume on. Raises ConfigError."""
    from_before = 0
    every: list[tuple[str, VenueSection | FeeTier]] = [(key, venue)]
    every += [(f"{key}.tiers[{number}]", tier) for number, tier in enumerate(venue.tiers)]
    for at, fees in every:
        _money(path, f"{at}.taker_fee", fees.taker_fee)
        _money(path, f"{at}.maker_fee", fees.maker_fee)
        _scaled(path, f"{at}.taker_bps", fees.taker_bps, 4)
        _scaled(path, f"{at}.maker_bps", fees.maker_bps, 4)
        if isinstance(fees, FeeTier):
            from_qty = _scaled(path, f"{at}.from_qty", fees.from_qty, 8)
            if from_qty <= from_before:
                raise ConfigError(f"{path}: {at}.from_qty: must be above 0 and that of the tier before")
            from_before = from_qty
    if _scaled(path, f"{key}.fee_cap_bps", venue.fee_cap_bps, 4) < 0:
        raise ConfigError(f"{path}: {key}.fee_cap_bps: must not be below 0")


def check_venues(
    path: Path, venues: Mapping[str, VenueSection], instruments: Mapping[str, Instrument]
) -> dict[tuple[str, str], str]:
    """Check the exchanges. Returns (SenderCompID, TargetCompID) -> the exchange that this session is with."""
    sessions: dict[tuple[str, str], str] = {}
    for name, venue in venues.items():
        session = (venue.sender, venue.target)
        if session in sessions:
            raise ConfigError(f"{path}: venues.{name}.target: is the same session as [venues.{sessions[session]}]")
        sessions[session] = name
        _fees(path, f"venues.{name}", venue)
        for feature in venue.supports:
            if feature not in FEATURES:
                known = ", ".join(FEATURES)
                raise ConfigError(f"{path}: venues.{name}.supports: there is no {feature!r}; there are {known}")
        for symbol in venue.symbols:
            if symbol not in instruments:
                raise ConfigError(f"{path}: venues.{name}.symbols: there is no [instruments.{symbol}]")
    return sessions


def _clients(path: Path, read: Mapping[str, Any], sessions: Mapping[tuple[str, str], str]) -> None:
    own, clients = read["broker"].name, read["clients"]
    for name, client in clients.items():
        if not COMP_ID.fullmatch(name):
            raise ConfigError(
                f"{path}: clients.{name!r}: a CompID is 1 to 32 letters, digits, dots, dashes, underlines"
            )
        if (own, name) in sessions:
            with_venue = sessions[own, name]
            raise ConfigError(f"{path}: clients.{name}: has the CompIDs of the session with [venues.{with_venue}]")
        if name == MAKER and "maker" in read:
            raise ConfigError(f"{path}: clients.{name}: is the name of the built-in market maker; choose another")
        for symbol in client.market_data or ():
            if symbol not in read["instruments"]:
                raise ConfigError(f"{path}: clients.{name}.market_data: there is no [instruments.{symbol}]")
        for other in client.drop_copy:
            if other not in clients:
                raise ConfigError(f"{path}: clients.{name}.drop_copy: there is no [clients.{other}]")
        for account in client.accounts:
            if account not in read["accounts"]:
                raise ConfigError(f"{path}: clients.{name}.accounts: there is no [accounts.{account}]")
        if client.password_hash:
            try:
                passwords.parse(client.password_hash)
            except ValueError as error:
                raise ConfigError(f"{path}: clients.{name}.password_hash: {error}") from error


def _makers(path: Path, read: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> dict[str, Maker]:
    """The market makers, with a simulated exchange's."""
    for name, section in read["makers"].items():
        _charge(path, f"makers.{name}.commission", section.commission)
    makers = makers_of(path, read, instruments)
    walk = read.get("maker")
    if walk is None:
        return makers
    if walk.account not in read["accounts"]:
        raise ConfigError(f"{path}: maker.account: there is no [accounts.{walk.account}]")
    if MAKER in makers:
        raise ConfigError(f"{path}: makers.{MAKER}: is the name of the one that [maker] configures; choose another")
    return {MAKER: walks_maker(path, MAKER, walk, instruments), **makers}


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
                for host, _ in addresses(getattr(gateway, key)) if key == "upstream" else [address(gateway.tls)]:
                    ip_address(host)
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
    if gateway.upstream and not all(ip_address(host).is_private for host, _ in addresses(gateway.upstream)):
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
    collar, static_band, dynamic_band = (
        _band(path, f"{key}.{name}", getattr(section, name)) for name in ("collar", "static_band", "dynamic_band")
    )
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
        multiplier=section.multiplier,
        margin=section.margin,
        option=section.option,
        static_bps=static_band,
        dynamic_bps=dynamic_band,
        needs_market=section.needs_market,
        currency=section.currency,
        route_by=section.route_by,
        outlier_mads=section.outlier_mads,
        route_mode=section.route_mode,
        latency_cost=_band(path, f"{key}.latency_cost", section.latency_cost),
        trade_through=section.trade_through,
        cross_share=_share(path, f"{key}.cross_share", section.cross_share),
        repost_interval=section.repost_ms * 10**6,
        placement=_placement(path, f"{key}.placement", section.placement),
        charge=_charge(path, f"instruments.{symbol}.charge", section.charge),
    )


def _band(path: Path, key: str, text: str) -> int:
    bps = _scaled(path, key, text, 4)
    if bps < 0:
        raise ConfigError(f"{path}: {key}: must not be below 0")
    return bps


def _share(path: Path, key: str, text: str) -> int:
    share = _band(path, key, text)
    if share > 10_000:
        raise ConfigError(f"{path}: {key}: must not be above 1")
    return share


def _placement(path: Path, key: str, terms: PlacementTerms | None) -> PlacementTerms | None:
    for name in ("lambda_u", "theta", "outflow") if terms is not None else ():
        value = _scaled(path, f"{key}.{name}", getattr(terms, name), 8)
        if value < 0 or (name == "outflow" and not value):
            raise ConfigError(f"{path}: {key}.{name}: must be above 0, lambda_u and theta may be 0")
    return terms


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
