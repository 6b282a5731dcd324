"""What facts of market makers change."""

import msgspec

from brokerfix import facts as f
from brokerfix.domain import Maker, Model, Quoting, Side, to_money
from brokerfix.engine import touched
from brokerfix.engine.making import protection, quoters_applied
from brokerfix.engine.making.desk import (
    UNTIL_RESET,
    Desk,
    Earned,
    HedgeUnderWay,
    Making,
    Pull,
    Window,
    is_news,
    leaning,
    slot_name,
    slot_of,
)
from brokerfix.engine.making.guard import PROTECTION
from brokerfix.engine.making.hedge import HEDGE
from brokerfix.engine.making.reference import quote_in
from brokerfix.engine.orders import booking
from brokerfix.engine.risk import checks
from brokerfix.engine.state import State
from brokerfix.engine.tables import Evolution

EVOLVE = Evolution()
KEPT_MIDS = 1000
"""References that are kept at most to tell a jump."""


@EVOLVE.on(f.MakerDefined, touched.nothing)
def _maker_defined(state: State, fact: f.MakerDefined) -> None:
    name, maker = fact.maker.maker, fact.maker
    making = state.makers.get(name)
    if making is None:
        making = state.makers[name] = Making(maker, maker)
    if not fact.operator:
        maker, making.configured = _with_what_was_set(making, maker), maker
    before = making.desks if making.maker.account == maker.account else {}
    making.maker, making.desks = maker, {}
    quoted = {quoting.symbol: quoting for quoting in maker.quoting}
    for symbol in [one.hedge.symbol for one in maker.quoting if one.hedge is not None]:
        quoted.setdefault(symbol, Quoting(symbol, Model(), 0, 0, 0))
    for quoting in quoted.values():
        desk = before.get(quoting.symbol)
        if desk is None:
            desk = Desk(quoting)
            _begin(state, maker, desk)
        desk.quoting = quoting
        making.desks[quoting.symbol] = desk
    state.quoted = {}
    for one, other in state.makers.items():
        for symbol in other.desks:
            state.quoted.setdefault(symbol, {})[one] = None
            state.agenda[booking.REQUOTE, (one, symbol)] = None
    state.market.lean_by(leaning(state.makers.values()))


def _with_what_was_set(making: Making, maker: Maker) -> Maker:
    """New terms of the configuration; where it says of an instrument what it said before, as an operator has set it."""
    said, now = ({one.symbol: one for one in terms.quoting} for terms in (making.configured, making.maker))
    quoting = tuple(now[one.symbol] if said.get(one.symbol) == one else one for one in maker.quoting)
    return msgspec.structs.replace(maker, quoting=quoting)


def _begin(state: State, maker: Maker, desk: Desk) -> None:
    """A desk begins with what the account has, at the mark: that is nothing that it has made. What exchanges have not
    let go of, of when it was quoted before, is still looked after."""
    symbol = desk.quoting.symbol
    position = state.accounts[maker.account].positions.get(symbol)
    mark = checks.reference(state, state.instruments[symbol])
    desk.net = position.qty if position is not None else 0
    desk.earned.cash = -2 * mark * desk.net
    for side in Side:
        for order in state.clients[maker.maker].sides.get((symbol, side), {}).values():
            slot = slot_of(symbol, order.cl_ord_id, order.ex_destination, side)
            if slot is not None:
                desk.slots[order.cl_ord_id] = slot


@EVOLVE.on(f.QuotesDecided, touched.nothing)
def _quotes_decided(state: State, fact: f.QuotesDecided) -> None:
    making = state.makers[fact.maker]
    desk = making.desks[fact.symbol]
    wanted = {
        slot_name(fact.symbol, (quote.venue, quote.side, quote.level)): (quote.venue, quote.side, quote.level)
        for quote in fact.quotes
    }
    # One that an exchange has not let go of yet is still looked after.
    left = {name: slot for name, slot in desk.slots.items() if name not in wanted and quote_in(state, making, name)}
    desk.slots = left | wanted
    desk.why, desk.decided_at = fact.why, fact.at
    desk.anchor = fact.anchor or desk.anchor
    if fact.priced.mid != desk.mid or not desk.mids:
        desk.mid = fact.priced.mid
        oldest = fact.at - desk.quoting.jump_window
        # The one before the window is what held when it began.
        while len(desk.mids) > 1 and (desk.mids[1][0] <= oldest or len(desk.mids) > KEPT_MIDS):
            del desk.mids[0]
        desk.mids.append((fact.at, fact.priced.mid))
    if desk.lost_at and fact.is_fresh:
        desk.lost_at = 0
    # It has been looked at; what this changes is looked at again.
    state.agenda.pop((booking.REQUOTE, (fact.maker, fact.symbol)), None)


@EVOLVE.on(f.ReferenceLost, touched.nothing)
def _reference_lost(state: State, fact: f.ReferenceLost) -> None:
    state.makers[fact.maker].desks[fact.symbol].lost_at = 0 if fact.is_back else fact.at


@EVOLVE.on(f.MakerDayEnds, touched.nothing)
def _day_ends(state: State, fact: f.MakerDayEnds) -> None:
    state.makers[fact.maker].day_ends = fact.ends


