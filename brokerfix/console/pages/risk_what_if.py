"""What would be: if prices were others, and if an order came. Nothing of it happens."""

import time
from decimal import Decimal, InvalidOperation
from typing import Any

from nicegui import ui

from brokerfix.console.accounts import SEVERITY, grouped, money, share_kind, signed, standing_pill
from brokerfix.console.elements.listing import Listing, bar, coloured, columns, pill
from brokerfix.console.parts import yielding
from brokerfix.console.view import View, panel
from brokerfix.domain import Inexact, Side, Standing
from brokerfix.operate.order_limits import Weighed
from brokerfix.operate.what_if import Shocked, Wanted, marks_after, moves_of, shock, tried

MOST_ROWS = 200


class Shock:
    """Prices that are others: how each account would stand."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("What if prices move") as section:
            section.classes("risk-tall")
            with ui.element("div").classes("risk-line"):
                self._moves = ui.input("Percent: -10, or AAPL -20, MSFT 5", value="-10").props("dense")
                self._moves.style("flex: 1").on("keydown.enter", self._try)
                ui.button("Try it", on_click=self._try).props('no-caps aria-label="Try this shock"')
            self._told = ui.label("Nothing is changed by it: accounts are valued at other marks, orders stay.")
            self._told.classes("risk-answer").props("aria-live=polite")
            self._rows = Listing(
                columns(
                    "account Account", "was Now", "then Then", "#gain Gain or loss", "#equity Equity",
                    "#maintenance Maintenance", "#excess Excess", "lost Day's loss",
                ),
                "account", "Accounts at other prices", "The accounts that hold something are listed here.",
            )  # fmt: skip

    async def _try(self) -> None:
        state = self._view.state
        try:
            marks = marks_after(state, moves_of(self._moves.value or ""))
        except Inexact as error:
            self._told.text = f"{error}"
            return
        found: list[Shocked] = []
        async for name in yielding(list(state.accounts), 50):
            one = shock(state, name, marks)
            if one is not None:
                found.append(one)
        found.sort(key=lambda one: (-SEVERITY[one.standing], one.excess, one.account))
        self._rows.show([_row(one) for one in found[:MOST_ROWS]])
        called = sum(one.standing is Standing.CALL for one in found)
        newly = sum(one.standing is Standing.CALL and one.was in (Standing.OK, Standing.WARNING) for one in found)
        lost = sum(one.equity - one.equity_was for one in found)
        more = f", the worst {MOST_ROWS} of them shown" if len(found) > MOST_ROWS else ""
        self._told.text = (
            f"{len(found)} accounts hold something{more}: {called} would be called, {newly} of which not now; "
            f"all together {'gain' if lost >= 0 else 'lose'} {money(abs(lost))}."
        )


def _row(one: Shocked) -> dict[str, Any]:
    with_margin = one.kind != "cash"
    return {
        "account": one.account,
        "was": standing_pill(one.was) if with_margin else pill("CASH"),
        "then": standing_pill(one.standing) if with_margin else pill("CASH"),
        "gain": signed(one.equity - one.equity_was),
        "equity": money(one.equity),
        "maintenance": money(one.maintenance) if with_margin else "",
        "excess": coloured(money(one.excess), "bad" if one.excess < 0 else "") if with_margin else "",
        "lost": pill(f"{one.lost} %", "bad" if one.lost >= 80 else "warn") if one.lost else "",
    }


class Order:
    """An order that nobody sends: what the pre-trade checks would say of it."""

    def __init__(self, view: View) -> None:
        self._view = view
        with panel("What if an order came") as section:
            section.classes("risk-tall")
            with ui.element("div").classes("risk-line"):
                self._account = ui.input("Account").props("dense").style("width: 8rem")
                self._client = ui.input("Client, or empty").props("dense").style("width: 8rem")
                self._side = ui.select({"buy": "buy", "sell": "sell"}, value="buy", label="Side").props("dense")
                self._qty = ui.input("Quantity").props("dense inputmode=decimal").style("width: 6rem")
                self._symbol = ui.input("Symbol").props("dense").style("width: 6rem")
                self._price = ui.input("Price, or empty: market").props("dense inputmode=decimal").style("width: 10rem")
                ui.button("Try it", on_click=self._try).props('no-caps aria-label="Try this order"')
            self._told = ui.label("It is weighed as if it came now, and not sent.").classes("risk-answer")
            self._told.props("aria-live=polite")
            self._value = ui.label("").classes("soft")
            self._rows = Listing(
                columns("level Level", "limit Limit", "#most Most", "#now Now", "then With it"),
                "key", "Limits that the order is weighed against", "Its limits, and how much it would use, come here.",
            )  # fmt: skip

    def of(self, account: str) -> None:
        """The account that is looked at."""
        self._account.value = account

    def _try(self) -> None:
        state = self._view.state
        name = (self._account.value or "").strip()
        account = state.accounts.get(name)
        client = (self._client.value or "").strip() or (next(iter(account.clients), "") if account is not None else "")
        wanted = Wanted(
            client, name, (self._symbol.value or "").strip(), Side[f"{self._side.value}".upper()],
            (self._qty.value or "").strip(), (self._price.value or "").strip(),
        )  # fmt: skip
        try:
            found = tried(state, wanted, time.time_ns())
        except Inexact as error:
            self._told.text = f"{error}"
            self._told.classes(replace="risk-answer")
            self._value.text = ""
            self._rows.show([])
            return
        passes = not found.refused
        near = f" It comes near to: {'; '.join(found.near)}." if found.near else ""
        self._told.text = f"It would pass.{near}" if passes else f"It would be refused: {found.refused}"
        self._told.classes(replace=f"risk-answer {'good' if passes else 'bad'}")
        self._value.text = f"It is valued at {found.valued_at}." if found.valued_at else ""
        self._rows.show([_limit(one) for one in found.limits])


def _limit(one: Weighed) -> dict[str, Any]:
    """A limit with what the order would use of it; one that nothing fills up is kept to, or not."""
    used = grouped(one.value)
    percent = _percent(one)
    if one.broken:
        then: dict[str, Any] = pill(f"{used}: refused", "bad")
    elif one.note.startswith("it only closes"):
        then = coloured(f"{used}, {one.note}", "soft")
    elif percent is None:
        then = coloured(f"{used} is kept to", "good")
    else:
        then = bar(percent, f"{percent:.1f} % ({used})", share_kind(percent))
    return {
        "key": f"{one.at} {one.name}", "level": one.at, "limit": one.name, "most": grouped(one.limit),
        "now": grouped(one.used) if one.used is not None else "", "then": then,
    }  # fmt: skip


def _percent(one: Weighed) -> float | None:
    if one.name in ("lot", "tick", "collar", "max_rate"):
        return None
    try:
        most, value = Decimal(one.limit), Decimal(one.value)
    except InvalidOperation:
        return None
    return float(100 * value / most) if most > 0 else None
