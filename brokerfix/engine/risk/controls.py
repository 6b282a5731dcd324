"""The limits that an order is weighed against: one table of controls, each the value that it compares with its limit.

A limit stands at a level: the firm, a client, a group of accounts, an account, an account in one symbol. All levels of
an order are looked at; of those whose limit it breaks the tightest refuses it, and is named. What only closes a
position passes all controls but those of the single order. (FIX RiskLimitType(1530) has the gross, net, long and short
limits; SEC Rule 15c3-5 and MiFID II RTS 6 article 15 ask for the others.)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from brokerfix.domain import OrdRejReason, Reject, Side, money_text
from brokerfix.engine.entities import Bound, Position


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What an order would be (`units`, `money`), and what it would add to what is there (a replace: the delta), in
    units and money scaled by MONEY_DIGITS. `opens` is how much of it does not close a position of the account, in the
    instrument's scale; `position` is what the account has of the symbol without what is replaced, `qty` what would be
    open then, and `scale` makes units of quantities. `same` are the times at which orders of
    the same content were accepted (None: the same may come again). `is_located`: the client has located what it sells
    short."""

    symbol: str
    side: Side
    at: int
    units: int
    money: int
    more_units: int
    more_money: int
    opens: int
    position: Position
    qty: int
    more_qty: int
    scale: int
    same: Sequence[int] | None = None
    is_located: bool = False


class Control(NamedTuple):
    """A limit's code, its OrdRejReason(103), the value that is compared with it (and in words), and whether also what
    only closes a position is."""

    code: str
    reason: OrdRejReason
    words: str
    value: Callable[[Asked, Bound], int]
    closing_too: bool = False


def _long(asked: Asked, bound: Bound) -> int:
    """The position if all that is open to buy were filled, and nothing sold."""
    if asked.side is not Side.BUY:
        return 0
    if bound.level.kind == "account":
        return (asked.position.qty + asked.position.open_buy_qty + asked.qty) * asked.scale
    held, buys, _ = bound.exposure.held.get(asked.symbol, NOTHING)
    return (held + buys + asked.more_qty) * asked.scale


def _short(asked: Asked, bound: Bound) -> int:
    """The short position if all that is open to sell were filled, and nothing bought."""
    if asked.side is Side.BUY:
        return 0
    if bound.level.kind == "account":
        return -(asked.position.qty - asked.position.open_sell_qty - asked.qty) * asked.scale
    held, _, sells = bound.exposure.held.get(asked.symbol, NOTHING)
    return -(held - sells - asked.more_qty) * asked.scale


def _unlocated(asked: Asked, bound: Bound) -> int:
    """The short position that needs a locate of ours."""
    return 0 if asked.is_located and bound.own_locates else _short(asked, bound)


def _net(asked: Asked, bound: Bound) -> int:
    """The net exposure, either way, if all that is open on the order's side were filled, and nothing on the other."""
    exposure = bound.exposure
    if asked.side is Side.BUY:
        return exposure.net + exposure.buys + asked.more_money
    return -(exposure.net - exposure.sells - asked.more_money)


def _same(asked: Asked, bound: Bound) -> int:
    """How many of this content there were lately, with this one."""
    if asked.same is None:
        return 0
    oldest = asked.at - bound.same_window
    return (sum(at > oldest for at in asked.same) + 1) * ONE


