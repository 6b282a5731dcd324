"""Stories out of the journal: of an order, with its evidence, and of an account."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main, show_rows
from brokerfix.domain import id_number

if TYPE_CHECKING:
    from brokerfix.operate.order_evidence import Evidence


@main.command()
@click.argument("what", metavar="ORDER|ACCOUNT")
@click.option(
    "--html", "output", default="", metavar="FILE", help="Write an order's evidence as a page with a picture."
)
@config_option
@json_option
@for_people
def explain(what: str, output: str, config: str, as_json: bool) -> None:
    """Tell a story out of the journal, each sentence with its numbers and the fact that it rests on: of an order by its
    OrderID, where it went and what the router saw; or of an account, its orders and fills, refusals, limits, margin
    calls and liquidations. Of an order --json has the evidence too: each decision with its quotes, what it did not take
    and why, what it expected, and what came of it."""
    journal = config_of(config).data / "journal"
    if output and not id_number(what):
        raise click.UsageError("--html is for an order, by its OrderID")
    try:
        rows, told = _order(journal, what, output) if id_number(what) else _account(journal, what)
    except LookupError as error:
        raise click.ClickException(error.args[0]) from error
    if as_json and told is not None:
        click.echo(json.dumps(told))
    elif as_json:
        show_rows(rows, "", True)
    for row in () if as_json else rows:
        click.echo(f"{row['time']}  {row['what happened']}")


def _account(journal: Path, account: str) -> tuple[list[dict[str, Any]], None]:
    from brokerfix.operate.explain import explain_account

    return [told.row() for told in explain_account(journal, account)], None


def _order(journal: Path, order: str, output: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The story and all of the evidence; its page is written."""
    from brokerfix.operate.explain_orders import order_evidence
    from brokerfix.operate.order_page import page
    from brokerfix.operate.order_told import told

    found = order_evidence(journal, order)
    evidence = told(found)
    if output:
        image, missing = _picture(journal, found)
        Path(output).write_text(page(evidence, image, missing), encoding="utf-8")
        click.echo(f"{output}: written", err=True)
    return evidence["story"], evidence


def _picture(journal: Path, found: "Evidence") -> tuple[bytes | None, str]:
    """A PNG, or why there is none."""
    from brokerfix.operate.order_market import market_around
    from brokerfix.operate.plots import NoPlots
    from brokerfix.operate.plots_order import plot_order

    if found.accepted is None:
        return None, "the order was refused."
    try:
        return plot_order(found, market_around(journal, found)), ""
    except NoPlots as error:
        click.echo(f"the page has no picture: {error}", err=True)
        return None, f"{error}"
