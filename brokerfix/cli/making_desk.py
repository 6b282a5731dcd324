"""What a desk does to market makers: looks at them, stops and starts them, sets by what terms they quote."""

import sys

import click

from brokerfix.cli.base import ask_broker, config_of, for_people, json_option, show_rows
from brokerfix.cli.making import making
from brokerfix.operate.admin import ask

HEADS = ("maker", "symbol")
THEMES = {
    "quotes": ("state", "bid", "bid_qty", "ask", "ask_qty", "mid", "mid_age_s", "bids", "asks", "decided_s"),
    "what stops them": ("until", "why"),
    "positions and hedges": ("position", "most_short", "most_long", "protection", "protection_of_all", "last_hedge"),
    "models": ("model", "parameters", "from", "quality"),
    "earned today": ("total", "spread_captured", "revaluation", "hedging", "fees", "currency"),
}  # fmt: skip
"""On a terminal: the tables, and their columns after the first two."""


@making.command("status")
@click.argument("config")
@click.argument("maker", required=False)
@json_option
@for_people
def making_status(config: str, maker: str | None, as_json: bool) -> None:
    """Show how market makers stand, MAKER or all: what they quote or why they don't, the reference mid, positions and
    their bounds, the model's parameters in force, what was earned today and by what, what protections have counted."""
    request = {"action": "makers", **({"maker": maker} if maker else {})}
    rows = ask(config_of(config).data, request)["makers"]
    if as_json or not rows or not sys.stdout.isatty():
        return show_rows(rows, "market makers", as_json)
    for theme, columns in THEMES.items():
        shown = [row for row in rows if any(row[name] not in (None, "") for name in columns)]
        if shown:
            show_rows([{name: row[name] for name in (*HEADS, *columns)} for row in shown], theme, False)
    return None


@making.command("stop")
@click.argument("config")
@click.argument("maker")
@click.argument("symbol", default="")
@json_option
@for_people
def making_stop(config: str, maker: str, symbol: str, as_json: bool) -> None:
    """Take back all quotes of MAKER, which may be a client that quotes, or those in SYMBOL, and have none made until
    `start`. A maker hedges on; `halt strategy MAKER/hedge` ends that too."""
    told = f"{maker} {symbol}".strip() + ": stopped"
    ask_broker(config, as_json, told, action="stop-maker", maker=maker, symbol=symbol)


@making.command("start")
@click.argument("config")
@click.argument("maker")
@click.argument("symbol", default="")
@json_option
@for_people
def making_start(config: str, maker: str, symbol: str, as_json: bool) -> None:
    """Have MAKER quote again, in all or in SYMBOL, whatever had it stop: an operator, its protection, a loss."""
    _start(config, maker, symbol, as_json, "started")


@making.command("reset")
@click.argument("config")
@click.argument("maker")
@click.argument("symbol", default="")
@json_option
@for_people
def making_reset(config: str, maker: str, symbol: str, as_json: bool) -> None:
    """As `start`, and of a maker that runs as well: what its protections have counted is forgotten, and a loss up to
    now no longer counts towards max_loss."""
    _start(config, maker, symbol, as_json, "reset: what its protections have counted is forgotten", "yes")


def _start(config: str, maker: str, symbol: str, as_json: bool, told: str, reset: str = "") -> None:
    """Say what was done, and which instruments are still not quoted."""
    request = {"action": "start-maker", "maker": maker, "symbol": symbol, "reset": reset}
    answer = ask_broker(config, as_json, "", **request)
    if as_json:
        return
    name = f"{maker} {symbol}".strip()
    click.echo(f"{name}: {told}" if answer["started"] else f"{name}: runs already")
    for one, why in answer["pulled"].items():
        click.echo(f"{f'{maker} {one}'.strip()}: does not quote yet: {why}")


@making.command("set")
@click.argument("config")
@click.argument("maker")
@click.argument("symbol")
@click.argument("terms", nargs=-1, required=True, metavar="NAME=VALUE...")
@json_option
@for_people
def making_set(config: str, maker: str, symbol: str, terms: tuple[str, ...], as_json: bool) -> None:
    """Change by what terms MAKER quotes SYMBOL: `making set CONFIG MM AAPL gamma=0.2 levels=3 hedge.band=500`. Names
    and checks are those of the configuration, [makers.MAKER.quotes.SYMBOL]. It stays, over restarts too, until the
    configuration says something else of this instrument."""
    if any("=" not in term for term in terms):
        raise click.UsageError("making set CONFIG MAKER SYMBOL NAME=VALUE..., e.g. gamma=0.2 levels=3")
    settings = dict(term.split("=", 1) for term in terms)
    answer = ask_broker(config, as_json, "", action="set-maker", maker=maker, symbol=symbol, settings=settings)
    if not as_json:
        told = ", ".join(f"{key} {now} (was {before or 'not set'})" for key, (before, now) in answer["changes"].items())
        click.echo(f"{maker} {symbol}: {told}")
