"""The quotes that a maker wants of an instrument: levels, sizes, bounds, and no price that would take."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from brokerfix.domain import Instrument, Quoting, Side, WantedQuote
from brokerfix.engine.making.desk import Slot


class Centre(NamedTuple):
    """Where the first level of each side is wanted, scaled by the instrument's digits but not rounded (None: that side
    is not quoted), by how much sizes are multiplied, and what of the levels, nearest first, is not quoted because it
    was `bought` or `sold` before (ping-pong)."""

    bid: float | None
    ask: float | None
    bid_size: float = 1.0
    ask_size: float = 1.0
    bought: int = 0
    sold: int = 0


class Room(NamedTuple):
    """What may be quoted: units that may be bought and sold in all (scaled), and the best prices that others buy and
    sell at anywhere (0: none), which no quote may meet. `held` is by slot what an exchange still holds: until it has
    answered, that may be filled whatever is wanted."""

    buy: int
    sell: int
    highest_bid: int = 0
    lowest_ask: int = 0
    held: Mapping[Slot, int] = {}


def wanted(
    quoting: Quoting, instrument: Instrument, mid: int, centre: Centre, places: Sequence[str], room: Room
) -> list[WantedQuote]:
    """The quotes in all places, each side's best first. `mid` is the reference, twice. Prices are rounded away from the
    middle to whole ticks, sizes down to whole lots; bid and offer are a tick, and `min_spread`, apart at least."""
    found: list[WantedQuote] = []
    bid, ask = firsts(quoting, instrument, mid, centre, room)
    for side, first, size, done, most in (
        (Side.BUY, bid, centre.bid_size, centre.bought, room.buy),
        (Side.SELL, ask, centre.ask_size, centre.sold, room.sell),
    ):
        left = most - sum(qty for slot, qty in room.held.items() if slot[1] is side)
        if first is None:
            continue
        for level, price, whole in _levels(quoting, side, first, size):
            qty = max(0, whole - done)
            done = max(0, done - max(0, whole))
            for venue in places:
                held = room.held.get((venue, side, level), 0)
                part = min(qty, left + held) // instrument.lot * instrument.lot
                if part > 0:
                    found.append(WantedQuote(venue, side, level, price, part))
                    left -= max(0, part - held)
    return found


def firsts(
    quoting: Quoting, instrument: Instrument, mid: int, centre: Centre, room: Room
) -> tuple[int | None, int | None]:
    """The first level of each side in whole ticks: within ceiling and floor, and away from what others show."""
    tick = instrument.tick
    bid, ask = centre.bid, centre.ask
    if bid is not None and ask is not None:
        short = quoting.min_spread.at(mid // 2) - (ask - bid)
        if short > 0:
            bid, ask = bid - short / 2, ask + short / 2
    # What is on a tick but for a float's last digits is on it.
    low = math.floor(bid / tick + LAST_DIGITS) * tick if bid is not None else None
    high = math.ceil(ask / tick - LAST_DIGITS) * tick if ask is not None else None
    if low is not None and room.lowest_ask:
        # Others may have finer ticks.
        low = min(low, (room.lowest_ask - 1) // tick * tick)
    if high is not None and room.highest_bid:
        high = max(high, -(-(room.highest_bid + 1) // tick) * tick)
    if low is not None and high is not None and low >= high:
        # A model that wants no spread gets one of a tick.
        low = high - tick
    if low is not None and (low <= 0 or (quoting.ceiling and low > quoting.ceiling)):
        low = None
    if high is not None and (high <= 0 or high < quoting.floor):
        high = None
    return low, high


LAST_DIGITS = 1e-6
"""Of a tick."""


def _levels(quoting: Quoting, side: Side, first: int, size: float) -> Iterator[tuple[int, int, int]]:
    """(level, price, quantity), as long as prices are above 0."""
    sign = -1 if side is Side.BUY else 1
    for level in range(quoting.levels):
        price = first + sign * level * quoting.level_step
        if price <= 0:
            return
        yield level, price, math.floor((quoting.qty + level * quoting.level_qty) * size)


def is_off(quoting: Quoting, price: int, now: int, wanted: WantedQuote) -> bool:
    """Whether a quote that stands at a price with so much left is to be moved: the price is off by more than the
    tolerance, or the quantity is another one."""
    return abs(price - wanted.price) > quoting.tolerance.at(wanted.price) or now != wanted.qty
