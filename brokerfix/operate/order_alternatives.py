"""What a routing decision has looked at and not taken, and why."""

from typing import Any

from brokerfix.domain import Instrument, Score, Seen, Side, money_text, to_money, to_text
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.routing.costs import unit_of
from brokerfix.operate.order_evidence import OrderDecision


def not_taken(decision: OrderDecision, side: Side, instrument: Instrument) -> list[dict[str, Any]]:
    """The quotes of which the decision takes nothing, then the exchanges that get nothing and showed none of these. The
    price is None where it is not on record."""
    return Alternatives(decision, side, instrument).rows()


class Alternatives:
    """`_worst` is what a unit of the dearest quote taken costs all in, as money (below 0 of an order to sell: what it
    brings), `_worst_px` the worst price; None where nothing is taken of an exchange at once."""

    def __init__(self, decision: OrderDecision, side: Side, instrument: Instrument) -> None:
        self._decision, self._fact, self._side, self._instrument = decision, decision.fact, side, instrument
        taken = [seen for seen in self._fact.seen if seen.aimed]
        sign = 1 if side is Side.BUY else -1
        self._sign = sign
        self._worst = max((self._all_in(seen) for seen in taken), default=None)
        self._worst_px = sign * max(sign * seen.price for seen in taken) if taken else None
        self._why = {score.venue: score.why for score in self._fact.scores if not score.gets}

    def rows(self) -> list[dict[str, Any]]:
        quotes = [seen for seen in self._fact.seen if not seen.aimed]
        shown = {seen.venue for seen in quotes}
        rows = [self._row(seen.venue, self._price(seen.price), seen.qty, self._of_quote(seen)) for seen in quotes]
        scores = [score for score in self._fact.scores if not score.gets and score.venue not in shown]
        return rows + [self._row(score.venue, None, score.qty, self._of_exchange(score)) for score in scores]

    def _row(self, venue: str, price: str | None, qty: int, reason: str) -> dict[str, Any]:
        shown = to_text(qty, self._instrument.qty_digits)
        return {"exchange": venue, "price": price, "qty": shown, "reason": reason}

    def _price(self, price: int) -> str:
        return to_text(price, self._instrument.price_digits)

    def _all_in(self, seen: Seen) -> int:
        return self._sign * seen.price * unit_of(self._instrument) + to_money(seen.fee or "0")

    def _of_quote(self, seen: Seen) -> str:
        limit = self._decision.limit
        if limit and not at_least_as_good(self._side, seen.price, limit):
            return f"beyond the limit of {self._price(limit)}"
        return self._told(self._why.get(seen.venue, ""), self._all_in(seen), seen.price)

    def _of_exchange(self, score: Score) -> str:
        if not score.cost:
            return score.why
        limit, best = self._decision.limit, self._fact.ask if self._side is Side.BUY else self._fact.bid
        if limit and best is not None and not at_least_as_good(self._side, best[0], limit):
            return f"{score.why}; what it shows is beyond the limit of {self._price(limit)}"
        return self._told(score.why, self._sign * to_money(score.cost), None)

    def _told(self, why: str, cost: int, price: int | None) -> str:
        """`why` the exchange gets nothing ("": it gets some), and how it compares with what was taken."""
        if self._worst is None or self._worst_px is None:
            crossed = self._decision.crossed
            ours = f"our own book had {to_text(crossed, self._instrument.qty_digits)} of it" if crossed else ""
            return "; ".join(filter(None, (why, ours))) or self._fact.note or "nothing is taken at once"
        return "; ".join(filter(None, (why, self._compared(cost - self._worst, price, self._worst_px))))

    def _compared(self, more: int, price: int | None, worst: int) -> str:
        is_buy = self._side is Side.BUY
        if more > 0:
            told = f"{'costs' if is_buy else 'brings'} {money_text(more)} {'more' if is_buy else 'less'} a unit"
            return f"{told}, fee included, than the {'dearest' if is_buy else 'worst'} that is taken"
        if not more:
            return f"{'costs' if is_buy else 'brings'} the same, fee included, as what is taken last"
        told = (
            f"{'costs' if is_buy else 'brings'} {money_text(-more)} {'less' if is_buy else 'more'} a unit, fee included"
        )
        beyond = self._sign * (price - worst) if price is not None else 0
        if beyond > 0:
            return f"its price is {self._price(beyond)} worse, which goes first, though it {told}"
        return f"{told}, than the {'dearest' if is_buy else 'worst'} that is taken"
