"""Copies of a journal, and a broker made of one."""

from pathlib import Path

import click

from brokerfix.cli.base import config_of, for_people, main


@main.command()
@click.argument("config")
@click.argument("folder")
@for_people
def backup(config: str, folder: str) -> None:
    """Copy the journal of the broker of the file CONFIG, which may run, to FOLDER.

    Called again with the same folder it copies what has come since."""
    from brokerfix.record.backup import back_up

    made = back_up(config_of(config).data, Path(folder))
    size = sum(one.size for one in made.files)
    click.echo(f"{folder}: {len(made.files)} files, {size:,} bytes, up to fact {made.last_id} of {made.until}")
    left = sorted({path.name for path in Path(folder).glob("*.journal")} - {one.name for one in made.files})
    if left:
        click.echo(f"{', '.join(left)}: the journal no longer has these days, and no restore takes them: delete them")


@main.command()
@click.argument("folder")
@click.argument("config")
@click.option("--until", default="", help="Up to and with a fact, or a time, as 2026-11-27T14:30:00Z (UTC).")
@for_people
def restore(folder: str, config: str, until: str) -> None:
    """Make the data folder of the broker of the file CONFIG from the backup in FOLDER, and verify it.

    The data folder must have no journal."""
    from brokerfix.record.audit import verify
    from brokerfix.record.backup import restore as restore_backup
    from brokerfix.record.checkpoints import FOLDER
    from brokerfix.record.proof import check

    data = config_of(config).data
    made = restore_backup(Path(folder), data, until)
    click.echo(f"{data}: restored up to fact {made.last_id} of {made.until}; {made.left_out:,} bytes are beyond it")
    report, _ = verify(data / "journal")
    click.echo(f"{report.facts} facts, {report.orders} orders, {report.fills} fills; state hash {report.state_hash}")
    # A day that is missing in the middle breaks no invariant, but a link.
    problems = [*report.problems, *check(data / "journal", data / FOLDER, ()).problems]
    for problem in problems:
        click.echo(f"BROKEN: {problem}")
    if problems:
        raise click.ClickException("what was restored does not hold; the backup is of a journal that did not either")
    click.echo(
        "What came after it is not here. At the start exchanges are asked about every open order; fills of orders that "
        "were sent later are told as breaks. A session whose numbers went on further has to begin anew: "
        "`brokerfix sessions reset NAME`."
    )
