"""What the handlers of `evolve` do to orders, books and accounts: the small steps that several facts share."""

from brokerfix.domain import (
    AT_AUCTION,
    GOOD_TILL,
    MONEY_DIGITS,
    ExecInst,
    Hold,
    Instrument,
    OrdStatus,
    Request,
    Side,
    money_text,
    to_money,
)
from brokerfix.engine import money as money_of
from brokerfix.engine.entities import Account, Job, Position
from brokerfix.engine.making import quoter as quoters
from brokerfix.engine.making.desk import ECHO, Deal
from brokerfix.engine.orders.order import Child, Fill, Order, Pending, follows_market, is_over
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.risk import daily, needs
from brokerfix.engine.risk.bounds import accepted, arrange, bounds_of, opened, owned
from brokerfix.engine.risk.standing import stands_otherwise
from brokerfix.engine.state import State

FIRST_PAUSE, LONGEST_PAUSE = 2 * 10**9, 60 * 10**9
"""Nanoseconds from a question to an exchange to the same again: doubled each time."""
NEXT_REQUEST, MARKET_MOVED, PHASE_CHANGED, REVIEW = "request", "market", "phase", "review"
THROTTLED, REDUCE = "throttled", "reduce"
REQUOTE, MADE, QUOTED = "requote", "made", "quoted"
"""What the agenda holds: an order whose next request has its turn, a symbol whose market or phase has changed, an
account that stands otherwise, a strategy that has had its fills, an account and symbol whose orders must not increase
the position, a market maker's symbol to be looked at, one in which it has traded, and a client whose quotes have."""


def fill(
    state: State,
    order: Order,
    exec_id: int,
    child_id: int,
    qty: int,
    price: int,
    is_maker: bool = False,
    fee: str = "",
    liquidity: str = "",
) -> None:
    """Book a fill: the order's quantities, the account's cash and position. Never less than what was filled."""
    if order.order_id < state.day_began:
        renew(state, order)
    leaves = order.leaves
    if order.tags is not None and order.strategy:
        _count_fill(state, order)
    order.cum += qty
    order.notional += price * qty
    order.last_px = price
    if order.ended is not None:
        # A fill after the end takes from what had been given up: cum + leaves + canceled stays the quantity.
        order.canceled = max(0, order.canceled - qty)
    account = state.accounts[order.account]
    sma, excess = account.sma, account.excess
    if fee:
        _charge(state, order, to_money(fee))
    pay(state, order, qty, price)
    expose(state, order, order.leaves - leaves, order.risk_price)
    if account.excess < excess:
        daily.has_less(account)
    booked = Fill(exec_id, order.order_id, child_id, qty, price, exec_id, is_maker, fee, liquidity)
    if account.sma != sma:
        booked.sma = str(account.sma - sma)
    state.fills[exec_id] = booked
    if state.makers:
        _dealt(state, order, exec_id, qty, price, fee)
    if order.own_quote is not None:
        _quote_filled(state, order, exec_id, qty, price)
    if order.cum >= order.qty:
        finished(state, order)


def _quote_filled(state: State, order: Order, exec_id: int, qty: int, price: int) -> None:
    """A fill of a client's quote counts towards its protection, if it has one."""
    quoter = state.quoters.get(order.client)
    if quoter is not None and quoter.protections(order.symbol):
        quoter.new.append(Deal(exec_id, order.order_id, order.side, qty, price, symbol=order.symbol))
        state.agenda[QUOTED, order.client] = None


def _dealt(state: State, order: Order, exec_id: int, qty: int, price: int, fee: str, corrects: bool = False) -> None:
    """A market maker has to look at what it has traded, or what was taken back (a quantity below 0)."""
    making = state.makers.get(order.client)
    desk = making.desks.get(order.symbol) if making is not None else None
    if desk is not None:
        desk.new.append(Deal(exec_id, order.order_id, order.side, qty, price, fee, corrects))
        state.agenda[MADE, (order.client, order.symbol)] = None


def _charge(state: State, order: Order, money: int) -> None:
    account, instrument = state.accounts[order.account], state.instruments[order.symbol]
    money_of.pay(state, account, instrument.currency, -money)
    if account.margin == "reg-t":
        account.sma -= money * state.factors[order.symbol] // instrument.money_factor


