"""Orders that ask for more than type, quantity and price: which of it is a feature that an exchange may have, what
can't be asked together, what holds an order back, and the prices of pegs and stops."""

from brokerfix.domain import (
    AT_AUCTION,
    CALLS,
    IMMEDIATE,
    PEGS,
    ExecInst,
    Hold,
    Instructions,
    Instrument,
    OrdRejReason,
    OrdType,
    Phase,
    Reject,
    Side,
    TimeInForce,
    to_text,
)
from brokerfix.engine.matching.book import at_least_as_good
from brokerfix.engine.orders.order import Order
from brokerfix.engine.routing.costs import fee_of_unit, unit_of
from brokerfix.engine.state import State

NONE = Instructions()
PLAIN = (OrdType.MARKET, OrdType.LIMIT)
PAUSES = {ExecInst.SUSPEND, ExecInst.RELEASE, ExecInst.KEEP, ExecInst.CANCEL_ON_LOSS, ExecInst.CANCEL_ON_HALT}
STOPS = (OrdType.STOP, OrdType.STOP_LIMIT)
ADDED = ("iceberg", "post-only", "gtd")
"""Features of an order's resting part only: an order with no others is taken and posted like any limit order."""


def features(ord_type: OrdType, time_in_force: TimeInForce, asked: Instructions) -> list[str]:
    """What an exchange must support to work the order as it is."""
    insts = asked.exec_inst
    trails = ExecInst.TRAILING_STOP in insts
    return [
        feature
        for feature, wanted in (
            ("stop", ord_type is OrdType.STOP and not trails),
            ("stop-limit", ord_type is OrdType.STOP_LIMIT and not trails),
            ("trailing-stop", trails),
            ("market-to-limit", ord_type is OrdType.MARKET_TO_LIMIT),
            ("pegged", ord_type is OrdType.PEGGED and not trails),
            ("iceberg", asked.max_floor > 0),
            ("min-qty", asked.min_qty > 0),
            ("all-or-none", ExecInst.ALL_OR_NONE in insts),
            ("post-only", ExecInst.POST_ONLY in insts),
            ("opening", time_in_force is TimeInForce.OPENING),
            ("closing", time_in_force is TimeInForce.CLOSING),
            ("gtd", time_in_force is TimeInForce.GTD),
        )
        if wanted
    ]


def is_stop(order: Order) -> bool:
    return order.ord_type in STOPS or order.has(ExecInst.TRAILING_STOP)


def needs(order: Order) -> list[str]:
    """The features that the order needs of the exchange that works it, now that some holds may be behind it."""
    asked = order.instructions or NONE
    wanted = features(order.ord_type, order.time_in_force, asked)
    if Hold.STOP in order.passed:
        wanted = [feature for feature in wanted if feature not in ("stop", "stop-limit", "trailing-stop")]
    if Hold.AUCTION in order.passed:
        wanted = [feature for feature in wanted if feature not in ("opening", "closing")]
    if order.cum >= asked.min_qty and "min-qty" in wanted:
        wanted.remove("min-qty")
    return wanted


