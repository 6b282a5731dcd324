"""A cluster: how it is, and handing over."""

import asyncio
import json
import sys
import time

import click
import msgspec

from brokerfix.cli.base import config_of, for_people, json_option, main
from brokerfix.cli.tables import show
from brokerfix.operate.admin import NotRunning, ask
from brokerfix.queues.needed import check_cluster_installed
from brokerfix.settings.sections import Config, StartError

SWITCH_SECONDS = 60.0


def _clustered(config: str) -> Config:
    loaded = config_of(config)
    if loaded.cluster is None:
        raise StartError(f"{loaded.path}: has no [cluster]")
    return loaded


@main.command()
@click.argument("config")
@json_option
@for_people
def cluster(config: str, as_json: bool) -> None:
    """How the cluster of the file CONFIG is: its primary, its standbys, how far they are. The exit code is 0 if all is
    well."""
    loaded = _clustered(config)
    check_cluster_installed(loaded.path)
    from brokerfix.cluster import overview
    from brokerfix.queues.nats import ServerAway

    try:
        found = asyncio.run(overview.look(loaded))
    except ServerAway as error:
        raise StartError(str(error)) from error
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found)))
    else:
        show(overview.rows(found), "nodes", False)
        for problem in found.problems:
            click.echo(problem, err=True)
    sys.exit(1 if found.problems else 0)


@main.command()
@click.argument("config")
@click.option("--to", help="The standby that takes over; else the one that is closest.")
@for_people
def switch(config: str, to: str | None) -> None:
    """Have the primary that runs here, of the file CONFIG, hand over to a standby, and follow it from then on."""
    data = _clustered(config).data
    chosen = ask(data, {"action": "switch", "node": to or ""})["node"]
    click.echo(f"node {chosen} is to take over")
    deadline = time.monotonic() + SWITCH_SECONDS
    while time.monotonic() < deadline:
        try:
            told = ask(data, {"action": "cluster"}, timeout=2)
        except NotRunning:
            told = {}
        if told.get("role") == "standby" and told.get("primary") == chosen and not told.get("released"):
            click.echo(f"node {chosen} is the primary, in epoch {told['epoch']}; node {told['node']} follows it")
            return
        time.sleep(0.1)
    raise StartError(f"node {chosen} has not taken over within {SWITCH_SECONDS:g} s: `brokerfix cluster` shows why")
