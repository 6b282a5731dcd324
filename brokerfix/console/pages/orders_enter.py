"""An order that a client gives by telephone."""

from typing import Any

from nicegui import ui

from brokerfix.console.view import View
from brokerfix.domain import Inexact, Instrument, to_scaled, to_text

MOST_TEXT = 150


def notional(instrument: Instrument, qty: str, price: str, mark: int) -> str:
    """What an order is about, as "15000.00 USD": quantity x price, or x the mark for one without a price ("" where
    there is no mark). Raises Inexact for what is not a decimal number of the instrument's digits."""
    whole = to_scaled(qty, instrument.qty_digits)
    at = to_scaled(price, instrument.price_digits) if price else mark
    if whole <= 0 or (price and at <= 0):
        raise Inexact("quantity and price are above 0")
    if not at:
        return ""
    amount = to_text(whole * at * instrument.multiplier, instrument.qty_digits + instrument.price_digits)
    return f"{amount} {instrument.currency}".strip()


class Enter:
    """The dialog. It keeps what was typed until the order is taken."""

    def __init__(self, view: View) -> None:
        self._view = view

    def open(self) -> None:
        view, state = self._view, self._view.state
        clients = [name for name, client in state.clients.items() if client.accounts]
        with view.client, ui.dialog(value=True) as dialog, ui.card().classes("dialog orders-dialog"):
            dialog.props('aria-label="Enter an order by telephone"')
            ui.label("Order by telephone").classes("dialog-title")
            with ui.element("div").classes("orders-form"):
                self._client = ui.select(clients, label="Client", with_input=True, on_change=self._accounts)
                self._account = ui.select([], label="Account")
                self._side = ui.toggle({"buy": "Buy", "sell": "Sell"}, value="buy").props("no-caps")
                self._symbol = ui.select(
                    list(state.instruments), label="Symbol", with_input=True, on_change=self._count
                )
                self._qty = ui.input("OrderQty", on_change=self._count).props("inputmode=decimal")
                self._price = ui.input("Price; none: at the market", on_change=self._count).props("inputmode=decimal")
                self._cl_ord_id = ui.input("ClOrdID, if the client has given one").props("maxlength=64")
                self._text = ui.input("Note, for the record").props(f"maxlength={MOST_TEXT}")
            self._about = ui.label("").classes("number").props("role=status")
            self._trouble = ui.label("").classes("bad").props("role=alert")
            with ui.row().classes("dialog-buttons"):
                ui.button("Back", on_click=dialog.close).props("flat no-caps")
                ui.button("Check and enter", on_click=lambda: self._enter(dialog)).props("no-caps")
        dialog.on("hide", dialog.delete)

    def _accounts(self) -> None:
        client = self._view.state.clients.get(self._client.value)
        accounts = list(client.accounts) if client is not None else []
        self._account.set_options(accounts, value=accounts[0] if accounts else None)

    def _worth(self) -> tuple[str, str]:
        """The sentence about it, and what is wrong."""
        state, symbol = self._view.state, self._symbol.value
        if not symbol or not self._qty.value:
            return "", "client, symbol and quantity are needed"
        instrument = state.instruments[symbol]
        try:
            worth = notional(instrument, self._qty.value.strip(), self._price.value.strip(), state.marks.get(symbol, 0))
        except Inexact as error:
            return "", f"{error}"
        if not worth:
            return "At the market; there is no mark to value it by.", ""
        return f"Notional {'' if self._price.value.strip() else 'about '}{worth}", ""

    def _count(self) -> None:
        self._about.text, _ = self._worth()

    async def _enter(self, dialog: ui.dialog) -> None:
        worth, wrong = self._worth()
        if not self._client.value or wrong:
            self._trouble.text = wrong or "client, symbol and quantity are needed"
            return
        qty, price = self._qty.value.strip(), self._price.value.strip()
        terms = f"{self._side.value} {qty} {self._symbol.value} {f'at {price}' if price else 'at the market'}"
        who = f"{self._client.value}, account {self._account.value}"
        if not await self._view.confirm("Enter this order?", f"{terms} for {who}. {worth}", "Enter it"):
            return
        request: dict[str, Any] = {
            "client": self._client.value, "account": self._account.value or "", "side": self._side.value, "qty": qty,
            "symbol": self._symbol.value, "price": price or None, "cl_ord_id": self._cl_ord_id.value.strip(),
        }  # fmt: skip
        answer, why = await self._view.attempt("enter", **request)
        self._trouble.text = f"Refused: {why}" if why else ""
        if answer is None:
            return
        note = self._text.value.strip()
        if note:
            await self._view.act("note", what=f"order {answer['order']}", text=note)
        self._view.say(f"{answer['order']}: {terms} for {who}")
        dialog.close()