def refusal(
    instrument: Instrument, ord_type: OrdType, time_in_force: TimeInForce, qty: int, asked: Instructions
) -> Reject | None:
    """Why these can't be asked for together, or None."""
    insts = asked.exec_inst
    pegs = [inst for inst in insts if inst in PEGS]
    trails = ExecInst.TRAILING_STOP in insts
    tick, lot = instrument.tick, instrument.lot
    immediate = time_in_force in IMMEDIATE
    limited = ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT, OrdType.PEGGED) and not trails
    total, shown, least = (to_text(value, instrument.qty_digits) for value in (qty, asked.max_floor, asked.min_qty))
    dated = bool(asked.expire_at or asked.expire_day)
    algorithm = asked.strategy.name if asked.strategy is not None else ""
    insts_bar = bool(asked.max_floor or asked.min_qty or asked.stop_px or set(insts) - PAUSES or asked.manual)
    all_or_none, post_only = ExecInst.ALL_OR_NONE in insts, ExecInst.POST_ONLY in insts
    for wrong, *why in (
        (ord_type is OrdType.PEGGED and not trails and len(pegs) != 1, "PEG", "ExecInst must have one of R, P, M or a"),
        (ord_type is not OrdType.PEGGED and pegs, "PEG", "ExecInst R, P and M need OrdType P"),
        (trails and ord_type not in (OrdType.STOP, OrdType.PEGGED), "TRAILING_STOP", "needs OrdType 3 or P"),
        (trails and not asked.peg_offset, "TRAILING_STOP", "PegOffsetValue must not be 0"),
        (asked.peg_offset and ord_type is not OrdType.PEGGED and not trails, "PEG", "PegOffsetValue needs a peg"),
        (asked.peg_offset % tick, "TICK", "PegOffsetValue must be a multiple of the tick"),
        (asked.stop_px and ord_type not in STOPS and not trails, "STOP", "StopPx needs OrdType 3 or 4"),
        (asked.stop_px < 0 or asked.stop_px % tick, "TICK", "StopPx must be above 0 and a multiple of the tick"),
        (ord_type in STOPS and not asked.stop_px and not trails, "STOP", "StopPx must be above 0"),
        (asked.limit < 0 or asked.limit % tick, "TICK", "Price must be above 0 and a multiple of the tick"),
        (ord_type is OrdType.PEGGED and immediate, "PEG", "not with IOC or FOK"),
        (asked.max_floor < 0 or asked.max_floor % lot, "MAX_FLOOR", "", "a multiple of the lot", shown),
        (asked.max_floor > qty, "MAX_FLOOR", "", total, shown),
        (asked.max_floor and (immediate or not limited), "MAX_FLOOR", "needs a limit that rests"),
        (asked.min_qty < 0 or asked.min_qty > qty, "MIN_QTY", "", total, least),
        (all_or_none and (asked.max_floor or asked.min_qty), "ALL_OR_NONE", "not with MaxFloor or MinQty"),
        (post_only and (immediate or not limited), "POST_ONLY", "needs a limit that rests"),
        (post_only and ExecInst.MARKET_PEG in pegs, "POST_ONLY", "not with a market peg"),
        (asked.max_floor and asked.min_qty, "MIN_QTY", "not with MaxFloor"),
        (time_in_force is TimeInForce.GTD and not dated, "GTD", "needs a date or a time"),
        (
            bool(algorithm) and (ord_type not in PLAIN or insts_bar),
            "STRATEGY",
            "a plain market or limit order, not with " + "other instructions",
        ),
        (bool(algorithm) and (immediate or time_in_force in AT_AUCTION), "STRATEGY", "not with IOC, FOK or an auction"),
        (time_in_force is not TimeInForce.GTD and dated, "GTD", "a date needs TimeInForce 6"),
        (
            time_in_force in AT_AUCTION and (pegs or trails or ord_type in STOPS),
            "AUCTION",
            "only market and limit orders",
        ),
    ):
        if wrong:
            return Reject(OrdRejReason.OTHER, *why)  # type: ignore[arg-type]
    return None


