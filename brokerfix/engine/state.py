"""Everything the broker knows. Changed by `evolve` only (and `market` by market data)."""

import hashlib
from collections import deque

from sortedcontainers import SortedDict

from brokerfix.domain import (
    Calibration,
    Currency,
    Instrument,
    Level,
    Limits,
    MarginPolicy,
    Phase,
    Rates,
    Venue,
    day_of,
    shard_of,
    to_scaled,
)
from brokerfix.engine.entities import Account, Bound, Client, Job, Link, Override, Watched
from brokerfix.engine.making.desk import GivenQuote, Making
from brokerfix.engine.making.quoter import Quoter
from brokerfix.engine.market import Market
from brokerfix.engine.matching.book import Book
from brokerfix.engine.orders.order import Child, Fill, Order
from brokerfix.engine.parts import HASHED, PARTS
from brokerfix.engine.routing.statistics import MONTH_DIGITS, Circuit, Markout, VenueScore, Volatility, with_tier
from brokerfix.engine.sharing import Sharing
from brokerfix.facts import Alerted, BreakFound, LimitsProposed, QuoteRequestRefused

EMPTY = tuple((part.name, part.empty) for part in PARTS if part.empty is not None)


class State:
    """The whole state: its parts are those of `parts.PARTS`.

    `last_id` is the number of the last fact, `day_began` that of the trading day's first.

    `limits` are those of all levels as they are now, `configured` as the configuration has last named them, and
    `bounds` what is set of them with what counts towards it.

    `proposals` are limits that wait for a second person, by the number of their fact; `overrides` those that are set
    for a time.

    `sharing` is what it is as one of several shards.

    `margin_policy` is how margin accounts are watched, `called` are those whose positions may only be closed because of
    it, `deficits` what accounts owe (money), and `derived` are by symbol the options on it; `rates` are by symbol
    what positions need as margin.

    `currencies` are those beside the desk's own, `fx` their rates (8 decimals), and `factors` make money of the desk's
    own currency of price x quantity, by symbol.

    `executions` are by strategy (CLIENT/TAG) the fills that count towards its client's `max_fills`, `reducing` by
    account and symbol the working orders that must not increase a position.

    `holders` are by symbol the accounts that have, or had, some of it.

    `venue_execs` is ExecID -> our fact, of each exchange for today (`old_venue_execs`: the day before). `stops` files
    the orders whose stop the market has not reached; `watching` are those that react to the market otherwise,
    `expiries` those that end at a time, `overdue` those whose time is over but that wait for an exchange. `halts` is
    what an operator has halted: (kind, name) -> operator, `killed` are those that he has killed, and `unkilled` the
    orders under a kill that an exchange would not cancel, by the time at which it is asked again. `agenda` is what has
    to be decided next, see `engine.follow_up`, and `jobs` what is done in slices; `revalued` are the accounts that the
    last slice has valued anew.

    What has ended before the previous trading day leaves the state when a day begins; `reversed` are fills of such
    orders that an operator has taken back. `links` are by exchange, `breaks` the open ones by their number.

    `profiles` say when symbols trade (bucket in ns, weights), `scores` what exchanges have been like (by
    EXCHANGE/CLASS), `months` what each has filled for us in a month (YYYYMM, units in 8 decimals), `circuits` which
    fail; `markouts` are fills to be compared with a later mark, `volatility` is each symbol's.

    `makers` are the market makers of ours, `quoted` those that quote a symbol, `stirred` those
    (with the symbol) whose market has moved since they have looked, and `calibrations` what has been
    estimated of symbols for their models. `given` are the quotes that clients were given today, `firm` those that can
    be taken, by the time until which they can, and `asked` what each client's QuoteReqIDs have got: quotes, by their
    numbers, and refusals. `quoters` are the clients that quote in our own book.

    `watched` are the alerts of surveillance that are not over, or not for long.
    """

    last_id: int
    sharing: Sharing
    instruments: dict[str, Instrument]
    accounts: dict[str, Account]
    groups: dict[str, tuple[str, ...]]
    symbol_groups: dict[str, tuple[str, ...]]
    executions: dict[str, int]
    reducing: dict[tuple[str, str], dict[int, None]]
    limits: dict[Level, Limits]
    configured: dict[Level, Limits]
    proposals: dict[int, LimitsProposed]
    overrides: dict[Level, Override]
    margin_policy: MarginPolicy
    derived: dict[str, dict[str, None]]
    rates: dict[str, Rates]
    currencies: dict[str, Currency]
    fx: dict[str, int]
    factors: dict[str, int]
    called: dict[str, None]
    deficits: dict[str, int]
    bounds: dict[Level, Bound]
    clients: dict[str, Client]
    venues: dict[str, Venue]
    holders: dict[str, dict[str, None]]
    orders: dict[int, Order]
    children: dict[int, Child]
    open_children: dict[str, dict[int, Child]]
    links: dict[str, Link]
    breaks: dict[int, BreakFound]
    venue_execs: dict[str, dict[str, int]]
    old_venue_execs: dict[str, dict[str, int]]
    day_began: int
    previous_day_began: int
    jobs: list[Job]
    overdue: dict[int, None]
    revalued: list[str]
    fills: dict[int, Fill]
    reversed: dict[int, None]
    books: dict[str, Book[int]]
    stops: dict[str, Book[int]]
    watching: dict[str, dict[int, None]]
    expiries: SortedDict[tuple[int, int], None]
    phases: dict[str, Phase]
    halts: dict[tuple[str, str], str]
    killed: dict[tuple[str, str], None]
    unkilled: dict[int, int]
    away: dict[str, None]
    copies: dict[str, list[str]]
    agenda: dict[tuple[str, str | int | tuple[str, str]], None]
    marks: dict[str, int]
    recorded: dict[str, tuple[object, ...]]
    alerts: deque[Alerted]
    alert_count: int
    trade_count: int
    profiles: dict[str, tuple[int, tuple[int, ...]]]
    scores: dict[str, VenueScore]
    circuits: dict[str, Circuit]
    months: dict[str, tuple[int, int]]
    markouts: dict[str, list[Markout]]
    volatility: dict[str, Volatility]
    makers: dict[str, Making]
    quoted: dict[str, dict[str, None]]
    stirred: dict[tuple[str, str], None]
    calibrations: dict[str, Calibration]
    given: dict[int, GivenQuote]
    firm: SortedDict[tuple[int, int], None]
    asked: dict[str, dict[str, list[int | QuoteRequestRefused]]]
    quoters: dict[str, Quoter]
    watched: dict[str, Watched]
    market: Market

    def __init__(self) -> None:
        for name, empty in EMPTY:
            setattr(self, name, empty())

    def become(self, other: "State") -> None:
        """Be what another state is, that is given up."""
        self.__dict__ = other.__dict__

    def terms_of(self, venue: str) -> Venue:
        """The exchange with the fees that it takes now, by what it has filled in the month."""
        known = self.venues[venue]
        if not known.tiers:
            return known
        month, filled = self.months.get(venue, (0, 0))
        reached = sum(filled >= to_scaled(tier.from_qty, MONTH_DIGITS) for tier in known.tiers)
        return with_tier(known, reached - 1) if reached and month == self.day // 100 else known

    def all_terms(self) -> dict[str, Venue]:
        if not any(venue.tiers for venue in self.venues.values()):
            return self.venues
        return {name: self.terms_of(name) for name in self.venues}

    @property
    def day(self) -> int:
        """The trading day, YYYYMMDD (0 before the first)."""
        return day_of(self.last_id)

    @property
    def shard(self) -> int:
        """Which of several brokers this is."""
        return shard_of(self.last_id)

    def order_of(self, child: Child) -> Order:
        return self.orders[child.order_id]

    def in_doubt(self, child: Child) -> bool:
        """Whether the session with the exchange was lost since it last confirmed the child."""
        return child.open and child.seen != self.links[child.venue].lost

    def venue_quotes(self, venue: str, symbol: str) -> bool:
        """Whether the venue is up and trades the symbol."""
        symbols = self.venues[venue].symbols
        return (
            bool(self.market.up.get(venue))
            and not self.venues[venue].drop_copy
            and (not symbols or symbol in symbols)
            and not self.market.is_halted(venue, symbol)
            and (not self.halts or ("venue", venue) not in self.halts)
        )

    def note_copies(self) -> None:
        """Who gets copies of whose reports, as the clients' options say."""
        self.copies = {}
        for client in self.clients.values():
            for other in client.options.drop_copy:
                self.copies.setdefault(other, []).append(client.client)

    def phase(self, symbol: str) -> Phase:
        """The instrument's trading phase; one without hours always trades."""
        return self.phases.get(symbol, Phase.CONTINUOUS)

    def is_halted(self, symbol: str) -> bool:
        """Whether the instrument takes no orders."""
        return self.instruments[symbol].halted or ("all", "") in self.halts or ("symbol", symbol) in self.halts

    def hash(self) -> str:
        """SHA-256 over all but the live market view: two replays of one journal give the same."""
        digest = hashlib.sha256()
        for part in HASHED:
            assert part.hashed is not None
            # One after the other: all as one text would take as much memory as the state.
            for item in part.hashed(getattr(self, part.name)):
                digest.update(repr(item).encode())
            digest.update(b";")
        return digest.hexdigest()
