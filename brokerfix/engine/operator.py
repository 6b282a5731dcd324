"""What an operator does by hand. Each action is a fact with the operator's name, also one that was refused."""

from collections import defaultdict
from collections.abc import Container, Iterator

from brokerfix.commands import (
    OperatorActs,
    OperatorAlert,
    OperatorBust,
    OperatorCancel,
    OperatorCommand,
    OperatorCorrect,
    OperatorMayNot,
    OperatorPause,
    OperatorRelease,
    OperatorResolve,
    OperatorReverse,
    OperatorSplit,
)
from brokerfix.domain import CxlRejReason, Hold, OrdStatus, RestatementReason, Side, id_text, to_money
from brokerfix.engine import money as money_of
from brokerfix.engine import touched
from brokerfix.engine.entities import OF_A_DAYS_BEGIN, Position
from brokerfix.engine.fees import child_fee, fee_of
from brokerfix.engine.making.rfq import take_back
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.ending import cancel, is_cancelable
from brokerfix.engine.orders.order import Fill
from brokerfix.engine.orders.settle import settle
from brokerfix.engine.orders.work import View
from brokerfix.engine.risk.bounds import owned
from brokerfix.engine.routing.algorithms import call_back, strategy_of
from brokerfix.engine.split import children_of, split_price
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions, Evolution
from brokerfix.engine.venues.fills import hold_for_operator
from brokerfix.engine.venues.reports import end_child
from brokerfix.engine.waiting.holds import release
from brokerfix.facts import (
    NO_STATUS,
    Alerted,
    ChildFilled,
    ChildRequestRejected,
    FillReversed,
    OperatorActed,
    OperatorRefused,
    OrderPaused,
    OrderRestated,
    SplitApplied,
    TradeBusted,
    TradeCorrected,
)

DECIDE, EVOLVE = Decisions(), Evolution()


def refuse(c: OperatorCommand, step: Step, text: str) -> None:
    step.emit(OperatorRefused, c.operator, type(c).__name__.removeprefix("Operator").lower(), text)


@DECIDE.on(OperatorActs)
def operator_acts(state: State, c: OperatorActs, step: Step) -> None:
    step.emit(OperatorActed, c.operator, c.action, c.text)


@DECIDE.on(OperatorMayNot)
def operator_may_not(state: State, c: OperatorMayNot, step: Step) -> None:
    step.emit(OperatorRefused, c.operator, c.action, c.text)


@DECIDE.on(OperatorAlert)
def operator_alert(state: State, c: OperatorAlert, step: Step) -> None:
    step.emit(Alerted, c.operator, c.code, c.text)


EVOLVE.only_tells(OperatorActed, OperatorRefused)


def left_behind(
    state: State, venues: Container[str], accounts: Container[str], clients: Container[str]
) -> Iterator[str]:
    """What is open of exchanges, accounts and clients that are no longer configured, a line for each."""
    for name, children in state.open_children.items():
        if name not in venues and children:
            first = ", ".join(id_text(child_id) for child_id in list(children)[:MOST_NAMED])
            yield (
                f"exchange {name} is no longer configured, but may hold {len(children)} of our orders ({first}); "
                "`brokerfix orders resolve` enters what it says of them"
            )
    for kind, known in (("account", accounts), ("client", clients)):
        held: dict[str, list[int]] = defaultdict(list)
        for client in state.clients.values():
            for order in client.working.values():
                name = order.account if kind == "account" else order.client
                if name not in known:
                    held[name].append(order.order_id)
        for name, orders in held.items():
            first = ", ".join(id_text(order_id) for order_id in orders[:MOST_NAMED])
            yield f"{kind} {name} is no longer configured, but has {len(orders)} orders that work ({first})"


MOST_NAMED = 5


