"""The engine through a day at simulated exchanges, in virtual time: the same decide and evolve that the broker runs,
with what its timers do, but without sockets. The same seed and steps give the same facts.

Our orders and exchanges' reports take a while each way, and so do market data; what is sent first arrives first.
"""

import random
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

import msgspec

from brokerfix import commands as cmd
from brokerfix import facts as f
from brokerfix.commands import MarketUpdate, NewOrder, VenueCancelReject, VenueReport
from brokerfix.domain import (
    IMMEDIATE,
    ClientOptions,
    ExecInst,
    Limits,
    OrdRejReason,
    OrdType,
    Side,
    TimeInForce,
    to_money,
)
from brokerfix.engine.engine import State, decide, done, evolve, follow_up, observe
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.venues.questions import is_owed
from brokerfix.record.journal import Journal
from brokerfix.settings.schedule import day_ends, trading_day
from brokerfix.settings.sections import Config
from brokerfix.settings.start import hours_of, start_command
from brokerfix.simulate.day import BEST, DEPTH, Place, Step
from brokerfix.simulate.ledger import Ledger
from brokerfix.simulate.queue import BEHIND, UNKNOWN, Exchange, Told

MILLISECOND, SECOND = 10**6, 10**9
STIRRED_EVERY, LOOK_EVERY, WATCH_EVERY = 10 * MILLISECOND, 250 * MILLISECOND, SECOND
"""As `process.timers` has them, but for the last."""
SAMPLES = 4000
"""How many times it is noted how makers stand, about."""
MOST_FOLLOW_UPS = 100_000
TAKERS = "TAKERS"
"""The client whose orders our own book gets."""
MUCH = "900000000"


class Terms(msgspec.Struct, frozen=True):
    """How it is simulated. `order_latency` and `market_latency` are ns one way, to which up to `jitter` ns are added at
    random; `takers` is how often (0 to 1) a recorded trade meets our own book first."""

    seed: int = 1
    order_latency: int = 0
    market_latency: int = 0
    jitter: int = 0
    queueing: str = BEHIND
    takers: float = 0.0


class Circle(Exception):
    """What the engine has to decide does not end."""


