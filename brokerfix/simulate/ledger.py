"""What market makers have made in a simulation, out of their fills and the market's mids.

Profit and loss is cash and the position at the last mid, less fees. Its parts add up to it: what quotes were better by
than the mid at which they were filled (captured), the same of hedges, what the position's worth has changed by since
(revaluation), and fees. Adverse selection says what of the revaluation came in the seconds after a fill by a quote.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from brokerfix.domain import MONEY_DIGITS, Instrument, Side, to_money
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.facts import Alerted, ChildFilled, Fact, MakerFilled, QuotesDecided, QuotesPulled
from brokerfix.simulate.queue import ADDED

SECOND = 10**9
HORIZONS = (1, 10, 60)
"""Seconds after a fill."""
MONEY = 10**MONEY_DIGITS


class Mids:
    """A symbol's mid (twice, scaled) over time."""

    def __init__(self) -> None:
        self.times, self.mids = array("q"), array("q")

    def note(self, at: int, mid: int) -> None:
        if not self.mids or self.mids[-1] != mid:
            self.times.append(at)
            self.mids.append(mid)

    @property
    def last(self) -> int:
        return self.mids[-1] if self.mids else 0

    def at(self, at: int) -> int:
        """The mid at a time (ns), the first one before there is any; 0 if there never was one."""
        return self.mids[max(0, bisect_right(self.times, at) - 1)] if self.mids else 0


class Deal(NamedTuple):
    """A fill: signed quantity, and the mid (twice) at which it was looked at."""

    at: int
    qty: int
    price: int
    mid: int
    kind: str


class Sample(NamedTuple):
    """How it stood at a time: the mid (twice), best bid and offer of the quotes (0: none), position, and money made
    until then."""

    at: int
    mid: int
    bid: int
    ask: int
    position: int
    made: int


class Desk:
    """One maker in one symbol. `fees` are money, `beside` those of them that the account has not paid: exchanges'."""

    def __init__(self, maker: str, instrument: Instrument, model: str, mids: Mids, position: int) -> None:
        self.maker, self.instrument, self.model, self.mids = maker, instrument, model, mids
        self.deals: list[Deal] = []
        self.samples: list[Sample] = []
        self.fees = self.beside = 0
        self.decisions = self.pulls = self.messages = 0
        self.bid = self.ask = 0
        self.began_with = self.position = position
        self._cash = 0
        """Twice price x quantity that deals have brought in."""
        self._opened = 0
        """The mid (twice) that the position of the beginning is counted at."""
        self._peak = self.drawdown = 0
        self._held_since = self._began = -1
        self._held = self._held_squared = 0
        self.most_held = abs(position)

    def begin(self, at: int, mid: int) -> None:
        """There is a first mid."""
        if not self._opened:
            self._opened = mid
            self._cash -= mid * self.began_with
            self._held_since = self._began = at

    def filled(self, fact: MakerFilled, fee: int, beside: int) -> None:
        """A fill, for which the account pays a fee (money), and `beside` that an exchange takes."""
        qty = fact.qty if fact.side is Side.BUY else -fact.qty
        self._hold(fact.at)
        self.position += qty
        self.most_held = max(self.most_held, abs(self.position))
        self._cash -= 2 * qty * fact.price
        self.fees += fee + beside
        self.beside += beside
        self.deals.append(Deal(fact.at, qty, fact.price, fact.mid or self.mids.at(fact.at), fact.kind))
        self._fall()

    def sample(self, at: int) -> None:
        if self.mids.last:
            self._fall()
            self.samples.append(Sample(at, self.mids.last, self.bid, self.ask, self.position, self.made))

    def end(self, at: int) -> None:
        self._hold(at)
        self.sample(at)

    @property
    def made(self) -> int:
        """Money made until now, fees paid."""
        return (self._cash + self.position * self.mids.last) * self.instrument.money_factor // 2 - self.fees

    def _fall(self) -> None:
        self._peak = max(self._peak, self.made)
        self.drawdown = max(self.drawdown, self._peak - self.made)

    def _hold(self, at: int) -> None:
        if self._held_since >= 0:
            for_ns = at - self._held_since
            self._held += self.position * for_ns
            self._held_squared += self.position**2 * for_ns
            self._held_since = at

    def parts(self) -> dict[str, float]:
        """The profit and its parts, in money as people write it."""
        unit = self.instrument.money_factor / MONEY / 2
        last = self.mids.last
        better = dict.fromkeys((False, True), 0)
        moved = self.began_with * (last - self._opened) if self._opened else 0
        for deal in self.deals:
            better[deal.kind == "hedge"] += deal.qty * (deal.mid - 2 * deal.price)
            moved += deal.qty * (last - deal.mid)
        return {
            "pnl": self.made / MONEY,
            "captured": better[False] * unit,
            "revaluation": moved * unit,
            "hedging": better[True] * unit,
            "fees": -self.fees / MONEY,
        }

    def adverse(self, seconds: int) -> float:
        """What fills by quotes were worth less (below 0) so many seconds after; of those after which it ended sooner,
        at the end."""
        unit: float = self.instrument.money_factor / MONEY / 2
        moves = (
            deal.qty * (self.mids.at(deal.at + seconds * SECOND) - deal.mid)
            for deal in self.deals
            if deal.kind != "hedge"
        )
        return sum(moves) * unit

    def figures(self) -> dict[str, Any]:
        """All of it by name; quantities in units."""
        units = 10**self.instrument.qty_digits
        time = max(1, self._held_since - self._began)
        mean = self._held / time
        deviation = math.sqrt(max(0.0, self._held_squared / time - mean**2))
        quotes = [deal for deal in self.deals if deal.kind != "hedge"]
        return {
            "maker": self.maker,
            "model": self.model,
            "symbol": self.instrument.symbol,
            **self.parts(),
            **{f"adverse_{seconds}s": self.adverse(seconds) for seconds in HORIZONS},
            "fills": len(quotes),
            "volume": sum(abs(deal.qty) for deal in quotes) / units,
            "hedges": len(self.deals) - len(quotes),
            "position": self.position / units,
            "position_mean": mean / units,
            "position_std": deviation / units,
            "position_max": self.most_held / units,
            "drawdown": self.drawdown / MONEY,
            "decisions": self.decisions,
            "messages": self.messages,
            "pulls": self.pulls,
        }


