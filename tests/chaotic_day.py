"""A chaotic day as a journal: random clients, exchanges that misbehave, operators, a restart and a day's begin.

The same seed gives the same journal. There are no sockets, and the state is not hashed at each command, as
`scenario.World` does: some thousand orders take seconds.
"""

import random
from collections.abc import Callable
from pathlib import Path

from brokerfix.commands import (
    AskAgain,
    CancelOrder,
    Command,
    ExpireOrders,
    MassCancel,
    NewOrder,
    OperatorBust,
    OperatorCancel,
    OperatorCommand,
    OperatorCorrect,
    OperatorHalt,
    OperatorResolve,
    OperatorResume,
    RecordQuotes,
    ReplaceOrder,
    RollDay,
    SessionDown,
    SessionUp,
    SetLimits,
    VenueCancelReject,
    VenueReport,
)
from brokerfix.commands import MarketUpdate as Update
from brokerfix.domain import ExecType, Instructions, OrdStatus, OrdType, Request, Side, TimeInForce
from brokerfix.engine.engine import decide, evolve, observe
from brokerfix.engine.orders.order import Child, Order
from brokerfix.facts import OrderAccepted, OrderRejected
from brokerfix.record import kept
from brokerfix.record.journal import Journal, Origin
from tests.scenario import DAY, World, limits_of

CLIENTS, VENUES = ("ALICE", "BOB"), ("XNAS", "XNYS")
LIMITS = "firm max_gross=9000000;group DESK max_long=20000;client BOB max_window_qty=4000 window_seconds=1"
MS = 10**6


