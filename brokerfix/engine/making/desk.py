"""What the state has of market makers: each maker's desks, one an instrument."""

from collections.abc import Iterable

import msgspec

from brokerfix.domain import Maker, QuotedPrice, QuoteStatus, Quoting, Side

PULLED_BY_OPERATOR = "STOPPED"
UNTIL_OVER, UNTIL_RESET = -1, 0
ECHO = 500_000_000
"""Nanoseconds for which an exchange's market data may show what it has told us to be gone: both come on sessions of
their own, and market data may be conflated."""

AGAIN_AFTER = 10**9
"""Nanoseconds from what an exchange has refused of a quote to the same again."""


Slot = tuple[str, Side, int]
"""Where a quote stands: exchange ("" our book), side, level."""


def slot_name(symbol: str, slot: Slot) -> str:
    """The ClOrdID of the quote in a slot."""
    venue, side, level = slot
    return f"{symbol}-{'B' if side is Side.BUY else 'S'}{level}{'-' if venue else ''}{venue}"


def slot_of(symbol: str, name: str, venue: str, side: Side) -> Slot | None:
    """The slot at an exchange ("" our book) whose quote has this ClOrdID; None if that is no quote's."""
    level = name.removeprefix(f"{symbol}-")[1:].partition("-")[0]
    slot = venue, side, int(level) if level.isdecimal() else 0
    return slot if slot_name(symbol, slot) == name else None


class Window(msgspec.Struct, gc=False):
    """Fills that count towards a protection: (at, units, net units), oldest first."""

    fills: list[tuple[int, int, int]] = []


class Pull(msgspec.Struct, frozen=True, gc=False):
    """Why a desk quotes nothing: a word, numbers, and until when (see `QuotesPulled`); `of_all`: all the maker's desks
    were pulled."""

    code: str
    text: str
    until: int
    of_all: bool = False