NOTHING = (0, 0, 0)
ONE = 10**12
LIMIT = OrdRejReason.EXCEEDS_LIMIT
CONTROLS: dict[str, Control] = {
    "max_order_qty": Control(
        "MAX_ORDER_QTY", LIMIT, "the order's quantity", lambda asked, bound: asked.units, True,
    ),
    "max_order_notional": Control(
        "MAX_ORDER_NOTIONAL", LIMIT, "its quantity x price; without one, the worst price that the collar allows",
        lambda asked, bound: asked.money, True,
    ),
    "reduce_only": Control(
        "REDUCE_ONLY", OrdRejReason.BROKER_OPTION, "what of it does not close a position",
        lambda asked, bound: asked.opens * asked.scale,
    ),
    "restricted": Control(
        "RESTRICTED", OrdRejReason.BROKER_OPTION, "what of it does not close a position, of a restricted symbol",
        lambda asked, bound: asked.opens * asked.scale,
    ),
    "located": Control(
        "LOCATE", OrdRejReason.BROKER_OPTION, "the short position if all open sells were filled; so much is located",
        _unlocated,
    ),
    "long_only": Control(
        "LONG_ONLY", OrdRejReason.BROKER_OPTION, "what of it would be sold short",
        lambda asked, bound: asked.opens * asked.scale if asked.side is not Side.BUY else 0,
    ),
    "duplicates": Control(
        "DUPLICATE_CONTENT", OrdRejReason.DUPLICATE_ORDER,
        "accepted orders of the account with its symbol, side, quantity and price, in the last `duplicate_seconds`",
        _same,
    ),
    "max_window_qty": Control(
        "WINDOW_QTY", LIMIT, "the quantity that was accepted in the last `window_seconds`, with it",
        lambda asked, bound: bound.accepted.since(asked.at - bound.window)[0] + max(0, asked.more_units),
    ),
    "max_window_notional": Control(
        "WINDOW_NOTIONAL", LIMIT, "the notional that was accepted in the last `window_seconds`, with it",
        lambda asked, bound: bound.accepted.since(asked.at - bound.window)[1] + max(0, asked.more_money),
    ),
    "max_long": Control("LONG_LIMIT", LIMIT, "the position in its symbol if all open buys were filled", _long),
    "max_short": Control("SHORT_LIMIT", LIMIT, "the short position if all open sells were filled", _short),
    "max_gross": Control(
        "GROSS_LIMIT", LIMIT, "all positions at their marks, long or short, and all that is open",
        lambda asked, bound: bound.exposure.gross + asked.more_money,
    ),
    "max_net": Control("NET_LIMIT", LIMIT, "the same with signs, if all that is open on its side were filled", _net),
}  # fmt: skip
"""By the limit's name in `Limits`, in the order in which they refuse."""
RANK = {name: rank for rank, name in enumerate(CONTROLS)}


NO_PARTS: Mapping[str, int] = {}
FILLING = frozenset(
    ("located", "max_window_qty", "max_window_notional", "max_long", "max_short", "max_gross", "max_net")
)
"""The limits that fill up: operators are told before."""


def checks_of(
    most: Mapping[str, int], whole: Mapping[str, int] = NO_PARTS
) -> tuple[tuple[Any, bool, int, int, str], ...]:
    """Limits as `broken` goes through them: (value, whether it is also for what only closes, the value above which
    operators are told, limit, name). A part of a limit may be used up at any time."""
    return tuple(
        (
            CONTROLS[name].value, CONTROLS[name].closing_too,
            limit * 9 // 10 if name in FILLING and name not in whole else limit, limit, name,
        )
        for name, limit in most.items()
    )  # fmt: skip


Near = list[tuple[Bound, str, int]]
"""Limits that an order comes near to: (bound, limit's name, value)."""


def broken(asked: Asked, bounds: Iterable[Bound], near: Near | None = None) -> list[tuple[int, int, Bound, str, int]]:
    """The limits that an order breaks: (rank of the control, headroom below 0, bound, limit's name, value). Those that
    it only comes near to are put into `near`."""
    opens = asked.opens
    found = []
    for bound in bounds:
        for value_of, closing_too, nearly, most, name in bound.checks:
            if (opens or closing_too) and (value := value_of(asked, bound)) > nearly:
                if value > most:
                    found.append((RANK[name], most - value, bound, name, value))
                elif near is not None:
                    near.append((bound, name, value))
    return found


SUMMED = frozenset(("max_window_qty", "max_window_notional", "max_gross"))
"""The controls in which two orders of opposite sides count together."""


def broken_together(first: Asked, second: Asked, shared: Iterable[Bound]) -> list[tuple[int, int, Bound, str, int]]:
    """The limits that two orders of opposite sides, each of which may be, break together."""
    both = msgspec.structs.replace(
        second,
        more_units=first.more_units + second.more_units,
        more_money=first.more_money + second.more_money,
        opens=first.opens + second.opens,
    )
    return [one for one in broken(both, shared) if one[3] in SUMMED]


def refusal(asked: Asked, bounds: Iterable[Bound], near: Near | None = None) -> Reject | None:
    """Why the limits do not allow an order: the first control that it breaks, at the tightest level."""
    found = broken(asked, bounds, near)
    return worst(found) if found else None


def worst(found: list[tuple[int, int, Bound, str, int]]) -> Reject:
    """The refusal for the first control that is broken, at the tightest level."""
    _, _, bound, name, value = min(found, key=lambda one: one[:2])
    control, most, whole = CONTROLS[name], bound.most[name], bound.whole.get(name)
    if whole is None or value > whole:
        told = number(most if whole is None else whole)
        return Reject(control.reason, control.code, limit=told, value=number(value), at=str(bound.level))
    kind, of, _ = bound.level
    at = f"{bound.level} (this shard's part of {number(whole)})"
    lacks = kind, of, name, money_text(value)
    return Reject(control.reason, control.code, "more is asked for", number(most), number(value), at, lacks)


def number(scaled: int) -> str:
    """A limit's number as people write it."""
    text = money_text(scaled)
    return text.removesuffix(".00")
