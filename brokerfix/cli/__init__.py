"""The command line: thin commands over the modules that do the work."""

import json
import logging
import os
import select
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from brokerfix import __version__
from brokerfix.cli.tables import show
from brokerfix.operate.admin import Answer, NotRunning, Refused, ask
from brokerfix.record.journal import JournalError
from brokerfix.settings import passwords
from brokerfix.settings.config import (
    COMP_ID,
    MAKER,
    Config,
    ConfigError,
    StartError,
    added_clients,
    database_path,
    load,
)
from brokerfix.tools.client import Client, Disconnected, Message

if TYPE_CHECKING:
    import sqlite_utils

DEFAULT_CONFIG = "config/broker.toml"
FINAL = {"2": "filled", "4": "canceled", "8": "rejected", "C": "expired"}
STATUS = {"0": "new", "1": "partially filled", "6": "pending cancel", "E": "pending replace", **FINAL}
EXEC_TYPE = {"0": "NEW", "4": "CANCELED", "5": "REPLACED", "6": "PENDING", "8": "REJECTED", "C": "EXPIRED", "F": "FILL"}


def _for_people(command: Callable[..., Any]) -> Callable[..., Any]:
    """What goes wrong for a reason that a person can mend is one line and exit code 1."""

    @wraps(command)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError as error:
            if _is_unread():
                raise
            raise click.ClickException(str(error)) from error
        except (ConfigError, StartError, JournalError, Disconnected, NotRunning, Refused, OSError) as error:
            raise click.ClickException(str(error)) from error
        except sqlite3.Error as error:
            raise click.ClickException(
                f"the database can't be read ({error}); is the broker's projection running?"
            ) from error

    return told


def _config(path: str) -> Config:
    return load(Path(path))


config_option = click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The broker's configuration.")
limit_option = click.option("--limit", default=50, show_default=True, type=click.IntRange(0, 10**9))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def _is_unread() -> bool:
    """Whether what we print goes into a pipe that nobody reads any more, as behind `| head`."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return bool(output.poll(0))


def _discard() -> None:
    """What is still buffered of what we print, or will be, goes nowhere: it must go somewhere at the interpreter's
    end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _read_to_the_end_or_not() -> Iterator[None]:
    """That nobody reads what we print to its end is no error: the exit code is what it would have been, or 0. That it
    can't be written, as on a full disk, is one."""
    if sys.stdout is None:
        # It was closed before we began, which Python tells so.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    code = 0
    try:
        try:
            yield
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
            raise
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread():
            raise
        _discard()
        sys.exit(code)
    except OSError as error:
        _discard()
        raise click.ClickException(str(error)) from error


