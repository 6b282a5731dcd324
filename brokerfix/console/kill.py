"""The kill switch: stop trading for somebody or something, see how far that is, and let it go on. Each page that has it
calls `panel`."""

from collections.abc import Awaitable, Callable
from functools import partial
from html import escape
from itertools import islice
from typing import Any

from nicegui import ui

from brokerfix.console.parts import only_here
from brokerfix.console.view import View, pill
from brokerfix.console.view import panel as part_of_page
from brokerfix.engine.entities import JobKind
from brokerfix.engine.orders.order import Order
from brokerfix.engine.state import State

SCOPES = {
    "all": "Everything",
    "client": "Client",
    "group": "Group of accounts",
    "account": "Account",
    "symbol": "Symbol",
    "strategy": "Strategy",
}
"""What can be killed, as the broker calls it and as people do."""
NOTE = "Halt: no new orders. Kill: no new orders, and all that work are canceled everywhere."
Names = Callable[[str], list[str]]
Stop = Callable[[bool, str, str], Awaitable[None]]
MOST_LOOKED_AT = 2_000
"""Orders of the last kill that one update looks at."""
KNOWN_SECONDS = 2.0
"""A state that is older is not the broker's of this moment."""
MOST_HALTS = 50
SHEET = '<link rel="stylesheet" href="/static/kill.css">'


def panel(view: View, size: str = "") -> None:
    """The switch as a part of a page, in the frame's grid: as wide as a column, or "third", "two-thirds", "wide"."""
    ui.add_head_html(SHEET)
    with part_of_page("Kill switch") as part:
        part.classes(size)
        only_here(view, "This stops {} alone.")
        Switch(view)


def scope_text(kind: str, name: str) -> str:
    """A scope as it is typed and told: "all", "client ALICE"."""
    return f"{kind} {name}".strip()


def names_of(state: State, kind: str) -> list[str]:
    """What there is of a kind, by name."""
    known: dict[str, Any] = {
        "client": state.clients, "group": state.groups, "account": state.accounts, "symbol": state.instruments,
        "strategy": dict.fromkeys((*state.executions, *(name for of, name in state.halts if of == "strategy"))),
    }  # fmt: skip
    return sorted(known.get(kind, ()))


def working_in(state: State, kind: str, name: str) -> list[int]:
    """The orders that work in a scope."""

    def is_meant(order: Order) -> bool:
        return (
            kind in ("all", "client")
            or (kind == "account" and order.account == name)
            or (kind == "symbol" and order.symbol == name)
            or (kind == "strategy" and order.strategy == name)
            or (kind == "group" and order.account in state.groups.get(name, ()))
        )

    owner = name.partition("/")[0] if kind in ("client", "strategy") else ""
    clients = [state.clients[owner]] if owner in state.clients else [] if owner else list(state.clients.values())
    return [number for client in clients for number, order in client.working.items() if is_meant(order)]


class Choice:
    """What to stop and which, and the two buttons for it: `stop` is told whether all that work are canceled too, the
    kind and the name."""

    def __init__(self, view: View, kind: str, note: str, names: Names, stop: Stop) -> None:
        self._view, self._names, self._stop = view, names, stop
        with ui.element("div").classes("kill-choice"):
            self._kind = ui.select(SCOPES, value=kind, label="What to stop", on_change=self.show_names)
            self._kind.props("dense outlined")
            self._name = ui.select([], label="Which", with_input=True).props("dense outlined")
        with ui.element("div").classes("kill-choice"):
            halt = ui.button("Halt", icon="pan_tool", on_click=partial(self._chosen, False), color=None)
            halt.props("outline no-caps").classes("bad")
            halt.tooltip("No new orders; those that work go on working")
            kill = ui.button("Kill", icon="dangerous", color="negative", on_click=partial(self._chosen, True))
            kill.props("no-caps")
            kill.tooltip("No new orders, and all that work are canceled, at every exchange")
        ui.label(note).classes("soft")
        self.show_names()

    def show_names(self) -> None:
        """What there is of the kind now."""
        names = self._names(self._kind.value)
        self._name.set_visibility(self._kind.value != "all")
        if self._name.options != names:
            self._name.set_options(names, value=self._name.value if self._name.value in names else None)

    async def _chosen(self, kill: bool) -> None:
        kind = self._kind.value
        name = "" if kind == "all" else self._name.value
        if name is None:
            self._view.warn(f"Choose which {kind} first")
        else:
            await self._stop(kill, kind, name)


def choice(view: View, kind: str, note: str, names: Names, stop: Stop) -> Choice | None:
    """A choice for who may stop, and a word for who may not."""
    if view.may("kill"):
        return Choice(view, kind, note, names, stop)
    ui.label(f"A {view.person.role.value} sees what is stopped, and stops nothing.").classes("soft")
    return None


