"""Starting things: broker, gateway, HTTP door, demo; and how a broker is."""

import gc
import json
import logging
import os
import sys
from pathlib import Path

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main
from brokerfix.cli.shards import all_shards_option, ask_all_shards
from brokerfix.operate.admin import ask
from brokerfix.settings.api_keys import KeptKeys, http_keys
from brokerfix.settings.compliance import ComplianceSection, missing
from brokerfix.settings.registry import complete
from brokerfix.settings.sections import Config, StartError
from brokerfix.settings.store import in_postgres, password_of

DEMO_SECONDS = 30


@main.command()
@click.argument("config")
@for_people
def start(config: str) -> None:
    """Run the broker, or simulated exchange, of the file CONFIG until Ctrl-C or SIGTERM.

    With a [cluster] it is the primary where nobody else is, and a standby of who is."""
    _run(config, may_begin=True)


@main.command()
@click.argument("config")
@click.option("--node", help="This machine's name in the cluster, in place of cluster.node.")
@for_people
def standby(config: str, node: str | None) -> None:
    """Run a standby of the broker of the file CONFIG, on another machine, until Ctrl-C or SIGTERM.

    It takes over when the primary is gone. Unlike `brokerfix start` it is never the first primary of a cluster."""
    if node:
        os.environ["BROKERFIX_NODE"] = node
    if config_of(config).cluster is None:
        raise StartError(f"{config}: has no [cluster]: a standby needs one")
    _run(config, may_begin=False)


def _run(config: str, may_begin: bool) -> None:
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler: logging.Handler = RichHandler(show_path=False, markup=False, console=Console(stderr=True))
        logging.basicConfig(level=logging.INFO, format="%(message)s", datefmt="%X", handlers=[handler])
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # What is loaded stays. To look through it for garbage again and again takes an eighth of the start.
    gc.disable()
    from brokerfix.process.broker import Broker
    from brokerfix.process.member import Ended

    gc.enable()
    broker = Broker(config_of(config), may_begin=may_begin)
    try:
        broker.start()
    except Ended:
        sys.exit(0)
    sys.exit(broker.run())


@main.command()
@click.argument("config")
@for_people
def gateway(config: str) -> None:
    """Run the gateway of the file CONFIG alone, e.g. on another machine, until Ctrl-C or SIGTERM.

    SIGHUP has it read its certificates again. `brokerfix start` runs it by itself where it is on the same machine."""
    from brokerfix.gateway.process import run
    from brokerfix.operate import logs

    loaded = config_of(config)
    if loaded.gateway is None:
        raise click.ClickException(f"{config}: there is no [gateway]")
    logs.configure("gateway")
    sys.exit(run(loaded))


@main.command()
@click.argument("config")
@for_people
def router(config: str) -> None:
    """Run the router of the file CONFIG until Ctrl-C or SIGTERM: between the gateway and several shards, it makes one
    session of a client's sessions with all of them."""
    from brokerfix.operate import logs
    from brokerfix.router.process import run

    loaded = config_of(config)
    if loaded.router is None:
        raise click.ClickException(f"{config}: there is no [router]")
    logs.configure("router")
    sys.exit(run(loaded))


@main.command()
@click.argument("config")
@for_people
def http(config: str) -> None:
    """Run the HTTP door of the file CONFIG until Ctrl-C or SIGTERM: REST for orders, executions, accounts, instruments
    and books, a WebSocket stream, and a page about it all at /. The broker runs by itself."""
    from brokerfix.operate import logs
    from brokerfix.web.process import run

    loaded = config_of(config)
    complete(loaded)
    if loaded.http is None or not http_keys(loaded, KeptKeys(loaded.data).read()):
        raise click.ClickException(
            f"{config}: [http] and at least one [api_keys.NAME] of no queue are needed, or one by `brokerfix key --add`"
        )
    logs.configure("http")
    run(loaded)


