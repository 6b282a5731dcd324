"""What exchanges tell of their markets, before it gets into the consolidated book: gaps in it, its age, single orders
made into levels, halts. On no record, as the live market itself."""

from collections.abc import Iterator

from brokerfix.commands import MarketStatus, MarketUpdate, VenueOther
from brokerfix.domain import Side
from brokerfix.engine.market import GAP, HALTED, STALE
from brokerfix.engine.state import State

NEW, CHANGE, DELETE = "0", "1", "2"
"""MDUpdateAction(279)."""
SECOND = 10**9
RESUBSCRIBE_EVERY = SECOND
"""An exchange whose data have a gap again is asked for them anew no sooner."""
ALERT_EVERY = 60 * SECOND
"""Of one exchange, symbol and reason there is no more than one alert in this time."""
MOST_OLD = 100
"""Changes that a snapshot has already, in a row; with more of them the numbers have begun anew."""
Orders = dict[str, tuple[Side, int, int]]


class Sources:
    """By exchange and symbol: the last RptSeq, when it was told of last, and the single orders it has told of.
    `req_ids` are by exchange the MDReqIDs under which it told of a symbol when there was a gap. `whole` is the RptSeq
    of the last snapshot, `old` how often what was in it was told again, `gaps` the open ones."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}
        self.heard: dict[tuple[str, str], int] = {}
        self.orders: dict[tuple[str, str], Orders] = {}
        self.whole: dict[tuple[str, str], int] = {}
        self.old: dict[tuple[str, str], int] = {}
        self.gaps: dict[tuple[str, str], None] = {}
        self.req_ids: dict[str, str] = {}
        self._asked: dict[str, int] = {}
        self._count = 0
        self._alerted: dict[tuple[str, str, str], int] = {}

    def forget(self, venue: str) -> None:
        """The exchange's session is lost: it will tell all anew."""
        for kept in (self.numbers, self.heard, self.orders, self.whole, self.old, self.gaps):
            for key in [key for key in kept if key[0] == venue]:
                del kept[key]
        self._asked.pop(venue, None)

    def take(self, state: State, update: MarketUpdate, at: int) -> MarketUpdate | None:
        """The update as the consolidated book takes it; None where it has nothing new, or comes behind a gap. Trades
        are taken in any case: they have been made."""
        venue, symbol = key = update.venue, update.symbol
        if not state.market.up.get(venue):
            return None
        self.heard[key] = at
        state.market.take_in(venue, symbol, STALE)
        number = self.numbers.get(key, 0)
        if update.snapshot:
            self.orders.pop(key, None)
            state.market.take_in(venue, symbol, GAP)
            self.gaps.pop(key, None)
            self.old.pop(key, None)
            self.numbers[key] = self.whole[key] = update.last
        elif update.first:
            if update.last <= self.whole.get(key, 0) and number == self.whole.get(key, 0):
                # It is in the snapshot already; but an exchange that goes on so has begun its numbers anew.
                self.old[key] = self.old.get(key, 0) + 1
                if self.old[key] <= MOST_OLD:
                    return None
            if number and update.first != number + 1:
                state.market.leave_out(venue, symbol, GAP)
                self.gaps[key] = None
            self.numbers[key] = update.last
            if GAP in state.market.why_out(venue, symbol):
                return MarketUpdate(venue, symbol, False, (), update.trades) if update.trades else None
        if state.venues[venue].by_order:
            return self._as_levels(key, update)
        return update

    def _as_levels(self, key: tuple[str, str], update: MarketUpdate) -> MarketUpdate:
        """Single orders as what the levels that they touch hold with them."""
        orders = self.orders.setdefault(key, {})
        touched: dict[tuple[Side, int], None] = {}
        for action, entry_id, side, price, qty in update.orders:
            before = orders.pop(entry_id, None)
            if before is not None:
                touched[before[0], before[1]] = None
            if action != DELETE and qty > 0:
                orders[entry_id] = (side, price, qty)
                touched[side, price] = None
        totals = dict.fromkeys(touched, 0)
        for side, price, qty in orders.values():
            if (side, price) in totals:
                totals[side, price] += qty
        levels = tuple((side, price, qty) for (side, price), qty in totals.items())
        return MarketUpdate(*key, update.snapshot, levels, update.trades)

    def status(self, state: State, told: MarketStatus) -> None:
        """An exchange halts a symbol (or all), or trades it again."""
        if not state.market.up.get(told.venue):
            return
        for symbol in [told.symbol] if told.symbol else state.instruments:
            if symbol not in state.instruments:
                continue
            if told.trades:
                state.market.take_in(told.venue, symbol, HALTED)
            else:
                state.market.leave_out(told.venue, symbol, HALTED)

    def check(self, state: State, at: int) -> None:
        """Leave out what is too old."""
        for (venue, symbol), heard in self.heard.items():
            age = state.venues[venue].max_quote_age
            if age and at - heard > age:
                state.market.leave_out(venue, symbol, STALE)

    def to_ask_anew(self, state: State, at: int) -> Iterator[tuple[str, str, str]]:
        """The exchanges whose market data are to be asked for anew because of a gap, with the MDReqID so far and the
        next."""
        for venue in dict.fromkeys(venue for venue, _ in self.gaps):
            if at - self._asked.get(venue, -RESUBSCRIBE_EVERY) >= RESUBSCRIBE_EVERY:
                self._asked[venue] = at
                before = self.req_ids[venue]
                self._count += 1
                # The MDReqID without what was added to it before.
                yield venue, before, f"{before.partition('.')[0]}.{self._count}"

    def alerts(self, state: State, at: int) -> Iterator[VenueOther]:
        """What an operator is to know of quotes that have just been left out."""
        news, state.market.news = state.market.news, []
        for venue, symbol, why in news:
            key = venue, symbol, why
            if at - self._alerted.get(key, -ALERT_EVERY) >= ALERT_EVERY:
                self._alerted[key] = at
                text = f"{venue}'s quotes of {symbol} do not count for now: {WORDS[why]}"
                yield VenueOther(at, venue, f"QUOTES_{why.upper()}", text, "")


WORDS = {
    GAP: "a message of its market data is missing; they are asked for anew",
    STALE: "it has told nothing for longer than max_quote_age_ms",
    HALTED: "it has halted trading",
    "outlier": "they are too far from all others",
}
