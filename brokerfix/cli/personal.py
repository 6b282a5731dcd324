"""Clients' personal data: through the running broker, or without it by its own user."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from brokerfix import commands as cmd
from brokerfix.cli.base import config_of, for_people, json_option, main
from brokerfix.operate.admin import Answer, NotRunning, ask, name_of
from brokerfix.record.journal import segments
from brokerfix.settings.registry import complete
from brokerfix.settings.sections import Config


@main.group()
def personal() -> None:
    """Clients' personal data, apart from the journal, each client's encrypted with a key of its own."""


def _config(config: str) -> Config:
    loaded = config_of(config)
    complete(loaded)
    return loaded


def _asked(config: Config, request: dict[str, Any], without: Callable[[], Answer]) -> Answer:
    """Ask the running broker, else do it here."""
    try:
        return ask(config.data, request)
    except NotRunning:
        return without()


def _on_record(config: Config, command: cmd.OperatorCommand) -> None:
    """Without a running broker; a broker that never ran has no journal yet."""
    from brokerfix.operate.offline import record

    if segments(config.data / "journal"):
        record(config, command)


def _acted(config: Config, action: str, text: str) -> None:
    _on_record(config, cmd.OperatorActs(time.time_ns(), name_of(os.getuid()), action, text))


@personal.command("list")
@click.argument("config")
@json_option
@for_people
def list_names(config: str, as_json: bool) -> None:
    """Say of which clients and accounts there are personal data."""
    from brokerfix.operate.personal import names

    loaded = _config(config)
    found = _asked(loaded, {"action": "personal-list"}, lambda: {"names": names(loaded)})["names"]
    click.echo(json.dumps(found) if as_json else "\n".join(found) or "there are none")


@personal.command("show")
@click.argument("config")
@click.argument("name")
@json_option
@for_people
def show_person(config: str, name: str, as_json: bool) -> None:
    """Show what is known of the client or account NAME; that it was shown is on record."""
    from brokerfix.operate.personal import show

    loaded = _config(config)

    def without() -> Answer:
        found = show(loaded, name)
        _acted(loaded, "personal-show", name)
        return {"personal": found}

    found = _asked(loaded, {"action": "personal-show", "name": name}, without)["personal"]
    if as_json:
        click.echo(json.dumps(found))
    for key, value in () if as_json else found.items():
        click.echo(f"{key:<14} {value}")


def _set(loaded: Config, name: str, settings: dict[str, str]) -> None:
    from brokerfix.operate.personal import put

    def without() -> Answer:
        fields = put(loaded, name, settings)
        _acted(loaded, "personal-set", f"{name}: {', '.join(fields)}")
        return {}

    _asked(loaded, {"action": "personal-set", "name": name, "settings": settings}, without)


@personal.command("set")
@click.argument("config")
@click.argument("name")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@for_people
def set_fields(config: str, name: str, fields: tuple[str, ...]) -> None:
    """Set fields of the client or account NAME: first_name=Ann surname=Lee born=1980-02-29 ... An empty value takes one
    away. The shell's history has what stands on the command line: `personal import` does not."""
    settings = {}
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            raise click.UsageError(f"{field!r}: a field is set by NAME=VALUE")
        settings[key] = value
    _set(_config(config), name, settings)
    click.echo(f"{name}: {', '.join(sorted(settings))} set")


@personal.command("import")
@click.argument("config")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@for_people
def import_fields(config: str, file: Path) -> None:
    """Set what a CSV file has, by its column `client` and a column for each field."""
    from brokerfix.operate.personal import read_csv

    loaded, rows = _config(config), read_csv(file)
    for name, settings in rows.items():
        _set(loaded, name, settings)
    click.echo(f"{len(rows)} clients set; {file} has their data in the open: delete it")


@personal.command("erase")
@click.argument("config")
@click.argument("name")
@click.option("--text", required=True, help="Why, for the record.")
@click.option("--override", default="", metavar="WHY", help="Before its time, or while orders work.")
@for_people
def erase_person(config: str, name: str, text: str, override: str) -> None:
    """Destroy the key of NAME's personal data: no copy of them can be read any more. It is on record. What a legal hold
    covers stays."""
    loaded = _config(config)
    request = {"action": "personal-erase", "name": name, "text": text, "override": override}
    _asked(loaded, request, lambda: _erased(loaded, name, text, override))
    click.echo(f"{name}: the key of the personal data is destroyed; copies of the data can't be read any more")


def _erased(loaded: Config, name: str, text: str, override: str) -> Answer:
    from datetime import UTC, datetime

    from brokerfix.operate.personal import erase, may_erase
    from brokerfix.record.kept import recovered

    may_erase(loaded, recovered(loaded.data / "journal"), name, datetime.now(UTC).date(), override)
    _on_record(loaded, cmd.ErasePersonal(time.time_ns(), name_of(os.getuid()), name, text, override))
    erase(loaded, name)
    return {}