def _count_fill(state: State, order: Order) -> None:
    """A strategy has one more fill; so many of its client's may have until it is armed anew."""
    most = state.clients[order.client].most_fills
    if most:
        name = order.strategy
        fills = state.executions[name] = state.executions.get(name, 0) + 1
        if fills >= most:
            state.agenda[THROTTLED, name] = None


def unfill(state: State, found: Fill, qty: int, price: int, fee: str = "") -> None:
    """Change a fill to `qty` at `price`, for a `fee`: the order's quantities and the account's cash and position
    follow. An order that has ended gets nothing back to work with."""
    order = state.orders[found.order_id]
    if order.order_id < state.day_began:
        renew(state, order)
    leaves, account, old_fee = order.leaves, state.accounts[order.account], found.fee
    # What the fill has taken of the SMA is given back, whatever rates are now.
    excess, sma, now_taken = account.excess, account.sma - int(found.sma or 0), 0
    for sign, part, at in ((-1, found.qty, found.price), (1, qty, price)):
        before = account.sma
        order.cum += sign * part
        order.notional += sign * part * at
        if found.exec_id < state.day_began:
            order.prior_cum += sign * part
            order.prior_notional += sign * part * at
        pay(state, order, sign * part, at)
        now_taken = account.sma - before
    if fee != found.fee:
        _charge(state, order, to_money(fee or "0") - to_money(found.fee or "0"))
        found.fee = fee
    if account.margin == "reg-t":
        fees = to_money(fee or "0") * state.factors[order.symbol] // state.instruments[order.symbol].money_factor
        account.sma = sma + now_taken - fees
        found.sma = str(now_taken - fees)
    if order.ended is not None:
        order.canceled = max(0, order.qty - order.cum)
    else:
        live(state, order)
    expose(state, order, order.leaves - leaves, order.risk_price)
    if account.excess < excess:
        daily.has_less(account)
    if order.cum >= order.qty:
        finished(state, order)
    if state.makers:
        _dealt(state, order, found.exec_id, -found.qty, found.price, money_text(-to_money(old_fee)) if old_fee else "")
        if qty:
            _dealt(state, order, found.exec_id, qty, price, fee, corrects=True)
    found.qty, found.price = qty, price


def sides(state: State, found: Fill) -> list[Fill]:
    """The fill and, of a trade in our own book, the other side's if that is still known: the maker's number is one less
    than the taker's."""
    other = None if found.child_id else state.fills.get(found.exec_id + (1 if found.is_maker else -1))
    return [found] if other is None else [found, other]


def begin_job(state: State, job: Job) -> None:
    if job.left:
        state.jobs.append(job)


def renew(state: State, order: Order) -> None:
    """What an order of an earlier day that is good for longer has traded is of earlier days now."""
    if order.renewed_on != state.day_began and order.time_in_force in GOOD_TILL:
        order.prior_cum, order.prior_notional = order.cum, order.notional
        order.renewed, order.renewed_on, order.noted = True, state.day_began, None


def live(state: State, order: Order) -> None:
    """The order works, or does again. One whose day is over is to expire."""
    order.done = 0
    state.clients[order.client].add(order)
    if order.own_quote is not None:
        quoters.stands(state.quoters, order)
    watch(state, order)
    if order.order_id < state.day_began and is_over(order, state.day, 0):
        state.overdue[order.order_id] = None


def pay(state: State, order: Order, qty: int, price: int) -> None:
    """Move the position and its money (a negative quantity moves them back). `expose` must follow: it weighs them."""
    account, position = holding(state, order)
    instrument, had = state.instruments[order.symbol], position.qty
    move(position, order.side, qty)
    money = price * qty * instrument.money_factor
    money_of.pay(state, account, instrument.currency, -money if order.side is Side.BUY else money)
    if account.margin != "cash":
        daily.moved(state, account, instrument, had, position.qty, price)
    if state.reducing:
        moved_position(state, order.account, order.symbol)
    if account.exposed:
        owned(state, account, order.symbol, position, qty if order.side is Side.BUY else -qty)


def moved_position(state: State, account: str, symbol: str) -> None:
    """The position is another one: orders that must not increase it are looked at."""
    if (account, symbol) in state.reducing:
        state.agenda[REDUCE, (account, symbol)] = None


