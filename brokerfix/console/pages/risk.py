"""The page "Positions and risk": accounts, limits, credit, what would be, breaks, the kill switch."""

from collections import Counter
from collections.abc import Callable

from nicegui import ui

from brokerfix.console import kill
from brokerfix.console.accounts import account_row, select
from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.pages.risk_account import Credit, Happens, OneAccount, breaks
from brokerfix.console.pages.risk_limits import Editor, Utilisation, Waiting, changes
from brokerfix.console.pages.risk_what_if import Order, Shock
from brokerfix.console.parts import Figures, column, yielding
from brokerfix.console.view import View, panel
from brokerfix.console.watch import watch_of
from brokerfix.domain import Level, Standing

MOST_ROWS = 200
"""Accounts that are shown: those that stand worst."""
WHICH = {"all": "all", "held": "with positions", "margin": "with margin", "trouble": "not in order"}


def build(view: View) -> None:
    """The page."""
    ui.add_head_html('<link rel="stylesheet" href="/static/listing.css">')
    Waiting(view)
    accounts = Accounts(view)
    with column():
        account = OneAccount(view)
        utilisation = Utilisation(view)
        Shock(view)
        Credit(view, account)
        changes(view)
    with column():
        happens = Happens(view)
        editor = Editor(view)
        order = Order(view)
        kill.panel(view)
        breaks(view)
    utilisation.on_pick = editor.edit

    def pick(name: str) -> None:
        account.show(name)
        happens.show(name)
        editor.edit(Level("account", name))
        order.of(name)

    accounts.on_pick = pick


class Accounts:
    """All accounts, those that stand worst first. `on_pick` is told the name of one that is picked."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._watch = watch_of(view.desk)
        self.on_pick: Callable[[str], None] = lambda name: None
        with panel("Accounts", wide=True) as section:
            section.classes("risk-accounts")
            self._figures = Figures("Accounts in figures")
            with ui.element("div").classes("risk-line"):
                self._text = ui.input("Account", on_change=self.update).props("dense clearable")
                self._which = ui.select(WHICH, value="all", label="Which", on_change=self.update).props("dense")
                self._told = ui.label("").classes("soft")
            self._rows = Listing(
                columns(
                    "account Account", "standing Standing", "#cash Cash", "#equity Equity", "#power Buying power",
                    "#gross Gross exposure", "#net Net", "used Margin used", "#excess Excess", "#gain P&L today",
                    "#credit Credit",
                ),
                "account", "Accounts", "No account is as asked for. [accounts.NAME] in the configuration makes one.",
                self._picked,
            )  # fmt: skip
        view.every(0.5, self.update)
        view.every(1.0, self._count)

    def update(self) -> None:
        state = self._view.state
        names, total = select(state, self._text.value or "", f"{self._which.value}", MOST_ROWS)
        self._rows.show([account_row(state, state.accounts[name], self._watch.gain) for name in names])
        self._told.text = f"{len(names)} of {total}, those that stand worst" if total > len(names) else f"{total}"

    async def _count(self) -> None:
        state = self._view.state
        standings: Counter[Standing] = Counter()
        reducing = with_margin = 0
        async for account in yielding(list(state.accounts.values()), 5_000):
            if account.margin != "cash":
                with_margin += 1
                standings[account.standing] += 1
            reducing += bool(account.reduces_only)
        show = self._figures.show
        show("accounts", f"{len(state.accounts):,}")
        show("with margin", f"{with_margin:,}")
        for standing, kind in (
            (Standing.WARNING, "warn"), (Standing.CALL, "bad"), (Standing.LIQUIDATING, "bad"),
            (Standing.CLOSED_OUT, "bad"),
        ):  # fmt: skip
            count = standings[standing]
            show({Standing.WARNING: "warned", Standing.CALL: "called"}.get(standing, standing), f"{count}",
                 kind if count else "")  # fmt: skip
        show("may only close", f"{reducing}", "warn" if reducing else "")
        show("limits to approve", f"{len(state.proposals)}", "warn" if state.proposals else "")
        show("open breaks", f"{len(state.breaks)}", "bad" if state.breaks else "")

    def _picked(self, name: str) -> None:
        self._rows.pick(name)
        self.on_pick(name)