class Commands(click.Group):
    """The commands, whose output may end in a pipe that is closed."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _read_to_the_end_or_not():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _read_to_the_end_or_not():
            return super().invoke(ctx)


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """brokerfix: a FIX broker in one process."""


@main.command()
@click.argument("config")
@_for_people
def start(config: str) -> None:
    """Run the broker, or simulated exchange, of the file CONFIG until Ctrl-C or SIGTERM."""
    if sys.stderr.isatty():
        handler: logging.Handler = RichHandler(show_path=False, markup=False, console=Console(stderr=True))
        logging.basicConfig(level=logging.INFO, format="%(message)s", datefmt="%X", handlers=[handler])
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    from brokerfix.process.broker import Broker

    broker = Broker(_config(config))
    broker.start()
    sys.exit(broker.run())


@main.command()
@click.argument("config")
@_for_people
def gateway(config: str) -> None:
    """Run the gateway of the file CONFIG alone, e.g. on another machine, until Ctrl-C or SIGTERM.

    SIGHUP has it read its certificates again. `brokerfix start` runs it by itself where it is on the same machine."""
    from brokerfix.gateway.process import run
    from brokerfix.operate import logs

    loaded = _config(config)
    if loaded.gateway is None:
        raise click.ClickException(f"{config}: there is no [gateway]")
    logs.configure("gateway")
    sys.exit(run(loaded))


@main.command()
@click.option("--seconds", default=30, show_default=True, help="How long to trade.")
@click.option("--kill", is_flag=True, help="Kill the broker with kill -9 in the middle and start it again.")
@click.option("--folder", default="var/demo", show_default=True, help="Where the demo's files go; emptied first.")
@_for_people
def demo(seconds: int, kill: bool, folder: str) -> None:
    """Watch two exchanges, the broker and scripted clients trade over real sockets."""
    from brokerfix.tools.demo import run

    sys.exit(run(Path(folder), seconds, kill))


@main.command()
@click.argument("config")
@_for_people
def check(config: str) -> None:
    """Check the file CONFIG and say what it sets up."""
    loaded = _config(config)
    role = "broker" if loaded.venues else "exchange (no venues: it matches in its own book)"
    click.echo(f"{config}: ok: {role} {loaded.broker.name} on port {loaded.broker.port}, data in {loaded.data}")
    for title, names in (
        ("instruments", loaded.instruments),
        ("accounts", loaded.accounts),
        ("clients", loaded.clients),
        ("venues", loaded.venues),
    ):
        click.echo(f"  {title}: {', '.join(names) or 'none'}")
    _tell_left_behind(loaded)


def _tell_left_behind(loaded: Config) -> None:
    """What is open of that is no longer configured."""
    journal = loaded.data / "journal"
    if not journal.is_dir():
        return
    from brokerfix.engine.operator import left_behind
    from brokerfix.record.kept import recovered

    clients = (*loaded.clients, *added_clients(loaded.data), MAKER)
    for line in left_behind(recovered(journal), loaded.venues, loaded.accounts, clients):
        click.echo(f"  {line}")


@main.command()
@config_option
@json_option
@_for_people
def status(config: str, as_json: bool) -> None:
    """Say how the running broker is: its day, what it holds, the jobs it works off, its loop's longest pauses."""
    told = ask(_config(config).data, {"action": "status"})
    if as_json:
        click.echo(json.dumps(told))
        return
    pauses = told["pause_ms"]
    click.echo(f"trading day {told['day']}, {told['facts']:,} facts")
    click.echo(
        f"{told['working']:,} orders work, {told['orders']:,} in memory; {told['unanswered']} answers owed to us"
    )
    click.echo(
        f"longest turn: {pauses['last_minute']} ms of the last minute, {pauses['since_start']} ms since the start"
    )
    for job in told["jobs"]:
        click.echo(f"works off: {job} left")
    if told["disk_full"]:
        click.echo("THE DISK IS FULL: cancels are taken, orders are not")


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
@_for_people
def order(
    comp_id: str, account: str | None, tif: str, venue: str | None, password: str, host: str, wait: float, config: str,
    as_json: bool, terms: tuple[str, ...],
) -> None:  # fmt: skip
    """Send one order over FIX and print each report as a line.

    \b
    brokerfix order --as ALICE buy 100 AAPL @ 150.25 --tif IOC
    brokerfix order --as ALICE sell 100 AAPL
    """
    side, qty, symbol, price = _terms(terms)
    loaded = _config(config)
    store = loaded.data / "clients" / f"{comp_id}.json"
    client = Client(comp_id, loaded.broker.name, host, loaded.broker.port, store, password)
    client.connect()
    cl_ord_id = f"cli-{time.time_ns()}"
    tags = {"t1": account} if account else {}
    if venue:
        tags["t100"] = venue
    time_in_force = {"DAY": "0", "GTC": "1", "IOC": "3", "FOK": "4"}[tif.upper()]
    client.new_order(cl_ord_id, side, qty, symbol, price, tif=time_in_force, **tags)
    status = _print_reports(client, cl_ord_id, wait, as_json)
    client.logout()
    sys.exit(1 if status in ("", "8") else 0)


def _terms(terms: tuple[str, ...]) -> tuple[str, str, str, str | None]:
    words = [word for word in terms if word != "@"]
    if len(words) not in (3, 4) or words[0].lower() not in ("buy", "sell"):
        raise click.UsageError("an order is: buy|sell QTY SYMBOL [@ PRICE], e.g. buy 100 AAPL @ 150.25")
    return "1" if words[0].lower() == "buy" else "2", words[1], words[2], words[3] if len(words) == 4 else None


def _print_reports(client: Client, cl_ord_id: str, wait: float, as_json: bool) -> str:
    """Print what comes about the order until it is final or nothing more comes. Returns its OrdStatus or ''."""
    status = ""
    while status not in FINAL:
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


def _database(config: str) -> "sqlite_utils.Database":
    # It loads pandas where that is installed, and no other command needs it.
    import sqlite_utils

    path = database_path(_config(config).data)
    if not path.exists():
        raise click.ClickException(f"{path}: there is no database yet; start the broker with store = true")
    return sqlite_utils.Database(path)


