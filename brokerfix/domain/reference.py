"""What is configured and what orders ask for: instruments, exchanges, clients' options, instructions."""

import msgspec

from brokerfix.domain.numbers import MONEY_DIGITS
from brokerfix.domain.risk import MarginTerms, OptionTerms


class Charge(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What fills cost, as decimal text: money `per_unit` and basis points of their notional. `exchange_fees`: what the
    exchange takes (or gives) besides; only a client's commission has that."""

    per_unit: str = "0"
    bps: str = "0"
    exchange_fees: bool = False


class Currency(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A currency beside the desk's own, as decimal text: what one unit of it is worth there (`rate`), and by which
    share it counts for less as a collateral (`haircut`). With a `symbol` the mark of that instrument is the rate."""

    rate: str
    haircut: str = "0"
    symbol: str = ""


class PlacementTerms(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What decides between taking and queueing (mode "split"), as decimal text: what missing one unit costs in money
    (`lambda_u`), the market impact of one (`theta`), and how many units trade at a best price while an order waits
    there (`outflow`)."""

    lambda_u: str
    outflow: str
    theta: str = "0"


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """What can be traded. `tick` and `lot` are scaled ints; `collar` is in basis points of the mark (0: none);
    `reference` is the mark before the first quote or trade (0: none); `opens` and `closes` are seconds of the day in
    `zone` (equal: always open); `pre_open`, `opening_auction` and `closing_auction` are how many seconds these phases
    last. `trigger` is what stops look at, "last" or "quote"; `peg_interval` is ns between two prices of a peg. A
    quantity of 1 is `multiplier` units of what the price is of (ContractMultiplier(231)); `margin` is what a position
    needs, and `option` says that it is one. Prices further than `static_bps` from the reference, or `dynamic_bps` from
    the last trade, either way, are refused (basis points; 0: no such band); `needs_market`: no order is taken without a
    price in sight. `outlier_mads`: an exchange whose mid is so many median absolute deviations from those of all is
    left out (0: none is)."""

    symbol: str
    price_digits: int
    qty_digits: int
    tick: int
    lot: int
    cross: str
    post: str
    collar_bps: int = 0
    reference: int = 0
    opens: int = 0
    closes: int = 0
    halted: bool = False
    money_factor: int = 0
    trigger: str = "last"
    peg_interval: int = 100_000_000
    pre_open: int = 0
    opening_auction: int = 0
    closing_auction: int = 0
    zone: str = "UTC"
    multiplier: int = 1
    margin: MarginTerms = MarginTerms()
    option: OptionTerms | None = None
    static_bps: int = 0
    dynamic_bps: int = 0
    needs_market: bool = False
    charge: Charge | None = None
    currency: str = ""
    route_by: str = "price"
    outlier_mads: int = 0
    route_mode: str = "best"
    latency_cost: int = 0
    trade_through: str = "off"
    cross_share: int = 0
    repost_interval: int = 0
    placement: PlacementTerms | None = None

    def __post_init__(self) -> None:
        """Set `money_factor`: price x qty x money_factor = money."""
        factor = self.multiplier * 10 ** (MONEY_DIGITS - self.price_digits - self.qty_digits)
        msgspec.structs.force_setattr(self, "money_factor", factor)


class FeeTier(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What an exchange takes from so many units on that it has filled for us in a calendar month, as decimal text."""

    from_qty: str
    taker_fee: str = "0"
    maker_fee: str = "0"
    taker_bps: str = "0"
    maker_bps: str = "0"


class Strategy(msgspec.Struct, frozen=True, gc=False):
    """How an order is worked over time and routed: TargetStrategy(847) and its parameters. `name` is one of ALGORITHMS
    ("": at once) from `start` to `end` (ns), in slices `interval` ns apart. `rate` is the share of the market's volume
    that it takes at most (of "pov": that it takes), in ten thousandths (0: any). `urgency` is kappa x T of Almgren and
    Chriss in ten thousandths. With `catch_up` what could not be had in time is wanted at once; else it is spread over
    the rest. `passive`: a slice is posted at the best price of its own side first, and taken when the next is due.
    `mode` is the routing mode ("": as the account or instrument has it)."""

    name: str = ""
    start: int = 0
    end: int = 0
    interval: int = 0
    rate: int = 0
    urgency: int = 0
    catch_up: bool = True
    passive: bool = False
    mode: str = ""


class Venue(msgspec.Struct, frozen=True, gc=False):
    """An exchange. Fees are decimal text per unit (negative: a rebate), and in basis points of what is traded
    (`taker_bps`, `maker_bps`); `symbols` empty means every instrument. `market_data`: whether it sends us its book.
    `supports`: the FEATURES that it has itself. `removed`: it is no longer configured; what it holds of ours is still
    in our books. `drop_copy`: it is no place to trade, but tells of fills at others (`drop_copy_of`; empty: at all).
    `halt_on_break`: a difference of more than this (decimal text of money) halts it. Quotes of a symbol in which it has
    told nothing for `max_quote_age` ns do not count (0: whatever their age). `by_order`: its market data are single
    orders (MDEntryID(278)). `asks_status`: it is asked for SecurityStatus(f). `dark`: it shows nothing. After
    `circuit_failures` failures in a row (0: never) it is not routed to for `circuit_time` ns. What it takes of a taker
    is no more than `fee_cap_bps` (0: any); `tiers`, with the least quantity first, replace its fees by what it has
    filled in the month."""

    venue: str
    taker_fee: str = "0"
    maker_fee: str = "0"
    symbols: tuple[str, ...] = ()
    market_data: bool = True
    supports: tuple[str, ...] = ()
    removed: bool = False
    drop_copy: bool = False
    drop_copy_of: tuple[str, ...] = ()
    halt_on_break: str = ""
    taker_bps: str = "0"
    maker_bps: str = "0"
    max_quote_age: int = 0
    by_order: bool = False
    asks_status: bool = False
    dark: bool = False
    circuit_failures: int = 0
    circuit_time: int = 0
    fee_cap_bps: str = "0"
    tiers: tuple[FeeTier, ...] = ()


class Instructions(msgspec.Struct, frozen=True, gc=False):
    """What an order asks for beyond type, quantity, price and time in force; 0 or empty for what it does not.

    `stop_px` StopPx(99); `expire_at` ExpireTime(126) in ns; `expire_day` ExpireDate(432) as YYYYMMDD; `max_floor`
    MaxFloor(111), what an iceberg shows; `min_qty` MinQty(110); `peg_offset` PegOffsetValue(211), added to the peg's
    price or, without its sign, the trailing stop's distance; `limit` a pegged order's Price(44), which it never goes
    beyond; `manual` HandlInst(21) 3: only an operator releases it; `strategy` TargetStrategy(847)."""

    stop_px: int = 0
    expire_at: int = 0
    expire_day: int = 0
    max_floor: int = 0
    min_qty: int = 0
    peg_offset: int = 0
    limit: int = 0
    exec_inst: tuple[str, ...] = ()
    manual: bool = False
    strategy: Strategy | None = None


class OrderTags(msgspec.Struct, frozen=True, gc=False):
    """What an order says of itself beside its terms, as text ("" for what it does not): the `strategy` that it is of,
    ClOrdLinkID(583); SelfMatchPreventionID(2362): only orders with the same one are kept from trading with each other;
    `short_sale` is Side(54) "5" or "6" of an order to sell short, or short exempt, and `locate` LocateReqd(114);
    `quote_resp_id` is the QuoteRespID(693) of the answer to a quote that it comes of."""

    strategy: str = ""
    self_match_id: str = ""
    short_sale: str = ""
    locate: str = ""
    quote_resp_id: str = ""


class ClientOptions(msgspec.Struct, frozen=True, gc=False):
    """How a client is served. `pending`: what a replace or cancel gets while a replace waits for an exchange: "queue"
    (its turn comes), "announce" (and it is told so at once), "reject". `acknowledge`: New is sent when the order is
    "accepted" by us or when it is "placed". `cancel_on_disconnect`: "none", "day" or "all" orders are canceled `grace`
    ns after the session is lost. `drop_copy`: the clients whose reports this one gets copies of, `drop_copy_snapshot`:
    it is told of their open orders at logon. `most_following`: how many orders it may have that follow the market
    (pegs, trailing stops, conditions). `self_match`: what happens to orders that would trade with each other: nothing,
    or "cancel-newest", "cancel-oldest", "cancel-both", "decrement" (both lose what they would trade).
    `self_match_scope`: those of the "client", or also those of other clients that ask for it, in accounts of the same
    "group". `commission`: what their fills cost. `market_symbols`: it gets market data of these only (None: of all), of
    a subscription every `market_interval` ns at most, with each entry's RptSeq(83) where it `numbers_market_data`."""

    pending: str = "queue"
    acknowledge: str = "accepted"
    cancel_on_disconnect: str = "none"
    grace: int = 0
    drop_copy: tuple[str, ...] = ()
    drop_copy_snapshot: bool = False
    most_following: int = 500
    self_match: str = "none"
    self_match_scope: str = "client"
    commission: Charge | None = None
    market_symbols: tuple[str, ...] | None = None
    market_interval: int = 0
    numbers_market_data: bool = False

    def may_see(self, symbol: str) -> bool:
        """Whether the client gets market data of a symbol."""
        return self.market_symbols is None or symbol in self.market_symbols
