"""One order over FIX, from the command line."""

import json
import sys
import time
from pathlib import Path

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main, terms_of_order
from brokerfix.tools.client import Client, Message, TooLow

ENDED_AS = {"2": "filled", "4": "canceled", "8": "rejected", "C": "expired"}


STATUS = {"0": "new", "1": "partially filled", "6": "pending cancel", "E": "pending replace", **ENDED_AS}


EXEC_TYPE = {"0": "NEW", "4": "CANCELED", "5": "REPLACED", "6": "PENDING", "8": "REJECTED", "C": "EXPIRED", "F": "FILL"}


@main.command()
@click.option("--as", "comp_id", required=True, help="The client's SenderCompID.")
@click.option("--account", help="Account(1); by default the client's first.")
@click.option("--tif", type=click.Choice(["DAY", "GTC", "IOC", "FOK"], case_sensitive=False), default="DAY")
@click.option("--venue", help="Route to this exchange: ExDestination(100).")
@click.option("--password", envvar="BROKERFIX_PASSWORD", default="", help="Or in BROKERFIX_PASSWORD.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--wait", default=2.0, show_default=True, help="Seconds to wait for more reports on a working order.")
@config_option
@json_option
@click.argument("terms", nargs=-1, required=True, metavar="buy|sell QTY SYMBOL [@ PRICE]")
@for_people
def order(
    comp_id: str, account: str | None, tif: str, venue: str | None, password: str, host: str, wait: float, config: str,
    as_json: bool, terms: tuple[str, ...],
) -> None:  # fmt: skip
    """Send one order over FIX and print each report as a line.

    \b
    brokerfix order --as ALICE buy 100 AAPL @ 150.25 --tif IOC
    brokerfix order --as ALICE sell 100 AAPL
    """
    side, qty, symbol, price = terms_of_order(terms)
    loaded = config_of(config)
    store = loaded.data / "clients" / f"{comp_id}.json"
    client = Client(comp_id, loaded.broker.name, host, loaded.broker.port, store, password)
    _connect(client, store)
    cl_ord_id = f"cli-{time.time_ns()}"
    tags = {"t1": account} if account else {}
    if venue:
        tags["t100"] = venue
    time_in_force = {"DAY": "0", "GTC": "1", "IOC": "3", "FOK": "4"}[tif.upper()]
    client.new_order(cl_ord_id, side, qty, symbol, price, tif=time_in_force, **tags)
    status = _print_reports(client, cl_ord_id, wait, as_json)
    client.logout()
    sys.exit(1 if status in ("", "8") else 0)


def _connect(client: Client, store: Path) -> None:
    """Log on. Numbers that another program of this client has used are not ours to go on with."""
    try:
        client.connect()
    except TooLow as error:
        name = client.comp_id
        raise TooLow(
            f"{name}: {error}. Another program has logged on as {name} since. Use a client that no other program is; "
            f"or have all begin their numbers anew: here, delete {store} and run `brokerfix sessions reset {name}`"
        ) from error


def _print_reports(client: Client, cl_ord_id: str, wait: float, as_json: bool) -> str:
    """Print what comes about the order until it is final or nothing more comes. Returns its OrdStatus or ''."""
    status = ""
    while status not in ENDED_AS:
        try:
            message = client.receive(wait)
        except TimeoutError:
            break
        if message[35] in ("3", "j"):
            click.echo(json.dumps(message) if as_json else f"REFUSED   {message.get(58, '')}")
            break
        if message.get(11) == cl_ord_id:
            status = message[39]
            click.echo(json.dumps(message) if as_json else _report_line(message))
    return status


def _report_line(message: Message) -> str:
    fill = f"  {message[32]} @ {message[31]}{' on ' + message[30] if 30 in message else ''}" if 32 in message else ""
    text = f"  {message[58]}" if 58 in message else ""
    return (
        f"{EXEC_TYPE.get(message[150], message[150]):<9} {STATUS.get(message[39], message[39]):<16}"
        f" cum {message[14]} leaves {message[151]} avg {message[6]}{fill}{text}  (order {message[37]})"
    )
