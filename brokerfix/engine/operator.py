"""What an operator does by hand. Each action is a fact with the operator's name, also one that was refused."""

from collections.abc import Container

from brokerfix.commands import (
    DefineClient,
    OperatorActs,
    OperatorBust,
    OperatorCancel,
    OperatorCommand,
    OperatorCorrect,
    OperatorHalt,
    OperatorRelease,
    OperatorResume,
    OperatorSplit,
)
from brokerfix.domain import ExecInst, Hold, RestatementReason, id_text
from brokerfix.engine import booking
from brokerfix.engine.clients import cancel, is_cancelable
from brokerfix.engine.orders import Fill, Order
from brokerfix.engine.split import split_price
from brokerfix.engine.state import State
from brokerfix.engine.venues import hold_for_operator
from brokerfix.engine.waiting import released
from brokerfix.engine.working import NewId
from brokerfix.facts import (
    ClientDefined,
    Fact,
    Halted,
    OperatorActed,
    OperatorRefused,
    OrderRestated,
    Resumed,
    SplitApplied,
    TradeBusted,
    TradeCorrected,
)

Action = (
    OperatorBust | OperatorCancel | OperatorCorrect | OperatorHalt | OperatorRelease | OperatorResume | OperatorSplit
)
KINDS = ("all", "account", "symbol", "venue")


def _refused(c: OperatorCommand, new_id: NewId, text: str) -> list[Fact]:
    return [OperatorRefused(c.at, new_id(), c.operator, type(c).__name__.removeprefix("Operator").lower(), text)]


def operator_acts(state: State, c: OperatorActs, new_id: NewId) -> list[Fact]:
    return [OperatorActed(c.at, new_id(), c.operator, c.action, c.text)]


def define_client(state: State, c: DefineClient, new_id: NewId) -> list[Fact]:
    acted = OperatorActed(c.at, new_id(), c.operator, "add client", c.client)
    return [acted, ClientDefined(c.at, new_id(), c.client, c.accounts, c.max_rate, c.options)]


def operator_cancel(state: State, c: OperatorCancel, new_id: NewId) -> list[Fact]:
    order = state.orders.get(c.order_id)
    if order is None:
        return _refused(c, new_id, f"there is no order {id_text(c.order_id)}")
    if not order.working or order.ended is not None or not order.leaves:
        return _refused(c, new_id, f"order {id_text(c.order_id)} is {order.status.name} already")
    if not is_cancelable(order):
        return _refused(c, new_id, f"order {id_text(c.order_id)} is being canceled already")
    return cancel(order, "", c.at, new_id, c.reason, c.text, c.operator)


def operator_release(state: State, c: OperatorRelease, new_id: NewId) -> list[Fact]:
    order = state.orders.get(c.order_id)
    if order is None:
        return _refused(c, new_id, f"there is no order {id_text(c.order_id)}")
    if order.hold is not Hold.MANUAL:
        why = f"it waits: {order.hold.value}" if order.hold is not None else "nothing of it is held"
        return _refused(c, new_id, f"order {id_text(c.order_id)} is not held for an operator ({why})")
    if order.pending is not None or order.queue:
        return _refused(
            c, new_id, f"order {id_text(order.order_id)} has a request pending; try again when it is answered"
        )
    return released(state, order, Hold.MANUAL, c.at, c.operator)


def operator_bust(state: State, c: OperatorBust, new_id: NewId) -> list[Fact]:
    """Take a fill back; one made in our own book on both sides. What is open again is held, so that nothing trades
    again by itself."""
    fills = _both_sides(state, c.exec_id)
    if not fills or not all(fill.qty for fill in fills):
        return _refused(c, new_id, f"there is no fill {id_text(c.exec_id)}, or it is busted already")
    facts: list[Fact] = []
    for fill in fills:
        facts.append(TradeBusted(c.at, new_id(), fill.exec_id, fill.last_id, "", False, c.operator, c.text))
        order = state.orders[fill.order_id]
        if order.ended is None:
            facts += hold_for_operator(order, fill.qty, c.at, new_id)
    return facts


def operator_correct(state: State, c: OperatorCorrect, new_id: NewId) -> list[Fact]:
    """Give a fill another price, or less quantity; one made in our own book on both sides."""
    fills = _both_sides(state, c.exec_id)
    if not fills or not all(fill.qty for fill in fills):
        return _refused(c, new_id, f"there is no fill {id_text(c.exec_id)}, or it is busted")
    if not 0 < c.qty <= fills[0].qty or c.price <= 0:
        return _refused(c, new_id, "a fill can get another price and less quantity; for more enter an order")
    facts: list[Fact] = []
    for fill in fills:
        terms = c.qty, c.price, c.operator, c.text
        facts.append(TradeCorrected(c.at, new_id(), fill.exec_id, fill.last_id, "", *terms))
        order = state.orders[fill.order_id]
        if c.qty < fill.qty and order.ended is None:
            facts += hold_for_operator(order, fill.qty - c.qty, c.at, new_id)
    return facts


