"""Replaces: checked, done at once or through the exchange that holds the order; and requests that waited for a turn."""

import msgspec

from brokerfix.commands import NextRequest, ReplaceOrder
from brokerfix.domain import (
    IMMEDIATE,
    CxlRejReason,
    ExecInst,
    Instructions,
    OrdRejReason,
    OrdType,
    Reject,
    Request,
    TimeInForce,
)
from brokerfix.engine.orders.accept import follows_too_many
from brokerfix.engine.orders.cancel import refused_in_state, target
from brokerfix.engine.orders.ending import cancel, waits, withdraw
from brokerfix.engine.orders.instructions import NONE, refusal
from brokerfix.engine.orders.order import Order, Pending, follows_market, is_over
from brokerfix.engine.orders.settle import grant, replace_and_work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.risk.controls import Near
from brokerfix.engine.risk.levels import nearly
from brokerfix.engine.routing.own import would_meet_own
from brokerfix.engine.sharing import lack
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import (
    ChildReplaceSent,
    OrderUnbooked,
    ReplacePending,
    RequestQueued,
    RequestRejected,
)

DECIDE = Decisions()


@DECIDE.on(ReplaceOrder)
def replace_order(state: State, c: ReplaceOrder, step: Step) -> None:
    order = target(state, c, Request.REPLACE, step)
    if order is None:
        return
    near: Near = []
    refused = _bad_terms(state, c, order, near)
    if refused is not None:
        lack(state, refused, step)
    if refused is not None:
        return _refuse(order, c.cl_ord_id, refused, step)
    asked = _kept(order, c.instructions)
    instrument = state.instruments[order.symbol]
    valued_at = risk.risk_price(state, instrument, order.side, order.ord_type, c.price, asked) or order.risk_price
    # What is left of a market order has the price of its last fill, which no request names.
    price = order.price if order.ord_type is OrdType.MARKET_TO_LIMIT else c.price
    if waits(order):
        step.emit(
            RequestQueued,
            order_id=order.order_id,
            cl_ord_id=c.cl_ord_id,
            request=Request.REPLACE,
            qty=c.qty,
            price=price,
            risk_price=valued_at,
            instructions=asked,
            announced=state.clients[c.client].options.pending == "announce",
        )
        return
    replace_with(state, order, Pending(Request.REPLACE, c.cl_ord_id, c.qty, price, valued_at, asked), step)
    nearly(near, step)


def _kept(order: Order, asked: Instructions | None) -> Instructions | None:
    """What a replace asks for; an order that is good till a date keeps it, and one that is worked over time its
    strategy, where the request names none."""
    had = order.instructions
    if had is None:
        return asked
    if (had.expire_at or had.expire_day) and not (asked and (asked.expire_at or asked.expire_day)):
        asked = msgspec.structs.replace(asked or NONE, expire_at=had.expire_at, expire_day=had.expire_day)
    if had.strategy is not None and (asked is None or asked.strategy is None):
        asked = msgspec.structs.replace(asked or NONE, strategy=had.strategy)
    return asked


def _refuse(order: Order, cl_ord_id: str, refused: Reject, step: Step) -> None:
    of_limit = refused.reason in (OrdRejReason.EXCEEDS_LIMIT, OrdRejReason.BROKER_OPTION)
    step.emit(
        RequestRejected,
        client=order.client,
        order_id=order.order_id,
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=order.cl_ord_id,
        response_to=Request.REPLACE,
        reason=CxlRejReason.BROKER_OPTION if of_limit else CxlRejReason.OTHER,
        text=refused.text,
        evidence=refused.evidence,
    )


def replace_with(state: State, order: Order, terms: Pending, step: Step) -> None:
    """Give an order the terms asked for, at once or as soon as the exchange that holds it has."""
    children = order.children
    if not children:
        return _replace_here(state, order, terms, step)
    step.emit(
        ReplacePending,
        order_id=order.order_id,
        cl_ord_id=terms.cl_ord_id,
        qty=terms.qty,
        price=terms.price,
        risk_price=terms.risk_price,
        instructions=terms.instructions,
    )
    child = children[0]
    whole = child.instructions is not None and child.ord_type is order.ord_type and child.ord_type is not OrdType.LIMIT
    if (
        len(children) > 1
        or order.in_book
        or order.held
        or child.request is not None
        or child.time_in_force in IMMEDIATE
        or (order.ord_type is OrdType.PEGGED and not whole)
        or not (whole or terms.instructions == order.instructions)
        or would_meet_own(state, order, child.venue, terms.price)
    ):
        # More than one place holds it, or the exchange can't do what is asked for now: everything is called back and
        # placed anew under the new terms.
        return withdraw(order, step)
    # It alone holds what is left of the order, or more where another exchange has filled too much.
    qty = child.cum + max(0, terms.qty - order.cum)
    price = terms.price
    if whole and terms.instructions is not None:
        price = terms.instructions.limit or price
    step.emit(ChildReplaceSent, child.child_id, qty, price, terms.instructions if whole else child.instructions)


