"""Brokers that are shards of one cluster: who is there, accounts that move, and what is asked of all."""

import asyncio
import getpass
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import click

from brokerfix.cli.base import config_of, config_option, for_people, json_option, main, show_rows
from brokerfix.operate.admin import Answer, NotRunning, ask_at
from brokerfix.queues.needed import check_cluster_installed
from brokerfix.settings.sections import Config, StartError

all_shards_option = click.option("--all-shards", is_flag=True, help="Ask every shard of the cluster.")
ASK_SECONDS = 15.0
MOVE_SECONDS = 60.0
LOOK_SECONDS = 0.2
LISTS = {"limits": "limits", "positions": "positions", "working": "orders", "pending-limits": "pending"}
"""What answers have as lists of rows, by action."""


def at_door(config: Config, **request: Any) -> Answer:
    """Ask the agent of the shard on this machine. Raises NotRunning and ActionRefused."""
    from brokerfix.cluster.door import door_path

    _check(config)
    return ask_at(door_path(config.data), request, ASK_SECONDS)


def _check(config: Config) -> None:
    if not config.is_shard:
        raise StartError(f"{config.path}: this broker is not one of several shards: it has no [cluster] shards = true")


def of_all(config: Config, request: dict[str, Any]) -> Answer:
    """The answers of all shards: through the agent of the one here or, where it does not run, straight from the
    cluster's servers. Raises NotRunning and ActionRefused."""
    try:
        return at_door(config, action="all", request=request)
    except NotRunning:
        return asyncio.run(_straight(config, request))


async def _straight(config: Config, request: dict[str, Any]) -> Answer:
    check_cluster_installed(config.path)
    from brokerfix.cluster.keys import Keys
    from brokerfix.cluster.lease import Away
    from brokerfix.cluster.standing import ask_all, ask_one
    from brokerfix.queues.nats import ServerAway, connect

    assert config.cluster is not None
    try:
        client = await connect(config.path, "cluster", config.cluster, "brokerfix operator")
    except ServerAway as error:
        raise NotRunning(str(error)) from error
    try:
        name, by = config.cluster.name, getpass.getuser()

        async def asking(shard: int, number: int) -> Answer:
            return await ask_one(client, name, shard, by, request, number)

        return await ask_all(Keys(client, name), asking, by, request)
    except Away as error:
        raise NotRunning(str(error)) from error
    finally:
        await client.close()


def ask_all_shards(path: str, as_json: bool, done: str, **request: Any) -> None:
    """Ask all shards and show what each says, with a line for each that says nothing. Exits with 1 where one does
    not."""
    from brokerfix.cluster.door import beside

    told = of_all(config_of(path), {name: value for name, value in request.items() if value is not None})
    answers = sorted(told["answers"], key=lambda answer: answer["shard"])
    if as_json:
        click.echo(json.dumps(told))
    else:
        show_rows(list(_rows(request["action"], answers, done)), "shards", False)
        away = [str(answer["shard"]) for answer in answers if answer.get("away")]
        if away and told["kept"]:
            click.echo(f"shard {', '.join(away)} does it before it takes orders again")
        if told["error"]:
            click.echo(f"it is not kept for shards that are away: {told['error']}")
    free = beside(answers, told["kept"])
    if not answers or not all(answer["ok"] or answer["shard"] in free for answer in answers):
        sys.exit(1)


def _rows(action: str, answers: list[dict[str, Any]], done: str) -> Any:
    listed = LISTS.get(action)
    for answer in answers:
        shard = {"shard": answer["shard"]}
        if not answer["ok"]:
            yield {**shard, "answer": answer["error"]}
        elif listed is not None:
            yield from ({**shard, **row, **_when(row)} for row in answer[listed])
            if answer.get("more"):
                yield {**shard, "answer": f"and {answer['more']} more"}
        elif action == "status":
            yield {
                **shard, "answer": f"trading day {answer['day']}", "facts": answer["facts"],
                "working": answer["working"], "alerts": answer["alerts"],
                "pause_ms": answer["pause_ms"]["last_minute"],
            }  # fmt: skip
        else:
            waits = f"waits for a second person: {answer['proposal']}" if "proposal" in answer else done
            yield {**shard, "answer": waits} | ({"orders": answer["orders"]} if "orders" in answer else {})


def _when(row: dict[str, Any]) -> dict[str, str]:
    """A moment in nanoseconds, as people read it."""
    at = row.get("at")
    return {"at": f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%d %H:%M:%SZ}"} if isinstance(at, int) else {}


@main.command()
@config_option
@json_option
@for_people
def shards(config: str, as_json: bool) -> None:
    """Show the shards of the cluster: which are up, how many accounts each has."""
    show_rows(at_door(config_of(config), action="shards")["shards"], "shards", as_json)


@main.command("move-account")
@click.argument("account")
@click.option("--to", type=click.IntRange(0, 99), help="The shard that is to have it.")
@click.option("--cancel", is_flag=True, help="Cancel its orders that work; else they are waited for.")
@click.option("--stay", is_flag=True, help="Give up a move that still waits: it takes orders again.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is there.")
@config_option
@json_option
@for_people
def move_account(
    account: str, to: int | None, cancel: bool, stay: bool, no_wait: bool, config: str, as_json: bool
) -> None:
    """Move ACCOUNT to another shard, with all that it has. It takes no new orders from now on, until it is there."""
    if (to is None) is not stay:
        raise click.UsageError("move-account ACCOUNT --to SHARD, or --stay")
    loaded = config_of(config)
    target = -1 if to is None else to
    at_door(loaded, action="move-account", account=account, shard=target, drain=int(cancel))
    if stay or no_wait:
        click.echo(json.dumps({"account": account, "to": to}) if as_json else f"{account}: {_told(to)}")
        return
    deadline = time.monotonic() + MOVE_SECONDS
    while time.monotonic() < deadline:
        found = at_door(loaded, action="account", account=account)
        if found["shard"] == to and not found["under_way"]:
            click.echo(json.dumps({"account": account, **found}) if as_json else f"{account}: is on shard {to}")
            return
        time.sleep(LOOK_SECONDS)
    told = f"{account} is not on shard {to} yet; it goes on by itself when its orders are over"
    raise click.ClickException(f"{told} (`move-account {account} --stay` gives it up, --cancel cancels them)")


def _told(to: int | None) -> str:
    return "stays" if to is None else f"moves to shard {to}"