class Deal(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A fill of a maker that it has not looked at yet; a quantity below 0 was taken back, and what `corrects` that is
    no new fill. `symbol` is told of those of a client that quotes, which has them all together."""

    exec_id: int
    order_id: int
    side: Side
    qty: int
    price: int
    fee: str = ""
    corrects: bool = False
    symbol: str = ""


class GivenQuote(msgspec.Struct, gc=False):
    """A quote that a client was given, see `QuoteGiven`; `bid_left` and `ask_left` are what of it can still be taken on
    each side: what is taken on one is no longer there on the other. `ended`: as what it is over (None: it is firm),
    `answer` the QuoteRespID(693) of the answer that ended it, `next_id` the quote that was given instead."""

    quote_id: int
    at: int
    client: str
    quote_req_id: str
    account: str
    symbol: str
    side: str
    bid: int
    bid_left: int
    ask: int
    ask_left: int
    valid_until: int
    maker: str
    priced: QuotedPrice
    quote_resp_id: str = ""
    ended: QuoteStatus | None = None
    text: str = ""
    answer: str = ""
    next_id: int = 0

    def price(self, side: Side) -> int:
        """At which the client buys or sells (0: that is not quoted)."""
        return self.ask if side is Side.BUY else self.bid

    def left(self, side: Side) -> int:
        """What the client may still buy or sell."""
        return self.ask_left if side is Side.BUY else self.bid_left


class HedgeUnderWay(msgspec.Struct, gc=False):
    """A hedge that was sent `at` a time: its OrderID while it works (0: it has ended), or the check that refused it;
    `failed` are how many on end were not filled at all."""

    at: int
    order_id: int = 0
    refused: str = ""
    failed: int = 0


class Earned(msgspec.Struct, gc=False):
    """What a desk has made today, in price x quantity, twice: `cash` is what its deals have brought in (less what it
    began the day with, at the mid then), `captured` and `hedged` are what its quotes and hedges were better by than the
    mid, and `forgiven` is what it had made when an operator last reset it. `fees` are money, `forgiven_fees` too."""

    cash: int = 0
    captured: int = 0
    hedged: int = 0
    fees: int = 0
    forgiven: int = 0
    forgiven_fees: int = 0


class Desk(msgspec.Struct, gc=False):
    """A maker in one instrument.

    `pulls` are by code the reasons for which nothing is quoted. `slots` are where it has quotes, by their ClOrdID, and
    `why` what was said of the last decision. `mid` is the reference (twice, scaled) of the last decision, which was at
    `decided_at`, `mids` are those of the last while; since `lost_at` (ns; 0: there is one) there is no reference.
    `anchor` is where a simulation has the market. `new` are fills that are yet to be looked at, `filled_at` when each
    side was filled last, `ladder` how much more its quotes have bought than sold (ping-pong). `window` counts for the
    protection. `echoes` are by exchange, side and price what an exchange had of its quotes until a moment ago, (until,
    quantity): the market data may show it still. `refused` is when an exchange has last refused a request about a
    quote, by its ClOrdID.

    `alerted` is when operators were last told of a pull, by its code. `net` is what it has of the instrument by its
    deals, `earned` what they have brought in today. `to_buy` and `to_sell` are what it would buy and sell if all quotes
    that clients have of it were taken.
    """

    quoting: Quoting
    pulls: dict[str, Pull] = {}
    slots: dict[str, Slot] = {}
    why: str = ""
    mid: int = 0
    decided_at: int = 0
    mids: list[tuple[int, int]] = []
    lost_at: int = 0
    anchor: int = 0
    new: list[Deal] = []
    filled_at: dict[Side, int] = {}
    ladder: int = 0
    window: Window = msgspec.field(default_factory=Window)
    echoes: dict[tuple[str, Side, int], tuple[int, int]] = {}
    refused: dict[str, int] = {}
    alerted: dict[str, int] = {}
    net: int = 0
    earned: Earned = msgspec.field(default_factory=Earned)
    to_buy: int = 0
    to_sell: int = 0

    def may_ask(self, name: str, at: int) -> bool:
        """Whether an exchange may be asked to change or cancel a quote: not a moment after it has refused that."""
        return name not in self.refused or at - self.refused[name] >= AGAIN_AFTER

    @property
    def is_passive(self) -> bool:
        """It quotes nothing: others are hedged with the instrument."""
        return not self.quoting.qty


class Making(msgspec.Struct, gc=False):
    """A market maker: its terms, and as the configuration has last named them, its desks by symbol, what counts for the
    protection of all, the last hedge by the symbol that it is in, and when the trading day ends (ns; 0: it is not
    known)."""

    maker: Maker
    configured: Maker
    desks: dict[str, Desk] = {}
    window: Window = msgspec.field(default_factory=Window)
    hedges: dict[str, HedgeUnderWay] = {}
    day_ends: int = 0


def symbols_of(maker: Maker) -> set[str]:
    """The instruments that a maker has desks in: what it quotes, and what that is hedged with."""
    return {one.symbol for one in maker.quoting} | {one.hedge.symbol for one in maker.quoting if one.hedge is not None}


def leaning(makers: Iterable[Making]) -> list[str]:
    """The symbols whose order flow shifts somebody's quotes."""
    desks = (desk for making in makers for desk in making.desks.values())
    return [desk.quoting.symbol for desk in desks if desk.quoting.model.order_flow]


def waits_for_time(making: Making, desk: Desk) -> bool:
    """Whether something of a desk may be due by the clock alone: a pull that ends, a reference that grows old, a side
    that comes back, a quote that is too old, a hedge that is tried again, a pause."""
    quoting, maker = desk.quoting, making.maker
    by_terms = quoting.max_age or quoting.min_life or quoting.filled_delay or maker.news or maker.flatten
    return bool(desk.pulls or desk.lost_at or by_terms or making.hedges or desk.echoes)


ALERT_AGAIN = 60 * 10**9
"""Nanoseconds from an alert of a pull to the next for the same reason: what comes and goes would fill the log."""


def is_news(desk: Desk, code: str, at: int) -> bool:
    """Whether operators have not just been told of such a pull."""
    return code not in desk.alerted or at - desk.alerted[code] >= ALERT_AGAIN
