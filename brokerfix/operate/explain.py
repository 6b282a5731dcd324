"""The story of an account, out of the journal: every sentence rests on a fact and tells its numbers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import Instrument, Side, Standing, id_text, to_text
from brokerfix.engine.risk.controls import number
from brokerfix.record.journal import read


class Told(NamedTuple):
    """A sentence: when (ns UTC), the number of the fact that it rests on, and what happened."""

    at: int
    fact: int
    text: str

    def row(self) -> dict[str, Any]:
        when = datetime.fromtimestamp(self.at / 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return {"time": when, "fact": id_text(self.fact), "what happened": self.text}


WORDS = {
    Standing.OK: "is in order",
    Standing.WARNING: "is warned",
    Standing.CALL: "is in a margin call: it may only close positions, and its orders that would need more are canceled",
    Standing.LIQUIDATING: "is liquidated: all its orders are canceled",
    Standing.CLOSED_OUT: "is closed out",
}


class Story:
    """Reads facts in their order, and tells those that concern an account."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.is_known = False
        self._instruments: dict[str, Instrument] = {}
        self._orders: dict[int, tuple[str, Side]] = {}
        self._children: dict[int, int] = {}

    def tell(self, fact: f.Fact) -> str:
        """What the fact says of the account, "" if it does not concern it."""
        teller = TELLERS.get(type(fact))
        return teller(self, fact) if teller is not None else ""

    def _price(self, symbol: str, price: int) -> str:
        return to_text(price, self._instruments[symbol].price_digits)

    def _qty(self, symbol: str, qty: int) -> str:
        return to_text(qty, self._instruments[symbol].qty_digits)

    def _defined(self, fact: f.InstrumentDefined) -> str:
        self._instruments[fact.instrument.symbol] = fact.instrument
        return ""

    def _account(self, fact: f.AccountDefined) -> str:
        if fact.account != self.account:
            return ""
        self.is_known = True
        return f"the account is set up: kind {fact.margin}, {fact.cash} paid in"

    def _limits(self, fact: f.LimitsSet) -> str:
        if (fact.kind, fact.name) != ("account", self.account):
            return ""
        by = f"by {fact.operator}" if fact.operator else "by the configuration"
        where = f" in {fact.symbol}" if fact.symbol else ""
        told = [f"{name} {number(most)}" for name, most in fact.limits.numbers().items()]
        told += [f"max_loss {fact.limits.max_loss}"] if fact.limits.max_loss else []
        return f"limits{where} set {by}: {', '.join(told) or 'none'}" + (f" ({fact.text})" if fact.text else "")

    def _accepted(self, fact: f.OrderAccepted) -> str:
        if fact.account != self.account:
            return ""
        self._orders[fact.id] = fact.symbol, fact.side
        terms = f"{fact.side.name.lower()} {self._qty(fact.symbol, fact.qty)} {fact.symbol}"
        at = f" at {self._price(fact.symbol, fact.price)}" if fact.price else ""
        named = fact.cl_ord_id if fact.own_quote is None else f"quote {fact.own_quote.quote_id}"
        who = f"{fact.operator}, for {fact.client}" if fact.operator else f"{fact.client}, {named}"
        return f"order {id_text(fact.id)} of {who}: {terms}{at}"

    def _rejected(self, fact: f.OrderRejected) -> str:
        return f"order {fact.cl_ord_id} of {fact.client} refused: {fact.text}" if fact.account == self.account else ""

    def _routed(self, fact: f.OrderRouted) -> str:
        if fact.order_id in self._orders:
            self._children[fact.id] = fact.order_id
        return ""

    def _filled(self, fact: f.ChildFilled) -> str:
        return self._fill(self._children.get(fact.child_id, 0), fact.qty, fact.price, fact.fee)

    def _traded(self, fact: f.Trade) -> str:
        sides = (fact.maker_order_id, fact.maker_fee), (fact.taker_order_id, fact.taker_fee)
        return "; ".join(filter(None, (self._fill(order_id, fact.qty, fact.price, fee) for order_id, fee in sides)))

    def _fill(self, order_id: int, qty: int, price: int, fee: str) -> str:
        if order_id not in self._orders:
            return ""
        symbol, side = self._orders[order_id]
        done = "bought" if side is Side.BUY else "sold"
        cost = f", for a fee of {fee}" if fee else ""
        return (
            f"{done} {self._qty(symbol, qty)} {symbol} at {self._price(symbol, price)}, order {id_text(order_id)}{cost}"
        )

    def _interest(self, fact: f.InterestBooked) -> str:
        if fact.account != self.account:
            return ""
        kind = f", in {fact.currency}" if fact.currency else ""
        done = "charged" if fact.amount.startswith("-") else "paid"
        return f"interest of {fact.amount} is {done}: {fact.days} days on {fact.on} at {fact.rate} a year{kind}"

    def _canceled(self, fact: f.OrderCanceled) -> str:
        return f"order {id_text(fact.order_id)} canceled: {fact.text}" if fact.text and self._owns(fact) else ""

    def _owns(self, fact: f.OrderCanceled) -> bool:
        return fact.order_id in self._orders

    def _standing(self, fact: f.MarginChanged) -> str:
        if fact.account != self.account:
            return ""
        told = f"equity {fact.equity}, maintenance margin {fact.maintenance}, excess liquidity {fact.excess}"
        return f"the account {WORDS[fact.standing]}{f' ({fact.text})' if fact.text else ''}: {told}"

    def _sliced(self, fact: f.LiquidationSliced) -> str:
        if fact.account != self.account:
            return ""
        return (
            f"liquidation: {fact.side.name.lower()} {self._qty(fact.symbol, fact.qty)} {fact.symbol}, to "
            f"{self._price(fact.symbol, fact.price)} at worst, because the excess liquidity {fact.excess} is to be "
            f"{fact.target} and the position frees {fact.relief_bps / 100:g} % of its value"
        )

    def _held(self, fact: f.LiquidationHeld) -> str:
        by = f"{fact.operator} stops the liquidation" if fact.operator else "the liquidation waits"
        return f"{by}: {fact.text}" if fact.account == self.account else ""

    def _resumed(self, fact: f.LiquidationResumed) -> str:
        by = f", {fact.operator} says so" if fact.operator else ""
        return f"the liquidation goes on{by}" if fact.account == self.account else ""

    def _scored(self, fact: f.CreditScored) -> str:
        if fact.account != self.account:
            return ""
        reasons = f" ({'; '.join(fact.reasons)})" if fact.reasons else ""
        return f"credit score {fact.score}: {fact.multiplier_bps / 100:g} % of the available funds may be used{reasons}"

    def _deficit(self, fact: f.DeficitBooked) -> str:
        return f"{fact.amount} is missing: the broker's claim" if fact.account == self.account else ""

    def _day_deficit(self, fact: f.IntradayDeficit | f.DeficitMet | f.AccountFrozen) -> str:
        if fact.account != self.account:
            return ""
        if isinstance(fact, f.IntradayDeficit):
            return f"an intraday margin deficit of {fact.amount} has to be met in five business days"
        if isinstance(fact, f.DeficitMet):
            return f"the intraday margin deficit of {fact.amount} is met"
        return f"the account is frozen until {fact.until}: an intraday margin deficit of {fact.amount} was not met"

    def _converted(self, fact: f.BalancesConverted) -> str:
        told = ", ".join(f"{money} {name}" for name, money in fact.amounts)
        return f"{told} become {fact.into} of the desk's own currency" if fact.account == self.account else ""

    def _loss(self, fact: f.LossReached) -> str:
        told = f"{fact.percent} % of what may be lost in a day is lost: {fact.loss} of {fact.limit}"
        return told if fact.account == self.account else ""

    def _halted(self, fact: f.Halted) -> str:
        done = "killed: its orders are canceled, new ones refused" if fact.kill else "halted: new orders are refused"
        return f"the account is {done}, by {fact.operator}" if self._is_meant(fact) else ""

    def _let_on(self, fact: f.Resumed) -> str:
        return f"new orders are taken again, {fact.operator} says so" if self._is_meant(fact) else ""

    def _is_meant(self, fact: f.Halted | f.Resumed) -> bool:
        return (fact.kind, fact.name) in (("account", self.account), ("all", ""))


