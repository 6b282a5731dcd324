"""Regulatory records of a trading day out of the journal, as files. None is a certified filing."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from brokerfix.cli.base import config_of, config_option, for_people, show_rows
from brokerfix.cli.reports import DAY, report
from brokerfix.settings.sections import Config

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


class Asked(NamedTuple):
    """Which day's records, made by which configuration, and where they go."""

    day: int
    output: Path
    config: Config

    @property
    def journal(self) -> Path:
        return self.config.data / "journal"


def options_of_filings(command: Callable[..., None], with_persons: bool = False) -> Callable[..., None]:
    """What all of these reports are asked for, as one `asked`."""

    @click.option("--day", required=True, type=DAY, help="The trading day, YYYY-MM-DD.")
    @click.option(
        "--output", default="filings", show_default=True, type=FOLDER, metavar="FOLDER", help="Write the files there."
    )
    @config_option
    @for_people
    @wraps(command)
    def made(day: datetime, output: Path, config: str, **others: Any) -> None:
        loaded = config_of(config)
        if with_persons:
            loaded = _with_persons(loaded)
        command(Asked(int(day.strftime("%Y%m%d")), output, loaded), **others)

    return made


def form_option(*forms: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--format", "form", type=click.Choice(forms), default=forms[0], show_default=True)


@report.command("cat")
@form_option("json", "csv")
@click.option(
    "--repair", type=FILE, metavar="FILE", help="CAT's feedback: a CSV file with the columns errorROEID and firmROEID."
)
@options_of_filings
def cat(asked: Asked, form: str, repair: Path | None) -> None:
    """The day's order events as CAT wants them of industry members: orders, routes, changes, cancels and trades, with
    corrections and repairs in files of their own."""
    from brokerfix.compliance.cat_files import BadRepairs, read_repairs, write_cat

    try:
        repairs = read_repairs(repair) if repair is not None else {}
    except BadRepairs as error:
        raise click.ClickException(str(error)) from error
    tell(*write_cat(asked.output, asked.journal, asked.day, asked.config.compliance, form, repairs))


@report.command("606")
@click.option("--customer", default="", metavar="CLIENT", help="This client's own report, by Rule 606(b)(3).")
@options_of_filings
def rule606(asked: Asked, customer: str) -> None:
    """Order routing as Rule 606 wants it, as XML: of the quarter that the day is in, by 606(a)(1); or what became of a
    customer's not held orders in the six months that end with the day, by 606(b)(3)."""
    from brokerfix.compliance.rule606 import write_public
    from brokerfix.compliance.rule606_customer import NoCustomer, write_customer

    if not customer:
        return tell(*write_public(asked.output, asked.config, asked.day))
    try:
        return tell(*write_customer(asked.output, asked.config, customer, asked.day))
    except NoCustomer as error:
        raise click.ClickException(str(error)) from error


@report.command("605")
@options_of_filings
def rule605(asked: Asked) -> None:
    """Execution quality of the month that the day is in, by symbol, kind of order and size, as Rule 605 wants it."""
    from brokerfix.compliance.rule605 import write_month

    tell(*write_month(asked.output, asked.config, asked.day))


def options_with_persons(command: Callable[..., None]) -> Callable[..., None]:
    """The same, with what the personal data say of accounts."""
    return options_of_filings(command, with_persons=True)


def _with_persons(config: Config) -> Config:
    from brokerfix.personal.person import completed
    from brokerfix.personal.vault import vault_of

    vault = vault_of(config)
    if not (vault.folder.exists() and vault.key_folder.exists()):
        return config
    return msgspec.structs.replace(config, compliance=completed(config, vault.everybody()))


@report.command("rts24")
@form_option("json", "csv")
@options_with_persons
def rts24(asked: Asked, form: str) -> None:
    """The day's order records of our own book, as RTS 24 of MiFIR wants a trading venue to keep them."""
    from brokerfix.compliance.rts24 import write_rts24

    tell(*write_rts24(asked.output, asked.journal, asked.day, asked.config.compliance, form))


@report.command("rts22")
@form_option("xml", "csv")
@options_with_persons
def rts22(asked: Asked, form: str) -> None:
    """The day's transaction reports, as RTS 22 of MiFIR wants them: every fill, with cancellations of those that were
    taken back or corrected."""
    from brokerfix.compliance.rts22 import write_rts22

    tell(*write_rts22(asked.output, asked.journal, asked.day, asked.config.compliance, form))


@report.command("rts25")
@options_of_filings
def rts25(asked: Asked) -> None:
    """Evidence of the clock for RTS 25 of MiFID: the day's checks of it, what was stamped between them, and how
    fine."""
    from brokerfix.compliance.clock import write_clock

    tell(*write_clock(asked.output, asked.journal, asked.day, asked.config.compliance.clock))


def tell(paths: Sequence[Path], told: dict[str, Any]) -> None:
    """Say what was written, how it adds up, and what is missing. Exits with 1 where it does not add up."""
    click.echo(f"{told['report']}: {told['status']}\n{told['specification']}")
    for path in paths:
        click.echo(f"{path}: written")
    if "reconciliation" in told:
        click.echo("\nwhat became of the day's facts")
        if told["reconciliation"]:
            show_rows(told["reconciliation"], "", False)
        facts = sum(row["facts"] for row in told["reconciliation"])
        made = sum(told["records"].values())
        click.echo(f"{facts} facts: {made} records, {facts - made} with a reason for none")
    if told.get("day_is_over") is False:
        click.echo("The journal ends with this day: more of it may come")
    for why, number in told.get("orders", {}).items():
        click.echo(f"{number} orders: {why}")
    if told["problems"]:
        click.echo("\nmissing, or not as the specification has it")
        show_rows(told["problems"], "", False)
    click.echo("\n" + "\n".join(told["notes"]))
    if told.get("differences"):
        raise click.ClickException("it does not add up: " + "; ".join(told["differences"]))
