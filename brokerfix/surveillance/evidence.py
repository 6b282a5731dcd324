"""The facts that an alert rests on, in words."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import Instrument, day_of, id_text, to_text
from brokerfix.record.frames import MAGIC
from brokerfix.record.journal import START, Place, read, segments


def told_facts(folder: Path, numbers: Iterable[int], instruments: dict[str, Instrument]) -> list[dict[str, Any]]:
    """The facts of these numbers in a journal's folder, oldest first, {"fact", "time", "kind", "what happened"}. One
    that is no longer there is told as such. Raises JournalError."""
    wanted = set(numbers)
    words = FactWords(instruments)
    rows = []
    for record in read(folder, since=_since(folder, wanted)):
        for fact in record.facts:
            words.note(fact)
            if fact.id in wanted:
                wanted.discard(fact.id)
                rows.append(_row(fact, words.tell(fact)))
        if not wanted:
            break
    gone = "this fact is not in the journal here: its segment is gone"
    return rows + [{"fact": id_text(one), "time": "", "kind": "", "what happened": gone} for one in sorted(wanted)]


def _since(folder: Path, wanted: set[int]) -> Place:
    """Where the first day begins that is wanted, or the one before it of which there is a segment."""
    first = f"{day_of(min(wanted))}.journal" if wanted else ""
    names = [path.name for path in segments(folder) if path.name <= first]
    return Place(names[-1], len(MAGIC)) if names else START


def _row(fact: f.Fact, text: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(fact.at // 10**9, UTC)
    return {
        "fact": id_text(fact.id),
        "time": f"{at:%Y-%m-%d %H:%M:%S}.{fact.at % 10**9 // 10**6:03d}",
        "kind": type(fact).__name__,
        "what happened": text,
    }


class FactWords:
    """Tells facts in words. It is shown all, in their order, to know which order a fact is about."""

    def __init__(self, instruments: dict[str, Instrument]) -> None:
        self._instruments = dict(instruments)
        self._orders: dict[int, f.OrderAccepted] = {}
        self._children: dict[int, tuple[int, str]] = {}

    def note(self, fact: f.Fact) -> None:
        if isinstance(fact, f.InstrumentDefined):
            self._instruments[fact.instrument.symbol] = fact.instrument
        elif isinstance(fact, f.OrderAccepted):
            self._orders[fact.id] = fact
        elif isinstance(fact, f.OrderRouted):
            self._children[fact.id] = fact.order_id, fact.venue

    def tell(self, fact: f.Fact) -> str:
        teller = TELLERS.get(type(fact))
        return teller(self, fact) if teller is not None else type(fact).__name__

    def _price(self, symbol: str, price: int) -> str:
        known = self._instruments.get(symbol)
        return to_text(price, known.price_digits) if known is not None else str(price)

    def _qty(self, symbol: str, qty: int) -> str:
        known = self._instruments.get(symbol)
        return to_text(qty, known.qty_digits) if known is not None else str(qty)

    def _named(self, order_id: int) -> str:
        """An order: whose it is, and its terms."""
        order = self._orders.get(order_id)
        return f"{order.account}'s order {id_text(order_id)}" if order is not None else f"order {id_text(order_id)}"

    def _terms(self, order_id: int, qty: int, price: int) -> str:
        order = self._orders.get(order_id)
        symbol = order.symbol if order is not None else ""
        return f"{self._qty(symbol, qty)} {symbol} at {self._price(symbol, price)}"

    def _accepted(self, fact: f.OrderAccepted) -> str:
        at = f" at {self._price(fact.symbol, fact.price)}" if fact.price else " at the market"
        by = f", entered by {fact.operator}" if fact.operator else ""
        return (
            f"{fact.client} sends {fact.cl_ord_id} for account {fact.account}: {fact.side.name.lower()} "
            f"{self._qty(fact.symbol, fact.qty)} {fact.symbol}{at}, {fact.time_in_force.name}{by}"
        )

    def _canceled(self, fact: f.OrderCanceled) -> str:
        by = f" by {fact.cl_ord_id}" if fact.cl_ord_id else ""
        return f"{self._named(fact.order_id)} is canceled{by}{f': {fact.text}' if fact.text else ''}"

    def _filled(self, fact: f.ChildFilled) -> str:
        order_id, venue = self._children.get(fact.child_id, (0, "an exchange"))
        return f"{venue} fills {self._terms(order_id, fact.qty, fact.price)} of {self._named(order_id)}"

    def _traded(self, fact: f.Trade) -> str:
        terms = self._terms(fact.taker_order_id, fact.qty, fact.price)
        how = "in the auction" if fact.auction else "in our book"
        return f"{self._named(fact.taker_order_id)} and {self._named(fact.maker_order_id)} trade {terms} {how}"

    def _quoted(self, fact: f.Quoted) -> str:
        sides = (("bid", fact.bids), ("ask", fact.asks))
        best = [f"{name} {self._price(fact.symbol, levels[0][0])}" for name, levels in sides if levels]
        last = [f"last {self._price(fact.symbol, fact.last[0])}"] if fact.last else []
        volume = f"volume of the day {self._qty(fact.symbol, fact.day.volume)}"
        return f"the market in {fact.symbol}: {', '.join((*best, *last, volume))}"


TELLERS: dict[type[f.Fact], Callable[[FactWords, Any], str]] = {
    f.OrderAccepted: FactWords._accepted,
    f.OrderCanceled: FactWords._canceled,
    f.ChildFilled: FactWords._filled,
    f.Trade: FactWords._traded,
    f.Quoted: FactWords._quoted,
}
