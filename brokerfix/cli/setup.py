"""What is made and checked beside a running broker: rules, certification, passwords, certificates, keys, journals."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brokerfix.settings import passwords
from brokerfix.settings.sections import COMP_ID

if TYPE_CHECKING:
    pass

from brokerfix.cli.base import ask_broker, config_of, config_option, for_people, json_option, main, show_rows


@main.command()
@click.argument("client")
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md", show_default=True)
@click.option("--dictionary", type=click.Path(dir_okay=False), help="Write the client's FIX dictionary (XML) here too.")
@config_option
@for_people
def rules(client: str, form: str, dictionary: str | None, config: str) -> None:
    """Print the rules of engagement for CLIENT: sessions, messages, tags, order types, rejects, examples."""
    from brokerfix.operate.rules import document, html, write_client_dictionary

    loaded = config_of(config)
    if client not in loaded.clients:
        raise click.ClickException(f"{config}: there is no [clients.{client}]; there are {', '.join(loaded.clients)}")
    text = document(loaded, client)
    click.echo(html(text, f"{loaded.broker.name} for {client}") if form == "html" else text)
    if dictionary:
        write_client_dictionary(loaded, client, Path(dictionary))


@main.command()
@click.option("--client", default="CLIENT", show_default=True, help="The SenderCompID of the client to certify.")
@click.option("--name", default="BROKER", show_default=True, help="The TargetCompID that it uses.")
@click.option("--fix", default="FIX.4.4", show_default=True, type=click.Choice(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]))
@click.option("--port", default=9899, show_default=True, help="Where to listen, on this machine only.")
@click.option("--patience", default=120.0, show_default=True, help="Seconds to wait for each message.")
@click.option("--report", "path", default="certification", show_default=True, help="Writes PATH.md and PATH.html.")
@for_people
def certify(client: str, name: str, fix: str, port: int, patience: float, path: str) -> None:
    """Certify a FIX client: it walks through a scripted session, and says live what is expected and what it sees."""
    from brokerfix.operate.certify import STEPS, Counterpart, report, run
    from brokerfix.operate.rules import html

    counterpart = Counterpart(port, name, client, fix, click.echo, patience)
    click.echo(f"waiting for {client} ({fix}) on port {counterpart.port}")
    findings = list(run(counterpart))
    text = report(findings, client, fix)
    Path(f"{path}.md").write_text(text)
    Path(f"{path}.html").write_text(html(text, f"Certification of {client}"))
    passed = len(findings) == len(STEPS) and not findings[-1].failure
    click.echo(f"{'passed' if passed else 'NOT passed'}; the report is {path}.md and {path}.html")
    sys.exit(0 if passed else 1)


@main.command()
@click.password_option(help="The password; asked for if not given.")
def password(password: str) -> None:
    """Make a password_hash for the configuration."""
    click.echo(passwords.make_hash(password))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=("localhost", "127.0.0.1"),
    show_default=True,
    help="A name or address that clients connect to; may be given several times.",
)
@click.option("--client", "names", multiple=True, help="Make this client's certificate; may be given several times.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1), help="How long they are valid.")
@for_people
def certificates(folder: str, hosts: tuple[str, ...], names: tuple[str, ...], days: int) -> None:
    """Make a development CA in FOLDER, the gateway's certificate and clients'. An existing CA is used again."""
    from brokerfix.tools.certificates import Authority

    for name in names:
        if not COMP_ID.fullmatch(name) or name in ("ca", "server"):
            raise click.ClickException(f"{name!r}: a client's name is its CompID, and neither ca nor server")
    authority = Authority(Path(folder), days)
    authority.issue("server", hosts)
    click.echo(f"{folder}/ca.pem: the authority; {folder}/server.pem, server.key: for {', '.join(hosts)}")
    for name in names:
        pin = authority.issue(name)
        click.echo(f'{folder}/{name}.pem, {name}.key: in [clients.{name}] write certificates = ["{pin}"]')


@main.command()
@click.argument("name", required=False, default="")
@click.option("--add", is_flag=True, help="Have the running broker take it, for --client; nothing is restarted.")
@click.option("--revoke", is_flag=True, help="Have the key NAME count no more, also one of the configuration.")
@click.option("--client", default="", help="Whose session it uses.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["read", "trade", "market"]), help="[read]")
@click.option("--account", "accounts", multiple=True, help="For this account only; may be given several times.  [all]")
@config_option
@json_option
@for_people
def key(
    name: str, add: bool, revoke: bool, client: str, scopes: tuple[str, ...], accounts: tuple[str, ...], config: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Make an API key with the name NAME, and what the configuration keeps of it; or have the running broker take it,
    or revoke it. Without NAME, list the keys."""
    from brokerfix.doors.desk import hash_of, make_key

    if not name:
        show_rows(ask_broker(config, False, "", action="api-keys")["keys"], "keys", as_json)
    elif revoke:
        ask_broker(config, as_json, f"{name}: revoked; its streams end", action="revoke-api-key", name=name)
    elif add:
        if not client:
            raise click.UsageError("--add needs --client")
        made = make_key(name)
        settings = {"hash": hash_of(made), "client": client, "scopes": scopes or ("read",), "accounts": accounts}
        ask_broker(config, False, "", action="add-api-key", name=name, settings=settings)
        click.echo(json.dumps({"name": name, "key": made}) if as_json else made)
    else:
        made = make_key(name)
        click.echo(f'{made}\n\n[api_keys.{name}]\nhash = "{hash_of(made)}"\nclient = "..."\nscopes = ["read"]')
