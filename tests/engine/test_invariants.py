"""Random clients, exchanges that misbehave, days and restarts: the invariants hold after every command.

`World.submit` checks that decide changes nothing and that every invariant holds; the machine adds recovery and an
independent count of all fills.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokerfix.commands import (
    CancelOrder,
    MarketMoved,
    MarketUpdate,
    NewOrder,
    RecordQuotes,
    ReplaceOrder,
    RollDay,
    SessionDown,
    SessionUp,
    VenueCancelReject,
    VenueReport,
)
from brokerfix.domain import ExecType, OrdStatus, OrdType, Side, TimeInForce
from brokerfix.engine.engine import observe
from brokerfix.engine.orders import Child, Order
from brokerfix.facts import ChildFilled, Trade
from tests.scenario import World

CLIENTS = st.sampled_from(["ALICE", "BOB"])
VENUES = st.sampled_from(["XNAS", "XNYS"])
PRICES = st.integers(14990, 15010)
QTYS = st.integers(1, 50)


class BrokerMachine(RuleBasedStateMachine):
    @initialize(post=st.sampled_from(["book", "venue"]), cross=st.sampled_from(["at-or-better", "always"]))
    def begin(self, post: str, cross: str) -> None:
        self.world = World(post=post, cross=cross, cash="10000000")
        self.number = 0
        for venue in ("XNAS", "XNYS"):
            self.world.submit(SessionUp(self.world.now, venue, True))

    def next_id(self) -> str:
        self.number += 1
        self.world.now += 1_000_000
        return f"C{self.number}"

    def order(self, client: str, index: int) -> Order | None:
        known = [order for order in self.world.state.clients[client].requests.values() if isinstance(order, Order)]
        return known[index % len(known)] if known else None

    def child(self, index: int) -> Child | None:
        children = list({child.child_id: child for child in self.world.state.children.values()}.values())
        return children[index % len(children)] if children else None

    @rule(client=CLIENTS, side=st.sampled_from(Side), tif=st.sampled_from(TimeInForce), qty=QTYS, price=PRICES)
    def new_limit(self, client: str, side: Side, tif: TimeInForce, qty: int, price: int) -> None:
        self._new(client, side, OrdType.LIMIT, tif, qty, price)

    @rule(client=CLIENTS, side=st.sampled_from(Side), qty=QTYS)
    def new_market(self, client: str, side: Side, qty: int) -> None:
        self._new(client, side, OrdType.MARKET, TimeInForce.DAY, qty, 0)

    def _new(self, client: str, side: Side, ord_type: OrdType, tif: TimeInForce, qty: int, price: int) -> None:
        number, now = self.next_id(), self.world.now
        self.world.submit(NewOrder(now, client, number, "", "AAPL", side, ord_type, tif, qty, price))

    @rule(client=CLIENTS, index=st.integers(0, 99))
    def cancel(self, client: str, index: int) -> None:
        order = self.order(client, index)
        if order is not None:
            self.world.submit(CancelOrder(self.world.now, client, self.next_id(), order.cl_ord_id))

    @rule(client=CLIENTS, index=st.integers(0, 99), qty=QTYS, price=PRICES)
    def replace(self, client: str, index: int, qty: int, price: int) -> None:
        order = self.order(client, index)
        if order is not None:
            price = price if order.ord_type is OrdType.LIMIT else 0
            number, now = self.next_id(), self.world.now
            self.world.submit(
                ReplaceOrder(now, client, number, order.cl_ord_id, "AAPL", order.side, order.ord_type, None, qty, price)
            )

    @rule(venue=VENUES, side=st.sampled_from(Side), price=PRICES, qty=st.integers(0, 60))
    def quote(self, venue: str, side: Side, price: int, qty: int) -> None:
        observe(self.world.state, MarketUpdate(venue, "AAPL", False, ((side, price, qty),)))
        self.world.submit(MarketMoved(self.world.now, "AAPL"))

    @rule(index=st.integers(0, 99), qty=st.integers(1, 60), price=PRICES)
    def fill(self, index: int, qty: int, price: int) -> None:
        """Any child, even one that has ended, and sometimes more than it holds."""
        child = self.child(index)
        if child is not None:
            self._report(child, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, qty=qty, price=price, cum=child.cum + qty)

    @rule(index=st.integers(0, 99), kind=st.sampled_from([ExecType.NEW, ExecType.REPLACED, ExecType.PENDING_CANCEL]))
    def acknowledge(self, index: int, kind: ExecType) -> None:
        child = self.child(index)
        if child is not None:
            self._report(child, kind, OrdStatus.NEW)

    @rule(index=st.integers(0, 99), kind=st.sampled_from([ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED]))
    def end(self, index: int, kind: ExecType) -> None:
        child = self.child(index)
        if child is not None:
            self._report(child, kind, OrdStatus(kind.value))

    @rule(index=st.integers(0, 99), more=st.integers(0, 30), status=st.sampled_from(["0", "1", "4", "8", "C"]))
    def status(self, index: int, more: int, status: str) -> None:
        child = self.child(index)
        if child is not None:
            self._report(child, ExecType.ORDER_STATUS, OrdStatus(status), cum=child.cum + more, avg_px="150.00")

    def _report(
        self,
        child: Child,
        kind: ExecType,
        status: OrdStatus,
        qty: int = 0,
        price: int = 0,
        cum: int = -1,
        avg_px: str = "",
    ) -> None:
        exec_id, now = self.next_id(), self.world.now
        number = child.request_id or child.cl_ord_id
        venue_id = f"V{child.child_id}"
        self.world.submit(
            VenueReport(
                now, child.venue, exec_id, kind, status, number, child.child_id, venue_id, qty, price, cum, avg_px
            )
        )

    @rule(index=st.integers(0, 99), reason=st.sampled_from(["0", "1", "99"]))
    def cancel_reject(self, index: int, reason: str) -> None:
        child = self.child(index)
        if child is not None:
            number = child.request_id or child.cl_ord_id
            self.world.submit(VenueCancelReject(self.world.now, child.venue, number, child.child_id, "0", reason))

    @rule(venue=VENUES)
    def bounce(self, venue: str) -> None:
        self.world.submit(SessionDown(self.world.now, venue, True))
        self.world.submit(SessionUp(self.world.now, venue, True))

    @rule()
    def record(self) -> None:
        self.world.submit(RecordQuotes(self.world.now))

    @rule()
    @precondition(lambda self: self.world.state.day < 20261125)
    def roll(self) -> None:
        self.world.submit(RollDay(self.world.now, self.world.state.day + 1))

    @rule()
    def crash(self) -> None:
        """The process dies and another takes over from the journal."""
        self.world.state = self.world.recovered()
        self.world.start()
        for venue in ("XNAS", "XNYS"):
            self.world.submit(SessionUp(self.world.now, venue, True))

    @invariant()
    def recovery_gives_the_same_state(self) -> None:
        if hasattr(self, "world") and self.number % 7 == 0:
            assert self.world.recovered().hash() == self.world.state.hash()

    @invariant()
    def positions_are_the_sum_of_trades(self) -> None:
        if not hasattr(self, "world"):
            return
        state, held, cash = self.world.state, Counter[str](), Counter[str]()
        for fact in self.world.facts:
            fills = []
            if isinstance(fact, Trade):
                fills = [state.orders[fact.maker_order_id], state.orders[fact.taker_order_id]]
            elif isinstance(fact, ChildFilled):
                fills = [state.order_of(state.children[fact.child_id])]
            for order in fills:
                sign = 1 if order.side is Side.BUY else -1
                held[order.account] += sign * fact.qty
                cash[order.account] -= sign * fact.qty * fact.price * state.instruments["AAPL"].money_factor
        for name, account in state.accounts.items():
            position = account.positions.get("AAPL")
            assert (position.qty if position else 0) == held[name]
            assert account.cash - account.paid_in == cash[name]


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(max_examples=200, stateful_step_count=50, deadline=None, print_blob=True)
