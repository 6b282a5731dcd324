"""Sizes skewed to a target of inventory, as pure market making has it: by the rules of Hummingbot's strategy of that
name, which is where desks know them from."""

from typing import NamedTuple

from brokerfix.engine.making.models.terms import Unusable, above_zero, guarded, not_below_zero, number


class Skew(NamedTuple):
    """What the sizes of bids and asks are multiplied by, each from 0 to 2, and 2 together."""

    bid: float
    ask: float


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


def _skewed(excess: float, below: float, above: float) -> Skew:
    """By how far inventory is above its target, and where on either side the end is reached."""
    room = above if excess >= 0 else below
    part = excess / room if abs(excess) < room else 1.0 if excess >= 0 else -1.0
    return Skew(1 - part, 1 + part)