def note_reducing(state: State, order: Order) -> None:
    """Whether the order works, and must not increase the position."""
    key = order.account, order.symbol
    if order.working and order.has(ExecInst.DO_NOT_INCREASE):
        state.reducing.setdefault(key, {})[order.order_id] = None
    elif key in state.reducing:
        state.reducing[key].pop(order.order_id, None)
        if not state.reducing[key]:
            del state.reducing[key]


def move(position: Position, side: Side, qty: int) -> None:
    """Buy or sell `qty` (a negative one is taken back)."""
    if side is Side.BUY:
        position.qty += qty
        position.bought += qty
    else:
        position.qty -= qty
        position.sold += qty


def expose(state: State, order: Order, qty: int, price: int) -> None:
    """Change what the order's account has open by `qty` at the order's risk price, and what that takes."""
    _expose(state, order, qty, qty * price)


def _expose(state: State, order: Order, qty: int, notional: int) -> None:
    instrument = state.instruments[order.symbol]
    account, position = holding(state, order)
    if order.side is Side.BUY:
        position.open_buy_qty += qty
        position.open_buy_notional += notional
    else:
        position.open_sell_qty += qty
        position.open_sell_notional += notional
    if account.exposed:
        opened(account, order.symbol, order.side, qty, notional * state.factors[order.symbol])
    reload(state, account, position, instrument)


def reserve(state: State, order: Order, asked: Pending) -> Pending:
    """What a replace would add is open from now on, beyond what others of the order have reserved."""
    if asked.request is Request.REPLACE:
        qty, notional = order.reserved
        left = max(0, asked.qty - order.cum)
        asked.reserved_qty = max(0, left - order.leaves - qty)
        asked.reserved_notional = max(0, left * asked.risk_price - order.leaves * order.risk_price - notional)
        _expose(state, order, asked.reserved_qty, asked.reserved_notional)
    return asked


def free(state: State, order: Order, asked: Pending) -> None:
    """The request is answered, or has its turn: what it had reserved is free."""
    if asked.reserved_qty or asked.reserved_notional:
        _expose(state, order, -asked.reserved_qty, -asked.reserved_notional)
        asked.reserved_qty = asked.reserved_notional = 0


def moved_open(state: State, order: Order, leaves: int, price: int) -> None:
    """What is open of the order is what it says now; it was `leaves`, valued at `price`."""
    _expose(state, order, order.leaves - leaves, order.leaves * order.risk_price - leaves * price)


def revalue(state: State, order: Order, risk_price: int) -> None:
    """Value what is open of the order at another price."""
    expose(state, order, -order.leaves, order.risk_price)
    order.risk_price = risk_price
    expose(state, order, order.leaves, risk_price)


def expose_new(state: State, order: Order) -> None:
    """What `expose` does for an order that has just come. With nothing held it takes just its notional."""
    account, position = holding(state, order)
    if position.qty or account.margin != "cash":
        expose(state, order, order.qty, order.risk_price)
        return
    notional = order.qty * order.risk_price
    if order.side is Side.BUY:
        position.open_buy_qty += order.qty
        position.open_buy_notional += notional
    else:
        position.open_sell_qty += order.qty
        position.open_sell_notional += notional
    money = notional * state.factors[order.symbol]
    position.load += money
    account.load += money
    if account.exposed:
        opened(account, order.symbol, order.side, order.qty, money)


def count(
    state: State,
    order: Order,
    at: int,
    qty: int,
    notional: int,
    content: tuple[str, str, str, int, int, int] | None = None,
) -> None:
    """An order, or what a replace adds to it, was accepted: it counts towards the limits of what is accepted lately.
    `notional` is price x quantity."""
    account = state.accounts[order.account]
    bounds = bounds_of(state.clients[order.client], account, order.symbol)
    if bounds or account.same_window:
        instrument = state.instruments[order.symbol]
        units = qty * 10 ** (MONEY_DIGITS - instrument.qty_digits)
        accepted(account, bounds, at, units, notional * state.factors[order.symbol], content)


def reload(state: State, account: Account, position: Position, instrument: Instrument) -> None:
    if account.margin != "cash":
        needs.reload(state, account, position, instrument)
    else:
        load = risk.load(position, risk.reference(state, instrument), state.factors[instrument.symbol])
        account.load += load - position.load
        position.load = load
    weigh(state, account)


