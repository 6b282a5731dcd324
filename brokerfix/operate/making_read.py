"""What market makers did on a trading day, out of a journal: their deals, the mids around them, their quotes, pulls and
hedges, and how their accounts stood at the day's begin and end.

The facts make the state again, so that accounts are what the engine has made of them, whoever has used them.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import Instrument, Side, day_of, to_money
from brokerfix.engine.evolve import evolve
from brokerfix.engine.making.desk import Slot, slot_name
from brokerfix.engine.making.guard import PHASE
from brokerfix.engine.making.hedge import HEDGE
from brokerfix.engine.making.offers import RFQ
from brokerfix.engine.risk.checks import reference
from brokerfix.engine.state import State
from brokerfix.operate.making_traded import Deal, Hedged, Traded
from brokerfix.record.journal import START, read
from brokerfix.record.kept import oldest


class Holding(NamedTuple):
    """What an account has: money by currency less what was paid in, quantities by symbol (scaled), and by symbol the
    mark (twice, scaled)."""

    money: dict[str, int]
    positions: dict[str, int]
    marks: dict[str, int]


NOTHING = Holding({}, {}, {})


class Made:
    """A maker's day: what its account had when it began and when it ended, and its deals and quotes by symbol."""

    def __init__(self, maker: str, account: str, opened: Holding, instruments: Mapping[str, Instrument]) -> None:
        self.maker, self.account, self.instruments = maker, account, instruments
        self.opened, self.closed = opened, NOTHING
        self.traded: dict[str, Traded] = {}


