"""Orders that are worked over time: how much of one should be at work by now, and the slices that make it so.

What is not at work yet is with us (`Hold.ALGORITHM`). A slice is placed like any order, to be filled at once or, of a
passive one, at the best price of its own side first; what of it finds no place, or comes back, is with us again.
"""

import msgspec

from brokerfix.domain import (
    ExecInst,
    Hold,
    Instructions,
    Instrument,
    OrdType,
    Reject,
    RestatementReason,
    Strategy,
    TimeInForce,
)
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.ending import cancel
from brokerfix.engine.orders.order import Order
from brokerfix.engine.orders.work import work
from brokerfix.engine.risk.checks import check_again, worst_price
from brokerfix.engine.routing.schedules import participation, shortfall, twap, vwap
from brokerfix.engine.state import State
from brokerfix.engine.step import Step
from brokerfix.facts import (
    ChildCancelSent,
    Fact,
    OrderBooked,
    OrderHeld,
    OrderRestated,
    OrderRouted,
    OrderWorked,
    Trade,
)

SHARE = 10_000
PERCENT_TOLD = 10
"""The client is told of each so many percent."""
OVER = "ALGORITHM: its time is over"


def begin(state: State, order: Order, step: Step) -> None:
    """Put on record what the market has traded before an order that is worked at once."""
    strategy = strategy_of(order)
    if strategy is not None and strategy.start <= step.at:
        step.emit(OrderWorked, order_id=order.order_id, due=0, done=0, traded=_volume(state, order.symbol))


def work_slice(state: State, order: Order, step: Step) -> None:
    """Place what is due of an order, if anything is, and tell how far it is."""
    strategy = strategy_of(order)
    assert strategy is not None
    at = step.at
    if at >= strategy.end + strategy.interval and _is_over(state, order):
        return cancel(order, "", step, text=OVER)
    if at < strategy.start or order.paused or order.has(ExecInst.SUSPEND):
        return
    if at - order.worked_at < strategy.interval and not (at >= strategy.end > order.worked_at):
        return
    if strategy.passive and call_back(order, step, strategy.interval):
        return
    traded = _traded(state, order)
    due = _due(state, order, strategy, at, traded)
    done = order.qty - order.held
    percent = order.cum * 100 // order.qty // PERCENT_TOLD * PERCENT_TOLD
    told = percent if percent > order.progress else 0
    if due and _is_in_reach(state, order, strategy):
        valued_at, refused = _weighed(state, order, at)
        if refused is not None:
            return cancel(order, "", step, RestatementReason.BROKER_OPTION, refused.text)
        tried = step.fork()
        tried.emit(
            OrderWorked, order_id=order.order_id, due=due, done=done + due, traded=traded, percent=told,
            risk_price=valued_at,
        )  # fmt: skip
        _place(state, order, strategy, due, tried)
        if tried.has(Trade, OrderRouted, OrderBooked, OrderRestated):
            return step.join(tried)
    # The first look is on record in any case: what trades is counted from it. So is a slice that is missed and that the
    # later ones make up for.
    if told or not order.worked_at or (due and not strategy.catch_up):
        step.emit(OrderWorked, order_id=order.order_id, due=due, done=done, traded=traded, percent=told)


def _is_in_reach(state: State, order: Order, strategy: Strategy) -> bool:
    """Whether something might be had within the order's limit, looked at quickly: it is at every move of the market."""
    if strategy.passive or order.works_as is not OrdType.LIMIT:
        return True
    theirs = state.market.best(order.symbol, order.side.opposite)
    ours = state.books[order.symbol].best(order.side.opposite)
    return any(there is not None and at_least_as_good(order.side, there, order.price) for there in (ours, theirs))


def _weighed(state: State, order: Order, at: int) -> tuple[int, Reject | None]:
    """What risk values a market order at now, if that is more than when it was accepted (0: it is not), and why it may
    not go on at that."""
    if order.works_as is OrdType.LIMIT:
        return 0, None
    valued_at = worst_price(state, order)
    if valued_at <= order.risk_price:
        return 0, None
    return valued_at, check_again(state, order, order.price, valued_at, at)


def strategy_of(order: Order) -> Strategy | None:
    """How the order is worked over time (None: it is not)."""
    strategy = order.instructions.strategy if order.instructions is not None else None
    return strategy if strategy is not None and strategy.name else None


def _traded(state: State, order: Order) -> int:
    """What the market had traded on the day, when the order began to be worked, which its first slice tells; on a later
    day all counts."""
    if order.renewed:
        return 0
    return order.traded if order.worked_at else _volume(state, order.symbol)