class Switch:
    """The switch in one page."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._killed = ""
        self._of = ("", "")
        self._left: list[int] = []
        self._total = 0
        self._halts: tuple[tuple[str, str, str, bool], ...] | None = None
        self._may_resume = view.may("resume")
        self._choice = choice(view, "client", NOTE, lambda kind: names_of(view.state, kind), self._stop)
        self._progress = ui.column().classes("kill-progress").props('role=status aria-label="Progress of the kill"')
        with self._progress:
            self._job = ui.label("").classes("kill-job")
            self._bar = ui.linear_progress(0, show_value=False, size="10px").props('aria-label="Cancels sent"')
            self._rest = ui.label("")
            self._told = ui.label("").classes("soft")
        self._standing = ui.element("div").classes("kill-halts").props('role=list aria-label="What is stopped"')
        view.every(0.5, self._update)

    async def _stop(self, kill: bool, kind: str, name: str) -> None:
        view, scope = self._view, scope_text(kind, name)
        count = len(working_in(view.state, kind, name))
        orders = f"{count:,} {'order works' if count == 1 else 'orders work'}"
        if not kill:
            text = f"{orders} there, and will go on working. No new orders are taken until it is resumed."
            if await view.confirm(f"Halt {scope}?", text, "Halt"):
                await view.act("halt", done=f"{scope} is halted", kind=kind, name=name)
            return
        text = f"{orders} there. All are canceled at every exchange and in our book, and no new ones are taken."
        if await view.confirm(f"Kill {scope}?", text, "Kill", word=scope):
            meant = working_in(view.state, kind, name)
            answer = await view.act("kill", kind=kind, name=name)
            if answer is not None:
                self._killed, self._left, self._total = scope, meant, max(len(meant), answer["orders"])
                self._of = kind, name
                view.say(f"{scope} is killed: {answer['orders']} orders are being canceled")

    async def _resume(self, kind: str, name: str) -> None:
        scope = scope_text(kind, name)
        text = "New orders are taken again. What was canceled stays canceled."
        if await self._view.confirm(f"Resume {scope}?", text, "Resume"):
            await self._view.act("resume", done=f"{scope} goes on", kind=kind, name=name)

    # Updating

    async def _update(self) -> None:
        if self._choice is not None:
            self._choice.show_names()
        self._show_progress()
        state = self._view.state
        halts = tuple(
            (kind, name, operator, (kind, name) in state.killed) for (kind, name), operator in state.halts.items()
        )
        if halts != self._halts:
            self._halts = halts
            self._show_halts()
        self._told.text = ""
        if state.killed:
            told = (await self._view.ask("killed", 1.0)).get("told", "")
            self._told.text = f"Last kill: {told}" if told else ""

    def _show_progress(self) -> None:
        state = self._view.state
        job = next((one for one in state.jobs if one.kind is JobKind.KILL), None)
        looked_at, is_known = 0, self._is_known()
        if is_known and not self._left and self._of in state.killed:
            # What the page had not seen when it was asked for, or not any more.
            self._left = working_in(state, *self._of)
        while is_known and self._left and looked_at < MOST_LOOKED_AT:
            looked_at += 1
            order = state.orders.get(self._left[-1])
            if order is not None and not order.done:
                break
            self._left.pop()
        self._job.text = f"{job.name}: {job.total - len(job.left):,} of {job.total:,} looked at" if job else ""
        self._bar.set_visibility(job is not None)
        self._bar.value = (job.total - len(job.left)) / job.total if job and job.total else 1.0
        self._rest.text = self._rest_text(state) if self._killed else ""
        self._rest.classes(replace="bad" if self._left or not is_known else "good")
        self._progress.set_visibility(bool(job or self._killed or state.killed))

    def _is_known(self) -> bool:
        """Whether the state that is looked at is the broker's of this moment."""
        feed = self._view.desk.feed
        return feed.is_ready and not feed.trouble and feed.behind_seconds() < KNOWN_SECONDS

    def _rest_text(self, state: State) -> str:
        """What became of the orders that this page has killed."""
        if not self._is_known():
            return f"! {self._killed}: how far it is can't be told now"
        if not self._left:
            if not self._total:
                return f"✓ {self._killed}: no order worked"
            ended = "the order that worked has" if self._total == 1 else f"all {self._total:,} orders that worked have"
            return f"✓ {self._killed}: {ended} ended"
        asked = sum(number in state.unkilled for number in islice(self._left, MOST_LOOKED_AT))
        refused = f"; an exchange would not cancel {asked}, which are asked for again" if asked else ""
        return f"! {self._killed}: up to {len(self._left):,} of {self._total:,} orders wait for exchanges{refused}"

    def _show_halts(self) -> None:
        assert self._halts is not None
        self._standing.clear()
        with self._standing:
            if not self._halts:
                ui.label("Nothing is stopped.").classes("soft").props("role=listitem")
            for kind, name, operator, killed in self._halts[:MOST_HALTS]:
                with ui.element("div").classes("kill-row").props("role=listitem"):
                    pill("killed" if killed else "halted", "bad")
                    ui.label(scope_text(kind, name)).classes("kill-scope")
                    ui.label(f"by {operator}").classes("soft")
                    if self._may_resume:
                        resume = ui.button("Resume", on_click=partial(self._resume, kind, name), color=None)
                        resume.props(f'flat dense no-caps aria-label="{escape(f"Resume {scope_text(kind, name)}")}"')
            if len(self._halts) > MOST_HALTS:
                ui.label(f"and {len(self._halts) - MOST_HALTS} more").classes("soft").props("role=listitem")