LEAST = {
    "orders": (
        "at_venues", "in_book", "account", "ord_type", "time_in_force", "entered", "avg_px", "cum_qty", "routes",
        "leaves_qty", "cl_ord_id",
    ),
    "executions": ("venue_exec_id", "account", "order_id", "venue", "exec_id", "at", "cl_ord_id"),
    "sessions": (
        "certificate", "unread_bytes", "refused", "seconds", "messages_out", "messages_in", "from", "fix", "kind",
    ),
    "positions": ("sold", "bought", "mark", "buying_power"),
}  # fmt: skip
"""By listing: what a narrow terminal goes without, the first first."""


def _show(rows: Iterable[dict[str, Any]], title: str, as_json: bool) -> None:
    show(rows, title, as_json, LEAST.get(title, ()))


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Finished orders too.")
@click.option("--client", help="Only this client's.")
@limit_option
@click.pass_context
@_for_people
def orders(
    context: click.Context, config: str, as_json: bool, everything: bool, client: str | None, limit: int
) -> None:
    """Show working orders and the exchanges that hold them, newest first; or cancel, release, enter one."""
    if context.invoked_subcommand is not None:
        return
    database = _database(config)
    where = [] if everything else ["leaves_qty <> '0' and cast(leaves_qty as real) > 0"]
    where += ["client = :client"] if client else []
    query = f"""
        select o.*, (select group_concat(c.venue || ' ' || c.leaves_qty || '@' || c.price, ', ') from child_orders c
                     where c.order_id = o.order_id and cast(c.leaves_qty as real) > 0) as routes
        from orders o {"where " + " and ".join(where) if where else ""} order by entered desc limit :limit"""
    _show(database.query(query, {"client": client, "limit": limit}), "orders", as_json)


def _ask(config: str, as_json: bool, done: str, **request: Any) -> Answer:
    """Ask the running broker, and say what was done."""
    answer = ask(_config(config).data, {name: value for name, value in request.items() if value is not None})
    if as_json:
        click.echo(json.dumps(answer))
    elif done:
        click.echo(done)
    return answer


client_option = click.option("--client", help="The order is named by this client's ClOrdID, not by OrderID.")
text_option = click.option("--text", default="", help="Why, for the client and for the record.")


@orders.command("cancel")
@click.argument("order")
@client_option
@text_option
@config_option
@json_option
@_for_people
def orders_cancel(order: str, client: str | None, text: str, config: str, as_json: bool) -> None:
    """Cancel the order with OrderID ORDER, as asked for by voice."""
    _ask(config, as_json, f"{order}: canceled, or the exchanges that hold it are asked", action="cancel", order=order,
         client=client, text=text)  # fmt: skip


@orders.command("release")
@click.argument("order")
@client_option
@config_option
@json_option
@_for_people
def orders_release(order: str, client: str | None, config: str, as_json: bool) -> None:
    """Let the order with OrderID ORDER go that is held for manual handling."""
    _ask(config, as_json, f"{order}: released", action="release", order=order, client=client)


@orders.command("resolve")
@click.argument("child")
@click.option("--filled", metavar="QTY@PRICE", help="So much more was filled, at this price.")
@click.option("--canceled", is_flag=True, help="What is left of it is canceled.")
@click.option(
    "--request-refused", "refused", is_flag=True, help="Our cancel or replace is refused, or never came there."
)
@text_option
@config_option
@json_option
@_for_people
def orders_resolve(
    child: str, filled: str | None, canceled: bool, refused: bool, text: str, config: str, as_json: bool
) -> None:
    """Enter what an exchange has said otherwise than by FIX of CHILD: the ClOrdID that it knows the order by."""
    qty, _, price = (filled or "").partition("@")
    if filled and not (qty and price):
        raise click.UsageError("a fill is QTY@PRICE, e.g. --filled 30@148.95")
    _ask(config, as_json, f"{child}: entered", action="resolve", child=child, qty=qty or None, price=price or None,
         canceled=int(canceled), refused=int(refused), text=text)  # fmt: skip


