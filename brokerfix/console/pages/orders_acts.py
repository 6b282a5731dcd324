"""What is done to orders by hand: canceled, released, paused, and what an exchange has said otherwise than by FIX."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from brokerfix.console.view import View
from brokerfix.domain import Inexact, id_number, id_text, to_scaled, to_text
from brokerfix.engine.orders.order import Child, Order

MOST_NAMED = 5
ACTIONS = ("cancel", "release", "pause", "resolve")


def terms(state: Any, order: Order) -> str:
    """An order in a few words: "buy 100 AAPL at 150.00 for ALICE"."""
    instrument = state.instruments[order.symbol]
    price = f" at {to_text(order.price, instrument.price_digits)}" if order.price else " at the market"
    qty = to_text(order.qty, instrument.qty_digits)
    return f"{order.side.name.lower()} {qty} {order.symbol}{price} for {order.client}"


def outcome(done: str, count: int, refused: Sequence[str]) -> str:
    """What came of an action on some orders: how many were done, and why others were not."""
    told = f"{count} {'order' if count == 1 else 'orders'} {done}"
    if not refused:
        return told
    whys = Counter(refused).most_common(3)
    more = len(refused) - sum(many for _, many in whys)
    reasons = [f"{why} ({many})" if len(refused) > 1 else why for why, many in whys] + (
        [f"{more} more"] if more else []
    )
    return f"{told}; {len(refused)} not: {'; '.join(reasons)}"


class Acts:
    """The actions of one page. `chosen` says which orders are meant."""

    def __init__(self, view: View, chosen: Callable[[], list[str]]) -> None:
        self._view = view
        self._chosen = chosen

    def buttons(self) -> None:
        """A button for each action that the person may do."""
        for name, action, icon, handler in (
            ("Cancel", "cancel", "cancel", self.cancel),
            ("Release", "release", "play_arrow", self.release),
            ("Pause", "pause", "pause", self.pause),
            ("Go on", "pause", "fast_forward", self.go_on),
            ("Resolve", "resolve", "gavel", self.resolve),
        ):
            if self._view.may(action):
                ui.button(name, icon=icon, on_click=handler).props("dense flat no-caps size=md")

    async def cancel(self) -> None:
        orders = self._meant("cancel")
        if not orders:
            return
        view, count = self._view, f"{len(orders)} {'order' if len(orders) == 1 else 'orders'}"
        with view.client, ui.dialog() as dialog, ui.card().classes("dialog"):
            dialog.props('aria-label="Cancel orders"')
            ui.label(f"Cancel {count}?").classes("dialog-title")
            self._name(orders)
            ui.label("What exchanges hold is asked back; they may fill it before they answer.").classes("soft")
            text = ui.input("Why (Text)").classes("full-width").props("maxlength=200")
            with ui.row().classes("dialog-buttons"):
                ui.button("Back", on_click=lambda: dialog.submit(False)).props("flat no-caps autofocus")
                ui.button(f"Cancel {count}", on_click=lambda: dialog.submit(True), color="negative").props("no-caps")
        if await dialog:
            await self._each("cancel", "canceled, or asked back", orders, text=text.value or "")
        dialog.delete()

    async def release(self) -> None:
        if orders := self._meant("release"):
            await self._each("release", "released", orders)

    async def pause(self) -> None:
        if orders := self._meant("pause"):
            await self._each("pause", "paused", orders, paused="yes")

    async def go_on(self) -> None:
        if orders := self._meant("have go on"):
            await self._each("pause", "going on", orders, paused="no")

    async def resolve(self) -> None:
        orders = self._meant("resolve")
        if len(orders) > 1:
            return self._view.warn("choose one order: what an exchange has said is entered for one child order")
        order = self._view.state.orders.get(id_number(orders[0])) if orders else None
        if orders and (order is None or not order.children):
            return self._view.warn(f"{orders[0]}: no exchange holds any of it")
        if order is not None:
            await Resolve(self._view, order).ask()

    def _meant(self, what: str) -> list[str]:
        orders = self._chosen()
        if not orders:
            self._view.warn(f"choose orders to {what} first: tick their boxes, or press the space bar on them")
        return orders

    def _name(self, orders: Sequence[str]) -> None:
        known = self._view.state.orders
        for number in orders[:MOST_NAMED]:
            order = known.get(id_number(number))
            ui.label(f"{number}: {terms(self._view.state, order)}" if order is not None else number)
        if len(orders) > MOST_NAMED:
            ui.label(f"and {len(orders) - MOST_NAMED} more")

    async def _each(self, action: str, done: str, orders: Sequence[str], **request: Any) -> None:
        """Do it with one after the other, and say what came of it."""
        refused = []
        for number in orders:
            _, why = await self._view.attempt(action, order=number, **request)
            if why:
                refused.append(why.removeprefix(f"{self._view.person.name}: "))
        told = outcome(done, len(orders) - len(refused), refused)
        (self._view.warn if refused else self._view.say)(told)


class Resolve:
    """What an exchange has said of a child of an order otherwise than by FIX."""

    def __init__(self, view: View, order: Order) -> None:
        self._view = view
        self._order = order
        self._instrument = view.state.instruments[order.symbol]

    def _named(self, child: Child) -> str:
        digits = self._instrument.qty_digits
        doubt = ", in doubt" if self._view.state.in_doubt(child) else ""
        left, price = to_text(child.leaves, digits), to_text(child.price, self._instrument.price_digits)
        return f"{child.venue} {id_text(child.child_id)}: {left} open at {price}{doubt}"

    async def ask(self) -> None:
        """Ask what was said, have it confirmed, and enter it."""
        children = {id_text(child.child_id): self._named(child) for child in self._order.children}
        with self._view.client, ui.dialog() as dialog, ui.card().classes("dialog orders-dialog"):
            dialog.props('aria-label="Resolve a child order"')
            ui.label("What the exchange has said").classes("dialog-title")
            ui.label(f"{id_text(self._order.order_id)}: {terms(self._view.state, self._order)}")
            child = ui.select(children, value=next(iter(children)), label="Child order").classes("full-width")
            with ui.row().classes("orders-fields"):
                qty = ui.input("More was filled (LastQty)").props("inputmode=decimal")
                price = ui.input("At (LastPx)").props("inputmode=decimal")
            canceled = ui.checkbox("What is left of it is canceled")
            refused = ui.checkbox("Our cancel or replace is refused, or never came there")
            text = ui.input("Who said it, when (Text)").classes("full-width").props("maxlength=200")
            trouble = ui.label("").classes("bad").props("role=alert")

            async def enter() -> None:
                told = self._told(children[child.value], qty.value, price.value, canceled.value, refused.value)
                if isinstance(told, Exception):
                    trouble.text = f"{told}"
                    return
                if not await self._view.confirm("Enter what the exchange has said?", told, "Enter it"):
                    return
                _, why = await self._view.attempt(
                    "resolve", child=child.value, qty=qty.value or None, price=price.value or None,
                    canceled=int(canceled.value), refused=int(refused.value), text=text.value or "",
                )  # fmt: skip
                trouble.text = why
                if not why:
                    self._view.say("entered")
                    dialog.submit(True)

            with ui.row().classes("dialog-buttons"):
                ui.button("Back", on_click=lambda: dialog.submit(False)).props("flat no-caps")
                ui.button("Go on", on_click=enter).props("no-caps")
        await dialog
        dialog.delete()

    def _told(self, child: str, qty: str, price: str, canceled: bool, refused: bool) -> str | Inexact:
        """What is to be entered as a sentence, or what is wrong with it."""
        said = []
        try:
            if bool(qty) != bool(price):
                raise Inexact("a fill has a quantity and a price")
            if qty:
                to_scaled(qty, self._instrument.qty_digits)
                to_scaled(price, self._instrument.price_digits)
                said.append(f"{qty} more were filled at {price}")
            said += ["what is left is canceled"] if canceled else []
            said += ["our request is refused"] if refused else []
            if not said:
                raise Inexact("nothing is said yet")
        except Inexact as error:
            return error
        return f"{child}. The exchange has said: {', and '.join(said)}. The client is told so."
