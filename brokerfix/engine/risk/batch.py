"""Several orders of one account and symbol that are checked one after the other before any of them is open: each is
weighed as if those before it were, with those of other symbols where it is told so."""

from collections.abc import Iterable, Sequence

import msgspec

from brokerfix.domain import Reject, Side
from brokerfix.engine.entities import Bound
from brokerfix.engine.risk.controls import SUMMED, Asked, broken, refusal, worst


class Together:
    """What orders of one account in several symbols, each symbol's in a `Batch` of its own, would add to the bounds
    that they share: by side units and money, and of the account's buying power or margin what they `needed` (money)."""

    __slots__ = ("_more", "needed")

    def __init__(self) -> None:
        self._more: dict[int, dict[Side, list[int]]] = {}
        self.needed = 0

    def count(self, asked: Asked, needed: int, bounds: Iterable[Bound]) -> None:
        """One more has passed."""
        self.needed += max(0, needed)
        for bound in bounds:
            if not SHARED.isdisjoint(bound.most):
                sums = self._more.setdefault(id(bound), {side: [0, 0] for side in Side})[asked.side]
                sums[0] += max(0, asked.more_units)
                sums[1] += max(0, asked.more_money)

    def refusal(self, asked: Asked, bounds: Iterable[Bound]) -> Reject | None:
        """Why the limits that are not of one symbol do not allow an order besides those that have passed in all: on
        both sides where these count together, else on its side."""
        found = []
        for bound in bounds:
            more = self._more.get(id(bound))
            if more is not None:
                both = [sum(sums) for sums in zip(*more.values(), strict=True)]
                for sums, names in ((both, SUMMED), (more[asked.side], NET)):
                    found += [one for one in broken(_with(asked, (*sums, 0)), (bound,)) if one[3] in names]
        return worst(found) if found else None


NET = frozenset(("max_net",))
SHARED = SUMMED | NET
"""The limits that orders of several symbols count towards."""


class Batch:
    """What the orders that have passed would add: by side units, money and quantity, and of the account's buying power
    or margin what they, or with those of other symbols all that are checked `together`, `needed` (money)."""

    __slots__ = ("_more", "_needed", "_together")

    def __init__(self, together: Together | None = None) -> None:
        self._more: dict[Side, list[int]] = {}
        self._needed = 0
        self._together = together

    @property
    def needed(self) -> int:
        return self._needed if self._together is None else self._together.needed

    def count(self, asked: Asked, needed: int, bounds: Iterable[Bound]) -> None:
        """One more has passed. What takes less than before is not taken off: it may be the one that stays as it
        was."""
        self._needed += max(0, needed)
        if self._together is not None:
            self._together.count(asked, needed, bounds)
        if asked.more_money > 0 or asked.more_qty > 0:
            sums = self._more.setdefault(asked.side, [0, 0, 0])
            for place, more in enumerate((asked.more_units, asked.more_money, asked.more_qty)):
                sums[place] += max(0, more)

    def joined(self, asked: Asked) -> Asked:
        """The order with what has passed on its side."""
        return _with(asked, self._more[asked.side]) if asked.side in self._more else asked

    def refusal(self, asked: Asked, bounds: Iterable[Bound]) -> Reject | None:
        """Why the limits do not allow an order besides those that have passed: on its side and, where both sides or
        several symbols count together, on both and in all."""
        why = refusal(self.joined(asked), bounds)
        if why is None and asked.side.opposite in self._more:
            both = _with(asked, [sum(sums) for sums in zip(*self._more.values(), strict=True)])
            summed = [one for one in broken(both, bounds) if one[3] in SUMMED]
            why = worst(summed) if summed else None
        if why is None and self._together is not None:
            why = self._together.refusal(asked, bounds)
        return why


def _with(asked: Asked, more: Sequence[int]) -> Asked:
    """The order with so many units, so much money and quantity besides."""
    units, money, qty = more
    position = asked.position
    closes = position.qty - position.open_sell_qty
    if asked.side is Side.BUY:
        closes = -position.qty - position.open_buy_qty
    takes_less = asked.more_qty <= 0 and asked.more_money <= 0
    return msgspec.structs.replace(
        asked,
        more_units=asked.more_units + units,
        more_money=asked.more_money + money,
        more_qty=asked.more_qty + qty,
        qty=asked.qty + qty,
        opens=0 if takes_less else max(0, asked.qty + qty - max(0, closes)),
    )
