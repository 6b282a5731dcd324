"""The story of an account: its limits, orders, fills and refusals, margin calls and liquidations, credit, holds, kills,
moves between shards."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import Instrument, Limits, Side, Standing, id_text, to_text
from brokerfix.engine.risk.controls import number
from brokerfix.engine.state import State
from brokerfix.operate.sentences import time_text

WORDS = {
    Standing.OK: "is in order",
    Standing.WARNING: "is warned",
    Standing.CALL: "is in a margin call: it may only close positions, and its orders that would need more are canceled",
    Standing.LIQUIDATING: "is liquidated: all its orders are canceled",
    Standing.CLOSED_OUT: "is closed out",
}


class Story:
    """Is shown each fact, just applied to the state, in their order, and tells those that concern an account."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.is_known = False
        self._is_set_up = False
        self.counts: dict[str, Counter[str]] = {}
        """By symbol: orders, refused, fills, and the scaled quantities bought and sold."""
        self.orders: dict[int, tuple[str, Side]] = {}
        self._fills: dict[int, tuple[int, int]] = {}
        self._children: dict[int, int] = {}
        self.proposals: set[int] = set()
        self.state = State()

    def begin(self, state: State) -> None:
        """The facts before this state are gone."""
        self.state = state
        self.is_known = self.account in state.accounts
        for order in state.orders.values():
            if order.account == self.account:
                self.orders[order.order_id] = order.symbol, order.side
        self._children = {one.child_id: one.order_id for one in state.children.values() if one.order_id in self.orders}
        self._fills = {one.exec_id: (one.order_id, one.qty) for one in state.fills.values()
                       if one.order_id in self.orders}  # fmt: skip

    def tell(self, fact: f.Fact) -> str:
        """What the fact says of the account, "" if it does not concern it."""
        teller = TELLERS.get(type(fact))
        return teller(self, fact) if teller is not None else ""

    def _instrument(self, symbol: str) -> Instrument:
        return self.state.instruments[symbol]

    def price(self, symbol: str, price: int) -> str:
        return to_text(price, self._instrument(symbol).price_digits)

    def qty(self, symbol: str, qty: int) -> str:
        return to_text(qty, self._instrument(symbol).qty_digits)

    def _count(self, symbol: str, what: str, by: int = 1) -> None:
        self.counts.setdefault(symbol, Counter())[what] += by

    def is_at(self, kind: str, name: str) -> bool:
        """Whether a level, or what is halted, is about the account: its own, a group's that it is in, a client's that
        may trade for it, the firm's."""
        if kind == "account":
            return name == self.account
        if kind == "group":
            return self.account in self.state.groups.get(name, ())
        if kind == "client":
            client = self.state.clients.get(name)
            return client is not None and self.account in client.accounts
        return kind in ("firm", "all")

    def _account(self, fact: f.AccountDefined) -> str:
        if fact.account != self.account:
            return ""
        again, self.is_known, self._is_set_up = self._is_set_up, True, True
        limits = "; limits: " + limits_text(fact.limits)
        return f"the account is set up{' anew' if again else ''}: kind {fact.margin}, {fact.cash} paid in{limits}"

    def _client(self, fact: f.ClientDefined) -> str:
        rate = f", at {fact.max_rate} orders a second at most" if fact.max_rate else ""
        return f"{fact.client} may trade for it{rate}" if self.account in fact.accounts else ""

    def _group(self, fact: f.GroupDefined) -> str:
        return f"it is in the group {fact.group}" if self.account in fact.accounts else ""

    def _accepted(self, fact: f.OrderAccepted) -> str:
        if fact.account != self.account:
            return ""
        self.orders[fact.id] = fact.symbol, fact.side
        self._count(fact.symbol, "orders")
        terms = f"{fact.side.name.lower()} {self.qty(fact.symbol, fact.qty)} {fact.symbol}"
        at = f" at {self.price(fact.symbol, fact.price)}" if fact.price else ""
        named = fact.cl_ord_id if fact.own_quote is None else f"quote {fact.own_quote.quote_id}"
        who = f"{fact.operator}, for {fact.client}" if fact.operator else f"{fact.client}, {named}"
        return f"order {id_text(fact.id)} of {who}: {terms}{at}"

    def _rejected(self, fact: f.OrderRejected) -> str:
        if not self.is_of(fact):
            return ""
        self._count(fact.symbol, "refused")
        return f"order {fact.cl_ord_id} of {fact.client} refused: {fact.text}"

    def is_of(self, fact: f.OrderRejected) -> bool:
        """Whether a refused order was for the account: one that names none is for its client's first."""
        return fact.account == self.account if fact.account else self._is_first_of(fact.client)

    def _is_first_of(self, client: str) -> bool:
        known = self.state.clients.get(client)
        return known is not None and known.accounts[:1] == (self.account,)

    def _request_rejected(self, fact: f.RequestRejected) -> str:
        if not fact.order_id:
            # Of no order that is known: told where what names no account is.
            request = f"{fact.response_to.name.lower()} {fact.cl_ord_id} of {fact.client}"
            told = f"{request} for {fact.orig_cl_ord_id} refused: {fact.text}"
            return told if self._is_first_of(fact.client) else ""
        if fact.order_id not in self.orders:
            return ""
        what = f"{fact.response_to.name.lower()} {fact.cl_ord_id} of order {id_text(fact.order_id)}"
        return f"{what} refused: {fact.text}"

    def _routed(self, fact: f.OrderRouted) -> str:
        if fact.order_id in self.orders:
            self._children[fact.id] = fact.order_id
        return ""

    def _filled(self, fact: f.ChildFilled) -> str:
        by = f"; {fact.operator} has entered it" if fact.operator else ""
        told = self._fill(fact.id, self._children.get(fact.child_id, 0), fact.qty, fact.price, fact.fee)
        return f"{told}{by}" if told else ""

    def _traded(self, fact: f.Trade) -> str:
        sides = (fact.id - 1, fact.maker_order_id, fact.maker_fee), (fact.id, fact.taker_order_id, fact.taker_fee)
        fills = (self._fill(exec_id, order_id, fact.qty, fact.price, fee) for exec_id, order_id, fee in sides)
        return "; ".join(filter(None, fills))

    def _fill(self, exec_id: int, order_id: int, qty: int, price: int, fee: str) -> str:
        if order_id not in self.orders:
            return ""
        symbol, side = self.orders[order_id]
        self._fills[exec_id] = order_id, qty
        done = "bought" if side is Side.BUY else "sold"
        self._count(symbol, "fills")
        self._count(symbol, done, qty)
        cost = f", for a fee of {fee}" if fee else ""
        return (
            f"{done} {self.qty(symbol, qty)} {symbol} at {self.price(symbol, price)}, order {id_text(order_id)}{cost}"
        )

    def _changed(self, fact: f.TradeBusted | f.TradeCorrected) -> str:
        order_id, had = self._fills.get(fact.exec_id, (0, 0))
        if not order_id:
            return ""
        symbol, side = self.orders[order_id]
        is_bust = isinstance(fact, f.TradeBusted)
        has = 0 if isinstance(fact, f.TradeBusted) else fact.qty
        self._fills[fact.exec_id] = order_id, has
        self._count(symbol, "bought" if side is Side.BUY else "sold", has - had)
        self._count(symbol, "fills", -1 if is_bust and had else 0)
        by = f" by {fact.operator}" if fact.operator else ""
        why = f": {fact.text}" if fact.text else ""
        if isinstance(fact, f.TradeBusted):
            return f"fill {id_text(fact.exec_id)} of order {id_text(order_id)} is taken back{by}{why}"
        terms = f"{self.qty(symbol, fact.qty)} at {self.price(symbol, fact.price)}"
        return f"fill {id_text(fact.exec_id)} of order {id_text(order_id)} is corrected{by} to {terms}{why}"

    def _reversed(self, fact: f.FillReversed) -> str:
        if fact.account != self.account:
            return ""
        self._count(fact.symbol, "bought" if fact.side is Side.BUY else "sold", -fact.qty)
        self._count(fact.symbol, "fills", -1)
        terms = f"{self.qty(fact.symbol, fact.qty)} {fact.symbol} at {self.price(fact.symbol, fact.price)}"
        return f"fill {id_text(fact.exec_id)} ({terms}) is taken back by {fact.operator}"

    def _canceled(self, fact: f.OrderCanceled) -> str:
        if fact.order_id not in self.orders or not (fact.text or fact.operator):
            return ""
        by = f" by {fact.operator}" if fact.operator else ""
        return f"order {id_text(fact.order_id)} canceled{by}" + (f": {fact.text}" if fact.text else "")

    def _order_ended(self, fact: f.OrderExpired | f.OrderRefused) -> str:
        if fact.order_id not in self.orders:
            return ""
        how = "refused by an exchange" if isinstance(fact, f.OrderRefused) else fact.status.name.lower()
        why = f": {fact.text}" if fact.text else ""
        return f"order {id_text(fact.order_id)} {how.replace('_', ' ')}{why}"

    def _deficit(self, fact: f.DeficitBooked) -> str:
        return f"{fact.amount} is missing: the broker's claim" if fact.account == self.account else ""

    def _interest(self, fact: f.InterestBooked) -> str:
        if fact.account != self.account:
            return ""
        kind = f", in {fact.currency}" if fact.currency else ""
        done = "charged" if fact.amount.startswith("-") else "paid"
        return f"interest of {fact.amount} is {done}: {fact.days} days on {fact.on} at {fact.rate} a year{kind}"

    def _converted(self, fact: f.BalancesConverted) -> str:
        told = ", ".join(f"{money} {name}" for name, money in fact.amounts)
        return f"{told} become {fact.into} of the desk's own currency" if fact.account == self.account else ""

    def _split(self, fact: f.SplitApplied) -> str:
        if not any(symbol == fact.symbol for symbol, _ in self.orders.values()):
            return ""
        self._fills = {
            exec_id: (order_id, qty * fact.numerator // fact.denominator if self.orders[order_id][0] == fact.symbol
                      else qty)
            for exec_id, (order_id, qty) in self._fills.items()
        }  # fmt: skip
        return f"{fact.numerator} {fact.symbol} for each {fact.denominator} held, by {fact.operator}"