def not_now(state: State, instrument: Instrument, order: Order, at: int) -> Reject | None:
    """Why an order can't be taken as the market stands, or None."""
    asked = order.instructions or NONE
    symbol = instrument.symbol
    if 0 < asked.expire_at <= at or 0 < asked.expire_day < state.day:
        return Reject(OrdRejReason.OTHER, "GTD", "the date is in the past")
    if order.time_in_force in AT_AUCTION and symbol not in state.phases and not natively(state, order):
        return Reject(OrdRejReason.UNSUPPORTED, "AUCTION", f"{symbol} has no opening and closing here")
    if (
        order.time_in_force is TimeInForce.OPENING
        and state.phase(symbol) not in BEFORE_OPENING
        and not natively(state, order)
    ):
        return Reject(OrdRejReason.EXCHANGE_CLOSED, "AUCTION", f"the opening of {symbol} is over")
    if asked.strategy is not None and asked.strategy.name and asked.strategy.end <= at:
        return Reject(OrdRejReason.OTHER, "STRATEGY", "its end is in the past")
    if order.has(ExecInst.POST_ONLY) and order.ord_type is OrdType.LIMIT and would_take(state, order, order.price):
        return Reject(OrdRejReason.BROKER_OPTION, "POST_ONLY", "it would take at its price")
    if order.has(ExecInst.TRAILING_STOP) and not order.stop_px:
        return Reject(OrdRejReason.BROKER_OPTION, "NO_PRICE", f"{symbol} has no price to trail from")
    return None


BEFORE_OPENING = (Phase.CLOSED, Phase.PRE_OPEN, Phase.OPENING_AUCTION)


def natively(state: State, order: Order, avoid: str = "") -> str:
    """The exchange that works the order with all it asks for: the one it names, else that with the lowest maker fee of
    those that support it. '' if there is none."""
    wanted = needs(order)
    found = [
        venue
        for venue in state.venues.values()
        if venue.venue != avoid
        and order.ex_destination in ("", venue.venue)
        and all(feature in venue.supports for feature in wanted)
        and state.venue_quotes(venue.venue, order.symbol)
    ]
    worth = order.price * unit_of(state.instruments[order.symbol])
    return min(found, key=lambda venue: fee_of_unit(state.terms_of(venue.venue), worth, True)).venue if found else ""


def next_hold(state: State, order: Order) -> Hold | None:
    """What holds the order back with us, if no exchange does that itself."""
    asked = order.instructions or NONE
    if asked.manual and Hold.MANUAL not in order.passed:
        return Hold.MANUAL
    if is_stop(order) and Hold.STOP not in order.passed:
        return Hold.STOP
    return Hold.AUCTION if waits_for_auction(state, order) else None


def waits_for_auction(state: State, order: Order) -> bool:
    """Whether the order has to wait with us in the phase that its instrument is in. In our own book limit orders are
    collected in a call phase, while market orders wait for the auction's price; where there are exchanges all wait,
    but for the closing auction, which is theirs."""
    phase, time_in_force = state.phase(order.symbol), order.time_in_force
    limited = order.works_as is OrdType.LIMIT
    if time_in_force is TimeInForce.CLOSING:
        return phase is not Phase.CLOSING_AUCTION or not (state.venues or limited)
    if state.venues:
        return phase in BEFORE_OPENING
    if limited:
        return phase is Phase.CLOSED and time_in_force is TimeInForce.OPENING
    return phase in CALLS


def is_collecting(state: State, symbol: str) -> bool:
    """Whether orders wait for an auction. A closing auction is the exchanges' own, if there are any."""
    phase = state.phase(symbol)
    return phase in (BEFORE_OPENING if state.venues else CALLS)


def best(state: State, order: Order, side: Side) -> int | None:
    """The best price of a side in our book and at the exchanges, without pegs and what the order itself shows."""
    ours = state.books[order.symbol].best_anchor(side, order.order_id)
    return _better(side, ours, _best_elsewhere(state, order, side))


def _best_elsewhere(state: State, order: Order, side: Side) -> int | None:
    if not order.children or order.side is not side:
        return state.market.best(order.symbol, side)
    mine = {(child.venue, side, child.price): child.leaves for child in order.children}
    quotes = state.market.walk(order.symbol, side)
    return next((quote.price for quote in quotes if quote.qty > mine.get(quote.key, 0)), None)


def _better(side: Side, ours: int | None, theirs: int | None) -> int | None:
    if ours is None or theirs is None:
        return ours if theirs is None else theirs
    return ours if at_least_as_good(side.opposite, ours, theirs) else theirs


