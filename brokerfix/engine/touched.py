"""Which orders, children, accounts and positions a fact has touched, for all who keep a picture of the state. Every
fact has an entry here, and a test compares such a picture with the state.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.state import State


class Touched(msgspec.Struct, gc=False):
    """What a fact has touched: orders and children by number, and positions by (account, symbol); an empty symbol is
    the account itself, which every position stands for as well."""

    orders: dict[int, Order] = {}
    children: dict[int, Child] = {}
    positions: dict[tuple[str, str], None] = {}

    def order(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.positions[order.account, order.symbol] = None

    def child(self, state: State, child: Child) -> None:
        self.children[child.child_id] = child
        self.order(state.order_of(child))


def note(state: State, fact: f.Fact, touched: Touched) -> None:
    """Add to `touched` what the fact, which was just applied, has touched."""
    NOTE[type(fact)](state, fact, touched)


def _nothing(state: State, fact: f.Fact, touched: Touched) -> None:
    """No order, child, account or position."""


def _order(state: State, fact: Any, touched: Touched) -> None:
    touched.order(state.orders[fact.order_id])


def _accepted(state: State, fact: f.OrderAccepted, touched: Touched) -> None:
    touched.order(state.orders[fact.id])


def _routed(state: State, fact: f.OrderRouted, touched: Touched) -> None:
    touched.child(state, state.children[fact.id])


def _child(state: State, fact: Any, touched: Touched) -> None:
    touched.child(state, state.children[fact.child_id])


def _request_rejected(state: State, fact: f.RequestRejected, touched: Touched) -> None:
    order = state.orders.get(fact.order_id)
    if order is not None:
        touched.order(order)


def _trade(state: State, fact: f.Trade, touched: Touched) -> None:
    touched.order(state.orders[fact.maker_order_id])
    touched.order(state.orders[fact.taker_order_id])


def _changed_fill(state: State, fact: f.TradeBusted | f.TradeCorrected, touched: Touched) -> None:
    fill = state.fills[fact.exec_id]
    touched.order(state.orders[fill.order_id])
    if fill.child_id:
        touched.child(state, state.children[fill.child_id])


def _slice(state: State, fact: f.SliceDone, touched: Touched) -> None:
    for number in fact.overdue:
        touched.order(state.orders[number])


def _account(state: State, fact: f.AccountDefined, touched: Touched) -> None:
    touched.positions[fact.account, ""] = None


def _fill_reversed(state: State, fact: f.FillReversed, touched: Touched) -> None:
    touched.positions[fact.account, fact.symbol] = None


def _everybody(state: State, fact: f.Quoted, touched: Touched) -> None:
    _positions_in(state, fact.symbol, touched)


def _instrument(state: State, fact: f.InstrumentDefined, touched: Touched) -> None:
    _positions_in(state, fact.instrument.symbol, touched)


def _positions_in(state: State, symbol: str, touched: Touched) -> None:
    for name, account in state.accounts.items():
        if symbol in account.positions:
            touched.positions[name, symbol] = None


def _split(state: State, fact: f.SplitApplied, touched: Touched) -> None:
    _positions_in(state, fact.symbol, touched)
    for client in state.clients.values():
        for order in client.working.values():
            if order.symbol == fact.symbol:
                touched.order(order)
    for child in state.children.values():
        owner = state.orders.get(child.order_id)
        if child.symbol == fact.symbol and owner is not None and not owner.done:
            touched.children[child.child_id] = child


def _link(state: State, fact: f.VenueDown, touched: Touched) -> None:
    touched.children.update(state.open_children[fact.venue])


def _every_link(state: State, fact: f.Started, touched: Touched) -> None:
    for children in state.open_children.values():
        touched.children.update(children)


NOTE: dict[type[Any], Callable[[State, Any, Touched], None]] = {
    **dict.fromkeys(
        (
            f.Stopped, f.StateKept, f.DayRolled, f.ClientDefined, f.VenueDefined, f.VenueUp, f.ClientUp, f.ClientDown,
            f.ClientGone, f.PhaseChanged, f.OperatorRefused, f.OperatorActed, f.Halted, f.Resumed, f.OrderRejected,
            f.StatusReported, f.StatusesAsked, f.MassCanceled, f.ListReported, f.MessageRefused, f.Alerted,
        ),
        _nothing,
    ),
    **dict.fromkeys(
        (
            f.OrderAcknowledged, f.OrderHeld, f.OrderReleased, f.StopMoved, f.OrderRepriced, f.OrderNoted,
            f.OrderRestated, f.OrderBooked, f.OrderUnbooked, f.CancelPending, f.ReplacePending, f.RequestQueued,
            f.OrderCanceled, f.OrderExpired, f.OrderRefused, f.OrderReplaced,
        ),
        _order,
    ),
    **dict.fromkeys(
        (
            f.ChildAccepted, f.ChildFilled, f.ChildEnded, f.ChildCancelSent, f.ChildReplaceSent, f.ChildReplaced,
            f.ChildRestated, f.ChildNoted, f.ChildRequestRejected, f.ChildStatusAsked, f.ChildConfirmed,
        ),
        _child,
    ),
    f.Started: _every_link,
    f.VenueDown: _link,
    f.SliceDone: _slice,
    f.InstrumentDefined: _instrument,
    f.AccountDefined: _account,
    f.Quoted: _everybody,
    f.SplitApplied: _split,
    f.OrderAccepted: _accepted,
    f.OrderRouted: _routed,
    f.RequestRejected: _request_rejected,
    f.Trade: _trade,
    f.TradeBusted: _changed_fill,
    f.TradeCorrected: _changed_fill,
    f.FillReversed: _fill_reversed,
}  # fmt: skip
