"""The configuration's tables as they are frozen, and what may be wrong with one."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from brokerfix.domain import (
    MONEY_DIGITS,
    SHARDS,
    Charge,
    ClientOptions,
    ClientQuoting,
    Currency,
    FeeTier,
    Instrument,
    Level,
    Limits,
    Maker,
    MarginPolicy,
    MarginTerms,
    OptionTerms,
    PlacementTerms,
    Venue,
)
from brokerfix.settings.base import COMP_ID as COMP_ID
from brokerfix.settings.base import CompId as CompId
from brokerfix.settings.base import ConfigError as ConfigError
from brokerfix.settings.base import Section as Section
from brokerfix.settings.base import StartError as StartError
from brokerfix.settings.compliance import ComplianceSection
from brokerfix.settings.console import ConsoleSection
from brokerfix.settings.makers import ClientQuotingSection, MakersSection
from brokerfix.settings.makers import MakerSection as MakerSection
from brokerfix.settings.operators import OperatorSection
from brokerfix.settings.proof import ProofSection
from brokerfix.settings.records import RecordsSection
from brokerfix.settings.servers import ClusterSection, EventsSection, OrdersFromSection, QueueSection, RouterSection
from brokerfix.settings.surveillance import SurveillanceSection

MAKER = "MAKER"
"""The name of a simulated exchange's market maker, which `[maker]` configures."""


Port = Annotated[int, Meta(ge=1, le=65535)]


Digits = Annotated[int, Meta(ge=0, le=MONEY_DIGITS)]


Seconds = Annotated[int, Meta(ge=0, le=43_200)]


FixVersion = Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]


class BrokerSection(Section, frozen=True):
    name: CompId
    port: Port
    data: str
    address: str = "127.0.0.1"
    durability: Literal["process", "disk", "cluster", "disk+cluster"] = "process"
    idle: Literal["wake", "spin", "backoff"] = "wake"  # "backoff" is an old name of "wake"
    trading_day_start: str = "00:00:00"
    time_zone: str = "UTC"
    session_reset: Literal["daily", "never"] = "daily"
    market_data_interval_ms: Annotated[int, Meta(ge=1, le=10_000)] = 10
    record_interval_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1000
    store: bool | str = True
    store_password_file: str = ""
    store_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    history: bool = False
    shard: Annotated[int, Meta(ge=0, le=SHARDS - 1)] = 0
    reconcile_seconds: Seconds = 300
    operators: tuple[str, ...] = ()
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
    static_band: str = "0"
    dynamic_band: str = "0"
    needs_market: bool = False
    multiplier: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    currency: str = ""
    route_by: Literal["price", "cost"] = "price"
    outlier_mads: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    route_mode: Literal["best", "pro-rata", "sequential", "spray", "dark-first", "split"] = "best"
    latency_cost: str = "0"
    trade_through: Literal["off", "route-away", "iso"] = "off"
    cross_share: str = "0"
    repost_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0
    placement: PlacementTerms | None = None
    charge: Charge = Charge()
    margin: MarginTerms = MarginTerms()
    option: OptionTerms | None = None


class AccountSection(Section, frozen=True):
    """`symbols` are limits that the account has in single symbols, or in groups of them."""

    cash: str
    shard: Annotated[int, Meta(ge=0, le=SHARDS - 1)] = 0
    margin: Literal["cash", "reg-t", "tiered", "scan"] = "cash"
    route_mode: Literal["", "best", "pro-rata", "sequential", "spray", "dark-first", "split"] = ""
    limits: Limits = Limits()
    symbols: dict[str, Limits] = msgspec.field(default_factory=dict)


class SymbolGroupSection(Section, frozen=True):
    """Symbols in which accounts may have limits together, as in one symbol."""

    symbols: Annotated[tuple[str, ...], Meta(min_length=1)]


class GroupSection(Section, frozen=True):
    """Accounts that have limits together."""

    accounts: tuple[CompId, ...]
    limits: Limits


class Budget(Section, frozen=True):
    """So many a second, and so many at once. A rate of 0 is no limit."""

    rate: Annotated[int, Meta(ge=0, le=10_000_000)]
    burst: Annotated[int, Meta(ge=1, le=10_000_000)] = 1