@DECIDE.on(OperatorCancel)
def operator_cancel(state: State, c: OperatorCancel, step: Step) -> None:
    order = state.orders.get(c.order_id)
    if order is None:
        return refuse(c, step, f"there is no order {id_text(c.order_id)}")
    if not order.working or order.ended is not None or not order.leaves:
        return refuse(c, step, f"order {id_text(c.order_id)} is {order.status.name} already")
    if not is_cancelable(order):
        return refuse(c, step, f"order {id_text(c.order_id)} is being canceled already")
    cancel(order, "", step, c.reason, c.text, c.operator)


@DECIDE.on(OperatorRelease)
def operator_release(state: State, c: OperatorRelease, step: Step) -> None:
    order = state.orders.get(c.order_id)
    if order is None:
        return refuse(c, step, f"there is no order {id_text(c.order_id)}")
    if order.hold is not Hold.MANUAL:
        why = f"it waits: {order.hold.value}" if order.hold is not None else "nothing of it is held"
        return refuse(c, step, f"order {id_text(c.order_id)} is not held for an operator ({why})")
    if order.pending is not None or order.queue:
        return refuse(c, step, f"order {id_text(order.order_id)} has a request pending; try again when it is answered")
    release(state, order, Hold.MANUAL, step, c.operator)


@DECIDE.on(OperatorPause)
def operator_pause(state: State, c: OperatorPause, step: Step) -> None:
    order = state.orders.get(c.order_id)
    if order is None:
        return refuse(c, step, f"there is no order {id_text(c.order_id)}")
    if not order.working or strategy_of(order) is None:
        return refuse(c, step, f"order {id_text(c.order_id)} is not worked over time")
    if order.paused == c.paused:
        return refuse(c, step, f"order {id_text(c.order_id)} {'pauses already' if c.paused else 'does not pause'}")
    step.emit(OrderPaused, order.order_id, c.paused, c.operator)
    if c.paused and order.pending is None:
        call_back(order, step)


@DECIDE.on(OperatorResolve)
def operator_resolve(state: State, c: OperatorResolve, step: Step) -> None:
    """What an exchange has said of a child by telephone, as if it had reported it."""
    child = state.children.get(c.child_id)
    if child is None:
        return refuse(c, step, f"there is no child order {id_text(c.child_id)}")
    name = f"child {id_text(child.child_id)} at {child.venue}"
    if not child.open:
        return refuse(c, step, f"{name} is {child.status.name} already")
    if c.refused and (c.canceled or child.request is None):
        return refuse(c, step, f"{name}: there is no request of ours that could be refused")
    if not (c.qty or c.canceled or c.refused):
        return refuse(c, step, f"{name}: filled how much at what price, or canceled?")
    if c.qty and not (0 < c.qty <= child.leaves and c.price > 0):
        return refuse(c, step, f"{name} has {child.leaves} open: a fill is of that at most, at a price above 0")
    step.emit(OperatorActed, c.operator, "resolve", f"{id_text(child.child_id)}: {c.text}")
    view = View(state.order_of(child))
    if c.qty:
        step.emit(
            ChildFilled,
            child_id=child.child_id,
            venue_exec_id=f"operator-{step.next_id}",
            qty=c.qty,
            price=c.price,
            operator=c.operator,
            fee=child_fee(state, child, c.qty, c.price),
        )
        view.fill(child, c.qty, c.price)
    if c.canceled and child.child_id in view.open:
        text = f"by {c.operator}, as {child.venue} has said. {c.text}".strip()
        return end_child(state, c, child, view, OrdStatus.CANCELED, text, step)
    if c.refused and child.child_id in view.open:
        step.emit(ChildRequestRejected, child.child_id, CxlRejReason.OTHER, c.text)
        view.waiting.discard(child.child_id)
    settle(state, view, step, c.text, CxlRejReason.OTHER)


