"""The page "Orders": the blotter, what is done to orders, and an order's story beside it."""

from datetime import date

from nicegui import ui

from brokerfix.console.elements.blotter import Blotter
from brokerfix.console.pages.orders_acts import Acts
from brokerfix.console.pages.orders_enter import Enter
from brokerfix.console.pages.orders_story import Story
from brokerfix.console.view import View
from brokerfix.domain import id_number


def build(view: View) -> None:
    """The page."""
    Orders(view)


class Orders:
    """`_chosen` are the orders whose boxes are ticked, `_day` the trading day that is shown ("": what there is now),
    `_shown` the order at the side."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._chosen: list[str] = []
        self._day = self._shown = ""
        acts = Acts(view, lambda: self._chosen)
        with ui.element("section").classes("panel wide orders-panel"):
            with ui.row().classes("orders-tools"):
                ui.label("Blotter").props("role=heading aria-level=2").classes("panel-title")
                self._count = ui.label("").classes("soft number")
                self._tools = ui.row().classes("orders-acts")
                with self._tools:
                    acts.buttons()
                if view.may("enter"):
                    ui.button("Order by telephone", icon="phone", on_click=Enter(view).open).props("dense no-caps")
                ui.space()
                picked = ui.input("Day", on_change=lambda event: self._show_day(event.value or ""))
                picked.props("type=date dense stack-label clearable").classes("orders-day")
                ui.button("CSV", icon="download", on_click=self._save).props(
                    'dense flat no-caps aria-label="Keep what is shown as a CSV file"'
                )
            self._grid = Blotter(
                view.desk.section.zone,
                view.chosen("orders-columns", []),
                view.chosen("orders-group", ""),
                on_open=self._open,
                on_select=self._select,
                on_columns=lambda columns: view.choose("orders-columns", columns),
                on_grouping=lambda group: view.choose("orders-group", group),
                on_ask=self._asked,
            )
        self._acts = acts
        self._story = ui.dialog().props('seamless position=right aria-label="An order"')

    def _select(self, orders: list[str], count: int) -> None:
        self._chosen = orders
        more = f", the first {len(orders)} are meant" if count > len(orders) else ""
        self._count.text = f"{count} chosen{more}" if count else ""

    def _show_day(self, day: str) -> None:
        try:
            self._day = f"{date.fromisoformat(day):%Y%m%d}" if day else ""
        except ValueError:
            return
        self._grid.deselect()
        self._tools.set_visibility(not self._day)
        self._grid.show_day(self._day)

    def _save(self) -> None:
        self._grid.save()

    async def _asked(self, what: str) -> None:
        if what == "close":
            self._story.close()
        elif what == "cancel" and self._chosen and not self._day and self._view.may("cancel"):
            await self._acts.cancel()

    async def _open(self, order: str) -> None:
        """Show an order's story at the side."""
        if not id_number(order) or (self._story.value and self._shown == order):
            return
        self._shown = order
        self._story.clear()
        with self._story, ui.card().classes("orders-side"):
            await Story(self._view, order, close=self._story.close).build()
        self._story.open()