def _both_sides(state: State, exec_id: int) -> list[Fill]:
    """The fill of an ExecID (its first, or that of a correction) and, of a trade in our own book, the other side's."""
    found = state.fills.get(exec_id)
    if found is None:
        found = next((fill for fill in state.fills.values() if fill.last_id == exec_id), None)
    return booking.sides(state, found) if found is not None else []


def operator_halt(state: State, c: OperatorHalt, new_id: NewId) -> list[Fact]:
    """Take no new orders for something. Orders that ask for it (ExecInst K) are canceled."""
    wrong = _wrong_target(state, c)
    if wrong or (c.kind, c.name) in state.halts:
        return _refused(c, new_id, wrong or f"{c.kind} {c.name} is halted already")
    facts: list[Fact] = [Halted(c.at, new_id(), c.kind, c.name, c.operator)]
    for client in state.clients.values():
        for order in client.working.values():
            if order.has(ExecInst.CANCEL_ON_HALT) and _concerns(order, c) and is_cancelable(order):
                reason = RestatementReason.TRADING_HALT
                facts += cancel(order, "", c.at, new_id, reason, "HALTED: trading is halted", c.operator)
    return facts


def _concerns(order: Order, c: OperatorHalt) -> bool:
    named = {"all": "", "account": order.account, "symbol": order.symbol}
    return named.get(c.kind) == c.name


def operator_resume(state: State, c: OperatorResume, new_id: NewId) -> list[Fact]:
    if (c.kind, c.name) not in state.halts:
        return _refused(c, new_id, f"{c.kind} {c.name} is not halted by an operator".replace("  ", " "))
    return [Resumed(c.at, new_id(), c.kind, c.name, c.operator)]


def _wrong_target(state: State, c: OperatorHalt) -> str:
    known: dict[str, Container[str]] = {
        "all": [""],
        "account": state.accounts,
        "symbol": state.instruments,
        "venue": state.venues,
    }
    if c.kind not in known:
        return f"halt what? {', '.join(KINDS)}"
    return "" if c.name in known[c.kind] else f"there is no {c.kind} {c.name!r}"


def operator_split(state: State, c: OperatorSplit, new_id: NewId) -> list[Fact]:
    """A split of `numerator` new shares for `denominator` old ones: quantities, prices and positions follow, and every
    order is restated. It is for the time before trading, when the exchanges do the same to what they hold."""
    if c.symbol not in state.instruments:
        return _refused(c, new_id, f"there is no symbol {c.symbol!r}")
    if c.numerator <= 0 or c.denominator <= 0:
        return _refused(c, new_id, "a split is two whole numbers above 0, new for old")
    orders = [
        order for client in state.clients.values() for order in client.working.values() if order.symbol == c.symbol
    ]
    for account in state.accounts.values():
        position = account.positions.get(c.symbol)
        if position is not None and any(
            qty * c.numerator % c.denominator for qty in (position.qty, position.bought, position.sold)
        ):
            return _refused(c, new_id, f"the position of {account.account} does not split into whole units")
    for order in orders:
        quantities = [order.qty, order.cum, order.held, order.in_book, order.prior_cum]
        quantities += [qty for child in order.children for qty in (child.qty, child.cum, child.covered)]
        if order.instructions is not None:
            quantities += [order.instructions.max_floor, order.instructions.min_qty]
        if order.price and not split_price(order.price, c.numerator, c.denominator):
            return _refused(c, new_id, f"order {id_text(order.order_id)} has no price after it; cancel it first")
        if any(qty * c.numerator % c.denominator for qty in quantities):
            return _refused(
                c, new_id, f"order {id_text(order.order_id)} does not split into whole units; cancel it first"
            )
        if order.pending is not None or any(child.request is not None for child in order.open_children()):
            return _refused(c, new_id, f"order {id_text(order.order_id)} has a request pending; try again")
    facts: list[Fact] = [SplitApplied(c.at, new_id(), c.symbol, c.numerator, c.denominator, c.operator)]
    for order in orders:
        qty, price = order.qty * c.numerator // c.denominator, split_price(order.price, c.numerator, c.denominator)
        terms = RestatementReason.CORPORATE_ACTION, qty, price, f"SPLIT: {c.numerator} for {c.denominator}", c.operator
        facts.append(OrderRestated(c.at, new_id(), order.order_id, *terms))
    return facts
