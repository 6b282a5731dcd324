"""Random clients, exchanges that misbehave, days and restarts: the invariants hold after every command.

`World.submit` checks that decide changes nothing and that every invariant holds; the machine adds recovery and an
independent count of all fills.
"""

from collections import Counter
from collections.abc import Callable

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokerfix.commands import (
    AskAgain,
    CancelOrder,
    ChangePhase,
    ExpireOrders,
    MarketMoved,
    MarketUpdate,
    MassCancel,
    NewOrder,
    OperatorBust,
    OperatorCancel,
    OperatorCorrect,
    OperatorHalt,
    OperatorMargin,
    OperatorRate,
    OperatorRelease,
    OperatorResolve,
    OperatorResume,
    RecordQuotes,
    ReplaceOrder,
    ReviewAccount,
    RollDay,
    SessionDown,
    SessionUp,
    SetLimits,
    VenueCancelReject,
    VenueReport,
)
from brokerfix.domain import (
    ExecType,
    Instructions,
    OrderTags,
    OrdStatus,
    OrdType,
    Phase,
    Request,
    Side,
    Strategy,
    TimeInForce,
)
from brokerfix.engine.engine import observe
from brokerfix.engine.orders.ending import is_cancelable
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.touched import Touched
from brokerfix.facts import ChildFilled, Trade, TradeBusted, TradeCorrected
from brokerfix.projections.rows import account_row, child_row, order_row, position_row
from tests.scenario import World, limits_of