class Backtest:
    """One run. The `ledger` has what makers have made; `steps`, `commands` and `facts` count."""

    def __init__(
        self, config: Config, places: Iterable[Place], terms: Terms, seconds: float, journal: Journal | None = None
    ) -> None:
        """`places` are where something is told of, `seconds` about how long the day is. Raises ConfigError."""
        self.config, self.terms, self.journal = config, terms, journal
        self.exchanges = {place: Exchange(terms.queueing) for place in places}
        self.state = State()
        self.now = 0
        self.steps = self.commands = self.facts = 0
        self.ledger = Ledger(self.state, {symbol for _, symbol in self.exchanges})
        self._hours = hours_of(config)
        self._jitter, self._flow = random.Random(f"{terms.seed} jitter"), random.Random(f"{terms.seed} takers")
        self._sample_every = max(10 * MILLISECOND, int(seconds * SECOND / SAMPLES))
        self._waiting: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = self._execs = 0
        self._latest: dict[tuple[str, str], int] = {}
        self._stirred = False
        self._of_symbol: dict[str, list[Exchange]] = {}
        for (_, symbol), exchange in self.exchanges.items():
            self._of_symbol.setdefault(symbol, []).append(exchange)
        self._told: dict[type[f.Fact], Callable[[Any], None]] = {
            f.OrderRouted: self._routed,
            f.ChildCancelSent: self._cancel_sent,
            f.ChildReplaceSent: self._replace_sent,
            f.ChildStatusAsked: self._status_asked,
            **self.ledger.told,
        }

    def run(self, steps: Iterable[Step]) -> None:
        """Go through the steps, and on until what is under way has come. Raises Circle, and what reading raises."""
        step = None
        for step in steps:
            if not self.now:
                self._begin(step.at)
            self._until(step.at)
            self.now = step.at
            self.steps += 1
            self._happen(step)
        if step is not None:
            # What is under way, and what comes of that, has come.
            self._until(step.at + 2 * (self.terms.order_latency + self.terms.market_latency) + 4 * self.terms.jitter)
            self.ledger.end(self.now)

    def unbalanced(self) -> int:
        """By how much (money) what makers' accounts have more than at the beginning differs from what the ledger says,
        but for what exchanges take beside the accounts; all in currencies of their own, added up."""
        state, ledger = self.state, self.ledger
        accounts = {making.maker.account for making in state.makers.values()}
        had = sum(to_money(self.config.accounts[name].cash) for name in accounts)
        has = sum(state.accounts[name].cash + sum(state.accounts[name].balances.values()) for name in accounts)
        for desk in ledger.desks.values():
            has += desk.position * desk.mids.last * desk.instrument.money_factor // 2
        return has - had - sum(desk.made + desk.beside for desk in ledger.desks.values())

    def _begin(self, at: int) -> None:
        self.now = at
        start = start_command(self.config, self._hours, at)
        if self.journal is not None:
            self.journal.open(start.day)
        if self.terms.takers:
            client = TAKERS, (TAKERS,), 0, ClientOptions()
            account = TAKERS, MUCH, Limits(MUCH, MUCH)
            start = msgspec.structs.replace(
                start, clients=(*start.clients, client), accounts=(*start.accounts, account)
            )
        self._submit(start)
        for venue in dict.fromkeys(venue for venue, _ in self.exchanges):
            self._submit(cmd.SessionUp(at, venue, True))
        self.ledger.begin()
        record = self.config.broker.record_interval_ms * MILLISECOND
        for every, do in (
            (LOOK_EVERY, self._look), (record, self._record), (WATCH_EVERY, self._watch),
            (self._sample_every, lambda: self.ledger.sample(self.now)),
        ):  # fmt: skip
            self._repeat(every, do)

    # Time

    def _later(self, at: int, do: Callable[..., None], *what: Any) -> None:
        self._count += 1
        heappush(self._waiting, (at, self._count, do, what))

    def _until(self, at: int) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= at:
            self.now, _, do, what = heappop(waiting)
            do(*what)

    def _repeat(self, every: int, do: Callable[[], None]) -> None:
        """Do it at all whole multiples of an interval from now on."""

        def again() -> None:
            do()
            self._later(self.now + every, again)

        self._later(self.now // every * every + every, again)

    def _arrives(self, way: tuple[str, str], latency: int) -> int:
        """When what is sent now on a way (whose, of what) arrives: not before what was sent earlier."""
        if self.terms.jitter:
            latency += self._jitter.randint(0, self.terms.jitter)
        at = self._latest[way] = max(self._latest.get(way, 0), self.now + latency)
        return at

    # The broker

    def _submit(self, command: cmd.Command) -> None:
        """As the broker's pipeline does it, but without an end of its turn."""
        self._carry_out(command)
        if self.state.agenda or self.state.jobs:
            self._follow_up()

    def _follow_up(self) -> None:
        state = self.state
        for _ in range(MOST_FOLLOW_UPS):
            following = follow_up(state, self.now)
            if following is not None:
                if not self._carry_out(following):
                    done(state)
            elif state.jobs:
                self._carry_out(cmd.WorkOff(self.now))
            else:
                return
        raise Circle(f"what has to be decided does not end: {list(state.agenda)[:3]}")

    def _carry_out(self, command: cmd.Command) -> bool:
        """Decide a command. Returns whether that gave facts."""
        facts = decide(self.state, command)
        self.commands += 1
        if not facts:
            return False
        if self.journal is not None:
            self.journal.append(facts, written=self.now)
        self.facts += len(facts)
        for fact in facts:
            evolve(self.state, fact)
            tell = self._told.get(type(fact))
            if tell is not None:
                tell(fact)
        return True

    def _observe(self, update: MarketUpdate) -> None:
        state = self.state
        observe(state, update)
        if state.agenda:
            self._follow_up()
        if state.stirred and not self._stirred:
            self._stirred = True
            self._later(self.now // STIRRED_EVERY * STIRRED_EVERY + STIRRED_EVERY, self._requote_stirred)

    def _requote_stirred(self) -> None:
        self._stirred, state = False, self.state
        for name, symbol in list(state.stirred):
            desk = state.makers[name].desks[symbol]
            if self.now - desk.decided_at >= desk.quoting.refresh:
                del state.stirred[name, symbol]
                self._submit(cmd.Requote(self.now, (name, symbol)))
        if state.stirred and not self._stirred:
            self._stirred = True
            self._later(self.now + STIRRED_EVERY, self._requote_stirred)

    def _look(self) -> None:
        ends = day_ends(self.now, self.config.day_start, self.config.broker.time_zone)
        for of in self.ledger.desks:
            self._submit(cmd.Requote(self.now, of, day_ends=ends))

    def _record(self) -> None:
        market = self.state.market
        symbols, market.unrecorded = tuple(market.unrecorded), {}
        self._submit(cmd.RecordQuotes(self.now, symbols))

    def _watch(self) -> None:
        """The trading day, phases, and answers that are owed."""
        state, now = self.state, self.now
        day = trading_day(now, self.config.day_start, self.config.broker.time_zone)
        if day > state.day:
            self._submit(cmd.RollDay(now, day))
        for symbol, hours in self._hours.items():
            phase = hours.phase(now)
            if state.phases.get(symbol) is not phase:
                self._submit(cmd.ChangePhase(now, symbol, phase))
        if is_owed(state, now):
            self._submit(cmd.AskAgain(now))

    # What the day brings

    def _happen(self, step: Step) -> None:
        place = step.place
        exchange = self.exchanges[place]
        if step.kind == DEPTH:
            self._report(place, exchange.depth(step.told))
        elif step.kind == BEST:
            self._report(place, exchange.top(*step.told))
        else:
            return self._trade(place, exchange, *step.told)
        self._publish(place, exchange)
        mid = self._mid(place[1])
        if mid:
            self.ledger.note_mid(place[1], self.now, mid)

    def _mid(self, symbol: str) -> int:
        """The mid (twice) of what others show at all exchanges, 0 where a side is missing."""
        exchanges = self._of_symbol[symbol]
        bids = [best[0] for one in exchanges if (best := one.best(Side.BUY)) is not None]
        asks = [best[0] for one in exchanges if (best := one.best(Side.SELL)) is not None]
        return max(bids) + min(asks) if bids and asks else 0

    def _trade(self, place: Place, exchange: Exchange, taker: Side | None, price: int, qty: int) -> None:
        if taker is None:
            taker = Side.BUY if 2 * price >= self.ledger.mids[place[1]].last else Side.SELL
        share = self.terms.takers
        left = qty - self._meet(place[1], taker, price, qty) if share and self._flow.random() < share else qty
        if left:
            self._report(place, exchange.trade(taker, price, left))
        self._publish(place, exchange, ((price, qty),))

    def _meet(self, symbol: str, taker: Side, price: int, qty: int) -> int:
        """A taker comes to our own book first, for what it has at the trade's price or better. Returns what it got."""
        there = 0
        for at, level in self.state.books[symbol].levels(taker.opposite):
            if not at_least_as_good(taker, at, price) or there >= qty:
                break
            there += level
        if not there:
            return 0
        self._count += 1
        name = str(self._count)
        terms = symbol, taker, OrdType.LIMIT, TimeInForce.IOC, min(qty, there), price
        self._submit(NewOrder(self.now, TAKERS, name, "", *terms))
        order = self.state.clients[TAKERS].requests.get(name)
        return order.cum if isinstance(order, Order) else 0

    def _publish(self, place: Place, exchange: Exchange, trades: tuple[tuple[int, int], ...] = ()) -> None:
        """Market data go out: what has changed, with our own orders in it, as an exchange has them."""
        if not exchange.changed and not trades:
            return
        update = MarketUpdate(*place, False, exchange.take_changes(), trades)
        at = self._arrives((place[0], "market"), self.terms.market_latency)
        self._later(at, self._observe, update)

    # What goes to exchanges and comes from them

    def _send(self, venue: str, symbol: str, do: Callable[[Exchange], list[Told]]) -> None:
        self._later(self._arrives((venue, "orders"), self.terms.order_latency), self._reach, (venue, symbol), do)

    def _reach(self, place: Place, do: Callable[[Exchange], list[Told]]) -> None:
        exchange = self.exchanges[place]
        self._report(place, do(exchange))
        self._publish(place, exchange)

    def _report(self, place: Place, told: list[Told]) -> None:
        for one in told:
            at = self._arrives((place[0], "reports"), self.terms.order_latency)
            self._later(at, self._hear, place[0], one)

    def _hear(self, venue: str, told: Told) -> None:
        if told.reason:
            refusal = VenueCancelReject(self.now, venue, told.name, told.orig, told.status, told.reason, told.text)
            return self._submit(refusal)
        self._execs += 1
        self._submit(
            VenueReport(
                self.now, venue, f"{venue}-{self._execs}", told.kind, told.status, told.name, told.orig,
                f"V{told.orig or told.name}", told.qty, told.price, told.cum, text=told.text, leaves=told.leaves,
                order_qty=told.order_qty, order_px=told.order_px, liquidity=told.liquidity,
                ord_rej_reason=OrdRejReason.UNKNOWN_ORDER if told.text == UNKNOWN else "",
            )
        )  # fmt: skip

    def _routed(self, fact: f.OrderRouted) -> None:
        order = self.state.orders[fact.order_id]
        asked = fact.instructions.exec_inst if fact.instructions is not None else ()
        price = 0 if fact.ord_type is OrdType.MARKET else fact.price
        is_immediate, is_whole = fact.time_in_force in IMMEDIATE, fact.time_in_force is TimeInForce.FOK
        post_only = ExecInst.POST_ONLY in asked
        self.ledger.sent(order)

        def enter(exchange: Exchange) -> list[Told]:
            return exchange.enter(fact.id, order.side, fact.qty, price, is_immediate, post_only, is_whole)

        self._send(fact.venue, order.symbol, enter)

    def _cancel_sent(self, fact: f.ChildCancelSent) -> None:
        child = self.state.children[fact.child_id]
        orig = child.cl_ord_id
        self.ledger.sent(self.state.order_of(child))
        self._send(child.venue, child.symbol, lambda exchange: exchange.cancel(fact.id, orig))

    def _replace_sent(self, fact: f.ChildReplaceSent) -> None:
        child = self.state.children[fact.child_id]
        orig = child.cl_ord_id
        self.ledger.sent(self.state.order_of(child))
        self._send(child.venue, child.symbol, lambda exchange: exchange.replace(fact.id, orig, fact.qty, fact.price))

    def _status_asked(self, fact: f.ChildStatusAsked) -> None:
        child = self.state.children[fact.child_id]
        name = child.cl_ord_id
        self._send(child.venue, child.symbol, lambda exchange: [exchange.status(name)])
