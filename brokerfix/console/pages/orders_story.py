"""An order's story: its terms and state, its children, fills with their proofs, the market around it, what happened in
sentences, and the routing decisions with their evidence."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from nicegui import ui

from brokerfix.access.roles import Kind, may_read
from brokerfix.console.desk import Refused
from brokerfix.console.pages import orders_chart, orders_proof, orders_told
from brokerfix.console.pages.orders_acts import Acts
from brokerfix.console.pages.orders_read import Known, nanoseconds, read
from brokerfix.console.view import View, pill, show_rows, table
from brokerfix.domain import id_number

SETTLES = 2.0
"""So many seconds after a change the database has it at the latest, mostly."""
READ_SECONDS, TELL_SECONDS = 1.0, 6.0
MOST_DECISIONS = 20
FIGURES = (
    ("qty", "OrderQty"), ("cum", "CumQty"), ("leaves", "LeavesQty"), ("avg_px", "AvgPx"),
    ("at_venues", "At exchanges"), ("in_book", "In our book"), ("held", "Held"),
)  # fmt: skip
CHILDREN = (
    ("exchange", "Exchange"), ("status", "OrdStatus"), ("#qty", "OrderQty"), ("#price", "Price"),
    ("#cum", "CumQty"), ("#leaves", "LeavesQty"), ("child_id", "ClOrdID there"), ("theirs", "OrderID there"),
    ("text", "Text"),
)  # fmt: skip
FILLS = (
    ("time", "Time"), ("exchange", "Exchange"), ("#qty", "LastQty"), ("#price", "LastPx"), ("#fee", "Fee"),
    ("state", "State"), ("exec_id", "ExecID"), ("proof", "Proof"),
)  # fmt: skip
DECISIONS = (
    ("#number", "No."), ("time", "Time"), ("mode", "Mode"), ("#qty", "Placed"), ("#bid", "Bid"),
    ("#ask", "Ask"), ("sent", "Sent"), ("#expected", "Expected"), ("#realised", "Realised"),
    ("#slippage", "Slippage a unit"), ("note", "Note"),
)  # fmt: skip
GOOD, BAD, OVER = ("FILLED",), ("REJECTED", "SUSPENDED", "STOPPED"), ("CANCELED", "EXPIRED", "DONE_FOR_DAY")
PROOF = """
<q-td :props="props"><q-btn dense flat no-caps size="sm" icon="verified" label="Proof"
:aria-label="'Proof of ' + props.row.exec_id" @click="$parent.$emit('proof', props.row.exec_id)" /></q-td>"""


class Story:
    """Of one order. It is on a page of its own, or at the side of the blotter, where `close` is what its button does.
    Times are of a clock that never goes back, in seconds."""

    def __init__(self, view: View, order_id: str, close: Callable[[], Any] | None = None) -> None:
        self._view = view
        self._id = order_id
        self._number = id_number(order_id)
        self._close = close
        self._known = Known()
        self._told: dict[str, Any] | None = None
        self._version = -1
        self._changed_at = self._read_at = self._told_at = float("-inf")
        self._may_read = may_read(view.person.role, Kind.JOURNAL)
        self._decided = -1
        self._chart: ui.echart | None = None

    async def build(self) -> None:
        """Everything, and what keeps it up to date."""
        self._head()
        self._sections()
        self._view.every(0.5, self._update)

    # What there is to see

    def _head(self) -> None:
        with ui.row().classes("orders-head"):
            ui.label(f"Order {self._id}").props("role=heading aria-level=2").classes("panel-title number")
            self._status = pill("…")
            self._marks = pill("", "warn")
            self._marks.set_visibility(False)
            ui.space()
            if self._close is not None:
                ui.link("As a page", f"/orders/{self._id}").classes("orders-link")
                ui.button(icon="close", on_click=self._close).props('flat dense round aria-label="Close the order"')
            else:
                ui.link("Blotter", "/orders").classes("orders-link")
        self._headline = ui.label("").classes("orders-terms")
        self._whose = ui.label("").classes("soft")
        self._actions = ui.row().classes("orders-acts")
        with self._actions:
            Acts(self._view, lambda: [self._id]).buttons()
        self._actions.set_visibility(False)
        self._figures = {}
        with ui.element("div").classes("figures"):
            for field, name in FIGURES:
                with ui.element("div").classes("figure"):
                    self._figures[field] = ui.label("").classes("number orders-figure")
                    ui.label(name).classes("soft")

    def _sections(self) -> None:
        with self._section("At exchanges"):
            self._children = table(CHILDREN, [], "child_id", "Children at exchanges")
            self._no_children = ui.label("Nothing of it was sent to an exchange yet.").classes("soft")
        with self._section("Fills"):
            self._fills = table(FILLS if self._may_read else FILLS[:-1], [], "exec_id", "Fills")
            self._fills.add_slot("body-cell-proof", PROOF)
            self._fills.on("proof", lambda event: self._prove(f"{event.args}"))
            self._no_fills = ui.label("Nothing of it is filled yet.").classes("soft")
        with self._section("The market around it"):
            self._place = ui.element("div").classes("full-width")
            self._no_chart = ui.label("").classes("soft")
        with self._section("What happened"):
            self._waits = ui.label("Reading the journal …").classes("soft")
            self._story = table((("time", "Time"), ("what", "What happened"), ("fact", "Fact")), [], "n", "Story")
            self._story.classes("orders-story")
            self._notes = ui.label("").classes("warn")
            if not self._may_read:
                self._waits.text = f"A {self._view.person.role.value} does not read the journal."
        with self._section("Routing decisions"):
            self._decisions = table(DECISIONS, [], "number", "Routing decisions")
            self._evidence = ui.column().classes("full-width orders-evidence")

    def _section(self, title: str) -> ui.element:
        section = ui.element("section").classes("orders-part")
        with section:
            ui.label(title).props("role=heading aria-level=3").classes("panel-title")
        return section

    # Keeping it up to date

    async def _update(self) -> None:
        now, feed = time.monotonic(), self._view.desk.feed
        version = feed.orders.version_of(self._number)
        if version != self._version:
            self._version, self._changed_at = version, now
        if now - self._read_at >= READ_SECONDS and self._read_at < self._changed_at + SETTLES:
            self._read_at = now
            self._known = await asyncio.to_thread(self._read)
        self._show()
        is_due = self._told_at < self._changed_at and now - self._told_at >= TELL_SECONDS
        if is_due and self._may_read:
            self._told_at = now
            await self._tell()

    def _read(self) -> Known:
        order = self._view.state.orders.get(self._number)
        symbol, began = (order.symbol, order.at) if order is not None else ("", 0)
        until = time.time_ns() if order is not None and not order.done else self._ended()
        return read(self._view.desk.config, self._id, symbol, began, until)

    def _ended(self) -> int:
        """When it was over (ns), 0: it is not, or that is not known."""
        told = self._told["end"]["time"] if self._told is not None else None
        return nanoseconds(told.replace(" ", "T")) if told else 0

    async def _tell(self) -> None:
        try:
            told = await self._view.desk.tell("explain", self._id)
        except Refused as error:
            self._waits.text = f"{error}"
            return
        # It may be that of another version, which says more.
        self._told = told
        self._waits.set_visibility(False)
        self._read_at = float("-inf")
        show_rows(self._story, orders_told.sentences(told, self._view.time))
        self._notes.text = " ".join(told["notes"])
        show_rows(self._decisions, orders_told.decision_rows(told, self._view.time))
        self._show_evidence(told["decisions"])
        self._show()

    def _show(self) -> None:
        state, known = self._view.state, self._known
        order = state.orders.get(self._number)
        terms = orders_told.terms_of(state, self._number, known)
        if terms is None and self._told is not None:
            terms = orders_told.terms_told(self._told)
        if terms is None:
            self._status.text = "there is no such order yet" if self._read_at > 0 else "…"
            return
        self._show_terms(terms)
        self._actions.set_visibility(order is not None and not order.done)
        children = orders_told.children_rows(state, order, known, self._told)
        show_rows(self._children, children)
        self._no_children.set_visibility(not children)
        fills = orders_told.fill_rows(known, self._told)
        show_rows(self._fills, orders_told.shown_fills(fills, self._view.time))
        self._no_fills.set_visibility(not fills)
        self._show_chart(terms, fills)

    def _show_terms(self, terms: dict[str, Any]) -> None:
        status = terms["status"].upper().replace(" ", "_")
        kind = "good" if status in GOOD else "bad" if status in BAD else "" if status in OVER else "warn"
        self._status.text = orders_told.words(status)
        self._status.classes(replace=f"pill {kind}")
        self._marks.text = terms["marks"]
        self._marks.set_visibility(bool(terms["marks"]))
        self._headline.text = orders_told.headline(terms)
        by = f", entered by {terms['operator']}" if terms["operator"] else ""
        where = f", for {terms['destination']}" if terms["destination"] else ""
        entered = self._view.time(terms["entered"] * 10**6, date=True)
        self._whose.text = (
            f"{terms['cl_ord_id'] or 'no ClOrdID'} of {terms['client']}, account {terms['account']}{by}{where}; "
            f"entered {entered}"
        )
        for field, label in self._figures.items():
            label.text = terms[field] or "-"

    def _show_chart(self, terms: dict[str, Any], fills: list[dict[str, Any]]) -> None:
        known = self._known
        began = terms["entered"] * 10**6
        span = (known.since, known.until) if known.until else (began - 10**10, began + 10**10)
        is_over = not (order := self._view.state.orders.get(self._number)) or bool(order.done)
        ended = self._ended() or (max((nanoseconds(one["at"]) for one in fills), default=0) if is_over else 0)
        told = orders_chart.options(terms, fills, known.quotes, span, self._view.desk.zone, ended)
        if self._chart is None:
            with self._place:
                self._chart = ui.echart(told).classes("orders-chart")
            self._chart.props('role=img aria-label="The market around the order"')
        elif self._chart.options != told:
            self._chart.options.clear()
            self._chart.options.update(told)
        missing = known.trouble or ("" if known.quotes else "No best prices are on record around it.")
        self._no_chart.text = missing
        self._no_chart.set_visibility(bool(missing))

    def _show_evidence(self, decisions: list[dict[str, Any]]) -> None:
        if len(decisions) == self._decided:
            return
        self._decided = len(decisions)
        self._evidence.clear()
        with self._evidence:
            for one in decisions[:MOST_DECISIONS]:
                parts = orders_told.evidence_rows(one)
                if not parts:
                    continue
                with ui.expansion(f"Evidence of decision {one['number']}").classes("full-width").props("dense"):
                    for title, columns, rows in parts:
                        keyed = [{"n": number, **row} for number, row in enumerate(rows)]
                        table([(name, name.replace("_", " ")) for name in columns], keyed, "n", title)

    async def _prove(self, exec_id: str) -> None:
        if self._may_read and id_number(exec_id):
            await orders_proof.show(self._view, exec_id)
