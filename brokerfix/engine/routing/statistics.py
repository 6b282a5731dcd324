"""What exchanges have been like: learned from what became of our children there, as facts tell it, so that a replay
learns the same. Moving averages are exponentially weighted and integers.

An exchange that fails again and again is not routed to for a while (its circuit is open), then tried with one small
child (half-open), and routed to as before when that is answered (closed). (Circuit breaker: Nygard 2007, "Release It!")
"""

from collections.abc import Iterator
from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING

import msgspec

from brokerfix.domain import IMMEDIATE, Instrument, OrdStatus, Side, Venue

if TYPE_CHECKING:
    from brokerfix.engine.orders.order import Child
    from brokerfix.engine.state import State

WEIGHT = 16
"""A new value counts for one part in so many."""
SHARE = 10_000
"""Shares and ticks are in ten thousandths."""
SECOND = 10**9
HORIZONS = (SECOND, 10 * SECOND)
"""After how long a fill is compared with the mark."""
MOST_MARKOUTS = 400
"""Comparisons of a symbol's fills with a later mark that wait; more are not made."""
PROBE_TIME = 30 * SECOND
"""After which another child may try an exchange that has not answered the first."""
LONGEST_OPEN = 3600 * SECOND
VARIANCE_SCALE = 10**6
MONTH_DIGITS = 8


class VenueScore(msgspec.Struct, gc=False):
    """What an exchange has been like in a class of symbols. `sent` children; the time to their first answer (`ack`) and
    to a fill (ns); of quantity sent to be filled at once the share that was (`filled`), of children the share that was
    `rejected` or `canceled` unasked; the price `improvement` of fills, and what the mark was better than the fill after
    1 s and 10 s (`markouts`, in a buyer's favour above it), in ten thousandths of a price unit."""

    sent: int = 0
    ack: int = 5_000_000
    fill: int = 5_000_000
    filled: int = 9000
    rejected: int = 0
    canceled: int = 0
    improvement: int = 0
    markouts: tuple[int, int] = (0, 0)


class Circuit(msgspec.Struct, gc=False):
    """How often in a row an exchange has failed, until when (ns) it is not routed to, how often that was so without a
    success between, and the child with which it is tried, since when. `on_trial`: it is new or back, and gets small
    shares where others can have the rest."""

    failures: int = 0
    until: int = 0
    trips: int = 0
    probe: int = 0
    probed_at: int = 0
    on_trial: bool = False


class Markout(msgspec.Struct, gc=False):
    """A fill that is to be compared with a later mark."""

    key: str
    symbol: str
    side: Side
    price: int
    at: int
    horizon: int


class Volatility(msgspec.Struct, gc=False):
    """The variance of a symbol's mark in a second (price units squared, in millionths), and the last mark."""

    variance: int
    mark: int
    at: int


PRIOR = VenueScore()


def class_of(state: "State", symbol: str) -> str:
    """What exchanges are judged together for: the first group of symbols that it is in, "" for all in none."""
    return next((name for name, symbols in state.symbol_groups.items() if symbol in symbols), "")


def score_of(state: "State", venue: str, symbol: str) -> VenueScore:
    return state.scores.get(f"{venue}/{class_of(state, symbol)}", PRIOR)


def rank(state: "State", venue: str, symbol: str) -> tuple[int, int, str]:
    """What decides between exchanges that cost the same: fill rate, latency, name; less is better."""
    score = score_of(state, venue, symbol)
    return -score.filled, score.ack, venue


def latency_costs(state: "State", instrument: Instrument) -> dict[str, int]:
    """By exchange what the time to reach it costs of one unit, as money: kappa x sigma x sqrt(latency)."""
    known = state.volatility.get(instrument.symbol)
    if not instrument.latency_cost or known is None:
        return {}
    unit = instrument.money_factor * 10**instrument.qty_digits
    return {
        venue: instrument.latency_cost
        # The root of a variance in millionths and nanoseconds is in units of 10**-7.5.
        * isqrt(10 * known.variance * max(0, score_of(state, venue, instrument.symbol).ack))
        * unit
        // (SHARE * 10**8)
        for venue in state.venues
    }


def _score(state: "State", venue: str, symbol: str) -> VenueScore:
    key = f"{venue}/{class_of(state, symbol)}"
    score = state.scores.get(key)
    if score is None:
        score = state.scores[key] = VenueScore()
    return score


def _moved(average: int, value: int) -> int:
    return average + (value - average) // WEIGHT


def sent(state: "State", child: "Child") -> None:
    """A child is on its way."""
    _score(state, child.venue, child.symbol).sent += 1
    circuit = state.circuits.get(child.venue)
    if circuit is not None and circuit.trips and not is_open(state, child.venue, child.sent_at):
        circuit.probe, circuit.probed_at = child.child_id, child.sent_at


def answered(state: "State", child: "Child", at: int) -> None:
    """The exchange has told of a child for the first time."""
    score = _score(state, child.venue, child.symbol)
    if child.sent_at:
        # A clock may be set back.
        score.ack = _moved(score.ack, max(0, at - child.sent_at))
    circuit = state.circuits.get(child.venue)
    if circuit is not None and (circuit.on_trial or circuit.probe == child.child_id):
        _succeeded(state, child.venue)


