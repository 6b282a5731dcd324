"""Several orders of one account and symbol that are checked together: each as if those before it were open already."""

from collections.abc import Sequence

import msgspec

from brokerfix.domain import Instrument, Reject, Side
from brokerfix.engine.entities import Account, Client
from brokerfix.engine.orders.order import Order
from brokerfix.engine.risk import checks as risk
from brokerfix.engine.risk.bounds import bounds_of
from brokerfix.engine.risk.controls import SUMMED, Asked, broken, refusal, worst
from brokerfix.engine.state import State


class Batch:
    """Orders of a client for one account and symbol at a time: `refused` says of the next one whether it may be open
    too, and counts it if so."""

    def __init__(self, state: State, client: Client, account: Account, instrument: Instrument, at: int) -> None:
        self._state, self._client, self._account, self._instrument, self._at = state, client, account, instrument, at
        self._bounds = bounds_of(client, account, instrument.symbol)
        self._more: dict[Side, list[int]] = {side: [0, 0, 0] for side in Side}
        self._needed = 0

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
        if any(any(sums) for sums in self._more.values()):
            asked_with = _with(asked, self._more[terms.side])
            why = self._refused_with_others(asked, asked_with)
            if why is None and has_power and (asked_with.opens or not account.is_watched):
                why = risk.check_power(account, self._needed + needed)
        if why is not None:
            return why
        self._needed += max(0, needed)
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