class ChaoticDay(World):
    """Of so many orders. `kept_at` is the number of the last fact in the state that was kept in between."""

    def __init__(self, folder: Path, orders: int, seed: int = 1) -> None:
        self.journal = Journal(folder)
        self.journal.open(DAY)
        self.random = random.Random(seed)
        self.number = self.kept_at = 0
        self.asked: list[int] = []
        super().__init__(cash="100000000", limits=LIMITS, post="book", cross="at-or-better", pending="queue")
        for venue in VENUES:
            self.submit(SessionUp(self.now, venue, True))
        while len(self.asked) < orders:
            done = len(self.asked) * 100 // orders
            if done >= 45 and not self.kept_at:
                self._die_and_recover()
            if done >= 70 and self.state.day == DAY:
                self.submit(RollDay(self.now, DAY + 1))
            self._step()
        self.journal.close()

    def _submit(self, command: Command) -> list[str]:
        self.last_facts = decide(self.state, command)
        if self.last_facts:
            self.journal.append(self.last_facts, self._origin(command), self.now)
        for fact in self.last_facts:
            evolve(self.state, fact)
            if isinstance(fact, OrderAccepted | OrderRejected):
                self.asked.append(fact.id)
        return []

    def _origin(self, command: Command) -> Origin:
        sent = "20261122-10:00:00.000"
        if isinstance(command, NewOrder | CancelOrder | ReplaceOrder | MassCancel) and not getattr(
            command, "operator", ""
        ):
            return Origin(f"c:{command.client}", self.number, self.now, sent, sent)
        if isinstance(command, VenueReport | VenueCancelReject):
            return Origin(f"v:{command.venue}", self.number, self.now, sent)
        return Origin(who=command.operator) if isinstance(command, OperatorCommand) else Origin()

    def _die_and_recover(self) -> None:
        """The process is gone; another goes on with the state that was kept."""
        segment, offset = self.journal.place
        path = kept.write(self.journal.folder, self.state, segment, offset, b"")
        self.kept_at = self.state.last_id
        market = self.state.market
        self.state = type(self.state)()
        kept.read(path, self.state)
        self.state.market = market
        self.start()
        for venue in VENUES:
            self.submit(SessionUp(self.now, venue, True))

    def _next_id(self) -> str:
        self.number += 1
        self.now += MS
        return f"C{self.number}"

    def _step(self) -> None:
        steps: list[tuple[float, Callable[[], None]]] = [
            (30, self._new), (8, self._quote), (5, self._cancel), (5, self._replace), (25, self._fill), (6, self._obey),
            (4, self._ack), (4, self._end_child), (2, self._reject_request), (2, self._late_fill),
            (2, self._change_fill), (2, self._operate), (0.3, self._upset),
        ]  # fmt: skip
        (step,) = self.random.choices([one for _, one in steps], [weight for weight, _ in steps])
        step()

    def _new(self) -> None:
        pick = self.random
        client, side, number = pick.choice(CLIENTS), pick.choice(list(Side)), self._next_id()
        tif, asked = pick.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.GTC)), None
        ord_type, qty, price = OrdType.LIMIT, pick.randint(1, 50), pick.randint(14990, 15010)
        kind = pick.random()
        if kind < 0.03:
            qty = 20_000
        elif kind < 0.05:
            price = 99_000
        elif kind < 0.12:
            ord_type, price = OrdType.MARKET, 0
        elif kind < 0.16:
            ord_type, asked, price, tif = OrdType.STOP, Instructions(stop_px=price), 0, TimeInForce.DAY
        elif kind < 0.2:
            asked, tif = Instructions(max_floor=(qty + 2) // 3), TimeInForce.DAY
        if kind > 0.99:
            number = f"C{max(1, self.number - 1)}"
        operator = "carol" if 0.2 < kind < 0.22 else ""
        self.submit(
            NewOrder(
                self.now, client, "" if operator else number, "", "AAPL", side, ord_type, tif, qty, price,
                instructions=asked, operator=operator,
            )
        )  # fmt: skip

    def _order(self, client: str) -> Order | None:
        known = list(self.state.clients[client].working.values())
        return self.random.choice(known) if known else None

    def _child(self, wants: Callable[[Child], bool] = lambda child: True) -> Child | None:
        held = [child for of in self.state.open_children.values() for child in of.values() if wants(child)]
        return self.random.choice(held) if held else None

    def _cancel(self) -> None:
        client = self.random.choice(CLIENTS)
        order = self._order(client)
        named = order.cl_ord_id if order is not None and self.random.random() < 0.9 else "NONE"
        self.submit(CancelOrder(self.now, client, self._next_id(), named))

    def _replace(self) -> None:
        client, pick = self.random.choice(CLIENTS), self.random
        order = self._order(client)
        if order is not None:
            price = pick.randint(14990, 15010) if order.ord_type is OrdType.LIMIT else order.price
            qty, number = pick.choice((pick.randint(1, 60), pick.randint(1, 60), 20_000)), self._next_id()
            self.submit(
                ReplaceOrder(
                    self.now, client, number, order.cl_ord_id, "AAPL", order.side, order.ord_type, None, qty, price,
                    instructions=order.instructions,
                )
            )  # fmt: skip

    def _quote(self) -> None:
        venue, side, pick = self.random.choice(VENUES), self.random.choice(list(Side)), self.random
        observe(self.state, Update(venue, "AAPL", False, ((side, pick.randint(14990, 15010), pick.randint(0, 60)),)))
        if pick.random() < 0.3:
            observe(self.state, Update(venue, "AAPL", False, (), ((pick.randint(14990, 15010), 1),)))
        self.follow_up()
        if pick.random() < 0.3:
            self.submit(RecordQuotes(self.now))

    def _report(self, child: Child, kind: ExecType, status: OrdStatus, qty: int = 0, price: int = 0) -> None:
        number, cum = child.request_id or child.cl_ord_id, child.cum + qty
        name = f"V{child.child_id}"
        self.submit(
            VenueReport(
                self.now, child.venue, self._next_id(), kind, status, number, child.child_id, name, qty, price, cum
            )
        )

    def _fill(self) -> None:
        child = self._child()
        if child is not None and child.leaves:
            qty = self.random.choice((child.leaves, self.random.randint(1, child.leaves)))
            self._report(child, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, qty, child.price or 15000)

    def _obey(self) -> None:
        child = self._child(lambda one: bool(one.request_id))
        if child is not None:
            cancels = child.request is Request.CANCEL
            self._report(child, ExecType.CANCELED if cancels else ExecType.REPLACED, OrdStatus.CANCELED)

    def _ack(self) -> None:
        child = self._child()
        if child is not None:
            self._report(child, ExecType.NEW, OrdStatus.NEW)

    def _end_child(self) -> None:
        child = self._child()
        if child is not None:
            kind = self.random.choice((ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED))
            self._report(child, kind, OrdStatus(kind.value))

    def _reject_request(self) -> None:
        child = self._child(lambda one: bool(one.request_id))
        if child is not None:
            self.submit(VenueCancelReject(self.now, child.venue, child.request_id, child.child_id, "0", "0"))

    def _late_fill(self) -> None:
        """Of a child that has perhaps ended, and perhaps of more than it has."""
        known = list({child.child_id: child for child in self.state.children.values()}.values())
        if known:
            child = self.random.choice(known)
            self._report(child, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, self.random.randint(1, 9), 15000)

    def _change_fill(self) -> None:
        fills = list(self.state.fills)
        if not fills:
            return
        exec_id, qty = self.random.choice(fills), self.random.randint(1, 50)
        if self.random.random() < 0.5:
            self.submit(OperatorBust(self.now, "carol", exec_id))
        else:
            self.submit(OperatorCorrect(self.now, "carol", exec_id, qty, 15001))

    def _operate(self) -> None:
        client, pick = self.random.choice(CLIENTS), self.random
        order, child = self._order(client), self._child()
        if order is not None and pick.random() < 0.4:
            self.submit(OperatorCancel(self.now, "dave", order.order_id))
        elif child is not None and pick.random() < 0.5:
            self.submit(OperatorResolve(self.now, "dave", child.child_id, min(3, child.leaves), 15000, True))
        elif pick.random() < 0.5:
            self.submit(OperatorHalt(self.now, "carol", "symbol", "AAPL"))
            self._new()
            self.submit(OperatorResume(self.now, "carol", "symbol", "AAPL"))
        else:
            limits = limits_of(f"account {client} max_order_qty=10000 max_long={pick.randint(3000, 9000)}")
            self.submit(SetLimits(self.now, "carol", *limits))

    def _upset(self) -> None:
        pick, venue = self.random, self.random.choice(VENUES)
        kind = pick.random()
        if kind < 0.4:
            self.submit(SessionDown(self.now, venue, True))
            self.submit(SessionUp(self.now, venue, True, pick.random() < 0.5))
        elif kind < 0.7:
            self.now += 5 * 10**9
            self.submit(AskAgain(self.now))
            self.submit(ExpireOrders(self.now))
        elif kind < 0.8:
            self.submit(MassCancel(self.now, pick.choice(CLIENTS), self._next_id(), "7"))