@DECIDE.on(OperatorBust)
def operator_bust(state: State, c: OperatorBust, step: Step) -> None:
    """Take a fill back; one made in our own book on both sides. What is open again is held, so that nothing trades
    again by itself."""
    fills = _both_sides(state, c.exec_id)
    if not fills or not all(fill.qty for fill in fills):
        return refuse(c, step, f"there is no fill {id_text(c.exec_id)}, or it is busted already")
    if len(fills) == 1 and not fills[0].child_id:
        other = id_text(fills[0].exec_id + (1 if fills[0].is_maker else -1))
        told = f"only one side of the trade is taken back; the other's order has left the memory: bust {other} as well"
        step.emit(Alerted, c.operator, "ONE_SIDE", told)
    for fill in fills:
        step.emit(
            TradeBusted,
            exec_id=fill.exec_id,
            ref_id=fill.last_id,
            venue_exec_id="",
            reinstated=False,
            operator=c.operator,
            text=c.text,
        )
        order = state.orders[fill.order_id]
        if order.ended is None:
            hold_for_operator(order, fill.qty, step)


@DECIDE.on(OperatorReverse)
def operator_reverse(state: State, c: OperatorReverse, step: Step) -> None:
    """Take back a fill of which only the database knows: the account's cash and position follow, and the client is
    told."""
    name = id_text(c.exec_id)
    if c.exec_id in state.fills:
        return refuse(c, step, f"fill {name} is known; it needs no terms")
    if c.exec_id in state.reversed:
        return refuse(c, step, f"fill {name} is taken back already")
    if c.client not in state.clients or c.account not in state.accounts or c.symbol not in state.instruments:
        return refuse(c, step, f"fill {name}: there is no client {c.client}, account {c.account} or {c.symbol}")
    if not 0 < c.qty <= c.cum <= c.order_qty or c.price <= 0 or c.exec_id >= state.day_began:
        return refuse(c, step, f"fill {name}: these are not the terms of a fill of an earlier day")
    step.emit(
        FillReversed,
        client=c.client,
        account=c.account,
        symbol=c.symbol,
        side=c.side,
        exec_id=c.exec_id,
        order_id=c.order_id,
        cl_ord_id=c.cl_ord_id,
        order_qty=c.order_qty,
        cum=c.cum,
        qty=c.qty,
        price=c.price,
        operator=c.operator,
        text=c.text,
        fee=c.fee,
    )


@EVOLVE.on(FillReversed, touched.the_position)
def _fill_reversed(state: State, fact: FillReversed) -> None:
    state.reversed[fact.exec_id] = None
    instrument = state.instruments[fact.symbol]
    account = state.accounts[fact.account]
    position = account.positions.setdefault(fact.symbol, Position())
    state.holders.setdefault(fact.symbol, {})[fact.account] = None
    booking.move(position, fact.side, -fact.qty)
    money = fact.price * fact.qty * instrument.money_factor
    back = (money if fact.side is Side.BUY else -money) + to_money(fact.fee or "0")
    money_of.pay(state, account, instrument.currency, back)
    booking.moved_position(state, fact.account, fact.symbol)
    owned(state, account, fact.symbol, position, -fact.qty if fact.side is Side.BUY else fact.qty)
    booking.reload(state, account, position, instrument)


@DECIDE.on(OperatorCorrect)
def operator_correct(state: State, c: OperatorCorrect, step: Step) -> None:
    """Give a fill another price, or less quantity; one made in our own book on both sides."""
    fills = _both_sides(state, c.exec_id)
    if not fills or not all(fill.qty for fill in fills):
        return refuse(c, step, f"there is no fill {id_text(c.exec_id)}, or it is busted")
    if not 0 < c.qty <= fills[0].qty or c.price <= 0:
        return refuse(c, step, "a fill can get another price and less quantity; for more enter an order")
    for fill in fills:
        step.emit(
            TradeCorrected,
            exec_id=fill.exec_id,
            ref_id=fill.last_id,
            venue_exec_id="",
            qty=c.qty,
            price=c.price,
            operator=c.operator,
            text=c.text,
            fee=_fee_again(state, fill, c.qty, c.price),
        )
        order = state.orders[fill.order_id]
        if c.qty < fill.qty and order.ended is None:
            hold_for_operator(order, fill.qty - c.qty, step)


