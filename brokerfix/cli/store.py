"""The broker's database: made anew."""

from importlib.util import find_spec

import click

from brokerfix.cli.base import config_of, config_option, for_people, main
from brokerfix.settings.registry import database_path
from brokerfix.settings.store import NEEDS, in_postgres


@main.command()
@config_option
@for_people
def rebuild(config: str) -> None:
    """Have the database made anew from the journal, by the broker's projection: at once where it runs, else at the next
    start. In PostgreSQL only this broker's shard is; until it is done readers see a part of it."""
    loaded = config_of(config)
    if not loaded.broker.store:
        raise click.ClickException(f"{config}: broker.store is false: there is no database")
    if in_postgres(loaded):
        if find_spec("psycopg") is None:
            raise click.ClickException(f"{config}: {NEEDS}")
        from brokerfix.projections.postgres import forget

        forget(loaded)
        click.echo(f"shard {loaded.broker.shard} is forgotten; the projection makes it anew")
        return
    from brokerfix.projections.sqlite import Sqlite

    path = database_path(loaded.data)
    if path.exists():
        database = Sqlite(loaded.data)
        database.forget()
        database.close()
    click.echo(f"{path} is forgotten; the projection makes it anew")
