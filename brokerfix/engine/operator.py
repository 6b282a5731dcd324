"""What an operator does by hand. Each action is a fact with the operator's name, also one that was refused."""

from collections import defaultdict
from collections.abc import Container, Iterator

from brokerfix.commands import (
    DefineClient,
    OperatorActs,
    OperatorBust,
    OperatorCancel,
    OperatorCommand,
    OperatorCorrect,
    OperatorHalt,
    OperatorRelease,
    OperatorResolve,
    OperatorResume,
    OperatorReverse,
    OperatorSplit,
)
from brokerfix.domain import CxlRejReason, Hold, OrdStatus, RestatementReason, id_text
from brokerfix.engine.orders import booking
from brokerfix.engine.orders.clients import cancel, is_cancelable
from brokerfix.engine.orders.order import Fill
from brokerfix.engine.orders.working import NewId, View, settle
from brokerfix.engine.split import children_of, split_price
from brokerfix.engine.state import OF_A_DAYS_BEGIN, State
from brokerfix.engine.venues.reports import end_child, hold_for_operator
from brokerfix.engine.waiting.watch import released
from brokerfix.facts import (
    Alerted,
    ChildFilled,
    ChildRequestRejected,
    ClientDefined,
    Fact,
    FillReversed,
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


def operator_resolve(state: State, c: OperatorResolve, new_id: NewId) -> list[Fact]:
    """What an exchange has said of a child by telephone, as if it had reported it."""
    child = state.children.get(c.child_id)
    if child is None:
        return _refused(c, new_id, f"there is no child order {id_text(c.child_id)}")
    name = f"child {id_text(child.child_id)} at {child.venue}"
    if not child.open:
        return _refused(c, new_id, f"{name} is {child.status.name} already")
    if c.refused and (c.canceled or child.request is None):
        return _refused(c, new_id, f"{name}: there is no request of ours that could be refused")
    if not (c.qty or c.canceled or c.refused):
        return _refused(c, new_id, f"{name}: filled how much at what price, or canceled?")
    if c.qty and not (0 < c.qty <= child.leaves and c.price > 0):
        return _refused(c, new_id, f"{name} has {child.leaves} open: a fill is of that at most, at a price above 0")
    facts: list[Fact] = [OperatorActed(c.at, new_id(), c.operator, "resolve", f"{id_text(child.child_id)}: {c.text}")]
    view = View(state.order_of(child))
    if c.qty:
        number = new_id()
        facts.append(ChildFilled(c.at, number, child.child_id, f"operator-{number}", c.qty, c.price, False, c.operator))
        view.fill(child, c.qty, c.price)
    if c.canceled and child.child_id in view.open:
        text = f"by {c.operator}, as {child.venue} has said. {c.text}".strip()
        return facts + end_child(state, c, child, view, OrdStatus.CANCELED, text, new_id)
    if c.refused and child.child_id in view.open:
        facts.append(ChildRequestRejected(c.at, new_id(), child.child_id, CxlRejReason.OTHER, c.text))
        view.waiting.discard(child.child_id)
    return facts + settle(state, view, c.at, new_id, c.text, CxlRejReason.OTHER)


def operator_bust(state: State, c: OperatorBust, new_id: NewId) -> list[Fact]:
    """Take a fill back; one made in our own book on both sides. What is open again is held, so that nothing trades
    again by itself."""
    fills = _both_sides(state, c.exec_id)
    if not fills or not all(fill.qty for fill in fills):
        return _refused(c, new_id, f"there is no fill {id_text(c.exec_id)}, or it is busted already")
    facts: list[Fact] = []
    if len(fills) == 1 and not fills[0].child_id:
        other = id_text(fills[0].exec_id + (1 if fills[0].is_maker else -1))
        told = f"only one side of the trade is taken back; the other's order has left the memory: bust {other} as well"
        facts.append(Alerted(c.at, new_id(), c.operator, "ONE_SIDE", told))
    for fill in fills:
        facts.append(TradeBusted(c.at, new_id(), fill.exec_id, fill.last_id, "", False, c.operator, c.text))
        order = state.orders[fill.order_id]
        if order.ended is None:
            facts += hold_for_operator(order, fill.qty, c.at, new_id)
    return facts


def operator_reverse(state: State, c: OperatorReverse, new_id: NewId) -> list[Fact]:
    """Take back a fill of which only the database knows: the account's cash and position follow, and the client is
    told."""
    name = id_text(c.exec_id)
    if c.exec_id in state.fills:
        return _refused(c, new_id, f"fill {name} is known; it needs no terms")
    if c.exec_id in state.reversed:
        return _refused(c, new_id, f"fill {name} is taken back already")
    if c.client not in state.clients or c.account not in state.accounts or c.symbol not in state.instruments:
        return _refused(c, new_id, f"fill {name}: there is no client {c.client}, account {c.account} or {c.symbol}")
    if not 0 < c.qty <= c.cum <= c.order_qty or c.price <= 0 or c.exec_id >= state.day_began:
        return _refused(c, new_id, f"fill {name}: these are not the terms of a fill of an earlier day")
    terms = c.account, c.symbol, c.side, c.exec_id, c.order_id, c.cl_ord_id, c.order_qty, c.cum, c.qty, c.price
    return [FillReversed(c.at, new_id(), c.client, *terms, c.operator, c.text)]


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
    # While a day's begin is worked off, an order may have left before its fills.
    fills = booking.sides(state, found) if found is not None else []
    return [fill for fill in fills if fill.order_id in state.orders]


def operator_halt(state: State, c: OperatorHalt, new_id: NewId) -> list[Fact]:
    """Take no new orders for something. Orders that ask for it (ExecInst K) are canceled, which is a job."""
    wrong = _wrong_target(state, c)
    if wrong or (c.kind, c.name) in state.halts:
        return _refused(c, new_id, wrong or f"{c.kind} {c.name} is halted already")
    return [Halted(c.at, new_id(), c.kind, c.name, c.operator, True)]


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
    if any(job.kind in OF_A_DAYS_BEGIN for job in state.jobs):
        return _refused(c, new_id, "the trading day's begin is still being worked off; try again in a moment")
    if c.numerator <= 0 or c.denominator <= 0:
        return _refused(c, new_id, "a split is two whole numbers above 0, new for old")
    orders = [
        order for client in state.clients.values() for order in client.working.values() if order.symbol == c.symbol
    ]
    children = children_of(state, c.symbol)
    for account in state.accounts.values():
        position = account.positions.get(c.symbol)
        if position is not None and any(
            qty * c.numerator % c.denominator for qty in (position.qty, position.bought, position.sold)
        ):
            return _refused(c, new_id, f"the position of {account.account} does not split into whole units")
    for order in orders:
        quantities = [order.qty, order.cum, order.held, order.in_book, order.prior_cum]
        quantities += [qty for child in children[order.order_id] for qty in (child.qty, child.cum, child.covered)]
        if order.instructions is not None:
            quantities += [order.instructions.max_floor, order.instructions.min_qty]
        if order.price and not split_price(order.price, c.numerator, c.denominator):
            return _refused(c, new_id, f"order {id_text(order.order_id)} has no price after it; cancel it first")
        if any(qty * c.numerator % c.denominator for qty in quantities):
            return _refused(
                c, new_id, f"order {id_text(order.order_id)} does not split into whole units; cancel it first"
            )
        if order.pending is not None or any(child.request is not None for child in order.children):
            return _refused(c, new_id, f"order {id_text(order.order_id)} has a request pending; try again")
    facts: list[Fact] = [SplitApplied(c.at, new_id(), c.symbol, c.numerator, c.denominator, c.operator)]
    for order in orders:
        qty, price = order.qty * c.numerator // c.denominator, split_price(order.price, c.numerator, c.denominator)
        terms = RestatementReason.CORPORATE_ACTION, qty, price, f"SPLIT: {c.numerator} for {c.denominator}", c.operator
        facts.append(OrderRestated(c.at, new_id(), order.order_id, *terms))
    return facts
