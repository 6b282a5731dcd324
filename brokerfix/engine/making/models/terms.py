"""What quoting models are given and what they answer, all floats; and how they refuse what can't be priced.

Prices, distances and spreads are in price units (dollars of a stock), times in seconds, inventories in units of the
quote's size. A bid's distance is how far it is below the mid, an ask's how far above; below 0 it is beyond the mid.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import msgspec

P = ParamSpec("P")
T = TypeVar("T")


class Unusable(ValueError):
    """A model has no answer: a parameter makes no sense, or what comes out is no number. Told to people, it names the
    parameter first: "k: must be above 0"."""


class Inputs(msgspec.Struct, frozen=True, gc=False):
    """What a model goes by, at one moment.

    `mid` is the reference price, `inventory` the position less its target, in units of the quote's size (short: below
    0). `sigma` is the volatility, price units per square root of a second; `drift` the trend, price units per second.
    Fills at a distance d come at a rate of `a` exp(-`k` d) per second, k per price unit. `remaining` is how many
    seconds are left to the horizon's end; of a rolling horizon it is always the whole one."""

    mid: float
    inventory: float
    sigma: float
    a: float
    k: float
    remaining: float
    drift: float = 0.0


class Priced(msgspec.Struct, frozen=True, gc=False):
    """Where to quote. `fair` is the reservation price, which is the centre of the quotes unless a model says otherwise;
    `bid` and `ask` are distances from the mid: the bid's price is mid - bid, the ask's mid + ask. None: that side is
    not quoted."""

    fair: float
    bid: float | None
    ask: float | None

    @property
    def spread(self) -> float | None:
        """From the bid's price to the ask's, price units; None unless both are quoted."""
        return None if self.bid is None or self.ask is None else self.bid + self.ask


def priced(fair: float, bid: float | None, ask: float | None) -> Priced:
    """A model's answer, if it is one. Unusable if a number is not finite, or the spread not above 0."""
    for name, value in (("the fair price", fair), ("the bid's distance", bid), ("the ask's distance", ask)):
        if value is not None and not math.isfinite(value):
            raise Unusable(f"{name}: comes out as {value}")
    one = Priced(fair, bid, ask)
    if one.spread is not None and not one.spread > 0:
        raise Unusable(f"the spread: comes out as {one.spread}, must be above 0")
    return one


def guarded(model: Callable[P, T]) -> Callable[P, T]:
    """The model, but for what it can't reckon with it is Unusable."""

    @wraps(model)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return model(*args, **kwargs)
        except (OverflowError, ZeroDivisionError) as error:
            raise Unusable(f"the parameters: too large, too small or too far apart ({error})") from error

    return run


def number(name: str, value: float) -> None:
    """Unusable unless it is a finite number."""
    if not math.isfinite(value):
        raise Unusable(f"{name}: must be a number, not {value}")


def above_zero(name: str, value: float) -> None:
    """Unusable unless it is a finite number above 0."""
    number(name, value)
    if not value > 0:
        raise Unusable(f"{name}: must be above 0")


def not_below_zero(name: str, value: float) -> None:
    """Unusable unless it is a finite number from 0 on."""
    number(name, value)
    if value < 0:
        raise Unusable(f"{name}: must not be below 0")