class MakersDay:
    """Reads facts in their order up to the end of a trading day (YYYYMMDD; 0: the last there is). `began` is the time
    of its first fact, `until` that of its last one, `days` are those that there are facts of until then."""

    def __init__(self, day: int = 0) -> None:
        self.wanted, self.day, self.began, self.until = day, 0, 0, 0
        self.days: list[int] = []
        self.makers: dict[str, Made] = {}
        self.state = State()
        self._is_up = False
        self._slots: dict[tuple[str, str], Slot] = {}
        self._hedges: dict[int, Hedged] = {}
        self._seen: dict[tuple[str, str, int], tuple[int, int]] = {}

    def read(self, folder: Path) -> "MakersDay":
        """A journal's folder. Raises JournalError."""
        self.state, since = oldest(folder)
        # A state is kept by a broker that runs.
        self._is_up = since != START
        for record in read(folder, lambda torn: None, since):
            if not self.apply(record.facts):
                break
        return self.finish()

    def apply(self, facts: Iterable[f.Fact]) -> bool:
        """Returns whether the day that is wanted may have more."""
        for fact in facts:
            day = day_of(fact.id)
            if self.wanted and day > self.wanted:
                return False
            if day != self.day:
                self._begin_day(day, fact.at)
            if isinstance(fact, f.Started):
                self._started(fact)
            evolve(self.state, fact)
            handler = HANDLERS.get(type(fact))
            if handler is not None:
                handler(self, fact)
            self.until = max(self.until, fact.at)
        return True

    def finish(self) -> "MakersDay":
        """Reckon up to the last fact."""
        for made in self.makers.values():
            made.closed = self._holding(made.account)
            for traded in made.traded.values():
                traded.advance(self.until)
        return self

    def _begin_day(self, day: int, at: int) -> None:
        self.finish()
        self.day, self.began = day, at
        self.days.append(day)
        self._seen = {}
        for name, made in self.makers.items():
            again = self.makers[name] = Made(name, made.account, made.closed, made.instruments)
            again.traded = {symbol: traded.next_day(self.until) for symbol, traded in made.traded.items()}
        if len(self.days) == 1:
            self._know_makers(at)

    def _holding(self, name: str) -> Holding:
        state, account = self.state, self.state.accounts.get(name)
        if account is None:
            return NOTHING
        money = {"": account.cash - account.paid_in, **account.balances}
        held = {symbol: one.qty for symbol, one in account.positions.items() if one.qty}
        return Holding(money, held, {symbol: 2 * reference(state, state.instruments[symbol]) for symbol in held})

    def _know_makers(self, at: int) -> None:
        """Begin with the makers and instruments that the state has and that are not known yet."""
        for name, making in self.state.makers.items():
            account = making.maker.account
            made = self.makers.get(name)
            if made is None:
                made = self.makers[name] = Made(name, account, self._holding(account), self.state.instruments)
            for symbol, desk in making.desks.items():
                if symbol not in made.traded:
                    instrument = self.state.instruments[symbol]
                    mid = desk.mid or 2 * reference(self.state, instrument)
                    made.traded[symbol] = Traded(instrument, desk.net, mid, at)
                self._look_whether_up(name, symbol, at)

    def _look_whether_up(self, name: str, symbol: str, at: int) -> None:
        """Whether the maker could quote from now on: the process runs, it is configured, and the symbol trades."""
        traded, desk = self.makers[name].traded[symbol], self.state.makers[name].desks.get(symbol)
        traded.advance(at)
        traded.is_up = self._is_up and desk is not None and not desk.is_passive and PHASE not in desk.pulls

    def _all_up(self, at: int) -> None:
        for name, made in self.makers.items():
            for symbol in made.traded:
                self._look_whether_up(name, symbol, at)

    def _started(self, fact: f.Started) -> None:
        """While no process ran nothing was quoted: what was is as it was when the last fact was made."""
        self._all_up(self.until)
        for made in self.makers.values():
            for traded in made.traded.values():
                traded.since = fact.at
        self._is_up = True
        self._all_up(fact.at)

    def _stopped(self, fact: f.Stopped) -> None:
        self._is_up = False
        self._all_up(fact.at)

    def _defined(self, fact: f.MakerDefined) -> None:
        self._know_makers(fact.at)
        for symbol in self.makers[fact.maker.maker].traded:
            self._look_whether_up(fact.maker.maker, symbol, fact.at)

    def _of(self, maker: str, symbol: str) -> list[tuple[str, Traded]]:
        """A maker's instruments that a fact is about ("": all)."""
        return [(one, traded) for one, traded in self.makers[maker].traded.items() if symbol in ("", one)]

    def _quoted(self, fact: f.Quoted) -> None:
        """What exchanges show. Where the maker quotes there itself it goes by its own decisions, which leave that
        out."""
        best = [next((price for price, _, venue in side if venue), 0) for side in (fact.bids, fact.asks)]
        for name in self.state.quoted.get(fact.symbol, ()):
            traded = self.makers[name].traded[fact.symbol]
            traded.show_market(fact.at, *best)

    def _decided(self, fact: f.QuotesDecided) -> None:
        traded = self.makers[fact.maker].traded[fact.symbol]
        traded.quote(fact.at, fact.quotes)
        if fact.is_fresh:
            traded.note_mid(fact.at, fact.priced.mid)
        traded.decisions += 1
        for quote in fact.quotes:
            slot = quote.venue, quote.side, quote.level
            self._slots[fact.maker, slot_name(fact.symbol, slot)] = slot

    def _pulled(self, fact: f.QuotesPulled) -> None:
        for symbol, traded in self._of(fact.maker, fact.symbol):
            traded.quote(fact.at, ())
            traded.pulls[fact.code] += 1
            self._look_whether_up(fact.maker, symbol, fact.at)

    def _resumed(self, fact: f.QuotesResumed) -> None:
        for symbol, _ in self._of(fact.maker, fact.symbol):
            self._look_whether_up(fact.maker, symbol, fact.at)

    def _accepted(self, fact: f.OrderAccepted) -> None:
        made = self.makers.get(fact.client)
        is_quote = fact.tags is None or fact.tags.strategy not in (HEDGE, RFQ)
        if made is not None and fact.symbol in made.traded and is_quote:
            made.traded[fact.symbol].placed += 1

    def _moved(self, fact: f.QuoteMoved | f.OrderReplaced) -> None:
        order = self.state.orders[fact.order_id]
        made = self.makers.get(order.client)
        if made is not None and order.symbol in made.traded:
            made.traded[order.symbol].moved += 1

    def _ended(self, fact: f.OrderCanceled | f.OrderExpired | f.OrderRefused) -> None:
        """A quote is gone. Where the maker wants another one it says so."""
        order = self.state.orders[fact.order_id]
        slot = self._slots.get((order.client, order.cl_ord_id))
        if slot is not None:
            self.makers[order.client].traded[order.symbol].take(fact.at, slot)

    def _filled(self, fact: f.MakerFilled) -> None:
        """What takes a fill of the day back, or corrects it, is reckoned at the mid and time of the fill, so that
        nothing is left of it."""
        traded = self.makers[fact.maker].traded[fact.symbol]
        if fact.mid:
            traded.note_mid(fact.at, fact.mid)
        mid = fact.mid or traded.mid or 2 * fact.price
        at, mid = self._seen.setdefault((fact.maker, fact.symbol, fact.exec_id), (fact.at, mid))
        fill = self.state.fills.get(fact.exec_id)
        order = self.state.orders.get(fill.order_id) if fill is not None else None
        slot = self._slots.get((fact.maker, order.cl_ord_id)) if order is not None else None
        signed = fact.qty if fact.side is Side.BUY else -fact.qty
        fee = to_money(fact.fee) if fact.fee else 0
        traded.deal(Deal(at, signed, fact.price, mid, fact.kind, fee, fact.qty < 0), slot)
        if slot is not None and at == fact.at and fact.qty > 0:
            traded.take(at, slot, fact.qty)
        hedge = self._hedges.get(fill.order_id) if fill is not None else None
        if hedge is not None:
            hedge.filled += fact.qty
            hedge.paid += fact.qty * fact.price

    def _hedged(self, fact: f.HedgeDecided) -> None:
        traded = self.makers[fact.maker].traded[fact.symbol]
        if not fact.qty:
            traded.hedges_refused += 1
            return
        # Its order is accepted by the fact behind this one.
        hedge = self._hedges[fact.id + 1] = Hedged(fact.at, fact.side, fact.qty, fact.delta, traded.mid)
        traded.hedges.append(hedge)

    def _split(self, fact: f.SplitApplied) -> None:
        for made in self.makers.values():
            if fact.symbol in made.traded:
                made.traded[fact.symbol].split(fact.at, fact.numerator, fact.denominator)
        self._seen = {key: seen for key, seen in self._seen.items() if key[1] != fact.symbol}


HANDLERS: dict[type[f.Fact], Callable[[MakersDay, Any], None]] = {
    f.MakerDefined: MakersDay._defined,
    f.Stopped: MakersDay._stopped,
    f.Quoted: MakersDay._quoted,
    f.QuotesDecided: MakersDay._decided,
    f.QuotesPulled: MakersDay._pulled,
    f.QuotesResumed: MakersDay._resumed,
    f.OrderAccepted: MakersDay._accepted,
    f.QuoteMoved: MakersDay._moved,
    f.OrderReplaced: MakersDay._moved,
    f.OrderCanceled: MakersDay._ended,
    f.OrderExpired: MakersDay._ended,
    f.OrderRefused: MakersDay._ended,
    f.MakerFilled: MakersDay._filled,
    f.HedgeDecided: MakersDay._hedged,
    f.SplitApplied: MakersDay._split,
}
