"""What all commands share: options, errors that are told to people, the running broker, the database."""

import json
import os
import select
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import click

from brokerfix import __version__
from brokerfix.cli.tables import show
from brokerfix.operate.admin import ActionRefused, Answer, NotRunning, ask
from brokerfix.projections.reading import Reading, Unreadable, reading_of
from brokerfix.queues.away import ServerAway
from brokerfix.record.journal import JournalError
from brokerfix.settings.load import load
from brokerfix.settings.sections import Config, ConfigError, StartError
from brokerfix.tools.client import Disconnected

TOLD = (ConfigError, StartError, JournalError, Disconnected, NotRunning, ActionRefused, ServerAway, Unreadable, OSError)
DEFAULT_CONFIG = "config/broker.toml"


def for_people(command: Callable[..., Any]) -> Callable[..., Any]:
    """What goes wrong for a reason that a person can mend is one line and exit code 1."""

    @wraps(command)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError as error:
            if _is_unread():
                raise
            raise click.ClickException(str(error)) from error
        except TOLD as error:
            raise click.ClickException(str(error)) from error
        except sqlite3.Error as error:
            raise click.ClickException(
                f"the database can't be read ({error}); is the broker's projection running?"
            ) from error

    return told


def config_of(path: str) -> Config:
    return load(Path(path))


config_option = click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The broker's configuration.")


limit_option = click.option("--limit", default=50, show_default=True, type=click.IntRange(0, 10**9))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def _is_unread() -> bool:
    """Whether what we print goes into a pipe that nobody reads any more, as behind `| head`."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return bool(output.poll(0))


def _discard() -> None:
    """What is still buffered of what we print, or will be, goes nowhere: it must go somewhere at the interpreter's
    end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _read_to_the_end_or_not() -> Iterator[None]:
    """That nobody reads what we print to its end is no error: the exit code is what it would have been, or 0. That it
    can't be written, as on a full disk, is one."""
    if sys.stdout is None:
        # It was closed before we began, which Python tells so.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    code = 0
    try:
        try:
            yield
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
            raise
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread():
            raise
        _discard()
        sys.exit(code)
    except OSError as error:
        _discard()
        raise click.ClickException(str(error)) from error


class Commands(click.Group):
    """The commands, whose output may end in a pipe that is closed. Of `topics`, the modules and which commands each
    has, the ones that are needed are loaded: a command takes a moment, and all of them ten times as long."""

    topics: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({name for names in self.topics.values() for name in names.split()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for topic, names in self.topics.items():
            if cmd_name in names.split():
                import_module(f"brokerfix.cli.{topic}")
        return super().get_command(ctx, cmd_name)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _read_to_the_end_or_not():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _read_to_the_end_or_not():
            return super().invoke(ctx)


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """brokerfix: a FIX broker in one process."""


def database(config: str) -> Reading:
    """The broker's database, for as long as the command runs. Raises Unreadable."""
    found = reading_of(config_of(config))
    click.get_current_context().call_on_close(found.close)
    return found


LEAST = {
    "orders": (
        "at_venues", "in_book", "account", "ord_type", "time_in_force", "entered", "avg_px", "cum_qty", "routes",
        "leaves_qty", "cl_ord_id",
    ),
    "executions": ("venue_exec_id", "account", "order_id", "venue", "exec_id", "at", "cl_ord_id"),
    "sessions": (
        "certificate", "unread_bytes", "refused", "seconds", "messages_out", "messages_in", "from", "fix", "kind",
    ),
    "positions": ("sold", "bought", "mark", "buying_power"),
    "latest": ("open", "bid_qty", "ask_qty", "last_qty", "low", "high", "mid", "mark"),
}  # fmt: skip
"""By listing: what a narrow terminal goes without, the first first."""


def show_rows(rows: Iterable[dict[str, Any]], title: str, as_json: bool) -> None:
    show(rows, title, as_json, LEAST.get(title, ()))


def ask_broker(config: str, as_json: bool, done: str, **request: Any) -> Answer:
    """Ask the running broker, and say what was done."""
    answer = ask(config_of(config).data, {name: value for name, value in request.items() if value is not None})
    if as_json:
        click.echo(json.dumps(answer))
    elif done:
        click.echo(done)
    return answer


client_option = click.option("--client", help="The order is named by this client's ClOrdID, not by OrderID.")


text_option = click.option("--text", default="", help="Why, for the client and for the record.")


def terms_of_order(terms: tuple[str, ...]) -> tuple[str, str, str, str | None]:
    words = [word for word in terms if word != "@"]
    if len(words) not in (3, 4) or words[0].lower() not in ("buy", "sell"):
        raise click.UsageError("an order is: buy|sell QTY SYMBOL [@ PRICE], e.g. buy 100 AAPL @ 150.25")
    return "1" if words[0].lower() == "buy" else "2", words[1], words[2], words[3] if len(words) == 4 else None
