"""Several orders of one account that are checked together: each as if those before it were open already."""

from collections.abc import Sequence

import msgspec

from brokerfix.domain import Instrument, Reject, Side
from brokerfix.engine.entities import Account, Bound, Client
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.risk.bounds import bounds_of
from brokerfix.engine.risk.controls import SUMMED, Asked, broken, refusal, worst
from brokerfix.engine.state import State


class Together:
    """What orders of one account in several symbols have counted of each bound that they share: units and money by
    side, and what of the buying power they need."""

    def __init__(self) -> None:
        self.needed = 0
        self._more: dict[int, dict[Side, list[int]]] = {}

    def refused(self, bounds: Sequence[Bound], asked: Asked) -> Reject | None:
        """The limits that are not of one symbol, with what was counted in all symbols: on both sides where they count
        together, else on the order's."""
        found = []
        for bound in bounds:
            more = self._more.get(id(bound))
            if more is None:
                continue
            sides = [sum(sums) for sums in zip(*more.values(), strict=True)]
            for sums, names in ((sides, SUMMED), (more[asked.side], NET)):
                found += [one for one in broken(_with(asked, (*sums, 0)), (bound,)) if one[3] in names]
        return worst(found) if found else None

    def count(self, bounds: Sequence[Bound], side: Side, units: int, money: int) -> None:
        """An order was taken that adds so much."""
        for bound in bounds:
            if not bound.most.keys().isdisjoint(SUMMED | NET):
                sums = self._more.setdefault(id(bound), {side: [0, 0] for side in Side})[side]
                sums[0] += max(0, units)
                sums[1] += max(0, money)


NET = frozenset(("max_net",))


class Batch:
    """Orders of a client for one account and symbol at a time: `refused` says of the next one whether it may be open
    too, and counts it if so. Those of other symbols are checked `together` with them."""

    def __init__(
        self, state: State, client: Client, account: Account, instrument: Instrument, at: int,
        together: Together | None = None,
    ) -> None:  # fmt: skip
        self._state, self._client, self._account, self._instrument, self._at = state, client, account, instrument, at
        self._bounds = bounds_of(client, account, instrument.symbol)
        self._more: dict[Side, list[int]] = {side: [0, 0, 0] for side in Side}
        self._together = together
        self._power = together or Together()

    def refused(self, terms: risk.Terms, replaced: Order | None) -> Reject | None:
        """Why an order of these terms (in the place of another) may not be open, None if it may."""
        state, account, instrument = self._state, self._account, self._instrument
        why = risk.check_terms(state, self._client, account, instrument, terms, self._at, replaced)
        has_power = account.limits.buying_power
        if why is not None or not (self._bounds or has_power):
            return why
        asked = risk.asked_of(state, account, instrument, terms, self._at, replaced, None)
        needed = 0
        if has_power:
            needed = risk.more_load(state, account, instrument, terms.side, terms.qty, terms.valued_at, replaced)
        asked_with = asked
        if any(any(sums) for sums in self._more.values()):
            asked_with = _with(asked, self._more[terms.side])
            why = self._refused_with_others(asked, asked_with)
        if why is None and self._together is not None:
            why = self._together.refused(self._bounds, asked)
        if why is None and has_power and self._power.needed and (asked_with.opens or not account.is_watched):
            why = risk.check_power(account, self._power.needed + needed)
        if why is not None:
            return why
        self._power.needed += max(0, needed)
        if self._together is not None:
            self._together.count(self._bounds, terms.side, asked.more_units, asked.more_money)
        sums = self._more[terms.side]
        for place, more in enumerate((asked.more_units, asked.more_money, asked.more_qty)):
            # What takes less is not taken off: it may be the one that stays as it was.
            sums[place] += max(0, more)
        return None

    def _refused_with_others(self, asked: Asked, of_its_side: Asked) -> Reject | None:
        """The limits with what was counted on its side and, where both sides count together, on both."""
        why = refusal(of_its_side, self._bounds)
        if why is not None:
            return why
        both = _with(asked, [sum(sums) for sums in zip(*self._more.values(), strict=True)])
        together = [one for one in broken(both, self._bounds) if one[3] in SUMMED]
        return worst(together) if together else None


def _with(asked: Asked, more: Sequence[int]) -> Asked:
    """The order with what was counted before it: units, money, quantity."""
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