@orders.command("enter")
@click.option("--as", "client", required=True, help="The client who has called.")
@click.option("--account")
@click.option("--cl-ord-id", default="", help="If the client has given one: the same by FIX is then a duplicate.")
@config_option
@json_option
@click.argument("terms", nargs=-1, required=True, metavar="buy|sell QTY SYMBOL [@ PRICE]")
@_for_people
def orders_enter(
    client: str, account: str | None, cl_ord_id: str, config: str, as_json: bool, terms: tuple[str, ...]
) -> None:
    """Enter an order that a client gives by telephone."""
    side, qty, symbol, price = _terms(terms)
    named = {"1": "buy", "2": "sell"}[side]
    answer = _ask(config, as_json, "", action="enter", client=client, account=account, cl_ord_id=cl_ord_id, side=named,
                  qty=qty, symbol=symbol, price=price)  # fmt: skip
    if not as_json:
        click.echo(f"order {answer['order']} entered for {client}")


@main.group()
def trades() -> None:
    """Take fills back, or correct them."""


@trades.command("bust")
@click.argument("exec_id")
@text_option
@config_option
@json_option
@_for_people
def trades_bust(exec_id: str, text: str, config: str, as_json: bool) -> None:
    """Bust the fill EXEC_ID, on both sides if it was made in our own book. What is open again is held: release it or
    cancel it."""
    try:
        _ask(config, as_json, f"{exec_id}: busted", action="bust", exec=exec_id, text=text)
    except Refused:
        terms = _terms_of(config, exec_id)
        if terms is None:
            raise
        _ask(config, as_json, f"{exec_id}: taken back", action="reverse", exec=exec_id, text=text, **terms)


def _terms_of(config: str, exec_id: str) -> dict[str, str] | None:
    """The terms of a fill whose order has left the broker's state, as the database has them."""
    if not database_path(_config(config).data).exists():
        return None
    query = """
        select e.client, e.account, e.symbol, e.side, e.last_qty as qty, e.last_px as price, o.order_id as "order",
               o.cl_ord_id, o.qty as order_qty, o.cum_qty
        from executions e join orders o on o.order_id = e.order_id
        where e.exec_id = :exec_id and e.state <> 'busted' and cast(o.leaves_qty as real) = 0"""
    return next(iter(_database(config).query(query, {"exec_id": exec_id})), None)


@trades.command("correct")
@click.argument("exec_id")
@click.argument("qty")
@click.argument("price")
@text_option
@config_option
@json_option
@_for_people
def trades_correct(exec_id: str, qty: str, price: str, text: str, config: str, as_json: bool) -> None:
    """Give the fill EXEC_ID another price, or less quantity, both in full."""
    _ask(config, as_json, f"{exec_id}: corrected to {qty} @ {price}", action="correct", exec=exec_id, qty=qty,
         price=price, text=text)  # fmt: skip


@main.command()
@click.argument("kind", type=click.Choice(["all", "account", "symbol", "venue"]))
@click.argument("name", default="")
@config_option
@json_option
@_for_people
def halt(kind: str, name: str, config: str, as_json: bool) -> None:
    """Take no new orders: for all, or for the account, symbol or exchange NAME. Cancels are taken."""
    _ask(config, as_json, f"{kind} {name}".strip() + ": halted", action="halt", kind=kind, name=name)


@main.command()
@click.argument("kind", type=click.Choice(["all", "account", "symbol", "venue"]))
@click.argument("name", default="")
@config_option
@json_option
@_for_people
def resume(kind: str, name: str, config: str, as_json: bool) -> None:
    """Undo a halt."""
    _ask(config, as_json, f"{kind} {name}".strip() + ": resumed", action="resume", kind=kind, name=name)


@main.command()
@config_option
@json_option
@_for_people
def roll(config: str, as_json: bool) -> None:
    """Begin the next trading day by hand."""
    answer = _ask(config, as_json, "", action="roll")
    if not as_json:
        click.echo(f"trading day {answer['day']}")


@main.command()
@click.argument("symbol")
@click.argument("new", type=int)
@click.argument("old", type=int)
@config_option
@json_option
@_for_people
def split(symbol: str, new: int, old: int, config: str, as_json: bool) -> None:
    """Split SYMBOL: NEW shares for OLD ones, in orders and positions. Do it before trading, when the exchanges do."""
    _ask(config, as_json, f"{symbol}: {new} for {old}", action="split", symbol=symbol, new=new, old=old)


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@_for_people
def sessions(context: click.Context, config: str, as_json: bool) -> None:
    """Show the FIX sessions of the running broker; or disconnect one, or reset its sequence numbers."""
    if context.invoked_subcommand is None:
        loaded = _config(config)
        rows = ask(loaded.data, {"action": "sessions"})["sessions"]
        _show(_with_gateway(loaded, rows), "sessions", as_json)


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
    nothing = {"from": "", "certificate": "", "seconds": 0, "messages_in": 0, "messages_out": 0, "refused": 0,
               "unread_bytes": 0}  # fmt: skip
    return [{**row, **(known.get(row["name"], nothing))} for row in rows]


