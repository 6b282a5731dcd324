"""What a desk does about risk: kills, limits."""

import getpass
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from brokerfix.cli.base import (
    ask_broker,
    config_of,
    config_option,
    for_people,
    json_option,
    main,
    show_rows,
    text_option,
)
from brokerfix.cli.shards import all_shards_option, ask_all_shards
from brokerfix.domain import Level, id_text
from brokerfix.engine.risk.credit import STEPS
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.operate.killfile import Kill, leave

MOST_SECONDS = 60.0
MOST_TOLD = 400
"""Characters of an alert about breaks."""


@main.command()
@click.argument("kind", type=click.Choice(["all", "client", "group", "account", "symbol", "strategy"]))
@click.argument("name", default="")
@all_shards_option
@config_option
@json_option
@for_people
def kill(kind: str, name: str, all_shards: bool, config: str, as_json: bool) -> None:
    """Cancel every order at once, at every exchange and in the book, and take no new ones: of all, or of the client,
    group, account, symbol or strategy (CLIENT/TAG) NAME. `resume` lets new ones in again."""
    if all_shards:
        return ask_all_shards(
            config, as_json, f"{kind} {name}".strip() + ": killed", action="kill", kind=kind, name=name
        )
    try:
        answer = ask_broker(config, False, "", action="kill", kind=kind, name=name)
    except NotRunning as error:
        from brokerfix.operate.supervisor import owner_of

        if owner_of(config_of(config).data) is not None:
            told = "it runs, and may have done it: ask again, or have `supervise` end it"
            raise click.ClickException(f"{error}; {told}") from error
        leave(config_of(config).data, Kill(kind, name, getpass.getuser()))
        told = f"its next start kills {kind} {name}".strip()
        raise click.ClickException(f"{error}; {told} before it takes an order") from error
    if not as_json:
        click.echo(f"{kind} {name}".strip() + f": killed; {answer['orders']} orders are canceled")
    data, deadline = config_of(config).data, time.monotonic() + MOST_SECONDS
    while (found := ask(data, {"action": "killed"}))["under_way"] and time.monotonic() < deadline:
        time.sleep(0.02)
    if as_json:
        ask_broker(config, True, "", action="killed")
    else:
        click.echo(found["told"])
    return None


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@for_people
def fx(context: click.Context, config: str, as_json: bool) -> None:
    """Show the currencies beside the desk's own and their rates; or set a rate."""
    if context.invoked_subcommand is None:
        show_rows(ask(config_of(config).data, {"action": "fx"})["currencies"], "currencies", as_json)


@fx.command("set")
@click.argument("currency")
@click.argument("rate")
@config_option
@json_option
@for_people
def fx_set(currency: str, rate: str, config: str, as_json: bool) -> None:
    """One unit of CURRENCY is worth RATE of the desk's own from now on: limits, margin and buying power follow."""
    ask_broker(config, as_json, f"{currency}: {rate}", action="set-fx", currency=currency, rate=rate)


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@for_people
def breaks(context: click.Context, config: str, as_json: bool) -> None:
    """Show what exchanges say otherwise than we have it; or resolve a break."""
    if context.invoked_subcommand is None:
        show_rows(ask(config_of(config).data, {"action": "breaks"})["breaks"], "open breaks", as_json)


@breaks.command("resolve")
@click.argument("number")
@text_option
@config_option
@json_option
@for_people
def breaks_resolve(number: str, text: str, config: str, as_json: bool) -> None:
    """Put on record that the break NUMBER was looked into, and with --text what it was. What has to be booked is booked
    by hand (`orders resolve`, `trades bust`, `trades correct`)."""
    ask_broker(config, as_json, f"{number}: resolved", action="resolve-break", number=number, text=text)