def _replace_here(state: State, order: Order, terms: Pending, step: Step) -> None:
    """At the same price and with less quantity the order keeps its place in the queue; else it is placed anew."""
    if terms.price == order.price and order.cum < terms.qty <= order.qty and terms.instructions == order.instructions:
        return grant(order, terms, terms.qty, terms.price, step)
    if order.in_book:
        step.emit(OrderUnbooked, order.order_id)
    replace_and_work(state, order, order.cum, terms, step)


@DECIDE.on(NextRequest, silent="no request waits")
def next_request(state: State, c: NextRequest, step: Step) -> None:
    """A request that waited behind a replace: it is taken as if it came now."""
    order = state.orders.get(c.order_id)
    # After a recovery it may be one of long ago: the agenda is made of the facts, and none tells of a turn that was
    # nothing.
    if order is None or not order.queue or order.pending is not None:
        return
    waiting = order.queue[0]
    alone = msgspec.structs.replace(order, queue=())
    refused = refused_in_state(alone, waiting.request, waiting.qty, False)
    if refused is not None:
        reason, text = refused
        step.emit(
            RequestRejected,
            client=order.client,
            order_id=order.order_id,
            cl_ord_id=waiting.cl_ord_id,
            orig_cl_ord_id=order.cl_ord_id,
            response_to=waiting.request,
            reason=reason,
            text=text,
        )
        return
    if waiting.request is Request.CANCEL:
        return cancel(alone, waiting.cl_ord_id, step, waiting.reason, waiting.text, waiting.operator)
    wrong = _bad_values(state, order, waiting.qty, waiting.price, waiting.instructions, c.at)
    if wrong is not None:
        lack(state, wrong, step)
        return _refuse(order, waiting.cl_ord_id, wrong, step)
    replace_with(state, order, waiting, step)


def _bad_terms(state: State, c: ReplaceOrder, order: Order, near: Near) -> Reject | None:
    """Why an order may not get these terms."""
    short_sale = order.tags.short_sale if order.tags is not None else ""
    if (
        c.short_sale != short_sale
        or c.symbol != order.symbol
        or c.side is not order.side
        or c.ord_type is not order.ord_type
    ):
        return Reject(OrdRejReason.OTHER, "FIXED", "Symbol, Side and OrdType can't be replaced")
    if c.time_in_force is not None and c.time_in_force is not order.time_in_force:
        return Reject(OrdRejReason.OTHER, "FIXED", "TimeInForce can't be replaced")
    if c.defect is not None:
        return c.defect
    if risk.too_fast(state.clients[c.client], c.at):
        return risk.rate_reject(state.clients[c.client])
    return _bad_values(state, order, c.qty, c.price, c.instructions, c.at, near)


def _bad_values(
    state: State,
    order: Order,
    qty: int,
    price: int,
    asked: Instructions | None,
    at: int,
    near: Near | None = None,
) -> Reject | None:
    """Why an order may not get this quantity, price and these instructions."""
    if order.quote_id:
        return Reject(OrdRejReason.OTHER, "FIXED", "an order against a quote can't be replaced")
    instrument = state.instruments[order.symbol]
    refused = risk.check_market(state, state.clients[order.client], order.account, order.symbol, order.strategy)
    if refused is not None:
        return refused
    asked = _kept(order, asked)
    if asked is not None:
        refused = refusal(instrument, order.ord_type, order.time_in_force, qty, asked)
        if refused is None and follows_market(order.ord_type, asked) > follows_market(
            order.ord_type, order.instructions
        ):
            refused = follows_too_many(state.clients[order.client])
        if refused is not None:
            return refused
    if (
        order.order_id < state.day_began
        and order.time_in_force is not TimeInForce.GTD
        and is_over(order, state.day, at)
    ):
        return Reject(OrdRejReason.OTHER, "OVER", "the order was for an earlier day")
    # Less than what is filled means: work no more of it.
    qty = max(qty, order.cum)
    valued_at = risk.risk_price(state, instrument, order.side, order.ord_type, price, asked) or order.risk_price
    stop_px = asked.stop_px if asked is not None else 0
    reduces = asked is not None and ExecInst.DO_NOT_INCREASE in asked.exec_inst
    is_located = order.tags is not None and order.tags.locate == "N"
    terms = risk.Terms(order.side, order.ord_type, qty, price, valued_at, stop_px, reduces, is_located)
    return risk.check_terms(
        state, state.clients[order.client], state.accounts[order.account], instrument, terms, at, order, near=near
    )
