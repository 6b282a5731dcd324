"""A trading day's totals by account, symbol and exchange."""

from collections import Counter
from decimal import Decimal
from typing import Any

from brokerfix import facts as f
from brokerfix.domain import OrdStatus, Side, to_text
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.operate.quality_words import OWN_BOOK
from brokerfix.operate.sentences import Row

ORDERS = ("received", "accepted", "refused", "filled", "canceled", "expired", "fills", "corrected", "taken_back")
"""Orders and fills of an account or symbol. Received are accepted and refused; one that exchanges have refused after it
was accepted counts as canceled."""
CHILDREN = ("sent", "rejected", "filled", "canceled", "fills")
"""Children and fills of an exchange."""
QTYS = ("bought", "sold")
KINDS = (
    f.OrderAccepted, f.OrderRejected, f.OrderCanceled, f.OrderExpired, f.OrderRefused, f.OrderRouted, f.ChildEnded,
    f.ChildFilled, f.Trade, f.TradeBusted, f.TradeCorrected, f.FillReversed,
)  # fmt: skip


class Totals:
    """Is shown the facts of KINDS, each before it is applied to the state and after. A trade in our own book is two
    fills, one of each side. Quantities are of fills as they came; what was taken back or corrected is counted."""

    def __init__(self) -> None:
        self.all: Counter[str] = Counter()
        self._accounts: dict[str, Counter[str]] = {}
        self._symbols: dict[str, Counter[str]] = {}
        self._venues: dict[str, Counter[str]] = {}
        self._qtys: dict[tuple[str, str, str], Decimal] = {}
        self._worked: list[Order] = []

    def before(self, state: State, fact: Any) -> None:
        """Which of the orders that are about to be filled were not."""
        ids: tuple[int, ...] = ()
        if isinstance(fact, f.Trade):
            ids = fact.maker_order_id, fact.taker_order_id
        elif isinstance(fact, f.ChildFilled):
            ids = (state.children[fact.child_id].order_id,)
        self._worked = [order for order in map(state.orders.__getitem__, ids) if order.cum < order.qty]

    def after(self, state: State, fact: Any) -> None:
        if isinstance(fact, f.OrderAccepted):
            self._orders(fact.account, fact.symbol, "received", "accepted")
        elif isinstance(fact, f.OrderRejected):
            client = state.clients.get(fact.client)
            account = fact.account or (client.accounts[0] if client is not None and client.accounts else "")
            self._orders(account, fact.symbol, "received", "refused")
        elif isinstance(fact, f.OrderCanceled | f.OrderExpired | f.OrderRefused):
            order = state.orders[fact.order_id]
            is_expired = isinstance(fact, f.OrderExpired) and fact.status is OrdStatus.EXPIRED
            if is_expired or not isinstance(fact, f.OrderExpired):
                self._orders(order.account, order.symbol, "expired" if is_expired else "canceled")
        elif isinstance(fact, f.OrderRouted):
            self._venue(fact.venue)["sent"] += 1
        elif isinstance(fact, f.ChildEnded):
            self._child_ended(state, fact)
        elif isinstance(fact, f.ChildFilled):
            child = state.children[fact.child_id]
            if child.cum >= child.qty:
                self._venue(child.venue)["filled"] += 1
            self._fill(state, state.orders[child.order_id], child.venue, fact.qty)
        elif isinstance(fact, f.Trade):
            for order_id in (fact.maker_order_id, fact.taker_order_id):
                self._fill(state, state.orders[order_id], OWN_BOOK, fact.qty)
        elif isinstance(fact, f.FillReversed):
            self._orders(fact.account, fact.symbol, "taken_back")
        elif isinstance(fact, f.TradeBusted | f.TradeCorrected):
            order = state.orders[state.fills[fact.exec_id].order_id]
            self._orders(order.account, order.symbol, "taken_back" if isinstance(fact, f.TradeBusted) else "corrected")

    def _child_ended(self, state: State, fact: f.ChildEnded) -> None:
        ended = {OrdStatus.REJECTED: "rejected", OrdStatus.FILLED: ""}.get(fact.status, "canceled")
        if ended:
            self._venue(state.children[fact.child_id].venue)[ended] += 1

    def _orders(self, account: str, symbol: str, *names: str) -> None:
        counts = self._accounts.setdefault(account, Counter()), self._symbols.setdefault(symbol, Counter()), self.all
        for count in counts:
            count.update(names)

    def _venue(self, venue: str) -> Counter[str]:
        return self._venues.setdefault(venue, Counter())

    def _fill(self, state: State, order: Order, venue: str, qty: int) -> None:
        is_full = any(one is order for one in self._worked) and order.cum >= order.qty
        self._orders(order.account, order.symbol, "fills", *(("filled",) if is_full else ()))
        self._venue(venue)["fills"] += 1
        side = "bought" if order.side is Side.BUY else "sold"
        units = Decimal(to_text(qty, state.instruments[order.symbol].qty_digits))
        for key in (("account", order.account), ("symbol", order.symbol), ("exchange", venue)):
            self._qtys[*key, side] = self._qtys.get((*key, side), Decimal(0)) + units

    def rows(self) -> dict[str, Any]:
        """`all` counts of the day; `accounts`, `symbols` and `exchanges` are rows. Quantities are units of the
        instruments: of an account or exchange those of all symbols together."""
        return {
            "all": {name: self.all[name] for name in ORDERS},
            "accounts": self._rows("account", self._accounts, ORDERS),
            "symbols": self._rows("symbol", self._symbols, ORDERS),
            "exchanges": self._rows("exchange", self._venues, CHILDREN),
        }

    def _rows(self, what: str, counts: dict[str, Counter[str]], names: tuple[str, ...]) -> list[Row]:
        return [
            {what: name}
            | {one: counts[name][one] for one in names}
            | {side: f"{self._qtys.get((what, name, side), Decimal(0)):f}" for side in QTYS}
            for name in sorted(counts)
        ]
