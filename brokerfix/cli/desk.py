"""What a desk does to a running broker: halts, days, splits, sessions, clients, exchanges."""

from typing import Any

import click

from brokerfix.cli.base import ask_broker, config_of, config_option, for_people, json_option, main, show_rows
from brokerfix.cli.shards import all_shards_option, ask_all_shards
from brokerfix.operate.admin import ask
from brokerfix.settings.sections import Config


@main.command()
@click.argument("kind", type=click.Choice(["all", "client", "group", "account", "symbol", "strategy", "venue"]))
@click.argument("name", default="")
@all_shards_option
@config_option
@json_option
@for_people
def halt(kind: str, name: str, all_shards: bool, config: str, as_json: bool) -> None:
    """Take no new orders: for all, or for the account, symbol or exchange NAME. Cancels are taken."""
    asked = ask_all_shards if all_shards else ask_broker
    asked(config, as_json, f"{kind} {name}".strip() + ": halted", action="halt", kind=kind, name=name)


@main.command()
@click.argument("kind", type=click.Choice(["all", "client", "group", "account", "symbol", "strategy", "venue"]))
@click.argument("name", default="")
@all_shards_option
@config_option
@json_option
@for_people
def resume(kind: str, name: str, all_shards: bool, config: str, as_json: bool) -> None:
    """Undo a halt."""
    asked = ask_all_shards if all_shards else ask_broker
    asked(config, as_json, f"{kind} {name}".strip() + ": resumed", action="resume", kind=kind, name=name)


@main.command()
@config_option
@json_option
@for_people
def roll(config: str, as_json: bool) -> None:
    """Begin the next trading day by hand."""
    answer = ask_broker(config, as_json, "", action="roll")
    if not as_json:
        click.echo(f"trading day {answer['day']}")


@main.command()
@click.argument("symbol")
@click.argument("new", type=int)
@click.argument("old", type=int)
@config_option
@json_option
@for_people
def split(symbol: str, new: int, old: int, config: str, as_json: bool) -> None:
    """Split SYMBOL: NEW shares for OLD ones, in orders and positions. Do it before trading, when the exchanges do."""
    ask_broker(config, as_json, f"{symbol}: {new} for {old}", action="split", symbol=symbol, new=new, old=old)


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@for_people
def sessions(context: click.Context, config: str, as_json: bool) -> None:
    """Show the FIX sessions of the running broker; or disconnect one, or reset its sequence numbers."""
    if context.invoked_subcommand is None:
        loaded = config_of(config)
        rows = ask(loaded.data, {"action": "sessions"})["sessions"]
        show_rows(_with_gateway(loaded, rows), "sessions", as_json)


def _with_gateway(config: Config, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sessions with what the gateway knows of them, where it is asked on this machine."""
    gateway = config.gateway
    if gateway is None or not gateway.operation_port:
        return rows
    from brokerfix.gateway.operation import ask_sessions

    try:
        known = {row.pop("name"): row for row in ask_sessions(gateway.operation_port)}
    except OSError:
        return [{**row, "gateway": "does not answer"} for row in rows]
    for row in known.values():
        row.pop("budgets", None)
    nothing = {"from": "", "certificate": "", "seconds": 0, "messages_in": 0, "messages_out": 0, "refused": 0,
               "unread_bytes": 0}  # fmt: skip
    return [{**row, **(known.get(row["name"], nothing))} for row in rows]


@sessions.command("disconnect")
@click.argument("name")
@config_option
@json_option
@for_people
def sessions_disconnect(name: str, config: str, as_json: bool) -> None:
    """Log the session NAME out; it may log on again at once."""
    ask_broker(config, as_json, f"{name}: logged out", action="disconnect", name=name)


@sessions.command("reset")
@click.argument("name")
@config_option
@json_option
@for_people
def sessions_reset(name: str, config: str, as_json: bool) -> None:
    """Begin the sequence numbers of the session NAME anew."""
    ask_broker(config, as_json, f"{name}: sequence numbers begin at 1", action="reset", name=name)


@main.group()
def clients() -> None:
    """Clients of the running broker."""


@clients.command("add")
@click.argument("name")
@click.option("--account", "accounts", multiple=True, required=True, help="May be given several times.")
@click.option("--port", type=int, default=0, help="The session's own port; needed where there is no [gateway].")
@click.option("--fix", default="FIX.4.4", show_default=True, type=click.Choice(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]))
@click.option("--password-hash", default="", help="Made with `brokerfix password`.")
@click.option("--max-orders-per-second", default=0)
@config_option
@json_option
@for_people
def clients_add(
    name: str, accounts: tuple[str, ...], port: int, fix: str, password_hash: str, max_orders_per_second: int,
    config: str, as_json: bool,
) -> None:  # fmt: skip
    """Add the client NAME without a restart: it comes to the gateway or, without one, to a port of its own. It stays
    after a restart."""
    settings = {
        "accounts": list(accounts), "port": port, "fix": fix, "password_hash": password_hash,
        "max_orders_per_second": max_orders_per_second,
    }  # fmt: skip
    answer = ask_broker(config, as_json, "", action="add-client", name=name, settings=settings)
    if not as_json:
        click.echo(f"{name}: may log on to port {answer['port']}")


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@for_people
def exchanges(context: click.Context, config: str, as_json: bool) -> None:
    """Show what exchanges have been like, as the router has learned it; or add one to the running broker."""
    if context.invoked_subcommand is None:
        rows = ask(config_of(config).data, {"action": "exchanges"})["exchanges"]
        show_rows(rows, "exchanges", as_json)


@exchanges.command("add")
@click.argument("name")
@click.option("--host", required=True, help="Where the exchange listens.")
@click.option("--port", type=int, required=True)
@click.option("--sender", required=True, help="Our CompID there.")
@click.option("--target", required=True, help="The exchange's CompID.")
@click.option("--fix", default="FIX.4.4", show_default=True, type=click.Choice(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]))
@click.option("--taker-fee", default="0", show_default=True, help="Money per unit; below 0 for a rebate.")
@click.option("--maker-fee", default="0", show_default=True, help="Money per unit; below 0 for a rebate.")
@click.option("--symbol", "symbols", multiple=True, help="What it trades; all instruments if it is not given.")
@click.option("--supports", multiple=True, help="What it does itself, as `supports` of the configuration says.")
@click.option("--market-data/--no-market-data", default=True, help="Whether it sends its book.")
@config_option
@json_option
@for_people
def exchanges_add(name: str, config: str, as_json: bool, **settings: Any) -> None:
    """Connect to the exchange NAME without a restart. It stays after a restart."""
    ask_broker(config, as_json, f"{name}: is being connected to", action="add-exchange", name=name, settings=settings)
