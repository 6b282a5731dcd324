"""Limits, and what decisions rest on."""

from typing import NamedTuple

import msgspec

from brokerfix.domain.numbers import to_money
from brokerfix.domain.words import OrdRejReason


class Limits(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The pre-trade limits of one level, in the configuration's own words: those that are numbers as decimal text
    (empty for none), quantities in units, notionals in money. What each forbids stands in `risk.controls`; `duplicates`
    are so many of the same, and `window_seconds` and `duplicate_seconds` how long what was accepted counts."""

    max_order_qty: str = ""
    max_order_notional: str = ""
    buying_power: bool = True
    max_window_qty: str = ""
    max_window_notional: str = ""
    window_seconds: int = 60
    max_long: str = ""
    max_short: str = ""
    max_gross: str = ""
    max_net: str = ""
    duplicates: str = ""
    duplicate_seconds: int = 10
    long_only: bool = False
    reduce_only: bool = False

    def numbers(self) -> dict[str, int]:
        """Name -> number of the limits that are set, scaled by MONEY_DIGITS; what must not be at all is 0. Raises
        Inexact."""
        texts = msgspec.structs.asdict(self).items()
        numbers = {name: to_money(text) for name, text in texts if isinstance(text, str) and text}
        return numbers | {name: 0 for name in ("long_only", "reduce_only") if getattr(self, name)}


class Level(NamedTuple):
    """Whose limits: the `kind` is firm, client, group (of accounts) or account; those of an account may be in one
    symbol."""

    kind: str
    name: str = ""
    symbol: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


class Evidence(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a refusal rests on: the check that refused, its limit, and the value that was beyond it, both as people
    write them (empty: the check has none), and at which level the limit stands."""

    check: str
    limit: str = ""
    value: str = ""
    at: str = ""


class Reject(msgspec.Struct, frozen=True, gc=False):
    """Why an order is refused: OrdRejReason(103), and the evidence; what it does not say, in words."""

    reason: OrdRejReason
    check: str
    words: str = ""
    limit: str = ""
    value: str = ""
    at: str = ""

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.check, self.limit, self.value, self.at)

    @property
    def text(self) -> str:
        """Text(58): `CHECK: limit=.., value=.., at=.., words`."""
        numbers = ("limit", self.limit), ("value", self.value), ("at", self.at)
        told = *(f"{name}={value}" for name, value in numbers if value), self.words
        return f"{self.check}: {', '.join(filter(None, told))}"


class Seen(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A quote of an exchange that a routing decision has looked at: price in ticks, scaled quantity, and how much of it
    the child orders aim at."""

    venue: str
    price: int
    qty: int
    aimed: int
