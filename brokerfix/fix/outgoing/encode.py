"""Domain -> FIX text. Every message is a pure function of a fact and of the state just after it.

A message's header and trailer are QuickFIX's: the text carries the MsgType and the body.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from brokerfix import facts as f
from brokerfix.domain import (
    ExecType,
    Hold,
    Instructions,
    Instrument,
    OrdRejReason,
    OrdStatus,
    OrdType,
    Phase,
    Request,
    RestatementReason,
    average_text,
    id_text,
    to_text,
)
from brokerfix.engine.orders.instructions import is_stop
from brokerfix.engine.orders.order import Child, Order
from brokerfix.engine.state import State
from brokerfix.fix.text import SOH, clean, timestamp
from brokerfix.live.feed import Increment, Refusal, SessionStatus, Snapshot, Told

EMPTY_BOOK = "\x01269=J"
"""The one entry of a snapshot that has none: MDEntryType(269) Empty Book."""


class Out(NamedTuple):
    """A message to send: to which client or exchange, its text, and whether it carries repeating groups."""

    to_venue: bool
    comp_id: str
    text: str
    groups: bool = False


def messages(state: State, fact: f.Fact) -> list[Out]:
    """What a fact makes us send. `state` is the state just after the fact."""
    encode = ENCODERS.get(type(fact))
    return encode(state, fact) if encode is not None else []


def resent(out: Out) -> Out:
    """The same message marked PossResend(97)."""
    end = out.text.index("\x01", out.text.index("\x0135=") + 1)
    return out._replace(text=f"{out.text[:end]}\x0197=Y{out.text[end:]}")


COPIED = ("\x0135=8\x01", "\x0135=9\x01")
"""What a drop-copy session gets copies of: reports and cancel rejects."""


def copies(state: State, outs: list[Out]) -> list[Out]:
    """The copies that drop-copy sessions get of these messages."""
    return [
        copy_for(name, out)
        for out in outs
        if not out.to_venue and any(kind in out.text for kind in COPIED)
        for name in state.copies.get(out.comp_id, ())
    ]


def copy_for(client: str, out: Out) -> Out:
    """The message as a copy, with CopyMsgIndicator(797)."""
    return out._replace(comp_id=client, text=out.text.replace("\x0110=000", "\x01797=Y\x0110=000"))


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
    if order.instructions is not None or order.renewed or order.cash:
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
        + order.side
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
        terms = _instructions(order.instructions, instrument, order.stop_px)
        if order.ord_type is OrdType.PEGGED and order.price:
            terms += f"\x01839={to_text(order.price, instrument.price_digits)}"
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


def _instructions(asked: Instructions, instrument: Instrument, stop_px: int = 0) -> str:
    """The tags of what an order asks for."""
    qty_digits, price_digits = instrument.qty_digits, instrument.price_digits
    stop_px = stop_px or asked.stop_px
    return "".join(
        f"\x01{tag}={value}"
        for tag, value in (
            (18, " ".join(asked.exec_inst)),
            (99, to_text(stop_px, price_digits) if stop_px else ""),
            (110, to_text(asked.min_qty, qty_digits) if asked.min_qty else ""),
            (111, to_text(asked.max_floor, qty_digits) if asked.max_floor else ""),
            (126, timestamp(asked.expire_at) if asked.expire_at else ""),
            (211, to_text(asked.peg_offset, price_digits) if asked.peg_offset else ""),
            (432, str(asked.expire_day) if asked.expire_day else ""),
        )
        if value
    )


def _fill_tags(instrument: Instrument, qty: int, price: int, venue: str) -> str:
    return f"\x0132={to_text(qty, instrument.qty_digits)}\x0131={to_text(price, instrument.price_digits)}" + (
        f"\x0130={venue}" if venue else ""
    )


def _accepted(state: State, fact: f.OrderAccepted) -> list[Out]:
    order = state.orders[fact.id]
    if not order.acknowledged:
        return []
    if fact.instructions is not None and is_stop(order):
        return [_report(state, order, fact.id, ExecType.NEW, fact.at, extra="\x01636=N")]
    return [_report(state, order, fact.id, ExecType.NEW, fact.at)]


def _acknowledged(state: State, fact: f.OrderAcknowledged) -> list[Out]:
    return [_report(state, state.orders[fact.order_id], fact.id, ExecType.NEW, fact.at)]


def _released(state: State, fact: f.OrderReleased) -> list[Out]:
    """A stop that the market has reached is told. FIX 4.4 has no ExecType for it: it is restated as working."""
    if fact.hold is not Hold.STOP:
        return []
    told = f"\x01636=Y\x01378={RestatementReason.BROKER_OPTION}"
    order = state.orders[fact.order_id]
    return [_report(state, order, fact.id, ExecType.RESTATED, fact.at, "TRIGGERED: the stop was reached", extra=told)]


def _noted(state: State, fact: f.OrderNoted) -> list[Out]:
    order = state.orders[fact.order_id]
    if fact.status is None:
        told = f"\x01378={RestatementReason.MARKET_OPTION}"
        return [_report(state, order, fact.id, ExecType.RESTATED, fact.at, fact.text, extra=told)]
    instrument = state.instruments[order.symbol]
    told = _fill_tags(instrument, fact.qty, fact.price, "") if fact.qty else ""
    return [_report(state, order, fact.id, ExecType(fact.status.value), fact.at, fact.text, extra=told)]


def _restated(state: State, fact: f.OrderRestated) -> list[Out]:
    order = state.orders[fact.order_id]
    told = f"\x01378={fact.reason}"
    return [_report(state, order, fact.id, ExecType.RESTATED, fact.at, fact.text, extra=told)]


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


def _trade(state: State, fact: f.Trade) -> list[Out]:
    out = []
    for order_id, exec_id in ((fact.maker_order_id, fact.id - 1), (fact.taker_order_id, fact.id)):
        order = state.orders[order_id]
        fill = _fill_tags(state.instruments[order.symbol], fact.qty, fact.price, "")
        out.append(_report(state, order, exec_id, ExecType.TRADE, fact.at, extra=fill))
    return out


def _child_filled(state: State, fact: f.ChildFilled) -> list[Out]:
    child = state.children[fact.child_id]
    order = state.order_of(child)
    fill = _fill_tags(state.instruments[order.symbol], fact.qty, fact.price, child.venue)
    return [_report(state, order, fact.id, ExecType.TRADE, fact.at, extra=fill)]


def _busted(state: State, fact: f.TradeBusted) -> list[Out]:
    order = state.orders[state.fills[fact.exec_id].order_id]
    told = f"\x0119={id_text(fact.ref_id)}\x0132=0\x0131=0"
    return [_report(state, order, fact.id, ExecType.TRADE_CANCEL, fact.at, fact.text, extra=told)]


def _corrected(state: State, fact: f.TradeCorrected) -> list[Out]:
    order = state.orders[state.fills[fact.exec_id].order_id]
    told = f"\x0119={id_text(fact.ref_id)}" + _fill_tags(state.instruments[order.symbol], fact.qty, fact.price, "")
    return [_report(state, order, fact.id, ExecType.TRADE_CORRECT, fact.at, fact.text, extra=told)]


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


def _pending(state: State, fact: f.CancelPending | f.ReplacePending) -> list[Out]:
    order = state.orders[fact.order_id]
    if not fact.cl_ord_id or order.pending is None or order.pending.announced:
        return []
    return [_report(state, order, fact.id, PENDING[order.pending.request], fact.at, cl_ord_id=fact.cl_ord_id)]


def _queued(state: State, fact: f.RequestQueued) -> list[Out]:
    if not fact.announced:
        return []
    order = state.orders[fact.order_id]
    return [_report(state, order, fact.id, PENDING[fact.request], fact.at, cl_ord_id=fact.cl_ord_id)]


def _canceled(state: State, fact: f.OrderCanceled) -> list[Out]:
    told = f"\x01378={fact.reason}" if fact.reason else ""
    order = state.orders[fact.order_id]
    return [_report(state, order, fact.id, ExecType.CANCELED, fact.at, fact.text, extra=told)]


def _expired(state: State, fact: f.OrderExpired) -> list[Out]:
    order = state.orders[fact.order_id]
    return [_report(state, order, fact.id, ExecType(fact.status.value), fact.at, fact.text)]


def _refused(state: State, fact: f.OrderRefused) -> list[Out]:
    order = state.orders[fact.order_id]
    reason = f"\x01103={fact.reason}"
    return [_report(state, order, fact.id, ExecType.REJECTED, fact.at, fact.text, extra=reason)]


def _replaced(state: State, fact: f.OrderReplaced) -> list[Out]:
    return [_report(state, state.orders[fact.order_id], fact.id, ExecType.REPLACED, fact.at)]


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


def _mass_canceled(state: State, fact: f.MassCanceled) -> list[Out]:
    response = f"\x01531=0\x01532={fact.reject}" if fact.reject else f"\x01531={fact.kind}"
    if not fact.reject and fact.orders >= 0:
        response += f"\x01533={fact.orders}"
    told = f"\x0158={clean(fact.text)}" if fact.text else ""
    body = (
        f"35=r\x0111={fact.cl_ord_id}\x0137={id_text(fact.id)}\x01530={fact.kind}{response}\x0160={timestamp(fact.at)}"
    )
    return [Out(False, fact.client, f"8=FIX.4.4\x019=0\x01{body}{told}\x0110=000\x01")]


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


def _routed(state: State, fact: f.OrderRouted) -> list[Out]:
    child = state.children[fact.id]
    terms = _child_terms(state, child, fact.qty, fact.price, fact.instructions)
    return [
        Out(
            True,
            fact.venue,
            f"8=FIX.4.4\x019=0\x0135=D\x0111={id_text(fact.id)}\x0121=1\x0155={child.symbol}\x0154={child.side}"
            f"{terms}\x0160={timestamp(fact.at)}\x0110=000\x01",
        )
    ]


def _child_terms(state: State, child: Child, qty: int, price: int, asked: Instructions | None) -> str:
    instrument = state.instruments[child.symbol]
    terms = f"\x0138={to_text(qty, instrument.qty_digits)}\x0140={child.ord_type}"
    if price and child.ord_type is not OrdType.MARKET:
        terms += f"\x0144={to_text(price, instrument.price_digits)}"
    terms += f"\x0159={child.time_in_force}"
    return terms if asked is None else terms + _instructions(asked, instrument)


def _child_cancel(state: State, fact: f.ChildCancelSent) -> list[Out]:
    child = state.children[fact.child_id]
    qty = to_text(child.qty, state.instruments[child.symbol].qty_digits)
    return [
        Out(
            True,
            child.venue,
            f"8=FIX.4.4\x019=0\x0135=F\x0111={id_text(fact.id)}\x0141={id_text(child.cl_ord_id)}\x0138={qty}"
            f"\x0155={child.symbol}\x0154={child.side}\x0160={timestamp(fact.at)}\x0110=000\x01",
        )
    ]


def _child_replace(state: State, fact: f.ChildReplaceSent) -> list[Out]:
    child = state.children[fact.child_id]
    terms = _child_terms(state, child, fact.qty, fact.price, fact.instructions)
    return [
        Out(
            True,
            child.venue,
            f"8=FIX.4.4\x019=0\x0135=G\x0111={id_text(fact.id)}\x0141={id_text(child.cl_ord_id)}\x0121=1"
            f"\x0155={child.symbol}\x0154={child.side}{terms}\x0160={timestamp(fact.at)}\x0110=000\x01",
        )
    ]


def _child_status(state: State, fact: f.ChildStatusAsked) -> list[Out]:
    child: Child = state.children[fact.child_id]
    return [
        Out(
            True,
            child.venue,
            f"8=FIX.4.4\x019=0\x0135=H\x0111={id_text(child.cl_ord_id)}\x0155={child.symbol}\x0154={child.side}"
            "\x0110=000\x01",
        )
    ]


def _subscribe(state: State, fact: f.VenueUp) -> list[Out]:
    """An exchange that is up is asked for the books of all it trades."""
    symbols = [symbol for symbol in state.instruments if state.venue_quotes(fact.venue, symbol)]
    if not symbols or not state.venues[fact.venue].market_data:
        return []
    related = "".join(f"\x0155={symbol}" for symbol in symbols)
    return [
        Out(
            True,
            fact.venue,
            f"8=FIX.4.4\x019=0\x0135=V\x01262={id_text(fact.id)}\x01263=1\x01264=0\x01265=1"
            f"\x01267=3\x01269=0\x01269=1\x01269=2\x01146={len(symbols)}{related}\x0110=000\x01",
            True,
        )
    ]


def market_data(state: State, told: Told) -> Out:
    """A message of the market data feed."""
    if isinstance(told, Refusal):
        reason = f"\x01281={told.reason}" if told.reason else ""
        body = f"35=Y\x01262={told.md_req_id}{reason}\x0158={clean(told.text)}"
        return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01")
    if isinstance(told, SessionStatus):
        return _session_status(told)
    instrument = state.instruments[told.symbol]
    if isinstance(told, Snapshot):
        entries = "".join(_entry(instrument, "", *entry) for entry in told.entries) or EMPTY_BOOK
        head = f"35=W\x01262={told.md_req_id}\x0155={told.symbol}\x01268={len(told.entries) or 1}"
    else:
        assert isinstance(told, Increment)
        entries = "".join(
            f"\x01279={action}" + _entry(instrument, f"\x0155={told.symbol}", *entry) for action, *entry in told.entries
        )
        head = f"35=X\x01262={told.md_req_id}\x01268={len(told.entries)}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{head}{entries}\x0110=000\x01", True)


TRADING_STATUS = {
    Phase.CLOSED: "3",
    Phase.PRE_OPEN: "4",
    Phase.OPENING_AUCTION: "4",
    Phase.CONTINUOUS: "2",
    Phase.CLOSING_AUCTION: "5",
}
"""TradSesStatus(340): open, closed, pre-open, pre-close."""
HALTED, UNKNOWN_STATUS = "1", "6"


def _session_status(told: SessionStatus) -> Out:
    """TradingSessionStatus(h). The TradingSessionID is the symbol; its phase in words is the Text."""
    status = HALTED if told.halted else TRADING_STATUS[told.phase] if told.phase is not None else UNKNOWN_STATUS
    words = told.phase.value if told.phase is not None else told.text or f"UNKNOWN_SYMBOL: value={told.symbol}"
    unsolicited = "\x01325=Y" if told.unsolicited else ""
    body = f"35=h\x01335={told.req_id}\x01336={told.symbol}{unsolicited}\x01340={status}\x0158={clean(words)}"
    return Out(False, told.client, f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01")


def _entry(instrument: Instrument, symbol: str, entry_type: Any, price: Any, qty: Any) -> str:
    return (
        f"\x01269={entry_type}{symbol}\x01270={to_text(price, instrument.price_digits)}"
        f"\x01271={to_text(qty, instrument.qty_digits)}"
    )


ENCODERS: dict[type[Any], Callable[[State, Any], list[Out]]] = {
    f.ReportsResent: lambda state, fact: [
        resent(Out(False, fact.client, text, groups)) for text, groups in fact.messages
    ],
    f.OrderAccepted: _accepted,
    f.OrderRejected: _rejected,
    f.Trade: _trade,
    f.ChildFilled: _child_filled,
    f.OrderAcknowledged: _acknowledged,
    f.OrderReleased: _released,
    f.OrderNoted: _noted,
    f.OrderRestated: _restated,
    f.TradeBusted: _busted,
    f.TradeCorrected: _corrected,
    f.FillReversed: _reversed,
    f.CancelPending: _pending,
    f.ReplacePending: _pending,
    f.RequestQueued: _queued,
    f.OrderCanceled: _canceled,
    f.OrderExpired: _expired,
    f.OrderRefused: _refused,
    f.OrderReplaced: _replaced,
    f.RequestRejected: _request_rejected,
    f.StatusReported: _status,
    f.MassCanceled: _mass_canceled,
    f.ListReported: _list_reported,
    f.MessageRefused: _message_refused,
    f.OrderRouted: _routed,
    f.ChildCancelSent: _child_cancel,
    f.ChildReplaceSent: _child_replace,
    f.ChildStatusAsked: _child_status,
    f.VenueUp: _subscribe,
}