class BudgetsSection(Section, frozen=True):
    """What one session may ask of the broker."""

    logons: Budget = Budget(1, 5)
    orders: Budget = Budget(500, 50)
    quotes: Budget = Budget(2000, 500)
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
    self_match: Literal["none", "cancel-newest", "cancel-oldest", "cancel-both", "decrement"] = "none"
    self_match_scope: Literal["client", "group"] = "client"
    commission: Charge = Charge()
    addresses: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    reset_seq_num: Literal["allow", "refuse"] = "allow"
    budgets: BudgetsSection | None = None
    market_data: tuple[str, ...] | None = None
    market_data_interval_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    rpt_seq: bool = False
    limits: Limits = Limits()
    quoting: ClientQuotingSection | None = None

    @property
    def options(self) -> ClientOptions:
        """The client's options as the engine has them."""
        return ClientOptions(
            self.pending_requests,
            self.acknowledge,
            self.cancel_on_disconnect,
            self.grace_seconds * 10**9,
            self.drop_copy,
            self.drop_copy_snapshot,
            self.max_following_orders,
            self.self_match,
            self.self_match_scope,
            self.commission if self.commission != Charge() else None,
            self.market_data,
            self.market_data_interval_ms * 10**6,
            self.rpt_seq,
        )


class VenueSection(Section, frozen=True):
    host: str
    port: Port
    sender: CompId
    target: CompId
    fix: FixVersion = "FIX.4.4"
    taker_fee: str = "0"
    maker_fee: str = "0"
    taker_bps: str = "0"
    maker_bps: str = "0"
    market_data: bool = True
    market_data_by: Literal["price", "order"] = "price"
    max_quote_age_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0
    ask_status: bool = False
    dark: bool = False
    circuit_failures: Annotated[int, Meta(ge=0, le=1000)] = 5
    circuit_seconds: Annotated[int, Meta(ge=1, le=3600)] = 10
    fee_cap_bps: str = "0"
    tiers: tuple[FeeTier, ...] = ()
    symbols: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    drop_copy: bool = False
    drop_copy_of: tuple[CompId, ...] = ()
    halt_on_break: str = ""

    def named(self, name: str) -> Venue:
        """The exchange as the engine has it."""
        return Venue(
            name, self.taker_fee, self.maker_fee, self.symbols, self.market_data, self.supports,
            taker_bps=self.taker_bps, maker_bps=self.maker_bps,
            max_quote_age=self.max_quote_age_ms * 10**6, by_order=self.market_data_by == "order",
            asks_status=self.ask_status, dark=self.dark, circuit_failures=self.circuit_failures,
            circuit_time=self.circuit_seconds * 10**9, fee_cap_bps=self.fee_cap_bps, tiers=self.tiers,
            drop_copy=self.drop_copy, drop_copy_of=self.drop_copy_of, halt_on_break=self.halt_on_break,
        )  # fmt: skip


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


WEIGHTS = {
    "mean utilisation": 0.5, "margin calls in 90 days": 0.5, "deficits": 1.0, "equity volatility": 1.0,
    "drawdown": 1.0, "settlement fails": 1.0, "reject rate": 0.5,
}  # fmt: skip
"""What conduct costs in log odds: priors."""


class CreditSection(Section, frozen=True):
    """How accounts with margin are scored."""

    horizon_days: Annotated[float, Meta(gt=0, le=250)] = 5.0
    sample_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    decay: Annotated[float, Meta(gt=0, lt=1)] = 0.94
    prior_volatility: Annotated[float, Meta(gt=0, le=5)] = 0.02
    weights: dict[str, Annotated[float, Meta(ge=0, le=100)]] = msgspec.field(default_factory=WEIGHTS.copy)


class AlertsSection(Section, frozen=True):
    """Where alerts go beside the log."""

    webhook: str = ""


