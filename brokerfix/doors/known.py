"""What a client's session has told: orders by number, every name of theirs, and fills."""

from collections import OrderedDict

import msgspec
from sortedcontainers import SortedDict

from brokerfix.domain import id_number
from brokerfix.doors.model import ENDED_STATUSES, Execution, NewOrder, Order, Replace

MOST_ORDERS = 50_000
"""How many orders are remembered; of more, finished ones are forgotten, and asked for when they are wanted."""
MOST_FILLS = 20_000
UNREPORTED = ("entered", "ex_destination", "manual", "cash_order_qty")
"""What not all reports on an order say."""


class Orders:
    """The orders that were reported, by OrderID; every ClOrdID that was theirs, and what was asked for under it. A
    ClOrdID that was used again is the newer order's. `whole_above`: every order with a higher number is among them,
    `fills_above`: every fill is (None: nobody knows)."""

    def __init__(self) -> None:
        self.by_id: dict[str, Order] = {}
        self.by_number: SortedDict[int, Order] = SortedDict()
        self.fills: SortedDict[int, Execution] = SortedDict()
        self.whole_above: int | None = None
        self.fills_above: int | None = None
        self.asked: dict[str, NewOrder | Replace] = {}
        self.accounts: dict[str, str] = {}
        self.incomplete: set[str] = set()
        self._ids: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._corrected: dict[str, str] = {}

    def named(self, cl_ord_id: str) -> Order | None:
        return self.by_id.get(self._ids.get(cl_ord_id, ""))

    def note(self, order: Order, *names: str, is_theirs: bool = True) -> None:
        """An order is as it is now, and has these names; unless `is_theirs`, only if no other order has them."""
        number = id_number(order.order_id)
        self.by_id[order.order_id] = self.by_number[number] = order
        self._finished.pop(order.order_id, None)
        if order.status in ENDED_STATUSES:
            self._finished[order.order_id] = None
        known = self._names.setdefault(order.order_id, [])
        for name in names:
            holder = self._ids.get(name)
            if name and holder != order.order_id and (is_theirs or holder is None):
                self._ids[name] = order.order_id
                known.append(name)
        if order.entered is None:
            self.incomplete.add(order.order_id)
        while len(self.by_id) > MOST_ORDERS and self._finished:
            self.forget(next(iter(self._finished)))

    def complete(self, archived: Order) -> None:
        """Add what the database says of an order and its reports do not."""
        order = self.by_id.get(archived.order_id)
        if order is None:
            return
        self.incomplete.discard(order.order_id)
        told = {name: getattr(archived, name) for name in UNREPORTED if getattr(order, name) is None}
        order = msgspec.structs.replace(order, **told)
        self.by_id[order.order_id] = self.by_number[id_number(order.order_id)] = order

    def note_fill(self, fill: Execution) -> None:
        self.fills[id_number(fill.exec_id)] = fill
        if len(self.fills) > MOST_FILLS:
            forgotten, oldest = self.fills.popitem(0)
            self._corrected.pop(oldest.changed_by, None)
            if self.fills_above is not None:
                self.fills_above = max(self.fills_above, forgotten)

    def fill(self, exec_id: str) -> Execution | None:
        """The fill that had this ExecID first, or by its last correction."""
        return self.fills.get(id_number(self._corrected.get(exec_id, exec_id)))

    def change_fill(self, fill: Execution, before: Execution) -> None:
        """A fill is not as it was before."""
        self.fills[id_number(fill.exec_id)] = fill
        self._corrected.pop(before.changed_by, None)
        if fill.state == "corrected":
            self._corrected[fill.changed_by] = fill.exec_id

    def release(self, cl_ord_id: str) -> None:
        """The name is nobody's any more: the broker takes it for another order."""
        for names in (self._ids, self.asked, self.accounts):
            names.pop(cl_ord_id, None)

    def forget(self, order_id: str) -> None:
        """Nothing is known of the order any more."""
        if order_id not in self.by_id:
            return
        number = id_number(order_id)
        del self.by_id[order_id], self.by_number[number]
        self._finished.pop(order_id, None)
        self.incomplete.discard(order_id)
        if self.whole_above is not None:
            self.whole_above = max(self.whole_above, number)
        for name in self._names.pop(order_id):
            if self._ids.get(name) == order_id:
                self.release(name)
