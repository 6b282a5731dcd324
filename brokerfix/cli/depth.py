"""The market as it is this moment, at the command line: the depth of a symbol, and where an order would go."""

from typing import Any

import click

from brokerfix.cli.base import ask_broker, config_option, for_people, json_option, main, show_rows
from brokerfix.domain import to_text


@main.command()
@click.argument("symbol")
@click.option("--levels", default=10, show_default=True, type=click.IntRange(1, 20), help="Of each side.")
@click.option("--buy", metavar="QTY", help="Say where an order to buy so much would go now, and why.")
@click.option("--sell", metavar="QTY", help="The same to sell.")
@click.option("--price", help="Its limit; without one it is a market order.")
@click.option("--client", help="Whose order it would be; the first client's without.")
@config_option
@json_option
@for_people
def depth(
    symbol: str,
    levels: int,
    buy: str | None,
    sell: str | None,
    price: str | None,
    client: str | None,
    config: str,
    as_json: bool,
) -> None:
    """Show the depth of SYMBOL of all exchanges now, and which of them count; or where an order would go. Nothing is
    sent."""
    if buy and sell:
        raise click.UsageError("ask to --buy or to --sell")
    if buy or sell:
        side = "buy" if buy else "sell"
        asked = {"symbol": symbol, "side": side, "qty": buy or sell, "price": price, "client": client}
        told = ask_broker(config, as_json, "", action="would-route", **asked)
        if not as_json:
            for sentence in told["words"]:
                click.echo(sentence)
            if told["not_taken"]:
                show_rows(told["not_taken"], "not taken", False)
        return
    told = ask_broker(config, as_json, "", action="depth", symbol=symbol, levels=levels)
    if not as_json:
        show_rows(_ladder(told), f"{symbol}, {told['phase']}", False)
        show_rows(_exchanges(told), "exchanges", False)


def _ladder(told: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each price, the highest first."""
    rows: dict[int, dict[str, Any]] = {}
    for side in ("bid", "ask"):
        for price, qty, parts in told[f"{side}s"]:
            empty = {"bid_by": "", "bid": "", "price": to_text(price, told["price_digits"]), "ask": "", "ask_by": ""}
            row = rows.setdefault(price, empty)
            row[side] = to_text(qty, told["qty_digits"])
            row[f"{side}_by"] = " ".join(
                f"{name or 'own-book'}:{to_text(part, told['qty_digits'])}" for name, part in parts.items()
            )
    return [rows[price] for price in sorted(rows, reverse=True)]


def _exchanges(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "exchange": one["exchange"],
            "counts": "yes" if one["counts"] else "no",
            "told_last_ms": "" if one["age_ms"] is None else one["age_ms"],
            "why_not": one["why"],
        }
        for one in told["exchanges"]
    ]