class ApprovalsSection(Section, frozen=True):
    """What needs a second person. `raise_above` is a factor as decimal text ("": nothing does)."""

    raise_above: str = ""


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "broker": BrokerSection,
    "limits": Limits,
    "margin": MarginPolicy,
    "credit": CreditSection,
    "approvals": ApprovalsSection,
    "alerts": AlertsSection,
    "compliance": ComplianceSection,
    "console": ConsoleSection,
    "records": RecordsSection,
    "cluster": ClusterSection,
    "proof": ProofSection,
    "surveillance": SurveillanceSection,
    "gateway": GatewaySection,
    "router": RouterSection,
    "http": HttpSection,
    "maker": MakerSection,
    "chaos": ChaosSection,
}


class CurrencySection(Section, frozen=True):
    """A currency beside the desk's own."""

    rate: str
    haircut: str = "0"
    symbol: str = ""

    @property
    def currency(self) -> Currency:
        return Currency(self.rate, self.haircut, self.symbol)


TABLES: dict[str, type[Section]] = {
    "instruments": InstrumentSection,
    "accounts": AccountSection,
    "groups": GroupSection,
    "symbol_groups": SymbolGroupSection,
    "currencies": CurrencySection,
    "clients": ClientSection,
    "api_keys": ApiKeySection,
    "venues": VenueSection,
    "makers": MakersSection,
    "queues": QueueSection,
    "events": EventsSection,
    "orders_from": OrdersFromSection,
    "operators": OperatorSection,
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
    chaos: ChaosSection | None = None
    day_start: int = 0
    calendars: dict[str, str] = {}
    gateway: GatewaySection | None = None
    http: HttpSection | None = None
    api_keys: dict[str, ApiKeySection] = {}
    groups: dict[str, GroupSection] = {}
    symbol_groups: dict[str, SymbolGroupSection] = {}
    currencies: dict[str, CurrencySection] = {}
    firm: Limits = Limits()
    margin: MarginPolicy = MarginPolicy()
    credit: CreditSection = CreditSection()
    approvals: ApprovalsSection = ApprovalsSection()
    alerts: AlertsSection = AlertsSection()
    makers: dict[str, Maker] = {}
    maker_options: dict[str, tuple[int, ClientOptions]] = {}
    quoters: dict[str, ClientQuoting] = {}
    cluster: ClusterSection | None = None
    queues: dict[str, QueueSection] = {}
    events: dict[str, EventsSection] = {}
    orders_from: dict[str, OrdersFromSection] = {}
    proof: ProofSection | None = None
    router: RouterSection | None = None
    compliance: ComplianceSection = ComplianceSection()
    surveillance: SurveillanceSection | None = None
    console: ConsoleSection | None = None
    operators: dict[str, OperatorSection] = {}
    records: RecordsSection = RecordsSection()

    @property
    def login_names(self) -> tuple[str, ...]:
        """Who may come to the operators' door, beside the broker's own user."""
        return tuple(dict.fromkeys((*self.broker.operators, *self.operators)))

    def budgets(self, client: str) -> BudgetsSection:
        """What a client's session may ask for: its own budgets, or the gateway's for all."""
        own = self.clients[client].budgets
        return own if own is not None else self.gateway.budgets if self.gateway is not None else BudgetsSection()

    @property
    def http_keys(self) -> dict[str, ApiKeySection]:
        """The API keys that come over HTTP: those that no queue has."""
        queued = {key for section in self.orders_from.values() for key in section.api_keys}
        return {name: key for name, key in self.api_keys.items() if name not in queued}

    @property
    def limits(self) -> dict[Level, Limits]:
        """The limits of every level that has some, but for accounts' own in any symbol."""
        found = {Level("firm"): self.firm}
        found |= {Level("group", name): group.limits for name, group in self.groups.items()}
        found |= {Level("client", name): client.limits for name, client in self.clients.items()}
        for name, account in self.accounts.items():
            found |= {Level("account", name, symbol): limits for symbol, limits in account.symbols.items()}
        return {level: limits for level, limits in found.items() if limits != Limits()}

    @property
    def is_shard(self) -> bool:
        """Whether the broker is one of several that share accounts and limits."""
        return self.cluster is not None and self.cluster.shards

    @property
    def options(self) -> dict[str, ClientOptions]:
        return {name: client.options for name, client in self.clients.items()}

    @property
    def domain_venues(self) -> tuple[Venue, ...]:
        return tuple(venue.named(name) for name, venue in self.venues.items())
