"""Limits, and what decisions rest on."""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from brokerfix.domain.numbers import to_money, to_scaled
from brokerfix.domain.words import OrdRejReason


class Limits(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The pre-trade limits of one level, in the configuration's own words: those that are numbers as decimal text
    (empty for none), quantities in units, notionals in money. What each forbids stands in `risk.controls`; `duplicates`
    are so many of the same, and `window_seconds` and `duplicate_seconds` how long what was accepted counts. `max_loss`
    is what an account may lose in a day, see `risk.review`, and `max_fills` how many fills a strategy of a client may
    have until a person arms it anew, see `risk.kill`. `own_locates`: a short sale that is located by the client
    (LocateReqd(114) N) needs nothing of what is `located` here."""

    max_order_qty: str = ""
    max_order_notional: str = ""
    buying_power: bool = True
    max_window_qty: str = ""
    max_window_notional: str = ""
    window_seconds: int = 60
    max_long: str = ""
    max_short: str = ""
    max_gross: str = ""
    max_net: str = ""
    duplicates: str = ""
    duplicate_seconds: int = 10
    long_only: bool = False
    reduce_only: bool = False
    max_loss: str = ""
    restricted: bool = False
    located: str = ""
    own_locates: bool = False
    max_fills: str = ""

    def numbers(self) -> dict[str, int]:
        """Name -> number of the limits that are set, scaled by MONEY_DIGITS; what must not be at all is 0. Raises
        Inexact."""
        texts = msgspec.structs.asdict(self).items()
        numbers = {
            name: to_money(text) for name, text in texts if isinstance(text, str) and text and name not in WATCHED
        }
        return numbers | {name: 0 for name in ("long_only", "reduce_only", "restricted") if getattr(self, name)}

    def watched(self) -> dict[str, int]:
        """The same of those that are no check of an order."""
        return {name: to_money(getattr(self, name)) for name in WATCHED if getattr(self, name)}


WATCHED = ("max_loss", "max_fills")
"""Limits that are no check of an order: what is watched is what comes of orders."""


class Level(NamedTuple):
    """Whose limits: the `kind` is firm, client, group (of accounts) or account; those of an account may be in one
    symbol."""

    kind: str
    name: str = ""
    symbol: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


class Evidence(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a refusal rests on: the check that refused, its limit, and the value that was beyond it, both as people
    write them (empty: the check has none), and at which level the limit stands."""

    check: str
    limit: str = ""
    value: str = ""
    at: str = ""


class Reject(msgspec.Struct, frozen=True, gc=False):
    """Why an order is refused: OrdRejReason(103), and the evidence; what it does not say, in words. `lacks` is the part
    of a limit that was not enough for it: (kind of the level, its name, limit, what would have been)."""

    reason: OrdRejReason
    check: str
    words: str = ""
    limit: str = ""
    value: str = ""
    at: str = ""
    lacks: tuple[str, str, str, str] | None = None

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.check, self.limit, self.value, self.at)

    @property
    def text(self) -> str:
        """Text(58): `CHECK: limit=.., value=.., at=.., words`."""
        numbers = ("limit", self.limit), ("value", self.value), ("at", self.at)
        told = *(f"{name}={value}" for name, value in numbers if value), self.words
        return f"{self.check}: {', '.join(filter(None, told))}"