class Anchors:
    """What pegs of a symbol go by, for a look at many of them: the best prices in our own book, found once."""

    def __init__(self, state: State, symbol: str) -> None:
        book, market = state.books[symbol], state.market
        self.ours = {side: book.best_anchor(side) for side in Side}
        self.all = {side: _better(side, self.ours[side], market.best(symbol, side)) for side in Side}

    def best(self, state: State, order: Order, side: Side) -> int | None:
        """As `best` for a pegged order."""
        if not order.children or order.side is not side:
            return self.all[side]
        return _better(side, self.ours[side], _best_elsewhere(state, order, side))


def peg_price(state: State, order: Order, anchors: Anchors | None = None) -> int:
    """Where a pegged order should stand now, never beyond its limit; 0 while there is nothing to peg to."""
    asked = order.instructions or NONE
    instrument = state.instruments[order.symbol]
    anchors = anchors or Anchors(state, order.symbol)
    same, other = (anchors.best(state, order, side) for side in (order.side, order.side.opposite))
    if ExecInst.PRIMARY_PEG in asked.exec_inst:
        base = same
    elif ExecInst.MARKET_PEG in asked.exec_inst:
        base = other
    elif same is None or other is None:
        base = None
    else:
        # The middle, on the tick that is the less aggressive.
        up = -1 if order.side is Side.SELL else 1
        base = up * (up * (same + other) // 2 // instrument.tick) * instrument.tick
    if base is None:
        return 0
    price = base + asked.peg_offset
    if asked.limit:
        price = min(price, asked.limit) if order.side is Side.BUY else max(price, asked.limit)
    return max(price, instrument.tick)


def trail_from(state: State, instrument: Instrument) -> int:
    """The price that trailing stops follow: the last trade, before the first one the mark."""
    last = state.market.last.get(instrument.symbol)
    return last[0] if last is not None else state.marks.get(instrument.symbol) or instrument.reference


def first_stop(state: State, instrument: Instrument, side: Side, asked: Instructions) -> int:
    """Where a trailing stop begins that names no StopPx; 0 without a price to trail from."""
    last, distance = trail_from(state, instrument), abs(asked.peg_offset)
    if not last:
        return 0
    return last + distance if side is Side.BUY else max(instrument.tick, last - distance)


def trailing_stop(state: State, order: Order) -> int:
    """Where a trailing stop should be: its distance from the last price, and never further away than it was."""
    asked = order.instructions or NONE
    instrument = state.instruments[order.symbol]
    last, distance = trail_from(state, instrument), abs(asked.peg_offset)
    if not last:
        return order.stop_px
    if order.side is Side.SELL:
        return max(order.stop_px, last - distance, instrument.tick)
    return min(order.stop_px, last + distance)


def stop_reached(state: State, symbol: str, side: Side, stop_px: int) -> bool:
    """Whether the market has reached a stop: the last trade, or the quote that the order would trade with."""
    if state.instruments[symbol].trigger == "last":
        last = state.market.last.get(symbol)
        return last is not None and at_least_as_good(side.opposite, last[0], stop_px)
    ours, theirs = state.books[symbol].best(side.opposite), state.market.best(symbol, side.opposite)
    best = [price for price in (ours, theirs) if price is not None]
    # Both must be as far: the nearer one is what the order would trade with.
    return bool(best) and all(at_least_as_good(side.opposite, price, stop_px) for price in best)


def would_take(state: State, order: Order, price: int) -> bool:
    """Whether an order at this price would trade at once."""
    side = order.side
    theirs = state.market.best(order.symbol, side.opposite)
    ours = state.books[order.symbol].best(side.opposite) if state.instruments[order.symbol].cross != "never" else None
    return any(at_least_as_good(side, there, price) for there in (ours, theirs) if there is not None)
