"""What clients are told: reports, rejects, statuses."""

from brokerfix import facts as f
from brokerfix.domain import (
    ExecType,
    Hold,
    Instrument,
    OrdRejReason,
    OrdStatus,
    OrdType,
    QuoteStatus,
    Request,
    RestatementReason,
    average_text,
    id_text,
    to_text,
)
from brokerfix.engine.orders.instructions import is_stop
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State
from brokerfix.fix.outgoing.base import Encoders, Out, copy_for, instruction_tags, resent
from brokerfix.fix.outgoing.mass_quotes import own_quote_tags, quote_ended
from brokerfix.fix.outgoing.strategies import strategy_tags
from brokerfix.fix.text import SOH, clean, timestamp

ENCODE = Encoders()


def _report(
    state: State,
    order: Order,
    exec_id: int,
    exec_type: str,
    at: int,
    text: str = "",
    cl_ord_id: str = "",
    extra: str = "",
) -> Out:
    """An ExecutionReport(8) on an order as it is now. `cl_ord_id` is the request's where one is answered that has not
    become the order's own."""
    instrument = state.instruments[order.symbol]
    qty_digits, price_digits = instrument.qty_digits, instrument.price_digits
    orig = order.orig_cl_ord_id
    own = order.cl_ord_id
    if cl_ord_id:
        own, orig = cl_ord_id, own
    price = order.price
    if order.instructions is not None or order.renewed or order.cash or order.capacity or order.tags:
        extra += _special_terms(order, instrument)
        if order.ord_type is OrdType.PEGGED and order.instructions is not None:
            price = order.instructions.limit
    return Out(
        False,
        order.client,
        # Words of an enumeration are joined by +, which takes half the time that formatting them takes.
        f"8=FIX.4.4\x019=0\x0135=8\x0137={id_text(order.order_id)}\x0117={id_text(exec_id)}\x01150="
        + exec_type
        + "\x0139="
        + order.status
        + f"{f'{SOH}11={own}' if own else ''}{f'{SOH}41={orig}' if orig else ''}"
        f"\x011={order.account}\x0155={order.symbol}\x0154="
        + (order.side if order.tags is None else order.side_told)
        + f"\x0138={to_text(order.qty, qty_digits)}\x0140="
        + order.ord_type
        + f"{f'{SOH}44={to_text(price, price_digits)}' if price else ''}\x0159="
        + order.time_in_force
        + f"{extra}\x01151={to_text(order.leaves, qty_digits)}\x0114={to_text(order.cum, qty_digits)}"
        f"\x016={average_text(order.notional, order.cum, price_digits)}\x0160={timestamp(at)}"
        f"{f'{SOH}58={clean(text)}' if text else ''}\x0110=000\x01",
    )


def _special_terms(order: Order, instrument: Instrument) -> str:
    """What a report on an order says besides the usual: its instructions, a peg's price, and its day if it is older."""
    terms = ""
    if order.instructions is not None:
        terms = instruction_tags(order.instructions, instrument, order.stop_px)
        if order.instructions.strategy is not None:
            terms += strategy_tags(order.instructions.strategy)
        if order.ord_type is OrdType.PEGGED and order.price:
            terms += f"\x01839={to_text(order.price, instrument.price_digits)}"
    if order.own_quote is not None:
        terms += own_quote_tags(order.own_quote)
    if order.tags is not None:
        told = (583, order.tags.strategy), (2362, order.tags.self_match_id), (693, order.tags.quote_resp_id)
        terms += "".join(f"\x01{tag}={value}" for tag, value in told if value)
    if order.capacity:
        terms += f"\x01528={order.capacity}"
    if order.cash:
        terms += f"\x01152={order.cash}"
    if order.renewed:
        qty_digits = instrument.qty_digits
        cum, notional = order.cum - order.prior_cum, order.notional - order.prior_notional
        terms += (
            f"\x01424={to_text(order.qty - order.prior_cum, qty_digits)}\x01425={to_text(cum, qty_digits)}"
            f"\x01426={average_text(notional, cum, instrument.price_digits)}"
        )
    return terms


