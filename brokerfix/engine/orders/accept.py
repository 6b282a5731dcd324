"""New orders: named, checked, accepted and placed."""

import msgspec

from brokerfix.commands import NewOrder
from brokerfix.domain import ECHOED, ExecInst, Instrument, OrderTags, OrdRejReason, Reject
from brokerfix.engine.entities import Client
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.instructions import first_stop, not_now, refusal
from brokerfix.engine.orders.order import Order, follows_market
from brokerfix.engine.orders.status import report_known
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.risk.controls import Near
from brokerfix.engine.risk.levels import nearly
from brokerfix.engine.routing.algorithms import begin
from brokerfix.engine.sharing import lack
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.engine.tables import Decisions
from brokerfix.facts import OrderAccepted, OrderRejected, OrderRouted, RequestRejected

DECIDE = Decisions()
NO_TAGS = OrderTags()


@DECIDE.on(NewOrder)
def new_order(state: State, c: NewOrder, step: Step) -> None:
    if is_known(state, c, step):
        return
    client = state.clients[c.client]
    name = c.account or client.accounts[0]
    tags = c.tags or NO_TAGS
    strategy = f"{c.client}/{tags.strategy}" if tags.strategy else ""
    refused = risk.check_session(state, client, name, c.symbol, c.at, strategy) or c.defect
    if refused is not None:
        return reject(c, step, refused)
    instrument = state.instruments[c.symbol]
    asked = c.instructions
    valued_at = risk.risk_price(state, instrument, c.side, c.ord_type, c.price, asked)
    qty = risk.qty_for(instrument, c.cash, c.price or valued_at) if c.cash else c.qty
    stop_px, reduces = (asked.stop_px, ExecInst.DO_NOT_INCREASE in asked.exec_inst) if asked is not None else (0, False)
    terms = risk.Terms(c.side, c.ord_type, qty, c.price, valued_at, stop_px, reduces, tags.locate == "N")
    near: Near = []
    account = state.accounts[name]
    refused = risk.check_terms(state, client, account, instrument, terms, c.at, may_repeat=False, near=near)
    if refused is not None and refused.lacks is not None:
        lack(state, refused, step)
    refused = refused or _no_venue(state, c, instrument)
    if refused is None and asked is not None:
        refused = refusal(instrument, c.ord_type, c.time_in_force, qty, asked)
    if refused is not None:
        return reject(c, step, refused)
    if asked is not None and ExecInst.TRAILING_STOP in asked.exec_inst and not asked.stop_px:
        asked = msgspec.structs.replace(asked, stop_px=first_stop(state, instrument, c.side, asked))
    taken = step.fork()
    accepted = taken.emit(
        OrderAccepted,
        client=c.client,
        cl_ord_id=c.cl_ord_id,
        account=name,
        symbol=c.symbol,
        side=c.side,
        ord_type=c.ord_type,
        time_in_force=c.time_in_force,
        qty=qty,
        price=c.price,
        risk_price=valued_at,
        ex_destination=c.ex_destination,
        instructions=asked,
        operator=c.operator,
        cash=c.cash,
        capacity=c.capacity,
        tags=c.tags,
    )
    if near:
        nearly(near, taken)
    order = Order.from_fact(accepted)
    if asked is not None:
        follows = follows_market(order.ord_type, asked)
        refused = not_now(state, instrument, order, c.at) or (follows_too_many(client) if follows else None)
        if refused is not None:
            return reject(c, step, refused)
    work(state, order, qty, taken)
    if asked is not None and asked.strategy is not None:
        begin(state, order, taken)
    if client.options.acknowledge == "placed" and taken.has(OrderRouted):
        taken.amend(accepted, acknowledged=False)
    step.join(taken)


def is_known(state: State, c: NewOrder, step: Step) -> bool:
    """Whether an order's ClOrdID is known: then that is its answer."""
    known = named(state, state.clients[c.client], c.cl_ord_id, c.possible_duplicate)
    if known is None:
        return False
    if c.possible_duplicate:
        report_known(known, c.client, c.cl_ord_id, step)
        return True
    verbal = isinstance(known, Order) and known.operator
    reason = OrdRejReason.DUPLICATE_OF_VERBAL if verbal else OrdRejReason.DUPLICATE_ORDER
    order_id = known.order_id if isinstance(known, Order) else 0
    reject(c, step, Reject(reason, "DUPLICATE", f"ClOrdID={c.cl_ord_id}"), False, order_id)
    return True


def follows_too_many(client: Client) -> Reject | None:
    """Each order that follows the market is work at each of its moves: a client may have so many."""
    most = client.options.most_following
    if client.following < most:
        return None
    return Reject(OrdRejReason.EXCEEDS_LIMIT, "FOLLOWING", limit=str(most), value=str(client.following + 1))


def named(state: State, client: Client, cl_ord_id: str, again: bool) -> Order | OrderRejected | RequestRejected | None:
    """What a ClOrdID names. They are unique for the day and for what works: one of what has ended on an earlier day may
    be used anew, but for a message that may have come before (`again`)."""
    known = client.requests.get(cl_ord_id) if cl_ord_id else None
    if known is None or again:
        return known
    last = known.done if isinstance(known, Order) else known.id
    return None if 0 < last < state.day_began else known


def reject(c: NewOrder, step: Step, why: Reject, known_as_new: bool = True, order_id: int = 0) -> None:
    """Refuse a new order."""
    step.emit(
        OrderRejected,
        client=c.client,
        cl_ord_id=c.cl_ord_id,
        account=c.account,
        symbol=c.symbol,
        side=c.side,
        ord_type=c.ord_type,
        time_in_force=c.time_in_force,
        qty=c.qty,
        price=c.price,
        reason=why.reason,
        text=why.text,
        evidence=why.evidence,
        known_as_new=known_as_new,
        order_id=order_id,
        told=tuple((tag, value) for tag in ECHOED if (value := c.told.get(tag))),
    )


def _no_venue(state: State, c: NewOrder, instrument: Instrument) -> Reject | None:
    """An order that can go nowhere is refused. A broker without exchanges matches in its own book, and where no
    exchange is there somebody in our book may have what it wants."""
    ex_destination, symbol = c.ex_destination, c.symbol
    if ex_destination:
        if ex_destination not in state.venues:
            return Reject(OrdRejReason.OTHER, "UNKNOWN_VENUE", value=ex_destination)
        if not state.venue_quotes(ex_destination, symbol):
            return Reject(OrdRejReason.BROKER_OPTION, "NO_VENUE", f"{ex_destination} is not available for {symbol}")
        return None
    if not state.venues or instrument.post == "book":
        return None
    for venue in state.venues:
        if state.venue_quotes(venue, symbol):
            return None
    ours = state.books[symbol].best(c.side.opposite) if instrument.cross != "never" else None
    if ours is not None and (not c.price or at_least_as_good(c.side, ours, c.price)):
        return None
    return Reject(OrdRejReason.BROKER_OPTION, "NO_VENUE", f"no exchange for {symbol} is connected")