def scheduled(state: State, order: Order, strategy: Strategy, at: int, traded: int) -> int:
    """How much of the order should have been at work by a time (ns), as its schedule has it."""
    if at >= strategy.end and strategy.name != "pov":
        return order.qty
    if strategy.name == "pov":
        return min(order.qty, _share(state, order, strategy, traded))
    terms = order.qty, strategy.start, strategy.end, at
    if strategy.name == "vwap" and order.symbol in state.profiles:
        bucket, weights = state.profiles[order.symbol]
        return vwap(*terms, weights, bucket)
    if strategy.name == "is":
        return shortfall(*terms, strategy.urgency / SHARE)
    return twap(*terms)


def _share(state: State, order: Order, strategy: Strategy, traded: int) -> int:
    """How much of the order its share of the market's volume lets be at work, beside what is filled of earlier days."""
    since = max(0, _volume(state, order.symbol) - traded)
    return order.prior_cum + participation(strategy.rate, since)


def _volume(state: State, symbol: str) -> int:
    totals = state.market.totals.get(symbol)
    return totals.volume if totals is not None else 0


def _due(state: State, order: Order, strategy: Strategy, at: int, traded: int) -> int:
    """What is to be placed now, in lots but for the last."""
    done, instrument = order.qty - order.held, state.instruments[order.symbol]
    target = scheduled(state, order, strategy, at, traded)
    due = target - done
    if not strategy.catch_up and order.worked_at and at < strategy.end and strategy.name != "pov":
        # What could not be had is spread over the rest of the time.
        before = scheduled(state, order, strategy, max(order.worked_at, strategy.start), traded)
        rest = order.qty - before
        due = order.held * (target - before) // rest if rest else order.held
    if strategy.rate and strategy.name != "pov":
        due = min(due, _share(state, order, strategy, traded) - done)
    due = max(0, min(due, order.held))
    return due if due == order.held else due // instrument.lot * instrument.lot


def call_back(order: Order, step: Step, interval: int = 0) -> bool:
    """What is queued comes back, asked for once an `interval` (ns). Returns whether something of the order is at
    exchanges.
    """
    for child in order.children:
        is_asked = child.asked_at and step.at - child.asked_at < interval
        if child.request is None and child.time_in_force is not TimeInForce.IOC and not is_asked:
            step.emit(ChildCancelSent, child.child_id)
    return any(child.open for child in order.children)


def _is_over(state: State, order: Order) -> bool:
    """Whether nothing of the order is at work, though there is somewhere to go: while all exchanges are away, as after
    a restart, it waits."""
    there = not state.venues or any(state.venue_quotes(venue, order.symbol) for venue in state.venues)
    return there and not order.at_venues and not order.in_book


def _place(state: State, order: Order, strategy: Strategy, due: int, step: Step) -> None:
    """Place so much of what is with us. What of it has no place stays with us."""
    instrument = state.instruments[order.symbol]
    kept = order.held - due
    asked = order.instructions or Instructions()
    one = msgspec.structs.replace(
        order,
        held=0,
        hold=Hold.ALGORITHM,
        instructions=msgspec.structs.replace(asked, strategy=Strategy(mode=strategy.mode)),
        time_in_force=TimeInForce.IOC,
        # A slice begins anew, wherever the ones before have been refused.
        tries=0,
        visited=(),
        shunned=(),
    )
    price = (
        _own_best(state, order, instrument)
        if strategy.passive and not _is_behind(state, order, strategy, step.at)
        else 0
    )
    if price:
        one.ord_type, one.price, one.time_in_force = OrdType.LIMIT, price, TimeInForce.DAY
    work(state, one, due, step, others_open=True, held=due, kept=kept, take=not price)
    left = due - sum(_gone(order, fact) for fact in step.facts)
    if left:
        step.emit(OrderHeld, order.order_id, kept + left, Hold.ALGORITHM)


def _gone(order: Order, fact: Fact) -> int:
    """How much of a slice a fact has placed, or taken off the order because it must not trade with another one."""
    if isinstance(fact, OrderRestated):
        return order.qty - fact.qty if fact.order_id == order.order_id else 0
    if isinstance(fact, Trade):
        return fact.qty if fact.taker_order_id == order.order_id else 0
    return fact.qty if isinstance(fact, OrderRouted | OrderBooked) and fact.order_id == order.order_id else 0


def _is_behind(state: State, order: Order, strategy: Strategy, at: int) -> bool:
    """Whether a slice before has not been filled in time."""
    if at >= strategy.end:
        return True
    before = scheduled(state, order, strategy, max(strategy.start, at - strategy.interval), order.traded)
    return before > order.qty - order.held + state.instruments[order.symbol].lot


def _own_best(state: State, order: Order, instrument: Instrument) -> int:
    """Where a passive slice is queued; 0 where it can't be."""
    best = state.market.best(order.symbol, order.side)
    if best is None or not state.venues or instrument.post != "venue":
        return 0
    if order.works_as is OrdType.LIMIT and not at_least_as_good(order.side, best, order.price):
        return order.price
    return best