def _fill_tags(instrument: Instrument, qty: int, price: int, venue: str, fee: str = "") -> str:
    told = f"\x0132={to_text(qty, instrument.qty_digits)}\x0131={to_text(price, instrument.price_digits)}"
    if venue:
        told += f"\x0130={venue}"
    return f"{told}\x0112={fee}\x0113={ABSOLUTE}" if fee else told


ABSOLUTE = "3"
"""CommType(13): Commission(12) is an amount of money."""


@ENCODE.on(f.OrderAccepted)
def _accepted(state: State, fact: f.OrderAccepted) -> list[Out]:
    order = state.orders[fact.id]
    if not order.acknowledged or order.own_quote is not None:
        return []
    if fact.instructions is not None and is_stop(order):
        return [_report(state, order, fact.id, ExecType.NEW, fact.at, extra="\x01636=N")]
    return [_report(state, order, fact.id, ExecType.NEW, fact.at)]


@ENCODE.on(f.OrderAcknowledged)
def _acknowledged(state: State, fact: f.OrderAcknowledged) -> list[Out]:
    return [_report(state, state.orders[fact.order_id], fact.id, ExecType.NEW, fact.at)]


@ENCODE.on(f.OrderReleased)
def _released(state: State, fact: f.OrderReleased) -> list[Out]:
    """A stop that the market has reached is told. FIX 4.4 has no ExecType for it: it is restated as working."""
    if fact.hold is not Hold.STOP:
        return []
    told = f"\x01636=Y\x01378={RestatementReason.BROKER_OPTION}"
    order = state.orders[fact.order_id]
    return [_report(state, order, fact.id, ExecType.RESTATED, fact.at, "TRIGGERED: the stop was reached", extra=told)]


@ENCODE.on(f.OrderWorked)
def _worked(state: State, fact: f.OrderWorked) -> list[Out]:
    """How far an order is that is worked over time, told as its status."""
    if not fact.percent:
        return []
    order = state.orders[fact.order_id]
    strategy = order.instructions.strategy if order.instructions is not None else None
    name = strategy.name.upper() if strategy is not None else ""
    text = f"{name} {fact.percent} %: {to_text(order.cum, state.instruments[order.symbol].qty_digits)} filled"
    return [_report(state, order, fact.id, ExecType.ORDER_STATUS, fact.at, text)]


@ENCODE.on(f.OrderNoted)
def _noted(state: State, fact: f.OrderNoted) -> list[Out]:
    order = state.orders[fact.order_id]
    if fact.status is None:
        told = f"\x01378={RestatementReason.MARKET_OPTION}"
        return [_report(state, order, fact.id, ExecType.RESTATED, fact.at, fact.text, extra=told)]
    instrument = state.instruments[order.symbol]
    told = _fill_tags(instrument, fact.qty, fact.price, "") if fact.qty else ""
    return [_report(state, order, fact.id, ExecType(fact.status.value), fact.at, fact.text, extra=told)]


@ENCODE.on(f.OrderRestated)
def _restated(state: State, fact: f.OrderRestated) -> list[Out]:
    order = state.orders[fact.order_id]
    told = f"\x01378={fact.reason}"
    return [_report(state, order, fact.id, ExecType.RESTATED, fact.at, fact.text, extra=told)]


@ENCODE.on(f.OrderRejected)
def _rejected(state: State, fact: f.OrderRejected) -> list[Out]:
    known = state.orders.get(fact.order_id)
    if known is not None:
        # The second order of a ClOrdID: its rejection, with the state of the first.
        return [
            _report(
                state,
                known,
                fact.id,
                ExecType.REJECTED,
                fact.at,
                fact.text,
                extra=f"\x01103={fact.reason}",
            )
        ]
    return [
        _no_order(
            state,
            fact.client,
            fact.id,
            ExecType.REJECTED,
            fact.at,
            fact.cl_ord_id,
            fact.symbol,
            fact.side,
            fact.reason,
            fact.text,
            _told_terms(state, fact),
            order_id=fact.id,
        )
    ]


