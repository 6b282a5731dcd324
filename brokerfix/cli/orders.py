"""Orders, executions, positions and books: shown, and orders changed by hand."""

import json
import sys

import click

from brokerfix.cli.base import (
    ask_broker,
    client_option,
    config_option,
    database,
    for_people,
    json_option,
    limit_option,
    main,
    show_rows,
    terms_of_order,
    text_option,
)
from brokerfix.cli.shards import all_shards_option, ask_all_shards
from brokerfix.projections.tables import number_of


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Finished orders too.")
@click.option("--client", help="Only this client's.")
@limit_option
@all_shards_option
@click.pass_context
@for_people
def orders(
    context: click.Context,
    config: str,
    as_json: bool,
    everything: bool,
    client: str | None,
    limit: int,
    all_shards: bool,
) -> None:
    """Show working orders and the exchanges that hold them, newest first; or cancel, release, enter one. Of all shards:
    those that work, as the brokers have them."""
    if context.invoked_subcommand is not None:
        return None
    if all_shards:
        return ask_all_shards(config, as_json, "", action="working", client=client)
    where = [] if everything else ["cast(leaves_qty as real) > 0"]
    where += ["client = :client"] if client else []
    known = database(config)
    routes = f"""
        (select {known.joined("c.venue || ' ' || c.leaves_qty || '@' || c.price")} from
             (select * from child_orders where cast(leaves_qty as real) > 0 order by {number_of("child_id")}) c
         where c.order_id = o.order_id)"""
    query = f"""
        select o.*, {routes} as routes from orders o {"where " + " and ".join(where) if where else ""}
        order by entered desc, {number_of("order_id")} desc limit :limit"""
    return show_rows(known.query(query, {"client": client, "limit": limit}), "orders", as_json)


@orders.command("cancel")
@click.argument("order")
@client_option
@text_option
@config_option
@json_option
@for_people
def orders_cancel(order: str, client: str | None, text: str, config: str, as_json: bool) -> None:
    """Cancel the order with OrderID ORDER, as asked for by voice."""
    ask_broker(
        config,
        as_json,
        f"{order}: canceled, or the exchanges that hold it are asked",
        action="cancel",
        order=order,
        client=client,
        text=text,
    )


@orders.command("release")
@click.argument("order")
@client_option
@config_option
@json_option
@for_people
def orders_release(order: str, client: str | None, config: str, as_json: bool) -> None:
    """Let the order with OrderID ORDER go that is held for manual handling."""
    ask_broker(config, as_json, f"{order}: released", action="release", order=order, client=client)


@orders.command("pause")
@click.argument("order")
@client_option
@config_option
@json_option
@for_people
def orders_pause(order: str, client: str | None, config: str, as_json: bool) -> None:
    """Have the order with OrderID ORDER pause that is worked over time; what is queued of it comes back."""
    ask_broker(config, as_json, f"{order}: pauses", action="pause", order=order, client=client, paused="yes")


@orders.command("resume")
@click.argument("order")
@client_option
@config_option
@json_option
@for_people
def orders_resume(order: str, client: str | None, config: str, as_json: bool) -> None:
    """Have the order with OrderID ORDER go on that pauses; its clock has gone on meanwhile."""
    ask_broker(config, as_json, f"{order}: goes on", action="pause", order=order, client=client, paused="no")


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
@for_people
def orders_resolve(
    child: str, filled: str | None, canceled: bool, refused: bool, text: str, config: str, as_json: bool
) -> None:
    """Enter what an exchange has said otherwise than by FIX of CHILD: the ClOrdID that it knows the order by."""
    qty, _, price = (filled or "").partition("@")
    if filled and not (qty and price):
        raise click.UsageError("a fill is QTY@PRICE, e.g. --filled 30@148.95")
    ask_broker(
        config,
        as_json,
        f"{child}: entered",
        action="resolve",
        child=child,
        qty=qty or None,
        price=price or None,
        canceled=int(canceled),
        refused=int(refused),
        text=text,
    )


@orders.command("enter")
@click.option("--as", "client", required=True, help="The client who has called.")
@click.option("--account")
@click.option("--cl-ord-id", default="", help="If the client has given one: the same by FIX is then a duplicate.")
@config_option
@json_option
@click.argument("terms", nargs=-1, required=True, metavar="buy|sell QTY SYMBOL [@ PRICE]")
@for_people
def orders_enter(
    client: str, account: str | None, cl_ord_id: str, config: str, as_json: bool, terms: tuple[str, ...]
) -> None:
    """Enter an order that a client gives by telephone."""
    side, qty, symbol, price = terms_of_order(terms)
    named = {"1": "buy", "2": "sell"}[side]
    answer = ask_broker(
        config,
        as_json,
        "",
        action="enter",
        client=client,
        account=account,
        cl_ord_id=cl_ord_id,
        side=named,
        qty=qty,
        symbol=symbol,
        price=price,
    )
    if not as_json:
        click.echo(f"order {answer['order']} entered for {client}")


@main.command()
@config_option
@json_option
@click.option("--client", help="Only this client's.")
@limit_option
@for_people
def executions(config: str, as_json: bool, client: str | None, limit: int) -> None:
    """Show fills, newest first."""
    where = "where client = :client" if client else ""
    query = f"select * from executions {where} order by at desc, {number_of('exec_id')} desc limit :limit"
    show_rows(database(config).query(query, {"client": client, "limit": limit}), "executions", as_json)


@main.command()
@all_shards_option
@config_option
@json_option
@for_people
def positions(all_shards: bool, config: str, as_json: bool) -> None:
    """Show every account's cash and holdings."""
    if all_shards:
        return ask_all_shards(config, as_json, "", action="positions")
    query = """
        select a.account, a.cash, a.buying_power, p.symbol, p.qty, p.bought, p.sold, p.mark
        from accounts a left join positions p on p.account = a.account order by a.account, p.symbol"""
    return show_rows(database(config).query(query, {}), "positions", as_json)


BOOK_MEASURES = ("mid", "weighted", "spread_bps", "open", "high", "low", "volume", "vwap")


@main.command()
@click.argument("symbol")
@config_option
@json_option
@for_people
def book(symbol: str, config: str, as_json: bool) -> None:
    """Show the consolidated book of SYMBOL as last recorded, by exchange."""
    row = next(iter(database(config).query("select * from books where symbol = :symbol", {"symbol": symbol})), None)
    if row is None:
        raise click.ClickException(f"there is no recorded book of {symbol}; is it configured, and is the broker up?")
    bids, asks = json.loads(row["bids"]), json.loads(row["asks"])
    if as_json:
        left_out = json.loads(row["left_out"])
        click.echo(json.dumps({**row, "bids": bids, "asks": asks, "left_out": left_out}, indent=2))
        return
    levels = [("ask", level) for level in reversed(asks)] + [("bid", level) for level in bids]
    rows = [
        {"side": side, "price": level["price"], "qty": level["qty"], "venue": level["venue"] or "own book"}
        for side, level in levels
    ]
    show_rows(rows, f"book of {symbol} at {row['at']}, last {row['last'] or '-'}", as_json)
    if not sys.stdout.isatty():
        # Programs read one table, or --json.
        return
    for name in BOOK_MEASURES:
        if row[name] is not None:
            click.echo(f"  {name.replace('_', ' '):<11} {row[name]}")
    click.echo(f"  {row['state']}, {row['fresh']} of {row['sources']} count")
    for venue, why in json.loads(row["left_out"]).items():
        click.echo(f"  {venue} does not: {why}")