class Ledger:
    """What all makers of a run have made: `desks` by maker and symbol, `mids` by symbol. `told` are the facts that it
    goes by, once they are applied to the state."""

    def __init__(self, state: State, symbols: Iterable[str]) -> None:
        self._state = state
        self.mids = {symbol: Mids() for symbol in sorted(symbols)}
        self.desks: dict[tuple[str, str], Desk] = {}
        self.alerts: dict[str, int] = {}
        self._fees: dict[int, int] = {}
        self.told: dict[type[Fact], Callable[[Any], None]] = {
            ChildFilled: self._child_filled,
            MakerFilled: self._filled,
            QuotesDecided: self._decided,
            QuotesPulled: self._pulled,
            Alerted: self._alerted,
        }

    def begin(self) -> None:
        """The engine has started."""
        for name, making in self._state.makers.items():
            positions = self._state.accounts[making.maker.account].positions
            for symbol, desk in making.desks.items():
                held = positions[symbol].qty if symbol in positions else 0
                model = desk.quoting.model.name if desk.quoting.qty else "hedge"
                mids = self.mids.setdefault(symbol, Mids())
                self.desks[name, symbol] = Desk(name, self._state.instruments[symbol], model, mids, held)

    def note_mid(self, symbol: str, at: int, mid: int) -> None:
        mids = self.mids[symbol]
        if not mids.mids:
            for desk in self.desks.values():
                if desk.mids is mids:
                    desk.begin(at, mid)
        mids.note(at, mid)

    def sample(self, at: int) -> None:
        for desk in self.desks.values():
            desk.sample(at)

    def end(self, at: int) -> None:
        for desk in self.desks.values():
            desk.end(at)

    def sent(self, order: Order) -> None:
        """A message about an order goes to an exchange."""
        desk = self.desks.get((order.client, order.symbol))
        if desk is not None:
            desk.messages += 1

    def _child_filled(self, fact: ChildFilled) -> None:
        """What the exchange takes, where it is not in the fee that the account pays."""
        state = self._state
        child = state.children[fact.child_id]
        order = state.order_of(child)
        commission = state.clients[order.client].options.commission
        if (order.client, order.symbol) in self.desks and not (commission is not None and commission.exchange_fees):
            instrument = state.instruments[order.symbol]
            worth = fact.qty * fact.price * instrument.money_factor
            terms, is_maker = state.terms_of(child.venue), fact.liquidity == ADDED
            self._fees[fact.id] = exchange_fee(terms, fact.qty, instrument.qty_digits, worth, is_maker)

    def _filled(self, fact: MakerFilled) -> None:
        fee = to_money(fact.fee) if fact.fee else 0
        self.desks[fact.maker, fact.symbol].filled(fact, fee, self._fees.pop(fact.exec_id, 0))

    def _decided(self, fact: QuotesDecided) -> None:
        desk = self.desks[fact.maker, fact.symbol]
        desk.decisions += 1
        desk.bid = max((quote.price for quote in fact.quotes if quote.side is Side.BUY), default=0)
        desk.ask = min((quote.price for quote in fact.quotes if quote.side is Side.SELL), default=0)

    def _pulled(self, fact: QuotesPulled) -> None:
        for (maker, symbol), desk in self.desks.items():
            if maker == fact.maker and fact.symbol in ("", symbol):
                desk.pulls += 1
                desk.bid = desk.ask = 0

    def _alerted(self, fact: Alerted) -> None:
        self.alerts[fact.code] = self.alerts.get(fact.code, 0) + 1