def _told_terms(state: State, fact: f.OrderRejected) -> str:
    """The terms of a refused order as they came; of one that an operator has entered, as it was understood."""
    account = f"\x011={fact.account}" if fact.account else ""
    if fact.told:
        return account + "".join(f"\x01{tag}={value}" for tag, value in fact.told)
    instrument = state.instruments.get(fact.symbol)
    if instrument is None or fact.qty <= 0:
        return account
    price = f"\x0144={to_text(fact.price, instrument.price_digits)}" if fact.price > 0 else ""
    qty = to_text(fact.qty, instrument.qty_digits)
    return f"{account}\x0138={qty}\x0140={fact.ord_type}{price}\x0159={fact.time_in_force}"


def _no_order(
    state: State,
    client: str,
    exec_id: int,
    exec_type: str,
    at: int,
    cl_ord_id: str,
    symbol: str,
    side: str,
    reason: str,
    text: str,
    terms: str = "",
    order_id: int = 0,
) -> Out:
    """An ExecutionReport(8), OrdStatus rejected, where there is no order."""
    return Out(
        False,
        client,
        f"8=FIX.4.4\x019=0\x0135=8\x0137={id_text(order_id) if order_id else 'NONE'}\x0117={id_text(exec_id)}"
        f"\x01150={exec_type}\x0139={OrdStatus.REJECTED}"
        f"{f'{SOH}11={cl_ord_id}' if cl_ord_id else ''}{f'{SOH}55={symbol}' if symbol else ''}"
        f"\x0154={side}{terms}\x01151=0\x0114=0\x016=0\x01103={reason}\x0160={timestamp(at)}\x0158={clean(text)}\x0110=000\x01",
    )


@ENCODE.on(f.Trade)
def _trade(state: State, fact: f.Trade) -> list[Out]:
    out = []
    sides = (fact.maker_order_id, fact.id - 1, fact.maker_fee), (fact.taker_order_id, fact.id, fact.taker_fee)
    for order_id, exec_id, fee in sides:
        order = state.orders[order_id]
        fill = _fill_tags(state.instruments[order.symbol], fact.qty, fact.price, "", fee)
        out.append(_report(state, order, exec_id, ExecType.TRADE, fact.at, extra=fill))
    return out


@ENCODE.on(f.ChildFilled)
def _child_filled(state: State, fact: f.ChildFilled) -> list[Out]:
    child = state.children[fact.child_id]
    order = state.order_of(child)
    fill = _fill_tags(state.instruments[order.symbol], fact.qty, fact.price, child.venue, fact.fee)
    return [_report(state, order, fact.id, ExecType.TRADE, fact.at, extra=fill)]


@ENCODE.on(f.TradeBusted)
def _busted(state: State, fact: f.TradeBusted) -> list[Out]:
    order = state.orders[state.fills[fact.exec_id].order_id]
    told = f"\x0119={id_text(fact.ref_id)}\x0132=0\x0131=0"
    return [_report(state, order, fact.id, ExecType.TRADE_CANCEL, fact.at, fact.text, extra=told)]


@ENCODE.on(f.TradeCorrected)
def _corrected(state: State, fact: f.TradeCorrected) -> list[Out]:
    order = state.orders[state.fills[fact.exec_id].order_id]
    told = f"\x0119={id_text(fact.ref_id)}" + _fill_tags(
        state.instruments[order.symbol], fact.qty, fact.price, "", fact.fee
    )
    return [_report(state, order, fact.id, ExecType.TRADE_CORRECT, fact.at, fact.text, extra=told)]


