"""The console in a browser, and who may log in to it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brokerfix.access.roles import Role
from brokerfix.cli.base import config_of, config_option, for_people, json_option, main, show_rows

if TYPE_CHECKING:
    from brokerfix.access.people import People
    from brokerfix.settings.sections import Config

ROLES = click.Choice([role.value for role in Role])
role_option = click.option("--role", type=ROLES, required=True, help="What the person may do.")


@main.command()
@click.argument("config")
@for_people
def console(config: str) -> None:
    """Run the console of the file CONFIG until Ctrl-C or SIGTERM: pages in a browser that show what happens at the desk
    and act on it. The broker runs by itself; `people add` says who may log in."""
    from brokerfix.console.process import run
    from brokerfix.operate import logs

    loaded = _with_console(config)
    logs.configure("console")
    people, section = _people(loaded), loaded.console
    assert section is not None
    if not people.all():
        raise click.ClickException(f"{people.path}: nobody may log in yet: brokerfix people add NAME --role ROLE")
    scheme = "https" if section.certificate else "http"
    click.echo(f"{scheme}://{section.address}:{section.port}/", err=True)
    run(loaded)


@main.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
@for_people
def people(context: click.Context, config: str, as_json: bool) -> None:
    """Show who may log in to the console, and with which role; or change it. A running console takes it up at once."""
    if context.invoked_subcommand is None:
        rows = [
            {
                "name": person.name,
                "role": person.role.value,
                "one-time codes": "yes" if person.secret else "no",
                "may log in": "no" if person.disabled else "yes",
            }
            for person in _people(_with_console(config)).all().values()
        ]
        show_rows(rows, "people", as_json)


@people.command("add")
@click.argument("name")
@role_option
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False), help="Its first line is the password.")
@config_option
@for_people
def people_add(name: str, role: str, password_file: str | None, config: str) -> None:
    """Let NAME log in. The password is asked for; the secret of the one-time codes is printed once, for an
    authenticator."""
    loaded = _with_console(config)
    assert loaded.console is not None
    secret = _people(loaded).add(name, Role(role), _password(password_file), loaded.console.second_factor)
    click.echo(f"{name} may log in as {role}")
    if secret:
        _show_secret(loaded, name, secret)


@people.command("password")
@click.argument("name")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False), help="Its first line is the password.")
@config_option
@for_people
def people_password(name: str, password_file: str | None, config: str) -> None:
    """Another password for NAME."""
    _people(_with_console(config)).change(name, password=_password(password_file))
    click.echo(f"{name}: another password from now on")


@people.command("role")
@click.argument("name")
@click.argument("role", type=ROLES)
@config_option
@for_people
def people_role(name: str, role: str, config: str) -> None:
    """Another role for NAME."""
    _people(_with_console(config)).change(name, role=Role(role))
    click.echo(f"{name}: {role} from now on")


@people.command("codes")
@click.argument("name")
@config_option
@for_people
def people_codes(name: str, config: str) -> None:
    """Another secret of one-time codes for NAME, whose telephone is lost."""
    loaded = _with_console(config)
    secret = _people(loaded).new_secret(name)
    _show_secret(loaded, name, secret)


@people.command("lock")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let the person log in again.")
@config_option
@for_people
def people_lock(name: str, undo: bool, config: str) -> None:
    """Let NAME log in no more; who is logged in is logged out."""
    _people(_with_console(config)).change(name, disabled=not undo)
    click.echo(f"{name}: may {'' if undo else 'not '}log in from now on")


@people.command("remove")
@click.argument("name")
@config_option
@for_people
def people_remove(name: str, config: str) -> None:
    """Forget NAME."""
    _people(_with_console(config)).remove(name)
    click.echo(f"{name}: removed")


def _with_console(config: str) -> "Config":
    loaded = config_of(config)
    if loaded.console is None:
        raise click.ClickException(f"{config}: there is no [console]")
    return loaded


def _people(loaded: "Config") -> "People":
    from brokerfix.console import check_installed

    assert loaded.console is not None
    check_installed()
    from brokerfix.access.people import People

    return People(loaded.console.people_file(loaded.path, loaded.data), loaded.console.second_factor)


def _password(file: str | None) -> str:
    if file is not None:
        return Path(file).read_text().partition("\n")[0]
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _show_secret(loaded: "Config", name: str, secret: str) -> None:
    from brokerfix.access.people import uri_of

    click.echo(f"one-time codes, for an authenticator: {secret}")
    click.echo(uri_of(name, secret, loaded.broker.name))