@main.command()
@click.option("--seconds", type=click.IntRange(1), help="How long to trade: 30, with --console until Ctrl-C.")
@click.option("--kill", is_flag=True, help="Kill the broker with kill -9 in the middle and start it again.")
@click.option("--folder", default="var/demo", show_default=True, help="Where the demo's files go; emptied first.")
@click.option("--story", type=click.Choice(["margin"]), help="Tell a story instead: a margin call, to its end.")
@click.option(
    "--cluster",
    is_flag=True,
    help="Two shards, a standby, three NATS servers and PostgreSQL; a primary is killed and its data deleted.",
)
@click.option("--console", is_flag=True, help="Open the console in a browser, and trade until Ctrl-C.")
@for_people
def demo(seconds: int | None, kill: bool, folder: str, story: str | None, cluster: bool, console: bool) -> None:
    """Watch two exchanges, the broker and scripted clients trade over real sockets."""
    if console:
        if kill or story or cluster:
            raise click.UsageError("--console shows the ordinary desk")
        sys.exit(_show_console(Path(folder), seconds))
    seconds = seconds or DEMO_SECONDS
    if cluster:
        if kill or story:
            raise click.UsageError("--cluster has a kill of its own, and no story")
        from brokerfix.tools.demo_cluster import run as play

        sys.exit(play(Path(folder), seconds))
    if story is not None:
        from brokerfix.tools.story import run as tell

        sys.exit(tell(Path(folder), click.echo))
    from brokerfix.tools.demo import run

    sys.exit(run(Path(folder), seconds, kill))


def _show_console(folder: Path, seconds: int | None) -> int:
    from brokerfix.console import check_installed

    check_installed()
    from brokerfix.tools.demo_console import run

    return run(folder, seconds, click.echo)


@main.command()
@click.argument("config")
@for_people
def check(config: str) -> None:
    """Check the file CONFIG and say what it sets up."""
    loaded = config_of(config)
    role = "broker" if loaded.venues else "exchange (no venues: it matches in its own book)"
    click.echo(f"{config}: ok: {role} {loaded.broker.name} on port {loaded.broker.port}, data in {loaded.data}")
    for title, names in (
        ("instruments", loaded.instruments),
        ("accounts", loaded.accounts),
        ("clients", loaded.clients),
        ("venues", loaded.venues),
    ):
        click.echo(f"  {title}: {', '.join(names) or 'none'}")
    if in_postgres(loaded):
        password_of(loaded)
        click.echo(f"  database: shard {loaded.broker.shard} of {loaded.broker.store}")
    if loaded.compliance != ComplianceSection():
        needed = missing(loaded.compliance, loaded.venues, loaded.accounts, loaded.instruments)
        for report, keys in needed.items():
            click.echo(f"  report {report}: not configured: {', '.join(keys)}")
    _tell_left_behind(loaded)


def _tell_left_behind(loaded: Config) -> None:
    """What is open of that is no longer configured."""
    journal = loaded.data / "journal"
    if not journal.is_dir():
        return
    from brokerfix.engine.operator import left_behind
    from brokerfix.record.kept import recovered

    complete(loaded)
    for line in left_behind(recovered(journal), loaded.venues, loaded.accounts, (*loaded.clients, *loaded.makers)):
        click.echo(f"  {line}")


@main.command()
@all_shards_option
@config_option
@json_option
@for_people
def status(all_shards: bool, config: str, as_json: bool) -> None:
    """Say how the running broker is: its day, what it holds, the jobs it works off, its loop's longest pauses."""
    from brokerfix.projections.lag import lag_text

    if all_shards:
        ask_all_shards(config, as_json, "", action="status")
        return
    told = ask(config_of(config).data, {"action": "status"})
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
    if told["cluster"]:
        cluster = told["cluster"]
        click.echo(
            f"node {cluster['node']} is the {cluster['role']}, epoch {cluster['epoch']}; standbys: "
            f"{cluster['standbys']}; not confirmed yet: {cluster['behind_bytes']} bytes, {cluster['behind_ms']} ms"
        )
        if not cluster["quorum"]:
            click.echo("THE CLUSTER HAS NO QUORUM")
    for job in told["jobs"]:
        click.echo(f"works off: {job} left")
    for name, lag in told.get("events", {}).items():
        click.echo(f"event stream {name}: {lag_text(lag)}")
    watched = told.get("surveillance", {"open": 0, "lag": None})
    if watched["open"] or watched["lag"]:
        wait = "alert waits" if watched["open"] == 1 else "alerts wait"
        behind = f"; it {lag_text(watched['lag'])}" if watched["lag"] else ""
        click.echo(f"surveillance: {watched['open']} {wait} for a person{behind}")
    store = told["store"]
    if store is not None and (store["seconds"] or store["trouble"]):
        why = f": {store['trouble']}" if store["trouble"] else ""
        click.echo(f"the database is {store['facts']:,} facts and {store['seconds']:,} s behind{why}")
    if told["disk_full"]:
        click.echo("THE DISK IS FULL: cancels are taken, orders are not")
