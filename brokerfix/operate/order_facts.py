"""Which facts of a journal concern an order: those about itself, its children, and its fills."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import Instrument, Venue, id_text, to_text
from brokerfix.engine.state import State
from brokerfix.record.journal import read


class OrderFacts:
    """Is shown all facts in their order, and knows of the order, which may be one that was refused, what it takes to
    tell which concern it: its children with their exchanges, and its fills' ExecIDs. `until` is the time of the last
    fact (ns UTC); `is_split`: the instrument was split since the order came."""

    def __init__(self, order_id: int, instruments: dict[str, Instrument] | None = None) -> None:
        """`instruments` are those that are known already, and may be others' too."""
        self.order_id = order_id
        self.is_known = False
        self.symbol = ""
        self.children: dict[int, str] = {}
        self.venues: dict[str, Venue] = {}
        self.until = 0
        self.is_split = False
        self._instruments = {} if instruments is None else instruments
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
        if isinstance(fact, f.HedgeDecided):
            # Its order is accepted with the next fact.
            return fact.id + 1 == self.order_id
        is_meant: bool = getattr(fact, "order_id", 0) == self.order_id
        if is_meant and isinstance(fact, f.OrderRouted):
            self.children[fact.id] = fact.venue
        return is_meant


class ManyOrders:
    """Is shown all facts in their order, and knows which of many orders each concerns: `of` has these by their
    numbers."""

    def __init__(self, order_ids: Iterable[int]) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.venues: dict[str, Venue] = {}
        self.of = {order_id: OrderFacts(order_id, self.instruments) for order_id in order_ids}
        self.until = 0
        self._children: dict[int, OrderFacts] = {}
        self._fills: dict[int, OrderFacts] = {}

    def begin(self, state: State) -> None:
        """The facts before this state are not shown; the orders came after it."""
        self.instruments.update(state.instruments)
        self.venues.update(state.venues)

    def concerned(self, fact: f.Fact) -> Sequence[OrderFacts]:
        """The orders that the next fact is about; they have been shown it."""
        self.until = max(self.until, fact.at)
        if isinstance(fact, f.InstrumentDefined):
            self.instruments[fact.instrument.symbol] = fact.instrument
        elif isinstance(fact, f.VenueDefined):
            self.venues[fact.venue.venue] = fact.venue
        elif isinstance(fact, f.SplitApplied):
            for of in self.of.values():
                of.concerns(fact)
            return [of for of in self.of.values() if of.is_known and of.symbol == fact.symbol]
        else:
            return [of for of in self._asked(fact) if of is not None and of.concerns(fact)]
        return ()

    def end(self) -> None:
        """All facts were shown."""
        for of in self.of.values():
            of.until = self.until
            of.venues.update(self.venues)

    def _asked(self, fact: Any) -> Sequence[OrderFacts | None]:
        """Those that the fact may be about."""
        kind, known = type(fact), self.of.get
        if kind is f.Trade:
            maker, taker = known(fact.maker_order_id), known(fact.taker_order_id)
            for exec_id, of in ((fact.id - 1, maker), (fact.id, taker)):
                if of is not None:
                    self._fills[exec_id] = of
            return maker, taker
        if kind in (f.OrderAccepted, f.OrderRejected):
            return (known(fact.id),)
        if kind in (f.TradeBusted, f.TradeCorrected):
            return (self._fills.get(fact.exec_id),)
        fields = kind.__struct_fields__
        if "child_id" in fields:
            of = self._children.get(fact.child_id)
            if of is not None and kind is f.ChildFilled:
                self._fills[fact.id] = of
            return (of,)
        if kind is f.HedgeDecided:
            return (known(fact.id + 1),)
        of = known(fact.order_id) if "order_id" in fields else None
        if of is not None and kind is f.OrderRouted:
            self._children[fact.id] = of
            of.venues.update(self.venues)
        return (of,)


def facts_of(folder: Path, of: OrderFacts) -> Iterator[f.Fact]:
    """The facts of a journal's folder that concern the order. Raises JournalError, and LookupError where there never
    was such an order."""
    for record in read(folder):
        for fact in record.facts:
            if of.concerns(fact):
                yield fact
    if not of.is_known:
        raise LookupError(f"there is no order {id_text(of.order_id)} in {folder}")