TELLERS: dict[type[f.Fact], Callable[[Story, Any], str]] = {
    f.InstrumentDefined: Story._defined,
    f.AccountDefined: Story._account,
    f.LimitsSet: Story._limits,
    f.OrderAccepted: Story._accepted,
    f.OrderRejected: Story._rejected,
    f.OrderRouted: Story._routed,
    f.ChildFilled: Story._filled,
    f.Trade: Story._traded,
    f.OrderCanceled: Story._canceled,
    f.MarginChanged: Story._standing,
    f.LiquidationSliced: Story._sliced,
    f.LiquidationHeld: Story._held,
    f.LiquidationResumed: Story._resumed,
    f.DeficitBooked: Story._deficit,
    f.InterestBooked: Story._interest,
    f.CreditScored: Story._scored,
    f.LossReached: Story._loss,
    f.BalancesConverted: Story._converted,
    f.IntradayDeficit: Story._day_deficit,
    f.DeficitMet: Story._day_deficit,
    f.AccountFrozen: Story._day_deficit,
    f.Halted: Story._halted,
    f.Resumed: Story._let_on,
}


def explain_account(folder: Path, account: str) -> Iterator[Told]:
    """The story of an account, from the facts of a journal's folder. Raises JournalError, and LookupError where there
    never was such an account."""
    story = Story(account)
    for record in read(folder):
        for fact in record.facts:
            text = story.tell(fact)
            if text:
                yield Told(fact.at, fact.id, text)
    if not story.is_known:
        raise LookupError(f"there is no account {account!r} in {folder}")
