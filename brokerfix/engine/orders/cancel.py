"""What clients ask to be canceled: one order, or many, which is a job."""

from brokerfix.commands import CancelOrder, MassCancel, ReplaceOrder
from brokerfix.domain import LIQUIDATION, CxlRejReason, OrdStatus, Request
from brokerfix.engine.orders.accept import named
from brokerfix.engine.orders.ending import cancel, is_cancelable, waits
from brokerfix.engine.orders.order import REQUEST_REJECTED_IN, Order
from brokerfix.engine.orders.status import matching, report_known
from brokerfix.engine.sharing import elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import MassCanceled, RequestQueued, RequestRejected

DECIDE = Decisions()
OF_SECURITY, ALL = "1", "7"
"""MassCancelRequestType(530)."""
MOST_COUNTED = 20_000
"""Working orders among which those that a mass cancel concerns are counted before it is confirmed."""
UNKNOWN_SECURITY, OTHER = "1", "99"
"""MassCancelRejectReason(532)."""


@DECIDE.on(CancelOrder)
def cancel_order(state: State, c: CancelOrder, step: Step) -> None:
    order = target(state, c, Request.CANCEL, step)
    if order is None:
        return
    if waits(order):
        announced = state.clients[c.client].options.pending == "announce"
        step.emit(
            RequestQueued,
            order_id=order.order_id,
            cl_ord_id=c.cl_ord_id,
            request=Request.CANCEL,
            announced=announced,
        )
        return
    cancel(order, c.cl_ord_id, step)


def target(state: State, c: CancelOrder | ReplaceOrder, request: Request, step: Step) -> Order | None:
    """The order that a cancel or replace is about; None if there is none that can be changed, which is answered."""
    client = state.clients[c.client]
    known = named(state, client, c.cl_ord_id, c.possible_duplicate)
    order = client.requests.get(c.orig_cl_ord_id) or client.working.get(c.order_id)
    if known is not None and c.possible_duplicate:
        report_known(known, c.client, c.cl_ord_id, step)
        return None
    if not isinstance(order, Order):
        reason, text = CxlRejReason.UNKNOWN_ORDER, f"UNKNOWN_ORDER: OrigClOrdID={c.orig_cl_ord_id}"
    elif known is not None:
        reason, text = CxlRejReason.DUPLICATE, f"DUPLICATE: ClOrdID={c.cl_ord_id}"
    else:
        more = c.qty if isinstance(c, ReplaceOrder) else 0
        in_state = refused_in_state(order, request, more, client.options.pending != "reject")
        if in_state is None and order.operator == LIQUIDATION:
            in_state = CxlRejReason.BROKER_OPTION, "LIQUIDATION: it closes a position of an account in a margin call"
        if in_state is None and request is Request.REPLACE and order.own_quote is not None:
            in_state = CxlRejReason.OTHER, "QUOTE: it is a side of a quote; another Quote or MassQuote replaces it"
        if in_state is None:
            return order
        reason, text = in_state
    step.emit(
        RequestRejected,
        client=c.client,
        order_id=order.order_id if isinstance(order, Order) else 0,
        cl_ord_id=c.cl_ord_id,
        orig_cl_ord_id=_last_accepted(order, c.orig_cl_ord_id) if isinstance(order, Order) else c.orig_cl_ord_id,
        response_to=request,
        reason=reason,
        text=text,
        known_as_new=known is None,
    )
    return None


def _last_accepted(order: Order, named: str) -> str:
    """OrigClOrdID(41) of a rejection: not what the refused request has named but the last accepted one (FIX 4.4
    volume 4, D.2.c); of an order that is canceled that before the cancel is as good."""
    return named if order.ended is not None and named == order.orig_cl_ord_id else order.cl_ord_id


def refused_in_state(order: Order, request: Request, qty: int, may_wait: bool) -> tuple[CxlRejReason, str] | None:
    """Why the order's state does not allow the request, or None. `qty` is the quantity that a replace asks for."""
    status = order.status
    if status is OrdStatus.PENDING_REPLACE and may_wait:
        if order.queue and order.queue[-1].request is Request.CANCEL:
            return REQUEST_REJECTED_IN[OrdStatus.PENDING_CANCEL]
        return None
    if status is OrdStatus.FILLED and request is Request.REPLACE and qty > order.cum and order.pending is None:
        return None
    if order.ended is not None:
        return REQUEST_REJECTED_IN[order.ended] or (CxlRejReason.TOO_LATE, "TOO_LATE: the order is done for day")
    refused = REQUEST_REJECTED_IN[status]
    if refused is None and order.pending is not None and request is Request.REPLACE:
        return CxlRejReason.ALREADY_PENDING, "PENDING: the order is expiring"
    return refused


@DECIDE.on(MassCancel)
def mass_cancel(state: State, c: MassCancel, step: Step) -> None:
    """Cancel every working order that matches, which is a job. Each is reported as if it had been canceled unasked."""
    if c.kind == OF_SECURITY and c.symbol not in state.instruments:
        return _cancel_none(c, UNKNOWN_SECURITY, f"UNKNOWN_SYMBOL: value={c.symbol}", step)
    symbol = c.symbol if c.kind == OF_SECURITY else ""
    client = state.clients[c.client]
    count = -1
    if len(client.working) <= MOST_COUNTED:
        count = sum(is_cancelable(order) for order in matching(client, symbol, c.account, c.side))
    away = elsewhere(state, "account", c.account) if state.sharing.divided else ""
    if away and not count:
        # Its orders work there: that none does here is not what the client has asked.
        return _cancel_none(c, OTHER, away, step)
    step.emit(
        MassCanceled,
        client=c.client,
        cl_ord_id=c.cl_ord_id,
        kind=c.kind,
        orders=count,
        job=True,
        symbol=symbol,
        account=c.account,
        side=c.side,
    )


def _cancel_none(c: MassCancel, reason: str, text: str, step: Step) -> None:
    step.emit(
        MassCanceled, client=c.client, cl_ord_id=c.cl_ord_id, kind=c.kind, orders=0, reject=reason, text=text
    )  # fmt: skip