CLIENTS = st.sampled_from(["ALICE", "BOB"])
VENUES = st.sampled_from(["XNAS", "XNYS"])
PRICES = st.integers(14990, 15010)
QTYS = st.integers(1, 50)
SPECIAL: dict[str, Callable[[int, int], tuple[OrdType, Instructions]]] = {
    "stop": lambda price, qty: (OrdType.STOP, Instructions(stop_px=price)),
    "stop limit": lambda price, qty: (OrdType.STOP_LIMIT, Instructions(stop_px=price)),
    "trailing stop": lambda price, qty: (OrdType.PEGGED, Instructions(peg_offset=3, exec_inst=("a",))),
    "to limit": lambda price, qty: (OrdType.MARKET_TO_LIMIT, Instructions()),
    "primary peg": lambda price, qty: (OrdType.PEGGED, Instructions(limit=price, exec_inst=("R",))),
    "mid peg": lambda price, qty: (OrdType.PEGGED, Instructions(exec_inst=("M",))),
    "market peg": lambda price, qty: (OrdType.PEGGED, Instructions(peg_offset=-1, exec_inst=("P",))),
    "iceberg": lambda price, qty: (OrdType.LIMIT, Instructions(max_floor=(qty + 2) // 3)),
    "iceberg peg": lambda price, qty: (OrdType.PEGGED, Instructions(max_floor=(qty + 2) // 3, exec_inst=("R",))),
    "all or none": lambda price, qty: (OrdType.LIMIT, Instructions(exec_inst=("G",))),
    "minimum": lambda price, qty: (OrdType.LIMIT, Instructions(min_qty=(qty + 1) // 2)),
    "post only": lambda price, qty: (OrdType.LIMIT, Instructions(exec_inst=("6",))),
    "not best": lambda price, qty: (OrdType.LIMIT, Instructions(exec_inst=("Z", "K"))),
    "do not increase": lambda price, qty: (OrdType.LIMIT, Instructions(exec_inst=("E",))),
    "manual": lambda price, qty: (OrdType.LIMIT, Instructions(manual=True)),
    "good till date": lambda price, qty: (OrdType.LIMIT, Instructions(expire_day=20261123)),
    "good till time": lambda price, qty: (OrdType.LIMIT, Instructions(expire_at=1_000_000_100_000_000_000)),
}
"""What asks for more than a plain order, at a price and for a quantity."""


LIMITS = (
    "firm max_gross=900000", "client ALICE max_net=300000", "account BOB AAPL max_long=900 max_short=900",
    "group DESK duplicates=3 max_long=2000", "client BOB max_window_qty=3000 window_seconds=1 max_fills=20",
    "account ALICE TECH max_gross=400000",
)  # fmt: skip
"""Some that are reached."""


ROUTING: list[dict[str, str]] = [
    {},
    {"route_mode": "pro-rata", "failures": "2"},
    {"route_mode": "sequential", "repost": "1", "trade_through": "route-away"},
    {"route_mode": "spray", "cross_share": "5000", "trade_through": "iso"},
    {"route_mode": "dark-first", "dark": "XNYS", "failures": "3"},
    {"route_mode": "split", "placement": "yes", "repost": "1"},
    {"route_by": "cost", "latency_cost": "10000", "failures": "1"},
]
"""How orders are routed."""
ALGORITHMS = {
    "twap": Strategy("twap"),
    "vwap": Strategy("vwap", catch_up=False),
    "pov": Strategy("pov", rate=5000),
    "is": Strategy("is", urgency=20_000),
    "passive": Strategy("twap", passive=True, mode="pro-rata"),
    "capped": Strategy("twap", rate=2000),
}


def _id_of(order: Order) -> str:
    return order.tags.self_match_id if order.tags is not None else ""


class BrokerMachine(RuleBasedStateMachine):
    @initialize(
        post=st.sampled_from(["book", "venue"]),
        cross=st.sampled_from(["at-or-better", "always"]),
        pending=st.sampled_from(["queue", "announce", "reject"]),
        acknowledge=st.sampled_from(["accepted", "placed"]),
        supports=st.sampled_from(["", "stop iceberg", "pegged min-qty all-or-none post-only gtd"]),
        limits=st.sampled_from(["", ";".join(LIMITS)]),
        self_match=st.sampled_from(["none", "cancel-newest", "cancel-oldest", "cancel-both", "decrement"]),
        scope=st.sampled_from(["client", "group"]),
        margin=st.sampled_from(["cash", "cash", "reg-t", "tiered"]),
        currency=st.sampled_from(["", "", "EUR"]),
        routing=st.sampled_from(ROUTING),
    )
    def begin(
        self, post: str, cross: str, pending: str, acknowledge: str, supports: str, limits: str, self_match: str,
        scope: str, margin: str, currency: str, routing: dict[str, str],
    ) -> None:  # fmt: skip
        # With margin there is little, so that it is called in.
        cash = "100000000" if margin == "cash" else "15000"
        self.world = World(
            post=post, cross=cross, cash=cash, pending=pending, acknowledge=acknowledge, supports=supports,
            limits=limits, self_match=self_match, scope=scope, margin=margin, terms="maintenance=0.5",
            currency=currency, **routing,
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        self.number = self.seen = 0
        self.known: dict[int, Order] = {}
        self.picture: dict[tuple[str, object], object] = {}
        self.order_of_child: dict[int, int] = {}
        for venue in ("XNAS", "XNYS"):
            self.world.submit(SessionUp(self.world.now, venue, True))

    def next_id(self) -> str:
        self.number += 1
        self.world.now += 1_000_000
        return f"C{self.number}"

    def order(self, client: str, index: int) -> Order | None:
        """Mostly one that works, sometimes one that has ended."""
        known = list(self.world.state.clients[client].working.values())
        if not known or index % 4 == 0:
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

    @rule(client=CLIENTS, side=st.sampled_from(Side), kind=st.sampled_from(sorted(SPECIAL)), qty=QTYS, price=PRICES)
    def new_special(self, client: str, side: Side, kind: str, qty: int, price: int) -> None:
        """An order that asks for more than a plain one."""
        ord_type, asked = SPECIAL[kind](price, qty)
        tif = TimeInForce.GTD if asked.expire_day or asked.expire_at else TimeInForce.DAY
        price = price if ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) else 0
        number, now = self.next_id(), self.world.now
        self.world.submit(
            NewOrder(now, client, number, "", "AAPL", side, ord_type, tif, qty, price, instructions=asked)
        )

    @rule(client=CLIENTS, side=st.sampled_from(Side), kind=st.sampled_from(sorted(ALGORITHMS)), qty=QTYS, price=PRICES)
    def new_algorithm(self, client: str, side: Side, kind: str, qty: int, price: int) -> None:
        """An order that is worked over some seconds, at any price where its number is odd."""
        number, now = self.next_id(), self.world.now
        worked = msgspec.structs.replace(ALGORITHMS[kind], start=now, end=now + qty * 10**9, interval=10**9)
        ord_type, price = (OrdType.MARKET, 0) if price % 2 else (OrdType.LIMIT, price)
        asked = Instructions(strategy=worked)
        self.world.submit(
            NewOrder(now, client, number, "", "AAPL", side, ord_type, TimeInForce.DAY, qty, price, instructions=asked)
        )

    @rule(client=CLIENTS, index=st.integers(0, 99), pauses=st.booleans())
    def pause(self, client: str, index: int, pauses: bool) -> None:
        order = self.order(client, index)
        if order is not None and order.instructions is not None and order.instructions.strategy is not None:
            number, now = self.next_id(), self.world.now
            asked = msgspec.structs.replace(order.instructions, exec_inst=("S",) if pauses else ())
            self.world.submit(
                ReplaceOrder(
                    now, client, number, order.cl_ord_id, "AAPL", order.side, order.ord_type, None, order.qty,
                    order.price, instructions=asked,
                )
            )  # fmt: skip

    @rule(seconds=st.integers(1, 20))
    def let_it_work(self, seconds: int) -> None:
        self.world.now += seconds * 10**9
        self.world.submit(MarketMoved(self.world.now, "AAPL"))

    def _new(self, client: str, side: Side, ord_type: OrdType, tif: TimeInForce, qty: int, price: int) -> None:
        number, now = self.next_id(), self.world.now
        # Half of them have a strategy and an id for self-match prevention.
        tags = OrderTags(f"S{qty % 2}", f"M{qty % 3}") if qty % 4 < 2 else None
        self.world.submit(NewOrder(now, client, number, "", "AAPL", side, ord_type, tif, qty, price, tags=tags))

    @rule(text=st.sampled_from(["firm", "firm max_net=500000", "client ALICE max_gross=100000", "group DESK", *LIMITS]))
    def set_limits(self, text: str) -> None:
        self.world.submit(SetLimits(self.world.now, "carol", *limits_of(text)))

    @rule(rate=st.integers(90_000_000, 130_000_000))
    def set_rate(self, rate: int) -> None:
        self.world.submit(OperatorRate(self.world.now, "carol", "EUR", rate))

    @rule(hold=st.booleans())
    def hold_margin(self, hold: bool) -> None:
        self.world.submit(OperatorMargin(self.world.now, "carol", "ALICE", hold))

    @rule()
    def review(self) -> None:
        """Half a second later: what calls and liquidations lead to."""
        self.world.now += 500_000_000
        for account in list(self.world.state.called):
            self.world.submit(ReviewAccount(self.world.now, account))

    @rule(client=CLIENTS)
    def kill(self, client: str) -> None:
        self.world.submit(OperatorHalt(self.world.now, "carol", "client", client, True))

    @rule(client=CLIENTS, index=st.integers(0, 99))
    def cancel(self, client: str, index: int) -> None:
        order = self.order(client, index)
        if order is not None:
            self.world.submit(CancelOrder(self.world.now, client, self.next_id(), order.cl_ord_id))

    @rule(client=CLIENTS, index=st.integers(0, 99), qty=QTYS, price=PRICES)
    def replace(self, client: str, index: int, qty: int, price: int) -> None:
        order = self.order(client, index)
        if order is not None:
            price = price if order.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) else 0
            number, now = self.next_id(), self.world.now
            self.world.submit(
                ReplaceOrder(
                    now,
                    client,
                    number,
                    order.cl_ord_id,
                    "AAPL",
                    order.side,
                    order.ord_type,
                    None,
                    qty,
                    price,
                    instructions=order.instructions,
                )
            )

    @rule(venue=VENUES, side=st.sampled_from(Side), price=PRICES, qty=st.integers(0, 60))
    def quote(self, venue: str, side: Side, price: int, qty: int) -> None:
        observe(self.world.state, MarketUpdate(venue, "AAPL", False, ((side, price, qty),)))
        self.world.follow_up()

    @rule(venue=VENUES, price=PRICES)
    def last(self, venue: str, price: int) -> None:
        observe(self.world.state, MarketUpdate(venue, "AAPL", False, (), ((price, 1),)))
        self.world.follow_up()

    @rule(
        index=st.integers(0, 99), qty=st.integers(1, 60), price=PRICES, busts=st.booleans(), leaves=st.integers(-1, 1)
    )
    def bust_or_correct(self, index: int, qty: int, price: int, busts: bool, leaves: int) -> None:
        """An exchange takes a fill back, or changes it."""
        children = self.world.state.children
        fills = [fact for fact in self.world.facts if isinstance(fact, ChildFilled) and fact.child_id in children]
        if not fills:
            return
        fact = fills[index % len(fills)]
        child = self.world.state.children[fact.child_id]
        kind = ExecType.TRADE_CANCEL if busts else ExecType.TRADE_CORRECT
        exec_id, now = self.next_id(), self.world.now
        self.world.submit(
            VenueReport(
                now,
                child.venue,
                exec_id,
                kind,
                "1",
                child.cl_ord_id,
                0,
                "V",
                qty,
                price,
                leaves=leaves,
                exec_ref_id=fact.venue_exec_id,
            )
        )

    @rule(index=st.integers(0, 99), qty=st.integers(1, 60), busts=st.booleans(), price=PRICES)
    def operator_changes_a_fill(self, index: int, qty: int, busts: bool, price: int) -> None:
        exec_ids = list(self.world.state.fills)
        if exec_ids:
            exec_id = exec_ids[index % len(exec_ids)]
            command = OperatorBust(self.world.now, "jo", exec_id)
            self.world.submit(command if busts else OperatorCorrect(self.world.now, "jo", exec_id, qty, price))

    @rule(index=st.integers(0, 99), action=st.sampled_from([OperatorCancel, OperatorRelease]))
    def operator(self, index: int, action: type[OperatorCancel | OperatorRelease]) -> None:
        orders = list(self.world.state.orders)
        if orders:
            self.world.submit(action(self.world.now, "jo", orders[index % len(orders)]))

    @rule(client=CLIENTS, side=st.sampled_from(Side), qty=QTYS, price=PRICES)
    def halt(self, client: str, side: Side, qty: int, price: int) -> None:
        self.world.submit(OperatorHalt(self.world.now, "jo", "symbol", "AAPL"))
        self._new(client, side, OrdType.LIMIT, TimeInForce.DAY, qty, price)
        self.world.submit(OperatorResume(self.world.now, "jo", "symbol", "AAPL"))

    @rule(index=st.integers(0, 99), qty=QTYS, price=PRICES)
    def restate(self, index: int, qty: int, price: int) -> None:
        child = self.child(index)
        if child is not None:
            exec_id, now = self.next_id(), self.world.now
            self.world.submit(
                VenueReport(
                    now,
                    child.venue,
                    exec_id,
                    ExecType.RESTATED,
                    "0",
                    child.cl_ord_id,
                    0,
                    "V",
                    order_qty=qty,
                    order_px=price,
                )
            )

    @rule(
        phases=st.sampled_from([[Phase.OPENING_AUCTION], [Phase.CLOSING_AUCTION, Phase.CLOSED]]),
        orders=st.lists(
            st.tuples(CLIENTS, st.sampled_from(Side), st.sampled_from(TimeInForce), QTYS, PRICES), max_size=5
        ),
    )
    def auction(self, phases: list[Phase], orders: list[tuple[str, Side, TimeInForce, int, int]]) -> None:
        for phase in phases:
            self.world.submit(ChangePhase(self.world.now, "AAPL", phase))
            for client, side, tif, qty, price in orders:
                ord_type = OrdType.LIMIT if price % 4 else OrdType.MARKET
                asked = Instructions(expire_day=20261123) if tif is TimeInForce.GTD else Instructions()
                number, now = self.next_id(), self.world.now
                price = price if ord_type is OrdType.LIMIT else 0
                self.world.submit(
                    NewOrder(now, client, number, "", "AAPL", side, ord_type, tif, qty, price, instructions=asked)
                )
        self.world.submit(ChangePhase(self.world.now, "AAPL", Phase.CONTINUOUS))

    @rule(seconds=st.integers(1, 100))
    def expire(self, seconds: int) -> None:
        self.world.now += seconds * 10**9
        self.world.submit(ExpireOrders(self.world.now))

    @rule(index=st.integers(0, 99), part=st.integers(1, 3))
    def fill_some(self, index: int, part: int) -> None:
        """An open child is filled as it should be."""
        children = [child for held in self.world.state.open_children.values() for child in held.values()]
        if children:
            child = children[index % len(children)]
            qty, price = -(-child.leaves // part), child.price or 15000
            self._report(child, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, qty=qty, price=price, cum=child.cum + qty)

    @rule(index=st.integers(0, 99))
    def do_what_was_asked(self, index: int) -> None:
        """An exchange cancels or replaces as we have asked."""
        children = [c for held in self.world.state.open_children.values() for c in held.values() if c.request_id]
        if children:
            child = children[index % len(children)]
            cancels = child.request is Request.CANCEL
            self._report(child, ExecType.CANCELED if cancels else ExecType.REPLACED, OrdStatus.CANCELED)

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

    @rule(
        index=st.integers(0, 99), more=st.integers(0, 30), status=st.sampled_from(["0", "1", "4", "6", "8", "C", "E"])
    )
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

    @rule(
        index=st.integers(0, 99),
        reason=st.sampled_from(["0", "1", "99"]),
        status=st.sampled_from(["0", "1", "2", "3", "4", "8"]),
    )
    def cancel_reject(self, index: int, reason: str, status: str) -> None:
        child = self.child(index)
        if child is not None:
            number = child.request_id or child.cl_ord_id
            self.world.submit(VenueCancelReject(self.world.now, child.venue, number, child.child_id, status, reason))

    @rule(index=st.integers(0, 99), qty=st.integers(0, 60), price=PRICES, canceled=st.booleans())
    def resolve(self, index: int, qty: int, price: int, canceled: bool) -> None:
        """An operator enters what an exchange has said by telephone."""
        child = self.child(index)
        if child is not None:
            self.world.submit(OperatorResolve(self.world.now, "jo", child.child_id, qty, price, canceled))

    @rule(seconds=st.integers(1, 10))
    def ask_again(self, seconds: int) -> None:
        self.world.now += seconds * 10**9
        self.world.submit(AskAgain(self.world.now))

    @rule(client=CLIENTS)
    def mass_cancel(self, client: str) -> None:
        self.world.submit(MassCancel(self.world.now, client, self.next_id(), "7"))

    @rule(venue=VENUES, anew=st.booleans())
    def bounce(self, venue: str, anew: bool) -> None:
        self.world.submit(SessionDown(self.world.now, venue, True))
        self.world.submit(RecordQuotes(self.world.now))
        self.world.submit(SessionUp(self.world.now, venue, True, anew))

    @rule(price=PRICES)
    def mark(self, price: int) -> None:
        observe(self.world.state, MarketUpdate("XNAS", "AAPL", False, (), ((price, 1),)))
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
    def a_picture_of_the_state_follows_what_facts_touch(self) -> None:
        """Trial 14: rows that are made anew only where a fact touches them are the rows of the whole state."""
        if not hasattr(self, "world"):
            return
        state, touched = self.world.state, self.world.touched
        self.world.touched = Touched()
        for order in touched.orders.values():
            self.picture["order", order.order_id] = order_row(state, order)
        for child in touched.children.values():
            self.picture["child", child.child_id] = child_row(state, child)
        for name, symbol in touched.positions:
            self.picture["account", name] = account_row(state, name)
            if symbol:
                self.picture["position", (name, symbol)] = position_row(state, name, symbol)
        whole: dict[tuple[str, object], object] = {
            ("order", order.order_id): order_row(state, order) for order in state.orders.values()
        }
        whole |= {("child", child.child_id): child_row(state, child) for child in state.children.values()}
        whole |= {("account", name): account_row(state, name) for name in state.accounts}
        whole |= {
            ("position", (name, symbol)): position_row(state, name, symbol)
            for name, account in state.accounts.items()
            for symbol in account.positions
        }
        assert {key: self.picture.get(key) for key in whole} == whole

    @invariant()
    def orders_of_a_client_do_not_trade_with_each_other(self) -> None:
        if not hasattr(self, "world") or self.world.settings["self_match"] == "none":
            return
        new, self.seen = self.world.facts[self.seen :], len(self.world.facts)
        for fact in new:
            if isinstance(fact, Trade) and not fact.auction:
                maker, taker = (self.world.state.orders[one] for one in (fact.maker_order_id, fact.taker_order_id))
                grouped = self.world.settings["scope"] == "group" and "SHARED" not in (maker.account, taker.account)
                together = maker.client == taker.client or grouped
                assert not together or _id_of(maker) != _id_of(taker)

    @invariant()
    def orders_that_must_not_increase_fit(self) -> None:
        if not hasattr(self, "world"):
            return
        state = self.world.state
        for (account, symbol), orders in state.reducing.items():
            held = state.accounts[account].positions[symbol].qty
            for side, closes in ((Side.BUY, -held), (Side.SELL, held)):
                # What is being canceled, or waits for an exchange to be, can't be helped.
                sure = [state.orders[one] for one in orders if state.orders[one].side is side]
                assert sum(one.leaves for one in sure if is_cancelable(one)) <= max(0, closes)

    @invariant()
    def positions_are_the_sum_of_trades(self) -> None:
        if not hasattr(self, "world"):
            return
        state = self.world.state
        # What has ended leaves the state; its trades count on.
        self.known |= state.orders
        self.order_of_child |= {number: child.order_id for number, child in state.children.items()}
        fills: dict[int, tuple[Order, int, int]] = {}
        for fact in self.world.facts:
            if isinstance(fact, Trade):
                fills[fact.id - 1] = self.known[fact.maker_order_id], fact.qty, fact.price
                fills[fact.id] = self.known[fact.taker_order_id], fact.qty, fact.price
            elif isinstance(fact, ChildFilled):
                fills[fact.id] = self.known[self.order_of_child[fact.child_id]], fact.qty, fact.price
            elif isinstance(fact, TradeBusted):
                del fills[fact.exec_id]
            elif isinstance(fact, TradeCorrected):
                fills[fact.exec_id] = fills[fact.exec_id][0], fact.qty, fact.price
        held, cash, filled = Counter[str](), Counter[str](), Counter[int]()
        for order, qty, price in fills.values():
            sign = 1 if order.side is Side.BUY else -1
            held[order.account] += sign * qty
            cash[order.account] -= sign * qty * price * state.instruments["AAPL"].money_factor
            filled[order.order_id] += qty
        for order in state.orders.values():
            assert order.cum == filled[order.order_id]
        assert all(fill.order_id in state.orders for fill in state.fills.values())
        for name, account in state.accounts.items():
            position = account.positions.get("AAPL")
            assert (position.qty if position else 0) == held[name]
            traded_in = state.instruments["AAPL"].currency
            assert (account.balances.get(traded_in, 0) if traded_in else account.cash - account.paid_in) == cash[name]
            assert not traded_in or account.cash == account.paid_in


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(max_examples=120, stateful_step_count=50, deadline=None, print_blob=True)
