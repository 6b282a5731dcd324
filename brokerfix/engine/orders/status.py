"""What a client asks about its orders: one, many, a list; and what of its messages is only answered."""

from brokerfix.commands import AskListStatus, AskMassStatus, AskStatus, ClientOther, RefuseMessage
from brokerfix.domain import BusinessRejectReason, OrdRejReason, Side
from brokerfix.engine.entities import Client, JobKind
from brokerfix.engine.orders.order import Order
from brokerfix.engine.sharing import elsewhere
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import (
    Alerted,
    ListReported,
    MessageRefused,
    OrderRejected,
    RequestRejected,
    StatusesAsked,
    StatusReported,
)

DECIDE = Decisions()
MOST_REPORTED = 50
"""Reports of a mass status that are made at once."""


def report_known(
    known: Order | OrderRejected | RequestRejected, client: str, cl_ord_id: str, step: Step, status_req_id: str = ""
) -> None:
    """The answer to a request that came before: what became of it."""
    if isinstance(known, RequestRejected):
        step.repeat(known, known_as_new=False, ends_pending=False)
        return
    order_id, reason, text = 0, OrdRejReason.UNKNOWN_ORDER, ""
    if isinstance(known, Order):
        order_id = known.order_id
    else:
        reason, text = known.reason, known.text
    step.emit(
        StatusReported,
        client=client,
        cl_ord_id=cl_ord_id,
        order_id=order_id,
        symbol=known.symbol,
        side=known.side,
        reason=reason,
        text=text,
        status_req_id=status_req_id,
    )


@DECIDE.on(AskStatus)
def ask_status(state: State, c: AskStatus, step: Step) -> None:
    client = state.clients[c.client]
    known = client.requests.get(c.cl_ord_id) or client.working.get(c.order_id)
    if known is not None and not isinstance(known, RequestRejected):
        return report_known(known, c.client, c.cl_ord_id, step, c.status_req_id)
    step.emit(
        StatusReported,
        client=c.client,
        cl_ord_id=c.cl_ord_id,
        order_id=0,
        symbol=c.symbol,
        side=c.side,
        text=f"UNKNOWN_ORDER: ClOrdID={c.cl_ord_id}",
        status_req_id=c.status_req_id,
    )


@DECIDE.on(AskMassStatus)
def ask_mass_status(state: State, c: AskMassStatus, step: Step) -> None:
    """A report for each working order that matches, of those too whose copies the client gets; many are a job. Without
    any, one report that says so."""
    req_id, mass_id = ("", c.req_id) if c.is_mass else (c.req_id, "")
    client = state.clients[c.client]
    found = [
        order
        for one in (client, *[state.clients[name] for name in client.options.drop_copy if name in state.clients])
        for order in matching(one, c.symbol, c.account)
    ]
    if not found:
        step.emit(
            StatusReported,
            client=c.client,
            cl_ord_id="",
            order_id=0,
            symbol=c.symbol,
            side=Side.BUY,
            text=elsewhere(state, "account", c.account) or "NO_ORDERS: nothing works that matches the request",
            status_req_id=req_id,
            mass_status_req_id=mass_id,
            is_last=True,
        )
    elif len(found) <= MOST_REPORTED:
        for order in found:
            report(order, c.client, req_id, mass_id, len(found), order is found[-1], step)
    elif any(job.kind is JobKind.REPORT and job.name == c.client for job in state.jobs):
        step.emit(
            MessageRefused,
            client=c.client,
            ref_seq_num=0,
            ref_msg_type="AF" if c.is_mass else "H",
            reason=BusinessRejectReason.OTHER,
            text="MASS_STATUS: the last one is still being answered",
            ref_id=c.req_id,
        )
    else:
        step.emit(StatusesAsked, c.client, tuple(order.order_id for order in found), req_id, mass_id)


def report(order: Order, client: str, req_id: str, mass_id: str, total: int, is_last: bool, step: Step) -> None:
    """One of the `total` reports that a mass status has."""
    step.emit(
        StatusReported,
        client=client,
        cl_ord_id=order.cl_ord_id,
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        status_req_id=req_id,
        mass_status_req_id=mass_id,
        total=total,
        is_last=is_last,
    )


def report_open_orders(state: State, client: Client, step: Step) -> None:
    """All that works of the clients whose copies a drop-copy session gets, as if it had asked."""
    ask_mass_status(state, AskMassStatus(step.at, client.client, "", False), step)


def matching(client: Client, symbol: str, account: str, side: str = "") -> list[Order]:
    """The client's working orders of this symbol, account and side (empty: of any)."""
    return [
        order
        for order in client.working.values()
        if symbol in ("", order.symbol) and account in ("", order.account) and side in ("", order.side)
    ]


@DECIDE.on(AskListStatus)
def ask_list_status(state: State, c: AskListStatus, step: Step) -> None:
    step.emit(ListReported, c.client, c.list_id, c.cl_ord_ids)


@DECIDE.on(RefuseMessage)
def refuse_message(state: State, c: RefuseMessage, step: Step) -> None:
    step.emit(
        MessageRefused,
        client=c.client,
        ref_seq_num=c.ref_seq_num,
        ref_msg_type=c.ref_msg_type,
        reason=c.reason,
        text=c.text,
        ref_id=c.ref_id,
    )


@DECIDE.on(ClientOther)
def client_other(state: State, c: ClientOther, step: Step) -> None:
    step.emit(Alerted, c.client, c.code, c.text, c.raw)