@EVOLVE.on(f.QuoteMoved, touched.the_order)
def _quote_moved(state: State, fact: f.QuoteMoved) -> None:
    order = state.orders[fact.order_id]
    book = state.books[order.symbol]
    if order.in_book:
        book.remove(order.order_id)
    # What a fill that was taken back had us hold is quoted again.
    booking.hold(state, order, 0, None)
    left, price = order.leaves, order.risk_price
    order.qty, order.price, order.risk_price, order.repriced_at = fact.qty, fact.price, fact.price, fact.at
    qty = order.in_book = order.leaves
    book.add(order.order_id, order.side, fact.price, qty)
    booking.moved_open(state, order, left, price)
    booking.count(state, order, fact.at, qty - left, qty * fact.price - left * price)
    booking.moved(state, order.symbol)


@EVOLVE.on(f.QuotesPulled, touched.nothing)
def _quotes_pulled(state: State, fact: f.QuotesPulled) -> None:
    if fact.maker in state.quoters:
        return quoters_applied.pulled(state.quoters[fact.maker], fact)
    making = state.makers[fact.maker]
    for symbol in (fact.symbol,) if fact.symbol else making.desks:
        desk, pulls = making.desks[symbol], making.desks[symbol].pulls
        if is_news(desk, fact.code, fact.at):
            desk.alerted[fact.code] = fact.at
        known = pulls.get(fact.code)
        if known is None or known.until != UNTIL_RESET:
            pulls[fact.code] = Pull(fact.code, fact.text, fact.until, not fact.symbol)


@EVOLVE.on(f.QuotesResumed, touched.nothing)
def _quotes_resumed(state: State, fact: f.QuotesResumed) -> None:
    if fact.maker in state.quoters:
        return quoters_applied.resumed(state.quoters[fact.maker], fact)
    making, mids = state.makers[fact.maker], dict(fact.mids)
    for symbol in (fact.symbol,) if fact.symbol else list(making.desks):
        desk = making.desks[symbol]
        over = [desk.pulls.pop(code) for code in fact.codes or list(desk.pulls) if code in desk.pulls]
        if fact.operator or PROTECTION in fact.codes:
            desk.window = Window()
            if (fact.operator and not fact.symbol) or any(one.of_all and one.code == PROTECTION for one in over):
                making.window = Window()
        if fact.operator:
            # A loss that was looked at is a new beginning.
            desk.earned.forgiven = desk.earned.cash + desk.net * mids.get(symbol, desk.mid)
            desk.earned.forgiven_fees = desk.earned.fees
        desk.mids = []
        state.agenda[booking.REQUOTE, (fact.maker, symbol)] = None


@EVOLVE.on(f.MakerFilled, touched.nothing)
def _maker_filled(state: State, fact: f.MakerFilled) -> None:
    making = state.makers[fact.maker]
    desk = making.desks[fact.symbol]
    desk.new = [deal for deal in desk.new if deal.exec_id != fact.exec_id or deal.qty != fact.qty]
    signed = fact.qty if fact.side is Side.BUY else -fact.qty
    desk.net += signed
    desk.earned.cash -= 2 * signed * fact.price
    desk.earned.fees += to_money(fact.fee) if fact.fee else 0
    better = signed * (fact.mid - 2 * fact.price) if fact.mid else 0
    if fact.kind == HEDGE:
        desk.earned.hedged += better
        return
    desk.earned.captured += better
    if fact.kind == "quote":
        desk.ladder += signed
    if fact.qty < 0 or fact.corrects:
        return
    if fact.kind == "quote":
        desk.filled_at[fact.side] = fact.at
    fill = (fact.at, fact.qty, signed)
    desk.window.fills = protection.with_fills(desk.window, desk.quoting.protection, fact.at, [fill])
    making.window.fills = protection.with_fills(making.window, making.maker.protection, fact.at, [fill])


@EVOLVE.on(f.HedgeDecided, touched.nothing)
def _hedge_decided(state: State, fact: f.HedgeDecided) -> None:
    # The order that goes with it is accepted by the fact behind this one.
    order_id = fact.id + 1 if fact.qty else 0
    hedges = state.makers[fact.maker].hedges
    failed = hedges[fact.symbol].failed if fact.symbol in hedges else 0
    hedges[fact.symbol] = HedgeUnderWay(fact.at, order_id, fact.why, failed)


@EVOLVE.on(f.CalibrationSet, touched.nothing)
def _calibration_set(state: State, fact: f.CalibrationSet) -> None:
    state.calibrations[fact.symbol] = fact.calibration
    for name in state.quoted.get(fact.symbol, ()):
        state.agenda[booking.REQUOTE, (name, fact.symbol)] = None


def begin_day(state: State) -> None:
    """What was made is counted by the day."""
    for making in state.makers.values():
        for desk in making.desks.values():
            # What others are hedged with has no decisions, and so no reference of its own; that of one that is pulled
            # is of before.
            mark = 2 * checks.reference(state, state.instruments[desk.quoting.symbol])
            mid = (mark if desk.pulls else desk.mid) or mark or desk.mid
            desk.earned = Earned(-desk.net * mid)


def split(state: State, symbol: str, new: int, old: int) -> None:
    """What makers have of a symbol is another number of units at another price, and worth what it was. Its move is no
    jump."""
    for making in state.makers.values():
        desk = making.desks.get(symbol)
        if desk is not None:
            desk.net, desk.mid, desk.anchor = desk.net * new // old, desk.mid * old // new, desk.anchor * old // new
            desk.mids, desk.ladder = [], desk.ladder * new // old