@ENCODE.on(f.FillReversed)
def _reversed(state: State, fact: f.FillReversed) -> list[Out]:
    """A fill of an order that has left the state is taken back: the report's terms are the operator's."""
    digits = state.instruments[fact.symbol].qty_digits
    qty, cum = (to_text(value, digits) for value in (fact.order_qty, fact.cum - fact.qty))
    ids = f"\x0137={id_text(fact.order_id)}\x0117={id_text(fact.id)}\x0119={id_text(fact.exec_id)}"
    own = f"\x0111={fact.cl_ord_id}" if fact.cl_ord_id else ""
    told = f"\x0158={clean(fact.text)}" if fact.text else ""
    body = (
        f"35=8{ids}\x01150={ExecType.TRADE_CANCEL}\x0139={OrdStatus.CANCELED}{own}\x011={fact.account}"
        f"\x0155={fact.symbol}\x0154={fact.side}\x0138={qty}\x0132=0\x0131=0\x01151=0\x0114={cum}\x016=0"
        f"\x0160={timestamp(fact.at)}{told}"
    )
    return [Out(False, fact.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01")]


PENDING = {Request.CANCEL: ExecType.PENDING_CANCEL, Request.REPLACE: ExecType.PENDING_REPLACE}


@ENCODE.on(f.CancelPending, f.ReplacePending)
def _pending(state: State, fact: f.CancelPending | f.ReplacePending) -> list[Out]:
    order = state.orders[fact.order_id]
    if not fact.cl_ord_id or order.pending is None or order.pending.announced:
        return []
    return [_report(state, order, fact.id, PENDING[order.pending.request], fact.at, cl_ord_id=fact.cl_ord_id)]


@ENCODE.on(f.RequestQueued)
def _queued(state: State, fact: f.RequestQueued) -> list[Out]:
    if not fact.announced:
        return []
    order = state.orders[fact.order_id]
    return [_report(state, order, fact.id, PENDING[fact.request], fact.at, cl_ord_id=fact.cl_ord_id)]


@ENCODE.on(f.OrderCanceled)
def _canceled(state: State, fact: f.OrderCanceled) -> list[Out]:
    told = f"\x01378={fact.reason}" if fact.reason else ""
    order = state.orders[fact.order_id]
    if order.own_quote is not None and not fact.cl_ord_id:
        return quote_ended(order, fact.at, QuoteStatus.REMOVED, fact.text)
    return [_report(state, order, fact.id, ExecType.CANCELED, fact.at, fact.text, extra=told)]


@ENCODE.on(f.OrderExpired)
def _expired(state: State, fact: f.OrderExpired) -> list[Out]:
    order = state.orders[fact.order_id]
    if order.own_quote is not None:
        return quote_ended(order, fact.at, QuoteStatus.EXPIRED, fact.text)
    return [_report(state, order, fact.id, ExecType(fact.status.value), fact.at, fact.text)]


@ENCODE.on(f.OrderRefused)
def _refused(state: State, fact: f.OrderRefused) -> list[Out]:
    order = state.orders[fact.order_id]
    reason = f"\x01103={fact.reason}"
    return [_report(state, order, fact.id, ExecType.REJECTED, fact.at, fact.text, extra=reason)]


@ENCODE.on(f.OrderReplaced)
def _replaced(state: State, fact: f.OrderReplaced) -> list[Out]:
    return [_report(state, state.orders[fact.order_id], fact.id, ExecType.REPLACED, fact.at)]


@ENCODE.on(f.RequestRejected)
def _request_rejected(state: State, fact: f.RequestRejected) -> list[Out]:
    if not fact.cl_ord_id:
        # It was an operator's.
        return []
    order = state.orders.get(fact.order_id)
    status = order.status if order is not None else OrdStatus.REJECTED
    return [
        Out(
            False,
            fact.client,
            f"8=FIX.4.4\x019=0\x0135=9\x0137={id_text(fact.order_id) if order is not None else 'NONE'}"
            f"\x0111={fact.cl_ord_id}\x0141={fact.orig_cl_ord_id}\x0139={status}\x01434={fact.response_to}"
            f"\x01102={fact.reason}\x0160={timestamp(fact.at)}\x0158={clean(fact.text)}\x0110=000\x01",
        )
    ]


@ENCODE.on(f.StatusReported)
def _status(state: State, fact: f.StatusReported) -> list[Out]:
    order = state.orders.get(fact.order_id)
    if order is None:
        return [
            _no_order(
                state,
                fact.client,
                fact.id,
                ExecType.ORDER_STATUS,
                fact.at,
                fact.cl_ord_id,
                fact.symbol,
                fact.side,
                fact.reason,
                fact.text,
                _status_ids(fact),
            )
        ]
    extra = _status_ids(fact)
    if order.status is OrdStatus.REJECTED:
        extra += f"\x01103={order.reason or OrdRejReason.OTHER}"
    text = fact.text or ("Nothing Done" if order.status is OrdStatus.NEW else "")
    report = _report(state, order, fact.id, ExecType.ORDER_STATUS, fact.at, text, extra=extra)
    return [report if order.client == fact.client else copy_for(fact.client, report)]


def _status_ids(fact: f.StatusReported) -> str:
    """The ids of the request that a status report answers."""
    told = f"\x01790={fact.status_req_id}" if fact.status_req_id else ""
    if fact.mass_status_req_id:
        told += f"\x01584={fact.mass_status_req_id}"
    if fact.is_last or fact.total:
        told += f"\x01911={fact.total}\x01912={'Y' if fact.is_last else 'N'}"
    return told


@ENCODE.on(f.MassCanceled)
def _mass_canceled(state: State, fact: f.MassCanceled) -> list[Out]:
    response = f"\x01531=0\x01532={fact.reject}" if fact.reject else f"\x01531={fact.kind}"
    if not fact.reject and fact.orders >= 0:
        response += f"\x01533={fact.orders}"
    told = f"\x0158={clean(fact.text)}" if fact.text else ""
    body = (
        f"35=r\x0111={fact.cl_ord_id}\x0137={id_text(fact.id)}\x01530={fact.kind}{response}\x0160={timestamp(fact.at)}"
    )
    return [Out(False, fact.client, f"8=FIX.4.4\x019=0\x01{body}{told}\x0110=000\x01")]


@ENCODE.on(f.ListReported)
def _list_reported(state: State, fact: f.ListReported) -> list[Out]:
    """ListStatus(N): that the list is being worked, and where its orders stand."""
    client = state.clients[fact.client]
    entries = ""
    for cl_ord_id in fact.cl_ord_ids:
        order = client.requests.get(cl_ord_id)
        if not isinstance(order, Order):
            entries += f"\x0111={cl_ord_id}\x0114=0\x0139={OrdStatus.REJECTED}\x01151=0\x0184=0\x016=0"
            continue
        instrument = state.instruments[order.symbol]
        cum, leaves, cut = (to_text(qty, instrument.qty_digits) for qty in (order.cum, order.leaves, order.canceled))
        average = average_text(order.notional, order.cum, instrument.price_digits)
        entries += f"\x0111={cl_ord_id}\x0114={cum}\x0139={order.status}\x01151={leaves}\x0184={cut}\x016={average}"
    count = len(fact.cl_ord_ids)
    body = f"35=N\x0166={fact.list_id}\x01429=2\x0182=1\x01431=3\x0183=1\x0168={count}\x0173={count}{entries}"
    return [Out(False, fact.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01", True)]


@ENCODE.on(f.MessageRefused)
def _message_refused(state: State, fact: f.MessageRefused) -> list[Out]:
    ref_id = f"\x01379={fact.ref_id}" if fact.ref_id else ""
    return [
        Out(
            False,
            fact.client,
            f"8=FIX.4.4\x019=0\x0135=j\x0145={fact.ref_seq_num}\x01372={fact.ref_msg_type}{ref_id}"
            f"\x01380={fact.reason}\x0158={clean(fact.text)}\x0110=000\x01",
        )
    ]


@ENCODE.on(f.ReportsResent)
def _resent(state: State, fact: f.ReportsResent) -> list[Out]:
    return [resent(Out(False, fact.client, text, groups)) for text, groups in fact.messages]
