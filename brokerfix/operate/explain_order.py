"""The story of an order, out of the journal: where each part of it went and what the router saw, what became of it, and
who did what by hand. Every sentence rests on a fact."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import Seen, id_number, id_text, to_text
from brokerfix.operate.order_facts import OrderFacts, facts_of
from brokerfix.operate.sentences import Told


class OrderStory:
    """Tells the facts that concern an order, in their order."""

    def __init__(self, of: OrderFacts) -> None:
        self._of = of
        self._price, self._qty = of.price, of.qty

    def tell(self, fact: f.Fact) -> list[str]:
        """What the fact says of the order: a sentence, and perhaps a table's lines."""
        teller = TELLERS.get(type(fact))
        return teller(self, fact) if teller is not None else []

    def _at(self, price: int) -> str:
        return f" at {self._price(price)}" if price else ""

    def _accepted(self, fact: f.OrderAccepted) -> list[str]:
        own = fact.own_quote
        sent = f"{fact.client} sends {fact.cl_ord_id}"
        if own is not None:
            sent = f"{fact.client} quotes by {own.quote_id}, set {own.quote_set or 'none'}, entry {own.entry},"
        who = f"{fact.operator} enters for {fact.client}" if fact.operator else sent
        terms = f"{fact.side.name.lower()} {self._qty(fact.qty)} {fact.symbol}{self._at(fact.price)}"
        kind = f"{fact.ord_type.name.lower().replace('_', ' ')}, {fact.time_in_force.name}"
        valued = f"; risk values it{self._at(fact.risk_price)}" if fact.risk_price != fact.price else ""
        return [f"{who} for account {fact.account}: {terms}, {kind}{valued}; it breaks no limit"]

    def _took_quote(self, fact: f.QuoteTaken) -> list[str]:
        sides = (("bid", fact.bid), ("offered", fact.ask))
        quoted = ", ".join(f"{self._price(price)} {name}" for name, price in sides if price)
        priced = fact.priced
        mid = to_text(priced.mid * 5, self._of.instrument.price_digits + 1)
        by = f"a mid of {mid}, a fair price of {priced.fair} and a position of {self._qty(priced.position)}"
        took = f"it takes {self._qty(fact.qty)} of quote {id_text(fact.quote_id)} of {fact.maker} ({quoted})"
        if fact.is_counter:
            return [f"{took}, countered{self._at(fact.price)}: the market maker agrees by {by}"]
        return [f"{took}{self._at(fact.price)}, which was priced by {by}"]

    def _rejected(self, fact: f.OrderRejected) -> list[str]:
        return [f"order {fact.cl_ord_id} of {fact.client} is refused: {fact.text}"]

    def _routed(self, fact: f.OrderRouted) -> list[str]:
        terms = f"{self._qty(fact.qty)}{self._at(fact.price)}, {fact.time_in_force.name}"
        lines = [f"{fact.venue} is sent {terms} as {id_text(fact.id)}: {fact.why}"]
        return lines + self._quotes(fact.seen)

    def _quotes(self, seen: tuple[Seen, ...]) -> list[str]:
        """The quotes that were looked at as a table."""
        head = [f"    {'seen':<10}{'price':>12}{'fee':>10}{'quantity':>12}{'taken':>12}"] if seen else []
        return head + [
            f"    {one.venue:<10}{self._price(one.price):>12}{one.fee or '0':>10}{self._qty(one.qty):>12}"
            f"{self._qty(one.aimed) if one.aimed else '':>12}"
            for one in seen
        ]

    def _decided(self, fact: f.RouteDecided) -> list[str]:
        best = [
            f"{name} {self._qty(side[1])}{self._at(side[0])}"
            for name, side in (("bid", fact.bid), ("ask", fact.ask))
            if side is not None
        ]
        market = f"the market is {', '.join(best)}" if best else "nobody shows a price"
        lines = [
            f"{self._qty(fact.qty)} of it are placed ({fact.mode}): {market}{f'; {fact.note}' if fact.note else ''}"
        ]
        lines += self._quotes(fact.seen)
        lines += [
            f"    {one.venue:<10}{f'gets {self._qty(one.gets)}' if one.gets else f'gets nothing: {one.why}'}"
            for one in fact.scores
        ]
        if fact.expected_qty:
            fee = f", for fees of {fact.expected_fee}" if fact.expected_fee else ""
            lines.append(f"    expected: {self._qty(fact.expected_qty)} at {fact.expected_px}{fee}")
        return lines

    def _named(self, child_id: int) -> str:
        return f"{self._of.children[child_id]} ({id_text(child_id)})"

    def _child_accepted(self, fact: f.ChildAccepted) -> list[str]:
        return [f"{self._named(fact.child_id)} has it as {fact.venue_order_id}"]

    def _child_filled(self, fact: f.ChildFilled) -> list[str]:
        fee = f", for a fee of {fact.fee}" if fact.fee else ""
        learnt = ", as its status tells" if fact.from_status else ""
        by = f", {fact.operator} says so" if fact.operator else ""
        where = self._named(fact.child_id)
        return [f"{where} fills {self._qty(fact.qty)}{self._at(fact.price)}{fee}{learnt}{by}"]

    def _child_ended(self, fact: f.ChildEnded) -> list[str]:
        return [f"{self._named(fact.child_id)} has no more of it: {fact.text or fact.status.name.lower()}"]

    def _child_refused(self, fact: f.ChildRequestRejected) -> list[str]:
        return [f"{self._named(fact.child_id)} refuses what it was asked for: {fact.text or fact.reason}"]

    def _asked(self, fact: f.ChildCancelSent | f.ChildReplaceSent | f.ChildStatusAsked) -> list[str]:
        if isinstance(fact, f.ChildReplaceSent):
            wanted = f"for {self._qty(fact.qty)}{self._at(fact.price)} instead"
        else:
            wanted = "to cancel" if isinstance(fact, f.ChildCancelSent) else "how it stands"
        return [f"{self._named(fact.child_id)} is asked {wanted}"]

    def _traded(self, fact: f.Trade) -> list[str]:
        is_maker = fact.maker_order_id == self._of.order_id
        other = fact.taker_order_id if is_maker else fact.maker_order_id
        fee = fact.maker_fee if is_maker else fact.taker_fee
        cost = f", for a fee of {fee}" if fee else ""
        return [f"it trades {self._qty(fact.qty)}{self._at(fact.price)} in our book, with order {id_text(other)}{cost}"]

    def _booked(self, fact: f.OrderBooked) -> list[str]:
        return [f"{self._qty(fact.qty)} of it rest in our book"]

    def _unbooked(self, fact: f.OrderUnbooked) -> list[str]:
        return ["it is taken out of our book"]

    def _held(self, fact: f.OrderHeld) -> list[str]:
        return (
            [f"{self._qty(fact.qty)} of it are with us: {fact.hold}"] if fact.qty else ["nothing of it waits any more"]
        )

    def _worked(self, fact: f.OrderWorked) -> list[str]:
        told = f"; its client is told of {fact.percent} %" if fact.percent else ""
        return [f"its algorithm wants {self._qty(fact.due)} now, {self._qty(fact.done)} are or were at work{told}"]

    def _paused(self, fact: f.OrderPaused) -> list[str]:
        return [f"{fact.operator} has it {'pause' if fact.paused else 'go on'}"]

    def _released(self, fact: f.OrderReleased) -> list[str]:
        by = f", {fact.operator} lets it go" if fact.operator else ""
        return [f"what it waited for is there ({fact.hold}){by}"]

    def _stop_moved(self, fact: f.StopMoved) -> list[str]:
        return [f"its stop follows the market to {self._price(fact.stop_px)}"]

    def _repriced(self, fact: f.OrderRepriced) -> list[str]:
        return [f"it works at {self._price(fact.price)} now"]

    def _restated(self, fact: f.OrderRestated) -> list[str]:
        why = f": {fact.text}" if fact.text else ""
        return [f"it is for {self._qty(fact.qty)}{self._at(fact.price)} now{why}"]

    def _moved(self, fact: f.QuoteMoved) -> list[str]:
        return [f"the quote is for {self._qty(fact.qty)}{self._at(fact.price)} now, behind all at that price"]

    def _pending(self, fact: f.CancelPending | f.ReplacePending | f.RequestQueued) -> list[str]:
        who = f"request {fact.cl_ord_id}" if fact.cl_ord_id else getattr(fact, "text", "") or "a request of ours"
        return [f"{who} waits for its answer"]

    def _replaced(self, fact: f.OrderReplaced) -> list[str]:
        return [f"{fact.cl_ord_id} has replaced it: {self._qty(fact.qty)}{self._at(fact.price)}"]

    def _request_refused(self, fact: f.RequestRejected) -> list[str]:
        return [f"request {fact.cl_ord_id} is refused: {fact.text}"]

    def _canceled(self, fact: f.OrderCanceled) -> list[str]:
        by = f" by {fact.operator}" if fact.operator else f" by {fact.cl_ord_id}" if fact.cl_ord_id else ""
        return [f"it is canceled{by}{f': {fact.text}' if fact.text else ''}"]

    def _expired(self, fact: f.OrderExpired) -> list[str]:
        return [f"it is {fact.status.name.lower().replace('_', ' ')}{f': {fact.text}' if fact.text else ''}"]

    def _order_refused(self, fact: f.OrderRefused) -> list[str]:
        return [f"it is refused after all: {fact.text}"]

    def _busted(self, fact: f.TradeBusted | f.FillReversed) -> list[str]:
        by = f" by {fact.operator}" if fact.operator else ""
        return [f"fill {id_text(fact.exec_id)} is taken back{by}{f': {fact.text}' if fact.text else ''}"]

    def _corrected(self, fact: f.TradeCorrected) -> list[str]:
        by = f" by {fact.operator}" if fact.operator else ""
        return [f"fill {id_text(fact.exec_id)} is corrected{by} to {self._qty(fact.qty)}{self._at(fact.price)}"]

    def _acknowledged(self, fact: f.OrderAcknowledged) -> list[str]:
        return ["it has found its place: it is new"]

    def _noted(self, fact: f.OrderNoted) -> list[str]:
        said = fact.status.name.lower().replace("_", " ") if fact.status is not None else "at work again"
        sure = f"; {self._qty(fact.qty)}{self._at(fact.price)} are guaranteed" if fact.qty else ""
        return [f"an exchange says that it is {said}{sure}{f': {fact.text}' if fact.text else ''}"]

    def _child_noted(self, fact: f.ChildNoted) -> list[str]:
        return [f"{self._named(fact.child_id)} tells of it (ExecType {fact.exec_type}) what changes nothing"]

    def _child_changed(self, fact: f.ChildReplaced | f.ChildRestated) -> list[str]:
        done = "has replaced it as asked" if isinstance(fact, f.ChildReplaced) else "has changed it unasked"
        return [f"{self._named(fact.child_id)} {done}: {self._qty(fact.qty)}{self._at(fact.price)} now"]

    def _child_confirmed(self, fact: f.ChildConfirmed) -> list[str]:
        return [f"{self._named(fact.child_id)} has of it what we know: it is no longer in doubt"]

    def _break(self, fact: f.BreakFound) -> list[str]:
        told = f"by {self._qty(fact.qty)}, which is {fact.amount}"
        return [f"{self._named(fact.child_id)} and we differ ({fact.code}) {told}: {fact.text}"]

    def _sliced(self, fact: f.LiquidationSliced) -> list[str]:
        return [f"it is a part of the liquidation of {fact.account}: the excess liquidity {fact.excess} is to be "
                f"{fact.target}"]  # fmt: skip

    def _hedges(self, fact: f.HedgeDecided) -> list[str]:
        return [f"{fact.maker} hedges with it{f': {fact.why}' if fact.why else ''}"]

    def _status_told(self, fact: f.StatusReported) -> list[str]:
        return [f"{fact.client} asks how it stands"]

    def _split(self, fact: f.SplitApplied) -> list[str]:
        return [f"{fact.operator} splits {fact.symbol}: {fact.numerator} for {fact.denominator}"]

    def _kill_refused(self, fact: f.KillRefused) -> list[str]:
        return [f"an exchange does not cancel it ({fact.text}); it is asked again"]


