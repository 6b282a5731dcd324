"""One account: what it has, how it stands, what happens to it, its credit."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from nicegui import ui

from brokerfix.access.roles import Kind
from brokerfix.console.accounts import account_figures, position_rows, standing_pill
from brokerfix.console.elements.listing import Listing, columns
from brokerfix.console.parts import Story
from brokerfix.console.view import View, panel
from brokerfix.console.watch import watch_of
from brokerfix.domain import id_text
from brokerfix.engine.risk.review import DOUBT, TRUSTED

BASIS_POINTS = 10_000
MOST_BREAKS = 100
HELD = {
    DOUBT: "its liquidation waits: there are no prices that it may rely on",
    TRUSTED: "its liquidation goes on at the prices that there are, as somebody has said",
}


class Facts:
    """Names and values beside each other, rewritten where they are others."""

    def __init__(self) -> None:
        self._shown: Sequence[tuple[str, str]] = ()
        self._box = ui.element("div").classes("risk-facts")

    def show(self, found: Sequence[tuple[str, str]]) -> None:
        if found == self._shown:
            return
        self._shown = found
        self._box.clear()
        with self._box:
            for name, value in found:
                with ui.element("div"):
                    ui.label(name).classes("soft")
                    ui.label(value).classes("number")


class OneAccount:
    """The account that is picked."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._watch = watch_of(view.desk)
        self.name = ""
        with panel("Account") as section:
            section.classes("risk-tall").props("id=account")
            with ui.element("div").classes("risk-line"):
                self._head = ui.label("Pick an account above.").classes("bold").props("role=heading aria-level=3")
                self._standing = ui.label("").classes("pill")
                self._only = ui.label("").classes("warn")
            self._facts = Facts()
            self._positions = Listing(
                columns(
                    "symbol Symbol", "#qty Quantity", "#mark Mark", "#value Value", "#gain P&L today",
                    "#buys Open buys", "#sells Open sells", "#margin Margin",
                ),
                "symbol", "Positions of the account", "It has no positions and nothing open.",
            )  # fmt: skip
            ui.label("P&L today is before fees, from the marks of the day's begin.").classes("soft")
        view.every(0.5, self._update)

    def show(self, name: str) -> None:
        self.name = name
        self._update()

    def _update(self) -> None:
        state = self._view.state
        account = state.accounts.get(self.name)
        if account is None:
            return
        self._head.text = self.name
        cell = standing_pill(account.standing)
        with_margin = account.margin != "cash"
        self._standing.text = cell["text"] if with_margin else "CASH"
        self._standing.classes(replace=f"pill {cell['kind'] if with_margin else ''}")
        self._only.text = f"may only close positions: {account.reduces_only}" if account.reduces_only else ""
        self._facts.show(account_figures(state, account))
        self._positions.show(position_rows(state, account, self._watch.gain))


