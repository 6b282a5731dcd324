"""What surveillance has found, and what people make of it."""

import json
import logging
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from brokerfix.cli.base import ask_broker, config_of, config_option, for_people, json_option, main, show_rows
from brokerfix.domain import Disposition
from brokerfix.settings.surveillance import RULES, SurveillanceSection

if TYPE_CHECKING:
    from brokerfix.settings.sections import Config

day_option = click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Of this trading day.  [default: all]")
rule_option = click.option("--rule", type=click.Choice(RULES), help="Of this rule.  [default: all]")


@main.group(invoke_without_command=True)
@day_option
@rule_option
@click.option("--account", default="", help="In which this account is involved.")
@click.option("--symbol", default="", help="Of this symbol.")
@click.option("--open", "only_open", is_flag=True, help="Only those about which something is left to be done.")
@config_option
@json_option
@click.pass_context
@for_people
def surveillance(
    context: click.Context, day: datetime | None, rule: str | None, account: str, symbol: str, only_open: bool,
    config: str, as_json: bool,
) -> None:  # fmt: skip
    """Show the alerts on record and how each stands; look at one, dispose of one; or look for them."""
    if context.invoked_subcommand is not None:
        return
    from brokerfix.surveillance.reading import alerts

    loaded = config_of(config)
    found = alerts(loaded.data, _day(day), rule or "", only_open, account, symbol)
    if as_json:
        click.echo(json.dumps(found))
    else:
        if loaded.surveillance is None:
            click.echo(f"{config}: there is no [surveillance]: nothing is looked for", err=True)
        show_rows([_row(one) for one in found], "alerts", False)


def _day(day: datetime | None) -> int:
    return int(f"{day:%Y%m%d}") if day is not None else 0


def _row(one: dict[str, Any]) -> dict[str, Any]:
    """What fits a line."""
    return {
        "alert": one["alert"],
        "severity": f"{one['severity']} {one['score']}",
        "accounts": " ".join(one["accounts"]),
        "symbol": one["symbol"],
        "status": one["status"],
        "by": one.get("by", ""),
        "what": one["sentences"][0],
    }


@surveillance.command("show")
@click.argument("alert")
@config_option
@json_option
@for_people
def surveillance_show(alert: str, config: str, as_json: bool) -> None:
    """Show ALERT with its evidence: what was measured, the thresholds, each fact in words with its time, and what
    people made of it."""
    from brokerfix.surveillance.reading import alert_with_evidence

    loaded = config_of(config)
    try:
        one = alert_with_evidence(loaded.data, alert, loaded.instruments)
    except LookupError as error:
        raise click.ClickException(error.args[0]) from error
    if as_json:
        click.echo(json.dumps(one))
        return
    click.echo(f"{one['alert']}  {one['severity']}, score {one['score']}  raised {one['raised']}")
    for sentence in one["sentences"]:
        click.echo(f"  {sentence}")
    click.echo("measured: " + ", ".join(f"{name} {value}" for name, value in one["values"].items()))
    click.echo("thresholds: " + ", ".join(f"{name} {value}" for name, value in one["thresholds"].items()))
    for fact in one["facts"]:
        click.echo(f"  {fact['time']}  {fact['fact']}  {fact['what happened']}")
    click.echo(f"it is {one['status']}")
    for step in one["dispositions"]:
        click.echo(f"  {step['at']}  {step['fact']}  {step['status']}, by {step['by']}: {step['text']}")


@surveillance.command("dispose")
@click.argument("alert")
@click.argument("status", type=click.Choice([str(status) for status in Disposition]))
@click.option("--text", default="", help="Why, for the record; only `reviewing` needs none.")
@config_option
@json_option
@for_people
def surveillance_dispose(alert: str, status: str, text: str, config: str, as_json: bool) -> None:
    """Put on record, with your name, how ALERT stands from now on."""
    ask_broker(
        config, as_json, f"{alert}: {status}", action="dispose-alert", alert=alert, status=status, text=text
    )  # fmt: skip


@surveillance.command("run")
@click.argument("config")
@for_people
def surveillance_run(config: str) -> None:
    """Look at the journal of the running broker of the file CONFIG until Ctrl-C or SIGTERM, and have it put on record
    what is found. With [surveillance] `start` runs this by itself."""
    from brokerfix.operate import logs
    from brokerfix.surveillance.process import run

    logs.configure("surveillance")
    loaded = config_of(config)
    try:
        run(loaded, lambda: True)
    except BlockingIOError:
        sys.exit(f"{config}: another process looks at this journal")


@surveillance.command("scan")
@day_option
@rule_option
@config_option
@json_option
@for_people
def surveillance_scan(day: datetime | None, rule: str | None, config: str, as_json: bool) -> None:
    """Say what the rules would find in the whole journal with the configuration as it is now; nothing is put on record.
    It is how thresholds are tried."""
    logging.disable(logging.INFO)
    rows = [
        one
        for one in _scanned(config_of(config))
        if (day is None or one["day"] == _day(day)) and rule in (None, one["rule"])
    ]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        show_rows([_row(one) for one in rows], "findings", False)


def _scanned(loaded: "Config") -> list[dict[str, Any]]:
    """With the status of what is on record."""
    from brokerfix.surveillance.reading import of_finding, register_of
    from brokerfix.surveillance.scan import scanned

    section, known = loaded.surveillance or SurveillanceSection(), register_of(loaded.data).alerts
    return [
        of_finding(one) | {"status": str(known[one.alert].status) if one.alert in known else "not on record"}
        for one in scanned(loaded.data / "journal", section, loaded.calendars)
    ]