def weigh(state: State, account: Account) -> None:
    """The account may stand otherwise: then it is reviewed."""
    if account.is_watched and stands_otherwise(state, account):
        state.agenda[REVIEW, account.account] = None


def reload_all(state: State, account: Account) -> None:
    """Say again what all positions of an account take, or need as margin."""
    needs.forget(account)
    for symbol, position in account.positions.items():
        reload(state, account, position, state.instruments[symbol])


def value_again(state: State, symbol: str) -> None:
    """What all that have some of a symbol have and need is told in another way."""
    for name in state.holders.get(symbol, {}):
        arrange(state, name)
        reload_all(state, state.accounts[name])


def holding(state: State, order: Order) -> tuple[Account, Position]:
    account = state.accounts[order.account]
    position = account.positions.get(order.symbol)
    if position is None:
        position = account.positions[order.symbol] = Position()
        state.holders.setdefault(order.symbol, {})[order.account] = None
    return account, position


def end(state: State, order: Order, status: OrdStatus) -> None:
    unbook(state, order)
    hold(state, order, 0, None)
    leaves = order.leaves
    if order.pending is not None:
        free(state, order, order.pending)
    order.canceled, order.ended, order.pending = leaves, status, None
    expose(state, order, -leaves, order.risk_price)
    finished(state, order)


def finished(state: State, order: Order) -> None:
    if order.ended is None and order.pending is not None and order.pending.cl_ord_id:
        # It is filled, but the client's request has no answer yet: it may live on.
        return
    order.done = state.last_id
    state.clients[order.client].drop(order)
    if state.reducing:
        note_reducing(state, order)
    if order.client in state.makers:
        _ended(state, order)
    if order.own_quote is not None:
        quoters.is_over(state.quoters, order)
    if order.order_id in state.watching[order.symbol]:
        del state.watching[order.symbol][order.order_id]
        if follows_market(order.ord_type, order.instructions):
            state.clients[order.client].following -= 1
    if state.overdue:
        state.overdue.pop(order.order_id, None)
    if state.unkilled:
        state.unkilled.pop(order.order_id, None)
    if order.instructions is not None:
        state.expiries.pop((order.instructions.expire_at, order.order_id), None)
    if order.pending is not None and not order.pending.cl_ord_id:
        # Nobody waits for an answer: it was an operator's cancel, or the end of the day.
        order.pending = None
    if order.queue:
        next_request(state, order)


def _ended(state: State, order: Order) -> None:
    """A quote or a hedge of a market maker is over: it looks at what to do now."""
    hedge = state.makers[order.client].hedges.get(order.symbol)
    if hedge is not None and hedge.order_id == order.order_id:
        hedge.order_id, hedge.failed = 0, 0 if order.cum else hedge.failed + 1
    state.agenda[REQUOTE, (order.client, order.symbol)] = None


def echo(state: State, child: Child, at: int) -> None:
    """An exchange is about to have less of a market maker's order than now, or not at this price: its market data may
    not have told so yet."""
    making = state.makers.get(state.orders[child.order_id].client)
    desk = making.desks.get(child.symbol) if making is not None else None
    if desk is None:
        return
    echoes, level = desk.echoes, (child.venue, child.side, child.price)
    until, had = echoes.pop(level, (0, 0))
    echoes[level] = at + ECHO, max(child.leaves, had) if at < until else child.leaves
    while next(iter(echoes.values()))[0] <= at:
        del echoes[next(iter(echoes))]


def answered(state: State, order: Order) -> None:
    """A request about an order has its answer: a market maker looks at what it wants now."""
    if order.client in state.makers:
        state.agenda[REQUOTE, (order.client, order.symbol)] = None


def refused(state: State, child: Child, at: int) -> None:
    """An exchange has refused a request about a market maker's quote: it is not asked at once again."""
    order = state.orders[child.order_id]
    making = state.makers.get(order.client)
    desk = making.desks.get(child.symbol) if making is not None else None
    if desk is not None and order.cl_ord_id in desk.slots:
        desk.refused[order.cl_ord_id] = at


def unbook(state: State, order: Order) -> None:
    if order.in_book:
        state.books[order.symbol].remove(order.order_id)
        order.in_book = 0
        moved(state, order.symbol)