class Happens:
    """What happens to the account that is picked: calls, its orders' cancels, its liquidation, scores; and by hand: its
    liquidation is held, and let go on."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._watch = watch_of(view.desk)
        self.name = ""
        with panel("What happens to it"):
            with ui.element("div").classes("risk-line"):
                self._hold = ui.button("Hold its liquidation", on_click=lambda: self._hold_margin(True))
                self._lift = ui.button("Let its liquidation go on", on_click=lambda: self._hold_margin(False))
                self._held = ui.label("").classes("warn")
            for button in (self._hold, self._lift):
                button.props("no-caps dense")
                button.set_visibility(False)
            with ui.element("div").classes("risk-story").props('aria-live=polite tabindex=0 aria-label="Its story"'):
                self._story = Story(view, "Calls, liquidations, scores and what follows of them are told here.")
        view.every(0.2, self._update)

    def show(self, name: str) -> None:
        self.name = name
        self._update()

    def _update(self) -> None:
        account = self._view.state.accounts.get(self.name)
        if account is None:
            return
        may = self._view.may("hold-margin") and account.margin != "cash"
        by_hand = account.held_by.startswith("by ")
        self._hold.set_visibility(may and not by_hand)
        self._lift.set_visibility(may and (by_hand or account.held_by == DOUBT))
        waits = HELD.get(account.held_by, f"its liquidation is held {account.held_by}")
        self._held.text = waits if account.held_by else ""
        self._story.show(self._watch.stories.get(self.name, ()))

    async def _hold_margin(self, hold: bool) -> None:
        view, name = self._view, self.name
        if not hold:
            await view.act("hold-margin", f"{name}: its liquidation goes on", account=name, hold=0)
            return
        told = "No more orders of its liquidation are sent, also of one that is still to come, until it is let go on."
        if await view.confirm(f"Hold the liquidation of {name}?", told, "Hold it"):
            await view.act("hold-margin", f"{name}: its liquidation is held", account=name, hold=1, text="by hand")


class Credit:
    """What an account with margin may use of its available funds, and why."""

    def __init__(self, view: View, account: OneAccount) -> None:
        self._view, self._account = view, account
        self._watch = watch_of(view.desk)
        self._score: dict[str, Any] = {}
        self._of = ""
        with panel("Credit"):
            self._now = ui.label("").classes("bold")
            self._last = ui.label("").classes("soft")
            with ui.element("div").classes("risk-line"):
                self._ask = ui.button("Score it now", on_click=self._reckon).props("no-caps dense")
                self._take = ui.button("Put this score in force", on_click=self._submit).props("no-caps dense")
            self._told = ui.label("").classes("risk-answer")
            self._reasons = ui.element("ol").classes("story")
            self._inputs = Facts()
            self._history = ui.label("").classes("soft")
        self._take.set_visibility(False)
        view.every(1.0, self._update)

    def _update(self) -> None:
        name = self._account.name
        account = self._view.state.accounts.get(name)
        with_margin = account is not None and account.margin != "cash"
        self._ask.set_enabled(with_margin)
        if name != self._of:
            self._of, self._score = name, {}
            self._clear()
        if account is None or not with_margin:
            self._now.text = f"{name} has no margin, so no score." if account else "Pick an account with margin."
            self._last.text = ""
            return
        self._now.text = f"{name} may use {100 * account.credit_bps / BASIS_POINTS:g} % of its available funds."
        scored = self._watch.scores.get(name)
        self._last.text = (
            f"Scored {scored.score} today at {self._view.time(scored.at)[:8]} by {scored.operator}: "
            f"{'; '.join(scored.reasons) or 'nothing costs it points'}"
            if scored is not None
            else "Not scored today."
        )

    def _clear(self) -> None:
        self._told.text = self._history.text = ""
        self._reasons.clear()
        self._inputs.show(())
        self._take.set_visibility(False)

    async def _reckon(self) -> None:
        """Out of the journal, in a process of its own."""
        name = self._account.name
        if not await self._view.reads(Kind.JOURNAL, f"credit {name}"):
            return
        self._ask.props("loading")
        try:
            told = await self._view.tell("credit", name)
        finally:
            self._ask.props(remove="loading")
        if told is None or name != self._account.name:
            return
        self._clear()
        self._score = told
        self._told.text = f"Score {told['score']} of 300 to 850"
        with self._reasons:
            for reason in told["reasons"] or ["nothing costs it points"]:
                ui.label(f"{reason}")
        self._inputs.show([(f"{key}", f"{value}") for key, value in told["inputs"]])
        past = [f"{row['day'][:8]}: {row['score']} (x{row['multiplier']})" for row in told["history"][-8:]]
        self._history.text = f"Before: {', '.join(past)}" if past else ""
        self._take.set_visibility(self._view.may("score"))

    async def _submit(self) -> None:
        told, name = self._score, self._account.name
        reasons = {f"{number}": reason for number, reason in enumerate(told["reasons"], 1)}
        done = f"{name}: {told['score']} is in force: a cut at once, a raise one step a day"
        await self._view.act(
            "score", done, account=name, score=told["score"], inputs=dict(told["inputs"]), reasons=reasons
        )


def breaks(view: View) -> None:
    """The open breaks with exchanges, and how one is resolved."""
    shown: list[list[tuple[str, ...]]] = [[]]
    with panel("Breaks with exchanges"):
        empty = ui.label("Where an exchange says otherwise than we have it stands here until somebody resolves it.")
        empty.classes("soft")
        box = ui.element("div")

    async def resolve(number: str, why: Any) -> None:
        if not (why.value or "").strip():
            return view.warn("Say what was found: it is kept on record with your name.")
        await view.act("resolve-break", f"{number}: resolved", number=number, text=why.value.strip())
        return None

    def update() -> None:
        found: list[tuple[str, ...]] = [
            (id_text(one.id), one.venue, one.code, one.text) for one in islice(view.state.breaks.values(), MOST_BREAKS)
        ]
        if shown == [found]:
            return
        shown[0] = found
        empty.set_visibility(not found)
        box.clear()
        with box:
            for number, venue, code, text in found:
                with ui.element("div").classes("risk-proposal"):
                    with ui.element("div"):
                        ui.label(f"{venue} {code}: {text}")
                        ui.label(number).classes("soft")
                    if view.may("resolve-break"):
                        why = ui.input("What was found").props("dense")
                        ui.button("Resolve", on_click=lambda number=number, why=why: resolve(number, why)).props(
                            f'no-caps dense aria-label="Resolve {number}"'
                        )

    view.every(1.0, update)