class Seen(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A quote of an exchange that a routing decision has looked at: price in ticks, scaled quantity, and how much of it
    the child orders aim at."""

    venue: str
    price: int
    qty: int
    aimed: int
    fee: str = ""


class Score(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An exchange as a routing decision has judged it: what one unit was expected to cost there all in (decimal text of
    money; "" where it shows nothing in reach), how much of it is in reach up to the limit, how much it gets (both
    scaled), and why it gets no more (`why`, "" where it gets all that it shows)."""

    venue: str
    cost: str
    qty: int
    gets: int
    why: str = ""


class DayTotals(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What has traded in a symbol on a trading day: the first, highest and lowest price in ticks (0: none), the scaled
    quantity, and the sum of price x quantity (scaled; VWAP = turnover / volume)."""

    open: int = 0
    high: int = 0
    low: int = 0
    volume: int = 0
    told_turnover: str = "0"

    @classmethod
    def of(cls, first: int, high: int, low: int, volume: int, turnover: int) -> "DayTotals":
        """With the turnover as a number, which has more than 64 bits on a busy day."""
        return cls(first, high, low, volume, str(turnover))

    @property
    def turnover(self) -> int:
        return int(self.told_turnover)


class MarginTerms(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a position in an instrument needs as margin, in the configuration's own words. Rates are shares of the
    position's value, as decimal text with up to four decimals; of accounts of the kind "tiered" those from a notional
    on, (notional, rate), instead of `maintenance`. In accounts of the kind "scan" the instruments of a `product` are
    margined together: `scan` are what one long unit loses in each of 16 scenarios (below 0: gains), in money,
    `spread_charge` what a long unit against a short one of another instrument costs besides, and `short_minimum` what a
    short option needs at least."""

    initial: str = "0.5"
    maintenance: str = "0.25"
    short_initial: str = "0.5"
    short_maintenance: str = "0.3"
    tiers: tuple[tuple[str, str], ...] = ()
    product: str = ""
    scan: tuple[str, ...] = ()
    spread_charge: str = "0"
    short_minimum: str = "0"


class Rates(NamedTuple):
    """`MarginTerms` as numbers: basis points, and money."""

    initial: int
    maintenance: int
    short_initial: int
    short_maintenance: int
    tiers: tuple[tuple[str, int], ...]
    scan: tuple[int, ...]
    spread_charge: int
    short_minimum: int


@lru_cache(maxsize=4096)
def rates_of(terms: MarginTerms) -> Rates:
    """The terms as numbers. Raises Inexact."""
    return Rates(
        to_scaled(terms.initial, 4),
        to_scaled(terms.maintenance, 4),
        to_scaled(terms.short_initial, 4),
        to_scaled(terms.short_maintenance, 4),
        tuple((floor, to_scaled(rate, 4)) for floor, rate in terms.tiers),
        tuple(map(to_money, terms.scan)),
        to_money(terms.spread_charge),
        to_money(terms.short_minimum),
    )


class OptionTerms(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An instrument is an option on another one. `strike` is decimal text in that one's price."""

    right: str
    underlying: str
    strike: str


class MarginPolicy(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """How margin accounts are watched and liquidated, shares as decimal text. A `warning` is given when the excess
    liquidity is not more than this share of the equity. A call leads to a liquidation `grace_seconds` later, which
    sells until the excess is `buffer` of the maintenance margin, in immediate orders of at most `max_slice` (money;
    empty: as much as it takes) at up to `collar` beyond the mark, and reckons with `fee` and `slippage`. A mark counts
    only while the middle of the best prices and the last trade are not further than `mark_band` from it. `debit_rate`
    and `credit_rate` are the yearly interest on cash below and above 0, of all accounts, see `engine.fees`."""

    warning: str = "0.05"
    grace_seconds: int = 0
    buffer: str = "0.05"
    collar: str = "0.02"
    fee: str = "0"
    slippage: str = "0.005"
    max_slice: str = ""
    mark_band: str = "0.1"
    debit_rate: str = "0"
    credit_rate: str = "0"


class Standing(StrEnum):
    """How a margin account stands."""

    OK = "ok"
    WARNING = "warning"
    CALL = "call"
    LIQUIDATING = "liquidating"
    CLOSED_OUT = "closed out"


REDUCING = (Standing.CALL, Standing.LIQUIDATING, Standing.CLOSED_OUT)
"""Standings in which positions may only be closed."""
LIQUIDATION = "liquidation"
"""The operator of a liquidation's orders, which clients can't cancel."""
MARGIN_KINDS = ("cash", "reg-t", "tiered", "scan")
"""The kinds of accounts."""
