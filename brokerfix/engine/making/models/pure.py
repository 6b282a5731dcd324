"""What desks do around the quotes of pure market making: several levels, sizes skewed to a target of inventory, a
price's ceiling and floor, and ping-pong. The rules are those of Hummingbot's strategy of that name, which is where
desks know them from."""

from typing import NamedTuple

from brokerfix.engine.making.models.terms import Unusable, above_zero, guarded, not_below_zero, number


class Level(NamedTuple):
    """One order of a side: its distance from the mid (price units), and its size, a whole number of the smallest
    quantity."""

    distance: float
    size: int


class Skew(NamedTuple):
    """What the sizes of bids and asks are multiplied by, each from 0 to 2, and 2 together."""

    bid: float
    ask: float


@guarded
def levels(distance: float, size: int, count: int, step: float = 0.0, growth: int = 0) -> tuple[Level, ...]:
    """A side's orders from the nearest on: each is a `step` (price units) farther than the one before and by `growth`
    larger, or smaller if it is below 0; a level of which nothing is left is left out.

    Unusable if the count is below 0, the size is not above 0, the distance is not a number, or there are two levels or
    more and the step is not above 0."""
    number("distance", distance)
    if count < 0:
        raise Unusable("count: must not be below 0")
    if size <= 0:
        raise Unusable("size: must be above 0")
    number("step", step)
    if count > 1:
        above_zero("step", step)
    number("step", distance + count * step)
    sizes = [size + level * growth for level in range(count)]
    return tuple(Level(distance + level * step, one) for level, one in enumerate(sizes) if one > 0)


@guarded
def inventory_skew(base: float, quote: float, price: float, target_share: float, range_: float) -> Skew:
    """How sizes are skewed so that what is held of the base comes to a share of all: `base` is held of the base and
    `quote` of the quote currency, `price` is a base's, `target_share` from 0 to 1, and `range_` (in the base) how far
    off its target what is held may be.

    In the quote currency: where the base's value is at its target both are 1. The bid grows in a straight line to 2 at
    the target less the range, or at 0 if that is above; it falls to 0 at the target and the range. The range is at most
    half of what all is worth. Of 1.2 at 100 and 80, with a target of 0.5 and a range of 0.4, the value is 120 of 200,
    half the way from 100 to 140: the bid's factor is 0.5, the ask's 1.5.

    Unusable if the price or the range is not above 0, the share is not from 0 to 1, or all is worth nothing."""
    above_zero("price", price)
    above_zero("range", range_)
    not_below_zero("target_share", target_share)
    if target_share > 1:
        raise Unusable("target_share: must not be above 1")
    value = base * price
    total = value + quote
    number("base, quote and price", total)
    if not total > 0:
        raise Unusable("base and quote: must be worth something together")
    target = total * target_share
    reach = min(range_ * price, total / 2)
    above_zero("range", reach)
    return _skewed(value - target, below=min(reach, target), above=reach)


@guarded
def quantity_skew(position: float, target: float, range_: float) -> Skew:
    """The same by quantity alone, for accounts on margin, which may be short and whose cash does not bound what they
    buy: both are 1 at the target, the bid is 2 at the target less the range and 0 at the target and the range.

    Unusable if the position or target is not a number or the range is not above 0."""
    number("position", position)
    number("target", target)
    above_zero("range", range_)
    return _skewed(position - target, below=range_, above=range_)


def sides(price: float, ceiling: float | None = None, floor: float | None = None) -> tuple[bool, bool]:
    """Whether to bid and whether to offer at a reference price: above the ceiling there are no bids, below the floor no
    asks. None is no bound; all in the same unit. Unusable if the floor is above the ceiling."""
    if ceiling is not None and floor is not None and floor > ceiling:
        raise Unusable("floor: must not be above the ceiling")
    return ceiling is None or price <= ceiling, floor is None or price >= floor


def ping_pong(count: int, bought: int, sold: int) -> tuple[range, range]:
    """Which of `count` levels (0 is the nearest) are left of the bids and of the asks, after so many fills of whole
    orders that bought and that sold: the side that was filled more often lacks its nearest levels, one for each fill
    that the other has not answered. With one level that is: after a buy only an ask, until it is filled.

    Only the difference of the fills counts, so they may be counted from any time at which they were equal. Unusable if
    a number is below 0."""
    if count < 0 or bought < 0 or sold < 0:
        raise Unusable("count, bought and sold: must not be below 0")
    return range(min(max(bought - sold, 0), count), count), range(min(max(sold - bought, 0), count), count)


def _skewed(excess: float, below: float, above: float) -> Skew:
    """By how far inventory is above its target, and where on either side the end is reached."""
    room = above if excess >= 0 else below
    part = excess / room if abs(excess) < room else 1.0 if excess >= 0 else -1.0
    return Skew(1 - part, 1 + part)