def limits_text(limits: Limits) -> str:
    """Limits as people write them."""
    told = [f"{name} {number(most)}" for name, most in limits.numbers().items()]
    told += [f"{name} {number(most)}" for name, most in limits.watched().items()]
    return ", ".join(told) or "none"


def until_text(until: int) -> str:
    return f" until {time_text(until)[:19]}" if until else ""


Teller = Callable[[Story, Any], str]
TELLERS: dict[type[f.Fact], Teller] = {
    f.AccountDefined: Story._account,
    f.ClientDefined: Story._client,
    f.GroupDefined: Story._group,
    f.OrderAccepted: Story._accepted,
    f.OrderRejected: Story._rejected,
    f.RequestRejected: Story._request_rejected,
    f.OrderRouted: Story._routed,
    f.ChildFilled: Story._filled,
    f.Trade: Story._traded,
    f.TradeBusted: Story._changed,
    f.TradeCorrected: Story._changed,
    f.FillReversed: Story._reversed,
    f.OrderCanceled: Story._canceled,
    f.OrderExpired: Story._order_ended,
    f.OrderRefused: Story._order_ended,
    f.DeficitBooked: Story._deficit,
    f.InterestBooked: Story._interest,
    f.BalancesConverted: Story._converted,
    f.SplitApplied: Story._split,
}
"""What each kind of fact says of an account; those about its risk stand in `account_risk`."""
