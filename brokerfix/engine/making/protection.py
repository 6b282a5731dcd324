"""Market maker protection: how much may be filled in a while before all quotes are pulled.

Quantity, delta and number of fills are counted in a window. As Deribit has it ("Market Maker Protection") the window
begins with the first fill and ends after its length, when counting begins anew; as Derive has it, it slides: what is
older than its length no longer counts. A limit that is reached, not only passed, pulls the quotes: what has been filled
until then can't be undone, but nothing more is.
"""

from collections.abc import Iterable

from brokerfix.domain import Protection, Side
from brokerfix.engine.making.desk import Deal, Making, Window
from brokerfix.engine.making.quoter import Quoter


def counted(window: Window, protection: Protection, at: int) -> "Counted":
    """The fills (at, units, net units) that count at a time."""
    fills = window.fills
    if protection.sliding:
        return [fill for fill in fills if at - fill[0] < protection.window]
    return fills if fills and at - fills[0][0] < protection.window else []


Counted = list[tuple[int, int, int]]
"""(at, units, net units) of fills, oldest first."""


def reached(fills: Counted, protection: Protection) -> str:
    """Which limit the fills have reached, in words and units (scaled), "" if none."""
    if not protection.window:
        return ""
    qty, delta = sum(units for _, units, _ in fills), abs(sum(net for _, _, net in fills))
    for name, value, most in (
        ("quantity", qty, protection.qty), ("delta", delta, protection.delta), ("fills", len(fills), protection.fills),
    ):  # fmt: skip
        if most and value >= most:
            return f"{name}: limit={most}, value={value}, in {protection.window / 10**9:g} s"
    return ""


def with_fills(window: Window, protection: Protection, at: int, fills: Counted) -> Counted:
    """What counts once these have been filled at a time; what no longer does is let go."""
    return [*counted(window, protection, at), *fills] if protection.window else []


class Allowance:
    """What one order may still take of a maker before its protections are reached: units and number of fills (None:
    any)."""

    __slots__ = ("fills", "qty")

    def __init__(self, guards: list[tuple[Window, Protection, Counted]], sells: bool, at: int) -> None:
        """`guards` are the windows with their protections and what has been filled besides, `sells` whether the maker
        would sell."""
        self.qty: int | None = None
        self.fills: int | None = None
        for window, protection, news in guards:
            if not protection.window:
                continue
            fills = with_fills(window, protection, at, news)
            if protection.qty:
                self._most(protection.qty - sum(units for _, units, _ in fills))
            if protection.delta:
                net = sum(net for _, _, net in fills)
                self._most(protection.delta + (net if sells else -net))
            if protection.fills:
                left = max(0, protection.fills - len(fills))
                self.fills = left if self.fills is None else min(self.fills, left)

    def _most(self, qty: int) -> None:
        qty = max(0, qty)
        self.qty = qty if self.qty is None else min(self.qty, qty)

    def take(self, qty: int) -> int:
        """How much of a quote of so much may be taken; that counts from now on."""
        part = qty if self.qty is None else min(qty, self.qty)
        if not part or self.fills == 0:
            return 0
        if self.qty is not None:
            self.qty -= part
        if self.fills is not None:
            self.fills -= 1
        return part


def allowance(making: Making | Quoter, symbol: str, sells: bool, at: int, traded: Iterable[str] = ()) -> Allowance:
    """What an order may take of the quotes of a symbol of a maker, or of a client, at a time. Of the symbols `traded`
    there are fills that the maker has not looked at yet: they count already."""
    if isinstance(making, Quoter):
        fresh = {
            where: _news([deal for deal in making.new if where in ("", deal.symbol)], at) for where in ("", symbol)
        }
        kept = making.protections(symbol)
        return Allowance([(window, limits, fresh[where]) for where, window, limits in kept], sells, at)
    news = {one: _news(making.desks[one].new, at) for one in traded if one in making.desks}
    guards = [(making.window, making.maker.protection, [fill for fills in news.values() for fill in fills])]
    desk = making.desks.get(symbol)
    if desk is not None:
        guards.append((desk.window, desk.quoting.protection, news.get(symbol, [])))
    return Allowance(guards, sells, at)


def _news(deals: Iterable[Deal], at: int) -> Counted:
    """What is yet to be looked at. A hedge among it does no harm: until then a little less may be taken."""
    return [
        (at, deal.qty, deal.qty if deal.side is Side.BUY else -deal.qty)
        for deal in deals
        if deal.qty > 0 and not deal.corrects
    ]
