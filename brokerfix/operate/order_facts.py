"""Which facts of a journal concern an order: those about itself, its children, and its fills."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import Instrument, Venue, id_text, to_text
from brokerfix.record.journal import read


class OrderFacts:
    """Is shown all facts in their order, and knows of the order, which may be one that was refused, what it takes to
    tell which concern it: its children with their exchanges, and its fills' ExecIDs. `until` is the time of the last
    fact (ns UTC); `is_split`: the instrument was split since the order came."""

    def __init__(self, order_id: int) -> None:
        self.order_id = order_id
        self.is_known = False
        self.symbol = ""
        self.children: dict[int, str] = {}
        self.venues: dict[str, Venue] = {}
        self.until = 0
        self.is_split = False
        self._instruments: dict[str, Instrument] = {}
        self._fills: set[int] = set()

    @property
    def is_known_instrument(self) -> bool:
        """Whether the order is of an instrument that there is."""
        return self.symbol in self._instruments

    @property
    def instrument(self) -> Instrument:
        """The order's. It has to be known."""
        return self._instruments[self.symbol]

    def price(self, price: int) -> str:
        """Ticks as decimal text."""
        return to_text(price, self.instrument.price_digits)

    def qty(self, qty: int) -> str:
        """A scaled quantity as decimal text."""
        return to_text(qty, self.instrument.qty_digits)

    def concerns(self, fact: f.Fact) -> bool:
        """Whether the next fact is about the order."""
        self.until = max(self.until, fact.at)
        if isinstance(fact, f.InstrumentDefined):
            self._instruments[fact.instrument.symbol] = fact.instrument
        elif isinstance(fact, f.VenueDefined):
            self.venues[fact.venue.venue] = fact.venue
        elif isinstance(fact, f.SplitApplied):
            self.is_split |= self.is_known and fact.symbol == self.symbol
        else:
            return self._is_meant(fact)
        return False

    def _is_meant(self, fact: Any) -> bool:
        if isinstance(fact, f.OrderAccepted | f.OrderRejected):
            if fact.id == self.order_id:
                self.is_known, self.symbol = True, fact.symbol
            return fact.id == self.order_id
        if isinstance(fact, f.Trade):
            if self.order_id == fact.maker_order_id:
                self._fills.add(fact.id - 1)
            elif self.order_id == fact.taker_order_id:
                self._fills.add(fact.id)
            else:
                return False
            return True
        if isinstance(fact, f.TradeBusted | f.TradeCorrected):
            return fact.exec_id in self._fills
        if hasattr(fact, "child_id"):
            if isinstance(fact, f.ChildFilled) and fact.child_id in self.children:
                self._fills.add(fact.id)
            return fact.child_id in self.children
        is_meant: bool = getattr(fact, "order_id", 0) == self.order_id
        if is_meant and isinstance(fact, f.OrderRouted):
            self.children[fact.id] = fact.venue
        return is_meant


def facts_of(folder: Path, of: OrderFacts) -> Iterator[f.Fact]:
    """The facts of a journal's folder that concern the order. Raises JournalError, and LookupError where there never
    was such an order."""
    for record in read(folder):
        for fact in record.facts:
            if of.concerns(fact):
                yield fact
    if not of.is_known:
        raise LookupError(f"there is no order {id_text(of.order_id)} in {folder}")