def _fee_again(state: State, fill: Fill, qty: int, price: int) -> str:
    """What a fill costs with another quantity and price."""
    if fill.child_id:
        return child_fee(state, state.children[fill.child_id], qty, price, fill.liquidity)
    return fee_of(state, state.orders[fill.order_id], qty, price)


def _both_sides(state: State, exec_id: int) -> list[Fill]:
    """The fill of an ExecID (its first, or that of a correction) and, of a trade in our own book, the other side's."""
    found = state.fills.get(exec_id)
    if found is None:
        found = next((fill for fill in state.fills.values() if fill.last_id == exec_id), None)
    # While a day's begin is worked off, an order may have left before its fills.
    fills = booking.sides(state, found) if found is not None else []
    return [fill for fill in fills if fill.order_id in state.orders]


@EVOLVE.on(Alerted, touched.nothing)
def _alerted(state: State, fact: Alerted) -> None:
    if fact.code == NO_STATUS and fact.source in state.links:
        state.links[fact.source].mute = True
    state.alerts.append(fact)
    state.alert_count += 1


@DECIDE.on(OperatorSplit)
def operator_split(state: State, c: OperatorSplit, step: Step) -> None:
    """A split of `numerator` new shares for `denominator` old ones: quantities, prices and positions follow, and every
    order is restated. It is for the time before trading, when the exchanges do the same to what they hold."""
    if c.symbol not in state.instruments:
        return refuse(c, step, f"there is no symbol {c.symbol!r}")
    if any(job.kind in OF_A_DAYS_BEGIN for job in state.jobs):
        return refuse(c, step, "the trading day's begin is still being worked off; try again in a moment")
    away = [name for name, handed in state.sharing.handed.items() if handed.out]
    if away:
        return refuse(c, step, f"account {away[0]} is on its way to another shard, unsplit: split it when it is there")
    if c.numerator <= 0 or c.denominator <= 0:
        return refuse(c, step, "a split is two whole numbers above 0, new for old")
    orders = [
        order for client in state.clients.values() for order in client.working.values() if order.symbol == c.symbol
    ]
    children = children_of(state, c.symbol)
    for account in state.accounts.values():
        position = account.positions.get(c.symbol)
        if position is not None and any(
            qty * c.numerator % c.denominator for qty in (position.qty, position.bought, position.sold)
        ):
            return refuse(c, step, f"the position of {account.account} does not split into whole units")
    for order in orders:
        quantities = [order.qty, order.cum, order.held, order.in_book, order.prior_cum]
        quantities += [qty for child in children[order.order_id] for qty in (child.qty, child.cum, child.covered)]
        if order.instructions is not None:
            quantities += [order.instructions.max_floor, order.instructions.min_qty]
        if order.price and not split_price(order.price, c.numerator, c.denominator):
            return refuse(c, step, f"order {id_text(order.order_id)} has no price after it; cancel it first")
        if any(qty * c.numerator % c.denominator for qty in quantities):
            return refuse(c, step, f"order {id_text(order.order_id)} does not split into whole units; cancel it first")
        if order.pending is not None or any(child.request is not None for child in order.children):
            return refuse(c, step, f"order {id_text(order.order_id)} has a request pending; try again")
    for name in state.makers:
        take_back(state, name, c.symbol, "the instrument is split", step)
    step.emit(SplitApplied, c.symbol, c.numerator, c.denominator, c.operator)
    for order in orders:
        step.emit(
            OrderRestated,
            order_id=order.order_id,
            reason=RestatementReason.CORPORATE_ACTION,
            qty=order.qty * c.numerator // c.denominator,
            price=split_price(order.price, c.numerator, c.denominator),
            text=f"SPLIT: {c.numerator} for {c.denominator}",
            operator=c.operator,
        )