TELLERS: dict[type[f.Fact], Callable[[OrderStory, Any], list[str]]] = {
    f.OrderAccepted: OrderStory._accepted,
    f.QuoteTaken: OrderStory._took_quote,
    f.OrderRejected: OrderStory._rejected,
    f.OrderRouted: OrderStory._routed,
    f.RouteDecided: OrderStory._decided,
    f.ChildAccepted: OrderStory._child_accepted,
    f.ChildFilled: OrderStory._child_filled,
    f.ChildEnded: OrderStory._child_ended,
    f.ChildRequestRejected: OrderStory._child_refused,
    f.ChildCancelSent: OrderStory._asked,
    f.ChildReplaceSent: OrderStory._asked,
    f.ChildStatusAsked: OrderStory._asked,
    f.Trade: OrderStory._traded,
    f.OrderBooked: OrderStory._booked,
    f.OrderUnbooked: OrderStory._unbooked,
    f.OrderHeld: OrderStory._held,
    f.OrderReleased: OrderStory._released,
    f.OrderWorked: OrderStory._worked,
    f.OrderPaused: OrderStory._paused,
    f.StopMoved: OrderStory._stop_moved,
    f.OrderRepriced: OrderStory._repriced,
    f.OrderRestated: OrderStory._restated,
    f.QuoteMoved: OrderStory._moved,
    f.CancelPending: OrderStory._pending,
    f.ReplacePending: OrderStory._pending,
    f.RequestQueued: OrderStory._pending,
    f.OrderReplaced: OrderStory._replaced,
    f.RequestRejected: OrderStory._request_refused,
    f.OrderCanceled: OrderStory._canceled,
    f.OrderExpired: OrderStory._expired,
    f.OrderRefused: OrderStory._order_refused,
    f.TradeBusted: OrderStory._busted,
    f.FillReversed: OrderStory._busted,
    f.TradeCorrected: OrderStory._corrected,
    f.KillRefused: OrderStory._kill_refused,
    f.OrderAcknowledged: OrderStory._acknowledged,
    f.OrderNoted: OrderStory._noted,
    f.SplitApplied: OrderStory._split,
    f.ChildNoted: OrderStory._child_noted,
    f.ChildReplaced: OrderStory._child_changed,
    f.ChildRestated: OrderStory._child_changed,
    f.ChildConfirmed: OrderStory._child_confirmed,
    f.BreakFound: OrderStory._break,
    f.LiquidationSliced: OrderStory._sliced,
    f.HedgeDecided: OrderStory._hedges,
    f.StatusReported: OrderStory._status_told,
}
SUBJECTS: dict[str, tuple[type[f.Fact], ...]] = {
    "received": (f.OrderAccepted, f.OrderRejected, f.LiquidationSliced, f.HedgeDecided, f.QuoteTaken),
    "plan": (f.RouteDecided,),
    "child": (
        f.OrderRouted, f.ChildAccepted, f.ChildEnded, f.ChildRequestRejected, f.ChildCancelSent, f.ChildReplaceSent,
        f.ChildStatusAsked, f.ChildNoted, f.ChildReplaced, f.ChildRestated, f.ChildConfirmed, f.BreakFound,
    ),
    "fill": (f.ChildFilled, f.Trade),
    "correction": (f.TradeBusted, f.TradeCorrected, f.FillReversed),
    "request": (f.CancelPending, f.ReplacePending, f.RequestQueued, f.RequestRejected, f.OrderReplaced,
                f.StatusReported),
    "end": (f.OrderCanceled, f.OrderExpired, f.OrderRefused),
}  # fmt: skip
ABOUT = {kind: subject for subject, kinds in SUBJECTS.items() for kind in kinds}
"""What a sentence of an order's story is about, by the kind of its fact; of others: "work"."""


def explain_order(folder: Path, order: str) -> Iterator[Told]:
    """The story of an order by its OrderID, from the facts of a journal's folder. Raises JournalError, and LookupError
    where there never was such an order."""
    of = OrderFacts(id_number(order))
    story = OrderStory(of)
    for fact in facts_of(folder, of):
        for text in story.tell(fact):
            yield Told(fact.at, fact.id, text)
