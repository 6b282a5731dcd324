"""Facts: market makers, what they quote and why, and what became of clients' quotes."""

from brokerfix.domain import (
    Calibration,
    ClientQuoting,
    Maker,
    NoQuote,
    QuotedPrice,
    QuoteEntry,
    QuoteStatus,
    Side,
    WantedQuote,
)
from brokerfix.facts.base import Fact


class MakerDefined(Fact, frozen=True, gc=False):
    """A market maker as the configuration has it (without `quoting`: it is no longer configured), or, with an
    `operator`, as that has set it. What an operator has set of an instrument holds until the configuration says
    something else of it."""

    maker: Maker
    operator: str = ""


class QuotesDecided(Fact, frozen=True, gc=False, kw_only=True):
    """What a maker quotes of a symbol from now on, and what it was priced by. The facts behind it bring its orders
    there. `anchor` is where a simulation says the market is (0: it does not). Unless it `is_fresh` there is no market,
    and the last one that was seen still holds."""

    maker: str
    symbol: str
    priced: QuotedPrice
    quotes: tuple[WantedQuote, ...]
    why: str = ""
    anchor: int = 0
    is_fresh: bool = True


class QuoteMoved(Fact, frozen=True, gc=False):
    """A maker's order, or a client's quote, in our own book has another price and quantity (in all, with what is
    filled), and stands behind all at that price."""

    order_id: int
    qty: int
    price: int


class QuotesPulled(Fact, frozen=True, gc=False, kw_only=True):
    """All quotes of a maker, or of a client that quotes, in a symbol ("": in all) are taken back, and none is made
    until the time `until` (ns; 0: until somebody resets it, -1: until the reason is over). `code` is why in a word,
    `text` in numbers. The cancels of a client's quotes follow."""

    maker: str
    symbol: str
    code: str
    text: str
    until: int = 0
    operator: str = ""


class QuotesResumed(Fact, frozen=True, gc=False, kw_only=True):
    """A maker may quote a symbol ("": all) again, as far as these reasons (none: all) were against it. With an
    `operator` also what its protection has counted is forgotten, and what it has lost by the `mids` (symbol, twice the
    mid, scaled) of now."""

    maker: str
    symbol: str
    codes: tuple[str, ...] = ()
    operator: str = ""
    mids: tuple[tuple[str, int], ...] = ()


class ReferenceLost(Fact, frozen=True, gc=False):
    """No exchange shows both sides of a symbol that a maker quotes: it goes by what it saw last, for as long as it
    may. `is_back`: one does again, while the maker quotes nothing for another reason."""

    maker: str
    symbol: str
    is_back: bool = False


class MakerDayEnds(Fact, frozen=True, gc=False):
    """When the trading day of a maker ends (`ends`, ns)."""

    maker: str
    ends: int


class MakerFilled(Fact, frozen=True, gc=False, kw_only=True):
    """A fill of a maker: `kind` is "quote", "hedge" or "rfq", `mid` the reference (twice, scaled) at which it was
    looked at (0: there was none), `fee` what it costs (decimal text of money). A quantity below 0 was taken back.
    `whole`: with it one of its quotes is filled. `corrects`: it is what a fill that was taken back is now."""

    maker: str
    symbol: str
    exec_id: int
    side: Side
    qty: int
    price: int
    mid: int
    kind: str
    fee: str = ""
    whole: bool = False
    corrects: bool = False


class HedgeDecided(Fact, frozen=True, gc=False, kw_only=True):
    """A maker hedges: its net `delta` (scaled, of the hedge's symbol) is beyond the `band`, so it sends the order that
    is accepted with the next fact. `of` are the positions that make up the delta."""

    maker: str
    symbol: str
    side: Side
    qty: int
    delta: int
    band: int
    of: tuple[tuple[str, int], ...]
    why: str = ""


class CalibrationSet(Fact, frozen=True, gc=False):
    """What has been estimated of a symbol."""

    symbol: str
    calibration: Calibration
    operator: str


