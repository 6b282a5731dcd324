"""The event stream: its schema, and what it says."""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main
from brokerfix.settings.sections import Config, ConfigError

if TYPE_CHECKING:
    from brokerfix.projections.events.destination import What
    from brokerfix.projections.events.reading import Asked

JOURNAL = "journal"


@main.command()
@click.argument("kind", required=False, default="")
@click.option("--kinds", "only_kinds", is_flag=True, help="Only the names of all kinds.")
@for_people
def schema(kind: str, only_kinds: bool) -> None:
    """Print the JSON Schema of the event stream's messages: of a KIND of fact, or of all."""
    from brokerfix.projections.events.schema import kinds
    from brokerfix.projections.events.schema import schema as schema_of

    if only_kinds:
        click.echo("\n".join(kinds()))
        return
    if kind and kind not in kinds():
        raise click.ClickException(f"there is no kind {kind}: `brokerfix schema --kinds` has all")
    click.echo(json.dumps(schema_of(kind), indent=2))


@main.command()
@click.option("--day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The trading day, YYYY-MM-DD.")
@click.option("--kind", default="", help="Facts of this kind: `brokerfix schema --kinds` has all.")
@click.option("--account", default="", help="Of this account.")
@click.option("--order", default="", metavar="ORDER_ID|CL_ORD_ID", help="About this order.")
@click.option("--text", default="", help="With this text somewhere, in whatever case.")
@click.option("--from", "since", default="", metavar="TIME", help="From this time on (UTC), 2026-11-27T08:00:00Z.")
@click.option("--until", default="", metavar="TIME", help="To before this time.")
@click.option("--after", default="", metavar="FACT", help="Only what comes after this fact, as for the next page.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@config_option
@json_option
@for_people
def search(
    day: datetime, kind: str, account: str, order: str, text: str, since: str, until: str, after: str, limit: int,
    config: str, as_json: bool,
) -> None:  # fmt: skip
    """Search the facts of a trading day: each in words, or with --json whole."""
    from brokerfix.domain import id_number
    from brokerfix.projections.events.form import TOLD
    from brokerfix.projections.events.search import Sought
    from brokerfix.projections.events.search import search as search_day
    from brokerfix.projections.events.values import moment_of

    if kind and kind not in TOLD:
        raise click.UsageError(f"there is no kind {kind}: `brokerfix schema --kinds` has all")
    try:
        times = moment_of(since), moment_of(until)
    except ValueError as error:
        raise click.UsageError(f"{error}; a time is like 2026-11-27T08:00:00Z") from error
    loaded = config_of(config)
    sought = Sought(int(f"{day:%Y%m%d}"), kind, account, order, text, *times, id_number(after), limit)
    found = search_day(loaded.data / JOURNAL, loaded.broker.shard, sought)
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    for row in found.facts:
        click.echo(f"{row['at']}  {row['id']}  {row['words']}")
    if found.more:
        click.echo(f"there are more: --after {found.facts[-1]['id']}", err=True)


@main.command()
@click.option("--from", "name", default="", metavar="NAME", help="The [events.NAME] to read at, or `journal`.")
@click.option("--follow", is_flag=True, help="Go on with what comes.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE,...",
    help="By kind, account or symbol; a field may have several. kind=Checkpoint: the signed checkpoints.",
)
@click.option("--market", is_flag=True, help="The latest market data of each symbol, where the queue gets any.")
@click.option("--since", default="", metavar="ID|TIME", help="From this fact, or time (UTC), on.")
@config_option
@json_option
@for_people
def events(
    name: str, follow: bool, filters: tuple[str, ...], market: bool, since: str, config: str, as_json: bool
) -> None:
    """Read the event stream at its queue, each fact once: a line for each, or with --json the fact as it is there.
    Without [events], or with --from journal, it is read out of the journal itself."""
    from brokerfix.projections.events.reading import Asked, BadQuestion, checkpoints_in, in_journal, line

    try:
        asked = Asked.of(since, filters)
    except BadQuestion as error:
        raise click.UsageError(str(error)) from error
    loaded = config_of(config)
    name = name or _only(loaded)

    def tell(row: dict[str, Any]) -> None:
        click.echo(json.dumps(row) if as_json else line(row))
        if follow:
            sys.stdout.flush()

    try:
        if name == JOURNAL and market:
            raise click.UsageError("--market is at a queue: the journal has facts, and Quoted among them")
        if name == JOURNAL and asked.what == "checkpoints":
            for row in checkpoints_in(loaded.data, loaded.broker.shard, asked, follow):
                tell(row)
        elif name == JOURNAL:
            for row in in_journal(loaded.data / "journal", asked, follow):
                tell(row)
        else:
            asyncio.run(_at_queue(loaded, name, asked, follow, "market" if market else asked.what, tell))
    except KeyboardInterrupt:
        # It is how --follow ends.
        return


def _only(config: Config) -> str:
    """The only destination that there is, or the journal where there is none."""
    if len(config.events) > 1:
        raise ConfigError(
            f"{config.path}: there are several [events]: name one with --from: {', '.join(config.events)}"
        )
    return next(iter(config.events), JOURNAL)


async def _at_queue(
    config: Config, name: str, asked: "Asked", follow: bool, what: "What", tell: Callable[[dict[str, Any]], None]
) -> None:
    from brokerfix.projections.events.queues import where_of
    from brokerfix.projections.events.reading import at_queue

    where = where_of(config, name)
    async with aclosing(at_queue(where, asked, follow, what)) as rows:
        async for row in rows:
            tell(row)