@main.command()
@click.option("--heartbeat", type=click.FloatRange(1), default=5.0, show_default=True, help="Seconds of silence.")
@click.option("--every", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--on-breaks", is_flag=True, help="Kill all when the broker and an exchange disagree.")
@config_option
@for_people
def supervise(heartbeat: float, every: float, on_breaks: bool, config: str) -> None:
    """Watch the broker from a process of its own, until Ctrl-C: one that runs but does not answer is ended, and its
    next start begins with a kill of everything."""
    from brokerfix.operate import logs
    from brokerfix.operate.supervisor import Supervisor, watch

    logs.configure("supervisor")
    with suppress(KeyboardInterrupt):
        watch(Supervisor(config_of(config).data, heartbeat, on_breaks), every)


@main.group(invoke_without_command=True)
@all_shards_option
@config_option
@json_option
@click.pass_context
@for_people
def limits(context: click.Context, all_shards: bool, config: str, as_json: bool) -> None:
    """Show every limit that is set and how much of it is used; or set some."""
    if context.invoked_subcommand is None:
        if all_shards:
            return ask_all_shards(config, as_json, "", action="limits")
        rows = ask(config_of(config).data, {"action": "limits"})["limits"]
        show_rows(rows, "limits", as_json)
    return None


@limits.command("set")
@click.argument("words", nargs=-1, required=True, metavar="LEVEL NAME=VALUE...")
@click.option("--minutes", type=click.IntRange(1), help="For so long; then they are what they were before.")
@text_option
@all_shards_option
@config_option
@json_option
@for_people
def limits_set(
    words: tuple[str, ...], minutes: int | None, text: str, all_shards: bool, config: str, as_json: bool
) -> None:
    """Set limits of a level from the next order on: `limits set account ALICE MSFT max_long=500`. The level is firm,
    client NAME, group NAME, account NAME or account NAME SYMBOL; the names are those of the configuration, and an empty
    value takes a limit away. They stay until they are set again or the configuration is changed."""
    level = [word for word in words if "=" not in word]
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    if not 1 <= len(level) <= 3 or not settings:
        raise click.UsageError("limits set LEVEL NAME=VALUE..., e.g. limits set account ALICE max_gross=2000000")
    kind, name, symbol = (*level, "", "")[:3]
    request: dict[str, Any] = {
        "action": "set-limits",
        "kind": kind,
        "name": name,
        "symbol": symbol,
        "settings": settings,
        "text": text,
    }
    request |= {"minutes": minutes} if minutes else {}
    told = " ".join(level) + ": " + ", ".join(word for word in words if "=" in word)
    if all_shards:
        return ask_all_shards(config, as_json, told, **request)
    answer = ask_broker(config, as_json, "", **request)
    if as_json:
        return None
    if "proposal" in answer:
        told += f": another operator has to approve: brokerfix limits approve {answer['proposal']}"
    click.echo(told)
    return None


@limits.command("pending")
@config_option
@json_option
@for_people
def limits_pending(config: str, as_json: bool) -> None:
    """Show the limits that wait for a second person."""
    show_rows(ask(config_of(config).data, {"action": "pending-limits"})["pending"], "limits to approve", as_json)


def _answer_limits(number: str, approve: bool, text: str, config: str, as_json: bool) -> None:
    told = f"{number}: {'approved' if approve else 'turned down'}"
    ask_broker(config, as_json, told, action="answer-limits", proposal=number, approve=int(approve), text=text)


@limits.command("approve")
@click.argument("number")
@config_option
@json_option
@for_people
def limits_approve(number: str, config: str, as_json: bool) -> None:
    """Approve of the limits that another operator has proposed as NUMBER: they hold from the next order on."""
    _answer_limits(number, True, "", config, as_json)


@limits.command("reject")
@click.argument("number")
@text_option
@config_option
@json_option
@for_people
def limits_reject(number: str, text: str, config: str, as_json: bool) -> None:
    """Turn the limits down that are proposed as NUMBER."""
    _answer_limits(number, False, text, config, as_json)


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@for_people
def margin(context: click.Context, config: str, as_json: bool) -> None:
    """Show every account with margin or a loss limit, and how it stands; or stop a liquidation."""
    if context.invoked_subcommand is None:
        rows = ask(config_of(config).data, {"action": "margin"})["margin"]
        show_rows(rows, "accounts with margin", as_json)


@margin.command("hold")
@click.argument("account")
@text_option
@config_option
@json_option
@for_people
def margin_hold(account: str, text: str, config: str, as_json: bool) -> None:
    """Send no more orders of ACCOUNT's liquidation, also of one that is still to come, until `margin resume`."""
    told = f"{account}: its liquidation is held"
    ask_broker(config, as_json, told, action="hold-margin", account=account, hold=1, text=text)


@margin.command("resume")
@click.argument("account")
@config_option
@json_option
@for_people
def margin_resume(account: str, config: str, as_json: bool) -> None:
    """Let ACCOUNT's liquidation go on, at the prices that there are now."""
    told = f"{account}: its liquidation goes on"
    ask_broker(config, as_json, told, action="hold-margin", account=account, hold=0)


plot_option = click.option("--plot", default="", help="Write a picture too: a file's name, .png or .svg.")


def _plotted(draw: Callable[[], None]) -> None:
    """Draw. What can't be drawn is told to people."""
    from brokerfix.operate.plots import NoPlots

    try:
        draw()
    except (NoPlots, ValueError) as error:
        raise click.ClickException(str(error)) from error


@main.command("risk-test")
@click.option(
    "--limits", "proposed", required=True, help="A configuration whose limits, groups and accounts are tried."
)
@click.option("--day", type=int, default=0, help="Only the orders of this trading day, YYYYMMDD.")
@click.option("--shock", "shocks", type=click.IntRange(1, 99), multiple=True, default=(10, 30), show_default=True,
              help="Percent by which all marks fall at the end; several times for several.")  # fmt: skip
@click.option("--rate", type=click.IntRange(1, 1000), default=1, show_default=True, help="So many times as fast.")
@plot_option
@config_option
@json_option
@for_people
def risk_test(
    proposed: str, day: int, shocks: tuple[int, ...], rate: int, plot: str, config: str, as_json: bool
) -> None:
    """Replay the journal against other limits: which orders they would have refused, how far each limit would have been
    used, and which accounts with margin would be called if prices fell. Nothing is changed; the broker may run."""
    from brokerfix.operate.dryrun import DryRun
    from brokerfix.operate.plots import plot_dry_run

    tried = config_of(proposed)
    levels = {Level("account", name): account.limits for name, account in tried.accounts.items()}
    groups = {name: group.accounts for name, group in tried.groups.items()}
    symbol_groups = {name: group.symbols for name, group in tried.symbol_groups.items()}
    run = DryRun(levels | tried.limits, groups, symbol_groups, rate)
    run.replay(config_of(config).data / "journal", day)
    rows = [refused.row() for refused in run.refused]
    reached = [row for row in run.reached.values() if row["used"]]
    shocked = list(run.shocked(shocks))
    if plot:
        _plotted(lambda: plot_dry_run(Path(plot), reached, run.by_check()))
    if as_json:
        told = {"weighed": run.weighed, "refused": rows, "controls": run.by_check(), "reached": reached}
        click.echo(json.dumps({**told, "shocks": shocked}))
        return
    click.echo(f"{run.weighed} orders and replaces weighed, {len(rows)} would have been refused")
    parts = ("refused", rows), ("controls", run.by_check()), ("limits used", reached), ("if marks fell", shocked)
    for title, found in parts:
        if found:
            click.echo(f"\n{title}")
            show_rows(found, title, False)


@main.command()
@click.argument("account", default="")
@plot_option
@config_option
@json_option
@for_people
def credit(account: str, plot: str, config: str, as_json: bool) -> None:
    """Explain the credit score of ACCOUNT out of the journal: what goes into it now, what costs it most, what it was.
    Without ACCOUNT, all of them in a line each."""
    from brokerfix.operate.credit import past, scores
    from brokerfix.operate.plots import plot_credit

    loaded = config_of(config)
    found = scores(loaded.data / "journal", loaded.credit, time.time_ns())
    if not account:
        rows = [{"account": one.account, "score": one.score, "costs most": "; ".join(one.reasons[:1])} for one in found]
        return show_rows(rows, "credit scores", as_json)
    one = next((one for one in found if one.account == account), None)
    if one is None:
        raise click.ClickException(f"there is no account with margin {account!r}")
    history = [
        {"day": id_text(fact.id), "score": fact.score, "multiplier": f"{fact.multiplier_bps / 10_000:g}"}
        for fact in past(loaded.data / "journal", account)
    ]
    if plot:
        days = [(str(row["day"]), int(str(row["score"]))) for row in history] + [("now", one.score)]
        steps = [(least, f"{bps / 10_000:g}") for least, bps in STEPS if least]
        _plotted(lambda: plot_credit(Path(plot), account, days, steps))
    if as_json:
        click.echo(json.dumps({"score": one.score, "inputs": one.inputs, "reasons": one.reasons, "history": history}))
        return None
    click.echo(f"{account}: {one.score}")
    for name, value in one.inputs:
        click.echo(f"  {name:<24}{value:>16}")
    was = tuple(" ".join(map(str, row.values())) for row in history)
    for title, lines in (("what costs it most", one.reasons), ("what it was", was)):
        if lines:
            click.echo(title)
            for line in lines:
                click.echo(f"  {line}")
    return None


@main.command("credit-score")
@click.option("--every", type=click.IntRange(1), help="Score again after so many seconds, until Ctrl-C.")
@config_option
@for_people
def credit_score(every: int | None, config: str) -> None:
    """Score all accounts with margin and have the running broker take the scores: a cut applies at once, a raise one
    step on a day without a margin call."""
    from brokerfix.operate.credit import scores, submit

    loaded = config_of(config)
    while True:
        found = scores(loaded.data / "journal", loaded.credit, time.time_ns())
        submit(found, lambda request: ask(loaded.data, request))
        for row in ask(loaded.data, {"action": "credits"})["credits"]:
            score = next(one.score for one in found if one.account == row["account"])
            click.echo(f"{row['account']}: {score}, it may use {row['multiplier']} of its available funds")
        if every is None:
            return
        time.sleep(every)


@main.command()
@click.argument("clearing")
@click.option(
    "--column", "named", multiple=True, metavar="NAME=TITLE", help="What account, symbol or qty are called there."
)
@click.option("--day", type=int, default=0, help="The positions at the end of this trading day, YYYYMMDD; else now.")
@config_option
@json_option
@for_people
def reconcile(clearing: str, named: tuple[str, ...], day: int, config: str, as_json: bool) -> None:
    """Compare the journal's positions with the CSV file CLEARING. Exit code 1 where they differ; a running broker puts
    that on record as an alert."""
    from brokerfix.operate.reconcile import ClearingError, columns_of, rows, state_at
    from brokerfix.operate.reconcile import reconcile as compare

    loaded = config_of(config)
    try:
        columns = columns_of(dict(word.split("=", 1) for word in named if "=" in word))
        breaks = compare(state_at(loaded.data / "journal", day), Path(clearing), columns)
    except ClearingError as error:
        raise click.ClickException(str(error)) from error
    show_rows(rows(breaks), "breaks", as_json)
    if not breaks:
        return
    with suppress(NotRunning):
        told = "; ".join(f"{one.account} {one.symbol}: we have {one.ours}, clearing {one.theirs}" for one in breaks)
        ask(loaded.data, {"action": "alert", "code": "BREAK", "text": f"{len(breaks)} breaks: {told}"[:MOST_TOLD]})
    sys.exit(1)
