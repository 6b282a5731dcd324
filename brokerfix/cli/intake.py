"""Orders from queues, and what of them could not be answered."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from brokerfix.cli.base import config_of, for_people, json_option, main, show_rows
from brokerfix.settings.sections import Config

if TYPE_CHECKING:
    from brokerfix.intake.messages import DeadLetter
    from brokerfix.intake.queue import Queue

T = TypeVar("T")
LOOK_SECONDS = 1.0


def _section(loaded: Config, name: str | None) -> str:
    """The section that is meant. Raises ClickException."""
    names = ", ".join(loaded.orders_from)
    if not names:
        raise click.ClickException(f"{loaded.path}: there is no [orders_from.NAME]")
    if name is None and len(loaded.orders_from) > 1:
        raise click.ClickException(f"{loaded.path}: which one of {names}?")
    if name is not None and name not in loaded.orders_from:
        raise click.ClickException(f"{loaded.path}: there is no [orders_from.{name}]; there are {names}")
    return name or names


@main.command("orders-from")
@click.argument("config")
@click.argument("name", required=False)
@for_people
def orders_from(config: str, name: str | None) -> None:
    """Take orders from the queue [orders_from.NAME] of the file CONFIG until Ctrl-C or SIGTERM. The broker runs by
    itself."""
    from brokerfix.intake.process import run
    from brokerfix.operate import logs

    loaded = config_of(config)
    name = _section(loaded, name)
    logs.configure("orders-from")
    run(loaded, name)


@main.command("dead-letters")
@click.argument("config")
@click.argument("name", required=False)
@click.option("--follow", is_flag=True, help="Go on and show new ones, until Ctrl-C.")
@click.option("--requeue", metavar="ID", help="Put this one back to the orders, behind all that waits there.")
@click.option("--drop", metavar="ID", help="Delete this one.")
@json_option
@for_people
def dead_letters(
    config: str, name: str | None, follow: bool, requeue: str | None, drop: str | None, as_json: bool
) -> None:
    """Show the messages to [orders_from.NAME] that could not be answered, and why; put one back, or delete it."""
    loaded = config_of(config)
    name = _section(loaded, name)
    if sum((follow, requeue is not None, drop is not None)) > 1:
        raise click.UsageError("one of --follow, --requeue and --drop")
    if requeue is not None:
        _ask(loaded, name, lambda queue: queue.requeue(requeue), requeue)
        click.echo(f"{requeue} waits to be taken again")
    elif drop is not None:
        _ask(loaded, name, lambda queue: queue.drop(drop), drop)
        click.echo(f"{drop} is deleted")
    elif follow:
        _follow(loaded, name, as_json)
    else:
        letters = _ask(loaded, name, lambda queue: queue.dead())
        show_rows([_row(letter) for letter in letters], "dead letters", as_json)


def _ask(loaded: Config, name: str, ask: Callable[["Queue"], Awaitable[T]], id_: str = "") -> T:
    """Open the queue, and ask it. Raises ClickException."""
    from brokerfix.intake.kinds import queue_of
    from brokerfix.queues.away import ServerAway

    async def asked() -> T:
        queue = queue_of(loaded, name)
        await queue.open()
        try:
            return await ask(queue)
        finally:
            await queue.close()

    try:
        return asyncio.run(asked())
    except ServerAway as error:
        raise click.ClickException(str(error)) from error
    except KeyError as error:
        raise click.ClickException(f"there is no dead letter {id_}") from error


def _follow(loaded: Config, name: str, as_json: bool) -> None:
    seen: set[str] = set()
    while True:
        for letter in _ask(loaded, name, lambda queue: queue.dead()):
            if letter.id not in seen:
                seen.add(letter.id)
                row = _row(letter)
                line = json.dumps(row) if as_json else "  ".join(str(value) for value in row.values())
                click.echo(line)
        time.sleep(LOOK_SECONDS)


def _row(letter: "DeadLetter") -> dict[str, str]:
    return {
        "id": letter.id, "at": letter.at, "key": letter.key, "reason": letter.reason, "source": letter.source,
        "headers": " ".join(f"{name}={_shown(name, value)}" for name, value in letter.headers.items()),
        "message": letter.text,
    }  # fmt: skip


def _shown(name: str, value: str) -> str:
    return "***" if name == "authorization" else value