def filled(state: "State", child: "Child", price: int, at: int) -> None:
    score = _score(state, child.venue, child.symbol)
    if child.time_in_force in IMMEDIATE and child.sent_at:
        score.fill = _moved(score.fill, max(0, at - child.sent_at))
    if child.price:
        sign = 1 if child.side is Side.BUY else -1
        score.improvement = _moved(score.improvement, sign * (child.price - price) * SHARE)
    waiting = state.markouts.setdefault(child.symbol, [])
    if len(waiting) < MOST_MARKOUTS:
        key = f"{child.venue}/{class_of(state, child.symbol)}"
        waiting += [Markout(key, child.symbol, child.side, price, at, horizon) for horizon in range(2)]
    _succeeded(state, child.venue)


def count_month(state: "State", child: "Child", qty: int) -> None:
    """An exchange with fees by the month's volume has filled so much more (scaled)."""
    if state.venues[child.venue].tiers:
        month, filled = state.months.get(child.venue, (0, 0))
        units: int = qty * 10**MONTH_DIGITS // 10 ** state.instruments[child.symbol].qty_digits
        now = state.day // 100
        state.months[child.venue] = (now, units + (filled if month == now else 0))


@lru_cache(maxsize=256)
def with_tier(venue: Venue, tier: int) -> Venue:
    """An exchange with the fees of one of its tiers."""
    fees = venue.tiers[tier]
    return msgspec.structs.replace(
        venue,
        taker_fee=fees.taker_fee,
        maker_fee=fees.maker_fee,
        taker_bps=fees.taker_bps,
        maker_bps=fees.maker_bps,
    )


def recovered(state: "State", venue: str) -> None:
    """An exchange's session is up: what nothing is known of, or was lost, is tried with a little first."""
    known = any(key.startswith(f"{venue}/") for key in state.scores)
    if state.venues[venue].circuit_failures and (not known or state.links[venue].lost):
        state.circuits.setdefault(venue, Circuit()).on_trial = True


def ended(state: "State", child: "Child", status: OrdStatus, at: int) -> None:
    score = _score(state, child.venue, child.symbol)
    if child.time_in_force in IMMEDIATE and child.qty:
        score.filled = _moved(score.filled, child.cum * SHARE // child.qty)
    rejected = status is OrdStatus.REJECTED
    score.rejected = _moved(score.rejected, SHARE * rejected)
    unasked = status is OrdStatus.CANCELED and child.request is None and child.time_in_force not in IMMEDIATE
    score.canceled = _moved(score.canceled, SHARE * unasked)
    order = state.orders.get(child.order_id)
    if rejected:
        # What a client sends there by itself says more of the client.
        if order is None or not order.ex_destination:
            failed(state, child.venue, at)
    else:
        _succeeded(state, child.venue)


def failed(state: "State", venue: str, at: int) -> None:
    """An exchange has rejected a child, has not answered one in time, or its session is lost."""
    most, pause = state.venues[venue].circuit_failures, state.venues[venue].circuit_time
    if not most:
        return
    circuit = state.circuits.setdefault(venue, Circuit())
    if at < circuit.until:
        # What was under way fails with what has opened it.
        return
    circuit.failures += 1
    if circuit.failures >= most or circuit.probe:
        circuit.until = at + min(pause << min(circuit.trips, 10), LONGEST_OPEN)
        circuit.trips += 1
        circuit.failures, circuit.probe = 0, 0


def _succeeded(state: "State", venue: str) -> None:
    state.circuits.pop(venue, None)


def is_open(state: "State", venue: str, at: int) -> str:
    """Why an exchange is not to be routed to because of what it has failed to do, "" if it is."""
    circuit = state.circuits.get(venue)
    if circuit is None or not circuit.trips or not state.venues[venue].circuit_failures:
        return ""
    if at < circuit.until:
        return f"circuit open, it has failed {circuit.trips} times"
    is_tried = circuit.probe and at - circuit.probed_at < PROBE_TIME
    return f"circuit half-open, child {circuit.probe} tries it" if is_tried else ""


def failing(state: "State", at: int) -> tuple[str, ...]:
    """The exchanges that are not to be routed to now."""
    return tuple(venue for venue in state.circuits if is_open(state, venue, at))


def probing(state: "State", at: int) -> Iterator[str]:
    """The exchanges that are to be tried with a small child now."""
    return (
        venue
        for venue, circuit in state.circuits.items()
        if circuit.on_trial or (circuit.trips and not is_open(state, venue, at))
    )


def note_mark(state: "State", symbol: str, mark: int, at: int) -> None:
    """A new mark: fills are compared with it, and the symbol's volatility follows."""
    known = state.volatility.get(symbol)
    if known is None:
        state.volatility[symbol] = Volatility(0, mark, at)
    elif at > known.at:
        change = (mark - known.mark) ** 2 * VARIANCE_SCALE * SECOND // (at - known.at)
        known.variance, known.mark, known.at = _moved(known.variance, change), mark, at
    waiting = state.markouts.pop(symbol, None)
    left = [one for one in waiting if not _compared(state, one, mark, at)] if waiting else []
    if left:
        state.markouts[symbol] = left


def _compared(state: "State", one: Markout, mark: int, at: int) -> bool:
    """Compare a fill with a mark if it is time."""
    if at - one.at < HORIZONS[one.horizon]:
        return False
    score = state.scores.get(one.key)
    if score is not None:
        gain = (mark - one.price if one.side is Side.BUY else one.price - mark) * SHARE
        markouts = list(score.markouts)
        markouts[one.horizon] = _moved(markouts[one.horizon], gain)
        score.markouts = markouts[0], markouts[1]
    return True