@sessions.command("disconnect")
@click.argument("name")
@config_option
@json_option
@_for_people
def sessions_disconnect(name: str, config: str, as_json: bool) -> None:
    """Log the session NAME out; it may log on again at once."""
    _ask(config, as_json, f"{name}: logged out", action="disconnect", name=name)


@sessions.command("reset")
@click.argument("name")
@config_option
@json_option
@_for_people
def sessions_reset(name: str, config: str, as_json: bool) -> None:
    """Begin the sequence numbers of the session NAME anew."""
    _ask(config, as_json, f"{name}: sequence numbers begin at 1", action="reset", name=name)


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
@_for_people
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
    answer = _ask(config, as_json, "", action="add-client", name=name, settings=settings)
    if not as_json:
        click.echo(f"{name}: may log on to port {answer['port']}")


@main.command()
@config_option
@json_option
@click.option("--client", help="Only this client's.")
@limit_option
@_for_people
def executions(config: str, as_json: bool, client: str | None, limit: int) -> None:
    """Show fills, newest first."""
    where = "where client = :client" if client else ""
    query = f"select * from executions {where} order by at desc, exec_id desc limit :limit"
    _show(_database(config).query(query, {"client": client, "limit": limit}), "executions", as_json)


@main.command()
@config_option
@json_option
@_for_people
def positions(config: str, as_json: bool) -> None:
    """Show every account's cash and holdings."""
    query = """
        select a.account, a.cash, a.buying_power, p.symbol, p.qty, p.bought, p.sold, p.mark
        from accounts a left join positions p on p.account = a.account order by a.account, p.symbol"""
    _show(_database(config).query(query), "positions", as_json)


@main.command()
@click.argument("symbol")
@config_option
@json_option
@_for_people
def book(symbol: str, config: str, as_json: bool) -> None:
    """Show the consolidated book of SYMBOL as last recorded, by exchange."""
    row = next(iter(_database(config).query("select * from books where symbol = ?", [symbol])), None)
    if row is None:
        raise click.ClickException(f"there is no recorded book of {symbol}; is it configured, and is the broker up?")
    bids, asks = json.loads(row["bids"]), json.loads(row["asks"])
    if as_json:
        click.echo(json.dumps({**row, "bids": bids, "asks": asks}, indent=2))
        return
    levels = [("ask", level) for level in reversed(asks)] + [("bid", level) for level in bids]
    rows = [
        {"side": side, "price": level["price"], "qty": level["qty"], "venue": level["venue"] or "own book"}
        for side, level in levels
    ]
    _show(rows, f"book of {symbol} at {row['at']}, last {row['last'] or '-'}", as_json)


@main.command()
@click.argument("journal")
@json_option
@_for_people
def verify(journal: str, as_json: bool) -> None:
    """Replay the folder JOURNAL, check every invariant, print the state hash."""
    folder = Path(journal)
    if (folder / "journal").is_dir():
        folder = folder / "journal"
    if not any(folder.glob("*.journal")):
        raise click.ClickException(f"{journal}: there is no journal here (no *.journal file)")
    columns = (SpinnerColumn(), TextColumn("replayed {task.completed:,.0f} facts"), TimeElapsedColumn())
    from brokerfix.record.audit import verify as verify_journal

    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=None)
        report, _ = verify_journal(folder, lambda facts: progress.update(task, completed=facts))
    if as_json:
        click.echo(json.dumps({name: getattr(report, name) for name in report.__struct_fields__}, indent=2))
    else:
        click.echo(f"{report.facts} facts in {report.records} records, {report.orders} orders, {report.fills} fills")
        click.echo(f"alerts: {report.alerts}")
        if report.torn:
            click.echo(f"torn tail: {report.torn}")
        for problem in report.problems:
            click.echo(f"BROKEN: {problem}")
        click.echo(f"state hash: {report.state_hash}")
        click.echo("every invariant holds" if not report.problems else "INVARIANTS ARE BROKEN")
    sys.exit(1 if report.problems else 0)


