"""Fills that are taken back or corrected."""

from typing import TYPE_CHECKING

import click

from brokerfix.operate.admin import ActionRefused

if TYPE_CHECKING:
    pass

from brokerfix.cli.base import (
    ask_broker,
    config_option,
    database,
    for_people,
    json_option,
    main,
    text_option,
)


@main.group()
def trades() -> None:
    """Take fills back, or correct them."""


@trades.command("bust")
@click.argument("exec_id")
@text_option
@config_option
@json_option
@for_people
def trades_bust(exec_id: str, text: str, config: str, as_json: bool) -> None:
    """Bust the fill EXEC_ID, on both sides if it was made in our own book. What is open again is held: release it or
    cancel it."""
    try:
        ask_broker(config, as_json, f"{exec_id}: busted", action="bust", exec=exec_id, text=text)
    except ActionRefused:
        terms = _terms_of(config, exec_id)
        if terms is None:
            raise
        ask_broker(config, as_json, f"{exec_id}: taken back", action="reverse", exec=exec_id, text=text, **terms)


def _terms_of(config: str, exec_id: str) -> dict[str, str] | None:
    """The terms of a fill whose order has left the broker's state, as the database has them."""
    known = database(config)
    if not known.exists:
        return None
    query = """
        select e.client, e.account, e.symbol, e.side, e.last_qty as qty, e.last_px as price, o.order_id as "order",
               o.cl_ord_id, o.qty as order_qty, o.cum_qty, e.fee
        from executions e join orders o on o.order_id = e.order_id
        where e.exec_id = :exec_id and e.state <> 'busted' and cast(o.leaves_qty as real) = 0"""
    return next(iter(known.query(query, {"exec_id": exec_id})), None)


@trades.command("correct")
@click.argument("exec_id")
@click.argument("qty")
@click.argument("price")
@text_option
@config_option
@json_option
@for_people
def trades_correct(exec_id: str, qty: str, price: str, text: str, config: str, as_json: bool) -> None:
    """Give the fill EXEC_ID another price, or less quantity, both in full."""
    ask_broker(config, as_json, f"{exec_id}: corrected to {qty} @ {price}", action="correct", exec=exec_id, qty=qty,
         price=price, text=text)  # fmt: skip
