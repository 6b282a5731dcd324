"""Several orders of one account and symbol that are checked one after the other before any of them is open: each is
weighed as if those before it were."""

from collections.abc import Iterable, Sequence

import msgspec

from brokerfix.domain import Reject, Side
from brokerfix.engine.entities import Bound
from brokerfix.engine.risk.controls import SUMMED, Asked, broken, refusal, worst


class Batch:
    """What the orders that have passed would add: by side units, money and quantity, and of the account's buying power
    or margin what they `needed` (money)."""

    __slots__ = ("_more", "needed")

    def __init__(self) -> None:
        self._more: dict[Side, list[int]] = {}
        self.needed = 0

    def count(self, asked: Asked, needed: int) -> None:
        """One more has passed. What takes less than before is not taken off: it may be the one that stays as it
        was."""
        self.needed += max(0, needed)
        if asked.more_money > 0 or asked.more_qty > 0:
            sums = self._more.setdefault(asked.side, [0, 0, 0])
            for place, more in enumerate((asked.more_units, asked.more_money, asked.more_qty)):
                sums[place] += max(0, more)

    def joined(self, asked: Asked) -> Asked:
        """The order with what has passed on its side."""
        return _with(asked, self._more[asked.side]) if asked.side in self._more else asked

    def refusal(self, asked: Asked, bounds: Iterable[Bound]) -> Reject | None:
        """Why the limits do not allow an order besides those that have passed: on its side and, where both sides count
        together, on both."""
        why = refusal(self.joined(asked), bounds)
        if why is not None or asked.side.opposite not in self._more:
            return why
        both = _with(asked, [sum(sums) for sums in zip(*self._more.values(), strict=True)])
        together = [one for one in broken(both, bounds) if one[3] in SUMMED]
        return worst(together) if together else None


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
