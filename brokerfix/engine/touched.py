"""What facts touch: which orders, children, accounts and positions are other ones after it. For all who keep a picture
of the state; a test compares such a picture with the state.

Each fact's handler names one of these functions beside its entry in the table, see `tables`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from brokerfix import facts as f
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.state import State


class Touched(msgspec.Struct, gc=False):
    """What a fact has touched: orders and children by number, and positions by (account, symbol); an empty symbol is
    the account itself, which every position stands for as well. `symbols` are those whose terms, phase or recorded
    prices are other ones."""

    orders: dict[int, Order] = {}
    children: dict[int, Child] = {}
    positions: dict[tuple[str, str], None] = {}
    symbols: dict[str, None] = {}

    def order(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.positions[order.account, order.symbol] = None

    def child(self, state: State, child: Child) -> None:
        self.children[child.child_id] = child
        self.order(state.order_of(child))


Touch = Callable[[State, Any, Touched], None]
"""Adds to Touched what a fact, that was just applied, has touched."""


def nothing(state: State, fact: Any, touched: Touched) -> None:
    """No order, child, account or position."""


def the_order(state: State, fact: Any, touched: Touched) -> None:
    touched.order(state.orders[fact.order_id])


def the_new_order(state: State, fact: f.OrderAccepted, touched: Touched) -> None:
    touched.order(state.orders[fact.id])


def the_new_child(state: State, fact: f.OrderRouted, touched: Touched) -> None:
    touched.child(state, state.children[fact.id])


def the_child(state: State, fact: Any, touched: Touched) -> None:
    touched.child(state, state.children[fact.child_id])


def the_order_if_known(state: State, fact: f.RequestRejected, touched: Touched) -> None:
    order = state.orders.get(fact.order_id)
    if order is not None:
        touched.order(order)


def both_orders(state: State, fact: f.Trade, touched: Touched) -> None:
    touched.order(state.orders[fact.maker_order_id])
    touched.order(state.orders[fact.taker_order_id])


def the_filled(state: State, fact: f.TradeBusted | f.TradeCorrected, touched: Touched) -> None:
    fill = state.fills[fact.exec_id]
    touched.order(state.orders[fill.order_id])
    if fill.child_id:
        touched.child(state, state.children[fill.child_id])


def the_overdue(state: State, fact: f.SliceDone, touched: Touched) -> None:
    for number in fact.overdue:
        touched.order(state.orders[number])
    for name in state.revalued:
        touched.positions[name, ""] = None


def the_account(state: State, fact: f.AccountDefined, touched: Touched) -> None:
    touched.positions[fact.account, ""] = None


def the_account_of_limits(state: State, fact: f.LimitsSet, touched: Touched) -> None:
    if fact.kind == "account" and fact.name in state.accounts:
        touched.positions[fact.name, ""] = None


def the_position(state: State, fact: f.FillReversed, touched: Touched) -> None:
    touched.positions[fact.account, fact.symbol] = None


def the_phase(state: State, fact: f.PhaseChanged, touched: Touched) -> None:
    touched.symbols[fact.symbol] = None


def positions_in_symbol(state: State, fact: f.Quoted, touched: Touched) -> None:
    _in_symbol(state, fact.symbol, touched)


def positions_in_instrument(state: State, fact: f.InstrumentDefined, touched: Touched) -> None:
    _in_symbol(state, fact.instrument.symbol, touched)


def _in_symbol(state: State, symbol: str, touched: Touched) -> None:
    touched.symbols[symbol] = None
    for name in state.holders.get(symbol, ()):
        touched.positions[name, symbol] = None


def all_in_symbol(state: State, fact: f.SplitApplied, touched: Touched) -> None:
    _in_symbol(state, fact.symbol, touched)
    for client in state.clients.values():
        for order in client.working.values():
            if order.symbol == fact.symbol:
                touched.order(order)
    for child in state.children.values():
        owner = state.orders.get(child.order_id)
        if child.symbol == fact.symbol and owner is not None and not owner.done:
            touched.children[child.child_id] = child


def open_at_venue(state: State, fact: f.VenueDown, touched: Touched) -> None:
    touched.children.update(state.open_children[fact.venue])


def open_anywhere_in_currency(state: State, fact: f.CurrencyDefined | f.RateSet, touched: Touched) -> None:
    for symbol, instrument in state.instruments.items():
        if instrument.currency == fact.name:
            _in_symbol(state, symbol, touched)
    for name, account in state.accounts.items():
        if account.balances:
            touched.positions[name, ""] = None


def open_anywhere(state: State, fact: f.Started, touched: Touched) -> None:
    for children in state.open_children.values():
        touched.children.update(children)
