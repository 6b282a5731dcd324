"""How long records are kept, their deletion, and all that there is of one client."""

import json
import os
import time
from pathlib import Path

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main


@main.command()
@click.argument("config")
@click.option("--delete", is_flag=True, help="Delete what may go; each deletion is on record.")
@json_option
@for_people
def retention(config: str, delete: bool, as_json: bool) -> None:
    """Say which records of the broker of the file CONFIG are older than [records] says, and what keeps those that have
    to stay: a legal hold, or a reader that still needs them."""
    from brokerfix.operate.purge import delete as delete_records
    from brokerfix.operate.purge import due
    from brokerfix.settings.registry import complete

    loaded = config_of(config)
    complete(loaded)
    items = due(loaded)
    if not as_json:
        for line in _rules(config):
            click.echo(line)
        for item in items:
            told = "was deleted, and is still there" if item.told else item.why and f"stays: {item.why}"
            click.echo(f"{item.what} {item.name} ({item.size:,} bytes, {item.day}): {told or 'may go'}")
        if not items:
            click.echo("nothing is older than it is to be kept")
    gone = delete_records(loaded, lambda line: click.echo(line, err=True)) if delete else None
    if as_json:
        rows = [{**item._asdict(), "path": str(item.path)} for item in items]
        click.echo(json.dumps({"items": rows, "deleted": gone.lines if gone else None}))
    elif gone is not None:
        for line in gone.lines:
            click.echo(f"deleted {line}")
        click.echo(f"{len(gone.lines)} deleted, {gone.size:,} bytes; {loaded.data / 'journal'} says by whom and why")
    elif any(not item.why for item in items):
        click.echo("--delete deletes what may go")


def _rules(config: str) -> list[str]:
    """What the configuration says, a line each."""
    records = config_of(config).records
    days = [("the journal", records.journal_days), ("the market history", records.history_days)]
    lines = [f"{what} is kept {f'{number:,} days' if number else 'for ever'}" for what, number in days]
    lines += [f"{one.files} is kept {one.days:,} days" for one in records.outputs.values()]
    for name, hold in records.holds.items():
        names = ", ".join((*hold.clients, *hold.accounts)) or "everything"
        when = f"from {hold.first or 'the beginning'} to {hold.last or 'today'}"
        lines.append(f"hold {name}: {names}, {when}: {hold.reason} (by {hold.by}, since {hold.since})")
    return lines


@main.command()
@click.argument("client")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="A file that ends with .zip, or a folder."
)
@config_option
@for_people
def export(client: str, output: Path, config: str) -> None:
    """Write all that there is of CLIENT: its facts, orders, executions, positions and limits, messages, personal data,
    the stories of its accounts, where the records stand in the signed journal, and a manifest with the SHA-256 of each.
    Nothing of other clients is in it. That it was made is on record."""
    from brokerfix import commands as cmd
    from brokerfix.operate.admin import NotRunning, ask, name_of
    from brokerfix.operate.export import export as export_client
    from brokerfix.operate.offline import record
    from brokerfix.operate.personal import names, show
    from brokerfix.settings.registry import complete

    loaded = config_of(config)
    complete(loaded)
    try:
        ask(loaded.data, {"action": "read", "kind": "export", "name": client})
    except NotRunning:
        record(loaded, cmd.OperatorActs(time.time_ns(), name_of(os.getuid()), "read", f"export {client}"))
    section, known = loaded.clients.get(client), names(loaded)
    mine = (client, *(section.accounts if section is not None else ()))
    personal = {name: show(loaded, name) for name in dict.fromkeys(mine) if name in known}
    try:
        made = export_client(loaded, client, output, personal, name_of(os.getuid()))
    except LookupError as error:
        raise click.ClickException(error.args[0]) from error
    click.echo(f"{output}: {made['facts']} facts up to {made['last_fact']}, {len(made['files'])} files")
    if made["days_deleted"]:
        click.echo(f"what is of the days {', '.join(made['days_deleted'])} was deleted")