class QuoteGiven(Fact, frozen=True, gc=False, kw_only=True):
    """A client gets a quote. Its QuoteID(117) is this fact's id. A price of 0: that side is not quoted. It is firm
    until `valid_until` (ns). `priced` is what it was priced by, `spread` what the client's tier and the size have added
    to each side. `quote_resp_id` is the QuoteResponse(AJ) that this is the answer to."""

    client: str
    quote_req_id: str
    account: str
    symbol: str
    side: str
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int
    valid_until: int
    maker: str
    priced: QuotedPrice
    spread: int = 0
    quote_resp_id: str = ""


class QuoteRequestRefused(Fact, frozen=True, gc=False, kw_only=True):
    """A client's QuoteRequest(R) gets no quote of this symbol. `known_as_new`: this is what its QuoteReqID names from
    now on, perhaps with other symbols' answers."""

    client: str
    quote_req_id: str
    symbol: str
    side: str
    reason: NoQuote
    text: str
    known_as_new: bool = True


class QuoteRepeated(Fact, frozen=True, gc=False):
    """A client has asked for a quote again that it was given: it is told how that stands."""

    quote_id: int


class QuoteTaken(Fact, frozen=True, gc=False, kw_only=True):
    """So much of a quote is taken, with the client's order `order_id`, at a price. `bid` and `ask` are the quote's, and
    `priced` is what they, or a counter that was agreed to (`is_counter`), were priced by."""

    quote_id: int
    order_id: int
    qty: int
    price: int
    bid: int
    ask: int
    maker: str
    priced: QuotedPrice
    is_counter: bool = False


class QuoteEnded(Fact, frozen=True, gc=False, kw_only=True):
    """A quote that a client was given is no longer there to be had: used up, expired, passed on, taken back, or another
    one was given instead, `next_id`. Where the client has answered it, `quote_resp_id` is the answer's."""

    quote_id: int
    status: QuoteStatus
    text: str = ""
    quote_resp_id: str = ""
    next_id: int = 0


class QuoteResponseRefused(Fact, frozen=True, gc=False, kw_only=True):
    """A client's QuoteResponse(AJ) is refused; the quote, as `named` by it, stays as it was."""

    client: str
    quote_resp_id: str
    named: str
    symbol: str
    status: QuoteStatus
    text: str


class QuoterDefined(Fact, frozen=True, gc=False):
    """What a client may quote, as the configuration has it. One that is `gone` may quote nothing any more."""

    quoting: ClientQuoting
    gone: bool = False


class QuotesAcknowledged(Fact, frozen=True, gc=False, kw_only=True):
    """What became of a MassQuote(i), or a Quote(S) (`is_single`): the facts before it have brought its `entries` to
    where they stand. Refused as a whole (`status` rejected) it has changed nothing, for the `reason`
    (QuoteRejectReason(300)) and `text`. `level` is QuoteResponseLevel(301)."""

    client: str
    quote_id: str
    entries: tuple[QuoteEntry, ...]
    level: str
    status: QuoteStatus = QuoteStatus.ACCEPTED
    reason: str = ""
    text: str = ""
    is_single: bool = False


class QuotesTakenBack(Fact, frozen=True, gc=False, kw_only=True):
    """A client takes back its quotes in `symbols`, or all: so many orders (`count`) end by the facts behind this one.
    `status` is QuoteStatus(297), `level` QuoteResponseLevel(301)."""

    client: str
    quote_id: str
    status: QuoteStatus
    symbols: tuple[str, ...] = ()
    count: int = 0
    level: str = "2"
    text: str = ""


class QuoteStatusTold(Fact, frozen=True, gc=False, kw_only=True):
    """A client has asked for the state of its quotes: the `entries` stand, none where there is none, for which `text`
    has a reason. Of each, the `ids` have the QuoteID(117) of the message that has last named it."""

    client: str
    quote_id: str
    symbol: str
    status_req_id: str
    entries: tuple[QuoteEntry, ...]
    ids: tuple[str, ...] = ()
    text: str = ""


class QuotesTraded(Fact, frozen=True, gc=False):
    """Fills of a client's quotes in a symbol, (ExecID, units: below 0 sold), count towards its protection."""

    client: str
    symbol: str
    fills: tuple[tuple[int, int], ...]
