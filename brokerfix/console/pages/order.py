"""The page of one order."""

from nicegui import ui

from brokerfix.console.pages.orders_story import Story
from brokerfix.console.view import View, panel
from brokerfix.domain import id_number


async def build(view: View) -> None:
    """The page /orders/ORDER_ID."""
    order = view.client.request.path_params["order_id"]
    if not id_number(order):
        with panel("No order", wide=True):
            ui.label(f"{order[:40]} is no OrderID; one is like 20261127-00-42.")
        return
    with ui.element("section").classes("panel wide"):
        await Story(view, order).build()