def hold(state: State, order: Order, qty: int, why: Hold | None) -> None:
    """Have `qty` of the order with us, for this reason. A stop is filed where the market finds it."""
    if order.hold is Hold.STOP:
        state.stops[order.symbol].remove(order.order_id)
    order.held, order.hold = qty, why if qty else None
    if order.hold in (Hold.AUCTION, Hold.ICEBERG):
        follow(state, order)
    if order.hold is Hold.STOP:
        # The stop that the market reaches first stands first: a buy's is the lowest, a sell's the highest.
        state.stops[order.symbol].add(order.order_id, order.side.opposite, order.stop_px, qty)
        # The market may be there already.
        state.agenda[MARKET_MOVED, order.symbol] = None


def watch(state: State, order: Order) -> None:
    """Look after an order that does something when the market moves or a time comes."""
    asked = order.instructions
    if asked is None:
        return
    if asked.expire_at:
        state.expiries[(asked.expire_at, order.order_id)] = None
    if ExecInst.DO_NOT_INCREASE in asked.exec_inst:
        note_reducing(state, order)
    if order.time_in_force in AT_AUCTION or follows_market(order.ord_type, asked):
        follow(state, order)


def follow(state: State, order: Order) -> None:
    """The order is looked at whenever the market moves."""
    watching = state.watching[order.symbol]
    if order.order_id not in watching:
        watching[order.order_id] = None
        if follows_market(order.ord_type, order.instructions):
            state.clients[order.client].following += 1


def moved(state: State, symbol: str) -> None:
    """Our own book or last price has changed: subscribers are told, and what waits for the market gets a look."""
    state.market.changed(symbol)
    if state.watching[symbol] or state.stops[symbol].entries:
        state.agenda[MARKET_MOVED, symbol] = None


def next_request(state: State, order: Order) -> None:
    """A request that waited has its turn once nothing is pending."""
    if order.queue and order.pending is None:
        state.agenda[NEXT_REQUEST, order.order_id] = None


def rename(state: State, order: Order, cl_ord_id: str) -> None:
    """The order goes by the request's ClOrdID from now on; the old ones still find it."""
    if cl_ord_id != order.cl_ord_id:
        order.orig_cl_ord_id, order.cl_ord_id = order.cl_ord_id, cl_ord_id
    state.clients[order.client].requests[cl_ord_id] = order


def close(state: State, child: Child, status: OrdStatus) -> None:
    child.status, child.request, child.request_id = status, None, 0
    heard(state, child)
    state.market.landed(child.child_id)
    state.open_children[child.venue].pop(child.child_id, None)
    order = state.orders[child.order_id]
    # Most orders have one.
    order.children = () if len(order.children) == 1 else tuple(one for one in order.children if one is not child)
    if order.done and not order.children:
        order.done = state.last_id
    if status is OrdStatus.REJECTED and child.venue not in order.shunned:
        order.shunned = (*order.shunned, child.venue)


def reopen(state: State, child: Child) -> None:
    """A child that had ended is worked again."""
    child.status = OrdStatus.PARTIALLY_FILLED
    child.seen = state.links[child.venue].lost
    # In the order of their numbers, as a kept state has them.
    held = state.open_children[child.venue]
    held[child.child_id] = child
    state.open_children[child.venue] = dict(sorted(held.items()))
    order = state.orders[child.order_id]
    order.children = tuple(sorted((*order.children, child), key=lambda one: one.child_id))


def await_answer(state: State, child: Child, at: int) -> None:
    """Something was sent: an order or a request."""
    link = state.links[child.venue]
    heard(state, child)
    link.awaited[child.child_id] = at
    child.numbering = link.anew


def asked(state: State, child: Child, at: int) -> None:
    """The exchange is asked about the child, and will be again, with growing pauses, until it has told."""
    link = state.links[child.venue]
    link.awaited.pop(child.child_id, None)
    if child.asks:
        link.asked.pop((child.ask_at, child.child_id), None)
    if not child.open:
        child.asks = 0
        return
    child.ask_at = at + min(2**child.asks * FIRST_PAUSE, LONGEST_PAUSE)
    child.asks += 1
    link.asked[(child.ask_at, child.child_id)] = None


def heard(state: State, child: Child) -> None:
    """The exchange owes no answer any more."""
    link = state.links[child.venue]
    link.awaited.pop(child.child_id, None)
    if child.asks:
        link.asked.pop((child.ask_at, child.child_id), None)
        child.asks = 0
