"""What a market maker is configured with. Prices and quantities are scaled by the instrument's digits unless a field
says otherwise; times are ns; model parameters are floats in plain units (price units, seconds)."""

from enum import StrEnum

import msgspec

from brokerfix.domain.words import Side

__all__ = [
    "AskedQuote", "Calibration", "ClientQuoting", "Distance", "Hedge", "Maker", "Model", "NoQuote", "OwnQuote",
    "Protection", "QuoteEntry", "QuoteReject", "QuoteStatus", "QuoteTable", "QuotedPrice", "Quoting", "Tier",
    "WantedQuote",
]  # fmt: skip

MODELS = ("fixed", "avellaneda-stoikov", "glft")
PLACES = ("book", "exchanges", "both")
HUNDREDTHS = 1_000_000
"""Hundredths of a basis point in one."""


class Distance(msgspec.Struct, frozen=True, gc=False):
    """A distance between prices: `price` (scaled), and `bps` of the price it is measured at (hundredths of a basis
    point), together."""

    price: int = 0
    bps: int = 0

    def at(self, price: int) -> int:
        """The distance (scaled) at a price, rounded up."""
        return self.price - (-price * self.bps // HUNDREDTHS)


NONE = Distance()


class Model(msgspec.Struct, frozen=True, gc=False):
    """A model and its parameters. `bid`, `ask`: half spreads of "fixed". `gamma`: risk aversion per unit of inventory
    (one quote's size). `horizon` in seconds; a `rolling` one never ends, else it ends with the trading day. `sigma`
    (price units per square root of a second), `a` (fills per second at no distance) and `k` (per price unit) are priors
    that hold until a calibration is enough. `drift` in price units per second. `microprice`, `imbalance` and
    `order_flow` are the weights (0 to 1) with which the size-weighted mid, the queues' imbalance and that of the late
    order flow (of half the spread) shift the mid."""

    name: str = "fixed"
    bid: Distance = NONE
    ask: Distance = NONE
    gamma: float = 0.0
    horizon: float = 0.0
    rolling: bool = True
    sigma: float = 0.0
    a: float = 0.0
    k: float = 0.0
    drift: float = 0.0
    microprice: float = 0.0
    imbalance: float = 0.0
    order_flow: float = 0.0


class Protection(msgspec.Struct, frozen=True, gc=False):
    """Market maker protection: what may be filled in a `window` (ns; 0: no protection) before all quotes are pulled.
    `qty`: units either way, `delta`: net units, `fills`: their number (0: no such limit). The window begins with the
    first fill, or slides. Quotes come back after `frozen` ns (0: when they are reset by hand)."""

    window: int = 0
    qty: int = 0
    delta: int = 0
    fills: int = 0
    sliding: bool = False
    frozen: int = 0


class Hedge(msgspec.Struct, frozen=True, gc=False):
    """How what a maker has of an instrument is hedged: with the instrument `symbol`, of which one unit of delta takes
    `beta` units (ten thousandths), as soon as the net delta of all that is hedged with it is above `band` (scaled, of
    `symbol`). An order is `most` at once, no further than `slip` beyond the best price. `share` of its cost (hundredths
    of a percent of half the spread and the taker's fee) is in the quotes."""

    symbol: str
    band: int
    beta: int = 10_000
    most: int = 0
    slip: Distance = NONE
    share: int = 0


class Quoting(msgspec.Struct, frozen=True, gc=False):
    """How a maker quotes one instrument.

    `place`: in our own "book", at "exchanges" (`venues`; empty: all that have it), or "both". `qty` is the size of the
    first level, each further one is `level_step` away and `level_qty` larger. The spread is `min_spread` at least.
    A quote that is off by no more than `tolerance` stays, one that is older than `max_age` is placed anew, one younger
    than `min_life` is only moved when it has to be; `refresh` is the least time between two looks. The position stays
    within `most_short` (below 0) and `most_long`. `target` is the position that is wanted and `skew_range` how far from
    it one side's size is 0 and the other's twice (0: sizes are not skewed); with a `target_share` (ten thousandths of
    what the account has in the instrument and in cash) that is the target. After a fill that side is quoted again after
    `filled_delay`. No bid is above `ceiling`, no offer below `floor` (0: none). `ping_pong`: what was bought is offered
    before more is bought. All quotes are pulled when the mid jumps by more than `jump` within `jump_window`, when the
    reference is older than `max_reference_age`, or the day's loss in the instrument is above `max_loss` (decimal text
    of money; "": any). What others are hedged with is quoted with a `qty` of 0: not at all. `reference`: "market" (the
    exchanges'), or "own" where the simulation says where the market is."""

    symbol: str
    model: Model
    qty: int
    most_long: int
    most_short: int
    place: str = "book"
    venues: tuple[str, ...] = ()
    levels: int = 1
    level_step: int = 0
    level_qty: int = 0
    min_spread: Distance = NONE
    tolerance: Distance = NONE
    max_age: int = 0
    min_life: int = 0
    refresh: int = 0
    target: int = 0
    target_share: int = 0
    skew_range: int = 0
    filled_delay: int = 0
    ceiling: int = 0
    floor: int = 0
    ping_pong: bool = False
    jump: Distance = NONE
    jump_window: int = 0
    max_reference_age: int = 0
    max_loss: str = ""
    protection: Protection = Protection()
    hedge: Hedge | None = None
    reference: str = "market"


class Tier(msgspec.Struct, frozen=True, gc=False):
    """What clients' quotes are priced with: `spread` is added to each side, and `size` once more for each multiple of
    the quote's size beyond the first. None is given above `most` (in multiples of the size, 0: the bounds of the
    position). Without `clients` it is that of all others."""

    clients: tuple[str, ...]
    spread: Distance = NONE
    size: Distance = NONE
    most: int = 0


class Maker(msgspec.Struct, frozen=True, gc=False):
    """A market maker of ours: the client of its name trades for `account`. `protection` counts the fills of all its
    instruments. It does not quote within `news` ((from, until), ns). Quotes to clients are firm for `valid` ns (0: it
    gives none), by the first of the `tiers` that a client is in. `flatten` is how many ns before the trading day's end
    it stops and closes its positions (0: it holds them)."""

    maker: str
    account: str
    quoting: tuple[Quoting, ...] = ()
    protection: Protection = Protection()
    news: tuple[tuple[int, int], ...] = ()
    valid: int = 0
    tiers: tuple[Tier, ...] = ()
    flatten: int = 0


class ClientQuoting(msgspec.Struct, frozen=True, gc=False):
    """What a client may quote in our own book: `symbols` (empty: all), `most` quotes at once (0: any number). The fills
    of all its quotes count towards the `protection`, those of one symbol towards that of `each` (symbol, protection)
    too."""

    client: str
    symbols: tuple[str, ...] = ()
    most: int = 0
    protection: Protection = Protection()
    each: tuple[tuple[str, Protection], ...] = ()


class OwnQuote(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Which quote of a client an order is a side of: QuoteID(117) of the message that has last named it,
    QuoteSetID(302) and QuoteEntryID(299). A Quote(S) is its own entry, of no set."""

    quote_id: str
    quote_set: str
    entry: str

    @property
    def name(self) -> tuple[str, str]:
        return self.quote_set, self.entry


class QuoteEntry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A quote as a client wants it, or as it stands: scaled prices and sizes, a size of 0 is no quote on that side.
    `reason` is QuoteEntryRejectReason(368) and `text` why, of what is refused ("": nothing is)."""

    quote_set: str
    entry: str
    symbol: str
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int
    reason: str = ""
    text: str = ""


class QuoteReject(StrEnum):
    """FIX QuoteEntryRejectReason(368), and QuoteRejectReason(300), which has the same values."""

    UNKNOWN_SYMBOL = "1"
    CLOSED = "2"
    EXCEEDS_LIMIT = "3"
    TOO_LATE = "4"
    UNKNOWN_QUOTE = "5"
    DUPLICATE = "6"
    SPREAD = "7"
    PRICE = "8"
    NOT_AUTHORIZED = "9"
    OTHER = "99"


Row = tuple[float | None, ...]


class QuoteTable(msgspec.Struct, frozen=True, gc=False):
    """Distances of quotes that a model was solved for: bids' and asks' by inventory from -`q_max` to `q_max`, a row for
    each of `times` (remaining seconds, going up); None: not quoted. The other fields are the model's parameters."""

    gamma: float
    sigma: float
    a: float
    k: float
    q_max: int
    horizon: float
    drift: float
    times: tuple[float, ...]
    bids: tuple[Row, ...]
    asks: tuple[Row, ...]


class Calibration(msgspec.Struct, frozen=True, gc=False):
    """What was estimated of a symbol: `sigma` in price units per square root of a second, `a` per second, `k` per price
    unit; of so many `samples` and `fills`. `quality` says how well it fits. The `tables` are solved for these, each for
    the risk aversion, bound and horizon of a desk."""

    sigma: float
    a: float
    k: float
    samples: int = 0
    fills: int = 0
    quality: str = ""
    tables: tuple[QuoteTable, ...] = ()


class WantedQuote(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A quote that a maker has decided to have: where ("" is our book), scaled price and quantity."""

    venue: str
    side: Side
    level: int
    price: int
    qty: int


class QuotedPrice(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a quote was priced by: the maker's `position` (scaled), the reference `mid` (twice, scaled), the model's
    `fair` price, and its distances of bid and offer from the mid (decimal text of price units, "" for a side that it
    does not quote), with the volatility and intensity that it went by."""

    position: int
    mid: int
    fair: str
    bid: str
    ask: str
    sigma: float = 0.0
    a: float = 0.0
    k: float = 0.0


class AskedQuote(msgspec.Struct, frozen=True, gc=False):
    """What a client wants a quote of. `side` is what it would do ("": either), `qty` is scaled (0: the maker's own
    size). `until` is the time (ns) until which it wants the quote firm (0: as we have it), `expires` when the request
    itself is over (0: never). `defect` is what the codec found wrong with it."""

    symbol: str
    side: str = ""
    qty: int = 0
    account: str = ""
    until: int = 0
    expires: int = 0
    defect: str = ""


class NoQuote(StrEnum):
    """FIX QuoteRequestRejectReason(658), as far as told."""

    UNKNOWN_SYMBOL = "1"
    CLOSED = "2"
    EXCEEDS_LIMIT = "3"
    TOO_LATE = "4"
    NOT_AUTHORIZED = "6"
    NO_MARKET = "8"
    NO_INVENTORY = "9"
    PASS = "10"
    OTHER = "99"


class QuoteStatus(StrEnum):
    """FIX QuoteStatus(297), as far as told. CANCELED and TRADED are FIX 5.0's."""

    ACCEPTED = "0"
    CANCELED_FOR_SYMBOL = "1"
    CANCELED_ALL = "4"
    REJECTED = "5"
    REMOVED = "6"
    EXPIRED = "7"
    NOT_FOUND = "9"
    PASS = "11"
    CANCELED = "17"
    TRADED = "21"
