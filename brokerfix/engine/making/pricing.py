"""What a maker's model makes of the market and of what it has."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from brokerfix.domain import Calibration, Instrument, QuotedPrice, Quoting
from brokerfix.engine.charges import exchange_fee
from brokerfix.engine.making.desk import Desk, Making
from brokerfix.engine.making.models import avellaneda_stoikov, fixed, glft, pure, skews
from brokerfix.engine.making.models.terms import Inputs, Priced, Unusable
from brokerfix.engine.making.quotes import Centre
from brokerfix.engine.making.reference import Seen
from brokerfix.engine.market import Flow
from brokerfix.engine.state import State

SECOND = 10**9
SHARE = 10_000


class Answer(NamedTuple):
    """Where quotes are wanted, and what that was priced by."""

    centre: Centre
    priced: QuotedPrice


def price(state: State, making: Making, symbol: str, seen: Seen, at: int) -> Answer:
    """Price a maker's quotes of a symbol. Raises Unusable where the model has no answer."""
    desk, instrument = making.desks[symbol], state.instruments[symbol]
    position = position_of(state, making, symbol)
    target = target_of(state, making, desk, instrument, seen, position)
    known = state.calibrations.get(symbol)
    inputs = _inputs(making, instrument, desk, seen, position - target, known, at, state.market.flows)
    answer = _model(instrument, desk, seen, inputs, known)
    scale = 10.0**instrument.price_digits
    mid, besides = inputs.mid * scale, hedge_cost(state, desk, instrument, seen)
    bid = None if answer.bid is None else mid - answer.bid * scale - besides
    ask = None if answer.ask is None else mid + answer.ask * scale + besides
    if not all(math.isfinite(side) for side in (bid, ask) if side is not None):
        raise Unusable(f"the quotes: come out as {bid} and {ask}")
    sizes = (1.0, 1.0)
    if desk.quoting.skew_range:
        sizes = _skew(state, making, instrument, desk.quoting, seen, position)
    priced = QuotedPrice(
        position, seen.mid, _text(answer.fair), _text(answer.bid), _text(answer.ask), inputs.sigma, inputs.a, inputs.k
    )
    return Answer(Centre(bid, ask, *sizes), priced)


def _skew(
    state: State, making: Making, instrument: Instrument, quoting: Quoting, seen: Seen, position: int
) -> pure.Skew:
    """By what the sizes of bids and offers are multiplied, so that the position comes to its target."""
    if not quoting.target_share:
        return pure.quantity_skew(position, quoting.target, quoting.skew_range)
    cash, unit = state.accounts[making.maker.account].cash, seen.mid * state.factors[instrument.symbol] / 2
    return pure.inventory_skew(position, cash, unit, quoting.target_share / SHARE, quoting.skew_range)


def position_of(state: State, making: Making, symbol: str) -> int:
    """What the maker's account has of a symbol (scaled)."""
    position = state.accounts[making.maker.account].positions.get(symbol)
    return position.qty if position is not None else 0


def target_of(state: State, making: Making, desk: Desk, instrument: Instrument, seen: Seen, position: int) -> int:
    """The position that is wanted (scaled): a quantity, or a share of what the account has in cash and in the
    instrument together."""
    quoting = desk.quoting
    if not quoting.target_share or not seen.mid:
        return quoting.target
    unit = seen.mid * state.factors[instrument.symbol]
    worth = 2 * state.accounts[making.maker.account].cash + position * unit
    return worth * quoting.target_share // SHARE // unit


def _inputs(
    making: Making,
    instrument: Instrument,
    desk: Desk,
    seen: Seen,
    off: int,
    known: Calibration | None,
    at: int,
    flows: Mapping[str, Flow],
) -> Inputs:
    """The model's inputs in plain units; `off` is the position less its target. What was calibrated goes before the
    priors."""
    model, scale = desk.quoting.model, 10.0**instrument.price_digits
    sigma, a, k = (known.sigma, known.a, known.k) if known is not None else (model.sigma, model.a, model.k)
    remaining = model.horizon
    if not model.rolling and making.day_ends:
        remaining = max(0.0, min(remaining, (making.day_ends - at) / SECOND))
    mid = seen.mid / 2 / scale
    leans = model.microprice or model.imbalance or model.order_flow
    if leans and seen.bid is not None and seen.ask is not None:
        (bid, bid_qty), (ask, ask_qty) = seen.bid, seen.ask
        if bid < ask:
            bid_px, ask_px = bid / scale, ask / scale
            micro = skews.Signal(skews.microprice(bid_px, bid_qty, ask_px, ask_qty), model.microprice)
            queues = skews.Signal(skews.imbalance(bid_qty, ask_qty), model.imbalance)
            known_flow = flows.get(instrument.symbol)
            flow = skews.Signal(known_flow.by_depth if known_flow is not None else 0.0, model.order_flow)
            mid = skews.shift(mid, ask_px - bid_px, micro, queues, flow)
    return Inputs(mid, off / desk.quoting.qty, sigma, a, k, remaining, model.drift)


def _model(instrument: Instrument, desk: Desk, seen: Seen, inputs: Inputs, known: Calibration | None) -> Priced:
    """The model's answer. Raises Unusable."""
    quoting, model, scale = desk.quoting, desk.quoting.model, 10.0**instrument.price_digits
    if model.name == "avellaneda-stoikov":
        return avellaneda_stoikov.quote(inputs, model.gamma)
    if model.name == "glft":
        wanted = model.gamma, model.drift, glft.bound_of(quoting), model.horizon
        for table in known.tables if known is not None else ():
            if (table.gamma, table.drift, table.q_max, table.horizon) == wanted:
                return glft.exact(inputs, table)
        return glft.quote(inputs, model.gamma, _q_max(desk))
    mid = seen.mid // 2
    return fixed.quote(inputs, model.bid.at(mid) / scale, model.ask.at(mid) / scale, quoting.min_spread.at(mid) / scale)


def _q_max(desk: Desk) -> float:
    """Q: the bound of the position in units of the quote's size, the nearer of both."""
    quoting = desk.quoting
    most = min(quoting.most_long - quoting.target, quoting.target - quoting.most_short)
    if most <= 0:
        raise Unusable("most_long and most_short: the position's target must be between them")
    return most / quoting.qty


def hedge_cost(state: State, desk: Desk, instrument: Instrument, seen: Seen) -> float:
    """What of a hedge's cost each side of a quote bears (scaled, not rounded): a share of half the market's spread and
    of the lowest taker's fee of a unit."""
    hedge = desk.quoting.hedge
    if hedge is None or not hedge.share:
        return 0.0
    half = (seen.ask[0] - seen.bid[0]) / 2 if seen.ask is not None and seen.bid is not None else 0.0
    unit = 10**instrument.qty_digits
    price = seen.mid // 2
    worth = unit * price * instrument.money_factor
    fees = [
        exchange_fee(state.terms_of(venue), unit, instrument.qty_digits, worth)
        for venue in state.venues
        if state.venue_quotes(venue, instrument.symbol)
    ]
    fee: float = min(fees, default=0) / (unit * instrument.money_factor)
    share: float = hedge.share / SHARE
    return max(0.0, (max(0.0, half) + fee) * share)


def _text(number: float | None) -> str:
    """A model's number as evidence keeps it, "" for none."""
    return "" if number is None else f"{number:.9g}"
