"""Stories out of the journal: of an order with its evidence, a fill, an account, a trading day."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main

if TYPE_CHECKING:
    from brokerfix.operate.explain_names import Named
    from brokerfix.operate.order_evidence import Evidence
    from brokerfix.operate.sentences import Row


@main.command()
@click.argument("what", metavar="ORDER|ACCOUNT|EXEC|DAY")
@click.option("--html", "output", default="", metavar="FILE", help="Write a page; of an order or fill with a picture.")
@click.option(
    "--as", "kind", type=click.Choice(["order", "exec", "account", "day"]), default=None,
    help="What WHAT is, where that is not plain.",
)  # fmt: skip
@config_option
@json_option
@for_people
def explain(what: str, output: str, kind: str | None, config: str, as_json: bool) -> None:
    """Tell a story out of the journal, each sentence with the numbers of the facts that it rests on: of an order by its
    OrderID (received, checked with every limit, where it went and what the router saw, what its client was told, what
    was done by hand), also a refused one; of a fill by its ExecID; of an account, its limits, orders, refusals, margin
    calls, liquidations and credit; of a trading day (20261127 or 2026-11-27), with totals. An account that is called
    like a day or a number is told by --as account."""
    from brokerfix.operate.explain_names import named
    from brokerfix.record.before import told_gone

    journal = config_of(config).data / "journal"
    gone = told_gone(journal)
    try:
        told = _told(journal, named(journal, what, kind or ""), output)
    except LookupError as error:
        raise click.ClickException(f"{error.args[0]}{f' ({gone})' if gone else ''}") from error
    if as_json:
        click.echo(json.dumps(told))
        return
    if gone:
        click.echo(f"The journal begins with what is left: {gone}.")
    width = max((len(row["fact"]) for row in told["story"]), default=0)
    for row in told["story"]:
        # Of a table's lines the first sentence has the numbers.
        number = "" if row["what happened"].startswith(" ") else row["fact"]
        click.echo(f"{row['time']}  {number:<{width}}  {row['what happened']}")
    for line in _totals(told):
        click.echo(line)


def _totals(told: "Row") -> list[str]:
    """A day's totals as lines."""
    if told["kind"] != "day":
        return []
    lines = []
    for name in ("accounts", "symbols", "exchanges"):
        rows = told["totals"][name]
        if rows:
            heads = list(rows[0])
            lines += ["", f"{heads[0]:<16}" + "".join(f"{head.replace('_', ' '):>12}" for head in heads[1:])]
            lines += [f"{row[heads[0]] or '-':<16}" + "".join(f"{row[head]:>12}" for head in heads[1:]) for row in rows]
    return lines


def _told(journal: Path, found: "Named", output: str) -> "Row":
    """All that there is to tell; its page is written."""
    from brokerfix.operate.explain import told_of

    if found.kind == "order":
        return _order(journal, found.number, output)
    told = told_of(journal, found)
    if output:
        from brokerfix.operate.story_page import page

        image, missing = None, ""
        if found.kind == "exec":
            image, missing = _picture(journal, _evidence(journal, told["exec"]["order_id"]))
        _write(output, page(told, image, missing))
    return told


def _order(journal: Path, number: int, output: str) -> "Row":
    from brokerfix.domain import id_text
    from brokerfix.operate.order_page import page
    from brokerfix.operate.order_told import told

    found = _evidence(journal, id_text(number))
    evidence = told(found)
    if output:
        image, missing = _picture(journal, found)
        _write(output, page(evidence, image, missing))
    return evidence


def _evidence(journal: Path, order: str) -> "Evidence":
    from brokerfix.operate.explain_orders import order_evidence

    return order_evidence(journal, order)


def _write(output: str, text: str) -> None:
    Path(output).write_text(text, encoding="utf-8")
    click.echo(f"{output}: written", err=True)


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