@main.command()
@click.argument("client")
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md", show_default=True)
@click.option("--dictionary", type=click.Path(dir_okay=False), help="Write the client's FIX dictionary (XML) here too.")
@config_option
@_for_people
def rules(client: str, form: str, dictionary: str | None, config: str) -> None:
    """Print the rules of engagement for CLIENT: sessions, messages, tags, order types, rejects, examples."""
    from brokerfix.operate.rules import document, html, write_client_dictionary

    loaded = _config(config)
    if client not in loaded.clients:
        raise click.ClickException(f"{config}: there is no [clients.{client}]; there are {', '.join(loaded.clients)}")
    text = document(loaded, client)
    click.echo(html(text, f"{loaded.broker.name} for {client}") if form == "html" else text)
    if dictionary:
        write_client_dictionary(loaded, client, Path(dictionary))


@main.command()
@click.option("--client", default="CLIENT", show_default=True, help="The SenderCompID of the client to certify.")
@click.option("--name", default="BROKER", show_default=True, help="The TargetCompID that it uses.")
@click.option("--fix", default="FIX.4.4", show_default=True, type=click.Choice(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]))
@click.option("--port", default=9899, show_default=True, help="Where to listen, on this machine only.")
@click.option("--patience", default=120.0, show_default=True, help="Seconds to wait for each message.")
@click.option("--report", "path", default="certification", show_default=True, help="Writes PATH.md and PATH.html.")
@_for_people
def certify(client: str, name: str, fix: str, port: int, patience: float, path: str) -> None:
    """Certify a FIX client: it walks through a scripted session, and says live what is expected and what it sees."""
    from brokerfix.operate.certify import STEPS, Counterpart, report, run
    from brokerfix.operate.rules import html

    counterpart = Counterpart(port, name, client, fix, click.echo, patience)
    click.echo(f"waiting for {client} ({fix}) on port {counterpart.port}")
    findings = list(run(counterpart))
    text = report(findings, client, fix)
    Path(f"{path}.md").write_text(text)
    Path(f"{path}.html").write_text(html(text, f"Certification of {client}"))
    passed = len(findings) == len(STEPS) and not findings[-1].failure
    click.echo(f"{'passed' if passed else 'NOT passed'}; the report is {path}.md and {path}.html")
    sys.exit(0 if passed else 1)


@main.command()
@click.password_option(help="The password; asked for if not given.")
def password(password: str) -> None:
    """Make a password_hash for the configuration."""
    click.echo(passwords.make_hash(password))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=("localhost", "127.0.0.1"),
    show_default=True,
    help="A name or address that clients connect to; may be given several times.",
)
@click.option("--client", "names", multiple=True, help="Make this client's certificate; may be given several times.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1), help="How long they are valid.")
@_for_people
def certificates(folder: str, hosts: tuple[str, ...], names: tuple[str, ...], days: int) -> None:
    """Make a development CA in FOLDER, the gateway's certificate and clients'. An existing CA is used again."""
    from brokerfix.tools.certificates import Authority

    for name in names:
        if not COMP_ID.fullmatch(name) or name in ("ca", "server"):
            raise click.ClickException(f"{name!r}: a client's name is its CompID, and neither ca nor server")
    authority = Authority(Path(folder), days)
    authority.issue("server", hosts)
    click.echo(f"{folder}/ca.pem: the authority; {folder}/server.pem, server.key: for {', '.join(hosts)}")
    for name in names:
        pin = authority.issue(name)
        click.echo(f'{folder}/{name}.pem, {name}.key: in [clients.{name}] write certificates = ["{pin}"]')


@main.command()
@click.argument("config")
@_for_people
def http(config: str) -> None:
    """Run the HTTP door of the file CONFIG until Ctrl-C or SIGTERM: REST for orders, executions, accounts, instruments
    and books, a WebSocket stream, and a page about it all at /. The broker runs by itself."""
    from brokerfix.operate import logs
    from brokerfix.web.process import run

    loaded = _config(config)
    if loaded.http is None or not loaded.api_keys:
        raise click.ClickException(f"{config}: [http] and at least one [api_keys.NAME] are needed")
    logs.configure("http")
    run(loaded)


@main.command()
@click.argument("name")
def key(name: str) -> None:
    """Make an API key with the name NAME, and what the configuration keeps of it."""
    from brokerfix.web.door import hash_of, make_key

    made = make_key(name)
    click.echo(f'{made}\n\n[api_keys.{name}]\nhash = "{hash_of(made)}"\nclient = "..."\nscopes = ["read"]')
